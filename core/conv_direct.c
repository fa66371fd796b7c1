/* The engine for the picture's three channels: as the formula says, a row at a time, see
 * kernels_picture_isa.c. A task is one row of a small picture, eight of a large one: its neighbours
 * are then read from the cache, and there are some 64 tasks or more from 64 px on.
 *
 *   forward    y[r][c]  = sum over taps of x[r + dr][c + dc] * kernel[dr][dc]
 *   backward   dx[r][c] = sum over taps of dy[r - dr][c - dc] * kernel[dr][dc]' */
#include "clock.h"
#include "conv_engine.h"
#include "kernels_picture.h"
#include "profile.h"
#include <assert.h>
#include <string.h>

enum { BANDS = 64, BAND_ROWS_MOST = 8 };

static size_t weight_bytes(int in, int out, enum saving saving)
{
    (void)saving;
    return 9 * (size_t)in * (size_t)out * sizeof(float);
}

static void prepare(const float *kernel, int in, int out, enum saving saving, void *weights)
{
    assert(in == PICTURE_CHANNELS);
    memcpy(weights, kernel, weight_bytes(in, out, saving));
}

static size_t scratch_bytes(int in, int out, int height, int width)
{
    (void)in;
    (void)out;
    (void)height;
    (void)width;
    return 0;
}

static int band_rows(int height)
{
    int rows = height / BANDS;
    return rows < 1 ? 1 : rows < BAND_ROWS_MOST ? rows : BAND_ROWS_MOST;
}

/* The rows around row r of a map of `floats` a row, NULL outside of it. */
static void neighbours(const float *map, size_t floats, int height, int r, const float *rows[3])
{
    for (int i = 0; i < 3; i++)
        rows[i] = r + i < 1 || r + i > height ? NULL : map + (size_t)(r + i - 1) * floats;
}

static void forward(const struct conv_plan *plan, const float *x, const struct epilogue *epilogue,
                    float *y, void *scratch)
{
    const struct picture_kernels *kernels = kernels_get()->picture;
    const struct conv *conv = plan->conv;
    size_t floats = (size_t)plan->width * (size_t)conv->out;
    double start = clock_seconds();
    (void)scratch;
#pragma omp parallel for schedule(dynamic, band_rows(plan->height))
    for (int r = 0; r < plan->height; r++) {
        const float *rows[3];
        struct epilogue here = *epilogue;
        if (here.mask)
            here.mask += (size_t)r * floats / LANES;
        neighbours(x, (size_t)plan->width * PICTURE_CHANNELS, plan->height, r, rows);
        kernels->forward(rows, plan->width, conv->weights, conv->out, &here,
                         y + (size_t)r * floats);
    }
    profile_add(PROFILE_GEMM, start);
}

static void backward(const struct conv_plan *plan, const float *dy, const mask_word *mask,
                     float *dx, void *scratch)
{
    const struct picture_kernels *kernels = kernels_get()->picture;
    const struct conv *conv = plan->conv;
    size_t floats = (size_t)plan->width * (size_t)conv->out;
    double start = clock_seconds();
    (void)scratch;
#pragma omp parallel for schedule(dynamic, band_rows(plan->height))
    for (int r = 0; r < plan->height; r++) {
        const float *rows[3];
        const mask_word *masks[3];
        neighbours(dy, floats, plan->height, r, rows);
        for (int i = 0; i < 3; i++)
            masks[i] = mask && rows[i] ? mask + (size_t)(rows[i] - dy) / LANES : NULL;
        kernels->backward(rows, masks, plan->width, conv->weights, conv->out,
                          dx + (size_t)r * (size_t)plan->width * PICTURE_CHANNELS);
    }
    profile_add(PROFILE_GEMM, start);
}

const struct conv_engine conv_engine_direct = {
    .name = "direct",
    .weight_bytes = weight_bytes,
    .prepare = prepare,
    .scratch_bytes = scratch_bytes,
    .forward = forward,
    .backward = backward,
};
