/* The inner loops of kernels_picture.h. Compiled once for each instruction set, with PICTURE_TABLE
 * the name of the table.
 *
 * Forward, ACROSS pixels' sums of up to WIDE vectors of output channels stay in registers: each of
 * the 27 steps takes a vector or more of the kernel and one value of the picture a pixel, spread
 * over the lanes. Backward, 27 dot products over the output channels a pixel: three sums for each
 * of BACK pixels stay in registers, every vector of dy serves nine products, every vector of the
 * kernel BACK of them. Either way the multiply-adds are what takes the time (108 vectors of them a
 * pixel with 64 channels), where im2col and a matrix product move three times the memory. AHEAD:
 * pixels of dy that are asked for before their turn, since they come from memory. */
#include "kernels_picture.h"
#include "vectors.h"

#include <math.h>

enum { IN = PICTURE_CHANNELS, AHEAD = 24 };
#if defined __AVX512F__
enum { ACROSS = 6, WIDE = 4, BACK = 6 };
#elif defined __AVX2__
enum { ACROSS = 6, WIDE = 1, BACK = 1 };
#else
enum { ACROSS = 3, WIDE = 1, BACK = 1 };
#endif

/* --- forward --- */

/* What ACROSS pixels see of the picture, 0 outside. */
struct view {
    float at[3][(ACROSS + 2) * IN];
};

static void look(const float *const x[3], int width, int column, struct view *view)
{
    int first = column > 0 ? column - 1 : 0;
    int last = column + ACROSS + 1 < width ? column + ACROSS + 1 : width;
    memset(view, 0, sizeof *view);
    for (int r = 0; r < 3; r++)
        if (x[r])
            memcpy(view->at[r] + (first - column + 1) * IN, x[r] + first * IN,
                   (size_t)(last - first) * IN * sizeof(float));
}

/* Output channels from..from + wide * LANES - 1 of count <= ACROSS pixels. wide: a constant. */
INLINE void forward_block(const struct view *view, int count, const float *kernel, int out,
                          int from, const int wide, const struct epilogue *epilogue, float *y,
                          mask_word *mask)
{
    native sum[ACROSS][WIDE][PARTS];
    for (int v = 0; v < wide; v++)
        for (int i = 0; i < PARTS; i++) {
            const float *bias = epilogue->bias + from + v * LANES + i * NATIVE;
            native begin = epilogue->bias ? load_native(bias) : (native){0};
#pragma GCC unroll 6
            for (int p = 0; p < ACROSS; p++)
                sum[p][v][i] = begin;
        }
    kernel += from;
    for (int r = 0; r < 3; r++)
        for (int k = 0; k < 3 * IN; k++, kernel += out) {
            native weight[WIDE][PARTS];
            for (int v = 0; v < wide; v++)
                for (int i = 0; i < PARTS; i++)
                    weight[v][i] = load_native(kernel + v * LANES + i * NATIVE);
#pragma GCC unroll 6
            for (int p = 0; p < ACROSS; p++)
                for (int v = 0; v < wide; v++)
                    for (int i = 0; i < PARTS; i++)
                        sum[p][v][i] += view->at[r][p * IN + k] * weight[v][i];
        }
#pragma GCC unroll 6
    for (int p = 0; p < ACROSS; p++)
        for (int v = 0; v < wide && p < count; v++) {
            size_t at = (size_t)p * (size_t)out + (size_t)(from + v * LANES);
            vec total = put_together(sum[p][v]);
            mask_word positive = passes_relu(total);
            store(y + at, epilogue->relu ? blend(positive, total, (vec){0}) : total);
            if (mask)
                mask[at / LANES] = positive;
        }
}

static void forward(const float *const x[3], int width, const float *kernel, int out,
                    const struct epilogue *epilogue, float *y)
{
    for (int column = 0; column < width; column += ACROSS) {
        int count = width - column < ACROSS ? width - column : ACROSS, from = 0;
        size_t origin = (size_t)column * (size_t)out;
        mask_word *mask = epilogue->mask ? epilogue->mask + origin / LANES : NULL;
        struct view view;
        look(x, width, column, &view);
        for (; from + WIDE * LANES <= out; from += WIDE * LANES)
            forward_block(&view, count, kernel, out, from, WIDE, epilogue, y + origin, mask);
        for (; from < out; from += LANES)
            forward_block(&view, count, kernel, out, from, 1, epilogue, y + origin, mask);
    }
}

/* --- backward --- */

INLINE float sum_of_lanes(vec v)
{
#ifdef __AVX512F__
    return _mm512_reduce_add_ps((__m512)v);
#else
    float lane[LANES];
    store(lane, v);
    for (int n = LANES / 2; n > 0; n /= 2)
        for (int i = 0; i < n; i++)
            lane[i] += lane[i + n];
    return lane[0];
#endif
}

