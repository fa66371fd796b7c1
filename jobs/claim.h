/* Who is at work in a store: the file `claim`, so that two batches never share one.
 *
 *   {"host", "pid", "pid_start", "boot", "pid_space", "nonce", "started", "ending"}
 *
 * It appears whole, durable and exclusively (written and synced beside, then linked), and its time
 * of modification is the owner's heartbeat. Its owner is dead when its process is gone, where that
 * can be seen from here (same boot, same pid namespace, not hidden in /proc; pid_start tells a pid
 * used again), else when the heartbeat is older than lost_after. So is one that cannot be read:
 * whatever a power cut has left. Nothing here needs flock or O_EXCL: link and rename are atomic on
 * NFS, too.
 *
 * Taking over from a dead owner X: whoever links its own claim as `.claim.after.X` is X's one
 * successor, or where that one died, too, its successor's. Whoever follows a dead successor first
 * removes that one's own file, so that it cannot go on should it wake up. Only the last of that
 * chain, having seen after that that the claim still is X's, renames its own file over it. Between
 * that look and the rename X may wake up and release it, and somebody link a new one: whoever has
 * got the claim, either way, first clears the chain and takes the files of all who are still on
 * their way by it, and then looks whether it still has it. No nonce comes twice: no two takers get
 * through. An owner that was taken for dead and releases its claim just then may hide its
 * successor's for a moment; it puts it back. Checked by: of_many_takers_one_at_a_time_gets_through,
 * a_taker_that_was_taken_for_dead_cannot_go_on, a_taker_that_looked_before_a_release_cannot_go_on,
 * a_dead_claim_is_taken_over_without_links, too */
#ifndef ATELIER_CLAIM_H
#define ATELIER_CLAIM_H

#include "clock.h"
#include "store.h"
#include "verdict.h"
#include <sys/types.h>

struct claim {
    char nonce[NONCE_TEXT]; /* empty: nobody */
    char host[HOST_TEXT];
    pid_t pid;
    char started[CLOCK_TEXT];
    bool ending; /* in the file 0 or 1: was told to stop and soon will be gone */
    /* how to look for the process */
    uint64_t pid_start; /* in clock ticks since boot */
    char boot[40], pid_space[40];
};

enum claim_state { CLAIM_FREE, CLAIM_ALIVE, CLAIM_DEAD };

/* What stands there. *age is the heartbeat's in seconds, by the file system's clock, or this host's
 * where the store cannot be written; 0 when free. Leaves nothing, so that anybody may look. Errors:
 * E_INPUT: what stands there is none of atelier's; E_ENVIRONMENT. */
int claim_look(const struct store *store, double lost_after_s, struct claim *who,
               enum claim_state *state, double *age, struct error *err);

/* Takes the claim: at once where nobody has it or its owner is dead. An owner that cannot be seen
 * from here and is silent is waited for, until it shows a sign of life or lost_after has passed;
 * one that is ending, until it is gone, for lost_after at most. on_wait (may be NULL) is told once
 * whom it waits for; should_stop (may be NULL) is asked all the while.
 * Errors: E_ENVIRONMENT: "... is at work in 'x' (host, pid, age)", or it cannot be written;
 * E_INTERRUPTED: should_stop said so; E_INPUT: the file makes no sense. */
struct claim_hooks {
    void *context;
    void (*on_wait)(void *context, const struct claim *who, double age);
    bool (*should_stop)(void *context);
};
int claim_take(const struct store *store, double lost_after_s, const struct claim_hooks *hooks,
               struct claim *out, struct error *err);

/* The heartbeat. Errors: E_FAILED: the claim is not ours any more; E_ENVIRONMENT. */
int claim_refresh(const struct store *store, const struct claim *claim, struct error *err);

/* Says that this batch is about to end: another one then waits instead of giving up.
 * Errors: as claim_refresh. */
int claim_end(const struct store *store, struct claim *claim, struct error *err);

/* Removes the claim, if it is ours still. Errors: as claim_refresh. */
int claim_release(const struct store *store, const struct claim *claim, struct error *err);

#endif
