/* The oneDNN engines: direct convolutions with operands in bfloat16 and float32 sums, on matrix
 * units where the processor has them.
 *
 *   onednn-bf16    x and kernel rounded once
 *   onednn-split   float32-class: x = hi + lo and kernel = hi + lo, both parts bfloat16; the sum of
 *                  hi * hi, hi * lo and lo * hi leaves 5e-6 of max |y| out
 *
 * A picture goes through in bands of rows of fixed size, shared among OpenMP threads, in groups of
 * output channels where there are few bands; oneDNN runs each on the calling thread alone:
 *
 *   src [rows + 2][width + 2][in]  = a band of x and its halo, masked, rounded; 0 outside
 *   dst [rows][width][columns]     = src * packed weights, + the other two products
 *   y                              = dst, bias, ReLU, mask
 *
 * So nothing depends on the number of threads, padding costs the primitives nothing, and what lies
 * between float32 maps and the primitive stays in a core's cache (as fast as whole maps on oneDNN's
 * own threads, measured on Zen 4: 455 of 460 GFLOP/s). ReLU is not oneDNN's, since that one turns
 * NaN into 0 and tells no mask.
 *
 * Backward-data is a convolution of dy with the kernel turned by 180 degrees, in and out swapped:
 * the same primitive with other weights. */
#include "bf16.h"
#include "clock.h"
#include "conv_engine.h"
#include "memory.h"
#include "onednn.h"
#include "profile.h"
#include "threads.h"
#include <stdlib.h>
#include <string.h>

enum {
    TAPS = 9,
    PARTS_MAX = 2,
    BAND_PIXELS = 128,
    BAND_ROWS = 4,
    COLUMNS = 128,
    BANDS_ENOUGH = 64 /* that a band goes to one thread with all its output channels */
};

/* One direction's primitives and weights. */
struct direction {
    int parts, in, out, height, width;
    int rows, columns;
    struct onednn_conv *set, *add; /* add: with two parts */
    size_t packed_bytes;           /* of one part of one group of columns */
    char *packed;                  /* [out / columns][parts][packed_bytes] */
};

struct both_directions {
    struct direction forward, backward; /* backward: only where asked for */
};

static size_t in_lines(size_t bytes) { return (bytes + 63) / 64 * 64; }

static size_t plane(int in, int out) { return (size_t)TAPS * (size_t)in * (size_t)out; }

static int least(int a, int b) { return a < b ? a : b; }

static int columns_of(int out) { return out % COLUMNS == 0 ? COLUMNS : out; }

static int rows_of(int height, int width)
{
    int rows = (BAND_PIXELS + width - 1) / width;
    return least(rows > BAND_ROWS ? rows : BAND_ROWS, height);
}

/* --- weights: [parts][3][3][in][out] --- */

static size_t rounded_bytes(int in, int out) { return plane(in, out) * sizeof(uint16_t); }

static size_t weight_bytes_bf16(int in, int out, enum saving saving)
{
    (void)saving;
    return rounded_bytes(in, out);
}

static size_t weight_bytes_split(int in, int out, enum saving saving)
{
    (void)saving;
    return 2 * rounded_bytes(in, out);
}

static void prepare_bf16(const float *kernel, int in, int out, enum saving saving, void *weights)
{
    (void)saving;
    uint16_t *hi = weights;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < plane(in, out); i++)
        hi[i] = bf16_of(kernel[i]);
}

static void prepare_split(const float *kernel, int in, int out, enum saving saving, void *weights)
{
    uint16_t *hi = weights, *lo = hi + plane(in, out);
    prepare_bf16(kernel, in, out, saving, weights);
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < plane(in, out); i++)
        lo[i] = bf16_of(kernel[i] - bf16_to_float(hi[i]));
}

enum { TURN = 32 }; /* values of a cache line */

/* rows [count][columns] = (turned [columns][stride], its first count columns)'. */
static void transpose(const uint16_t *turned, size_t stride, size_t count, size_t columns,
                      uint16_t *rows)
{
    for (size_t i0 = 0; i0 < count; i0 += TURN)
        for (size_t c = 0; c < columns; c++)
            for (size_t i = i0; i < count && i < i0 + TURN; i++)
                rows[i * columns + c] = turned[c * stride + i];
}

