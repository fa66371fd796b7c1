#include "sweep.h"

#include "sweep_draws.h"
#include "sweep_values.h"
#include "words.h"
#include <stdlib.h>
#include <string.h>

enum { COMPARISONS_MAX = 500000000 }; /* some seconds */

/* What advances together: one parameter of `matrix`, or a group of `zip`. */
struct axis {
    size_t keys, count;
    struct values *key; /* [keys], each of count values */
};

/* An object of `exclude` or `include`. Alternatives for each key; of an include exactly one. */
struct rule {
    struct origin origin;
    size_t keys;
    struct values key[PARAM_COUNT];
    char *name;
    bool used;
};

struct rules {
    size_t count;
    struct rule *list;
};

struct sweep {
    struct job_builder *builder;
    struct complaints *complaints;
    struct error *err;
    struct values defaults[PARAM_COUNT];
    size_t axes;
    struct axis *axis;
    struct rules exclude, include;
    struct draws draws;
    struct origin section[PARAM_COUNT]; /* of axes and draws: where the key stands */
    struct origin matrix;               /* what a combination's job is blamed on */
    bool is_axis[PARAM_COUNT], is_drawn[PARAM_COUNT];
    bool broken;           /* keys are unknown: what would follow from that is not worth telling */
    bool bad[PARAM_COUNT]; /* a value of it was refused */
};

static int no_memory(struct sweep *sweep)
{
    return fail(sweep->err, E_ENVIRONMENT, "not enough memory");
}

/* --- reading sections --- */

static bool expect(struct sweep *sweep, const struct node *node, enum node_kind kind,
                   const char *words)
{
    if (node->kind == kind)
        return true;
    complain(sweep->complaints, node->origin, "%s", words);
    sweep->broken = true;
    return false;
}

static bool find_key(struct sweep *sweep, const struct node *key, struct origin seen[PARAM_COUNT],
                     enum param_id *id)
{
    bool found = sweep_key(sweep->builder, key, NULL, 0, seen, id);
    sweep->broken = sweep->broken || !found;
    return found;
}

static int read_output(struct sweep *sweep, const struct node *node)
{
    if (!expect(sweep, node, NODE_SCALAR, "'output' is one folder"))
        return 0;
    if (node_is_null(node) || !*node->text) {
        complain(sweep->complaints, node->origin, "'output' names no folder");
        return 0;
    }
    sweep->builder->list.output = path_absolute(sweep->builder->folder, node->text);
    return sweep->builder->list.output ? 0 : no_memory(sweep);
}

static int read_defaults(struct sweep *sweep, const struct node *node)
{
    struct origin seen[PARAM_COUNT] = {0};
    if (!expect(sweep, node, NODE_MAP, "'defaults' holds parameters, as in {size: 512}"))
        return 0;
    for (size_t i = 0; i < node->count; i++) {
        enum param_id id;
        if (!find_key(sweep, node_key(node, i), seen, &id))
            continue;
        int status = values_read_one(sweep->builder, id, node_value(node, i), &sweep->defaults[id],
                                     sweep->err);
        if (status != 0)
            return status;
        sweep->bad[id] = sweep->bad[id] || sweep->defaults[id].count == 0;
    }
    return 0;
}

/* --- axes --- */

static struct axis *add_axis(struct sweep *sweep, size_t keys)
{
    struct axis *axis = reallocarray(sweep->axis, sweep->axes + 1, sizeof *axis);
    if (!axis)
        return NULL;
    sweep->axis = axis;
    axis = &axis[sweep->axes];
    *axis = (struct axis){.key = calloc(keys ? keys : 1, sizeof *axis->key)};
    if (!axis->key)
        return NULL;
    sweep->axes++;
    return axis;
}

