/* One picture: images -> targets -> objective -> optimiser -> picture and history. */
#ifndef ATELIER_RENDERER_H
#define ATELIER_RENDERER_H

#include "image.h"
#include "optimiser.h"

struct render_hooks {
    struct optimiser_hooks optimiser;
    /* Once the targets are captured: how long that took, in seconds. */
    void (*on_ready)(void *context, double target_seconds);
    /* What there is to say of a picture that was read (struct image_notes). May be NULL. */
    void (*on_note)(void *context, const char *path, const char *note);
    /* When `auto` goes on in float32 after so many outer iterations. May be NULL. */
    void (*on_handover)(void *context, int64_t iteration);
};

/* Renders. weights holds plan->convs layers and is released here as soon as the network is made,
 * (with precision auto, the last network), which halves what it costs. state is {0}, or a
 * checkpoint's with history its rows; history is made by objective_history or the checkpoint's.
 * image is the best picture at the end, without margin (also when interrupted). Owned by the
 * caller: state, history, image. Errors: E_INPUT from the images and the balanced preset,
 * E_ENVIRONMENT, and the hooks' own. */
int render_picture(const struct params *params, const struct plan *plan,
                   struct vgg19_weights *weights, struct render_state *state,
                   struct history *history, const struct render_hooks *hooks, struct image *image,
                   enum optimiser_end *end, struct error *err);

#endif
