/* Rank 0 at work: the coordinator with its agents on one side and the store on the other. It does
 * what coordinator.h decides, keeps the store's records (failed/, batch.log, progress.json,
 * exit_status, the claim's heartbeat), and hands a person what there is to know.
 *
 * A record that cannot be written is said once and written later; it never ends the batch. While
 * the claim cannot be kept alive nothing is rendered. */
#ifndef ATELIER_CONDUCT_H
#define ATELIER_CONDUCT_H

#include "agent.h"
#include "batch_progress.h"
#include "claim.h"
#include "coordinator.h"
#include "job_list.h"

/* Told by a signal: nothing; end at the next evaluation; end within a second or two. */
enum urge { URGE_NONE, URGE_STOP, URGE_HURRY };

struct conduct_hooks {
    void *context;
    enum urge (*urge)(void *context);
    /* What happened, as a line: trouble that a person should see, or the usual. */
    void (*say)(void *context, bool trouble, const char *line);
    /* What a person should read even where the usual and trouble are not wanted. */
    void (*warn)(void *context, const char *line);
    /* The state of everything, now and then; borrowed. */
    void (*show)(void *context, const struct batch_progress *progress);
};

struct conduct_settings {
    struct agent_settings agent;
    double lost_after;
    double deadline; /* clock_seconds; INFINITY: none */
    double timeout;  /* of a job, s; 0: none, but one that makes no step for long is stuck */
    double patience; /* s that trouble of the store, or of a host, is waited out */
    int attempts;
    int64_t max_failures;
    int threads;               /* of each job; 0: from the masks */
    double checkpoint_seconds; /* of each render; negative: its own default */
    bool coordinator_only;
    const char *renderer; /* the program; run as `RENDERER render --into ...` */
};

/* What came of the batch. */
struct outcome {
    int code;                          /* exit code */
    uint64_t jobs, done, failed, left; /* of the store's sweep */
    uint64_t rendered;                 /* done by this batch */
    double seconds;
    bool complete; /* every agent left on command: MPI can be ended as usual */
    enum stop_reason stop;
    struct failure *failures; /* of jobs that failed, by this batch or for good by an earlier one */
    size_t failure_count;
    char why[256]; /* for code 3 and 75: what ended it */
};

/* While a thread of its own does `work`, keeps the agents waiting: they would take silence for the
 * coordinator's death. Returns what work returns. */
int conduct_meanwhile(struct transport *transport, int (*work)(void *context), void *context,
                      struct error *err);

/* Tells every agent to go: there will be no batch. */
void conduct_dismiss(struct transport *transport);

/* Runs the jobs of the list that are not done yet; skip[job]: leave it out. The claim is ours; it
 * is released, after exit_status was written. Owned: outcome_release.
 * Errors: E_ENVIRONMENT, E_INTERRUPTED: the claim is no longer ours. */
int conduct(struct transport *transport, const struct store *store, struct claim *claim,
            const struct job_list *list, const struct job_cost *costs, const bool *skip,
            const struct conduct_settings *settings, const struct conduct_hooks *hooks,
            struct outcome *out, struct error *err);
void outcome_release(struct outcome *outcome);

/* What every other rank does: serves until it is told to go. *complete as in outcome. */
int serve(struct transport *transport, const struct agent_settings *settings,
          const struct conduct_hooks *hooks, bool *complete, struct error *err);

#endif
