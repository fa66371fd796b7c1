/* The largest feature maps are the first block's, 64 channels of the picture's own size: three of
 * them would be most of a pass. What conv1_2 makes is pooled in strips of rows as it comes, and its
 * gradient unpooled in strips as it goes back, so it is never whole. relu1_1, where a loss looks at
 * it, is kept for the way back while it is small; else it lives in a working buffer and is computed
 * again, in strips: about 1 % of an evaluation's time in place of 256 bytes a pixel. Which depends
 * on nothing but the picture's size, so every pass computes the same. */
#include "network.h"

#include "arena.h"
#include "clock.h"
#include "memory.h"
#include "params.h"
#include "profile.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct network {
    int convs, pooling;
    enum arithmetic arithmetic;
    float mean[3];
    struct conv *conv[VGG19_CONVS];
};

/* Rows first .. last - 1 of a picture, and what a convolution needs to compute them: from .. to -
 * 1, a row more on either side, the outputs of which are wrong and not used. Strips of a kind have
 * the same number of rows; the only one of a low picture is a bottom. */
enum strip_kind { STRIP_TOP, STRIP_MIDDLE, STRIP_BOTTOM, STRIP_KINDS };
struct strip {
    enum strip_kind kind;
    int first, last, from, to;
};

/* Where a tensor lives: one of two working buffers, a place of its own, or nowhere as a whole. */
enum slot { WORK_A, WORK_B, KEPT, IN_STRIPS };

/* Rows of a strip of conv1_2, at most; even for the pooling. With a row more on either side they
 * are whole Winograd tiles. */
enum { STRIP_ROWS = 62, STRIPPED = 1 };

/* relu1_1 is computed again where it has more values than this (128 MiB): beyond 724 px square. */
enum { KEPT_MOST = 1 << 25 };

/* A tensor on the way forward; tap is the caller's index, -1 where nobody looks. */
struct tensor {
    enum slot slot;
    int tap;
    float *kept;
};

/* One convolution and what follows it up to the next. */
struct stage {
    int height, width; /* of the convolution */
    int in, out;
    bool rectifies, pools;                /* whether anything beyond asks for it */
    bool strips;                          /* computed in strips */
    bool again;                           /* relu is computed again on the way back */
    struct conv_plan *plan;               /* of the whole; NULL while only memory is counted */
    struct conv_plan *strip[STRIP_KINDS]; /* where it is computed in strips, too or only */
    struct tensor conv, relu, pool;
    mask_word *mask;          /* [height][width][out], bits */
    mask_word *right, *lower; /* [height / 2][width / 2][out], bits: max-pooling choices */
};

struct network_pass {
    const struct network *network;
    int height, width, stages, pooling;
    enum arithmetic arithmetic;
    bool backward;
    struct stage stage[VGG19_CONVS];
    size_t work_floats[2];
    float *work[2];
    int start;                    /* the working buffer of the deepest gradient */
    float *strip, *strip_picture; /* one strip of 64 channels, of the picture */
    float *row;                   /* a row of 64 channels, set aside */
    mask_word *row_mask;
    void *scratch;
    void *memory;
    const float *picture; /* of the last forward */
};

static bool strip_next(int height, struct strip *strip)
{
    strip->first = strip->last;
    strip->last = height - strip->first < STRIP_ROWS ? height : strip->first + STRIP_ROWS;
    strip->from = strip->first > 0 ? strip->first - 1 : 0;
    strip->to = strip->last < height ? strip->last + 1 : height;
    strip->kind = strip->last == height ? STRIP_BOTTOM
                  : strip->first == 0   ? STRIP_TOP
                                        : STRIP_MIDDLE;
    return strip->first < height;
}

int network_convs(const struct layer *layers, int count)
{
    int convs = 0;
    for (int i = 0; i < count; i++)
        if (layers[i].conv + 1 > convs)
            convs = layers[i].conv + 1;
    return convs;
}