/* Reads key number i of a map as one more list of the axis. */
static int read_axis_key(struct sweep *sweep, const struct node *map, size_t i, struct axis *axis)
{
    enum param_id id;
    if (!find_key(sweep, node_key(map, i), sweep->section, &id))
        return 0;
    size_t errors = sweep->complaints->errors;
    struct values *values = &axis->key[axis->keys];
    int status = values_read(sweep->builder, id, node_value(map, i), 0, values, sweep->err);
    if (status != 0)
        return status;
    axis->keys++;
    sweep->is_axis[id] = true;
    sweep->bad[id] = sweep->bad[id] || sweep->complaints->errors > errors;
    return 0;
}

static int read_matrix(struct sweep *sweep, const struct node *node)
{
    if (!expect(sweep, node, NODE_MAP, "'matrix' holds lists, as in {style_weight: [1, 10, 100]}"))
        return 0;
    for (size_t i = 0; i < node->count; i++) {
        struct axis *axis = add_axis(sweep, 1);
        if (!axis)
            return no_memory(sweep);
        int status = read_axis_key(sweep, node, i, axis);
        if (status != 0)
            return status;
        axis->count = axis->key[0].count;
    }
    return 0;
}

/* Lists that advance together are equally long; after a complaint about a value nobody knows. */
static void check_lengths(struct sweep *sweep, const struct node *group, struct axis *axis,
                          bool complete)
{
    axis->count = axis->keys > 0 ? axis->key[0].count : 0;
    for (size_t k = 1; k < axis->keys; k++) {
        const struct values *first = &axis->key[0], *other = &axis->key[k];
        if (other->count == first->count)
            continue;
        if (complete)
            complain(sweep->complaints, group->origin,
                     "what 'zip' joins must be equally long: %s has %zu value%s, %s %zu",
                     param_table[first->id].name, first->count, first->count == 1 ? "" : "s",
                     param_table[other->id].name, other->count);
        axis->count = other->count < axis->count ? other->count : axis->count;
    }
}

static int read_zip_group(struct sweep *sweep, const struct node *group)
{
    if (!expect(sweep, group, NODE_MAP,
                "'zip' holds lists that advance together, as in {style: [a.jpg, b.jpg], seed: [1, "
                "2]}, or a list of such groups"))
        return 0;
    size_t errors = sweep->complaints->errors;
    struct axis *axis = add_axis(sweep, group->count);
    if (!axis)
        return no_memory(sweep);
    for (size_t i = 0; i < group->count; i++) {
        int status = read_axis_key(sweep, group, i, axis);
        if (status != 0)
            return status;
    }
    check_lengths(sweep, group, axis, sweep->complaints->errors == errors);
    return 0;
}

static int read_zip(struct sweep *sweep, const struct node *node)
{
    if (node->kind != NODE_LIST)
        return read_zip_group(sweep, node);
    for (size_t i = 0; i < node->count; i++) {
        int status = read_zip_group(sweep, node->items[i]);
        if (status != 0)
            return status;
    }
    return 0;
}

static int read_random(struct sweep *sweep, const struct node *node)
{
    if (!expect(sweep, node, NODE_MAP,
                "'random' holds draws, seed and distributions, as in {draws: 50, seed: 1, "
                "tv_weight: {loguniform: [1e-3, 10]}}"))
        return 0;
    size_t errors = sweep->complaints->errors;
    sweep->builder->draws_place = node->origin;
    int status = draws_read(sweep->builder, node, &sweep->draws, sweep->err);
    if (status != 0)
        return status;
    for (size_t k = 0; k < sweep->draws.keys; k++)
        sweep->is_drawn[sweep->draws.key[k].id] = true;
    sweep->broken = sweep->broken || sweep->complaints->errors > errors;
    return 0;
}

/* --- rules --- */

static struct rule *add_rule(struct sweep *sweep, struct rules *rules, const struct node *node)
{
    struct rule *list = reallocarray(rules->list, rules->count + 1, sizeof *list);
    if (!list)
        return NULL;
    (void)sweep;
    rules->list = list;
    list[rules->count] = (struct rule){.origin = node->origin};
    return &list[rules->count++];
}

