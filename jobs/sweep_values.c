#include "sweep_values.h"

#include "numbers.h"
#include "start.h"
#include "words.h"
#include <errno.h>
#include <glob.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int no_memory(struct error *err) { return fail(err, E_ENVIRONMENT, "not enough memory"); }

/* --- one value --- */

/* Takes over text. */
static int append(struct values *values, char *text, struct origin origin, struct error *err)
{
    size_t used = values->count;
    if ((used & (used - 1)) == 0) {
        struct value *list = reallocarray(values->list, used ? 2 * used : 1, sizeof *list);
        if (!list) {
            free(text);
            return no_memory(err);
        }
        values->list = list;
    }
    values->list[values->count++] = (struct value){text, origin};
    return 0;
}

/* The value in its canonical text, or NULL after a complaint. */
static int canonical(struct job_builder *builder, enum param_id id, const char *text,
                     struct origin origin, char **out, struct error *err)
{
    struct params scratch;
    struct error why;
    params_init(&scratch);
    *out = NULL;
    int status = params_set(&scratch, id, text, &why);
    if (status == E_INPUT) {
        complain(builder->complaints, origin, "%s", why.message);
        status = 0;
    } else if (status != 0) {
        status = no_memory(err);
    } else if (!(*out = params_format(&scratch, id))) {
        status = no_memory(err);
    }
    params_release(&scratch);
    return status;
}

static bool names_image(enum param_id id, const char *text)
{
    return id == PARAM_content || id == PARAM_style || (id == PARAM_init && init_is_file(text));
}

int values_add(struct job_builder *builder, const char *text, struct origin origin, int flags,
               struct values *values, struct error *err)
{
    int status;
    char *value = NULL;
    size_t number;
    if (values->count == builder->limit) {
        complain(builder->complaints, origin, "more than %zu values", builder->limit);
        return 0;
    }
    TRY(canonical(builder, values->id, text, origin, &value, err));
    if (!value)
        return 0;
    TRY(job_absolute_value(builder->folder, values->id, &value, err));
    if (!(flags & VALUES_ANY) && names_image(values->id, value))
        TRY(job_builder_look_at(builder, values->id, value, origin, &number, err));
    return append(values, value, origin, err);
done:
    free(value);
    return status;
}

int values_add_number(struct job_builder *builder, double number, struct origin origin, int flags,
                      struct values *values, struct error *err)
{
    char text[NUMBER_TEXT];
    snprintf(text, sizeof text, "%.12g", number);
    return values_add(builder, text, origin, flags, values, err);
}

bool values_hold(const struct values *values, const char *text)
{
    for (size_t i = 0; i < values->count; i++)
        if (strcmp(values->list[i].text, text) == 0)
            return true;
    return false;
}

void values_release(struct values *values)
{
    for (size_t i = 0; i < values->count; i++)
        free(values->list[i].text);
    free(values->list);
    *values = (struct values){0};
}

/* --- patterns of file names --- */

enum { BRACES_MAX = 32, PATTERN_TEXT = 4096, PATTERNS_MAX = 10000 };

static bool has_magic(const char *text) { return strpbrk(text, "*?[{") != NULL; }

static bool takes_pattern(enum param_id id)
{
    return id == PARAM_content || id == PARAM_style || id == PARAM_init || id == PARAM_weights;
}

/* The folder as glob takes it literally. Caller frees. */
static char *escaped(const char *folder)
{
    char *text = malloc(2 * strlen(folder) + 1), *to = text;
    for (; text && *folder; *to++ = *folder++)
        if (strchr("*?[]{},\\~", *folder))
            *to++ = '\\';
    if (text)
        *to = 0;
    return text;
}

/* What there is instead: the folder is missing, empty, or holds something else. */
static void complain_no_match(struct job_builder *builder, const char *text, const char *pattern,
                              struct origin origin)
{
    char *folder = strdup(pattern);
    if (folder) {
        folder[strcspn(folder, "*?[{\\")] = 0;
        char *slash = strrchr(folder, '/');
        if (slash)
            slash[slash == folder] = 0;
    }
    if (folder && strchr(pattern, '\\') == NULL && access(folder, F_OK) != 0)
        complain(builder->complaints, origin, "no file matches '%s': there is no folder '%s'", text,
                 folder);
    else if (strstr(text, "**"))
        complain(
            builder->complaints, origin,
            "no file matches '%s': ** means nothing more than *; give a pattern for each depth",
            text);
    else
        complain(builder->complaints, origin,
                 "no file matches '%s' (capitals count: .jpg is not .JPG)", text);
    free(folder);
}

