#include "sweep_draws.h"

#include "numbers.h"
#include "words.h"
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int draw_unit(uint64_t seed, size_t draw, const char *key, double *unit, struct error *err)
{
    char text[160], hex[DIGEST_HEX], head[17];
    int length =
        snprintf(text, sizeof text, "atelier draw\n%" PRIu64 "\n%zu\n%s\n", seed, draw, key);
    int status = digest_bytes(text, (size_t)length, hex, err);
    if (status != 0)
        return status;
    snprintf(head, sizeof head, "%.16s", hex);
    *unit = (double)(strtoull(head, NULL, 16) >> 11) * 0x1p-53;
    return 0;
}

/* --- distributions --- */

/* Between two numbers; of whole numbers each of low..high, both included. */
static double uniform(double low, double high, bool whole, double unit)
{
    return whole ? floor(low + unit * (high - low + 1)) : low + unit * (high - low);
}

static double loguniform(double low, double high, bool whole, double unit)
{
    return whole ? floor(low * pow((high + 1) / low, unit)) : low * pow(high / low, unit);
}

struct distribution {
    const char *name, *usage;
    double (*number)(double low, double high, bool whole, double unit); /* NULL: choice */
    bool positive;
};

static const struct distribution distributions[] = {
    {"uniform", "uniform takes [low, high]", uniform, false},
    {"loguniform", "loguniform takes [low, high]", loguniform, true},
    {"choice", "choice takes a list of values", NULL, false},
};
enum { DISTRIBUTIONS = sizeof distributions / sizeof *distributions };

static int draw_numbers(struct job_builder *builder, const struct distribution *distribution,
                        const struct node *node, uint64_t seed, size_t count, struct values *out,
                        struct error *err)
{
    double range[2];
    size_t given;
    const struct param_info *info = &param_table[out->id];
    bool whole = info->type == PARAM_WHOLE;
    if (!whole && info->type != PARAM_REAL) {
        complain(builder->complaints, node->origin, "%s is no number: use choice", info->name);
        return 0;
    }
    if (!numbers_read(builder, node, distribution->usage, 2, 2, range, &given))
        return 0;
    if (!(range[0] <= range[1]) || (distribution->positive && !(range[0] > 0))) {
        complain(builder->complaints, node->origin, "%s needs %slow <= high, got %g and %g",
                 distribution->name, distribution->positive ? "0 < " : "", range[0], range[1]);
        return 0;
    }
    if (whole && (floor(range[0]) != range[0] || floor(range[1]) != range[1])) {
        complain(builder->complaints, node->origin, "%s needs whole numbers here",
                 distribution->name);
        return 0;
    }
    size_t errors = builder->complaints->errors;
    for (size_t i = 0; i < count && builder->complaints->errors == errors; i++) {
        int status;
        double unit;
        if ((status = draw_unit(seed, i, info->name, &unit, err)) != 0)
            return status;
        double number = distribution->number(range[0], range[1], whole, unit);
        number = fmin(fmax(number, range[0]), range[1]); /* rounding may step over */
        status = values_add_number(builder, number, node->origin, VALUES_REPEAT, out, err);
        if (status != 0)
            return status;
    }
    return 0;
}

static int draw_choices(struct job_builder *builder, const struct node *node, uint64_t seed,
                        size_t count, struct values *out, struct error *err)
{
    struct values from = {0};
    int status = 0;
    TRY(values_read(builder, out->id, node, VALUES_REPEAT, &from, err));
    for (size_t i = 0; i < count && from.count > 0; i++) {
        double unit;
        TRY(draw_unit(seed, i, param_table[out->id].name, &unit, err));
        const struct value *value = &from.list[(size_t)(unit * (double)from.count)];
        TRY(values_add(builder, value->text, value->origin, VALUES_REPEAT, out, err));
    }
done:
    values_release(&from);
    return status;
}

