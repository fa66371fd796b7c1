/* What a batch at work is doing: progress.json, replaced by the coordinator every few seconds and
 * removed at the end. Whoever wants to know reads this file and never talks to the batch.
 *
 *   {"nonce", "time", "host", "pid", "jobs", "done", "failed", "waiting", "seconds_left",
 *    "agents": [{"rank", "host", "threads", "state"}],
 *    "running": [{"id", "rank", "host", "attempt", "started", "evaluation", "evaluations", "total",
 *      "seconds_left"}]}
 *
 * Times are as 2026-01-31T12:34:56Z; seconds_left is null where nobody knows. */
#ifndef ATELIER_BATCH_PROGRESS_H
#define ATELIER_BATCH_PROGRESS_H

#include "clock.h"
#include "store.h"
#include "verdict.h"
#include <sys/types.h>

struct agent_progress {
    int rank, threads;
    char host[HOST_TEXT];
    char state[16]; /* idle, running, lost, ... */
};

struct job_progress {
    char id[JOB_ID_TEXT], host[HOST_TEXT], started[CLOCK_TEXT];
    int rank, attempt;
    int64_t evaluation, evaluations; /* so far, at most */
    double total;                    /* loss; NaN before the first row */
    double seconds_left;             /* NaN: unknown */
};

struct batch_progress {
    char nonce[NONCE_TEXT]; /* of the claim; empty: there is no such file */
    char time[CLOCK_TEXT], host[HOST_TEXT];
    pid_t pid;
    uint64_t jobs, done, failed, waiting;
    double seconds_left; /* NaN: unknown */
    size_t agent_count, running_count;
    struct agent_progress *agents;
    struct job_progress *running;
};

/* Replaces the file. Errors: E_ENVIRONMENT. */
int batch_progress_write(const struct store *store, const struct batch_progress *progress,
                         struct error *err);

/* *out is zeroed if there is none. Owned: batch_progress_release.
 * Errors: E_INPUT: no JSON; E_ENVIRONMENT. */
int batch_progress_read(const struct store *store, struct batch_progress *out, struct error *err);
void batch_progress_release(struct batch_progress *progress);

/* Removes the file, if there is one. */
void batch_progress_remove(const struct store *store);

#endif
