#include "status.h"

#include "human.h"
#include "job_command.h"
#include "job_label.h"
#include "outlet.h"
#include "shell.h"
#include "terminal.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum {
    LABEL = 10,
    BAR = 40,
    DONE = 14,
    /* columns of the running jobs */
    ID = JOB_ID_TEXT + 1,
    HOST = 11,
    COUNT = 11,
    LOSS = 10,
    LEFT = 13,
    RUNNING = 2 + ID + HOST + COUNT + LOSS + LEFT + 2
};

/* A live batch writes its progress every few seconds. */
static const double quiet_after_s = 30;

char *status_command(const struct status *status)
{
    return shell_command(3, (char *[]){"atelier", "batch", status->store.folder});
}

char *status_job_command(const struct status *status, const struct job *job)
{
    struct job_command command;
    if (job_command_make(&status->store, job, &command, NULL) != 0)
        return NULL;
    char *words = shell_command(command.argc, command.argv);
    job_command_release(&command);
    return words;
}

static const struct job *find_job(const struct status *status, const char *id)
{
    for (size_t i = 0; i < status->jobs.count; i++)
        if (strcmp(status->jobs.jobs[i].id, id) == 0)
            return &status->jobs.jobs[i];
    return NULL;
}

/* The head ------------------------------------------------------------------------------------- */

static void print_bar(FILE *to, size_t done, size_t of)
{
    size_t filled = of ? done * BAR / of : 0;
    fputc('[', to);
    for (size_t i = 0; i < BAR; i++)
        fputc(i < filled ? '#' : '.', to);
    fprintf(to, "] %3.0f %%\n", of ? floor(100.0 * (double)done / (double)of) : 0);
}

static void print_damaged(FILE *to, const struct status *status)
{
    char *repair =
        shell_command(4, (char *[]){"atelier", "verify", status->store.folder, "--repair"});
    fprintf(to, "%-*s%zu; to make room for new ones: %s\n", LABEL, "damaged",
            status->count[RUN_UNREADABLE], repair ? repair : "atelier verify --repair");
    free(repair);
}

static void print_counts(FILE *to, const struct status *status)
{
    const size_t *count = status->count;
    char text[64];
    snprintf(text, sizeof text, "%zu of %zu", count[RUN_DONE], status->jobs.count);
    fprintf(to, "%-*s%-*s", LABEL, "done", DONE, text);
    print_bar(to, count[RUN_DONE], status->jobs.count);
    if (count[RUN_RUNNING])
        fprintf(to, "%-*s%zu\n", LABEL, "running", count[RUN_RUNNING]);
    if (count[RUN_WAITING])
        fprintf(to, "%-*s%zu", LABEL, "waiting", count[RUN_WAITING]);
    if (count[RUN_WAITING] && status->checkpoints)
        fprintf(to, ", of which %zu go%s on from a checkpoint", status->checkpoints,
                status->checkpoints == 1 ? "es" : "");
    if (count[RUN_WAITING])
        fputc('\n', to);
    if (count[RUN_FAILED])
        fprintf(to, "%-*s%zu\n", LABEL, "failed", count[RUN_FAILED]);
    if (count[RUN_UNREADABLE])
        print_damaged(to, status);
    if (status->unlisted)
        fprintf(to, "%-*s%zu result%s of no job in the manifest\n", LABEL, "and", status->unlisted,
                status->unlisted == 1 ? "" : "s");
}

static const char *verdict_word(int code)
{
    static const struct {
        int code;
        const char *words;
    } verdicts[] = {{0, "all done"},          {E_FAILED, "some jobs failed"},
                    {E_INPUT, "wrong input"}, {E_ENVIRONMENT, "disk or memory"},
                    {E_BUG, "a bug"},         {E_INTERRUPTED, "interrupted"}};
    for (size_t i = 0; i < sizeof verdicts / sizeof *verdicts; i++)
        if (verdicts[i].code == code)
            return verdicts[i].words;
    return "ended by a signal";
}

static void print_alive(FILE *to, const struct status *status)
{
    const struct store_state *state = &status->state;
    char left[HUMAN_TEXT];
    int threads = 0;
    for (size_t i = 0; i < state->progress.agent_count; i++)
        threads += state->progress.agents[i].threads;
    fputs("at work on ", to);
    outlet_line(to, state->claim.host);
    fprintf(to, " (pid %ld) since ", (long)state->claim.pid);
    outlet_line(to, state->claim.started);
    if (state->progress.agent_count)
        fprintf(to, ", %zu agent%s, %d threads", state->progress.agent_count,
                state->progress.agent_count == 1 ? "" : "s", threads);
    fputc('\n', to);
    if (state->progress.seconds_left >= 0)
        fprintf(to, "%-*sabout %s\n", LABEL, "left",
                human_duration(state->progress.seconds_left, left));
    if (state->claim.ending)
        fprintf(to, "%-*sit was told to stop\n", LABEL, "");
    if (state->silent_seconds > quiet_after_s)
        fprintf(to, "%-*sit has said nothing for %s\n", LABEL, "",
                human_duration(state->silent_seconds, left));
}

static void print_gone(FILE *to, const struct status *status)
{
    const struct store_state *state = &status->state;
    char silent[HUMAN_TEXT];
    const char *host = state->claim.nonce[0] ? state->claim.host : state->progress.host;
    long pid = (long)(state->claim.nonce[0] ? state->claim.pid : state->progress.pid);
    fputs("gone without a word: ", to);
    outlet_line(to, host);
    fprintf(to, " (pid %ld) was killed, or its host is lost", pid);
    if (state->silent_seconds >= 0)
        fprintf(to, "\n%-*slast heard of %s ago", LABEL, "",
                human_duration(state->silent_seconds, silent));
    fputc('\n', to);
}