static int read_exclude_key(struct sweep *sweep, const struct node *key, const struct node *value,
                            struct origin seen[PARAM_COUNT], struct rule *rule)
{
    enum param_id id;
    if (!find_key(sweep, key, seen, &id))
        return 0;
    if (!sweep->is_axis[id]) {
        complain(sweep->complaints, key->origin,
                 "'exclude' can only tell combinations apart by what varies: %s is no key of "
                 "'matrix' or 'zip'",
                 param_table[id].name);
        return 0;
    }
    return values_read(sweep->builder, id, value, VALUES_ANY, &rule->key[rule->keys++], sweep->err);
}

static int read_name(struct sweep *sweep, const struct node *value, struct rule *rule)
{
    if (!expect(sweep, value, NODE_SCALAR, "'name' is a text"))
        return 0;
    rule->name = strdup(value->text);
    return rule->name ? 0 : no_memory(sweep);
}

static int read_include_key(struct sweep *sweep, const struct node *key, const struct node *value,
                            struct origin seen[PARAM_COUNT], struct rule *rule)
{
    static const char *const others[] = {"name"};
    enum param_id id;
    if (strcmp(key->text, "name") == 0)
        return read_name(sweep, value, rule);
    if (!sweep_key(sweep->builder, key, others, 1, seen, &id)) {
        sweep->broken = true;
        return 0;
    }
    if (sweep->is_drawn[id]) {
        complain(sweep->complaints, key->origin,
                 "%s is drawn at random: an 'include' cannot set it", param_table[id].name);
        return 0;
    }
    struct values *values = &rule->key[rule->keys];
    int status = values_read_one(sweep->builder, id, value, values, sweep->err);
    rule->keys += status == 0 && values->count == 1;
    sweep->bad[id] = sweep->bad[id] || values->count == 0;
    return status;
}

typedef int read_key(struct sweep *, const struct node *key, const struct node *value,
                     struct origin seen[PARAM_COUNT], struct rule *);

static int read_rules(struct sweep *sweep, const struct node *node, const char *words,
                      read_key *read, struct rules *rules)
{
    if (!expect(sweep, node, NODE_LIST, words))
        return 0;
    for (size_t r = 0; r < node->count; r++) {
        const struct node *object = node->items[r];
        struct origin seen[PARAM_COUNT] = {0};
        if (!expect(sweep, object, NODE_MAP, words))
            continue;
        if (object->count == 0)
            complain(sweep->complaints, object->origin, "there is nothing in these braces");
        struct rule *rule = add_rule(sweep, rules, object);
        if (!rule)
            return no_memory(sweep);
        for (size_t i = 0; i < object->count; i++) {
            int status = read(sweep, node_key(object, i), node_value(object, i), seen, rule);
            if (status != 0)
                return status;
        }
    }
    return 0;
}

static int read_exclude(struct sweep *sweep, const struct node *node)
{
    return read_rules(sweep, node,
                      "'exclude' is a list of combinations, as in [{style: a.jpg, size: 512}]",
                      read_exclude_key, &sweep->exclude);
}

static int read_include(struct sweep *sweep, const struct node *node)
{
    return read_rules(sweep, node,
                      "'include' is a list of jobs, as in [{content: a.jpg, style: b.jpg}]",
                      read_include_key, &sweep->include);
}

/* --- the whole file --- */

/* exclude and include refer to what the others say, wherever they stand. */
static const struct {
    const char *name;
    int (*read)(struct sweep *, const struct node *);
    int pass;
} sections[] = {
    {"output", read_output, 1},   {"defaults", read_defaults, 1}, {"matrix", read_matrix, 1},
    {"zip", read_zip, 1},         {"random", read_random, 1},     {"exclude", read_exclude, 2},
    {"include", read_include, 2},
};
enum { SECTIONS = sizeof sections / sizeof *sections, PASSES = 2 };

