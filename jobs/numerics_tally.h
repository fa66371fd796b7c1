/* Which numerics (numerics.h) a store's results were computed with: those of one kind are
 * comparable bit for bit, those of another to rounding only. */
#ifndef ATELIER_NUMERICS_TALLY_H
#define ATELIER_NUMERICS_TALLY_H

#include "error.h"
#include <stdbool.h>
#include <stddef.h>

struct hdf5_attributes;

struct numerics_kind {
    char *precision, *numerics;
    size_t results;
};

/* Starts as {0}. Owned: numerics_tally_release. */
struct numerics_tally {
    struct numerics_kind *kinds; /* in the order of their first results */
    size_t count;
    size_t continued; /* results of which a part was computed with others */
};

/* Counts a result by its attributes; one of before there was such a thing is of the kind "".
 * Errors: E_ENVIRONMENT. */
int numerics_tally_add(struct numerics_tally *tally, const struct hdf5_attributes *attributes,
                       struct error *err);
void numerics_tally_release(struct numerics_tally *tally);

/* Whether there are several kinds of one precision, or in one result. */
bool numerics_tally_mixed(const struct numerics_tally *tally);

#endif