static int draw_key(struct job_builder *builder, enum param_id id, const struct node *node,
                    uint64_t seed, size_t count, struct values *out, struct error *err)
{
    const char *names[DISTRIBUTIONS];
    char nearest[128];
    *out = (struct values){.id = id};
    if (node->kind != NODE_MAP || node->count != 1) {
        complain(builder->complaints, node->origin,
                 "%s is drawn from {uniform: [low, high]}, {loguniform: [low, high]} or {choice: "
                 "[...]}",
                 param_table[id].name);
        return 0;
    }
    const struct node *name = node_key(node, 0), *from = node_value(node, 0);
    for (int i = 0; i < DISTRIBUTIONS; i++) {
        names[i] = distributions[i].name;
        if (strcmp(name->text, names[i]) != 0)
            continue;
        return distributions[i].number
                   ? draw_numbers(builder, &distributions[i], from, seed, count, out, err)
                   : draw_choices(builder, from, seed, count, out, err);
    }
    words_nearest(name->text, names, DISTRIBUTIONS, nearest, sizeof nearest);
    complain(builder->complaints, name->origin, "unknown distribution '%s'; %s%s", name->text,
             nearest[0] ? "nearest: " : "there are uniform, loguniform and choice", nearest);
    return 0;
}

/* --- the section --- */

static bool read_whole(struct job_builder *builder, const struct node *node, const char *name,
                       double low, double high, uint64_t *out)
{
    double number = NAN;
    if (node->kind != NODE_SCALAR || !number_parse(node->text, &number) ||
        !(number >= low && number <= high && floor(number) == number)) {
        complain(builder->complaints, node->origin, "%s must be a whole number from %.0f to %.0f",
                 name, low, high);
        return false;
    }
    *out = (uint64_t)number;
    return true;
}

/* The section's own two keys, wherever they stand in it. */
static bool read_settings(struct job_builder *builder, const struct node *section, uint64_t *draws,
                          uint64_t *seed)
{
    bool good = true, given = false;
    *seed = 0;
    for (size_t i = 0; i < section->count; i++) {
        const char *name = node_key(section, i)->text;
        const struct node *value = node_value(section, i);
        if (strcmp(name, "draws") == 0) {
            good = read_whole(builder, value, name, 1, (double)builder->limit, draws) && good;
            given = true;
        } else if (strcmp(name, "seed") == 0 && value->kind == NODE_SCALAR) {
            good = read_whole(builder, value, name, 0, 0x1p53, seed) && good;
        }
    }
    if (!given)
        complain(builder->complaints, section->origin,
                 "'random' needs 'draws', how many there are");
    return good && given;
}

/* `seed` is the section's own as a number, and the render's parameter as a distribution. */
static bool is_setting(const struct node *section, size_t i)
{
    const char *name = node_key(section, i)->text;
    return strcmp(name, "draws") == 0 ||
           (strcmp(name, "seed") == 0 && node_value(section, i)->kind == NODE_SCALAR);
}

int draws_read(struct job_builder *builder, const struct node *section, struct draws *out,
               struct error *err)
{
    static const char *const others[] = {"draws", "seed"};
    uint64_t count = 0, seed;
    if (!read_settings(builder, section, &count, &seed))
        count = 1; /* check the rest all the same */
    struct origin seen[PARAM_COUNT] = {0};
    for (size_t i = 0; i < section->count; i++) {
        struct values *key = &out->key[out->keys];
        enum param_id id;
        if (is_setting(section, i) ||
            !sweep_key(builder, node_key(section, i), others, 2, seen, &id))
            continue;
        out->keys++;
        int status = draw_key(builder, id, node_value(section, i), seed, (size_t)count, key, err);
        if (status != 0)
            return status;
        if (key->count < count) { /* after a complaint */
            values_release(key);
            out->keys--;
        }
    }
    out->count = out->keys > 0 ? (size_t)count : 0;
    return 0;
}

void draws_release(struct draws *draws)
{
    for (size_t i = 0; i < draws->keys; i++)
        values_release(&draws->key[i]);
    *draws = (struct draws){0};
}
