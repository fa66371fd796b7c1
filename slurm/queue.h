/* A store's jobs in Slurm's queue. Their numbers stand in STORE/slurm/jobs, one a line, the last
 * one submitted last. */
#ifndef ATELIER_QUEUE_H
#define ATELIER_QUEUE_H

#include "error.h"
#include <stdbool.h>

enum { QUEUE_ID_TEXT = 32, QUEUE_WORD = 64 };

struct queued {
    char id[QUEUE_ID_TEXT];
    char state[QUEUE_WORD];  /* RUNNING, PENDING, COMPLETED, ...; empty: Slurm has forgotten it */
    char reason[QUEUE_WORD]; /* why it waits, or ended; may be empty */
    char left[QUEUE_WORD];   /* of its time, "12:34"; empty unless it runs */
    char nodes[256];
    char exit_code[QUEUE_WORD]; /* "0:0" once it has ended */
    bool alive;                 /* waits or runs */
};

/* The last job of the folder STORE/slurm. *found: there is one. Errors: E_ENVIRONMENT. */
int queue_last(const char *slurm_folder, char id[QUEUE_ID_TEXT], bool *found, struct error *err);
int queue_add(const char *slurm_folder, const char *id, struct error *err);

/* What Slurm knows of a job. Errors: E_ENVIRONMENT: no Slurm here, or it does not answer. */
int queue_ask(const char *id, struct queued *out, struct error *err);

/* Asks the scheduler whether it would take the script. On success *answer is what it says (when it
 * would start). Caller frees. Errors: E_INPUT: refused, in its words; E_ENVIRONMENT. */
int queue_test(const char *script, char **answer, struct error *err);

/* Submits a script that is kept at `path`. Errors: as queue_test. */
int queue_submit(const char *path, char id[QUEUE_ID_TEXT], struct error *err);

/* Ends it: one that runs writes its last states first and is not started again, unless now.
 * Errors: E_INPUT: it has ended; E_ENVIRONMENT. */
int queue_cancel(const struct queued *job, bool now, struct error *err);

#endif
