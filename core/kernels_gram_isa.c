/* The inner loops of kernels_gram.h, on the blocks of sums.h. Compiled once for each instruction
 * set, with GRAM_TABLE the name of the table.
 *
 * For F'F a run of DEPTH positions is first copied into strips of PANEL channels, because in f
 * itself the rows stand whole kilobytes apart and would evict each other from the cache; bfloat16
 * needs the pairs, too. */
#include "kernels_gram.h"
#include "sums.h"

#if defined __AVX512F__
enum { ROWS = 8 };
#else
enum { ROWS = 4 };
#endif

enum { DEPTH = 128, STRIPS = GRAM_TILE / PANEL };

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

/* c (+)= a run's products. On the diagonal what lies left of a row's own LANES is left out. */
INLINE void multiply_strips(const struct strips *a, const struct strips *b, size_t steps, int rows,
                            int columns, const bool half, bool add, float *c)
{
    for (int row = 0; row < rows; row += ROWS) {
        int first = a == b ? row / LANES * LANES : 0;
        for (int at = first, now; at < columns; at += now) {
            int left = columns - at, to_panel = PANEL - at % PANEL;
            struct factors f = {.a = &a->word[row / PANEL][0][row % PANEL],
                                .b = &b->word[at / PANEL][0][at % PANEL],
                                .a_row = 1,
                                .a_step = PANEL,
                                .b_step = PANEL,
                                .steps = steps};
            float *sums = c + (size_t)row * GRAM_TILE + at;
            now = left < SUM_WIDTH || to_panel < SUM_WIDTH ? NATIVE : SUM_WIDTH;
            if (now == NATIVE)
                sum_block(ROWS, 1, half, f, add, GRAM_TILE, sums);
            else
                sum_block(ROWS, SUM_NATIVES, half, f, add, GRAM_TILE, sums);
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

/* df [rows][natives * NATIVE] += f [rows][steps] * a part of one strip of d. */
INLINE void add_product(int rows, const int natives, const bool half, struct factors f,
                        size_t stride, float *df)
{
    int r = 0;
    for (; r + ROWS <= rows; r += ROWS, f.a += ROWS * f.a_row)
        sum_block(ROWS, natives, half, f, true, stride, df + (size_t)r * stride);
    for (; r < rows; r++, f.a += f.a_row)
        sum_block(1, natives, half, f, true, stride, df + (size_t)r * stride);
}

/* f [rows][steps], d in words, df [rows][channels]. */
INLINE void add_gradient(const float *f, int rows, int channels, const bool half, const float *d,
                         int first, int last, float *df)
{
    size_t stride = (size_t)channels, steps = half ? stride / 2 : stride;
    for (int column = first; column < last; column += PANEL) {
        int width = channels - column < PANEL ? channels - column : PANEL;
        for (int c = 0, now; c < width; c += now) {
            struct factors part = {.a = f,
                                   .b = d + (size_t)column * steps + c,
                                   .a_row = steps,
                                   .a_step = 1,
                                   .b_step = (size_t)width,
                                   .steps = steps};
            now = width - c < SUM_WIDTH ? NATIVE : SUM_WIDTH;
            if (now == NATIVE)
                add_product(rows, 1, half, part, stride, df + column + c);
            else
                add_product(rows, SUM_NATIVES, half, part, stride, df + column + c);
        }
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
