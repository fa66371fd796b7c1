#include "status.h"

#include "json_file.h"
#include <math.h>
#include <stdlib.h>

static json_t *number_or_null(double number)
{
    return isfinite(number) ? json_real(number) : json_null();
}

static json_t *whole(uint64_t number) { return json_integer((json_int_t)number); }

/* Takes over value; what cannot be had is left out, and *good says so. */
static void put(json_t *object, const char *key, json_t *value, bool *good)
{
    *good = json_object_set_new(object, key, value) == 0 && *good;
}

static json_t *running_jobs(const struct status *status, bool *good)
{
    json_t *list = json_array();
    const struct batch_progress *progress = &status->state.progress;
    for (size_t i = 0; i < progress->running_count; i++) {
        const struct job_progress *running = &progress->running[i];
        json_t *job = json_object();
        put(job, "id", json_any_text(running->id), good);
        put(job, "host", json_any_text(running->host), good);
        put(job, "rank", json_integer(running->rank), good);
        put(job, "attempt", json_integer(running->attempt), good);
        put(job, "started", json_any_text(running->started), good);
        put(job, "evaluation", json_integer(running->evaluation), good);
        put(job, "evaluations", json_integer(running->evaluations), good);
        put(job, "total", number_or_null(running->total), good);
        put(job, "seconds_left", number_or_null(running->seconds_left), good);
        *good = json_array_append_new(list, job) == 0 && *good;
    }
    return list;
}

static json_t *by_hand(const struct status *status, const struct job *job)
{
    char *words = status_job_command(status, job);
    json_t *value = json_any_text(words);
    free(words);
    return value;
}

static json_t *failed_jobs(const struct status *status, bool *good)
{
    json_t *list = json_array();
    for (size_t i = 0; i < status->count[RUN_FAILED]; i++) {
        const struct failed_job *failed = &status->failed[i];
        const struct failure *record = &failed->record;
        json_t *job = json_object();
        put(job, "id", json_any_text(failed->job->id), good);
        put(job, "name", json_any_text(failed->job->name), good);
        put(job, "end", record->id[0] ? json_any_text(job_end_word(record->end)) : json_null(),
            good);
        put(job, "message", json_any_text(record->message), good);
        put(job, "attempts", whole(record->attempt_count), good);
        put(job, "final", json_boolean(record->final), good);
        put(job, "command", by_hand(status, failed->job), good);
        *good = json_array_append_new(list, job) == 0 && *good;
    }
    return list;
}

static json_t *batch(const struct status *status, bool *good)
{
    static const char *const words[] = {
        [BATCH_NONE] = "none", [BATCH_ALIVE] = "alive", [BATCH_GONE] = "gone"};
    const struct store_state *state = &status->state;
    json_t *object = json_object();
    put(object, "state", json_string(words[state->batch]), good);
    put(object, "host", state->claim.nonce[0] ? json_any_text(state->claim.host) : json_null(),
        good);
    put(object, "pid", state->claim.nonce[0] ? json_integer(state->claim.pid) : json_null(), good);
    put(object, "started",
        state->claim.nonce[0] ? json_any_text(state->claim.started) : json_null(), good);
    put(object, "silent_seconds", number_or_null(state->silent_seconds), good);
    put(object, "seconds_left",
        state->batch == BATCH_ALIVE && state->progress.nonce[0]
            ? number_or_null(state->progress.seconds_left)
            : json_null(),
        good);
    put(object, "last_exit_code",
        state->verdict.nonce[0] ? json_integer(state->verdict.code) : json_null(), good);
    put(object, "last_finished",
        state->verdict.nonce[0] ? json_any_text(state->verdict.finished) : json_null(), good);
    return object;
}

int status_print_json(FILE *to, const struct status *status, struct error *err)
{
    bool good = true;
    json_t *object = json_object();
    put(object, "store", json_any_text(status->store.folder), &good);
    put(object, "jobs", whole(status->jobs.count), &good);
    for (int i = 0; i < RUN_STATUSES; i++)
        put(object, run_status_word((enum run_status)i), whole(status->count[i]), &good);
    put(object, "checkpoints", whole(status->checkpoints), &good);
    put(object, "unlisted", whole(status->unlisted), &good);
    put(object, "bytes", whole(status->bytes), &good);
    put(object, "batch", batch(status, &good), &good);
    put(object, "running_jobs", running_jobs(status, &good), &good);
    put(object, "failed_jobs", failed_jobs(status, &good), &good);
    put(object, "last_event", json_any_text(status->last_event), &good);
    good = good && json_dumpf(object, to, JSON_INDENT(1)) == 0;
    json_decref(object);
    fputc('\n', to);
    return good ? 0 : fail(err, E_ENVIRONMENT, "cannot print the status");
}