static int find_section(const char *name)
{
    int i = 0;
    while (i < SECTIONS && strcmp(name, sections[i].name) != 0)
        i++;
    return i;
}

static void unknown_section(struct sweep *sweep, const struct node *key)
{
    enum param_id id;
    const char *names[SECTIONS];
    char nearest[128];
    sweep->broken = true;
    if (params_find(key->text, &id, NULL) == 0 && param_table[id].scope == SCOPE_JOB) {
        complain(sweep->complaints, key->origin,
                 "'%s' belongs under 'defaults' (one value) or 'matrix' (a list)", key->text);
        return;
    }
    for (int i = 0; i < SECTIONS; i++)
        names[i] = sections[i].name;
    words_nearest(key->text, names, SECTIONS, nearest, sizeof nearest);
    complain(sweep->complaints, key->origin, "unknown key '%s'%s%s", key->text,
             nearest[0] ? "; nearest: "
                        : "; there are output, defaults, matrix, zip, exclude, include and random",
             nearest);
}

static int read_sections(struct sweep *sweep, const struct node *root)
{
    for (int pass = 1; pass <= PASSES; pass++)
        for (size_t i = 0; i < root->count; i++) {
            const struct node *key = node_key(root, i), *value = node_value(root, i);
            int s = find_section(key->text), status = 0;
            if (s == SECTIONS && pass == 1)
                unknown_section(sweep, key);
            if (s == SECTIONS || sections[s].pass != pass)
                continue;
            if (strcmp(key->text, "matrix") == 0 || sweep->matrix.line == 0)
                sweep->matrix = key->origin;
            if (node_is_null(value)) /* a section whose content is commented out */
                continue;
            if ((status = sections[s].read(sweep, value)) != 0)
                return status;
        }
    return 0;
}

/* Nothing may be both fixed by a combination and drawn. */
static void check_draws(struct sweep *sweep)
{
    for (size_t k = 0; k < sweep->draws.keys; k++) {
        const struct values *key = &sweep->draws.key[k];
        if (sweep->is_axis[key->id])
            complain(sweep->complaints, key->list[0].origin,
                     "%s stands under 'random' and under 'matrix' or 'zip', at %d:%d: once is "
                     "enough",
                     param_table[key->id].name, sweep->section[key->id].line,
                     sweep->section[key->id].column);
    }
}

/* --- combinations --- */

struct combination {
    const struct value *values[PARAM_COUNT];
    struct origin origin;
    const char *name;
};

static bool excluded(struct sweep *sweep, const struct combination *combination)
{
    bool hit = false;
    for (size_t r = 0; r < sweep->exclude.count; r++) {
        struct rule *rule = &sweep->exclude.list[r];
        bool all = rule->keys > 0;
        for (size_t k = 0; k < rule->keys && all; k++)
            all = values_hold(&rule->key[k], combination->values[rule->key[k].id]->text);
        rule->used = rule->used || all;
        hit = hit || all;
    }
    return hit;
}

/* Whether an include would change none of the combination's own values. */
static bool fits(const struct sweep *sweep, const struct rule *rule,
                 const struct value *const original[PARAM_COUNT])
{
    for (size_t k = 0; k < rule->keys; k++) {
        enum param_id id = rule->key[k].id;
        if (sweep->is_axis[id] && strcmp(original[id]->text, rule->key[k].list[0].text) != 0)
            return false;
    }
    return true;
}

static void apply(const struct rule *rule, struct combination *combination)
{
    for (size_t k = 0; k < rule->keys; k++)
        combination->values[rule->key[k].id] = &rule->key[k].list[0];
    if (rule->name)
        combination->name = rule->name;
}

static void apply_includes(struct sweep *sweep, struct combination *combination)
{
    const struct value *original[PARAM_COUNT];
    memcpy(original, combination->values, sizeof original);
    for (size_t r = 0; r < sweep->include.count; r++) {
        struct rule *rule = &sweep->include.list[r];
        if (!fits(sweep, rule, original))
            continue;
        apply(rule, combination);
        rule->used = true;
    }
}