int network_new(const struct vgg19_weights *weights, int pooling, enum arithmetic arithmetic,
                struct network **network, struct error *err)
{
    int status = 0;
    struct network *made = calloc(1, sizeof *made);
    if (!made)
        return fail(err, E_ENVIRONMENT, "not enough memory for the network");
    made->convs = weights->convs;
    made->pooling = pooling;
    made->arithmetic = arithmetic;
    memcpy(made->mean, weights->mean, sizeof made->mean);
    for (int i = 0; i < weights->convs; i++)
        TRY(conv_new(weights->kernel[i], weights->bias[i], vgg19_convs[i].in, vgg19_convs[i].out,
                     arithmetic, &made->conv[i], err));
    *network = made;
    made = NULL;
done:
    network_free(made);
    return status;
}

void network_free(struct network *network)
{
    if (!network)
        return;
    for (int i = 0; i < network->convs; i++)
        conv_free(network->conv[i]);
    free(network);
}

size_t network_bytes(int convs, enum arithmetic arithmetic)
{
    size_t bytes = 0;
    for (int i = 0; i < convs; i++)
        bytes += conv_weight_bytes(vgg19_convs[i].in, vgg19_convs[i].out, arithmetic);
    return bytes;
}

static const char *engine_of(int conv, enum arithmetic arithmetic)
{
    return conv_engine(vgg19_convs[conv].in, vgg19_convs[conv].out, arithmetic);
}

void network_engines(int convs, enum arithmetic arithmetic, char *text, size_t size)
{
    size_t used = 0;
    for (int i = 0, next; i < convs && used < size; i = next) {
        const char *engine = engine_of(i, arithmetic);
        char first[LAYER_NAME], last[LAYER_NAME];
        for (next = i + 1; next < convs && strcmp(engine_of(next, arithmetic), engine) == 0;)
            next++;
        layer_name((struct layer){i, LAYER_CONV}, first);
        layer_name((struct layer){next - 1, LAYER_CONV}, last);
        used += (size_t)snprintf(text + used, size - used, "%s%s: %s%s%s", i ? "; " : "", engine,
                                 first, next - 1 > i ? " ... " : "", next - 1 > i ? last : "");
    }
}

enum arithmetic network_arithmetic(const struct network *network) { return network->arithmetic; }

static size_t elements(const struct stage *s)
{
    return (size_t)s->height * (size_t)s->width * (size_t)s->out;
}

static size_t pooled_elements(const struct stage *s)
{
    return (size_t)(s->height / 2) * (size_t)(s->width / 2) * (size_t)s->out;
}

static enum slot other(enum slot slot) { return slot == WORK_A ? WORK_B : WORK_A; }

/* Gives a tensor a place: its own if it must survive until the way back, else a working buffer that
 * is not its source's. */
static enum slot place(struct network_pass *pass, struct tensor *tensor, enum slot source,
                       bool survives, size_t count, struct arena *arena)
{
    tensor->slot = survives && tensor->tap >= 0 && pass->backward ? KEPT : other(source);
    if (tensor->slot == KEPT)
        tensor->kept = arena_take(arena, count * sizeof(float));
    else if (pass->work_floats[tensor->slot] < count)
        pass->work_floats[tensor->slot] = count;
    return tensor->slot;
}

static void place_stage(struct network_pass *pass, struct stage *s, enum slot source,
                        struct arena *arena)
{
    enum slot at = source;
    if (s->conv.tap >= 0)
        at = place(pass, &s->conv, at, true, elements(s), arena);
    if (s->rectifies) {
        if (s->strips && s->conv.tap < 0 && s->relu.tap < 0)
            s->relu.slot = IN_STRIPS;
        else if (s->conv.tap >= 0 && at != KEPT && !(s->relu.tap >= 0 && pass->backward))
            s->relu.slot = at; /* in place */
        else
            at = place(pass, &s->relu, at, !s->again, elements(s), arena);
    }
    if (s->pools)
        place(pass, &s->pool, at, true, pooled_elements(s), arena);
}

