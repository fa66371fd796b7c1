#include "result.h"

#include "guarded.h"
#include <hdf5.h>
#include <stdio.h>

enum { TEXT = 32, CPU_SECONDS = 5 };

static int ask(void *context, struct error *err)
{
    unsigned major, minor, release;
    if (H5get_libversion(&major, &minor, &release) < 0)
        return fail(err, E_ENVIRONMENT, "HDF5 does not start");
    snprintf(context, TEXT, "%u.%u.%u", major, minor, release);
    return 0;
}

/* In a child: even this question starts the library, which may die of it. */
const char *result_hdf5_version(void)
{
    static char text[TEXT];
    char *answer = text[0] ? NULL : guarded_memory(TEXT);
    if (answer && guarded_run(ask, answer, CPU_SECONDS, NULL) == 0)
        snprintf(text, sizeof text, "%.*s", TEXT - 1, answer);
    guarded_free(answer, TEXT);
    return text[0] ? text : "unknown";
}
