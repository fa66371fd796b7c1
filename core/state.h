/* A complete state of an unfinished render, as it is at the end of an outer iteration: going on
 * from it gives bit for bit what an undisturbed run gives. */
#ifndef ATELIER_STATE_H
#define ATELIER_STATE_H

#include "error.h"
#include <stddef.h>
#include <stdint.h>

struct render_state {
    int height, width; /* of the picture that is optimised, its margin included */
    double *picture;   /* [height][width][3], RGB, about 0..255 */
    double *moment1;   /* Adam's, same shape; NULL with L-BFGS */
    double *moment2;
    int64_t adam_steps; /* taken so far */
    int64_t iteration;  /* outer iterations done */
    int64_t evaluations;
    double seconds;    /* of work so far */
    double best_total; /* lowest total loss so far */
    double *best;      /* the accepted picture of the lowest loss, where `picture` is not it; else
                        * NULL. Same shape. Checked by:
                        * best_accepted_picture_is_kept_where_the_last_is_worse */
    double kept_total; /* its total loss */
    int precision;     /* in force: 0 float32, 1 bfloat16 */
};

/* Allocates picture, and moments if adam, zeroed; counters 0, no best. */
int render_state_init(struct render_state *state, int height, int width, int adam,
                      struct error *err);
void render_state_release(struct render_state *state);

/* The picture that a render is to leave. */
const double *render_state_best(const struct render_state *state);

#endif
