#include "verdict.h"

#include "json_file.h"
#include <stdlib.h>

int verdict_write(const struct store *store, const struct verdict *v, struct error *err)
{
    char *path = store_path(store, STORE_EXIT_STATUS);
    if (!path)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    json_t *value = json_pack("{s:s, s:i, s:s, s:{s:I, s:I, s:I, s:I}}", "nonce", v->nonce, "code",
                              v->code, "finished", v->finished, "counts", "jobs",
                              (json_int_t)v->jobs, "done", (json_int_t)v->done, "failed",
                              (json_int_t)v->failed, "left", (json_int_t)v->left);
    int status = json_file_write(path, value, err);
    free(path);
    return status;
}

int verdict_read(const struct store *store, struct verdict *out, struct error *err)
{
    json_t *object;
    char *path = store_path(store, STORE_EXIT_STATUS);
    int status =
        path ? json_file_read(path, &object, err) : fail(err, E_ENVIRONMENT, "not enough memory");
    free(path);
    if (status != 0)
        return status;
    const json_t *counts = json_object_get(object, "counts");
    *out = (struct verdict){.code = (int)json_whole(object, "code", E_BUG),
                            .jobs = (uint64_t)json_whole(counts, "jobs", 0),
                            .done = (uint64_t)json_whole(counts, "done", 0),
                            .failed = (uint64_t)json_whole(counts, "failed", 0),
                            .left = (uint64_t)json_whole(counts, "left", 0)};
    json_copy_text(object, "nonce", out->nonce, sizeof out->nonce);
    json_copy_text(object, "finished", out->finished, sizeof out->finished);
    if (!object)
        *out = (struct verdict){0};
    json_decref(object);
    return 0;
}
