/* The Winograd engines, float32 and bfloat16. The transforms live in kernels_isa.c; between them
 * stand 36 independent matrix products per block of tiles, which OpenMP threads share:
 *
 *   v[p]  [tiles][in]  = transformed patches                    (threads over tiles)
 *   m[p]  [tiles][out] = v[p] * u[p]             p = 0..35      (threads over planes)
 *   y                  = transformed back, bias, ReLU, mask     (threads over tiles)
 *
 * Backward-data is the convolution of dy with the kernel turned by 180 degrees; with our
 * interpolation points that is the same u with planes reordered, transposed.
 *
 * In float32 the products are OpenBLAS's. In bfloat16 u and v are rounded, sums and m stay float32,
 * and u is kept twice, packed for either direction: half the bytes each. Its products run at twice
 * the rate; direct convolutions in bfloat16 would need four times as many, so where no matrix unit
 * makes up for that, this is the faster engine (measured on Zen 4). Rounding transformed patches
 * costs accuracy: 1.0 % of an output's rms, where a direct convolution in bfloat16 has 0.24 %. */
#include "bf16.h"
#include "clock.h"
#include "conv_engine.h"
#include "profile.h"
#include <string.h>

/* Planes 0..5 of one dimension belong to 0, r, -r, 1/r, -1/r, infinity; p -> 1/p. */
static const int reciprocal[PATCH] = {5, 3, 4, 1, 2, 0};

enum {
    BLOCK_FLOATS = 6 << 20,
    BLOCK_TILES_MIN = 192,
    BLOCK_TILES_MAX = 1024,
    GRAIN = 16,
    GROUP = 128
};

/* Tiles to a block: transformed patches and products of a block stay within the last-level cache,
 * unless that makes the matrices so thin that reading the weights dominates. */
static int block_tiles(int in, int out)
{
    int tiles = BLOCK_FLOATS / (PLANES * (in + out));
    tiles = tiles < BLOCK_TILES_MIN ? BLOCK_TILES_MIN : tiles;
    tiles = tiles > BLOCK_TILES_MAX ? BLOCK_TILES_MAX : tiles;
    return tiles / GRAIN * GRAIN;
}

static int across(int extent) { return (extent + TILE - 1) / TILE; }

static int tiles_in_block(int in, int out, int height, int width)
{
    long tiles = (long)across(height) * across(width);
    int block = block_tiles(in, out);
    return tiles < block ? (int)tiles : block;
}

static size_t plane_area(int in, int out) { return (size_t)in * (size_t)out; }

/* Either a float, or two bfloat16 for two directions. */
static size_t weight_bytes(int in, int out) { return PLANES * plane_area(in, out) * sizeof(float); }

/* Floats from one plane to the next: a cache line more than a plane, or the 36 planes' same
 * elements would fall into the same few cache sets. */
static size_t plane_floats(int tiles, int channels)
{
    return (size_t)tiles * (size_t)channels + LANES;
}

static size_t scratch_bytes(int in, int out, int height, int width)
{
    int tiles = tiles_in_block(in, out, height, width);
    return (size_t)PLANES * (plane_floats(tiles, in) + plane_floats(tiles, out)) * sizeof(float);
}

/* Puts transformed kernels u[PLANES][count] of input channel i, output channels from o on, where
 * the engine wants them. */
typedef void place_weights(const float *u, int in, int out, int i, int o, int count, void *weights);

static void place_f32(const float *u, int in, int out, int i, int o, int count, void *weights)
{
    for (int p = 0; p < PLANES; p++)
        memcpy((float *)weights + (size_t)p * plane_area(in, out) + (size_t)i * (size_t)out +
                   (size_t)o,
               u + p * count, (size_t)count * sizeof *u);
}

static void place_bf16(const float *u, int in, int out, int i, int o, int count, void *weights)
{
    for (int p = 0; p < PLANES; p++) {
        uint16_t *forward = (uint16_t *)weights + 2 * (size_t)p * plane_area(in, out);
        uint16_t *backward = forward + plane_area(in, out);
        for (int k = 0; k < count; k++) {
            uint16_t value = bf16_of(u[p * count + k]);
            forward[packed_at(i, o + k, in, out)] = value;
            backward[packed_at(o + k, i, out, in)] = value;
        }
    }
}

/* Input channels are shared among threads through rows of the [3][3][in][out] kernel; the transform
 * wants whole kernels, so each thread gathers its rows first. */
static void transform_weights(const float *kernel, int in, int out, place_weights *place,
                              void *weights)
{
    const struct kernels *kernels = kernels_get();
#pragma omp parallel for schedule(static)
    for (int i = 0; i < in; i++) {
        float w[9 * 512], u[PLANES * 512];
        for (int o0 = 0; o0 < out; o0 += 512) {
            int count = out - o0 < 512 ? out - o0 : 512;
            for (int tap = 0; tap < 9; tap++)
                for (int o = 0; o < count; o++)
                    w[tap * count + o] =
                        kernel[((size_t)tap * (size_t)in + (size_t)i) * (size_t)out +
                               (size_t)(o0 + o)];
            kernels->winograd_weights(w, (size_t)count, u);
            place(u, in, out, i, o0, count, weights);
        }
    }
}

static void prepare(const float *kernel, int in, int out, void *weights)
{
    transform_weights(kernel, in, out, place_f32, weights);
}

static void prepare_bf16(const float *kernel, int in, int out, void *weights)
{
    transform_weights(kernel, in, out, place_bf16, weights);
}

/* One direction: how x is read, multiplied and finished. */
struct pass {
    struct tiling source, target;
    const float *x;
    const mask_word *x_mask;
    const void *weights;
    bool half, backward;
    const struct epilogue *epilogue;
    float *y;
};

