/* Private to the sweep: the values that a node of the sweep file gives to a parameter. */
#ifndef ATELIER_SWEEP_VALUES_H
#define ATELIER_SWEEP_VALUES_H

#include "job_builder.h"
#include "yaml_tree.h"

/* One value: text as params_format gives it, files absolute. Equal values have equal texts. */
struct value {
    char *text;
    struct origin origin;
};

/* Owned: values_release. */
struct values {
    enum param_id id;
    size_t count;
    struct value *list;
};

enum {
    VALUES_ANY = 1,    /* files need not be there, patterns may match nothing */
    VALUES_REPEAT = 2, /* a value may stand twice */
};

/* All values of a node: a scalar, a pattern of file names, a list of those, {linspace: ...},
 * {geomspace: ...}, {range: ...}; of layers also [[relu1_1, relu2_1], {relu1_1: 1, relu2_1: 3}].
 * What is wrong becomes a complaint, and is left out. Errors: E_ENVIRONMENT. */
int values_read(struct job_builder *builder, enum param_id id, const struct node *node, int flags,
                struct values *out, struct error *err);

/* The one value of a node; of layers also a list of names, or names with weights. *out has count 0
 * after a complaint, else 1. Errors: E_ENVIRONMENT. */
int values_read_one(struct job_builder *builder, enum param_id id, const struct node *node,
                    struct values *out, struct error *err);

/* Adds a value as a sweep file would give it, checked. Errors: E_ENVIRONMENT. */
int values_add(struct job_builder *builder, const char *text, struct origin origin, int flags,
               struct values *values, struct error *err);
int values_add_number(struct job_builder *builder, double number, struct origin origin, int flags,
                      struct values *values, struct error *err);

/* The numbers in a list of `least` to `most` numbers; complains with `usage` otherwise. */
bool numbers_read(struct job_builder *builder, const struct node *node, const char *usage,
                  size_t least, size_t most, double *numbers, size_t *count);

/* The parameter that a key of a section names; complains about an unknown one, and about one that
 * was seen before. others: what else the section knows. */
bool sweep_key(struct job_builder *builder, const struct node *key, const char *const *others,
               int other_count, struct origin seen[PARAM_COUNT], enum param_id *id);

bool values_hold(const struct values *values, const char *text);
void values_release(struct values *values);

#endif