/* chunk [3][3][d->in][d->columns]: the columns from `first` on, of a conv's weights as they are or,
 * backward, turned and transposed. */
static void gather_chunk(const struct direction *d, bool backward, const uint16_t *weights,
                         size_t first, uint16_t *chunk)
{
    size_t in = (size_t)d->in, out = (size_t)d->out, columns = (size_t)d->columns;
    for (size_t tap = 0; tap < TAPS; tap++, chunk += in * columns) {
        if (backward) {
            transpose(weights + ((TAPS - 1 - tap) * out + first) * in, in, in, columns, chunk);
            continue;
        }
        for (size_t i = 0; i < in; i++)
            memcpy(chunk + i * columns, weights + (tap * in + i) * out + first,
                   columns * sizeof *chunk);
    }
}

static int pack(struct direction *d, bool backward, const uint16_t *weights, struct error *err)
{
    int chunks = d->out / d->columns * d->parts;
    size_t chunk_floats = in_lines(plane(d->in, d->columns) * sizeof *weights) / sizeof(float);
    float *chunk = floats_new((size_t)threads_count() * chunk_floats);
    d->packed_bytes = in_lines(onednn_weight_bytes(d->set));
    d->packed = (char *)floats_new((size_t)chunks * d->packed_bytes / sizeof(float));
    if (!chunk || !d->packed) {
        free(chunk);
        return fail(err, E_ENVIRONMENT, "not enough memory for a convolution of %d to %d channels",
                    d->in, d->out);
    }
#pragma omp parallel for schedule(dynamic, 1)
    for (int i = 0; i < chunks; i++) {
        uint16_t *mine = (uint16_t *)(chunk + (size_t)threads_index() * chunk_floats);
        gather_chunk(d, backward, weights + (size_t)(i % d->parts) * plane(d->in, d->out),
                     (size_t)(i / d->parts * d->columns), mine);
        onednn_pack(d->set, mine, d->packed + (size_t)i * d->packed_bytes);
    }
    free(chunk);
    return 0;
}

/* --- plans --- */

static int make_direction(const struct conv_plan *plan, int parts, bool backward,
                          struct direction *d, struct error *err)
{
    int status = 0, in = backward ? plan->conv->out : plan->conv->in;
    int out = backward ? plan->conv->in : plan->conv->out;
    *d = (struct direction){.parts = parts,
                            .in = in,
                            .out = out,
                            .height = plan->height,
                            .width = plan->width,
                            .rows = rows_of(plan->height, plan->width),
                            .columns = columns_of(out)};
    struct onednn_shape shape = {in, d->columns, d->rows, d->width};
    TRY(onednn_conv_new(&shape, false, &d->set, err));
    if (parts > 1)
        TRY(onednn_conv_new(&shape, true, &d->add, err));
    TRY(pack(d, backward, plan->conv->weights, err));
done:
    return status;
}

static void release_direction(struct direction *d)
{
    onednn_conv_free(d->set);
    onednn_conv_free(d->add);
    free(d->packed);
}

static void release(void *state)
{
    struct both_directions *both = state;
    release_direction(&both->forward);
    release_direction(&both->backward);
    free(both);
}

static int plan_parts(struct conv_plan *plan, int parts, bool backward, struct error *err)
{
    int status = 0;
    struct both_directions *both = plan->state = calloc(1, sizeof *both);
    if (!both)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    TRY(make_direction(plan, parts, false, &both->forward, err));
    if (backward)
        TRY(make_direction(plan, parts, true, &both->backward, err));
done:
    return status;
}

static int plan_bf16(struct conv_plan *plan, bool backward, struct error *err)
{
    return plan_parts(plan, 1, backward, err);
}

static int plan_split(struct conv_plan *plan, bool backward, struct error *err)
{
    return plan_parts(plan, 2, backward, err);
}

/* --- memory --- */

static size_t plan_bytes_bf16(int in, int out, int height, int width, bool backward)
{
    (void)height, (void)width;
    return (backward ? 2 : 1) * rounded_bytes(in, out);
}

static size_t plan_bytes_split(int in, int out, int height, int width, bool backward)
{
    return 2 * plan_bytes_bf16(in, out, height, width, backward);
}

