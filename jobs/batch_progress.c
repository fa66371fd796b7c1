#include "batch_progress.h"

#include "files.h"
#include "json_file.h"
#include <math.h>
#include <stdlib.h>
#include <unistd.h>

/* JSON knows no NaN. */
static json_t *known(double number) { return isfinite(number) ? json_real(number) : json_null(); }

static json_t *pack_agent(const struct agent_progress *a)
{
    return json_pack("{s:i, s:o, s:i, s:s}", "rank", a->rank, "host", json_any_text(a->host),
                     "threads", a->threads, "state", a->state);
}

static json_t *pack_job(const struct job_progress *j)
{
    return json_pack("{s:s, s:i, s:o, s:i, s:s, s:I, s:I, s:o, s:o}", "id", j->id, "rank", j->rank,
                     "host", json_any_text(j->host), "attempt", j->attempt, "started", j->started,
                     "evaluation", (json_int_t)j->evaluation, "evaluations",
                     (json_int_t)j->evaluations, "total", known(j->total), "seconds_left",
                     known(j->seconds_left));
}

/* NULL: no memory. */
static json_t *pack(const struct batch_progress *p)
{
    json_t *agents = json_array(), *running = json_array();
    bool good = true;
    for (size_t i = 0; i < p->agent_count; i++)
        good &= json_array_append_new(agents, pack_agent(&p->agents[i])) == 0;
    for (size_t i = 0; i < p->running_count; i++)
        good &= json_array_append_new(running, pack_job(&p->running[i])) == 0;
    json_t *packed =
        json_pack("{s:s, s:s, s:o, s:I, s:I, s:I, s:I, s:I, s:o, s:o, s:o}", "nonce", p->nonce,
                  "time", p->time, "host", json_any_text(p->host), "pid", (json_int_t)p->pid,
                  "jobs", (json_int_t)p->jobs, "done", (json_int_t)p->done, "failed",
                  (json_int_t)p->failed, "waiting", (json_int_t)p->waiting, "seconds_left",
                  known(p->seconds_left), "agents", agents, "running", running);
    if (good)
        return packed;
    json_decref(packed);
    return NULL;
}

int batch_progress_write(const struct store *store, const struct batch_progress *progress,
                         struct error *err)
{
    char *path = store_path(store, STORE_PROGRESS);
    int status = path ? json_file_write(path, pack(progress), err)
                      : fail(err, E_ENVIRONMENT, "not enough memory");
    free(path);
    return status;
}

static void unpack_agent(const json_t *object, struct agent_progress *a)
{
    a->rank = (int)json_whole(object, "rank", 0);
    a->threads = (int)json_whole(object, "threads", 0);
    json_copy_text(object, "host", a->host, sizeof a->host);
    json_copy_text(object, "state", a->state, sizeof a->state);
}

static void unpack_job(const json_t *object, struct job_progress *j)
{
    json_copy_text(object, "id", j->id, sizeof j->id);
    json_copy_text(object, "host", j->host, sizeof j->host);
    json_copy_text(object, "started", j->started, sizeof j->started);
    j->rank = (int)json_whole(object, "rank", 0);
    j->attempt = (int)json_whole(object, "attempt", 0);
    j->evaluation = json_whole(object, "evaluation", 0);
    j->evaluations = json_whole(object, "evaluations", 0);
    j->total = json_number(object, "total", (double)NAN);
    j->seconds_left = json_number(object, "seconds_left", (double)NAN);
}

static int unpack(const json_t *object, struct batch_progress *p, struct error *err)
{
    const json_t *agents = json_object_get(object, "agents");
    const json_t *running = json_object_get(object, "running");
    json_copy_text(object, "nonce", p->nonce, sizeof p->nonce);
    json_copy_text(object, "time", p->time, sizeof p->time);
    json_copy_text(object, "host", p->host, sizeof p->host);
    p->pid = (pid_t)json_whole(object, "pid", 0);
    p->jobs = (uint64_t)json_whole(object, "jobs", 0);
    p->done = (uint64_t)json_whole(object, "done", 0);
    p->failed = (uint64_t)json_whole(object, "failed", 0);
    p->waiting = (uint64_t)json_whole(object, "waiting", 0);
    p->seconds_left = json_number(object, "seconds_left", (double)NAN);
    p->agent_count = json_array_size(agents);
    p->running_count = json_array_size(running);
    p->agents = calloc(p->agent_count + 1, sizeof *p->agents);
    p->running = calloc(p->running_count + 1, sizeof *p->running);
    if (!p->agents || !p->running)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    for (size_t i = 0; i < p->agent_count; i++)
        unpack_agent(json_array_get(agents, i), &p->agents[i]);
    for (size_t i = 0; i < p->running_count; i++)
        unpack_job(json_array_get(running, i), &p->running[i]);
    return 0;
}

int batch_progress_read(const struct store *store, struct batch_progress *out, struct error *err)
{
    int status = 0;
    json_t *object = NULL;
    struct batch_progress read = {0};
    char *path = store_path(store, STORE_PROGRESS);
    if (!path)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    TRY(json_file_read(path, &object, err));
    if (object)
        TRY(unpack(object, &read, err));
    *out = read;
    read = (struct batch_progress){0};
done:
    batch_progress_release(&read);
    json_decref(object);
    free(path);
    return status;
}

void batch_progress_release(struct batch_progress *progress)
{
    free(progress->agents);
    free(progress->running);
    *progress = (struct batch_progress){0};
}

void batch_progress_remove(const struct store *store)
{
    char *path = store_path(store, STORE_PROGRESS);
    if (path)
        files_unlink(path);
    free(path);
}
