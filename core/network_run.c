/* Runs a pass: forward from the picture, backward to it. */
#include "network_pass.h"

#include "clock.h"
#include "params.h"
#include "profile.h"
#include <string.h>

static float *buffer(const struct network_pass *pass, const struct tensor *tensor)
{
    return tensor->slot == KEPT ? tensor->kept : pass->work[tensor->slot];
}

static void rectify(const struct stage *s, const float *x, float *y)
{
    const struct kernels *kernels = kernels_get();
    size_t count = stage_elements(s);
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
    size_t count = pooled ? stage_pooled_elements(s) : stage_elements(s);
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
    size_t count = tensor == &s->pool ? stage_pooled_elements(s) : stage_elements(s);
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
    size_t count = deepest->pools ? stage_pooled_elements(deepest) : stage_elements(deepest);
    int at = pass->start;
    memset(pass->work[at], 0, count * sizeof(float));
    for (int i = pass->stages - 1; i >= 0; i--)
        at = backward_stage(pass, i, at, gradient, context, i == 0 ? dpicture : NULL);
}
