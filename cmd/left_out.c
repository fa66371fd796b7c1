#include "left_out.h"

#include "outlet.h"
#include "shell.h"
#include <stdlib.h>

static void print_one(const struct store *store, const struct run *run)
{
    char *path = store_job_path(store, run->id, JOB_RESULT);
    fputs("skipped  ", stderr);
    outlet_line(stderr, path ? path : run->id);
    fputs(": ", stderr);
    outlet_line(stderr, run->error);
    fputc('\n', stderr);
    free(path);
}

int left_out_list(const struct runs *runs, size_t lost, struct error *err)
{
    enum { SHOWN = 20 };
    size_t shown = 0, all = runs->unreadable + lost;
    if (all == 0)
        return 0;
    for (size_t i = 0; i < runs->count && shown < SHOWN; i++) {
        if (runs->run[i].status != RUN_UNREADABLE)
            continue;
        print_one(&runs->store, &runs->run[i]);
        shown++;
    }
    if (shown < all)
        fprintf(stderr, "skipped  %zu more\n", all - shown);
    char *repair =
        shell_command(4, (char *[]){"atelier", "verify", runs->store.folder, "--repair"});
    int status = fail(err, E_FAILED, "%zu result%s cannot be read; to make room for new ones: %s",
                      all, all == 1 ? "" : "s", repair ? repair : "atelier verify --repair");
    free(repair);
    return status;
}
