/* atelier collect: a store as tables for analysis. */
#include "command.h"

#include "collect.h"
#include "commit.h"
#include "human.h"
#include "left_out.h"
#include "shell.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct request {
    const char *store, *output, *csv, *tensorboard;
    bool images, quiet;
};

static void describe(struct request *request, struct form *form)
{
    const struct argument rows[] = {
        OPTION("output", TEXT, &request->output, "FILE",
               "file to write; STORE/sweep.h5 if not given"),
        OPTION("images", FLAG, &request->images, NULL, "put the pictures into it, too"),
        OPTION("csv", TEXT, &request->csv, "DIR",
               "also write DIR/runs.csv and DIR/history.csv; a text that a spreadsheet would run "
               "as a formula has a ' before it"),
        OPTION("tensorboard", TEXT, &request->tensorboard, "DIR",
               "also write event files for TensorBoard"),
        OPTION("quiet", FLAG, &request->quiet, NULL, "say nothing unless something is wrong"),
    };
    *form = (struct form){
        .usage = "STORE [options]",
        .text = "Gathers the results of a sweep into one HDF5 file: /runs, a row a job with "
                "parameters,\n"
                "losses and costs; /history, the loss histories of all, one below the other. A "
                "batch may\n"
                "be at work meanwhile.",
        .operands = OPERAND_STORE(&request->store),
        .exit_codes =
            "0 done; 1 done, but some results are unreadable (listed) and left out; 2 wrong "
            "input; 3 disk or memory",
    };
    form_add(form, rows, sizeof rows / sizeof *rows);
}

void describe_collect(struct form *form)
{
    static struct request request;
    describe(&request, form);
}

static uint64_t file_bytes(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
}

static void report_events(const char *folder)
{
    char *command =
        shell_command(3, (char *[]){"tensorboard", "--logdir", (char *)(uintptr_t)folder});
    printf("events   %s; to see them: %s\n", folder, command ? command : "tensorboard");
    free(command);
}

static void report(const struct request *request, const struct runs *runs, const char *path,
                   const struct collected *collected)
{
    char bytes[HUMAN_TEXT];
    if (request->quiet)
        return;
    printf("table    %s (%s)\n", path, human_bytes(file_bytes(path), bytes));
    printf("runs     %zu, of which %zu done\n", runs->count, runs->done - collected->lost);
    printf("history  %zu rows\n", collected->rows);
    if (request->images)
        printf("images   %zu\n", collected->pictures);
    if (request->csv)
        printf("csv      %s/runs.csv, history.csv\n", request->csv);
    if (request->tensorboard)
        report_events(request->tensorboard);
}

static int act(void *context, struct error *err)
{
    const struct request *request = context;
    static const struct fact facts[] = {{.name = "creator", .text = "atelier"},
                                        {.name = "creator_version", .text = ATELIER_VERSION},
                                        {.name = "git_commit", .text = ATELIER_COMMIT}};
    int status = 0;
    struct runs runs = {0};
    struct collected collected = {0};
    char *path = NULL;
    TRY(runs_read(request->store, &runs, err));
    path = request->output ? strdup(request->output) : store_path(&runs.store, STORE_TABLE);
    if (!path) {
        status = fail(err, E_ENVIRONMENT, "not enough memory");
        goto done;
    }
    TRY(collect_write(&runs, path, request->images, facts, sizeof facts / sizeof *facts, &collected,
                      err));
    if (request->csv)
        TRY(collect_csv(&runs, request->csv, err));
    if (request->tensorboard)
        TRY(collect_tensorboard(&runs, request->tensorboard, err));
    report(request, &runs, path, &collected);
    status = left_out_list(&runs, collected.lost, err);
done:
    free(path);
    runs_release(&runs);
    return status;
}

int command_collect(int argc, char **argv)
{
    struct request request = {0};
    struct form form;
    describe(&request, &form);
    return command_perform(argc, argv, &form, act, &request);
}
