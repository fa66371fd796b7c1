/* The terms of an objective and what each is compared with: Gram matrices of the style image,
 * features of the content image. Part of objective.c, which is its only user. */
#ifndef ATELIER_TARGETS_H
#define ATELIER_TARGETS_H

#include "network.h"
#include "plan.h"

/* One layer of one loss. */
struct term {
    struct layer layer;
    double weight;    /* within its list */
    double scale;     /* of the sum of squares, everything included; known once it is captured */
    int tap;          /* in the plan's list */
    size_t positions; /* of the picture's feature map */
    int channels;
    float *features; /* content: P [positions][channels] */
    double *gram;    /* style: A [channels][channels] */
    void *direction; /* style: what gram_gradient takes, left by the forward pass */
};

/* Every content and every style term of a plan. Owned: targets_release. */
struct targets {
    int content_count, style_count;
    struct term content[LAYERS_MAX], style[LAYERS_MAX];
};

/* Shapes and weights alone, without any memory. */
void targets_describe(const struct plan *plan, struct targets *targets);

/* Runs both images through the network and fills in gram, features and scale. Allocates direction.
 * Errors: as objective_new. */
int targets_capture(const struct params *params, const struct plan *plan,
                    const struct network *network, const float *content, const float *style,
                    struct targets *targets, struct error *err);
void targets_release(struct targets *targets);

/* Bytes that targets hold, and the most that capturing takes beside them. */
uint64_t targets_bytes(const struct targets *targets);
uint64_t targets_capture_bytes(const struct params *params, const struct plan *plan,
                               enum arithmetic arithmetic);

size_t term_elements(const struct term *term); /* of its feature map */
size_t term_gram_area(const struct term *term);

/* Sum of (f - p)^2, p NULL meaning 0, in runs of fixed size added in order. Threads: OpenMP. */
double sum_of_squares(const float *f, const float *p, size_t count);

/* The scale of the total-variation sum. */
double targets_tv_scale(const struct params *params, const struct plan *plan);

#endif
