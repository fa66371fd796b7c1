/* The inner loops, compiled once for each instruction set from kernels_isa.c. Everything here is
 * serial and works on a range of its own: the callers share ranges among threads.
 *
 * Feature maps are NHWC with one picture: [height][width][channels] floats, channels a multiple of
 * LANES. A mask holds one bit an element, LANES bits a word, in the same order. */
#ifndef ATELIER_KERNELS_H
#define ATELIER_KERNELS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { LANES = 16 };
typedef uint16_t mask_word; /* bit i: lane i */

/* Elementwise work goes to threads in runs of this many elements, a multiple of every layer's
 * channels. */
enum { RUN = 1 << 14 };

enum { TILE = 4, PATCH = 6, PLANES = PATCH * PATCH }; /* Winograd F(4x4, 3x3) */

/* How products want their right-hand matrix [depth][columns], columns a multiple of LANES: in
 * panels of PANEL columns (the last may have LANES), in each row after row; in bfloat16 the rows by
 * twos, the two values of a column side by side. */
enum { PANEL = 32 };
static inline size_t packed_at(int row, int column, int depth, int columns)
{
    int panel = column / PANEL * PANEL;
    int width = columns - panel < PANEL ? columns - panel : PANEL;
    return (size_t)panel * (size_t)depth + (size_t)row * (size_t)width + (size_t)(column - panel);
}
static inline size_t packed_bf16_at(int row, int column, int depth, int columns)
{
    return 2 * packed_at(row / 2, column, depth / 2, columns) + (size_t)(row % 2);
}

/* A feature map's shape, as the Winograd transforms walk it in TILE x TILE tiles, row by row. */
struct tiling {
    int height, width, channels;
    int tiles_across; /* ceil(width / TILE) */
};

/* What becomes of a convolution's sums: + bias[channels], unless NULL; ReLU, if asked; and then
 * which elements are above 0 into mask, unless NULL. NaN stays NaN and counts as above 0. */
struct epilogue {
    const float *bias;
    bool relu;
    mask_word *mask;
};

struct gram_kernels;
struct picture_kernels;
struct product_kernels;

struct kernels {
    const char *name; /* "avx512" */
    const struct gram_kernels *gram;
    const struct picture_kernels *picture;
    const struct product_kernels *product;

    /* v[PLANES][plane] (plane floats apart), tile t at (t - first) * channels: B' d B of the 6 x 6
     * patch around each tile first..last-1 of x, zero outside the map, and where mask (unless
     * NULL) has a 0. Overwrites. */
    void (*winograd_input)(const struct tiling *tiling, const float *x, const mask_word *mask,
                           int first, int last, float *v, size_t plane);
    /* y of the tiles first..last-1 from m[PLANES][plane]: A' m A and the epilogue. Overwrites. */
    void (*winograd_output)(const struct tiling *tiling, const float *m, size_t plane, int first,
                            int last, const struct epilogue *epilogue, float *y);
    /* The same with v rounded to bfloat16; NULL where the processor has no such arithmetic. */
    void (*winograd_input_bf16)(const struct tiling *tiling, const float *x, const mask_word *mask,
                                int first, int last, uint16_t *v, size_t plane);
    /* u[PLANES][count] = G w G' of kernels w[3][3][count], planes and taps stride floats apart.
     * Overwrites. */
    void (*winograd_weights)(const float *w, size_t stride, size_t count, float *u);

    /* hi = x rounded to bfloat16, 0 where mask (unless NULL) has a 0; lo (unless NULL) = what is
     * left, rounded. count elements. NULL where the processor has no such arithmetic. */
    void (*split_bf16)(const float *x, const mask_word *mask, size_t count, uint16_t *hi,
                       uint16_t *lo);

    /* y = epilogue(x) on count elements (a multiple of channels, which bias repeats over); the
     * mask begins at the same element. y may be x. */
    void (*finish)(const float *x, size_t count, int channels, const struct epilogue *epilogue,
                   float *y);
    /* dx = dy where mask has a 1, else 0. count elements. dx may be dy. */
    void (*mask_apply)(const float *dy, const mask_word *mask, size_t count, float *dx);

    /* One row of 2x2 pooling, stride 2: y[width / 2][channels] from rows top and bottom of x.
     * Max: choice[0] (right column) and choice[1] (bottom row), unless NULL, tell where each
     * maximum stood, the first in reading order where equal. */
    void (*pool_max)(const float *top, const float *bottom, int width, int channels, float *y,
                     mask_word *right, mask_word *lower);
    void (*pool_avg)(const float *top, const float *bottom, int width, int channels, float *y);
    /* The gradient of those: rows top and bottom of dx, overwritten, odd last column included. */
    void (*unpool_max)(const float *dy, const mask_word *right, const mask_word *lower, int width,
                       int channels, float *top, float *bottom);
    void (*unpool_avg)(const float *dy, int width, int channels, float *top, float *bottom);

    /* probe_flop multiplications and additions in registers a round, as many as the processor can
     * do at once: its peak. The value depends on all of them and is not below 0. The second in
     * bfloat16, twice as many a round; NULL where the processor has no such arithmetic. */
    float (*probe)(long rounds);
    float (*probe_bf16)(long rounds);
    double probe_flop;

    /* Sum of (f - p)^2 over count elements, in double; p NULL means 0. */
    double (*squared_distance)(const float *f, const float *p, size_t count);
    /* df += scale * (f - p). */
    void (*add_difference)(const float *f, const float *p, float scale, size_t count, float *df);

    /* Sum of q * g, and g += scale * q, over any count. */
    double (*dot)(const float *q, const double *g, size_t count);
    void (*axpy)(const float *q, double scale, size_t count, double *g);
};

/* The best table this processor runs; ATELIER_ISA=baseline, avx2 or avx512 in the environment asks
 * for a lesser one than avx512_bf16. Chosen once. */
const struct kernels *kernels_get(void);

#endif
