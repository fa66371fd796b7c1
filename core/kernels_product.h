/* The inner loops of the Winograd engines' matrix products, as kernels.h has those of everything
 * else: compiled once for each instruction set, serial. */
#ifndef ATELIER_KERNELS_PRODUCT_H
#define ATELIER_KERNELS_PRODUCT_H

#include "kernels.h"

struct product_kernels {
    /* c [rows][columns], c_stride floats apart, = a [rows][depth] * b, packed as packed_at tells:
     * sums over depth in order. Overwrites. */
    void (*f32)(int rows, int columns, int depth, const float *a, const float *b, size_t c_stride,
                float *c);
    /* The same, bfloat16 in, packed as packed_bf16_at tells, float32 sums; depth is even. NULL
     * where the processor has no such arithmetic. */
    void (*bf16)(int rows, int columns, int depth, const uint16_t *a, const uint16_t *b,
                 size_t c_stride, float *c);
    /* y [rows / 2][columns] pairs (packed_bf16_at) of x [rows][columns] rounded; rows even, columns
     * a multiple of LANES. NULL as bf16. */
    void (*pack_bf16)(int rows, int columns, const float *x, uint16_t *y);
    /* y [LANES / 2][rows] = transposed x [rows / 2][LANES], both of pairs of rows and so many
     * pairs a row apart; rows: LANES or 2 * LANES. NULL as bf16. */
    void (*turn_bf16)(int rows, const uint16_t *x, int x_stride, uint16_t *y, int y_stride);
    /* y [LANES][LANES] = transposed x [LANES][LANES], rows x_stride and y_stride floats apart. */
    void (*transpose)(const float *x, int x_stride, float *y, int y_stride);
};

#endif
