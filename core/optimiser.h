/* Minimises an objective in outer iterations: L-BFGS (liblbfgs, on coordinates: see subspace.h),
 * restarted each time from the picture so far as the Keras example does by calling scipy in a loop,
 * or Adam.
 *
 * The restart makes a render exactly resumable: an outer iteration's end is a complete state, and
 * going on from it gives bit for bit an undisturbed run. */
#ifndef ATELIER_OPTIMISER_H
#define ATELIER_OPTIMISER_H

#include "history.h"
#include "objective.h"
#include "params.h"
#include "state.h"
#include <stdbool.h>

enum optimiser_end {
    END_ITERATIONS,  /* did what was asked */
    END_TOLERANCE,   /* an outer iteration lowered the best loss by less than `tolerance` */
    END_STALLED,     /* an outer iteration accepted no step */
    END_DIVERGED,    /* a loss that is not finite, and no way on from the last good picture */
    END_ROSE,        /* no accepted step is below the start, and the last is 100 times above it.
                      * Checked by: adam_that_ran_away_is_told_from_one_that_goes_up_and_down */
    END_INTERRUPTED, /* should_stop said so */
    END_HANDOVER,    /* `auto`: to be gone on with in float32; never a render's end */
};

/* "all iterations done", for people; "iterations", for files. */
const char *optimiser_end_sentence(enum optimiser_end end);
const char *optimiser_end_word(enum optimiser_end end);

/* What a run tells and asks; any may be NULL. They run on the calling thread, between evaluations,
 * and must not change what they are shown. */
struct optimiser_hooks {
    void *context;
    /* Asked before every evaluation. */
    bool (*should_stop)(void *context);
    /* After a row was appended: an accepted step, or the start. */
    void (*on_row)(void *context, const struct history *history);
    /* After every evaluation, with the last complete state and the history up to it; `fresh` the
     * first time a state is shown. Nonzero (with err filled) ends the run with that error. */
    int (*on_state)(void *context, const struct render_state *state, const struct history *history,
                    bool fresh, struct error *err);
};

/* Gradients that a search of L-BFGS keeps at most: the start's and one a step. After so many steps
 * a new search begins, at the picture so far; with fewer than 64 evaluations in an outer iteration
 * it does not come to that. */
int optimiser_gradients(const struct params *params);

/* Bytes that a run holds of pictures of so many values, its state's included. */
uint64_t optimiser_bytes(const struct params *params, size_t count);

/* From here on a state is gone on from in float32. */
void optimiser_hand_over(struct render_state *state);

/* Runs from *state, whose picture is the start (iteration 0, history without rows) or that of a
 * checkpoint (history with its rows), and leaves the last state there, its picture the last
 * accepted one and its best the one of the lowest loss, if another. objective computes in
 * state->precision. Under precision `auto` a run in bfloat16 ends with END_HANDOVER,
 * state->precision then float32: call again with such an objective. That is decided at an outer
 * iteration's end: where the loss fell by less than a hundredth, or not at all; part of the state,
 * so a checkpoint goes on alike. After END_INTERRUPTED state and history are those of the last
 * outer iteration's end. Errors: E_ENVIRONMENT, or what on_state returned. */
int optimiser_run(const struct params *params, const struct plan *plan, struct objective *objective,
                  struct render_state *state, struct history *history,
                  const struct optimiser_hooks *hooks, enum optimiser_end *end, struct error *err);

#endif
