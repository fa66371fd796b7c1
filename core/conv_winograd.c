/* The Winograd engines, float32 and bfloat16. The transforms live in kernels_isa.c, the products in
 * kernels_product_isa.c:
 *
 *   v[p]  [tiles][in]  = transformed patches
 *   m[p]  [tiles][out] = v[p] * u[p]             p = 0..35
 *   y                  = transformed back, bias, ReLU, mask
 *
 * Backward-data is the convolution of dy with the kernel turned by 180 degrees; with our
 * interpolation points that is the same u with planes reordered, transposed (winograd_weights.h).
 *
 * Two schedules, same results to the last bit:
 *   groups  A thread takes a few tiles through all three steps: v and m stay in its second-level
 *           cache, and the weights are streamed past them, once for each group. For few channels.
 *   blocks  All threads take many tiles through one step after the other, the products shared
 *           out by plane and columns: weights are read once a block. For many channels, whose
 *           weights are large and whose transforms are a small part, and for too few tiles to go
 *           round.
 *
 * In bfloat16 u and v are rounded, sums and m stay float32. Its products run at twice the rate of
 * float32; direct convolutions in bfloat16 would need four times as many, so where no matrix unit
 * makes up for that, this is the faster engine (measured on Zen 4). Rounding transformed patches
 * costs accuracy: 1.0 % of an output's rms, where a direct convolution in bfloat16 has 0.24 %. */
#include "clock.h"
#include "conv_engine.h"
#include "kernels_product.h"
#include "profile.h"
#include "threads.h"
#include "winograd_weights.h"
#include <stdint.h>

enum {
    BLOCK_FLOATS = 2 << 20,
    BLOCK_TILES_MIN = 112,
    BLOCK_TILES_WIDE = 192,      /* the same for 512 to 512 channels */
    BLOCK_TILES_WIDE_HALF = 256, /* and in bfloat16 */
    BLOCK_TILES_MAX = 1024,
    GRAIN = 16,       /* most tiles that are transformed at a time */
    COLUMNS = 128,    /* most of a product that is one task */
    TASKS = 4,        /* for each thread, or more */
    GROUP_TILES = 28, /* twice the rows that a product holds in registers */
    GROUP_BYTES = 784 << 10,
    GROUP_BYTES_MAX = 1300 << 10 /* for half as many tiles */
};

/* One direction of one convolution: how x is read, multiplied and finished. */
struct pass {
    struct tiling source, target;
    const float *x;
    const mask_word *x_mask;
    struct winograd_weights weights;
    bool backward;
    const struct epilogue *epilogue;
    float *y;
};

static int parts_of(int whole, int part) { return (whole + part - 1) / part; }

static int across(int extent) { return parts_of(extent, TILE); }

static int least(int a, int b) { return a < b ? a : b; }

static size_t element_bytes(bool half) { return half ? sizeof(uint16_t) : sizeof(float); }

/* Elements from one plane to the next: a cache line more than a plane, or the 36 planes' same
 * elements would fall into the same few cache sets. */
static size_t plane_elements(int tiles, int channels, size_t element)
{
    return (size_t)tiles * (size_t)channels + LANES * sizeof(float) / element;
}

static size_t v_bytes(int tiles, int channels, bool half)
{
    size_t element = element_bytes(half);
    return PLANES * element * plane_elements(tiles, channels, element);
}

static size_t m_bytes(int tiles, int channels) { return v_bytes(tiles, channels, false); }

/* Scratch for so many tiles, v and m, in the direction that takes more. */
static size_t tile_bytes(int tiles, int in, int out, bool half)
{
    size_t forward = v_bytes(tiles, in, half) + m_bytes(tiles, out);
    size_t backward = v_bytes(tiles, out, half) + m_bytes(tiles, in);
    return forward > backward ? forward : backward;
}

/* --- shapes of work --- */

/* Tiles to a block: transformed patches and products of a block stay within the last-level cache,
 * unless that makes the matrices so thin that reading or turning the weights dominates. Blocks are
 * of nearly equal size. */