static void print_ended(FILE *to, const struct verdict *last)
{
    fputs("ended ", to);
    outlet_line(to, last->finished);
    fprintf(to, " with exit code %d (%s)\n", last->code, verdict_word(last->code));
}

static void print_batch(FILE *to, const struct status *status)
{
    const struct verdict *last = &status->state.verdict;
    fprintf(to, "%-*s", LABEL, "batch");
    if (status->state.batch == BATCH_ALIVE)
        print_alive(to, status);
    else if (status->state.batch == BATCH_GONE)
        print_gone(to, status);
    else if (last->nonce[0])
        print_ended(to, last);
    else
        fprintf(to, "none has run here yet\n");
    if (status->last_event[0])
        fprintf(to, "%-*s%s\n", LABEL, "last", status->last_event);
}

/* Lists ---------------------------------------------------------------------------------------- */

/* The label comes last: a narrow terminal may cut it. */
static void print_label(FILE *to, const char *label)
{
    int room = terminal_width(stdout) - RUNNING;
    terminal_cut(to, label, room > 10 ? room : 10);
    fputc('\n', to);
}

static void print_running_job(FILE *to, const struct status *status,
                              const struct job_progress *running)
{
    char text[HOST_TEXT + 32], label[JOB_LABEL] = "", left[HUMAN_TEXT] = "";
    const struct job *job = find_job(status, running->id);
    snprintf(text, sizeof text, "%.40s #%d", running->host, running->rank);
    fprintf(to, "  %-*s", ID, running->id);
    terminal_fit(to, text, HOST);
    snprintf(text, sizeof text, "%lld/%lld", (long long)running->evaluation,
             (long long)running->evaluations);
    fprintf(to, "%*s", COUNT, text);
    if (isfinite(running->total))
        fprintf(to, "%*.4g", LOSS, running->total);
    else
        fprintf(to, "%*s", LOSS, "");
    if (running->seconds_left >= 0)
        human_duration(running->seconds_left, left);
    fprintf(to, "%*s  ", LEFT, left);
    print_label(to, job ? job_label(&status->jobs, job, label) : "");
}

static void print_more(FILE *to, size_t count, size_t shown)
{
    if (shown && count > shown)
        fprintf(to, "  and %zu more (--all lists them)\n", count - shown);
}

static void print_running(FILE *to, const struct status *status, size_t shown)
{
    const struct batch_progress *progress = &status->state.progress;
    char names[JOB_LABEL];
    if (progress->running_count == 0)
        return;
    fprintf(to, "\n%s\n",
            status->state.batch == BATCH_ALIVE
                ? "running"
                : "running when it was killed, as far as it had said");
    fprintf(to, "  %-*s%-*s%*s%*s%*s  ", ID, "job", HOST, "host", COUNT, "evaluation", LOSS, "loss",
            LEFT, "left");
    print_label(to, job_list_label(&status->jobs, names));
    for (size_t i = 0; i < progress->running_count && (!shown || i < shown); i++)
        print_running_job(to, status, &progress->running[i]);
    print_more(to, progress->running_count, shown);
}

static void print_by_hand(FILE *to, const struct status *status, const struct job *job)
{
    char *words = status_job_command(status, job);
    if (words)
        fprintf(to, "    %s\n", words);
    free(words);
}

static void print_failed_job(FILE *to, const struct status *status, const struct failed_job *failed)
{
    const struct failure *record = &failed->record;
    char label[JOB_LABEL];
    fprintf(to, "  %-*s", ID, failed->job->id);
    outlet_line(to, job_label(&status->jobs, failed->job, label));
    fputc('\n', to);
    if (!record->id[0]) {
        fprintf(to, "    its record cannot be read\n");
        return;
    }
    fprintf(to, "    %s", job_end_sentence(record->end));
    if (record->attempt_count > 0) {
        fprintf(to, ", %zu attempt%s, the last on ", record->attempt_count,
                record->attempt_count == 1 ? "" : "s");
        outlet_line(to, record->attempts[record->attempt_count - 1].host);
    }
    if (record->message && *record->message)
        fputs(": ", to);
    if (record->message)
        outlet_line(to, record->message);
    if (!record->final && status->state.batch == BATCH_ALIVE)
        fputs("; will be tried again", to);
    fputc('\n', to);
    print_by_hand(to, status, failed->job);
}

static void print_failed(FILE *to, const struct status *status, size_t shown)
{
    size_t count = status->count[RUN_FAILED];
    if (count == 0)
        return;
    fprintf(to, "\nfailed; the command below each runs it by hand\n");
    for (size_t i = 0; i < count && (!shown || i < shown); i++)
        print_failed_job(to, status, &status->failed[i]);
    print_more(to, count, shown);
}

static void print_next(FILE *to, const struct status *status)
{
    const size_t *count = status->count;
    if (status->state.batch == BATCH_ALIVE || count[RUN_DONE] == status->jobs.count)
        return;
    char *command = status_command(status);
    if (command)
        fprintf(to, "\nto go on with what is left:\n  %s\n", command);
    free(command);
}

void status_print(FILE *to, const struct status *status, size_t shown)
{
    char bytes[HUMAN_TEXT];
    outlet_line(to, status->store.folder);
    fputc('\n', to);
    print_counts(to, status);
    print_batch(to, status);
    fprintf(to, "%-*s%s\n", LABEL, "disk", human_bytes(status->bytes, bytes));
    print_running(to, status, shown);
    print_failed(to, status, shown);
    print_next(to, status);
}
