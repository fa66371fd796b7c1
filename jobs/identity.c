#include "identity.h"

#include "digest.h"
#include "layer_list.h"
#include "start.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Parameters younger than the first version, each with the value that gives what there was before
 * it. Never change or remove a row: every id of a finished job depends on it. A table's or preset's
 * default may change freely, since ids are made of resolved values. */
static const char *const neutral[PARAM_COUNT] = {
    [PARAM_margin] = "0",
};

const char *job_neutral_value(enum param_id id) { return neutral[id]; }

static bool is_neutral(const struct params *params, enum param_id id)
{
    if (!neutral[id])
        return false;
    char *text = params_format(params, id);
    bool same = text && strcmp(text, neutral[id]) == 0;
    free(text);
    return same;
}

/* The same text in every locale, and 0 without a sign. */
static void write_number(FILE *to, double value) { fprintf(to, "%.12g", value == 0 ? 0 : value); }

static void write_layers(FILE *to, const char *text)
{
    struct layer_list list;
    if (layer_list_parse(text, &list, NULL) != 0)
        return;
    for (int i = 0; i < list.count; i++) {
        char name[LAYER_NAME];
        layer_name(list.layer[i], name);
        fprintf(to, "%s%s:", i ? "," : "", name);
        write_number(to, list.weight[i]);
    }
}

static void write_choice(FILE *to, const struct params *params, enum param_id id)
{
    char *text = params_format(params, id);
    fputs(text ? text : "", to);
    free(text);
}

/* The digest that stands for a parameter's text, or NULL. */
static const char *digest_of(const struct params *params, enum param_id id,
                             const struct input_digests *digests)
{
    switch (id) {
    case PARAM_content:
        return digests->content;
    case PARAM_style:
        return digests->style;
    case PARAM_weights:
        return digests->weights;
    case PARAM_init:
        return init_is_file(params->init) ? digests->init : NULL;
    default:
        return NULL;
    }
}

static void write_value(FILE *to, const struct params *params, enum param_id id,
                        const struct input_digests *digests)
{
    const char *digest = digest_of(params, id, digests);
    switch (param_table[id].type) {
    case PARAM_PATH:
    case PARAM_TEXT:
        fprintf(to, "%s%s", digest ? "sha256:" : "", digest ? digest : params_text(params, id));
        break;
    case PARAM_LAYERS:
        write_layers(to, params_text(params, id));
        break;
    case PARAM_REAL:
    case PARAM_WHOLE:
        write_number(to, params_number(params, id));
        break;
    case PARAM_CHOICE:
    case PARAM_FLAG:
        write_choice(to, params, id);
        break;
    }
}

static int by_name(const void *a, const void *b)
{
    return strcmp(param_table[*(const enum param_id *)a].name,
                  param_table[*(const enum param_id *)b].name);
}

/* The order of the table may change, ids may not. */
static int identifying(enum param_id ids[PARAM_COUNT])
{
    int count = 0;
    for (int i = 0; i < PARAM_COUNT; i++)
        if (param_table[i].scope == SCOPE_JOB && i != PARAM_weights_convention)
            ids[count++] = (enum param_id)i;
    qsort(ids, (size_t)count, sizeof *ids, by_name);
    return count;
}

char *job_identity_text(const struct params *resolved, const struct input_digests *digests)
{
    char *text = NULL;
    size_t bytes;
    enum param_id ids[PARAM_COUNT];
    int count = identifying(ids);
    FILE *to = open_memstream(&text, &bytes);
    if (!to)
        return NULL;
    fputs("atelier job 1\n", to);
    for (int i = 0; i < count; i++) {
        if (is_neutral(resolved, ids[i]))
            continue;
        fprintf(to, "%s=", param_table[ids[i]].name);
        write_value(to, resolved, ids[i], digests);
        fputc('\n', to);
    }
    bool bad = ferror(to);
    if (fclose(to) != 0 || bad) {
        free(text);
        return NULL;
    }
    return text;
}

int job_identity(const struct params *resolved, const struct input_digests *digests,
                 char id[JOB_ID_TEXT], struct error *err)
{
    char hex[DIGEST_HEX];
    char *text = job_identity_text(resolved, digests);
    if (!text)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    int status = digest_bytes(text, strlen(text), hex, err);
    free(text);
    if (status == 0)
        snprintf(id, JOB_ID_TEXT, "%.16s", hex);
    return status;
}
