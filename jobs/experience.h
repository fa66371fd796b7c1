/* What the finished jobs of a store took, beside what was predicted of them. */
#ifndef ATELIER_EXPERIENCE_H
#define ATELIER_EXPERIENCE_H

#include "cost.h"
#include "job_list.h"
#include "store.h"

struct experience {
    size_t count; /* observations, of at most EXPERIENCE_MOST jobs spread over the list */
    struct cost_observation *observations;
    size_t early; /* of them stopped before their budget was used up */
    /* Medians of |predicted / measured - 1| over the jobs that used up their budget, by the
     * prediction their result records, else by the model's; NaN without any. A job's own seconds
     * are its optimisation's; the start is taken as predicted. */
    double seconds_error, bytes_error;
    size_t compared;
};
enum { EXPERIENCE_MOST = 200 };

/* Reads the results of the list's jobs that the scan has as done. A result that cannot be read is
 * left out. Errors: E_ENVIRONMENT. Threads: none may be inside HDF5. Owned: experience_release. */
int experience_read(const struct store *store, const struct store_scan *scan,
                    const struct job_list *list, const struct cost_model *model,
                    struct experience *out, struct error *err);
void experience_release(struct experience *experience);

/* How far a store has come: results, and evaluations in the checkpoints of unfinished jobs. Work
 * that is kept changes one or the other. A checkpoint that cannot be read counts as none.
 * Errors: E_ENVIRONMENT. */
struct advance {
    uint64_t results, evaluations;
};
int store_advance(const struct store *store, struct advance *out, struct error *err);

#endif
