#include "records.h"

#include "clock.h"
#include "job_command.h"
#include "shell.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int records_open(struct records *records, const struct store *store, const struct job_list *list,
                 const struct job_cost *costs, struct error *err)
{
    *records =
        (struct records){.store = store, .list = list, .costs = costs, .started = clock_seconds()};
    records->events.file = -1;
    records->failures = calloc(list->count + 1, sizeof *records->failures);
    records->unwritten = calloc(list->count + 1, sizeof *records->unwritten);
    if (!records->failures || !records->unwritten)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    return events_open(store, &records->events, err);
}

void records_close(struct records *records)
{
    for (size_t i = 0; records->failures && i < records->list->count; i++)
        failure_release(&records->failures[i]);
    free(records->failures);
    free(records->unwritten);
    events_close(&records->events);
    *records = (struct records){0};
    records->events.file = -1;
}

/* --- failures --- */

static int fail_memory(struct error *err)
{
    return fail(err, E_ENVIRONMENT, "not enough memory for the record of a failed job");
}

static int name_failure(struct records *records, size_t job, struct failure *failure,
                        struct error *err)
{
    struct job_command command;
    int status = job_command_make(records->store, &records->list->jobs[job], &command, err);
    if (status != 0)
        return status;
    memcpy(failure->id, records->list->jobs[job].id, sizeof failure->id);
    free(failure->command);
    failure->command = shell_command(command.argc, command.argv);
    job_command_release(&command);
    return failure->command ? 0 : fail_memory(err);
}

int records_add_attempt(struct records *records, size_t job, const struct attempt *attempt,
                        struct error *err)
{
    struct failure *failure = &records->failures[job];
    struct attempt *attempts =
        realloc(failure->attempts, (failure->attempt_count + 1) * sizeof *attempts);
    if (!attempts)
        return fail_memory(err);
    failure->attempts = attempts;
    attempts[failure->attempt_count++] = *attempt;
    return failure->command ? 0 : name_failure(records, job, failure, err);
}

/* Makes failed/ say of the job what is known of it. */
static int write_down(struct records *records, size_t job, struct error *err)
{
    const struct failure *failure = &records->failures[job];
    int status = failure->id[0] ? failure_write(records->store, failure, err)
                                : failure_remove(records->store, records->list->jobs[job].id, err);
    bool unwritten = status != 0;
    records->unwritten_count += unwritten;
    records->unwritten_count -= records->unwritten[job];
    records->unwritten[job] = unwritten;
    return status;
}

int records_catch_up(struct records *records, struct error *err)
{
    int status = 0;
    for (size_t i = 0; i < records->list->count && records->unwritten_count > 0 && !status; i++)
        if (records->unwritten[i])
            status = write_down(records, i, err);
    return status;
}

int records_write_failure(struct records *records, size_t job, enum job_end end, bool final,
                          struct error *err)
{
    struct failure *failure = &records->failures[job];
    const char *words = failure->attempt_count
                            ? failure->attempts[failure->attempt_count - 1].message
                            : "no host has as much memory as it needs";
    if (!failure->command) {
        int status = name_failure(records, job, failure, err);
        if (status != 0)
            return status;
    }
    free(failure->message);
    failure->message = strdup(*words ? words : job_end_sentence(end));
    if (!failure->message)
        return fail_memory(err);
    failure->end = end;
    failure->final = final;
    return write_down(records, job, err);
}

int records_read_failure(struct records *records, size_t job, struct error *err)
{
    struct failure *failure = &records->failures[job];
    failure_release(failure);
    return failure_read(records->store, records->list->jobs[job].id, failure, err);
}

int records_forget(struct records *records, size_t job, struct error *err)
{
    failure_release(&records->failures[job]);
    records->failures[job] = (struct failure){0};
    records->cost_done += records->costs[job].seconds;
    return write_down(records, job, err);
}

/* --- progress --- */

static const char *seat_word(const struct seat *seat)
{
    return seat->state == SEAT_EXPECTED ? "starting"
           : seat->state == SEAT_GONE   ? "lost"
           : seat->running              ? "running"
           : seat->blocked              ? "blocked"
                                        : "idle";
}

/* From how far its evaluations have come; NaN before the first. */
static double job_share(const struct records *records, const struct seat *seat)
{
    const struct params *p = &records->list->jobs[seat->job].params;
    double all = (double)p->iterations * (double)p->maxfun;
    return seat->evaluation > 0 && all > 0 ? fmin(1, (double)seat->evaluation / all) : (double)NAN;
}

static void describe_running(const struct records *records, const struct seat *seat, int rank,
                             double now, struct job_progress *out)
{
    const struct job *job = &records->list->jobs[seat->job];
    double share = job_share(records, seat), spent = now - seat->started;
    *out = (struct job_progress){.rank = rank,
                                 .attempt = seat->attempt,
                                 .evaluation = seat->evaluation,
                                 .evaluations = job->params.iterations * job->params.maxfun,
                                 .total = seat->total,
                                 .seconds_left =
                                     isnan(share) ? (double)NAN : spent * (1 - share) / share};
    memcpy(out->id, job->id, sizeof out->id);
    memcpy(out->host, seat->host, sizeof out->host);
    clock_utc(seat->started_utc, out->started);
}

/* The batch's speed so far, in units of cost, tells how long the rest takes. */
static double seconds_left(const struct records *records, const struct seat *seats, int count,
                           double now)
{
    double done = records->cost_done;
    for (int i = 0; i < count; i++) {
        double share = seats[i].running ? job_share(records, &seats[i]) : (double)NAN;
        done += isnan(share) ? 0 : share * records->costs[seats[i].job].seconds;
    }
    double spent = now - records->started;
    return done > 0 && spent > 0 ? spent * fmax(0, records->cost_all - done) / done : (double)NAN;
}

int records_show(struct records *records, const struct claim *claim, const struct seat *seats,
                 int seat_count, const struct coordinator_counts *counts,
                 const struct outcome *before, const struct conduct_hooks *hooks, struct error *err)
{
    double now = clock_seconds();
    struct batch_progress progress = {.pid = getpid(),
                                      .jobs = before->jobs,
                                      .done = before->done + counts->done,
                                      .failed = before->failed + counts->failed,
                                      .waiting = counts->waiting,
                                      .seconds_left = seconds_left(records, seats, seat_count, now),
                                      .agent_count = (size_t)seat_count};
    progress.agents = calloc((size_t)seat_count, sizeof *progress.agents);
    progress.running = calloc((size_t)seat_count, sizeof *progress.running);
    int status = progress.agents && progress.running ? 0 : fail_memory(err);
    for (int i = 0; status == 0 && i < seat_count; i++) {
        struct agent_progress *agent = &progress.agents[i];
        agent->rank = i;
        agent->threads = seats[i].threads;
        memcpy(agent->host, seats[i].host, sizeof agent->host);
        snprintf(agent->state, sizeof agent->state, "%s", seat_word(&seats[i]));
        if (seats[i].running)
            describe_running(records, &seats[i], i, now,
                             &progress.running[progress.running_count++]);
    }
    if (status == 0) {
        memcpy(progress.nonce, claim->nonce, sizeof progress.nonce);
        memcpy(progress.host, claim->host, sizeof progress.host);
        clock_utc(clock_now(), progress.time);
        hooks->show(hooks->context, &progress);
        status = batch_progress_write(records->store, &progress, err);
    }
    free(progress.agents);
    free(progress.running);
    return status;
}