static void take_masks(struct network_pass *pass, struct stage *s, struct arena *arena)
{
    if (!pass->backward)
        return;
    if (s->rectifies)
        s->mask = arena_take(arena, elements(s) / LANES * sizeof(mask_word));
    if (s->pools && pass->pooling == POOLING_MAX) {
        s->right = arena_take(arena, pooled_elements(s) / LANES * sizeof(mask_word));
        s->lower = arena_take(arena, pooled_elements(s) / LANES * sizeof(mask_word));
    }
}

static void at_least(size_t *size, size_t count) { *size = *size > count ? *size : count; }

/* The gradients alternate between the working buffers, from the deepest tensor to the picture; the
 * first takes the buffer that makes both together the smaller. */
static void size_gradients(struct network_pass *pass)
{
    size_t need[2][2] = {{0}}; /* by the first one's buffer */
    for (int start = 0, at = start; start < 2; at = ++start) {
        memcpy(need[start], pass->work_floats, sizeof need[start]);
        for (int i = pass->stages - 1; i >= 0; i--) {
            const struct stage *s = &pass->stage[i];
            at_least(&need[start][at], s->pools ? pooled_elements(s) : elements(s));
            if (s->pools && !s->strips)
                at_least(&need[start][at = !at], elements(s));
            at = !at;
        }
    }
    pass->start = need[1][0] + need[1][1] < need[0][0] + need[0][1];
    memcpy(pass->work_floats, need[pass->start], sizeof pass->work_floats);
}

static int tap_of(struct layer layer, const struct layer *taps, int tap_count)
{
    for (int t = 0; t < tap_count; t++)
        if (layer_compare(taps[t], layer) == 0)
            return t;
    return -1;
}

/* Fills in shapes and taps. */
static void describe(struct network_pass *pass, const struct layer *taps, int tap_count)
{
    int height = pass->height, width = pass->width;
    for (int i = 0; i < pass->stages; i++) {
        struct stage *s = &pass->stage[i];
        bool last = i == pass->stages - 1;
        *s = (struct stage){
            .height = height, .width = width, .in = vgg19_convs[i].in, .out = vgg19_convs[i].out};
        s->conv.tap = tap_of((struct layer){i, LAYER_CONV}, taps, tap_count);
        s->relu.tap = tap_of((struct layer){i, LAYER_RELU}, taps, tap_count);
        s->pool.tap = tap_of((struct layer){i, LAYER_POOL}, taps, tap_count);
        s->pools = vgg19_convs[i].pooled && (!last || s->pool.tap >= 0);
        s->rectifies = !last || s->pools || s->relu.tap >= 0;
        s->strips = s->pools && i == STRIPPED;
        s->again = i == 0 && s->relu.tap >= 0 && s->conv.tap < 0 && pass->backward &&
                   elements(s) > KEPT_MOST;
        if (s->pools) {
            height /= 2;
            width /= 2;
        }
    }
}

/* What strips take: rows of conv1_2's output, one more on either side, and another to an even
 * number for the poolings. */
static void take_strips(struct network_pass *pass, struct arena *arena)
{
    size_t rows = (size_t)(pass->height < STRIP_ROWS ? pass->height : STRIP_ROWS) + 4;
    size_t width = (size_t)pass->width, channels = (size_t)vgg19_convs[STRIPPED].out;
    bool pooled = pass->stages > STRIPPED && pass->stage[STRIPPED].strips;
    if (!pooled && !pass->stage[0].again)
        return;
    pass->strip = arena_take(arena, rows * width * channels * sizeof(float));
    pass->strip_picture = arena_take(arena, rows * width * 3 * sizeof(float));
    pass->row = arena_take(arena, width * channels * sizeof(float));
    pass->row_mask = arena_take(arena, width * channels / LANES * sizeof(mask_word));
}

