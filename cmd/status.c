/* atelier status: where a sweep stands, from the store's files alone. */
#include "status.h"

#include "command.h"
#include "complaints_print.h"
#include "files.h"
#include "outlet.h"
#include "terminal.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

struct request {
    const char *store;
    bool watch, json, all;
};

enum { SHOWN = 10, WATCH_SECONDS = 2, LOG_TAIL = 4096 };

static void describe(struct request *request, struct form *form)
{
    const struct argument rows[] = {
        OPTION("watch", FLAG, &request->watch, NULL,
               "refresh it every 2 seconds, until nothing is left to do"),
        OPTION("json", FLAG, &request->json, NULL, "print it as JSON, complete"),
        OPTION("all", FLAG, &request->all, NULL,
               "list every running and failed job, not only the first 10"),
    };
    *form = (struct form){
        .usage = "STORE [options]",
        .text =
            "Tells what is done, running, waiting and failed, why, and when it will end: while a\n"
            "batch is at work, after it, or after it was killed. Reads files only.",
        .operands = OPERAND_STORE(&request->store),
        .exit_codes = "0 it could be told; 2 no store; 3 the store cannot be read",
    };
    form_add(form, rows, sizeof rows / sizeof *rows);
}

void describe_status(struct form *form)
{
    static struct request request;
    describe(&request, form);
}

/* Looking -------------------------------------------------------------------------------------- */

static int read_manifest(struct status *status, struct error *err)
{
    struct complaints complaints = {0};
    char *path = store_path(&status->store, STORE_MANIFEST);
    if (!path)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    int code = job_list_read_recorded(path, &status->jobs, &complaints, err);
    if (code != 0)
        complaints_print(&complaints);
    complaints_release(&complaints);
    free(path);
    return code;
}

/* The last whole line of batch.log. */
static void read_last_event(struct status *status)
{
    char tail[LOG_TAIL + 1], *path = store_path(&status->store, STORE_LOG);
    int file = -1;
    if (path && files_open(path, &file, NULL) != 0)
        file = -1;
    FILE *log = file < 0 ? NULL : fdopen(file, "r");
    free(path);
    status->last_event[0] = 0;
    if (!log)
        return;
    if (fseek(log, -LOG_TAIL, SEEK_END) != 0)
        rewind(log);
    size_t got = fread(tail, 1, LOG_TAIL, log);
    fclose(log);
    while (got > 0 && tail[got - 1] != '\n')
        got--;
    if (got == 0)
        return;
    tail[got - 1] = 0;
    const char *start = strrchr(tail, '\n');
    snprintf(status->last_event, sizeof status->last_event, "%.*s",
             (int)sizeof status->last_event - 1, start ? start + 1 : tail);
}

static uint64_t file_bytes(const struct store *store, enum store_file file)
{
    struct stat info;
    char *path = store_path(store, file);
    uint64_t bytes = path && stat(path, &info) == 0 ? (uint64_t)info.st_size : 0;
    free(path);
    return bytes;
}

static void add_bytes(struct status *status)
{
    static const enum store_file files[] = {STORE_TABLE, STORE_REPORT, STORE_LOG, STORE_MANIFEST};
    status->bytes = 0;
    for (size_t i = 0; i < status->state.scan.count; i++)
        status->bytes += status->state.scan.entries[i].bytes;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        status->bytes += file_bytes(&status->store, files[i]);
}

static int count_jobs(struct status *status, struct error *err)
{
    size_t results = 0;
    for (size_t i = 0; i < status->state.scan.count; i++)
        results += store_entry_has(&status->state.scan.entries[i], JOB_RESULT);
    for (size_t i = 0; i < status->jobs.count; i++) {
        const struct job *job = &status->jobs.jobs[i];
        const struct store_entry *entry = store_scan_find(&status->state.scan, job->id);
        enum run_status what = store_state_of(&status->state, job->id);
        status->count[what]++;
        status->checkpoints += what == RUN_WAITING && store_entry_has(entry, JOB_CHECKPOINT);
        results -= store_entry_has(entry, JOB_RESULT);
    }
    status->unlisted = results;
    status->failed = calloc(status->count[RUN_FAILED] + 1, sizeof *status->failed);
    return status->failed ? 0 : fail(err, E_ENVIRONMENT, "not enough memory");
}

