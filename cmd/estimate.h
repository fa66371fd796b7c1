/* What is left of a sweep and what it will take: for atelier plan and atelier submit. */
#ifndef ATELIER_ESTIMATE_H
#define ATELIER_ESTIMATE_H

#include "arguments.h"
#include "cost.h"
#include "experience.h"
#include "request.h"
#include "store.h"

struct estimate_options {
    const char *output; /* the store; NULL: the sweep's own */
    struct wish wish;
    double cpus; /* of a node; 0: as Slurm or this machine says */
    uint64_t node_bytes;
    const char *calibration; /* a file; NULL: the cache's, or measured */
    bool calibrate;
};

/* The rows that plan and submit share. */
void estimate_rows(struct estimate_options *options, struct form *form);

/* Quantiles of the jobs that are left. */
struct spread {
    double least, median, most;
};

/* Owned: estimate_release. */
struct estimate {
    struct job_list list;
    char *file;   /* that was read, absolute */
    char *folder; /* of the store, absolute; NULL: the sweep names none */
    bool exists;  /* the store is there */
    struct cost_model model;
    struct cost *costs; /* [list.count] */
    bool *done;         /* [list.count] */
    size_t left;        /* jobs that are not done */
    struct spread seconds, bytes;
    double work_seconds; /* of one worker, for all that is left */
    double makespan;
    size_t may_stop_early; /* jobs left with a tolerance */
    struct node node;
    struct request request;
    struct experience experience; /* count 0 without a store */
};

/* Reads `path` (a sweep, a manifest, or a store) and its store if there is one, calibrates if need
 * be, and predicts. `node` is what is known of the machines. What is wrong with the file is printed
 * to stderr. Errors: E_INPUT, E_ENVIRONMENT. */
int estimate_make(const char *path, const struct estimate_options *options, const struct node *node,
                  struct estimate *out, struct error *err);
void estimate_release(struct estimate *estimate);

/* One render's predicted seconds, by what is kept of this machine's measurements, the nearest to
 * its threads. false: it has not been measured. */
bool estimate_render(const struct params *params, const struct plan *plan, double *seconds);

/* As people read it. */
void estimate_print(const struct estimate *estimate);

#endif