static int weight_plane(int plane, bool backward)
{
    return backward ? reciprocal[plane / PATCH] * PATCH + reciprocal[plane % PATCH] : plane;
}

static void transform_patches(const struct pass *pass, int first, int last, void *v, size_t at,
                              size_t plane)
{
    const struct kernels *kernels = kernels_get();
    if (pass->half)
        kernels->winograd_input_bf16(&pass->source, pass->x, pass->x_mask, first, last,
                                     (uint16_t *)v + at, plane);
    else
        kernels->winograd_input(&pass->source, pass->x, pass->x_mask, first, last, (float *)v + at,
                                plane);
}

/* m[plane] = v[plane] * u[plane] for every plane. */
static void multiply_f32(const struct pass *pass, int tiles, const float *v, size_t v_plane,
                         float *m, size_t m_plane)
{
    int in = pass->source.channels, out = pass->target.channels;
#pragma omp parallel for schedule(dynamic, 1)
    for (int p = 0; p < PLANES; p++) {
        size_t at = (size_t)weight_plane(p, pass->backward) * plane_area(in, out);
        gemm(tiles, out, in, v + (size_t)p * v_plane, (const float *)pass->weights + at,
             pass->backward, m + (size_t)p * m_plane);
    }
}

/* The same, by groups of columns: with 512 channels 144 tasks. */
static void multiply_bf16(const struct pass *pass, int tiles, const uint16_t *v, size_t v_plane,
                          float *m, size_t m_plane)
{
    const struct kernels *kernels = kernels_get();
    int in = pass->source.channels, out = pass->target.channels;
    int groups = (out + GROUP - 1) / GROUP;
#pragma omp parallel for schedule(dynamic, 1)
    for (int task = 0; task < PLANES * groups; task++) {
        int p = task / groups, first = task % groups * GROUP;
        int plane = 2 * weight_plane(p, pass->backward) + pass->backward;
        kernels->product_bf16(tiles, out, in, v + (size_t)p * v_plane,
                              (const uint16_t *)pass->weights + (size_t)plane * plane_area(in, out),
                              first, first + GROUP < out ? first + GROUP : out,
                              m + (size_t)p * m_plane);
    }
}

static void run_block(const struct pass *pass, int first, int last, int block, void *v, float *m)
{
    const struct kernels *kernels = kernels_get();
    int in = pass->source.channels, out = pass->target.channels, tiles = last - first;
    size_t v_plane = plane_floats(block, in), m_plane = plane_floats(block, out);
    int grains = (tiles + GRAIN - 1) / GRAIN;
    double time = clock_seconds();
#pragma omp parallel for schedule(dynamic, 1)
    for (int g = 0; g < grains; g++) {
        int from = g * GRAIN, to = from + GRAIN < tiles ? from + GRAIN : tiles;
        transform_patches(pass, first + from, first + to, v, (size_t)from * (size_t)in, v_plane);
    }
    time = profile_add(PROFILE_TRANSFORM, time);
    if (pass->half)
        multiply_bf16(pass, tiles, v, v_plane, m, m_plane);
    else
        multiply_f32(pass, tiles, v, v_plane, m, m_plane);
    time = profile_add(PROFILE_GEMM, time);
#pragma omp parallel for schedule(dynamic, 1)
    for (int g = 0; g < grains; g++) {
        int from = g * GRAIN, to = from + GRAIN < tiles ? from + GRAIN : tiles;
        kernels->winograd_output(&pass->target, m + (size_t)from * (size_t)out, m_plane,
                                 first + from, first + to, pass->epilogue, pass->y);
    }
    profile_add(PROFILE_TRANSFORM, time);
}

static void run(const struct pass *pass, void *scratch)
{
    int in = pass->source.channels, out = pass->target.channels;
    int tiles = across(pass->source.height) * across(pass->source.width);
    int block = tiles_in_block(in, out, pass->source.height, pass->source.width);
    void *v = scratch;
    float *m = (float *)scratch + (size_t)PLANES * plane_floats(block, in);
    for (int first = 0; first < tiles; first += block)
        run_block(pass, first, first + block < tiles ? first + block : tiles, block, v, m);
}

static struct tiling tiling(const struct conv_plan *plan, int channels)
{
    return (struct tiling){plan->height, plan->width, channels, across(plan->width)};
}

static void run_forward(const struct conv_plan *plan, bool half, const float *x,
                        const struct epilogue *epilogue, float *y, void *scratch)
{
    struct pass pass = {.source = tiling(plan, plan->conv->in),
                        .target = tiling(plan, plan->conv->out),
                        .x = x,
                        .weights = plan->conv->weights,
                        .half = half,
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
                        .weights = plan->conv->weights,
                        .half = half,
                        .backward = true,
                        .epilogue = &plain,
                        .y = dx};
    run(&pass, scratch);
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
    return kernels_get()->product_bf16 ? NULL : "a processor with AVX512-BF16";
}

const struct conv_engine conv_engine_winograd = {
    .name = "winograd",
    .weight_bytes = weight_bytes,
    .prepare = prepare,
    .scratch_bytes = scratch_bytes,
    .forward = forward_f32,
    .backward = backward_f32,
};

const struct conv_engine conv_engine_winograd_bf16 = {
    .name = "winograd-bf16",
    .arithmetic = ARITHMETIC_BF16,
    .missing = missing_bf16,
    .weight_bytes = weight_bytes,
    .prepare = prepare_bf16,
    .scratch_bytes = scratch_bytes,
    .forward = forward_bf16,
    .backward = backward_bf16,
};
