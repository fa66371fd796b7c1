/* A render that is a job of a store: where its files go, what it says, and how it is published so
 * that nothing is ever lost, replaced or half there (jobs/store.h). */
#ifndef ATELIER_INTO_H
#define ATELIER_INTO_H

#include "facts.h"
#include "outputs.h"
#include "store.h"
#include <stdbool.h>
#include <stdio.h>

struct into {
    struct store store;
    char id[JOB_ID_TEXT];
    char *running_log, *log; /* while it is unfinished, and for good */
    FILE *said;              /* running_log, for appending */
    bool captured;           /* stdout and stderr are that file, too */
};

/* Opens the store, names the files and proves that they can be written; clears away what killed
 * attempts at this job left half written. Errors: E_INPUT: no store, no id; E_ENVIRONMENT. */
int into_open(const char *folder, const char *id, struct into *into, struct outputs *outputs,
              struct error *err);
void into_release(struct into *into);

/* Whether the job is done already, or was all but published by one that was killed; then what it
 * needs no more is removed. */
int into_is_done(const struct into *into, bool *done, struct error *err);

/* Begins the log, or goes on with that of an earlier attempt: its first line is the command that
 * reruns this job by hand. With capture, all that is written to stdout and stderr goes there. */
int into_begin_log(struct into *into, int argc, char **argv, const struct params *params,
                   bool capture, struct error *err);

/* How many attempts have failed, by the store's records. */
int into_failed_attempts(const struct into *into);

/* Proves that these parameters and files are those of the job. The facts are those of
 * facts_add_job. Errors: E_INPUT, naming what has changed since the sweep was expanded, as far as
 * that shows. */
int into_check_identity(const struct into *into, const struct params *params,
                        const struct facts *facts, struct error *err);

/* Publishes picture, log and result, which makes the job done (job_publish.h). Nothing replaces
 * them: where somebody else finished the job meanwhile, *elsewhere is true and theirs stands.
 * Then the checkpoint and the record of failures go. Releases staged. */
int into_publish(const struct into *into, struct staged_outputs *staged, bool *elsewhere,
                 struct error *err);

#endif
