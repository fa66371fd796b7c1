/* Private to the sweep: its `random` section. */
#ifndef ATELIER_SWEEP_DRAWS_H
#define ATELIER_SWEEP_DRAWS_H

#include "sweep_values.h"

/* For each parameter drawn, as many values as there are draws. Owned: draws_release. */
struct draws {
    size_t count; /* draws; 0: nothing is random */
    size_t keys;
    struct values key[PARAM_COUNT];
};

/* Errors: E_ENVIRONMENT; what is wrong becomes a complaint. */
int draws_read(struct job_builder *builder, const struct node *section, struct draws *out,
               struct error *err);
void draws_release(struct draws *draws);

/* Draw number `draw` (from 0) of a key, in [0, 1): the first 53 bits of the SHA-256 of
 * "atelier draw\nSEED\nDRAW\nKEY\n", so that it depends on nothing else. Errors: E_ENVIRONMENT. */
int draw_unit(uint64_t seed, size_t draw, const char *key, double *unit, struct error *err);

#endif
