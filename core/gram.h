/* Gram matrices of feature maps, how far they are from others, and the gradient of that.
 *
 * channels: a multiple of 16, at most 512. arithmetic: what factors of products are rounded to,
 * float32 where this processor has no bfloat16. Single-precision sums over 1024 positions each,
 * added in double in a fixed order: the same bytes at any number of threads.
 * Errors: none. Memory: allocates nothing. Threads: OpenMP; safe on distinct outputs and scratch.
 */
#ifndef ATELIER_GRAM_H
#define ATELIER_GRAM_H

#include "conv.h"
#include <stddef.h>

/* Gram matrix of one feature map: g = f' f / positions.
 * f  [positions][channels] in.   g  [channels][channels] out, overwritten, symmetric.
 * scratch: gram_scratch_bytes.
 * Source: Gatys et al. 2016 eq. 3, normalised by positions. Checked by: gram_matches_reference */
void gram_matrix(const float *f, size_t positions, int channels, enum arithmetic arithmetic,
                 double *g, void *scratch);

/* With g the Gram matrix of f: returns sum (g - target)^2, and leaves slope * (g - target) in
 * direction (gram_direction_bytes), as gram_gradient takes it. target is symmetric. */
double gram_compare(const float *f, size_t positions, int channels, enum arithmetic arithmetic,
                    const double *target, double slope, void *direction, void *scratch);

/* df += f * direction: the gradient of a loss by f, where direction holds 2 / positions times the
 * gradient by g. */
void gram_gradient(const float *f, const void *direction, size_t positions, int channels,
                   enum arithmetic arithmetic, float *df);

size_t gram_scratch_bytes(size_t positions, int channels);
size_t gram_direction_bytes(int channels);

/* Lays d [channels][channels] out as gram_gradient takes it; for tests. */
void gram_direction(const float *d, int channels, enum arithmetic arithmetic, void *direction);

/* The same by plain loops in double, for tests. */
void gram_matrix_ref(const float *f, size_t positions, int channels, double *g);

#endif
