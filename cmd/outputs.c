#include "outputs.h"

#include "files.h"
#include "image_output.h"
#include "picture.h"
#include "publish.h"
#include "result.h"
#include "start.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* The picture's path with `ending` in place of its extension. */
static char *beside(const char *picture, const char *ending)
{
    char *path = NULL;
    size_t extension = 0;
    image_extension(picture, &extension, NULL);
    int stem = (int)(strlen(picture) - extension);
    return asprintf(&path, "%.*s%s", stem, picture, ending) < 0 ? NULL : path;
}

static int check_inputs(const struct params *params, const char *path, struct error *err)
{
    const struct {
        const char *name, *path;
    } inputs[] = {{"content", params->content},
                  {"style", params->style},
                  {"init", params->init},
                  {"weights", params->weights}};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        if (files_are_same(inputs[i].path, path))
            return fail(err, E_INPUT, "'%s' is the %s of this render: it would be overwritten",
                        path, inputs[i].name);
    return 0;
}

static int check_replaced(const char *path, bool (*ours)(const char *), struct error *err)
{
    if (access(path, F_OK) == 0 && !ours(path))
        return fail(err, E_INPUT,
                    "'%s' exists and was not made by atelier: choose another output, or remove it",
                    path);
    return 0;
}

static bool result_ours(const char *path) { return result_is_ours(path) != 0; }

/* ours is NULL for a checkpoint: what stands there is read later, which says more. */
static int claim(const struct params *params, const char *path, bool (*ours)(const char *),
                 struct error *err)
{
    int status = 0;
    TRY(publish_probe(path, err));
    TRY(check_inputs(params, path, err));
    if (ours)
        TRY(check_replaced(path, ours, err));
done:
    return status;
}

/* NAME-0010.png, or whatever its extension is. Caller frees; NULL: no memory. */
static char *numbered(const char *picture, int64_t iteration)
{
    char ending[40];
    size_t extension = 0;
    image_extension(picture, &extension, NULL);
    snprintf(ending, sizeof ending, "-%04lld%s", (long long)iteration,
             picture + strlen(picture) - extension);
    return beside(picture, ending);
}

/* What --save-every will write: the folder is proven by now. */
static int claim_numbered(const struct params *params, const char *picture, struct error *err)
{
    int status = 0;
    if (params->save_every == 0)
        return 0;
    for (int64_t i = params->save_every; i <= params->iterations && !status;
         i += params->save_every) {
        char *path = numbered(picture, i);
        if (!path)
            return fail(err, E_ENVIRONMENT, "not enough memory");
        if (access(path, F_OK) == 0 && (status = check_inputs(params, path, err)) == 0)
            status = check_replaced(path, image_is_ours, err);
        free(path);
    }
    return status;
}

/* NAME.checkpoint-1.h5, or the next number that is free. Caller frees; NULL: no memory. */
static char *free_aside(const char *picture)
{
    char ending[40], *path = NULL;
    for (int number = 1; number == 1 || (path && access(path, F_OK) == 0); number++) {
        free(path);
        snprintf(ending, sizeof ending, ".checkpoint-%d.h5", number);
        path = beside(picture, ending);
    }
    return path;
}

int outputs_set_aside(const struct outputs *outputs, struct error *err)
{
    if (files_rename(outputs->checkpoint, outputs->aside) == 0)
        return 0;
    return fail_errno(err, "cannot move '%s' to '%s'", outputs->checkpoint, outputs->aside);
}

char *outputs_numbered_there(const struct params *params, const struct outputs *outputs)
{
    char *path = NULL;
    for (int64_t i = params->save_every; i > 0 && i <= params->iterations && !path;
         i += params->save_every) {
        path = numbered(outputs->picture, i);
        if (path && access(path, F_OK) != 0) {
            free(path);
            path = NULL;
        }
    }
    return path;
}

int outputs_claim(const struct params *params, struct outputs *outputs, struct error *err)
{
    int status = 0;
    struct outputs made = {0};
    size_t extension;
    TRY(image_extension(params->output, &extension, err));
    if (params->bits == BITS_16 && !image_holds_deep(params->output))
        return fail(err, E_INPUT, "bits 16 needs a PNG or a TIFF, got output '%s'", params->output);
    made.picture = strdup(params->output);
    made.result = beside(params->output, ".h5");
    made.checkpoint = beside(params->output, ".checkpoint.h5");
    made.aside = free_aside(params->output);
    if (!made.picture || !made.result || !made.checkpoint || !made.aside) {
        status = fail(err, E_ENVIRONMENT, "not enough memory");
        goto done;
    }
    TRY(claim(params, made.picture, image_is_ours, err));
    TRY(claim(params, made.result, result_ours, err));
    TRY(claim(params, made.checkpoint, NULL, err));
    TRY(claim_numbered(params, made.picture, err));
    *outputs = made;
    made = (struct outputs){0};
done:
    outputs_release(&made);
    return status;
}

void outputs_release(struct outputs *outputs)
{
    free(outputs->picture);
    free(outputs->result);
    free(outputs->checkpoint);
    free(outputs->aside);
    *outputs = (struct outputs){0};
}

int outputs_stage(const struct outputs *outputs, struct result *result, struct facts *facts,
                  struct staged_outputs *staged, struct error *err)
{
    int status = 0;
    struct staged_outputs made = {0};
    struct history until = *result->history; /* up to the picture's row */
    if (until.rows > 0)
        until.rows = result->picture_row + 1;
    TRY(picture_stage(outputs->picture, result->params, &until, result->image, &made.picture, err));
    TRY(facts_add_picture(facts, made.picture.temporary, err));
    result->facts = facts->list;
    result->fact_count = facts->count;
    TRY(result_stage(outputs->result, result, &made.result, err));
    *staged = made;
    made = (struct staged_outputs){0};
done:
    staged_outputs_abort(&made);
    return status;
}

void staged_outputs_abort(struct staged_outputs *staged)
{
    publish_abort(&staged->picture);
    publish_abort(&staged->result);
}

int outputs_publish(const struct outputs *outputs, struct staged_outputs *staged, struct error *err)
{
    int status = 0;
    TRY(publish_commit(&staged->picture, err));
    TRY(publish_commit(&staged->result, err));
    files_unlink(outputs->checkpoint);
done:
    staged_outputs_abort(staged);
    return status;
}

int outputs_write_numbered(const struct outputs *outputs, const struct params *params,
                           const struct plan *plan, const struct render_state *state,
                           const struct history *history, struct error *err)
{
    int status = 0;
    struct image image = {0};
    struct publication staged;
    char *path = numbered(outputs->picture, state->iteration);
    if (!path)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    TRY(start_crop(plan, state->picture, params->bits == BITS_16, &image, err));
    TRY(picture_stage(path, params, history, &image, &staged, err));
    TRY(publish_commit(&staged, err));
done:
    image_release(&image);
    free(path);
    return status;
}