/* --- jobs --- */

/* A required value that was refused is not missing. */
static bool lacks_what_was_refused(const struct sweep *sweep, const struct draft *draft)
{
    for (int id = 0; id < PARAM_COUNT; id++)
        if (sweep->bad[id] && draft->params.source[id] != SOURCE_GIVEN)
            return true;
    return false;
}

static int set_value(struct sweep *sweep, struct draft *draft, enum param_id id,
                     const struct value *value)
{
    struct error why;
    draft->places[id] = value->origin;
    if (params_set(&draft->params, id, value->text, &why) == 0)
        return 0;
    return fail(sweep->err, E_ENVIRONMENT, "%s", why.message); /* it was checked: no memory */
}

static int emit(struct sweep *sweep, const struct combination *combination, size_t draw)
{
    int status = 0;
    struct draft draft = {.origin = combination->origin, .drawn = draw > 0};
    for (int id = 0; id < PARAM_COUNT && status == 0; id++)
        if (combination->values[id])
            status = set_value(sweep, &draft, (enum param_id)id, combination->values[id]);
    for (size_t k = 0; k < sweep->draws.keys && status == 0; k++) {
        const struct values *key = &sweep->draws.key[k];
        status = set_value(sweep, &draft, key->id, &key->list[draw]);
    }
    if (status == 0 && combination->name && !(draft.name = strdup(combination->name)))
        status = no_memory(sweep);
    if (status != 0 || lacks_what_was_refused(sweep, &draft)) {
        draft_release(&draft);
        return status;
    }
    return job_builder_add(sweep->builder, &draft, sweep->err);
}

static int emit_draws(struct sweep *sweep, const struct combination *combination)
{
    size_t draws = sweep->draws.count ? sweep->draws.count : 1;
    for (size_t draw = 0; draw < draws; draw++) {
        int status = emit(sweep, combination, draw);
        if (status != 0)
            return status;
    }
    return 0;
}

static void start_combination(const struct sweep *sweep, struct combination *combination)
{
    *combination = (struct combination){.origin = sweep->matrix};
    for (int id = 0; id < PARAM_COUNT; id++)
        if (sweep->defaults[id].count > 0)
            combination->values[id] = &sweep->defaults[id].list[0];
}

/* Combination number n: the last axis changes fastest. */
static void make_combination(const struct sweep *sweep, size_t n, struct combination *combination)
{
    start_combination(sweep, combination);
    for (size_t a = sweep->axes; a-- > 0;) {
        const struct axis *axis = &sweep->axis[a];
        size_t at = n % axis->count;
        n /= axis->count;
        for (size_t k = 0; k < axis->keys; k++)
            combination->values[axis->key[k].id] = &axis->key[k].list[at];
    }
}

static int emit_combinations(struct sweep *sweep, size_t count)
{
    for (size_t n = 0; n < count; n++) {
        struct combination combination;
        make_combination(sweep, n, &combination);
        if (excluded(sweep, &combination))
            continue;
        apply_includes(sweep, &combination);
        int status = emit_draws(sweep, &combination);
        if (status != 0)
            return status;
    }
    return 0;
}

static int emit_includes(struct sweep *sweep)
{
    for (size_t r = 0; r < sweep->include.count; r++) {
        const struct rule *rule = &sweep->include.list[r];
        struct combination combination;
        if (rule->used)
            continue;
        start_combination(sweep, &combination);
        combination.origin = rule->origin;
        apply(rule, &combination);
        int status = emit_draws(sweep, &combination);
        if (status != 0)
            return status;
    }
    return 0;
}

/* How many combinations there are before exclude; false after a complaint. Defaults alone, or with
 * draws, are one. */