static int add_matches(struct job_builder *builder, const glob_t *found, struct origin origin,
                       int flags, struct values *values, struct error *err)
{
    for (size_t i = 0; i < found->gl_pathc; i++) {
        const char *path = found->gl_pathv[i];
        if (path[strlen(path) - 1] == '/') /* GLOB_MARK: a folder */
            continue;
        int status = values_add(builder, path, origin, flags, values, err);
        if (status != 0)
            return status;
    }
    return 0;
}

/* As glob takes braces apart: the patterns that text, as far as the brace or the comma that ends
 * it, stands for; *end is there. Nested ones add up, neighbours multiply; `most` is enough to know.
 */
static size_t count_patterns(const char *text, bool inside, size_t most, const char **end)
{
    size_t all = 0, here = 1;
    for (; *text && !(inside && *text == '}'); text++) {
        size_t within;
        if (*text == '\\' && text[1]) {
            text++;
        } else if (*text == ',' && inside) {
            all += here;
            here = 1;
        } else if (*text == '{') {
            within = count_patterns(text + 1, true, most, &text);
            if (__builtin_mul_overflow(here, within, &here) || here > most)
                here = most;
            if (!*text)
                break;
        }
    }
    *end = text;
    return all + here < most ? all + here : most;
}

/* Before glob looks for any: each of them is a search of its own, and each brace a call within it.
 */
static bool check_patterns(struct job_builder *builder, const char *text, struct origin origin)
{
    size_t braces = 0;
    const char *end;
    for (const char *c = text; *c; c++)
        braces += *c == '{';
    if (braces > BRACES_MAX || strlen(text) > PATTERN_TEXT) {
        complain(builder->complaints, origin,
                 "a pattern may have %d braces and %d characters, this has %zu and %zu", BRACES_MAX,
                 PATTERN_TEXT, braces, strlen(text));
        return false;
    }
    builder->patterns += count_patterns(text, false, PATTERNS_MAX + 1, &end);
    if (builder->patterns <= PATTERNS_MAX)
        return true;
    complain(builder->complaints, origin,
             "the braces of this file stand for more than %d patterns; name folders by * instead",
             PATTERNS_MAX);
    return false;
}

/* Matches come sorted by their bytes. */
static int add_pattern(struct job_builder *builder, const char *text, struct origin origin,
                       int flags, struct values *values, struct error *err)
{
    size_t before = values->count;
    size_t errors = builder->complaints->errors;
    if (!check_patterns(builder, text, origin))
        return 0;
    char *folder = escaped(builder->folder);
    char *pattern = folder ? path_absolute(folder, text) : NULL;
    free(folder);
    if (!pattern)
        return no_memory(err);
    glob_t found = {0};
    int status = 0, verdict = glob(pattern, GLOB_MARK | GLOB_BRACE, NULL, &found);
    if (verdict == GLOB_NOSPACE)
        status = no_memory(err);
    else if (verdict == 0)
        status = add_matches(builder, &found, origin, flags, values, err);
    globfree(&found);
    if (status == 0 && values->count == before && builder->complaints->errors == errors &&
        !(flags & VALUES_ANY))
        complain_no_match(builder, text, pattern, origin);
    free(pattern);
    return status;
}

/* A name with brackets may be a file's own. */
static int add_file(struct job_builder *builder, const char *text, struct origin origin, int flags,
                    struct values *values, struct error *err)
{
    char *path = path_absolute(builder->folder, text);
    if (!path)
        return no_memory(err);
    bool literal = !has_magic(text) || access(path, F_OK) == 0;
    free(path);
    return literal ? values_add(builder, text, origin, flags, values, err)
                   : add_pattern(builder, text, origin, flags, values, err);
}

/* --- series of numbers --- */

bool numbers_read(struct job_builder *builder, const struct node *node, const char *usage,
                  size_t least, size_t most, double *numbers, size_t *count)
{
    if (node->kind != NODE_LIST || node->count < least || node->count > most) {
        complain(builder->complaints, node->origin, "%s", usage);
        return false;
    }
    for (size_t i = 0; i < node->count; i++) {
        const struct node *item = node->items[i];
        if (item->kind != NODE_SCALAR || !number_parse(item->text, &numbers[i])) {
            complain(builder->complaints, item->origin, "a number belongs here: %s", usage);
            return false;
        }
    }
    *count = node->count;
    return true;
}

struct series {
    const char *name, *usage;
    size_t least, most;
    /* Fills in how many there are; false after a complaint. */
    bool (*check)(struct job_builder *, struct origin, double *numbers, size_t given,
                  size_t *count);
    double (*at)(const double *numbers, size_t i, size_t count);
    bool rounds; /* for whole numbers */
};

static bool check_count(struct job_builder *builder, struct origin origin, double *numbers,
                        size_t given, size_t *count)
{
    (void)given;
    if (!(numbers[2] >= 1 && numbers[2] <= (double)builder->limit &&
          floor(numbers[2]) == numbers[2])) {
        complain(builder->complaints, origin,
                 "how many must be a whole number from 1 to %zu, got %g", builder->limit,
                 numbers[2]);
        return false;
    }
    *count = (size_t)numbers[2];
    return true;
}

