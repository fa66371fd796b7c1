#include "params.h"

#include "layer_list.h"
#include "numbers.h"
#include "words.h"
#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What a default and a range in the table expand to: one initialiser for both scopes. */
#define PRESET        "\001preset"
#define ANY           .low = -INFINITY, .high = INFINITY
#define AT_LEAST(x)   .low = (x), .high = INFINITY
#define ABOVE(x)      .low = (x), .high = INFINITY, .low_excluded = true
#define BETWEEN(x, y) .low = (x), .high = (y)
#define ONE_OF(list)  .low = -INFINITY, .high = INFINITY, .choices = (list)
#define WORDS(list)   .low = -INFINITY, .high = INFINITY, .words = (list)
#define ROW(name_, type_, scope_, text_, unit_, help_, ...)                                        \
    [PARAM_##name_] = {.name = #name_,                                                             \
                       .type = PARAM_##type_,                                                      \
                       .scope = (scope_),                                                          \
                       .text = (text_),                                                            \
                       __VA_ARGS__,                                                                \
                       .unit = (unit_),                                                            \
                       .help = (help_),                                                            \
                       .offset = offsetof(struct params, name_)},
#define JOB(name, type, text, range, unit, help) ROW(name, type, SCOPE_JOB, text, unit, help, range)
#define RUN(name, type, text, range, unit, help) ROW(name, type, SCOPE_RUN, text, unit, help, range)

const struct param_info param_table[PARAM_COUNT] = {
#include "params_table.h"
};

bool param_from_preset(enum param_id id)
{
    return param_table[id].text && strcmp(param_table[id].text, PRESET) == 0;
}

static void *member(const struct params *params, enum param_id id)
{
    return (char *)(uintptr_t)params + param_table[id].offset;
}

static bool holds_text(enum param_type type)
{
    return type == PARAM_PATH || type == PARAM_TEXT || type == PARAM_LAYERS;
}

void params_init(struct params *params) { *params = (struct params){0}; }

void params_release(struct params *params)
{
    for (int id = 0; id < PARAM_COUNT; id++)
        if (holds_text(param_table[id].type))
            free(*(char **)member(params, (enum param_id)id));
    params_init(params);
}

int params_find(const char *name, enum param_id *id, struct error *err)
{
    const char *names[PARAM_COUNT];
    for (int i = 0; i < PARAM_COUNT; i++) {
        names[i] = param_table[i].name;
        if (strlen(name) == strlen(names[i]) && word_distance(name, names[i]) == 0) {
            *id = (enum param_id)i;
            return 0;
        }
    }
    char nearest[128];
    words_nearest(name, names, PARAM_COUNT, nearest, sizeof nearest);
    return fail(err, E_INPUT, "unknown parameter '%s'%s%s", name, nearest[0] ? "; nearest: " : "",
                nearest);
}

static int set_text(char **slot, const char *text, struct error *err)
{
    char *copy = strdup(text);
    if (!copy)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    free(*slot);
    *slot = copy;
    return 0;
}

static int set_layers(const struct param_info *info, char **slot, const char *text,
                      struct error *err)
{
    struct layer_list list;
    if (layer_list_parse(text, &list, err) != 0)
        return fail_context(err, "%s: ", info->name);
    char *canonical = layer_list_format(&list);
    if (!canonical)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    free(*slot);
    *slot = canonical;
    return 0;
}

static void describe_range(const struct param_info *info, char *text, size_t size)
{
    char low[NUMBER_TEXT], high[NUMBER_TEXT];
    number_format(info->low, low);
    number_format(info->high, high);
    const char *number = info->type == PARAM_WHOLE ? "a whole number " : "a number ";
    const char *unit =
        strcmp(info->unit, "px") == 0 || strcmp(info->unit, "s") == 0 ? info->unit : "";
    if (isinf(info->low))
        snprintf(text, size, "%s", info->type == PARAM_WHOLE ? "a whole number" : "a number");
    else if (isinf(info->high))
        snprintf(text, size, "%s%s %s%s%s", number, info->low_excluded ? ">" : ">=", low,
                 *unit ? " " : "", unit);
    else
        snprintf(text, size, "%sbetween %s and %s%s%s", number, low, high, *unit ? " " : "", unit);
}

static int set_number(const struct param_info *info, void *slot, const char *text,
                      struct error *err)
{
    double value = NAN;
    bool whole = info->type == PARAM_WHOLE;
    bool good = number_parse(text, &value) && value <= info->high &&
                (info->low_excluded ? value > info->low : value >= info->low) &&
                (!whole || (floor(value) == value && fabs(value) < 9e15));
    if (!good) {
        char range[96];
        describe_range(info, range, sizeof range);
        return fail(err, E_INPUT, "%s must be %s, got '%s'", info->name, range, text);
    }
    if (whole)
        *(int64_t *)slot = (int64_t)value;
    else
        *(double *)slot = value;
    return 0;
}

/* Copies the n-th word of a space-separated list; false when there is none. */
static bool nth_word(const char *list, int n, char *word, size_t size)
{
    for (; n > 0 && list; n--) {
        list = strchr(list, ' ');
        list = list ? list + 1 : NULL;
    }
    if (!list)
        return false;
    snprintf(word, size, "%.*s", (int)strcspn(list, " "), list);
    return true;
}

enum { CHOICES_MAX = 8, CHOICE_TEXT = 24 };

