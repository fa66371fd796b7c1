/* The heart of every matrix product here: a block of sums that stays in registers over the whole
 * depth. Included only by files that are compiled once for each instruction set.
 *
 * A word is one float32 or a pair of bfloat16: the values of two steps side by side, multiplied and
 * added by one instruction. So both arithmetics run through the same loop. */
#ifndef ATELIER_SUMS_H
#define ATELIER_SUMS_H

#include "vectors.h"

/* As many sums as, with a step's words of b and one of a, there are registers. */
#if defined __AVX512F__
#define SUM_ROWS    14
#define SUM_NATIVES 2
#else
#define SUM_ROWS    6
#define SUM_NATIVES 2
#endif
enum { SUM_WIDTH = SUM_NATIVES * NATIVE }; /* 32, 16 or 8 columns */

/* The factors, in words: row r's word of step k stands at a + r * a_row + k * a_step, those of b's
 * step k from b + k * b_step on. */
struct factors {
    const float *a, *b;
    size_t a_row, a_step, b_step, steps;
};

INLINE native multiply_add(const bool half, float a, native b, native sum)
{
#ifdef __AVX512BF16__
    if (half)
        return (native)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_ps(a), (__m512bh)b);
#endif
    (void)half;
    return sum + a * b;
}

/* c [rows][natives * NATIVE], c_stride apart, = (add ? c : 0) + a * b. Each sum runs over its steps
 * in order and c is added last, whatever stands beside it. rows, natives, half: constants. */
INLINE void sum_block(const int rows, const int natives, const bool half, struct factors f,
                      bool add, size_t c_stride, float *c)
{
    native sum[SUM_ROWS][SUM_NATIVES];
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < natives; i++)
            sum[r][i] = (native){0};
    for (size_t k = 0; k < f.steps; k++, f.a += f.a_step, f.b += f.b_step) {
        native b[SUM_NATIVES];
        for (int i = 0; i < natives; i++)
            b[i] = load_native(f.b + i * NATIVE);
#pragma GCC unroll 14
        for (int r = 0; r < rows; r++)
            for (int i = 0; i < natives; i++)
                sum[r][i] = multiply_add(half, f.a[(size_t)r * f.a_row], b[i], sum[r][i]);
    }
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < natives; i++) {
            float *to = c + (size_t)r * c_stride + i * NATIVE;
            store_native(to, add ? load_native(to) + sum[r][i] : sum[r][i]);
        }
}

#endif