/* Scratch of a stage's convolutions: as planned, or from the shapes alone. */
static size_t stage_scratch(const struct network_pass *pass, const struct stage *s)
{
    size_t most = 0;
    if (!s->strips)
        most = s->plan ? conv_plan_scratch_bytes(s->plan)
                       : conv_scratch_bytes(s->in, s->out, s->height, s->width, pass->arithmetic);
    if (!s->strips && !s->again)
        return most;
    for (struct strip strip = {0}; strip_next(s->height, &strip);) {
        const struct conv_plan *plan = s->strip[strip.kind];
        at_least(&most, plan ? conv_plan_scratch_bytes(plan)
                             : conv_scratch_bytes(s->in, s->out, strip.to - strip.from, s->width,
                                                  pass->arithmetic));
    }
    return most;
}

/* Lays out every buffer; with an arena that only measures, just their sizes. */
static void lay_out(struct network_pass *pass, struct arena *arena)
{
    enum slot source = WORK_A;
    size_t scratch = 0;
    pass->work_floats[WORK_A] = (size_t)pass->height * (size_t)pass->width * 3;
    pass->work_floats[WORK_B] = 0;
    for (int i = 0; i < pass->stages; i++) {
        struct stage *s = &pass->stage[i];
        place_stage(pass, s, source, arena);
        take_masks(pass, s, arena);
        source = s->pools ? s->pool.slot : s->relu.slot;
        at_least(&scratch, stage_scratch(pass, s));
    }
    if (pass->backward)
        size_gradients(pass);
    for (int w = 0; w < 2; w++)
        pass->work[w] = arena_take(arena, pass->work_floats[w] * sizeof(float));
    take_strips(pass, arena);
    pass->scratch = arena_take(arena, scratch);
}

static struct network_pass planned(int pooling, enum arithmetic arithmetic, int height, int width,
                                   const struct layer *taps, int tap_count, bool backward)
{
    struct network_pass pass = {.arithmetic = arithmetic,
                                .height = height,
                                .width = width,
                                .stages = network_convs(taps, tap_count),
                                .pooling = pooling,
                                .backward = backward};
    describe(&pass, taps, tap_count);
    return pass;
}

uint64_t network_pass_bytes(int pooling, enum arithmetic arithmetic, int height, int width,
                            const struct layer *taps, int tap_count, bool backward)
{
    struct network_pass pass =
        planned(pooling, arithmetic, height, width, taps, tap_count, backward);
    struct arena arena = {0};
    lay_out(&pass, &arena);
    for (int i = 0; i < pass.stages; i++) {
        const struct stage *s = &pass.stage[i];
        int rows = s->strips && s->height > STRIP_ROWS ? STRIP_ROWS + 2 : s->height;
        arena.used += conv_plan_bytes(s->in, s->out, rows, s->width, backward, arithmetic);
    }
    return arena.used;
}

static int plan_strips(const struct network_pass *pass, int i, struct stage *s, struct error *err)
{
    int status = 0;
    for (struct strip strip = {0}; strip_next(s->height, &strip);)
        if (!s->strip[strip.kind])
            TRY(conv_plan_new(pass->network->conv[i], strip.to - strip.from, s->width,
                              pass->backward, &s->strip[strip.kind], err));
done:
    return status;
}

static int plan_convs(struct network_pass *pass, struct error *err)
{
    int status = 0;
    for (int i = 0; i < pass->stages; i++) {
        struct stage *s = &pass->stage[i];
        if (!s->strips)
            TRY(conv_plan_new(pass->network->conv[i], s->height, s->width, pass->backward, &s->plan,
                              err));
        if (s->strips || s->again)
            TRY(plan_strips(pass, i, s, err));
    }
done:
    return status;
}

