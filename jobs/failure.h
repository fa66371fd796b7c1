/* Why a job is not done: failed/ID.json, written by the coordinator, removed when the job is done.
 *
 *   {"id", "end", "message", "command", "final", "attempts": [{"attempt", "host", "rank",
 * "started", "seconds", "end", "exit_code", "signal", "peak_memory_bytes", "cpu_seconds",
 * "message"}]}
 *
 * exit_code is -1 where a signal ended it, signal 0 where none did. */
#ifndef ATELIER_FAILURE_H
#define ATELIER_FAILURE_H

#include "clock.h"
#include "store.h"

/* How an attempt ended. */
enum job_end {
    JOB_END_DONE,
    JOB_END_BAD_INPUT, /* never tried again */
    JOB_END_CRASHED,
    JOB_END_LOST, /* its agent, or its host */
    JOB_END_OUT_OF_MEMORY,
    JOB_END_TIMED_OUT,
    JOB_END_DIVERGED,
    JOB_END_ENVIRONMENT, /* disk full, read-only */
    JOB_END_INTERRUPTED, /* does not count */
    JOB_ENDS
};

/* "out_of_memory". job_end_find: JOB_ENDS if there is no such word. */
const char *job_end_word(enum job_end end);
enum job_end job_end_find(const char *word);
/* "ran out of memory" */
const char *job_end_sentence(enum job_end end);

struct attempt {
    int number; /* from 1 */
    char host[HOST_TEXT];
    int rank;
    char started[CLOCK_TEXT];
    double seconds;
    enum job_end end;
    int exit_code, signal;
    uint64_t peak_memory_bytes;
    double cpu_seconds;
    char message[256]; /* its last words; may be empty */
};

struct failure {
    char id[JOB_ID_TEXT];
    enum job_end end; /* the last attempt's */
    bool final;       /* not tried again in this batch */
    char *message;
    char *command; /* reruns it by hand */
    size_t attempt_count;
    struct attempt *attempts;
};

/* Replaces failed/ID.json. Errors: E_ENVIRONMENT. */
int failure_write(const struct store *store, const struct failure *failure, struct error *err);

/* *out is zeroed, without an id, if there is no record. Owned: failure_release.
 * Errors: E_INPUT: the file makes no sense; E_ENVIRONMENT. */
int failure_read(const struct store *store, const char *id, struct failure *out, struct error *err);
void failure_release(struct failure *failure);

/* No record is fine. Errors: E_ENVIRONMENT. */
int failure_remove(const struct store *store, const char *id, struct error *err);

#endif