static void read_failures(struct status *status)
{
    size_t at = 0;
    for (size_t i = 0; i < status->jobs.count; i++) {
        const struct job *job = &status->jobs.jobs[i];
        if (store_state_of(&status->state, job->id) != RUN_FAILED)
            continue;
        struct failed_job *failed = &status->failed[at++];
        failed->job = job;
        if (failure_read(&status->store, job->id, &failed->record, NULL) != 0)
            failed->record = (struct failure){0};
    }
}

/* Everything but the manifest. */
static void forget(struct status *status)
{
    for (size_t i = 0; status->failed && i < status->count[RUN_FAILED]; i++)
        failure_release(&status->failed[i].record);
    free(status->failed);
    status->failed = NULL;
    store_state_release(&status->state);
    memset(status->count, 0, sizeof status->count);
    status->checkpoints = 0;
}

static int look(struct status *now, struct error *err)
{
    int status = 0;
    forget(now);
    TRY(store_state_read(&now->store, &now->state, err));
    TRY(count_jobs(now, err));
    read_failures(now);
    read_last_event(now);
    add_bytes(now);
done:
    return status;
}

/* Showing -------------------------------------------------------------------------------------- */

/* Prints the text over the `lines` lines above, each cut to the terminal's width; returns how many
 * lines it has. */
static int repaint(const char *text, int lines)
{
    int width = terminal_width(stdout), room = terminal_height(stdout) - 1, printed = 0;
    char up[32];
    snprintf(up, sizeof up, "\033[%dA", lines);
    if (lines > 0)
        outlet_raw(stdout, up, strlen(up));
    for (; *text && printed < room; printed++) {
        char line[1024];
        size_t length = strcspn(text, "\n");
        snprintf(line, sizeof line, "%.*s", (int)length, text);
        terminal_cut(stdout, line, width);
        outlet_raw(stdout, "\033[K\n", 4);
        text += length + (text[length] == '\n');
    }
    outlet_raw(stdout, "\033[J", 3);
    return printed;
}

static int show_frame(const struct status *status, bool all, int *lines, struct error *err)
{
    char *text = NULL;
    size_t size;
    FILE *to = open_memstream(&text, &size);
    if (!to)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    status_print(to, status, all ? 0 : SHOWN);
    fclose(to);
    *lines = repaint(text, *lines);
    free(text);
    return 0;
}

static bool nothing_left(const struct status *status)
{
    return status->state.batch != BATCH_ALIVE &&
           status->count[RUN_DONE] + status->count[RUN_FAILED] == status->jobs.count;
}

static int watch(struct status *status, bool all, struct error *err)
{
    int lines = 0;
    for (;;) {
        int code = show_frame(status, all, &lines, err);
        if (code != 0 || nothing_left(status))
            return code;
        nanosleep(&(struct timespec){.tv_sec = WATCH_SECONDS}, NULL);
        if ((code = look(status, err)) != 0)
            return code;
    }
}

static int act(void *context, struct error *err)
{
    const struct request *request = context;
    int status = 0;
    struct status now = {0};
    if (request->watch && (request->json || !isatty(STDOUT_FILENO)))
        return fail(err, E_INPUT, "--watch needs a terminal%s",
                    request->json ? ", and does without --json" : "");
    TRY(store_open(request->store, &now.store, err));
    TRY(read_manifest(&now, err));
    TRY(look(&now, err));
    if (request->json)
        status = status_print_json(stdout, &now, err);
    else if (request->watch)
        status = watch(&now, request->all, err);
    else
        status_print(stdout, &now, request->all ? 0 : SHOWN);
done:
    forget(&now);
    job_list_release(&now.jobs);
    store_release(&now.store);
    return status;
}

int command_status(int argc, char **argv)
{
    struct request request = {0};
    struct form form;
    describe(&request, &form);
    return command_perform(argc, argv, &form, act, &request);
}
