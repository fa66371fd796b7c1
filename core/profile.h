/* Where the time of an evaluation goes: wall seconds a stage, summed over this process. Filled by
 * the thread that leads each stage; stages do not overlap. */
#ifndef ATELIER_PROFILE_H
#define ATELIER_PROFILE_H

#include "vgg19.h"

enum profile_stage {
    PROFILE_TRANSFORM, /* Winograd transforms */
    PROFILE_GEMM,      /* matrix products of the convolutions */
    PROFILE_GRAM,      /* Gram matrices and their gradients */
    PROFILE_POOL,      /* pooling, forward and backward */
    PROFILE_PIXELS,    /* total variation, conversions, content loss */
    PROFILE_STAGES
};

const char *profile_name(enum profile_stage stage);

/* Adds the seconds since `start` (clock_seconds) and returns the time now. */
double profile_add(enum profile_stage stage, double start);

/* The same by convolution; these overlap the stages. */
void profile_add_conv(int conv, bool backward, double start);
void profile_take_convs(double forward[VGG19_CONVS], double backward[VGG19_CONVS]);

/* Copies the sums and sets them to 0. */
void profile_take(double seconds[PROFILE_STAGES]);

#endif