static int block_tiles(int in, int out, bool half, int tiles)
{
    int block = BLOCK_FLOATS / (PLANES * (in + out));
    int most = least(block, BLOCK_TILES_MAX) / GRAIN * GRAIN;
    int wide = half ? BLOCK_TILES_WIDE_HALF : BLOCK_TILES_WIDE;
    int fewest = in * out < 512 * 512 ? BLOCK_TILES_MIN : wide;
    int blocks = parts_of(tiles, most > fewest ? most : fewest);
    return least(tiles, parts_of(parts_of(tiles, blocks), GRAIN) * GRAIN);
}

/* Tiles to a group; 0 where blocks are better: weights too large to be streamed; no place for v and
 * m in the second-level cache; too few groups. */
static int group_tiles(int in, int out, bool half, int tiles)
{
    int element = (int)element_bytes(half);
    int bytes = PLANES * (in * element + out * (int)sizeof(float)); /* of a tile */
    int group = GROUP_TILES * bytes <= GROUP_BYTES ? GROUP_TILES : GROUP_TILES / 2;
    if (tiles < group * TASKS * threads_count())
        group = GROUP_TILES / 2;
    bool pays = PLANES * in * out * element <= SMALL_BYTES && group * bytes <= GROUP_BYTES_MAX &&
                tiles >= group * TASKS * threads_count();
    return pays ? group : 0;
}

static size_t scratch_bytes(int in, int out, int height, int width, bool half)
{
    int tiles = across(height) * across(width);
    int forward = group_tiles(in, out, half, tiles), backward = group_tiles(out, in, half, tiles);
    size_t blocks = 0, groups = 0;
    if (!forward || !backward)
        blocks = tile_bytes(block_tiles(in, out, half, tiles), in, out, half);
    if (forward || backward)
        groups = (size_t)threads_count() *
                 tile_bytes(forward > backward ? forward : backward, in, out, half);
    return blocks > groups ? blocks : groups;
}

/* --- the three steps --- */

/* v is float or bfloat16; `at` elements on. */
static void transform_patches(const struct pass *pass, int first, int last, void *v, size_t at,
                              size_t plane)
{
    const struct kernels *kernels = kernels_get();
    if (pass->weights.half)
        kernels->winograd_input_bf16(&pass->source, pass->x, pass->x_mask, first, last,
                                     (uint16_t *)v + at, plane);
    else
        kernels->winograd_input(&pass->source, pass->x, pass->x_mask, first, last, (float *)v + at,
                                plane);
}

/* m = v * u in one plane, columns first..last-1. */
static void multiply(const struct pass *pass, int tiles, int plane, int first, int last,
                     const void *v, size_t v_plane, float *m, size_t m_plane)
{
    const struct product_kernels *kernels = kernels_get()->product;
    int depth = pass->source.channels, columns = pass->target.channels;
    bool half = pass->weights.half;
    bool kept = !pass->backward || winograd_weights_turned(&pass->weights);
    float turned[PANEL * TURNED_DEPTH_MAX];
    for (int at = first, now; at < last; at += now) {
        now = kept || last - at < PANEL ? last - at : PANEL;
        const void *u = winograd_weights_panel(&pass->weights, plane, pass->backward, at, turned);
        float *to = m + (size_t)plane * m_plane + at;
        if (half)
            kernels->bf16(tiles, now, depth, (const uint16_t *)v + (size_t)plane * v_plane, u,
                          (size_t)columns, to);
        else
            kernels->f32(tiles, now, depth, (const float *)v + (size_t)plane * v_plane, u,
                         (size_t)columns, to);
    }
}

static void transform_back(const struct pass *pass, const float *m, size_t plane, int first,
                           int last)
{
    kernels_get()->winograd_output(&pass->target, m, plane, first, last, pass->epilogue, pass->y);
}

/* --- the two schedules --- */

