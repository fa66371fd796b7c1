/* The inner loops of kernels_gram.h. Compiled once for each instruction set, with GRAM_TABLE the
 * name of the table.
 *
 * Both products hold a block of sums in registers, ROWS x up to two vectors, and read per step one
 * or two vectors of the right factor and ROWS single values of the left, each spread over a vector.
 * A word is one float32 or a pair of bfloat16: the values of two steps side by side, multiplied and
 * added by one instruction. So both arithmetics run through the same loops.
 *
 * For F'F a run of DEPTH positions is first copied into strips of PANEL channels, because in f
 * itself the rows stand whole kilobytes apart and would evict each other from the cache; bfloat16
 * needs the pairs, too. */
#include "kernels_gram.h"
#include "vectors.h"

#if defined __AVX512F__
enum { ROWS = 8, VECTORS = 2 };
#elif defined __AVX2__
enum { ROWS = 4, VECTORS = 1 };
#else
enum { ROWS = 2, VECTORS = 1 };
#endif

enum { DEPTH = 128, STRIPS = GRAM_TILE / PANEL };

/* sum + a * b; half: of both bfloat16 values in each word. */
INLINE vec multiply_add(vec sum, float a, vec b, bool half)
{
#ifdef __AVX512BF16__
    if (half)
        return (vec)_mm512_dpbf16_ps((__m512)sum, (__m512bh)_mm512_set1_ps(a), (__m512bh)b);
#endif
    (void)half;
    return sum + a * b;
}

/* c [rows][vectors * LANES], c_stride apart, = (add ? c : 0) + a [rows][steps] * b. Word k of row r
 * is a[r * a_row + k * a_step], that of b's step k at b + k * b_step. Each sum runs over its steps
 * in order and c is added last, whatever stands beside it. rows, vectors: constants. */
INLINE void sum_block(const int rows, const int vectors, const bool half, size_t steps,
                      const float *a, size_t a_row, size_t a_step, const float *b, size_t b_step,
                      bool add, size_t c_stride, float *c)
{
    vec sum[ROWS][VECTORS];
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++)
            sum[r][v] = (vec){0};
    for (size_t k = 0; k < steps; k++, a += a_step, b += b_step) {
        vec right[VECTORS];
        for (int v = 0; v < vectors; v++)
            right[v] = load(b + v * LANES);
#pragma GCC unroll 8
        for (int r = 0; r < rows; r++)
            for (int v = 0; v < vectors; v++)
                sum[r][v] = multiply_add(sum[r][v], a[(size_t)r * a_row], right[v], half);
    }
#pragma GCC unroll 8
    for (int r = 0; r < rows; r++)
        for (int v = 0; v < vectors; v++) {
            float *to = c + (size_t)r * c_stride + v * LANES;
            store(to, add ? load(to) + sum[r][v] : sum[r][v]);
        }
}

/* --- F'F --- */

/* A run of positions of up to GRAM_TILE channels: words [strip][step][PANEL]. */
struct strips {
    float word[STRIPS][DEPTH][PANEL] __attribute__((aligned(64)));
};

#ifdef __AVX512BF16__
/* Rounds 16 channels at a position and at the next (0 past the end), side by side. */
INLINE vec pair_up(const float *f, const float *next)
{
    __m256i low = (__m256i)_mm512_cvtneps_pbh((__m512)load(f));
    __m256i high = next ? (__m256i)_mm512_cvtneps_pbh((__m512)load(next)) : _mm256_setzero_si256();
    return (vec)_mm512_or_si512(_mm512_cvtepu16_epi32(low),
                                _mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16));
}
#endif

/* Returns the number of steps. */
INLINE size_t fill_strips(const float *f, size_t positions, int channels, int count,
                          const bool half, struct strips *strips)
{
    size_t steps = 0;
    for (size_t p = 0; p < positions; p += half ? 2 : 1, steps++) {
        const float *row = f + p * (size_t)channels;
        for (int c = 0; c < count; c += LANES) {
            vec word = load(row + c);
#ifdef __AVX512BF16__
            if (half)
                word = pair_up(row + c, p + 1 < positions ? row + channels + c : NULL);
#endif
            store(&strips->word[c / PANEL][steps][c % PANEL], word);
        }
    }
    return steps;
}

