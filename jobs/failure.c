#include "failure.h"

#include "files.h"
#include "json_file.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct {
    const char *word, *sentence;
} ends[JOB_ENDS] = {
    [JOB_END_DONE] = {"done", "is done"},
    [JOB_END_BAD_INPUT] = {"bad_input", "has bad input"},
    [JOB_END_CRASHED] = {"crashed", "crashed"},
    [JOB_END_LOST] = {"lost", "was lost with its agent"},
    [JOB_END_OUT_OF_MEMORY] = {"out_of_memory", "ran out of memory"},
    [JOB_END_TIMED_OUT] = {"timed_out", "took too long"},
    [JOB_END_DIVERGED] = {"diverged", "diverged"},
    [JOB_END_ENVIRONMENT] = {"environment", "could not write its files"},
    [JOB_END_INTERRUPTED] = {"interrupted", "was interrupted"},
};

const char *job_end_word(enum job_end end) { return ends[end].word; }

const char *job_end_sentence(enum job_end end) { return ends[end].sentence; }

enum job_end job_end_find(const char *word)
{
    int end = 0;
    while (end < JOB_ENDS && strcmp(word, ends[end].word) != 0)
        end++;
    return (enum job_end)end;
}

/* --- writing --- */

static json_t *pack_attempt(const struct attempt *a)
{
    return json_pack("{s:i, s:o, s:i, s:s, s:f, s:s, s:i, s:i, s:I, s:f, s:o}", "attempt",
                     a->number, "host", json_any_text(a->host), "rank", a->rank, "started",
                     a->started, "seconds", a->seconds, "end", job_end_word(a->end), "exit_code",
                     a->exit_code, "signal", a->signal, "peak_memory_bytes",
                     (json_int_t)a->peak_memory_bytes, "cpu_seconds", a->cpu_seconds, "message",
                     json_any_text(a->message));
}

/* NULL: no memory. */
static json_t *pack(const struct failure *failure)
{
    json_t *attempts = json_array();
    for (size_t i = 0; i < failure->attempt_count; i++)
        if (json_array_append_new(attempts, pack_attempt(&failure->attempts[i])) != 0) {
            json_decref(attempts);
            return NULL;
        }
    return json_pack("{s:s, s:s, s:o, s:o, s:b, s:o}", "id", failure->id, "end",
                     job_end_word(failure->end), "message", json_any_text(failure->message),
                     "command", json_any_text(failure->command), "final", failure->final,
                     "attempts", attempts);
}

int failure_write(const struct store *store, const struct failure *failure, struct error *err)
{
    char *path = store_job_path(store, failure->id, JOB_FAILURE);
    int status = path ? json_file_write(path, pack(failure), err)
                      : fail(err, E_ENVIRONMENT, "not enough memory");
    free(path);
    return status;
}

/* --- reading --- */

static int read_end(const json_t *object, enum job_end *out, struct error *err)
{
    const char *word = json_text(object, "end", "");
    enum job_end end = job_end_find(word);
    if (end == JOB_ENDS)
        return fail(err, E_INPUT, "unknown end '%s'", word);
    *out = end;
    return 0;
}

static int read_attempt(const json_t *object, struct attempt *a, struct error *err)
{
    a->number = (int)json_whole(object, "attempt", 0);
    a->rank = (int)json_whole(object, "rank", 0);
    a->seconds = json_number(object, "seconds", 0);
    a->exit_code = (int)json_whole(object, "exit_code", -1);
    a->signal = (int)json_whole(object, "signal", 0);
    a->peak_memory_bytes = (uint64_t)json_whole(object, "peak_memory_bytes", 0);
    a->cpu_seconds = json_number(object, "cpu_seconds", 0);
    json_copy_text(object, "host", a->host, sizeof a->host);
    json_copy_text(object, "started", a->started, sizeof a->started);
    json_copy_text(object, "message", a->message, sizeof a->message);
    return read_end(object, &a->end, err);
}

static int read_attempts(const json_t *list, struct failure *out, struct error *err)
{
    size_t count = json_array_size(list);
    out->attempts = calloc(count + 1, sizeof *out->attempts);
    if (!out->attempts)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    for (; out->attempt_count < count; out->attempt_count++) {
        int status = read_attempt(json_array_get(list, out->attempt_count),
                                  &out->attempts[out->attempt_count], err);
        if (status != 0)
            return status;
    }
    return 0;
}

static int unpack(const json_t *object, const char *id, struct failure *out, struct error *err)
{
    int status = 0;
    if (strcmp(json_text(object, "id", ""), id) != 0)
        return fail(err, E_INPUT, "it is about another job");
    memcpy(out->id, id, JOB_ID_TEXT);
    out->final = json_is_true(json_object_get(object, "final"));
    out->message = strdup(json_text(object, "message", ""));
    out->command = strdup(json_text(object, "command", ""));
    if (!out->message || !out->command)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    TRY(read_end(object, &out->end, err));
    TRY(read_attempts(json_object_get(object, "attempts"), out, err));
done:
    return status;
}

int failure_read(const struct store *store, const char *id, struct failure *out, struct error *err)
{
    int status = 0;
    json_t *object = NULL;
    struct failure read = {0};
    char *path = store_job_path(store, id, JOB_FAILURE);
    if (!path)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    TRY(json_file_read(path, &object, err));
    if (object && (status = unpack(object, id, &read, err)) != 0) {
        fail_context(err, "'%s': ", path);
        goto done;
    }
    *out = read;
    read = (struct failure){0};
done:
    failure_release(&read);
    json_decref(object);
    free(path);
    return status;
}

void failure_release(struct failure *failure)
{
    free(failure->message);
    free(failure->command);
    free(failure->attempts);
    *failure = (struct failure){0};
}

int failure_remove(const struct store *store, const char *id, struct error *err)
{
    char *path = store_job_path(store, id, JOB_FAILURE);
    if (!path)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    int status = files_unlink(path) == 0 || errno == ENOENT
                     ? 0
                     : fail_errno(err, "cannot remove '%s'", path);
    free(path);
    return status;
}