int network_pass_new(const struct network *network, int height, int width, const struct layer *taps,
                     int tap_count, bool backward, struct network_pass **pass, struct error *err)
{
    int status = 0;
    struct arena arena = {0};
    struct network_pass *made = malloc(sizeof *made);
    if (!made)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    *made =
        planned(network->pooling, network->arithmetic, height, width, taps, tap_count, backward);
    made->network = network;
    TRY(plan_convs(made, err));
    lay_out(made, &arena);
    made->memory = floats_new(arena.used / sizeof(float));
    if (!made->memory) {
        status = fail(err, E_ENVIRONMENT, "not enough memory for a %d x %d px picture: %.1f GB",
                      width, height, (double)arena.used * 1e-9);
        goto done;
    }
    arena = (struct arena){.base = made->memory};
    lay_out(made, &arena);
    *pass = made;
    made = NULL;
done:
    network_pass_free(made);
    return status;
}

void network_pass_free(struct network_pass *pass)
{
    if (!pass)
        return;
    for (int i = 0; i < pass->stages; i++) {
        conv_plan_free(pass->stage[i].plan);
        for (int k = 0; k < STRIP_KINDS; k++)
            conv_plan_free(pass->stage[i].strip[k]);
    }
    free(pass->memory);
    free(pass);
}

static float *buffer(const struct network_pass *pass, const struct tensor *tensor)
{
    return tensor->slot == KEPT ? tensor->kept : pass->work[tensor->slot];
}

static void rectify(const struct stage *s, const float *x, float *y)
{
    const struct kernels *kernels = kernels_get();
    size_t count = elements(s);
#pragma omp parallel for schedule(static)
    for (size_t at = 0; at < count; at += RUN) {
        struct epilogue epilogue = {.relu = true, .mask = s->mask ? s->mask + at / LANES : NULL};
        kernels->finish(x + at, count - at < RUN ? count - at : RUN, s->out, &epilogue, y + at);
    }
}

/* dy is the first of rows first .. last - 1. */
static void apply_mask(const struct stage *s, int first, int last, float *dy)
{
    const struct kernels *kernels = kernels_get();
    size_t row = (size_t)s->width * (size_t)s->out, count = (size_t)(last - first) * row;
    const mask_word *mask = s->mask + (size_t)first * row / LANES;
#pragma omp parallel for schedule(static)
    for (size_t at = 0; at < count; at += RUN)
        kernels->mask_apply(dy + at, mask + at / LANES, count - at < RUN ? count - at : RUN,
                            dy + at);
}

/* Rows first .. last - 1 of a stage's output, the even `first` of which stands at x, pooled. */
static void pool(const struct network_pass *pass, const struct stage *s, int first, int last,
                 const float *x, float *y)
{
    const struct kernels *kernels = kernels_get();
    size_t row = (size_t)s->width * (size_t)s->out;
    size_t pooled = (size_t)(s->width / 2) * (size_t)s->out;
#pragma omp parallel for schedule(static)
    for (int i = first / 2; i < last / 2; i++) {
        const float *top = x + (size_t)(2 * i - first) * row;
        float *out = y + (size_t)i * pooled;
        size_t words = (size_t)i * pooled / LANES;
        if (pass->pooling == POOLING_AVG)
            kernels->pool_avg(top, top + row, s->width, s->out, out);
        else
            kernels->pool_max(top, top + row, s->width, s->out, out,
                              s->right ? s->right + words : NULL,
                              s->lower ? s->lower + words : NULL);
    }
}

/* dx, where the even row `first` of the stage's output begins, overwritten to row last - 1. */
static void unpool(const struct network_pass *pass, const struct stage *s, int first, int last,
                   const float *dy, float *dx)
{
    const struct kernels *kernels = kernels_get();
    size_t row = (size_t)s->width * (size_t)s->out;
    size_t pooled = (size_t)(s->width / 2) * (size_t)s->out;
#pragma omp parallel for schedule(static)
    for (int i = first / 2; i < last / 2; i++) {
        float *top = dx + (size_t)(2 * i - first) * row;
        const float *from = dy + (size_t)i * pooled;
        size_t words = (size_t)i * pooled / LANES;
        if (pass->pooling == POOLING_AVG)
            kernels->unpool_avg(from, s->width, s->out, top, top + row);
        else
            kernels->unpool_max(from, s->right + words, s->lower + words, s->width, s->out, top,
                                top + row);
    }
    if (last % 2)
        memset(dx + (size_t)(last - 1 - first) * row, 0, row * sizeof *dx);
}

