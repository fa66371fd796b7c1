/* The Winograd engine. The transforms live in kernels_isa.c; between them stand 36 independent
 * matrix products per block of tiles, which OpenMP threads share:
 *
 *   v[p]  [tiles][in]  = transformed patches                    (threads over tiles)
 *   m[p]  [tiles][out] = v[p] * u[p]             p = 0..35      (threads over planes)
 *   y                  = transformed back, bias, ReLU, mask     (threads over tiles)
 *
 * Backward-data is the convolution of dy with the kernel turned by 180 degrees; with our
 * interpolation points that is the same u with planes reordered, transposed. */
#include "clock.h"
#include "conv_engine.h"
#include "profile.h"

/* Planes 0..5 of one dimension belong to 0, r, -r, 1/r, -1/r, infinity; p -> 1/p. */
static const int reciprocal[PATCH] = {5, 3, 4, 1, 2, 0};

enum { BLOCK_FLOATS = 6 << 20, BLOCK_TILES_MIN = 192, BLOCK_TILES_MAX = 1024, GRAIN = 16 };

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

static size_t weight_floats(int in, int out) { return (size_t)PLANES * (size_t)in * (size_t)out; }

/* Floats from one plane to the next: a cache line more than a plane, or the 36 planes' same
 * elements would fall into the same few cache sets. */
static size_t plane_floats(int tiles, int channels)
{
    return (size_t)tiles * (size_t)channels + LANES;
}

static size_t scratch_floats(int in, int out, int height, int width)
{
    int tiles = tiles_in_block(in, out, height, width);
    return (size_t)PLANES * (plane_floats(tiles, in) + plane_floats(tiles, out));
}

static void prepare(const float *kernel, int in, int out, float *weights)
{
    /* Input channels are shared among threads through rows of the [3][3][in][out] kernel; the
     * transform wants whole kernels, so each thread gathers its rows first. */
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
            for (int p = 0; p < PLANES; p++)
                for (int o = 0; o < count; o++)
                    weights[((size_t)p * (size_t)in + (size_t)i) * (size_t)out + (size_t)(o0 + o)] =
                        u[p * count + o];
        }
    }
}

/* One direction: how x is read, multiplied and finished. */
struct pass {
    struct tiling source, target;
    const float *x;
    const mask_word *x_mask;
    const float *weights;
    bool backward;
    const struct epilogue *epilogue;
    float *y;
};

static int weight_plane(int plane, bool backward)
{
    return backward ? reciprocal[plane / PATCH] * PATCH + reciprocal[plane % PATCH] : plane;
}

static void run_block(const struct pass *pass, int first, int last, int block, float *v, float *m)
{
    const struct kernels *kernels = kernels_get();
    int in = pass->source.channels, out = pass->target.channels, tiles = last - first;
    size_t v_plane = plane_floats(block, in), m_plane = plane_floats(block, out);
    int grains = (tiles + GRAIN - 1) / GRAIN;
    double time = clock_seconds();
#pragma omp parallel for schedule(dynamic, 1)
    for (int g = 0; g < grains; g++) {
        int from = g * GRAIN, to = from + GRAIN < tiles ? from + GRAIN : tiles;
        kernels->winograd_input(&pass->source, pass->x, pass->x_mask, first + from, first + to,
                                v + (size_t)from * (size_t)in, v_plane);
    }
    time = profile_add(PROFILE_TRANSFORM, time);
#pragma omp parallel for schedule(dynamic, 1)
    for (int p = 0; p < PLANES; p++)
        gemm(tiles, out, in, v + (size_t)p * v_plane,
             pass->weights + (size_t)weight_plane(p, pass->backward) * (size_t)in * (size_t)out,
             pass->backward, m + (size_t)p * m_plane);
    time = profile_add(PROFILE_GEMM, time);
#pragma omp parallel for schedule(dynamic, 1)
    for (int g = 0; g < grains; g++) {
        int from = g * GRAIN, to = from + GRAIN < tiles ? from + GRAIN : tiles;
        kernels->winograd_output(&pass->target, m + (size_t)from * (size_t)out, m_plane,
                                 first + from, first + to, pass->epilogue, pass->y);
    }
    profile_add(PROFILE_TRANSFORM, time);
}

static void run(const struct pass *pass, float *scratch)
{
    int in = pass->source.channels, out = pass->target.channels;
    int tiles = across(pass->source.height) * across(pass->source.width);
    int block = tiles_in_block(in, out, pass->source.height, pass->source.width);
    float *v = scratch, *m = scratch + (size_t)PLANES * plane_floats(block, in);
    for (int first = 0; first < tiles; first += block)
        run_block(pass, first, first + block < tiles ? first + block : tiles, block, v, m);
}

static struct tiling tiling(int height, int width, int channels)
{
    return (struct tiling){height, width, channels, across(width)};
}

static void forward(const struct conv *conv, int height, int width, const float *x,
                    const struct epilogue *epilogue, float *y, float *scratch)
{
    struct pass pass = {.source = tiling(height, width, conv->in),
                        .target = tiling(height, width, conv->out),
                        .x = x,
                        .weights = conv->weights,
                        .epilogue = epilogue,
                        .y = y};
    run(&pass, scratch);
}

static void backward(const struct conv *conv, int height, int width, const float *dy,
                     const mask_word *mask, float *dx, float *scratch)
{
    struct epilogue plain = {0};
    struct pass pass = {.source = tiling(height, width, conv->out),
                        .target = tiling(height, width, conv->in),
                        .x = dy,
                        .x_mask = mask,
                        .weights = conv->weights,
                        .backward = true,
                        .epilogue = &plain,
                        .y = dx};
    run(&pass, scratch);
}

const struct conv_engine conv_engine_winograd = {
    .name = "winograd",
    .weight_floats = weight_floats,
    .prepare = prepare,
    .scratch_floats = scratch_floats,
    .forward = forward,
    .backward = backward,
};