/* One part of a band of x; the sums of a band. */
static size_t src_bytes(int in, int height, int width)
{
    return in_lines((size_t)(rows_of(height, width) + 2) * (size_t)(width + 2) * (size_t)in *
                    sizeof(uint16_t));
}

static size_t dst_bytes(int out, int height, int width)
{
    return in_lines((size_t)rows_of(height, width) * (size_t)width * (size_t)columns_of(out) *
                    sizeof(float));
}

static size_t own_bytes(const struct direction *d)
{
    size_t set = onednn_scratch_bytes(d->set), add = d->add ? onednn_scratch_bytes(d->add) : 0;
    return in_lines(set > add ? set : add);
}

/* Of one thread; own is oneDNN's. */
static size_t thread_bytes(const struct direction *d, size_t own)
{
    return (size_t)d->parts * src_bytes(d->in, d->height, d->width) +
           dst_bytes(d->out, d->height, d->width) + own;
}

static size_t plan_scratch_bytes(const struct conv_plan *plan)
{
    const struct both_directions *both = plan->state;
    const struct direction *f = &both->forward, *b = &both->backward;
    size_t forward = thread_bytes(f, own_bytes(f)), backward = 0;
    if (b->set)
        backward = thread_bytes(b, own_bytes(b));
    return (size_t)threads_count() * (forward > backward ? forward : backward);
}

/* What oneDNN itself asks for is known to the primitive alone; a copy of a band covers it. */
static size_t scratch_parts(int parts, int in, int out, int height, int width)
{
    struct direction forward = {
        .parts = parts, .in = in, .out = out, .height = height, .width = width};
    struct direction backward = forward;
    backward.in = out;
    backward.out = in;
    size_t most = thread_bytes(&forward, src_bytes(in, height, width));
    size_t other = thread_bytes(&backward, src_bytes(out, height, width));
    return (size_t)threads_count() * (most > other ? most : other);
}

static size_t scratch_bytes_bf16(int in, int out, int height, int width)
{
    return scratch_parts(1, in, out, height, width);
}

static size_t scratch_bytes_split(int in, int out, int height, int width)
{
    return scratch_parts(2, in, out, height, width);
}

/* --- running --- */

struct pass {
    const struct direction *d;
    const float *x;
    const mask_word *x_mask;
    const struct epilogue *epilogue;
    float *y;
};

/* A thread's scratch. */
struct workspace {
    uint16_t *src[PARTS_MAX];
    float *dst;
    void *own;
};

static struct workspace workspace_at(const struct direction *d, char *scratch)
{
    struct workspace space = {0};
    for (int p = 0; p < d->parts; p++, scratch += src_bytes(d->in, d->height, d->width))
        space.src[p] = (uint16_t *)scratch;
    space.dst = (float *)scratch;
    space.own = scratch + dst_bytes(d->out, d->height, d->width);
    return space;
}

/* Rows first - 1 ... first + rows of x. */
static void convert_band(const struct pass *pass, int first, const struct workspace *space)
{
    const struct direction *d = pass->d;
    size_t in = (size_t)d->in, row = (size_t)d->width * in, padded = row + 2 * in;
    for (int r = 0; r < d->rows + 2; r++) {
        int from = first + r - 1;
        bool inside = from >= 0 && from < d->height;
        for (int p = 0; p < d->parts; p++) {
            uint16_t *to = space->src[p] + (size_t)r * padded;
            memset(to, 0, (inside ? in : padded) * sizeof *to);
            memset(to + padded - in, 0, in * sizeof *to);
        }
        if (!inside)
            continue;
        size_t at = (size_t)from * row, to = (size_t)r * padded + in;
        kernels_get()->split_bf16(pass->x + at, pass->x_mask ? pass->x_mask + at / LANES : NULL,
                                  row, space->src[0] + to,
                                  d->parts > 1 ? space->src[1] + to : NULL);
    }
}

static void multiply(const struct direction *d, int group, const struct workspace *space)
{
    const char *hi = d->packed + (size_t)(group * d->parts) * d->packed_bytes;
    onednn_run(d->set, space->src[0], hi, space->dst, space->own);
    if (d->parts > 1) {
        onednn_run(d->add, space->src[0], hi + d->packed_bytes, space->dst, space->own);
        onednn_run(d->add, space->src[1], hi, space->dst, space->own);
    }
}