static void subtract_mean(const struct network_pass *pass, const float *picture, size_t pixels,
                          float *x)
{
    const float *mean = pass->network->mean;
#pragma omp parallel for schedule(static)
    for (size_t p = 0; p < pixels; p++)
        for (int c = 0; c < 3; c++)
            x[3 * p + (size_t)c] = picture[3 * p + (size_t)c] - mean[c];
}

/* Shows a tensor to the caller, if it is tapped. */
static void show(const struct network_pass *pass, const struct stage *s,
                 const struct tensor *tensor, network_features *features, void *context)
{
    bool pooled = tensor == &s->pool;
    size_t count = pooled ? pooled_elements(s) : elements(s);
    if (tensor->tap >= 0)
        features(context, tensor->tap, buffer(pass, tensor), count / (size_t)s->out, s->out);
}

/* --- strips --- */

/* A strip's convolution also writes wrong rows where it has neighbours: the lower one is
 * overwritten by the next strip, the upper one is set aside meanwhile. */
static void set_aside(const struct strip *strip, const void *rows, size_t row_bytes, void *aside)
{
    if (rows && strip->from < strip->first)
        memcpy(aside, (const char *)rows + (size_t)strip->from * row_bytes, row_bytes);
}

static void put_back(const struct strip *strip, const void *aside, size_t row_bytes, void *rows)
{
    if (rows && strip->from < strip->first)
        memcpy((char *)rows + (size_t)strip->from * row_bytes, aside, row_bytes);
}

/* One strip of a stage on x: y is its first row (strip->first), pooled if `whole` is NULL. Else its
 * rows are put into whole, [height][width][out]. */
static void forward_strip(const struct network_pass *pass, int i, const struct strip *strip,
                          const float *x, float *whole)
{
    const struct stage *s = &pass->stage[i];
    size_t row = (size_t)s->width * (size_t)s->out, from = (size_t)strip->from;
    size_t row_bytes = row * sizeof(float), mask_bytes = row / LANES * sizeof(mask_word);
    bool rectify_too = s->conv.tap < 0;
    mask_word *mask = rectify_too ? s->mask : NULL;
    float *y = whole ? whole + from * row : pass->strip;
    double start = clock_seconds();
    set_aside(strip, whole, row_bytes, pass->row);
    set_aside(strip, mask, mask_bytes, pass->row_mask);
    conv_forward(s->strip[strip->kind], x + from * (size_t)s->width * (size_t)s->in, rectify_too, y,
                 mask ? mask + from * row / LANES : NULL, pass->scratch);
    put_back(strip, pass->row, row_bytes, whole);
    put_back(strip, pass->row_mask, mask_bytes, mask);
    profile_add_conv(i, false, start);
}

/* A stage's convolution (and ReLU, unless somebody looks before it) on x, in strips: into the
 * tensor's place, or into nothing but the pooled tensor's. */
static void forward_strips(const struct network_pass *pass, int i, const float *x)
{
    const struct stage *s = &pass->stage[i];
    const struct tensor *tensor = s->conv.tap >= 0 ? &s->conv : &s->relu;
    float *whole = tensor->slot == IN_STRIPS ? NULL : buffer(pass, tensor);
    size_t row = (size_t)s->width * (size_t)s->out;
    for (struct strip strip = {0}; strip_next(s->height, &strip);) {
        forward_strip(pass, i, &strip, x, whole);
        double start = clock_seconds();
        if (!whole)
            pool(pass, s, strip.first, strip.last,
                 pass->strip + (size_t)(strip.first - strip.from) * row, buffer(pass, &s->pool));
        profile_add(PROFILE_POOL, start);
    }
}