static bool count_combinations(struct sweep *sweep, size_t *count)
{
    size_t draws = sweep->draws.count ? sweep->draws.count : 1;
    size_t jobs, most = sweep->builder->limit;
    *count = sweep->axes > 0 || sweep->include.count == 0;
    bool fits_in = true;
    for (size_t a = 0; a < sweep->axes && fits_in; a++)
        fits_in = !__builtin_mul_overflow(*count, sweep->axis[a].count, count) && *count <= most;
    fits_in = fits_in && !__builtin_mul_overflow(*count, draws, &jobs) && jobs <= most &&
              sweep->include.count <= most / draws;
    if (!fits_in)
        complain(sweep->complaints, sweep->matrix, "more than %zu jobs", most);
    return fits_in;
}

static size_t count_comparisons(const struct rules *rules)
{
    size_t count = 0;
    for (size_t r = 0; r < rules->count; r++)
        for (size_t k = 0; k < rules->list[r].keys; k++)
            count += rules->list[r].key[k].count;
    return count;
}

/* Every combination is held against every value of every rule. */
static bool check_rules(struct sweep *sweep, size_t combinations)
{
    size_t values = count_comparisons(&sweep->exclude) + count_comparisons(&sweep->include), all;
    if (!__builtin_mul_overflow(combinations, values, &all) && all <= COMPARISONS_MAX)
        return true;
    complain(
        sweep->complaints, sweep->matrix,
        "%zu combinations, each to be compared with the %zu values of 'exclude' and 'include': "
        "more than %d comparisons",
        combinations, values, COMPARISONS_MAX);
    return false;
}

static void note_idle_excludes(struct sweep *sweep)
{
    for (size_t r = 0; r < sweep->exclude.count; r++)
        if (!sweep->exclude.list[r].used)
            complain_note(sweep->complaints, sweep->exclude.list[r].origin,
                          "no combination has all of these values: nothing is excluded");
}

static int expand(struct sweep *sweep)
{
    size_t count;
    int status = 0;
    if (sweep->broken || !count_combinations(sweep, &count) || !check_rules(sweep, count))
        return 0;
    TRY(emit_combinations(sweep, count));
    TRY(emit_includes(sweep));
    if (sweep->complaints->errors == 0)
        note_idle_excludes(sweep);
done:
    return status;
}

/* --- all of it --- */

static void release_rules(struct rules *rules)
{
    for (size_t r = 0; r < rules->count; r++) {
        for (int k = 0; k < PARAM_COUNT; k++)
            values_release(&rules->list[r].key[k]);
        free(rules->list[r].name);
    }
    free(rules->list);
}

static void release(struct sweep *sweep)
{
    for (int id = 0; id < PARAM_COUNT; id++)
        values_release(&sweep->defaults[id]);
    for (size_t a = 0; a < sweep->axes; a++) {
        for (size_t k = 0; k < sweep->axis[a].keys; k++)
            values_release(&sweep->axis[a].key[k]);
        free(sweep->axis[a].key);
    }
    free(sweep->axis);
    release_rules(&sweep->exclude);
    release_rules(&sweep->include);
    draws_release(&sweep->draws);
    free(sweep);
}

int sweep_read(const char *text, size_t bytes, struct job_builder *builder, struct error *err)
{
    int status = 0;
    struct yaml_tree tree = {0};
    struct sweep *sweep = calloc(1, sizeof *sweep);
    if (!sweep)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    *sweep = (struct sweep){.builder = builder, .complaints = builder->complaints, .err = err};
    TRY(yaml_tree_read(text, bytes, builder->complaints, &tree, err));
    if (!tree.root || node_is_null(tree.root))
        complain(builder->complaints, (struct origin){0}, "there is no job in it");
    else if (expect(sweep, tree.root, NODE_MAP,
                    "a sweep file begins with keys: output, defaults, matrix, ...")) {
        TRY(read_sections(sweep, tree.root));
        check_draws(sweep);
        TRY(expand(sweep));
    }
done:
    yaml_tree_release(&tree);
    release(sweep);
    return status;
}
