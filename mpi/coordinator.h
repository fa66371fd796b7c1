/* Who renders what: the scheduling of a batch as plain logic. It knows no MPI, no files and no
 * clock: what happens is told with its time, what is to be done is asked for.
 *
 * A job is started on one agent at a time, under a lease: a number never used again. It ends by the
 * word of the agent that holds the lease, or when that agent has been silent for `lost_after`; a
 * word under any other lease is stale and ignored. Whether a job is done, only the store says
 * (is_done).
 *
 *   waiting -> running -> done | failed
 *                      -> confirming (an agent says done, the store not yet) -> done | crashed
 *                      -> waiting again: crashed or lost (`attempts` in all, another host if there
 *                         is one), out of memory (once more, alone on its host), interrupted,
 *                         trouble of its surroundings
 *
 * Trouble of a job's surroundings (trouble.h) is first taken for the agent's or its host's: it
 * rests, and is blocked when it is alone with it. It is the job's only where agents fail with it
 * that have just done another one, `attempts` of them. When every agent that could go on has been
 * failing for `patience`, the batch ends.
 *
 * Longest job first among those that fit into what memory its host has left. A job that cannot come
 * to its first state before the deadline is not started; when no other waits, the batch ends. Cost:
 * O(log jobs) an event and O(idle agents) a second; memory about 100 bytes a job. Checked by:
 * test_coordinator (1,000 agents with failures in virtual time), test_coordinator_random. */
#ifndef ATELIER_COORDINATOR_H
#define ATELIER_COORDINATOR_H

#include "failure.h"
#include "job_queue.h"
#include <stdbool.h>

enum stop_reason {
    STOP_NOT,
    STOP_REQUESTED,   /* a signal: running jobs are interrupted */
    STOP_DEADLINE,    /* likewise */
    STOP_ENVIRONMENT, /* nobody can work: disk full, read-only, or so */
    STOP_FAILURES     /* max_failures: running jobs end as they do */
};

struct coordinator_settings {
    double lost_after;    /* s */
    int attempts;         /* of a job that crashes or is lost */
    int64_t max_failures; /* 0: no limit */
    double deadline;      /* INFINITY: none */
    double patience;      /* s that trouble is waited out */
    bool (*is_done)(void *context, size_t job);
    void *context;
};

enum decision_kind {
    DECIDE_START,     /* job on agent under lease; attempt counts from 1 */
    DECIDE_INTERRUPT, /* agent shall end what it runs under lease and keep its state */
    DECIDE_DONE,      /* job is done */
    DECIDE_RETRY,     /* job ended as `end` says and waits again */
    DECIDE_FAILED,    /* job ended for good in this batch */
    DECIDE_BLOCKED,   /* agent gets no job any more: it is in trouble that others are not in */
    DECIDE_LOST       /* agent is lost: never send to it again */
};

struct decision {
    enum decision_kind kind;
    size_t job;
    int agent; /* -1: none had it */
    uint64_t lease;
    int attempt;
    bool alone; /* DECIDE_START: nothing else runs on this host meanwhile */
    enum job_end end;
};

struct coordinator;

/* costs: [count]; skip[job]: already done, or not asked for; NULL: none.
 * Errors: E_ENVIRONMENT. Owned: coordinator_free. */
int coordinator_new(const struct coordinator_settings *settings, const struct job_cost *costs,
                    const bool *skip, size_t count, struct coordinator **out, struct error *err);
void coordinator_free(struct coordinator *coordinator);

/* --- what happened. Agents are numbered from 0 by the caller, any number once. --- */

/* host: equal names are one host; bytes: of memory it can give to jobs. Errors: E_ENVIRONMENT. */
int coordinator_agent_joined(struct coordinator *c, double now, int agent, const char *host,
                             uint64_t bytes, struct error *err);
void coordinator_agent_heard(struct coordinator *c, double now, int agent);
/* Nobody listened until now: silence counts from here for all agents. Later is always safe. */
void coordinator_was_deaf(struct coordinator *c, double now);
/* It said so itself: what it ran counts as interrupted. */
void coordinator_agent_left(struct coordinator *c, double now, int agent);
/* It is known to be gone: as if it had been silent long enough. */
void coordinator_agent_lost(struct coordinator *c, double now, int agent);
/* An attempt ended. False: the lease is stale, nothing changed. */
bool coordinator_job_ended(struct coordinator *c, double now, int agent, uint64_t lease,
                           enum job_end end);
/* The store is out of reach, and so nobody knows whose it is: until it is back nothing is started
 * and what runs is interrupted. */
void coordinator_hold(struct coordinator *c, bool held);
/* The first reason stands. */
void coordinator_stop(struct coordinator *c, enum stop_reason reason);
/* Time passed: call it a few times in each lost_after. */
void coordinator_tick(struct coordinator *c, double now);

/* --- what to do: call until false --- */

bool coordinator_decide(struct coordinator *c, double now, struct decision *out);

/* --- how it stands --- */

struct coordinator_counts {
    size_t jobs, done, failed, running, waiting; /* jobs: without the skipped ones */
    size_t agents;                               /* alive */
};
struct coordinator_counts coordinator_counts(const struct coordinator *c);
enum stop_reason coordinator_stop_reason(const struct coordinator *c);

/* The attempt that an agent runs: false if it is idle, gone or unknown. */
bool coordinator_running(const struct coordinator *c, int agent, size_t *job, uint64_t *lease,
                         int *attempt);
bool coordinator_agent_alive(const struct coordinator *c, int agent);

/* Nothing runs and nothing will be started any more. Every decision must have been taken. */
bool coordinator_finished(const struct coordinator *c);

/* The exit code: 0 all done, 1 some failed, 3 environment, 75 interrupted or no agent left. */
int coordinator_verdict(const struct coordinator *c);

#endif
