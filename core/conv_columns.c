/* The engine for few input channels: each band of rows is laid out as a matrix, one row a pixel,
 * one column a tap and channel (im2col), and multiplied by the kernel as it is.
 *
 *   forward    columns [pixels][9 in] from x;  y = columns * kernel [9 in][out]
 *   backward   columns [pixels][9 in] = dy * kernel';  dx = columns summed back to their pixels
 *
 * Backward computes a band's columns with one row of halo on either side, so that every row of dx
 * is summed by one thread, in one order. */
#include "clock.h"
#include "conv_engine.h"
#include "profile.h"
#include "threads.h"
#include <string.h>

enum { BAND_ROWS = 4, TAPS = 9 };

static size_t weight_floats(int in, int out) { return (size_t)TAPS * (size_t)in * (size_t)out; }

static size_t weight_bytes(int in, int out) { return weight_floats(in, out) * sizeof(float); }

static void prepare(const float *kernel, int in, int out, void *weights)
{
    memcpy(weights, kernel, weight_bytes(in, out));
}

/* Floats one thread needs: the columns, and for backward a masked copy of dy. */
static size_t band_floats(int in, int out, int width)
{
    size_t pixels = (size_t)(BAND_ROWS + 2) * (size_t)width;
    size_t floats = pixels * (size_t)(TAPS * in + out);
    return (floats + LANES - 1) / LANES * LANES;
}

static size_t scratch_bytes(int in, int out, int height, int width)
{
    (void)height;
    return (size_t)threads_count() * band_floats(in, out, width) * sizeof(float);
}

/* columns [rows * width][9][in] of rows first..last-1. */
static void gather(const float *x, int height, int width, int in, int first, int last,
                   float *columns)
{
    size_t bytes = (size_t)in * sizeof *x;
    for (int row = first; row < last; row++)
        for (int column = 0; column < width; column++)
            for (int tap = 0; tap < TAPS; tap++, columns += in) {
                int r = row + tap / 3 - 1, c = column + tap % 3 - 1;
                if (r < 0 || r >= height || c < 0 || c >= width)
                    memset(columns, 0, bytes);
                else
                    memcpy(columns, x + ((size_t)r * (size_t)width + (size_t)c) * (size_t)in,
                           bytes);
            }
}

/* dx of rows first..last-1 from the columns of rows halo_first..halo_last-1. */
static void scatter(const float *columns, int halo_first, int halo_last, int width, int in,
                    int first, int last, float *dx)
{
    for (int row = first; row < last; row++)
        for (int column = 0; column < width; column++) {
            float *sum = dx + ((size_t)row * (size_t)width + (size_t)column) * (size_t)in;
            memset(sum, 0, (size_t)in * sizeof *sum);
            for (int tap = 0; tap < TAPS; tap++) {
                int r = row - (tap / 3 - 1), c = column - (tap % 3 - 1);
                if (r < halo_first || r >= halo_last || c < 0 || c >= width)
                    continue;
                const float *from =
                    columns +
                    (((size_t)(r - halo_first) * (size_t)width + (size_t)c) * TAPS + (size_t)tap) *
                        (size_t)in;
                for (int i = 0; i < in; i++)
                    sum[i] += from[i];
            }
        }
}

static void forward(const struct conv_plan *plan, const float *x, const struct epilogue *epilogue,
                    float *y, void *scratch)
{
    const struct conv *conv = plan->conv;
    int height = plan->height, width = plan->width;
    const struct kernels *kernels = kernels_get();
    size_t row_floats = (size_t)width * (size_t)conv->out;
    double start = clock_seconds();
#pragma omp parallel for schedule(dynamic, 1)
    for (int first = 0; first < height; first += BAND_ROWS) {
        int last = first + BAND_ROWS < height ? first + BAND_ROWS : height;
        float *columns =
            (float *)scratch + (size_t)threads_index() * band_floats(conv->in, conv->out, width);
        float *band = y + (size_t)first * row_floats;
        struct epilogue here = *epilogue;
        if (here.mask)
            here.mask += (size_t)first * row_floats / LANES;
        gather(x, height, width, conv->in, first, last, columns);
        gemm((last - first) * width, conv->out, TAPS * conv->in, columns, conv->weights, false,
             band);
        kernels->finish(band, (size_t)(last - first) * row_floats, conv->out, &here, band);
    }
    profile_add(PROFILE_GEMM, start);
}

static void backward(const struct conv_plan *plan, const float *dy, const mask_word *mask,
                     float *dx, void *scratch)
{
    const struct conv *conv = plan->conv;
    int height = plan->height, width = plan->width;
    const struct kernels *kernels = kernels_get();
    size_t row_floats = (size_t)width * (size_t)conv->out;
    double start = clock_seconds();
#pragma omp parallel for schedule(dynamic, 1)
    for (int first = 0; first < height; first += BAND_ROWS) {
        int last = first + BAND_ROWS < height ? first + BAND_ROWS : height;
        int halo_first = first > 0 ? first - 1 : 0, halo_last = last < height ? last + 1 : height;
        int pixels = (halo_last - halo_first) * width;
        float *columns =
            (float *)scratch + (size_t)threads_index() * band_floats(conv->in, conv->out, width);
        float *masked = columns + (size_t)(BAND_ROWS + 2) * (size_t)width * TAPS * (size_t)conv->in;
        const float *band = dy + (size_t)halo_first * row_floats;
        if (mask) {
            kernels->mask_apply(band, mask + (size_t)halo_first * row_floats / LANES,
                                (size_t)pixels * (size_t)conv->out, masked);
            band = masked;
        }
        gemm(pixels, TAPS * conv->in, conv->out, band, conv->weights, true, columns);
        scatter(columns, halo_first, halo_last, width, conv->in, first, last, dx);
    }
    profile_add(PROFILE_GEMM, start);
}

const struct conv_engine conv_engine_columns = {
    .name = "columns",
    .weight_bytes = weight_bytes,
    .prepare = prepare,
    .scratch_bytes = scratch_bytes,
    .forward = forward,
    .backward = backward,
};
