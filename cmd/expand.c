/* atelier expand: a sweep file as the list of its jobs. */
#include "command.h"

#include "complaints_print.h"
#include "manifest.h"
#include "outlet.h"
#include "selection.h"
#include "sweep_file.h"
#include "sweep_summary.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct expanding {
    const char *file, *only;
    bool count, json;
    struct job_list list;
    struct complaints complaints;
};

static void describe(struct expanding *expanding, struct form *form)
{
    const struct argument rows[] = {
        OPTION("count", FLAG, &expanding->count, NULL,
               "say how many jobs there are, what varies between them, and how much work they are"),
        OPTION("json", FLAG, &expanding->json, NULL, "the jobs, or what --count says, as JSON"),
        OPTION("only", TEXT, &expanding->only, "CONDITIONS",
               "only jobs for which they hold: 'style_weight>=1, style=starry.jpg, name~night'"),
    };
    *form = (struct form){
        .usage = "FILE|STORE [options]",
        .text =
            "Checks a sweep file or a manifest and prints the manifest of its jobs: CSV, a row a\n"
            "job, with ids. Reading that gives the same jobs again: a text that a spreadsheet "
            "would\n"
            "run as a formula has a ' before it, which reading takes away. A store stands for its\n"
            "own manifest.",
        .operands = OPERAND_SWEEP(&expanding->file),
        .exit_codes = "0 done; 2 wrong input, all of it listed; 3 disk or memory",
    };
    form_add(form, rows, sizeof rows / sizeof *rows);
}

void describe_expand(struct form *form)
{
    static struct expanding expanding;
    describe(&expanding, form);
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
    if (expanding->json)
        return sweep_jobs_json(list, err);
    outlet_pass_data();
    return manifest_write(stdout, list, err);
}

int command_expand(int argc, char **argv)
{
    int status = 0;
    bool helped = false, is_store;
    char *found = NULL;
    struct error error = {0};
    struct expanding expanding = {0};
    struct form form;
    describe(&expanding, &form);
    TRY(command_parse(argc, argv, &form, &helped, &error));
    if (helped)
        goto done;
    TRY(sweep_file_find(expanding.file, &found, &is_store, &error));
    status = job_list_read(found, &expanding.list, &expanding.complaints, &error);
    complaints_print(&expanding.complaints);
    if (status == 0 && expanding.only)
        status = select_jobs(&expanding, &error);
    if (status == 0)
        status = print(&expanding, &error);
done:
    if (status != 0)
        outlet_error("expand", &error);
    free(found);
    job_list_release(&expanding.list);
    complaints_release(&expanding.complaints);
    return status;
}
