/* The inner loops of Gram matrices and their gradient, as kernels.h has those of everything else:
 * compiled once for each instruction set, serial. */
#ifndef ATELIER_KERNELS_GRAM_H
#define ATELIER_KERNELS_GRAM_H

#include "kernels.h"

enum { GRAM_TILE = 64 };

/* f [positions][channels] are float32; what ends in _bf16 rounds both factors to bfloat16 and sums
 * in float32, and is NULL where the processor has no such arithmetic. */
struct gram_kernels {
    /* c [rows][GRAM_TILE] = sum over positions of a[p][i] * b[p][j], positions in order. a and b
     * point at the first of `rows` and `columns` channels (multiples of LANES, at most GRAM_TILE)
     * in rows of `channels`. Where a is b, only j at or right of i, and what stands in the same
     * LANES, is computed. Overwrites. */
    void (*tile)(const float *a, const float *b, size_t positions, int channels, int rows,
                 int columns, float *c);
    void (*tile_bf16)(const float *a, const float *b, size_t positions, int channels, int rows,
                      int columns, float *c);
    /* df += f * d, columns first..last-1 only (first a multiple of PANEL, last too or the end), at
     * most GRAM_ROWS rows. d [channels][channels] packed: packed_at, in bfloat16 packed_bf16_at. */
    void (*gradient)(const float *f, int rows, int channels, const float *d, int first, int last,
                     float *df);
    void (*gradient_bf16)(const float *f, int rows, int channels, const uint16_t *d, int first,
                          int last, float *df);
};
enum { GRAM_ROWS = 64, GRAM_CHANNELS = 512 /* at most */ };

#endif