/* Adds the caller's gradient at rows first .. last - 1 of a kept tensor, if it is tapped; df is the
 * first of them. */
static void collect_rows(const struct stage *s, const struct tensor *tensor, int first, int last,
                         network_gradient *gradient, void *context, float *df)
{
    size_t at = (size_t)first * (size_t)s->width,
           positions = (size_t)(last - first) * (size_t)s->width;
    if (tensor->tap >= 0)
        gradient(context, tensor->tap, tensor->kept + at * (size_t)s->out, at, positions, s->out,
                 df);
}

/* The gradient by rows first .. last - 1 of a stage's convolution, its ReLU's mask not applied
 * unless somebody looks before it; from dy, by the pooled tensor, into df. */
static void unpooled(const struct network_pass *pass, const struct stage *s, int first, int last,
                     const float *dy, network_gradient *gradient, void *context, float *df)
{
    double start = clock_seconds();
    unpool(pass, s, first, last, dy, df);
    profile_add(PROFILE_POOL, start);
    collect_rows(s, &s->relu, first, last, gradient, context, df);
    if (s->conv.tap < 0)
        return;
    apply_mask(s, first, last, df);
    collect_rows(s, &s->conv, first, last, gradient, context, df);
}

/* From dy, the gradient by a stage's pooled tensor, to dx, by its input, in strips. */
static void backward_strips(const struct network_pass *pass, int i, const float *dy,
                            network_gradient *gradient, void *context, float *dx)
{
    const struct stage *s = &pass->stage[i];
    size_t row = (size_t)s->width * (size_t)s->out, in_row = (size_t)s->width * (size_t)s->in;
    for (struct strip strip = {0}; strip_next(s->height, &strip);) {
        int first = strip.from / 2 * 2; /* poolings are of two rows */
        int last = strip.to < s->height ? (strip.to + 1) / 2 * 2 : s->height;
        size_t from = (size_t)strip.from;
        unpooled(pass, s, first, last, dy, gradient, context, pass->strip);
        double start = clock_seconds();
        set_aside(&strip, dx, in_row * sizeof *dx, pass->row);
        conv_backward_data(s->strip[strip.kind], pass->strip + (size_t)(strip.from - first) * row,
                           s->conv.tap < 0 ? s->mask + from * row / LANES : NULL,
                           dx + from * in_row, pass->scratch);
        put_back(&strip, pass->row, in_row * sizeof *dx, dx);
        profile_add_conv(i, true, start);
    }
}

/* The caller's gradient at relu1_1, which is computed again, added to df. */
static void collect_again(const struct network_pass *pass, network_gradient *gradient,
                          void *context, float *df)
{
    const struct stage *s = &pass->stage[0];
    size_t width = (size_t)s->width, row = width * (size_t)s->out;
    for (struct strip strip = {0}; strip_next(s->height, &strip);) {
        double start = clock_seconds();
        int rows = strip.to - strip.from;
        subtract_mean(pass, pass->picture + (size_t)strip.from * width * 3, (size_t)rows * width,
                      pass->strip_picture);
        conv_forward(s->strip[strip.kind], pass->strip_picture, true, pass->strip, NULL,
                     pass->scratch);
        profile_add_conv(0, true, start);
        gradient(context, s->relu.tap, pass->strip + (size_t)(strip.first - strip.from) * row,
                 (size_t)strip.first * width, (size_t)(strip.last - strip.first) * width, s->out,
                 df + (size_t)strip.first * row);
    }
}

/* --- forward --- */

/* A stage's convolution, and with it the ReLU unless somebody looks before it. */
static void convolve(const struct network_pass *pass, int i, const float *x)
{
    const struct stage *s = &pass->stage[i];
    bool seen = s->conv.tap >= 0;
    double start = clock_seconds();
    if (s->strips) {
        forward_strips(pass, i, x);
        return;
    }
    conv_forward(s->plan, x, !seen, buffer(pass, seen ? &s->conv : &s->relu), seen ? NULL : s->mask,
                 pass->scratch);
    profile_add_conv(i, false, start);
}