static int grain_of(int tiles)
{
    int grain = least(tiles / (TASKS * threads_count()), GRAIN);
    return grain > 1 ? grain : 1;
}

static int columns_of(int out)
{
    int columns = COLUMNS;
    while (columns > PANEL && PLANES * parts_of(out, columns) < TASKS * threads_count())
        columns /= 2;
    return columns;
}

static void run_block(const struct pass *pass, int first, int last, int block, void *v, float *m)
{
    int in = pass->source.channels, out = pass->target.channels, tiles = last - first;
    size_t v_plane = plane_elements(block, in, element_bytes(pass->weights.half));
    size_t m_plane = plane_elements(block, out, sizeof *m);
    int grain = grain_of(tiles), grains = parts_of(tiles, grain);
    int columns = columns_of(out), parts = parts_of(out, columns);
    double time = clock_seconds();
#pragma omp parallel for schedule(dynamic, 1)
    for (int g = 0; g < grains; g++) {
        int from = g * grain, to = least(from + grain, tiles);
        transform_patches(pass, first + from, first + to, v, (size_t)from * (size_t)in, v_plane);
    }
    time = profile_add(PROFILE_TRANSFORM, time);
#pragma omp parallel for schedule(dynamic, 1)
    for (int task = 0; task < PLANES * parts; task++) {
        int column = task % parts * columns;
        multiply(pass, tiles, task / parts, column, least(column + columns, out), v, v_plane, m,
                 m_plane);
    }
    time = profile_add(PROFILE_GEMM, time);
#pragma omp parallel for schedule(dynamic, 1)
    for (int g = 0; g < grains; g++) {
        int from = g * grain, to = least(from + grain, tiles);
        transform_back(pass, m + (size_t)from * (size_t)out, m_plane, first + from, first + to);
    }
    profile_add(PROFILE_TRANSFORM, time);
}

static void run_blocks(const struct pass *pass, int tiles, void *scratch)
{
    int in = pass->source.channels, out = pass->target.channels;
    bool half = pass->weights.half;
    int block = block_tiles(in, out, half, tiles);
    float *m = (float *)(void *)((char *)scratch + v_bytes(block, in, half));
    for (int first = 0; first < tiles; first += block)
        run_block(pass, first, least(first + block, tiles), block, scratch, m);
}

/* The first thread's times stand for all. */
static double note(enum profile_stage stage, double start)
{
    return threads_index() == 0 ? profile_add(stage, start) : start;
}

static void run_group(const struct pass *pass, int first, int last, int group, void *v)
{
    int in = pass->source.channels, out = pass->target.channels;
    bool half = pass->weights.half;
    float *m = (float *)(void *)((char *)v + v_bytes(group, in, half));
    size_t v_plane = plane_elements(group, in, element_bytes(half));
    size_t m_plane = plane_elements(group, out, sizeof *m);
    double time = clock_seconds();
    transform_patches(pass, first, last, v, 0, v_plane);
    time = note(PROFILE_TRANSFORM, time);
    for (int p = 0; p < PLANES; p++)
        multiply(pass, last - first, p, 0, out, v, v_plane, m, m_plane);
    time = note(PROFILE_GEMM, time);
    transform_back(pass, m, m_plane, first, last);
    note(PROFILE_TRANSFORM, time);
}

static void run_groups(const struct pass *pass, int tiles, int group, void *scratch)
{
    size_t bytes =
        tile_bytes(group, pass->source.channels, pass->target.channels, pass->weights.half);
#pragma omp parallel for schedule(dynamic, 1)
    for (int first = 0; first < tiles; first += group)
        run_group(pass, first, least(first + group, tiles), group,
                  (char *)scratch + (size_t)threads_index() * bytes);
}

static void run(const struct pass *pass, void *scratch)
{
    int tiles = across(pass->source.height) * across(pass->source.width);
    int group =
        group_tiles(pass->source.channels, pass->target.channels, pass->weights.half, tiles);
    if (group)
        run_groups(pass, tiles, group, scratch);
    else
        run_blocks(pass, tiles, scratch);
}