static int set_choice(const struct param_info *info, int *slot, const char *text, struct error *err)
{
    char words[CHOICES_MAX][CHOICE_TEXT];
    const char *list[CHOICES_MAX];
    int count = 0;
    for (; count < CHOICES_MAX && nth_word(info->choices, count, words[count], CHOICE_TEXT);
         count++) {
        list[count] = words[count];
        if (strcmp(text, words[count]) == 0) {
            *slot = count;
            return 0;
        }
    }
    char all[160] = "", nearest[96];
    for (int i = 0; i < count; i++) {
        size_t used = strlen(all);
        snprintf(all + used, sizeof all - used, "%s%s",
                 i == 0           ? ""
                 : i == count - 1 ? " or "
                                  : ", ",
                 words[i]);
    }
    words_nearest(text, list, (size_t)count, nearest, sizeof nearest);
    return fail(err, E_INPUT, "%s must be %s, got '%s'%s%s%s", info->name, all, text,
                nearest[0] ? " (did you mean " : "", nearest, nearest[0] ? "?)" : "");
}

static int set_flag(const struct param_info *info, bool *slot, const char *text, struct error *err)
{
    if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
        return fail(err, E_INPUT, "%s must be yes or no, got '%s'", info->name, text);
    *slot = text[0] == 'y';
    return 0;
}

static int set_value(struct params *params, enum param_id id, const char *text, struct error *err)
{
    const struct param_info *info = &param_table[id];
    void *slot = member(params, id);
    switch (info->type) {
    case PARAM_PATH:
    case PARAM_TEXT:
        if (!*text)
            return fail(err, E_INPUT, "%s must not be empty", info->name);
        return set_text(slot, text, err);
    case PARAM_LAYERS:
        return set_layers(info, slot, text, err);
    case PARAM_REAL:
    case PARAM_WHOLE:
        return set_number(info, slot, text, err);
    case PARAM_CHOICE:
        return set_choice(info, slot, text, err);
    case PARAM_FLAG:
        return set_flag(info, slot, text, err);
    }
    return fail(err, E_BUG, "parameter '%s' has no type", info->name);
}

int params_set(struct params *params, enum param_id id, const char *text, struct error *err)
{
    int status = set_value(params, id, text, err);
    if (status == 0)
        params->source[id] = SOURCE_GIVEN;
    return status;
}

static int fill_defaults(struct params *params, bool presets, struct error *err)
{
    for (int i = 0; i < PARAM_COUNT; i++) {
        enum param_id id = (enum param_id)i;
        if (params->source[id] == SOURCE_GIVEN || param_from_preset(id) != presets)
            continue;
        const char *text =
            presets ? preset_default(params->preset, id, params->weights) : param_table[id].text;
        if (!text)
            continue;
        int status = set_value(params, id, text, err);
        if (status != 0)
            return status;
        params->source[id] = presets ? SOURCE_PRESET : SOURCE_DEFAULT;
    }
    return 0;
}

static int resolve(struct params *params, enum param_scope most, struct error *err)
{
    int status = 0;
    TRY(fill_defaults(params, false, err));
    TRY(fill_defaults(params, true, err));
    for (int id = 0; id < PARAM_COUNT; id++)
        if (params->source[id] == SOURCE_NONE && param_table[id].scope <= most)
            return fail(err, E_INPUT, "%s is missing: %s", param_table[id].name,
                        param_table[id].help);
    if (!(params->content_weight > 0 || params->style_weight > 0 || params->tv_weight > 0))
        return fail(err, E_INPUT,
                    "content_weight, style_weight and tv_weight are all 0: nothing to optimise");
done:
    return status;
}

int params_resolve(struct params *params, struct error *err)
{
    return resolve(params, SCOPE_RUN, err);
}

int params_resolve_job(struct params *params, struct error *err)
{
    return resolve(params, SCOPE_JOB, err);
}

char *params_format(const struct params *params, enum param_id id)
{
    const struct param_info *info = &param_table[id];
    const void *slot = member(params, id);
    char text[64] = "";
    switch (info->type) {
    case PARAM_PATH:
    case PARAM_TEXT:
    case PARAM_LAYERS:
        return strdup(*(char *const *)slot ? *(char *const *)slot : "");
    case PARAM_REAL:
        number_format(*(const double *)slot, text);
        break;
    case PARAM_WHOLE:
        snprintf(text, sizeof text, "%lld", (long long)*(const int64_t *)slot);
        break;
    case PARAM_CHOICE:
        nth_word(info->choices, *(const int *)slot, text, sizeof text);
        break;
    case PARAM_FLAG:
        snprintf(text, sizeof text, "%s", *(const bool *)slot ? "yes" : "no");
        break;
    }
    return strdup(text);
}

double params_number(const struct params *params, enum param_id id)
{
    const void *slot = member(params, id);
    switch (param_table[id].type) {
    case PARAM_REAL:
        return *(const double *)slot;
    case PARAM_WHOLE:
        return (double)*(const int64_t *)slot;
    case PARAM_CHOICE:
        return *(const int *)slot;
    case PARAM_FLAG:
        return *(const bool *)slot;
    default:
        assert(!"a number");
        return NAN;
    }
}

const char *params_text(const struct params *params, enum param_id id)
{
    assert(holds_text(param_table[id].type));
    return *(char *const *)member(params, id);
}

bool params_same(const struct params *a, const struct params *b, enum param_id id)
{
    return holds_text(param_table[id].type) ? strcmp(params_text(a, id), params_text(b, id)) == 0
                                            : params_number(a, id) == params_number(b, id);
}