/* Adds row dy's share, turned the kernel's row, to the sums of BACK pixels. edge: some of them, or
 * of their neighbours, lie outside the row. masked, edge: constants. */
INLINE void add_row(const float *dy, const mask_word *mask, const bool masked, const bool edge,
                    int width, int column, const float *kernel, int out,
                    native sum[BACK][IN][PARTS])
{
    for (int o = 0; o < out; o += LANES) {
        native seen[BACK + 2][PARTS];
#pragma GCC unroll 8
        for (int p = 0; p < BACK + 2; p++) {
            int at = column + p - 1;
            size_t offset = (size_t)at * (size_t)out + (size_t)o;
            if (p < BACK)
                __builtin_prefetch(dy + offset + AHEAD * out);
            vec value = {0};
            if (!edge || (at >= 0 && at < width))
                value = masked ? load_masked(dy + offset, mask[offset / LANES]) : load(dy + offset);
            take_apart(value, seen[p]);
        }
#pragma GCC unroll 3
        for (int d = 0; d < 3; d++)
#pragma GCC unroll 3
            for (int i = 0; i < IN; i++) {
                const float *weight = kernel + (size_t)((2 - d) * IN + i) * (size_t)out + o;
#pragma GCC unroll 6
                for (int p = 0; p < BACK; p++)
                    for (int k = 0; k < PARTS; k++)
                        sum[p][i][k] += seen[p + d][k] * load_native(weight + k * NATIVE);
            }
    }
}

INLINE void backward_block(const float *const dy[3], const mask_word *const mask[3],
                           const bool masked, const bool edge, int width, int column,
                           const float *kernel, int out, float *dx)
{
    native sum[BACK][IN][PARTS];
    for (int p = 0; p < BACK; p++)
        for (int i = 0; i < IN; i++)
            for (int k = 0; k < PARTS; k++)
                sum[p][i][k] = (native){0};
    for (int r = 0; r < 3; r++)
        if (dy[r])
            add_row(dy[r], masked ? mask[r] : NULL, masked, edge, width, column,
                    kernel + (size_t)((2 - r) * 3 * IN) * (size_t)out, out, sum);
    for (int p = 0; p < BACK && column + p < width; p++)
        for (int i = 0; i < IN; i++)
            dx[(column + p) * IN + i] = sum_of_lanes(put_together(sum[p][i]));
}

INLINE void backward_row(const float *const dy[3], const mask_word *const mask[3],
                         const bool masked, int width, const float *kernel, int out, float *dx)
{
    for (int column = 0; column < width; column += BACK)
        if (column > 0 && column + BACK < width)
            backward_block(dy, mask, masked, false, width, column, kernel, out, dx);
        else
            backward_block(dy, mask, masked, true, width, column, kernel, out, dx);
}

static void backward(const float *const dy[3], const mask_word *const mask[3], int width,
                     const float *kernel, int out, float *dx)
{
    if (mask[1])
        backward_row(dy, mask, true, width, kernel, out, dx);
    else
        backward_row(dy, mask, false, width, kernel, out, dx);
}

/* --- total variation --- */

INLINE double vary(const double *x, const double *below, const bool quarter, double *by_dx,
                   double *by_dy)
{
    double dx = x[IN] - x[0], dy = below[0] - x[0], s = dx * dx + dy * dy;
    double root = quarter ? sqrt(sqrt(s)) : 1, slope = quarter ? 2.5 * root : 2;
    *by_dx = slope * dx;
    *by_dy = slope * dy;
    return s * root;
}

/* LANES sums beside each other, then together. */
INLINE double vary_all(const double *x, const double *below, size_t count, const bool quarter,
                       double *by_dx, double *by_dy)
{
    double sum[LANES] = {0}, total = 0;
    size_t i = 0;
    for (; i + LANES <= count; i += LANES)
        for (size_t k = i; k < i + LANES; k++)
            sum[k - i] += vary(x + k, below + k, quarter, by_dx + k, by_dy + k);
    for (; i < count; i++)
        total += vary(x + i, below + i, quarter, by_dx + i, by_dy + i);
    for (int k = 0; k < LANES; k++)
        total += sum[k];
    return total;
}

static double variation(const double *restrict x, const double *restrict below, size_t count,
                        bool quarter, double *restrict by_dx, double *restrict by_dy)
{
    return quarter ? vary_all(x, below, count, true, by_dx, by_dy)
                   : vary_all(x, below, count, false, by_dx, by_dy);
}

extern const struct picture_kernels PICTURE_TABLE;
const struct picture_kernels PICTURE_TABLE = {
    .forward = forward,
    .backward = backward,
    .variation = variation,
};
