/* Where a store stands, from its files alone: what is done, failed, running and waiting, and
 * whether a batch is at work. Reads only, and never disturbs one. */
#ifndef ATELIER_STORE_STATE_H
#define ATELIER_STORE_STATE_H

#include "batch_progress.h"
#include "claim.h"
#include "failure.h"
#include "store.h"
#include "verdict.h"

enum run_status {
    RUN_DONE,
    RUN_RUNNING, /* by a batch that is alive */
    RUN_WAITING,
    RUN_FAILED,
    RUN_UNREADABLE, /* there is a result, but it is damaged */
    RUN_STATUSES
};
/* "done" */
const char *run_status_word(enum run_status status);

enum batch_presence {
    BATCH_NONE,  /* none is at work */
    BATCH_ALIVE, /* as far as this host can tell */
    BATCH_GONE   /* it was killed: what it was doing is in its last progress */
};

struct store_state {
    struct store_scan scan;
    enum batch_presence batch;
    struct claim claim;             /* of the batch that is alive or gone; zeroed where unknown */
    struct batch_progress progress; /* of the same batch; zeroed where there is none */
    double silent_seconds;          /* since it was last heard of; NaN where there is none */
    struct verdict verdict;         /* of the last batch that ended; zeroed where there is none */
};

/* Errors: E_ENVIRONMENT: a folder cannot be read. Files that make no sense count as absent. Owned:
 * store_state_release. */
int store_state_read(const struct store *store, struct store_state *out, struct error *err);
void store_state_release(struct store_state *state);

/* What a job is doing. A result of the right length counts as done: nobody has looked inside. */
enum run_status store_state_of(const struct store_state *state, const char *id);

/* What the batch that is alive says of a job it is running, or NULL. */
const struct job_progress *store_state_running(const struct store_state *state, const char *id);

#endif