static bool check_signs(struct job_builder *builder, struct origin origin, double *numbers,
                        size_t given, size_t *count)
{
    if (!(numbers[0] * numbers[1] > 0)) {
        complain(builder->complaints, origin,
                 "geomspace goes between two numbers that are both above 0, got %g and %g",
                 numbers[0], numbers[1]);
        return false;
    }
    return check_count(builder, origin, numbers, given, count);
}

static bool check_step(struct job_builder *builder, struct origin origin, double *numbers,
                       size_t given, size_t *count)
{
    if (given < 3)
        numbers[2] = 1;
    double steps = (numbers[1] - numbers[0]) / numbers[2];
    if (!(steps >= 0)) {
        complain(builder->complaints, origin, "no step of %g leads from %g to %g", numbers[2],
                 numbers[0], numbers[1]);
        return false;
    }
    if (!(steps < (double)builder->limit)) {
        complain(builder->complaints, origin, "more than %zu values", builder->limit);
        return false;
    }
    *count = (size_t)(steps * (1 + 1e-12) + 1e-9) + 1;
    return true;
}

static double linspace_at(const double *numbers, size_t i, size_t count)
{
    if (i == 0 || i == count - 1)
        return numbers[i != 0];
    return numbers[0] + (numbers[1] - numbers[0]) * ((double)i / (double)(count - 1));
}

static double geomspace_at(const double *numbers, size_t i, size_t count)
{
    if (i == 0 || i == count - 1)
        return numbers[i != 0];
    return numbers[0] * pow(numbers[1] / numbers[0], (double)i / (double)(count - 1));
}

static double range_at(const double *numbers, size_t i, size_t count)
{
    (void)count;
    return numbers[0] + (double)i * numbers[2];
}

static const struct series all_series[] = {
    {"linspace", "linspace takes [first, last, how many]", 3, 3, check_count, linspace_at, true},
    {"geomspace", "geomspace takes [first, last, how many]", 3, 3, check_signs, geomspace_at, true},
    {"range", "range takes [first, last] or [first, last, step], last included", 2, 3, check_step,
     range_at, false},
};
enum { SERIES = sizeof all_series / sizeof *all_series };

static int add_series(struct job_builder *builder, const struct series *series,
                      const struct node *node, int flags, struct values *values, struct error *err)
{
    double numbers[3];
    size_t given, count;
    if (!numbers_read(builder, node, series->usage, series->least, series->most, numbers, &given) ||
        !series->check(builder, node->origin, numbers, given, &count))
        return 0;
    size_t errors = builder->complaints->errors;
    for (size_t i = 0; i < count && builder->complaints->errors == errors; i++) {
        double number = series->at(numbers, i, count);
        if (series->rounds && param_table[values->id].type == PARAM_WHOLE)
            number = round(number);
        int status = values_add_number(builder, number, node->origin, flags, values, err);
        if (status != 0)
            return status;
    }
    return 0;
}

static bool is_number(enum param_id id)
{
    return param_table[id].type == PARAM_REAL || param_table[id].type == PARAM_WHOLE;
}

static int add_map(struct job_builder *builder, const struct node *map, int flags,
                   struct values *values, struct error *err)
{
    const char *names[SERIES];
    char nearest[128];
    const struct node *key = map->count > 0 ? node_key(map, 0) : map;
    if (!is_number(values->id) || map->count != 1) {
        complain(builder->complaints, map->origin,
                 is_number(values->id) ? "%s: a map here has one key: linspace, geomspace or range"
                                       : "%s takes no map",
                 param_table[values->id].name);
        return 0;
    }
    for (int i = 0; i < SERIES; i++) {
        names[i] = all_series[i].name;
        if (strcmp(names[i], key->text) == 0)
            return add_series(builder, &all_series[i], node_value(map, 0), flags, values, err);
    }
    words_nearest(key->text, names, SERIES, nearest, sizeof nearest);
    complain(builder->complaints, key->origin, "unknown series '%s'; %s%s", key->text,
             nearest[0] ? "nearest: " : "there are linspace, geomspace and range", nearest);
    return 0;
}

/* --- layers --- */

/* [relu1_1, relu2_1] or {relu1_1: 1, relu2_1: 3} as "relu1_1:1,relu2_1:3". */
static int add_layers(struct job_builder *builder, const struct node *node, int flags,
                      struct values *values, struct error *err)
{
    char *text = NULL;
    size_t bytes, step = node->kind == NODE_MAP ? 2 : 1;
    FILE *to = open_memstream(&text, &bytes);
    if (!to)
        return no_memory(err);
    bool good = true;
    for (size_t i = 0; i < step * node->count && good; i++) {
        const struct node *item = node->items[i];
        good = item->kind == NODE_SCALAR;
        if (good)
            fprintf(to, "%s%s", i == 0 ? "" : i % step ? ":" : ",", item->text);
        else
            complain(builder->complaints, item->origin, "%s: a layer or its weight belongs here",
                     param_table[values->id].name);
    }
    if (fclose(to) != 0) {
        free(text);
        return no_memory(err);
    }
    int status = good ? values_add(builder, text, node->origin, flags, values, err) : 0;
    free(text);
    return status;
}

