#include "outputs.h"

#include "numbers.h"
#include "publish.h"
#include "result.h"
#include "start.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

static const char picture_extension[] = ".png";

static bool has_png_extension(const char *path)
{
    size_t length = strlen(path), extension = strlen(picture_extension);
    return length > extension && strcasecmp(path + length - extension, picture_extension) == 0 &&
           path[length - extension - 1] != '/';
}

/* The picture's path with `ending` in place of its extension. */
static char *beside(const char *picture, const char *ending)
{
    char *path = NULL;
    int stem = (int)(strlen(picture) - strlen(picture_extension));
    return asprintf(&path, "%.*s%s", stem, picture, ending) < 0 ? NULL : path;
}

static bool same_file(const char *a, const char *b)
{
    struct stat sa, sb;
    return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
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
        if (same_file(inputs[i].path, path))
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

/* NAME-0010.png. Caller frees; NULL: no memory. */
static char *numbered(const char *picture, int64_t iteration)
{
    char ending[40];
    snprintf(ending, sizeof ending, "-%04lld.png", (long long)iteration);
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

int outputs_claim(const struct params *params, struct outputs *outputs, struct error *err)
{
    int status = 0;
    struct outputs made = {0};
    if (!has_png_extension(params->output))
        return fail(err, E_INPUT, "output must end in .png, got '%s'", params->output);
    made.picture = strdup(params->output);
    made.result = beside(params->output, ".h5");
    made.checkpoint = beside(params->output, ".checkpoint.h5");
    if (!made.picture || !made.result || !made.checkpoint) {
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
    *outputs = (struct outputs){0};
}

enum { LOSS_TEXTS = 5, TEXTS = 1 + PARAM_COUNT + LOSS_TEXTS };

/* A picture's texts; values are owned, keys borrowed. */
struct texts {
    size_t count;
    struct image_text list[TEXTS];
};

static bool add_text(struct texts *texts, const char *key, char *value)
{
    if (value)
        texts->list[texts->count++] = (struct image_text){key, value};
    return value != NULL;
}

static bool collect_texts(const struct params *params, const struct history *history,
                          struct texts *texts)
{
    static const struct {
        const char *key;
        int column;
    } losses[LOSS_TEXTS] = {{"evaluations", H_EVALUATION},
                            {"loss_total", H_TOTAL},
                            {"loss_content", H_CONTENT},
                            {"loss_style", H_STYLE},
                            {"loss_tv", H_TV}};
    bool good = add_text(texts, IMAGE_SOFTWARE_KEY, strdup(IMAGE_SOFTWARE));
    for (int id = 0; id < PARAM_COUNT; id++)
        if (param_table[id].scope == SCOPE_JOB)
            good &= add_text(texts, param_table[id].name, params_format(params, (enum param_id)id));
    for (int i = 0; i < LOSS_TEXTS && history->rows > 0; i++) {
        char number[NUMBER_TEXT];
        number_format(history_get(history, history->rows - 1, losses[i].column), number);
        good &= add_text(texts, losses[i].key, strdup(number));
    }
    return good;
}

static int stage_picture(const char *path, const struct params *params,
                         const struct history *history, const struct image *image,
                         struct publication *staged, struct error *err)
{
    struct texts texts = {0};
    int status = collect_texts(params, history, &texts)
                     ? image_stage_png(path, image, texts.list, texts.count, staged, err)
                     : fail(err, E_ENVIRONMENT, "not enough memory for '%s'", path);
    for (size_t i = 0; i < texts.count; i++)
        free((char *)(uintptr_t)texts.list[i].value);
    return status;
}

int outputs_publish(const struct outputs *outputs, const struct result *result, struct error *err)
{
    int status = 0;
    struct publication picture = {0}, file = {0};
    TRY(stage_picture(outputs->picture, result->params, result->history, result->image, &picture,
                      err));
    TRY(result_stage(outputs->result, result, &file, err));
    TRY(publish_commit(&picture, err));
    TRY(publish_commit(&file, err));
    unlink(outputs->checkpoint);
done:
    publish_abort(&picture);
    publish_abort(&file);
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
    TRY(start_crop(plan, state->picture, &image, err));
    TRY(stage_picture(path, params, history, &image, &staged, err));
    TRY(publish_commit(&staged, err));
done:
    image_release(&image);
    free(path);
    return status;
}
