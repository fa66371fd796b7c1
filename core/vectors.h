/* What the inner loops are written in: vectors of LANES floats and masks of them. Included only by
 * the files that are compiled once for each instruction set. */
#ifndef ATELIER_VECTORS_H
#define ATELIER_VECTORS_H

#include "kernels.h"
#include <string.h>
#ifdef __AVX512F__
#include <immintrin.h>
#endif

typedef float vec __attribute__((vector_size(4 * LANES)));
typedef int32_t ivec __attribute__((vector_size(4 * LANES)));

/* A register of the instruction set's own. Without AVX-512 the compiler keeps arrays of vec in
 * memory; what must stay in registers is written in these. */
#if defined __AVX512F__
enum { NATIVE = 16 };
#elif defined __AVX2__
enum { NATIVE = 8 };
#else
enum { NATIVE = 4 };
#endif
typedef float native __attribute__((vector_size(4 * NATIVE)));

#define INLINE static inline __attribute__((always_inline))

INLINE vec load(const float *p)
{
    vec v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void store(float *p, vec v) { memcpy(p, &v, sizeof v); }

INLINE native load_native(const float *p)
{
    native v;
    memcpy(&v, p, sizeof v);
    return v;
}

INLINE void store_native(float *p, native v) { memcpy(p, &v, sizeof v); }

/* A vec as its parts, and back. */
enum { PARTS = LANES / NATIVE };

INLINE void take_apart(vec v, native part[PARTS])
{
    float lane[LANES];
    store(lane, v);
    for (int i = 0; i < PARTS; i++)
        part[i] = load_native(lane + i * NATIVE);
}

INLINE vec put_together(const native part[PARTS])
{
    float lane[LANES];
    for (int i = 0; i < PARTS; i++)
        store_native(lane + i * NATIVE, part[i]);
    return load(lane);
}

/* passes_relu: sums above 0, and NaN, which a run must get to see. */
#ifdef __AVX512F__

INLINE mask_word above(vec a, vec b)
{
    return (mask_word)_mm512_cmp_ps_mask((__m512)a, (__m512)b, _CMP_GT_OQ);
}

INLINE mask_word passes_relu(vec sum)
{
    return (mask_word)_mm512_cmp_ps_mask((__m512)sum, _mm512_setzero_ps(), _CMP_NLE_UQ);
}

INLINE vec blend(mask_word mask, vec yes, vec no)
{
    return (vec)_mm512_mask_blend_ps(mask, (__m512)no, (__m512)yes);
}

INLINE vec load_masked(const float *p, mask_word mask)
{
    return (vec)_mm512_maskz_loadu_ps(mask, p);
}

#else

static const ivec lane_bits = {1,       1 << 1,  1 << 2,  1 << 3, 1 << 4,  1 << 5,
                               1 << 6,  1 << 7,  1 << 8,  1 << 9, 1 << 10, 1 << 11,
                               1 << 12, 1 << 13, 1 << 14, 1 << 15};

INLINE mask_word to_mask(ivec lanes)
{
    ivec bits = lanes & lane_bits;
    int word = 0;
    for (int i = 0; i < LANES; i++)
        word |= bits[i];
    return (mask_word)word;
}

INLINE mask_word above(vec a, vec b) { return to_mask(a > b); }

INLINE mask_word passes_relu(vec sum) { return to_mask(~(sum <= (vec){0})); }

INLINE vec blend(mask_word mask, vec yes, vec no)
{
    ivec spread = ((ivec){0} + mask) & lane_bits;
    ivec chosen = spread != 0;
    return (vec)(((ivec)yes & chosen) | ((ivec)no & ~chosen));
}

INLINE vec load_masked(const float *p, mask_word mask) { return blend(mask, load(p), (vec){0}); }

#endif

#endif
