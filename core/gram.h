/* Gram matrices of feature maps, and their gradient. */
#ifndef ATELIER_GRAM_H
#define ATELIER_GRAM_H

#include <stddef.h>

/* Gram matrix of one feature map: g = f' f / positions.
 * f  [positions][channels] in.   g  [channels][channels] out, overwritten, symmetric.
 * scratch: gram_scratch_bytes. channels a multiple of 16.
 * Single-precision products over 4096 positions each, summed in double in a fixed order.
 * Errors: none. Threads: uses OpenMP; safe on distinct g and scratch.
 * Source: Gatys et al. 2016 eq. 3, normalised by positions. Checked by: gram_matches_reference */
void gram_matrix(const float *f, size_t positions, int channels, double *g, void *scratch);

/* df += f * d: the gradient of a loss by f, where d [channels][channels] is symmetric and holds
 * 2 / positions times the gradient by g. Threads: OpenMP over rows of f. */
void gram_gradient(const float *f, const float *d, size_t positions, int channels, float *df);

size_t gram_scratch_bytes(size_t positions, int channels);

/* The same by plain loops in double, for tests. */
void gram_matrix_ref(const float *f, size_t positions, int channels, double *g);

#endif
