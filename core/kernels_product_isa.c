/* The matrix products of the Winograd engines, for packed right-hand matrices (kernels.h): a block
 * of rows and one panel after the other. Compiled once for each instruction set, with PRODUCT_TABLE
 * the name of the table. */
#include "kernels_product.h"

#include "sums.h"

#define SUM(n)                                                                                     \
    case n:                                                                                        \
        sum_block(n, natives, half, f, false, c_stride, c);                                        \
        break

INLINE void sum_rows(int rows, const int natives, const bool half, struct factors f,
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
        SUM(6);
        SUM(5);
        SUM(4);
        SUM(3);
        SUM(2);
        SUM(1);
    }
}

/* As many columns as natives hold. */
INLINE void sum_columns(int rows, const int natives, const bool half, struct factors f,
                        size_t c_stride, float *c)
{
    int blocks = (rows + SUM_ROWS - 1) / SUM_ROWS; /* of nearly equal size */
    for (int i = 0; i < blocks; i++) {
        int from = rows * i / blocks;
        struct factors part = f;
        part.a += (size_t)from * f.a_row;
        sum_rows(rows * (i + 1) / blocks - from, natives, half, part, c_stride,
                 c + (size_t)from * c_stride);
    }
}

INLINE void multiply(const bool half, int rows, int columns, size_t steps, const float *a,
                     const float *b, size_t c_stride, float *c)
{
    for (int column = 0, width; column < columns; column += width) {
        width = columns - column < PANEL ? columns - column : PANEL;
        const float *panel = b + (size_t)column * steps;
        for (int done = 0, now; done < width; done += now) {
            struct factors f = {.a = a,
                                .b = panel + done,
                                .a_row = steps,
                                .a_step = 1,
                                .b_step = (size_t)width,
                                .steps = steps};
            now = width - done < SUM_WIDTH ? NATIVE : SUM_WIDTH;
            if (now == NATIVE)
                sum_columns(rows, 1, half, f, c_stride, c + column + done);
            else
                sum_columns(rows, SUM_NATIVES, half, f, c_stride, c + column + done);
        }
    }
}

static void product_f32(int rows, int columns, int depth, const float *a, const float *b,
                        size_t c_stride, float *c)
{
    multiply(false, rows, columns, (size_t)depth, a, b, c_stride, c);
}

#ifdef __AVX512BF16__

static void product_bf16(int rows, int columns, int depth, const uint16_t *a, const uint16_t *b,
                         size_t c_stride, float *c)
{
    multiply(true, rows, columns, (size_t)depth / 2, (const void *)a, (const void *)b, c_stride, c);
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

/* Rows beyond `rows` count as 0. */
INLINE void load_transposed(int rows, const float *x, int x_stride, __m512 row[LANES])
{
#pragma GCC unroll 16
    for (int i = 0; i < LANES; i++)
        row[i] = i < rows ? _mm512_loadu_ps(x + (size_t)i * (size_t)x_stride) : _mm512_setzero_ps();
#pragma GCC unroll 4
    for (int step = LANES / 2; step > 0; step /= 2)
#pragma GCC unroll 16
        for (int i = 0; i < LANES; i++)
            if (!(i & step))
                exchange(&row[i], &row[i + step], step);
}

static void transpose(const float *x, int x_stride, float *y, int y_stride)
{
    __m512 row[LANES];
    load_transposed(LANES, x, x_stride, row);
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

#ifdef __AVX512BF16__

static void pack_bf16(int rows, int columns, const float *x, uint16_t *y)
{
    static const uint16_t by_turns[2 * LANES] = {0,  16, 1,  17, 2,  18, 3,  19, 4,  20, 5,
                                                 21, 6,  22, 7,  23, 8,  24, 9,  25, 10, 26,
                                                 11, 27, 12, 28, 13, 29, 14, 30, 15, 31};
    const __m512i order = _mm512_loadu_si512(by_turns);
    for (int r = 0; r < rows; r += 2)
        for (int c = 0; c < columns; c += LANES) {
            const float *upper = x + (size_t)r * (size_t)columns + (size_t)c;
            __m512i both =
                (__m512i)_mm512_cvtne2ps_pbh((__m512)load(upper + columns), (__m512)load(upper));
            _mm512_storeu_si512(y + (size_t)r * (size_t)columns + 2 * (size_t)c,
                                _mm512_permutexvar_epi16(order, both));
        }
}

/* y's words i: the values `first` + i of upper and lower. */
INLINE void store_pairs(__m512 upper, __m512 lower, int first, uint16_t *y)
{
    ivec lane = {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15};
    ivec order = (lane + first) | (lane + first + 2 * LANES) << 16;
    _mm512_storeu_si512(y,
                        _mm512_permutex2var_epi16((__m512i)upper, (__m512i)order, (__m512i)lower));
}

static void turn_bf16(int rows, const uint16_t *x, int x_stride, uint16_t *y, int y_stride)
{
    __m512 row[LANES];
    load_transposed(rows / 2, (const float *)(const void *)x, x_stride, row);
#pragma GCC unroll 8
    for (int i = 0; i < LANES; i += 2, y += 2 * y_stride) {
        store_pairs(row[i], row[i + 1], 0, y);
        if (rows > LANES)
            store_pairs(row[i], row[i + 1], LANES, y + 2 * LANES);
    }
}

#endif

extern const struct product_kernels PRODUCT_TABLE;
const struct product_kernels PRODUCT_TABLE = {
    .f32 = product_f32,
#ifdef __AVX512BF16__
    .bf16 = product_bf16,
    .pack_bf16 = pack_bf16,
    .turn_bf16 = turn_bf16,
#endif
    .transpose = transpose,
};