/* --- nodes --- */

static int add_scalar(struct job_builder *builder, const struct node *node, int flags,
                      struct values *values, struct error *err)
{
    if (node_is_null(node)) {
        complain(builder->complaints, node->origin, "%s has no value",
                 param_table[values->id].name);
        return 0;
    }
    return takes_pattern(values->id)
               ? add_file(builder, node->text, node->origin, flags, values, err)
               : values_add(builder, node->text, node->origin, flags, values, err);
}

/* What may be an item of a list, or stand alone. */
static int add_item(struct job_builder *builder, const struct node *node, int flags,
                    struct values *values, struct error *err)
{
    bool layers = param_table[values->id].type == PARAM_LAYERS;
    if (node->kind == NODE_SCALAR)
        return add_scalar(builder, node, flags, values, err);
    if (layers)
        return add_layers(builder, node, flags, values, err);
    if (node->kind == NODE_MAP)
        return add_map(builder, node, flags, values, err);
    complain(builder->complaints, node->origin, "%s: a list in a list means nothing here",
             param_table[values->id].name);
    return 0;
}

/* Equal numbers are those that make the same job: equal to 12 digits. */
static void duplicate_key(const struct values *values, size_t i, char *text, size_t size)
{
    double number;
    if (param_table[values->id].type == PARAM_REAL && number_parse(values->list[i].text, &number))
        snprintf(text, size, "%.12g", number);
    else
        snprintf(text, size, "%s", values->list[i].text);
}

static int check_duplicates(struct job_builder *builder, struct values *values, struct error *err)
{
    int status = 0;
    struct name_index seen = {0};
    for (size_t i = 0; i < values->count; i++) {
        char key[4200];
        size_t first;
        bool is_new;
        duplicate_key(values, i, key, sizeof key);
        TRY(name_index_put(&seen, key, i, &first, &is_new, err));
        if (!is_new)
            complain(builder->complaints, values->list[i].origin,
                     "%s has the value '%s' twice, first at %d:%d", param_table[values->id].name,
                     values->list[i].text, values->list[first].origin.line,
                     values->list[first].origin.column);
    }
done:
    name_index_release(&seen);
    return status;
}

int values_read(struct job_builder *builder, enum param_id id, const struct node *node, int flags,
                struct values *out, struct error *err)
{
    int status = 0;
    *out = (struct values){.id = id};
    if (node->kind != NODE_LIST)
        TRY(add_item(builder, node, flags, out, err));
    for (size_t i = 0; node->kind == NODE_LIST && i < node->count; i++)
        TRY(add_item(builder, node->items[i], flags, out, err));
    if (node->kind == NODE_LIST && node->count == 0)
        complain(builder->complaints, node->origin, "%s: the list is empty", param_table[id].name);
    if (!(flags & VALUES_REPEAT))
        TRY(check_duplicates(builder, out, err));
done:
    if (status != 0)
        values_release(out);
    return status;
}

int values_read_one(struct job_builder *builder, enum param_id id, const struct node *node,
                    struct values *out, struct error *err)
{
    *out = (struct values){.id = id};
    bool layers = param_table[id].type == PARAM_LAYERS;
    if (node->kind != NODE_SCALAR && !layers) {
        complain(builder->complaints, node->origin,
                 "%s takes one value here; lists go under 'matrix' or 'zip'", param_table[id].name);
        return 0;
    }
    int status = add_item(builder, node, 0, out, err);
    if (status == 0 && out->count > 1) {
        complain(builder->complaints, node->origin, "%zu files match '%s', one value belongs here",
                 out->count, node->text);
        values_release(out);
        *out = (struct values){.id = id};
    }
    if (status != 0)
        values_release(out);
    return status;
}

bool sweep_key(struct job_builder *builder, const struct node *key, const char *const *others,
               int other_count, struct origin seen[PARAM_COUNT], enum param_id *id)
{
    struct complaints *complaints = builder->complaints;
    if (!job_find_param(complaints, "parameter", others, other_count, key->text, key->origin, id))
        return false;
    if (seen[*id].line > 0) {
        complain(complaints, key->origin, "%s stands twice, first at %d:%d", param_table[*id].name,
                 seen[*id].line, seen[*id].column);
        return false;
    }
    seen[*id] = key->origin;
    return true;
}