/* Runs one stage on x and returns where its result is. */
static const float *forward_stage(const struct network_pass *pass, int i, const float *x,
                                  network_features *features, void *context)
{
    const struct stage *s = &pass->stage[i];
    convolve(pass, i, x);
    if (s->conv.tap >= 0) {
        show(pass, s, &s->conv, features, context);
        if (!s->rectifies)
            return buffer(pass, &s->conv);
        rectify(s, buffer(pass, &s->conv), buffer(pass, &s->relu));
    }
    show(pass, s, &s->relu, features, context);
    if (!s->pools)
        return buffer(pass, &s->relu);
    double start = clock_seconds();
    if (s->relu.slot != IN_STRIPS)
        pool(pass, s, 0, s->height, buffer(pass, &s->relu), buffer(pass, &s->pool));
    profile_add(PROFILE_POOL, start);
    show(pass, s, &s->pool, features, context);
    return buffer(pass, &s->pool);
}

void network_forward(struct network_pass *pass, const float *picture, network_features *features,
                     void *context)
{
    const float *x = pass->work[WORK_A];
    subtract_mean(pass, picture, (size_t)pass->height * (size_t)pass->width, pass->work[WORK_A]);
    pass->picture = picture;
    for (int i = 0; i < pass->stages; i++)
        x = forward_stage(pass, i, x, features, context);
}

/* Adds the caller's gradient at a tensor, if it is tapped. */
static void collect(const struct stage *s, const struct tensor *tensor, network_gradient *gradient,
                    void *context, float *df)
{
    size_t count = tensor == &s->pool ? pooled_elements(s) : elements(s);
    if (tensor->tap >= 0)
        gradient(context, tensor->tap, tensor->kept, 0, count / (size_t)s->out, s->out, df);
}

/* The gradient by a stage's deepest tensor stands in work[at] and becomes the gradient by its
 * input: in dx if given, else in the working buffer whose index is returned. */
static int backward_stage(const struct network_pass *pass, int i, int at,
                          network_gradient *gradient, void *context, float *dx)
{
    const struct stage *s = &pass->stage[i];
    const mask_word *mask = s->rectifies ? s->mask : NULL;
    if (s->pools) {
        collect(s, &s->pool, gradient, context, pass->work[at]);
        if (s->strips) {
            backward_strips(pass, i, pass->work[at], gradient, context, pass->work[!at]);
            return !at;
        }
        double start = clock_seconds();
        unpool(pass, s, 0, s->height, pass->work[at], pass->work[!at]);
        profile_add(PROFILE_POOL, start);
        at = !at;
    }
    if (s->again)
        collect_again(pass, gradient, context, pass->work[at]);
    else if (s->rectifies)
        collect(s, &s->relu, gradient, context, pass->work[at]);
    if (s->conv.tap >= 0) {
        if (mask)
            apply_mask(s, 0, s->height, pass->work[at]);
        mask = NULL;
        collect(s, &s->conv, gradient, context, pass->work[at]);
    }
    double begun = clock_seconds();
    conv_backward_data(s->plan, pass->work[at], mask, dx ? dx : pass->work[!at], pass->scratch);
    profile_add_conv(i, true, begun);
    return !at;
}

void network_backward(struct network_pass *pass, network_gradient *gradient, void *context,
                      float *dpicture)
{
    const struct stage *deepest = &pass->stage[pass->stages - 1];
    size_t count = deepest->pools ? pooled_elements(deepest) : elements(deepest);
    int at = pass->start;
    memset(pass->work[at], 0, count * sizeof(float));
    for (int i = pass->stages - 1; i >= 0; i--)
        at = backward_stage(pass, i, at, gradient, context, i == 0 ? dpicture : NULL);
}
