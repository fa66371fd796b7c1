/* atelier expand: a sweep file as the list of its jobs. */
#include "command.h"

#include "arguments.h"
#include "complaints_print.h"
#include "manifest.h"
#include "selection.h"
#include "sweep_file.h"
#include "sweep_summary.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct expanding {
    const char *only;
    bool count, json;
    struct job_list list;
    struct complaints complaints;
};

enum { EXPAND_ROWS = 3 };

static void make_rows(struct expanding *expanding, struct argument rows[EXPAND_ROWS])
{
    const struct argument all[EXPAND_ROWS] = {
        OPTION("count", FLAG, &expanding->count, NULL,
               "say how many jobs there are, what varies between them, and how much work they are"),
        OPTION("json", FLAG, &expanding->json, NULL, "the jobs, or what --count says, as JSON"),
        OPTION("only", TEXT, &expanding->only, "CONDITIONS",
               "only jobs for which they hold: 'style_weight>=1, style=starry.jpg, name~night'"),
    };
    memcpy(rows, all, sizeof all);
}

void help_expand(void)
{
    struct expanding expanding = {0};
    struct argument rows[EXPAND_ROWS];
    make_rows(&expanding, rows);
    printf("usage: atelier expand FILE|STORE [options]\n\n"
           "Checks a sweep file or a manifest and prints the manifest of its jobs: CSV, a row a\n"
           "job, with ids. Reading that gives the same jobs again. A store stands for its own\n"
           "manifest.\n\n");
    arguments_print(rows, EXPAND_ROWS);
    printf("\nexit codes: 0 done; 2 wrong input, all of it listed; 3 disk or memory\n");
}

/* Leaves only the jobs that are asked for. */
static int select_jobs(struct expanding *expanding, struct error *err)
{
    struct job_list *list = &expanding->list;
    bool *skip = calloc(list->count, sizeof *skip);
    if (!skip)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    int status = selection_apply(expanding->only, list, skip, err);
    if (status == 0)
        job_list_drop(list, skip);
    free(skip);
    if (status == 0 && list->count == 0)
        status = fail(err, E_INPUT, "no job has %s", expanding->only);
    return status;
}

static int print(const struct expanding *expanding, struct error *err)
{
    const struct job_list *list = &expanding->list;
    if (expanding->count)
        return sweep_summary_print(list, expanding->json, err);
    return expanding->json ? sweep_jobs_json(list, err) : manifest_write(stdout, list, err);
}

int command_expand(int argc, char **argv)
{
    int status = 0;
    bool help = false, is_store;
    const char *file = NULL;
    char *found = NULL;
    struct error error = {0};
    struct expanding expanding = {0};
    struct argument rows[EXPAND_ROWS];
    struct operands operands = {.list = &file, .min = 1, .max = 1, .names = "FILE or STORE"};
    make_rows(&expanding, rows);
    TRY(arguments_parse(argc, argv, rows, EXPAND_ROWS, &operands, &help, &error));
    if (help) {
        help_expand();
        goto done;
    }
    TRY(sweep_file_find(file, &found, &is_store, &error));
    status = job_list_read(found, &expanding.list, &expanding.complaints, &error);
    complaints_print(&expanding.complaints);
    if (status == 0 && expanding.only)
        status = select_jobs(&expanding, &error);
    if (status == 0)
        status = print(&expanding, &error);
done:
    if (status != 0)
        fprintf(stderr, "atelier expand: %s\n", error.message);
    free(found);
    job_list_release(&expanding.list);
    complaints_release(&expanding.complaints);
    return status;
}
