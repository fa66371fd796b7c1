/* What atelier status knows of a store at one moment, and its two ways to say it. */
#ifndef ATELIER_STATUS_H
#define ATELIER_STATUS_H

#include "job_list.h"
#include "store_state.h"
#include <stdio.h>

struct failed_job {
    const struct job *job;
    struct failure record; /* without an id where it cannot be read */
};

struct status {
    struct store store;
    struct job_list jobs; /* of the manifest */
    struct store_state state;
    size_t count[RUN_STATUSES];
    size_t checkpoints; /* of jobs that wait */
    size_t unlisted;    /* results of no job in the manifest */
    uint64_t bytes;     /* of all files of jobs, and of the tables made from them */
    struct failed_job *failed;
    char last_event[512]; /* last line of batch.log; may be empty */
};

/* For people. At most `shown` jobs a list; 0: all. */
void status_print(FILE *to, const struct status *status, size_t shown);

/* For programs: one object. Errors: E_ENVIRONMENT. */
int status_print_json(FILE *to, const struct status *status, struct error *err);

/* The command that goes on with what is left. Caller frees; NULL: no memory. */
char *status_command(const struct status *status);

/* The command that runs one job by hand, made from the manifest: a record of a failure has one,
 * too, but whoever may write into the store has no say in what a person pastes. Likewise. */
char *status_job_command(const struct status *status, const struct job *job);

#endif
