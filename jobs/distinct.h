/* The different values of a column of runs. */
#ifndef ATELIER_DISTINCT_H
#define ATELIER_DISTINCT_H

#include "runs.h"

/* Numbers ascend; texts come in the order of the runs. Zero-initialised before. */
struct distinct {
    size_t count;    /* of values */
    size_t *of_run;  /* [runs]: the number of its value; count where it has none */
    size_t *example; /* [count]: the first run that has the value */
    size_t *runs;    /* [count]: how many have it */
};

/* Errors: E_ENVIRONMENT. Owned: distinct_release. Cost: n log n. */
int distinct_find(const struct runs *runs, const struct run_column *column, struct distinct *out,
                  struct error *err);
void distinct_release(struct distinct *distinct);

/* Whether a run has a value in the column. */
bool distinct_has(const struct run_column *column, size_t run);
/* Whether two runs that have one have the same. */
bool distinct_same(const struct run_column *column, size_t a, size_t b);

#endif