/* --- the engines --- */

static struct tiling tiling(const struct conv_plan *plan, int channels)
{
    return (struct tiling){plan->height, plan->width, channels, across(plan->width)};
}

static struct winograd_weights weights_of(const struct conv *conv, bool half)
{
    return (struct winograd_weights){conv->in, conv->out, half, conv->saving, conv->weights};
}

static void run_forward(const struct conv_plan *plan, bool half, const float *x,
                        const struct epilogue *epilogue, float *y, void *scratch)
{
    struct pass pass = {.source = tiling(plan, plan->conv->in),
                        .target = tiling(plan, plan->conv->out),
                        .x = x,
                        .weights = weights_of(plan->conv, half),
                        .epilogue = epilogue,
                        .y = y};
    run(&pass, scratch);
}

static void run_backward(const struct conv_plan *plan, bool half, const float *dy,
                         const mask_word *mask, float *dx, void *scratch)
{
    struct epilogue plain = {0};
    struct pass pass = {.source = tiling(plan, plan->conv->out),
                        .target = tiling(plan, plan->conv->in),
                        .x = dy,
                        .x_mask = mask,
                        .weights = weights_of(plan->conv, half),
                        .backward = true,
                        .epilogue = &plain,
                        .y = dx};
    run(&pass, scratch);
}

static size_t weight_bytes_f32(int in, int out, enum saving saving)
{
    return winograd_weights_bytes(&(struct winograd_weights){in, out, false, saving, NULL});
}

static size_t weight_bytes_bf16(int in, int out, enum saving saving)
{
    return winograd_weights_bytes(&(struct winograd_weights){in, out, true, saving, NULL});
}

static void prepare_f32(const float *kernel, int in, int out, enum saving saving, void *planes)
{
    winograd_weights_prepare(&(struct winograd_weights){in, out, false, saving, planes}, kernel);
}

static void prepare_bf16(const float *kernel, int in, int out, enum saving saving, void *planes)
{
    winograd_weights_prepare(&(struct winograd_weights){in, out, true, saving, planes}, kernel);
}

static size_t scratch_bytes_f32(int in, int out, int height, int width)
{
    return scratch_bytes(in, out, height, width, false);
}

static size_t scratch_bytes_bf16(int in, int out, int height, int width)
{
    return scratch_bytes(in, out, height, width, true);
}

static void forward_f32(const struct conv_plan *plan, const float *x,
                        const struct epilogue *epilogue, float *y, void *scratch)
{
    run_forward(plan, false, x, epilogue, y, scratch);
}

static void backward_f32(const struct conv_plan *plan, const float *dy, const mask_word *mask,
                         float *dx, void *scratch)
{
    run_backward(plan, false, dy, mask, dx, scratch);
}

static void forward_bf16(const struct conv_plan *plan, const float *x,
                         const struct epilogue *epilogue, float *y, void *scratch)
{
    run_forward(plan, true, x, epilogue, y, scratch);
}

static void backward_bf16(const struct conv_plan *plan, const float *dy, const mask_word *mask,
                          float *dx, void *scratch)
{
    run_backward(plan, true, dy, mask, dx, scratch);
}

static const char *missing_bf16(void)
{
    return kernels_get()->product->bf16 ? NULL : "a processor with AVX512-BF16";
}

const struct conv_engine conv_engine_winograd = {
    .name = "winograd",
    .weight_bytes = weight_bytes_f32,
    .prepare = prepare_f32,
    .scratch_bytes = scratch_bytes_f32,
    .forward = forward_f32,
    .backward = backward_f32,
};

const struct conv_engine conv_engine_winograd_bf16 = {
    .name = "winograd-bf16",
    .arithmetic = ARITHMETIC_BF16,
    .missing = missing_bf16,
    .weight_bytes = weight_bytes_bf16,
    .prepare = prepare_bf16,
    .scratch_bytes = scratch_bytes_bf16,
    .forward = forward_bf16,
    .backward = backward_bf16,
};
