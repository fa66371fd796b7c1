/* atelier expand: a sweep file as the list of its jobs. */
#include "command.h"

#include "complaints_print.h"
#include "manifest.h"
#include <stdio.h>
#include <string.h>

void help_expand(void)
{
    printf("usage: atelier expand FILE\n\n"
           "Checks a sweep file or a manifest and prints the manifest of its jobs: CSV, a row a\n"
           "job, with ids. Reading that gives the same jobs again.\n");
}

static int parse(int argc, char **argv, const char **file, bool *help, struct error *err)
{
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            *help = true;
        else if (argv[i][0] == '-' && argv[i][1])
            return fail(err, E_INPUT, "unknown option '%s'", argv[i]);
        else if (*file)
            return fail(err, E_INPUT, "one file at a time: '%s' or '%s'", *file, argv[i]);
        else
            *file = argv[i];
    }
    if (!*file && !*help)
        return fail(err, E_INPUT, "name a sweep file or a manifest");
    return 0;
}

int command_expand(int argc, char **argv)
{
    int status = 0;
    bool help = false;
    const char *file = NULL;
    struct error error = {0};
    struct complaints complaints = {0};
    struct job_list list = {0};
    TRY(parse(argc, argv, &file, &help, &error));
    if (help) {
        help_expand();
        goto done;
    }
    status = job_list_read(file, &list, &complaints, &error);
    complaints_print(&complaints);
    if (status == 0)
        status = manifest_write(stdout, &list, &error);
done:
    if (status != 0)
        fprintf(stderr, "atelier expand: %s\n", error.message);
    job_list_release(&list);
    complaints_release(&complaints);
    return status;
}