/* dst [pixels][columns], the pixels from `pixel` on, to their places in y. */
static void finish_group(const struct pass *pass, int group, size_t pixel, size_t pixels,
                         const float *dst)
{
    const struct direction *d = pass->d;
    const struct kernels *kernels = kernels_get();
    size_t out = (size_t)d->out, first = (size_t)(group * d->columns);
    bool whole = d->columns == d->out;
    size_t step = whole ? pixels : 1, count = step * (size_t)d->columns;
    for (size_t p = 0; p < pixels; p += step, dst += count) {
        size_t at = (pixel + p) * out + first;
        struct epilogue epilogue = *pass->epilogue;
        if (epilogue.bias)
            epilogue.bias += first;
        if (epilogue.mask)
            epilogue.mask += at / LANES;
        kernels->finish(dst, count, d->columns, &epilogue, pass->y + at);
    }
}

/* The last band begins early enough to be whole, and leaves out what the one before has done. */
static void run_band(const struct pass *pass, int band, int first_group, int last_group,
                     const struct workspace *space)
{
    const struct direction *d = pass->d;
    int row = band * d->rows, first = least(row, d->height - d->rows);
    int rows = least(d->rows, d->height - row);
    size_t skipped = (size_t)(row - first) * (size_t)d->width * (size_t)d->columns;
    convert_band(pass, first, space);
    for (int group = first_group; group < last_group; group++) {
        multiply(d, group, space);
        finish_group(pass, group, (size_t)row * (size_t)d->width, (size_t)rows * (size_t)d->width,
                     space->dst + skipped);
    }
}

static void run(const struct pass *pass, void *scratch)
{
    const struct direction *d = pass->d;
    int bands = (d->height + d->rows - 1) / d->rows, groups = d->out / d->columns;
    int shares = bands >= BANDS_ENOUGH ? 1 : groups;
    size_t each = thread_bytes(d, own_bytes(d));
    double start = clock_seconds();
#pragma omp parallel for schedule(dynamic, 1)
    for (int task = 0; task < bands * shares; task++) {
        struct workspace space = workspace_at(d, (char *)scratch + (size_t)threads_index() * each);
        int share = task % shares;
        run_band(pass, task / shares, share * groups / shares, (share + 1) * groups / shares,
                 &space);
    }
    profile_add(PROFILE_GEMM, start);
}

static void forward(const struct conv_plan *plan, const float *x, const struct epilogue *epilogue,
                    float *y, void *scratch)
{
    const struct both_directions *both = plan->state;
    struct pass pass = {.d = &both->forward, .x = x, .epilogue = epilogue, .y = y};
    run(&pass, scratch);
}

static void backward(const struct conv_plan *plan, const float *dy, const mask_word *mask,
                     float *dx, void *scratch)
{
    const struct both_directions *both = plan->state;
    struct epilogue plain = {0};
    struct pass pass = {.d = &both->backward, .x = dy, .x_mask = mask, .epilogue = &plain, .y = dx};
    run(&pass, scratch);
}

static const char *missing(void)
{
    return kernels_get()->split_bf16 ? NULL : "a processor with AVX512-BF16";
}

const struct conv_engine conv_engine_onednn_bf16 = {
    .name = "onednn-bf16",
    .arithmetic = ARITHMETIC_BF16,
    .missing = missing,
    .weight_bytes = weight_bytes_bf16,
    .prepare = prepare_bf16,
    .plan = plan_bf16,
    .release = release,
    .plan_bytes = plan_bytes_bf16,
    .plan_scratch_bytes = plan_scratch_bytes,
    .scratch_bytes = scratch_bytes_bf16,
    .forward = forward,
    .backward = backward,
};

const struct conv_engine conv_engine_onednn_split = {
    .name = "onednn-split",
    .arithmetic = ARITHMETIC_F32,
    .missing = missing,
    .weight_bytes = weight_bytes_split,
    .prepare = prepare_split,
    .plan = plan_split,
    .release = release,
    .plan_bytes = plan_bytes_split,
    .plan_scratch_bytes = plan_scratch_bytes,
    .scratch_bytes = scratch_bytes_split,
    .forward = forward,
    .backward = backward,
};
