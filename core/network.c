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

/* Where a tensor lives: one of two working buffers, or a place of its own. */
enum slot { WORK_A, WORK_B, KEPT };

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
    bool rectifies, pools;  /* whether anything beyond asks for it */
    struct conv_plan *plan; /* NULL while only memory is counted */
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
    void *scratch;
    void *memory;
};

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
                       size_t count, struct arena *arena)
{
    tensor->slot = tensor->tap >= 0 && pass->backward ? KEPT : other(source);
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
        at = place(pass, &s->conv, at, elements(s), arena);
    if (s->rectifies) {
        if (s->conv.tap >= 0 && at != KEPT && !(s->relu.tap >= 0 && pass->backward))
            s->relu.slot = at; /* in place */
        else
            at = place(pass, &s->relu, at, elements(s), arena);
    }
    if (s->pools)
        place(pass, &s->pool, at, pooled_elements(s), arena);
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

/* The gradients alternate between the working buffers, from the deepest tensor to the picture. */
static void size_gradients(struct network_pass *pass)
{
    size_t largest = 0;
    for (int i = 0; i < pass->stages; i++)
        if (elements(&pass->stage[i]) > largest)
            largest = elements(&pass->stage[i]);
    for (int w = 0; w < 2; w++)
        if (pass->work_floats[w] < largest)
            pass->work_floats[w] = largest;
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
        if (s->pools) {
            height /= 2;
            width /= 2;
        }
    }
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
        size_t here =
            s->plan ? conv_plan_scratch_bytes(s->plan)
                    : conv_scratch_bytes(s->in, s->out, s->height, s->width, pass->arithmetic);
        scratch = here > scratch ? here : scratch;
    }
    if (pass->backward)
        size_gradients(pass);
    for (int w = 0; w < 2; w++)
        pass->work[w] = arena_take(arena, pass->work_floats[w] * sizeof(float));
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
        arena.used += conv_plan_bytes(s->in, s->out, s->height, s->width, backward, arithmetic);
    }
    return arena.used;
}

static int plan_convs(struct network_pass *pass, struct error *err)
{
    int status = 0;
    for (int i = 0; i < pass->stages; i++) {
        struct stage *s = &pass->stage[i];
        TRY(conv_plan_new(pass->network->conv[i], s->height, s->width, pass->backward, &s->plan,
                          err));
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
    for (int i = 0; i < pass->stages; i++)
        conv_plan_free(pass->stage[i].plan);
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

static void apply_mask(const struct stage *s, float *dy)
{
    const struct kernels *kernels = kernels_get();
    size_t count = elements(s);
#pragma omp parallel for schedule(static)
    for (size_t at = 0; at < count; at += RUN)
        kernels->mask_apply(dy + at, s->mask + at / LANES, count - at < RUN ? count - at : RUN,
                            dy + at);
}

static void pool(const struct network_pass *pass, const struct stage *s, const float *x, float *y)
{
    const struct kernels *kernels = kernels_get();
    size_t row = (size_t)s->width * (size_t)s->out;
    size_t pooled = (size_t)(s->width / 2) * (size_t)s->out;
#pragma omp parallel for schedule(static)
    for (int i = 0; i < s->height / 2; i++) {
        const float *top = x + (size_t)(2 * i) * row;
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

static void unpool(const struct network_pass *pass, const struct stage *s, const float *dy,
                   float *dx)
{
    const struct kernels *kernels = kernels_get();
    size_t row = (size_t)s->width * (size_t)s->out;
    size_t pooled = (size_t)(s->width / 2) * (size_t)s->out;
#pragma omp parallel for schedule(static)
    for (int i = 0; i < s->height / 2; i++) {
        float *top = dx + (size_t)(2 * i) * row;
        const float *from = dy + (size_t)i * pooled;
        size_t words = (size_t)i * pooled / LANES;
        if (pass->pooling == POOLING_AVG)
            kernels->unpool_avg(from, s->width, s->out, top, top + row);
        else
            kernels->unpool_max(from, s->right + words, s->lower + words, s->width, s->out, top,
                                top + row);
    }
    if (s->height % 2)
        memset(dx + (size_t)(s->height - 1) * row, 0, row * sizeof *dx);
}

static void subtract_mean(const struct network_pass *pass, const float *picture, float *x)
{
    size_t pixels = (size_t)pass->height * (size_t)pass->width;
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

/* Runs one stage on x and returns where its result is. */
static const float *forward_stage(const struct network_pass *pass, int i, const float *x,
                                  network_features *features, void *context)
{
    const struct stage *s = &pass->stage[i];
    double start = clock_seconds();
    if (s->conv.tap >= 0) {
        float *y = buffer(pass, &s->conv);
        conv_forward(s->plan, x, false, y, NULL, pass->scratch);
        profile_add_conv(i, false, start);
        show(pass, s, &s->conv, features, context);
        if (!s->rectifies)
            return y;
        rectify(s, y, buffer(pass, &s->relu));
    } else {
        conv_forward(s->plan, x, true, buffer(pass, &s->relu), s->mask, pass->scratch);
        profile_add_conv(i, false, start);
    }
    show(pass, s, &s->relu, features, context);
    if (!s->pools)
        return buffer(pass, &s->relu);
    start = clock_seconds();
    pool(pass, s, buffer(pass, &s->relu), buffer(pass, &s->pool));
    profile_add(PROFILE_POOL, start);
    show(pass, s, &s->pool, features, context);
    return buffer(pass, &s->pool);
}

void network_forward(struct network_pass *pass, const float *picture, network_features *features,
                     void *context)
{
    const float *x = pass->work[WORK_A];
    subtract_mean(pass, picture, pass->work[WORK_A]);
    for (int i = 0; i < pass->stages; i++)
        x = forward_stage(pass, i, x, features, context);
}

/* Adds the caller's gradient at a tensor, if it is tapped. */
static void collect(const struct stage *s, const struct tensor *tensor, network_gradient *gradient,
                    void *context, float *df)
{
    size_t count = tensor == &s->pool ? pooled_elements(s) : elements(s);
    if (tensor->tap >= 0)
        gradient(context, tensor->tap, tensor->kept, count / (size_t)s->out, s->out, df);
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
        double start = clock_seconds();
        unpool(pass, s, pass->work[at], pass->work[!at]);
        profile_add(PROFILE_POOL, start);
        at = !at;
    }
    if (s->rectifies)
        collect(s, &s->relu, gradient, context, pass->work[at]);
    if (s->conv.tap >= 0) {
        if (mask)
            apply_mask(s, pass->work[at]);
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
    memset(pass->work[0], 0, count * sizeof(float));
    int at = 0;
    for (int i = pass->stages - 1; i >= 0; i--)
        at = backward_stage(pass, i, at, gradient, context, i == 0 ? dpicture : NULL);
}
