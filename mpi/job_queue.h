/* Jobs that wait for their first start: the longest that fits into so much memory, in O(log n). */
#ifndef ATELIER_JOB_QUEUE_H
#define ATELIER_JOB_QUEUE_H

#include "error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { JOB_NONE = -1 };

/* What a job is expected to take. */
struct job_cost {
    double seconds; /* unless predicted any measure of length will do */
    uint64_t bytes;
    bool predicted;     /* seconds are seconds */
    double first_state; /* s until it has come so far that an interruption keeps it; 0: unknown */
};

/* Always true: least[1] is the least memory any waiting job asks for; a job that does not wait asks
 * for UINT64_MAX. Life: job_queue_init (no job waits), put and take, job_queue_release. */
struct job_queue {
    size_t count, waiting;
    size_t leaves;    /* a power of two */
    uint64_t *least;  /* [2 * leaves] binary tree over places */
    size_t *place_of; /* [count] by job: its place, longest first, equal ones in the given order */
    size_t *job_at;   /* [count] by place */
    uint64_t *bytes;  /* [count] by job */
};

/* Errors: E_ENVIRONMENT. */
int job_queue_init(struct job_queue *queue, const struct job_cost *costs, size_t count,
                   struct error *err);
void job_queue_release(struct job_queue *queue);

/* The job must not wait already. */
void job_queue_put(struct job_queue *queue, size_t job);
/* The job must wait. */
void job_queue_take(struct job_queue *queue, size_t job);

/* The longest waiting job of at most so many bytes; JOB_NONE if there is none. */
ptrdiff_t job_queue_longest(const struct job_queue *queue, uint64_t bytes);

#endif