/* c (+)= a run's products. On the diagonal vectors that lie left of a row's own are left out. */
INLINE void multiply_strips(const struct strips *a, const struct strips *b, size_t steps, int rows,
                            int columns, const bool half, bool add, float *c)
{
    for (int column = 0; column < columns; column += VECTORS * LANES) {
        int wide = columns - column < VECTORS * LANES ? 1 : VECTORS;
        for (int row = 0; row < rows; row += ROWS) {
            int first = a == b ? row / LANES * LANES : 0, at = column, vectors = wide;
            for (; vectors > 0 && at < first; at += LANES)
                vectors--;
            const float *left = &a->word[row / PANEL][0][row % PANEL];
            const float *right = &b->word[at / PANEL][0][at % PANEL];
            float *sums = c + (size_t)row * GRAM_TILE + at;
            if (vectors == VECTORS)
                sum_block(ROWS, VECTORS, half, steps, left, 1, PANEL, right, PANEL, add, GRAM_TILE,
                          sums);
            else if (vectors == 1)
                sum_block(ROWS, 1, half, steps, left, 1, PANEL, right, PANEL, add, GRAM_TILE, sums);
        }
    }
}

INLINE void make_tile(const float *a, const float *b, size_t positions, int channels, int rows,
                      int columns, const bool half, float *c)
{
    struct strips left, other, *right = a == b ? &left : &other;
    size_t depth = half ? 2 * DEPTH : DEPTH;
    for (size_t p = 0; p < positions; p += depth) {
        size_t count = positions - p < depth ? positions - p : depth;
        size_t steps = fill_strips(a + p * (size_t)channels, count, channels, rows, half, &left);
        if (a != b)
            fill_strips(b + p * (size_t)channels, count, channels, columns, half, right);
        multiply_strips(&left, right, steps, rows, columns, half, p > 0, c);
    }
}

static void tile(const float *a, const float *b, size_t positions, int channels, int rows,
                 int columns, float *c)
{
    make_tile(a, b, positions, channels, rows, columns, false, c);
}

/* --- F D --- */

/* df [rows][width] += f [rows][steps] * one strip of d. */
INLINE void add_product(int rows, const int vectors, const bool half, size_t steps, const float *f,
                        const float *d, size_t d_step, size_t stride, float *df)
{
    int r = 0;
    for (; r + ROWS <= rows; r += ROWS)
        sum_block(ROWS, vectors, half, steps, f + (size_t)r * steps, steps, 1, d, d_step, true,
                  stride, df + (size_t)r * stride);
    for (; r < rows; r++)
        sum_block(1, vectors, half, steps, f + (size_t)r * steps, steps, 1, d, d_step, true, stride,
                  df + (size_t)r * stride);
}

/* f [rows][steps], d in words, df [rows][channels]. */
INLINE void add_gradient(const float *f, int rows, int channels, const bool half, const float *d,
                         int first, int last, float *df)
{
    size_t stride = (size_t)channels, steps = half ? stride / 2 : stride;
    for (int column = first; column < last; column += PANEL) {
        const float *strip = d + (size_t)column * steps;
        int width = channels - column < PANEL ? channels - column : PANEL;
        if (width == VECTORS * LANES)
            add_product(rows, VECTORS, half, steps, f, strip, (size_t)width, stride, df + column);
        else
            for (int c = 0; c < width; c += LANES)
                add_product(rows, 1, half, steps, f, strip + c, (size_t)width, stride,
                            df + column + c);
    }
}

static void gradient(const float *f, int rows, int channels, const float *d, int first, int last,
                     float *df)
{
    add_gradient(f, rows, channels, false, d, first, last, df);
}

#ifdef __AVX512BF16__

static void tile_bf16(const float *a, const float *b, size_t positions, int channels, int rows,
                      int columns, float *c)
{
    make_tile(a, b, positions, channels, rows, columns, true, c);
}

static void gradient_bf16(const float *f, int rows, int channels, const uint16_t *d, int first,
                          int last, float *df)
{
    float words[GRAM_ROWS * GRAM_CHANNELS / 2] __attribute__((aligned(64)));
    size_t count = (size_t)rows * (size_t)channels;
    for (size_t i = 0; i < count; i += LANES) {
        __m256bh rounded = _mm512_cvtneps_pbh((__m512)load(f + i));
        memcpy(words + i / 2, &rounded, sizeof rounded);
    }
    add_gradient(words, rows, channels, true, (const float *)(const void *)d, first, last, df);
}

#endif

extern const struct gram_kernels GRAM_TABLE;
const struct gram_kernels GRAM_TABLE = {
    .tile = tile,
    .gradient = gradient,
#ifdef __AVX512BF16__
    .tile_bf16 = tile_bf16,
    .gradient_bf16 = gradient_bf16,
#endif
};
