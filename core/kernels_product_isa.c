/* The matrix products of the Winograd engines, for packed right-hand matrices (kernels.h): the sums
 * of a few rows and one panel stay in registers over the whole depth, one row of the panel after
 * the other. Compiled once for each instruction set, with PRODUCT_TABLE
 * the name of the table.
 *
 * A step is four bytes of a row of a: one float, or two bfloat16, which one instruction multiplies
 * and adds. */
#include "kernels_product.h"

#include "vectors.h"

/* The most rows whose sums are held at once, and how many vectors wide: with a step's vectors of b
 * and one element of a, as many registers as there are. */
#if defined __AVX512F__
#define SUM_ROWS    14
#define SUM_VECTORS 2
#elif defined __AVX2__
#define SUM_ROWS    6
#define SUM_VECTORS 1
#else
#define SUM_ROWS    3
#define SUM_VECTORS 1
#endif

struct factors {
    const float *a, *b; /* as steps: a [rows][steps], b [steps][width] */
    int steps, width;
};

INLINE vec multiply_add(const bool half, const float *a, vec b, vec sum)
{
#ifdef __AVX512BF16__
    if (half) {
        int32_t pair;
        memcpy(&pair, a, sizeof pair);
        return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_epi32(pair), (__m512bh)b);
    }
#endif
    (void)half;
    return sum + *a * b;
}

/* c [rows][vectors * LANES], c_stride apart. rows, vectors and half are constants where this is
 * called: the sums stay in registers. Each sum runs over the depth in one order, whatever the rows
 * beside it. */
INLINE void sum_block(const int rows, const int vectors, const bool half, struct factors f,
                      size_t c_stride, float *c)
{
    vec sum[SUM_ROWS][SUM_VECTORS];
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < vectors; i++)
            sum[r][i] = (vec){0};
    for (int k = 0; k < f.steps; k++, f.b += f.width) {
        vec b[SUM_VECTORS];
        for (int i = 0; i < vectors; i++)
            b[i] = load(f.b + i * LANES);
#pragma GCC unroll 14
        for (int r = 0; r < rows; r++)
            for (int i = 0; i < vectors; i++)
                sum[r][i] =
                    multiply_add(half, f.a + (size_t)r * (size_t)f.steps + k, b[i], sum[r][i]);
    }
#pragma GCC unroll 14
    for (int r = 0; r < rows; r++)
        for (int i = 0; i < vectors; i++)
            store(c + (size_t)r * c_stride + (size_t)i * LANES, sum[r][i]);
}

#define SUM(n)                                                                                     \
    case n:                                                                                        \
        sum_block(n, vectors, half, f, c_stride, c);                                               \
        break

INLINE void sum_rows(int rows, const int vectors, const bool half, struct factors f,
                     size_t c_stride, float *c)
{
    switch (rows) {
#if SUM_ROWS >= 14
        SUM(14);
        SUM(13);
        SUM(12);
        SUM(11);
        SUM(10);
        SUM(9);
        SUM(8);
        SUM(7);
#endif
#if SUM_ROWS >= 6
        SUM(6);
        SUM(5);
        SUM(4);
#endif
        SUM(3);
        SUM(2);
        SUM(1);
    }
}

/* One panel, or as much of it as vectors hold. */
INLINE void sum_panel(int rows, const int vectors, const bool half, struct factors f,
                      size_t c_stride, float *c)
{
    int blocks = (rows + SUM_ROWS - 1) / SUM_ROWS; /* of nearly equal size */
    for (int i = 0; i < blocks; i++) {
        int from = rows * i / blocks;
        struct factors part = f;
        part.a += (size_t)from * (size_t)f.steps;
        sum_rows(rows * (i + 1) / blocks - from, vectors, half, part, c_stride,
                 c + (size_t)from * c_stride);
    }
}

INLINE void multiply(const bool half, int rows, int columns, int steps, const float *a,
                     const float *b, size_t c_stride, float *c)
{
    for (int column = 0, width; column < columns; column += width) {
        width = columns - column < PANEL ? columns - column : PANEL;
        const float *panel = b + (size_t)column * (size_t)steps;
        for (int done = 0, now; done < width; done += now) {
            struct factors f = {a, panel + done, steps, width};
            now = width - done < SUM_VECTORS * LANES ? LANES : SUM_VECTORS * LANES;
            if (now == LANES)
                sum_panel(rows, 1, half, f, c_stride, c + column + done);
            else
                sum_panel(rows, SUM_VECTORS, half, f, c_stride, c + column + done);
        }
    }
}

static void product_f32(int rows, int columns, int depth, const float *a, const float *b,
                        size_t c_stride, float *c)
{
    multiply(false, rows, columns, depth, a, b, c_stride, c);
}

#ifdef __AVX512BF16__

static void product_bf16(int rows, int columns, int depth, const uint16_t *a, const uint16_t *b,
                         size_t c_stride, float *c)
{
    multiply(true, rows, columns, depth / 2, (const void *)a, (const void *)b, c_stride, c);
}

#endif

#ifdef __AVX512F__

/* Exchanges the lanes of a whose number has the bit `step` with those of b that are as far below.
 */
INLINE void exchange(__m512 *a, __m512 *b, int step)
{
    const ivec lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    ivec upper = (lane & step) != 0;
    __m512 low = _mm512_permutex2var_ps(*a, (__m512i)(lane + (upper & (LANES - step))), *b);
    *b = _mm512_permutex2var_ps(*a, (__m512i)(lane + (upper & LANES) + (~upper & step)), *b);
    *a = low;
}

static void transpose(const float *x, int x_stride, float *y, int y_stride)
{
    __m512 row[LANES];
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++)
        row[i] = _mm512_loadu_ps(x + (size_t)i * (size_t)x_stride);
#pragma GCC unroll 4
    for (int step = LANES / 2; step > 0; step /= 2)
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++)
            if (!(i & step))
                exchange(&row[i], &row[i + step], step);
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++)
        _mm512_storeu_ps(y + (size_t)i * (size_t)y_stride, row[i]);
}

#else

static void transpose(const float *x, int x_stride, float *y, int y_stride)
{
    for (int i = 0; i < LANES; i++)
        for (int k = 0; k < LANES; k++)
            y[(size_t)k * (size_t)y_stride + (size_t)i] =
                x[(size_t)i * (size_t)x_stride + (size_t)k];
}

#endif

extern const struct product_kernels PRODUCT_TABLE;
const struct product_kernels PRODUCT_TABLE = {
    .f32 = product_f32,
#ifdef __AVX512BF16__
    .bf16 = product_bf16,
#endif
    .transpose = transpose,
};
