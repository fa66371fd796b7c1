/* A render's parts without picture files: made-up pictures, the built-in network, an objective. */
#ifndef ATELIER_RENDER_FIXTURE_H
#define ATELIER_RENDER_FIXTURE_H

#include "check.h"
#include "image.h"
#include "objective.h"
#include "temporary_folder.h"
#include "weights.h"

/* --- pictures --- */

enum { CONTENT_SEED = 1, STYLE_SEED = 2, PICTURE_SEED = 3, CELL = 8 };

static inline uint64_t splitmix(uint64_t x)
{
    x += UINT64_C(0x9e3779b97f4a7c15);
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* A byte from five whole numbers. */
static inline uint64_t lattice(uint64_t seed, uint64_t kind, uint64_t row, uint64_t column,
                               uint64_t channel)
{
    return splitmix((seed << 40) + (kind << 36) + (row << 20) + (column << 4) + channel) >> 56;
}

/* In 0..255, a multiple of 1/256: 3/4 bilinear noise, 1/4 white noise. tests/golden/make_golden.py
 * has the same formula. */
static inline double picture_value(uint64_t seed, uint64_t i, uint64_t j, uint64_t c)
{
    uint64_t coarse = 0, fine = lattice(seed, 1, i, j, c);
    for (uint64_t down = 0; down <= 1; down++)
        for (uint64_t right = 0; right <= 1; right++)
            coarse += (down ? i % CELL : CELL - i % CELL) * (right ? j % CELL : CELL - j % CELL) *
                      lattice(seed, 0, i / CELL + down, j / CELL + right, c);
    return (double)(3 * coarse + 64 * fine) / 256;
}

static inline double *picture_new(uint64_t seed, int width, int height)
{
    double *x = malloc((size_t)width * (size_t)height * 3 * sizeof *x), *at = x;
    assert_non_null(x);
    for (int i = 0; i < height; i++)
        for (int j = 0; j < width; j++)
            for (int c = 0; c < 3; c++)
                *at++ = picture_value(seed, (uint64_t)i, (uint64_t)j, (uint64_t)c);
    return x;
}

static inline float *floats_of(const double *x, size_t count)
{
    float *y = nan_new(count);
    for (size_t i = 0; i < count; i++)
        y[i] = (float)x[i];
    return y;
}

static inline float *picture_new_float(uint64_t seed, int width, int height)
{
    double *x = picture_new(seed, width, height);
    float *y = floats_of(x, (size_t)width * (size_t)height * 3);
    free(x);
    return y;
}

/* --- networks --- */

static inline struct vgg19_weights weights_named(const char *name, int convs)
{
    struct vgg19_weights weights;
    struct error err = {0};
    assert_int_equal(weights_load(name, CONVENTION_AUTO, convs, &weights, &err), 0);
    return weights;
}

static inline struct vgg19_weights random_weights(int convs)
{
    return weights_named("random", convs);
}

static inline struct vgg19_weights trained_weights(int convs)
{
    return weights_named("builtin", convs);
}

/* A network without kinks if the biases are large enough: every tap's mean over the input channels
 * is subtracted, so that the biases before it add nothing, at the borders neither. */
static inline void smooth_weights(struct vgg19_weights *weights, const double *biases)
{
    for (int n = 0; n < weights->convs; n++) {
        size_t in = (size_t)vgg19_convs[n].in, out = (size_t)vgg19_convs[n].out;
        for (size_t tap = 0; tap < 9; tap++)
            for (size_t o = 0; o < out; o++) {
                float *w = weights->kernel[n] + tap * in * out + o;
                double sum = 0;
                for (size_t i = 0; i < in; i++)
                    sum += (double)w[i * out];
                for (size_t i = 0; i < in; i++)
                    w[i * out] = (float)((double)w[i * out] - sum / (double)in);
            }
        for (size_t o = 0; o < out; o++)
            weights->bias[n][o] = (float)biases[n];
    }
}

static inline struct network *network_in(struct vgg19_weights weights, int pooling,
                                         enum arithmetic arithmetic)
{
    struct network *network = NULL;
    struct error err = {0};
    assert_int_equal(network_new(&weights, pooling, arithmetic, SAVE_TIME, &network, &err), 0);
    vgg19_weights_release(&weights);
    return network;
}

/* That of the engine that ATELIER_ENGINE names: CTest runs some tests once an engine. */
static inline enum arithmetic tested_arithmetic(void)
{
    struct conv_engine_info list[CONV_ENGINES];
    const char *wanted = getenv("ATELIER_ENGINE");
    conv_engines(list);
    for (int i = 0; wanted && i < CONV_ENGINES; i++)
        if (strcmp(list[i].name, wanted) == 0)
            return list[i].arithmetic;
    return ARITHMETIC_F32;
}

/* What a main returns where the engine asked for cannot run here; CTest calls that skipped. */
enum { SKIPPED = 77 };
static inline bool engine_is_missing(void)
{
    struct error err = {0};
    bool missing = conv_check(&err) != 0;
    if (missing)
        print_message("skipped: %s\n", err.message);
    return missing;
}

static inline struct network *network_of(struct vgg19_weights weights, int pooling)
{
    return network_in(weights, pooling, tested_arithmetic());
}

/* --- parameters and plan --- */

struct size {
    int width, height;
};

static inline size_t values_of(struct size size)
{
    return (size_t)size.width * (size_t)size.height * 3;
}

/* A file of that size, for its header. */
static inline const char *blank_file(struct size size)
{
    char name[32];
    snprintf(name, sizeof name, "%dx%d.png", size.width, size.height);
    const char *path = in_folder(name);
    struct error err = {0};
    struct image image = {size.width, size.height, calloc(values_of(size), 1), NULL};
    assert_int_equal(image_write_png(path, &image, NULL, 0, &err), 0);
    image_release(&image);
    return path;
}

static inline void set_param(struct params *params, const char *name, const char *value)
{
    enum param_id id;
    struct error err = {0};
    int status = params_find(name, &id, &err);
    if (status == 0)
        status = params_set(params, id, value, &err);
    if (status != 0)
        print_error("%s\n", err.message);
    assert_int_equal(status, 0);
}

/* Images of the given sizes at those sizes. */
static inline void set_sizes(struct params *params, struct size picture, struct size style)
{
    double longer = picture.width > picture.height ? picture.width : picture.height;
    double style_longer = style.width > style.height ? style.width : style.height;
    char scale[40];
    snprintf(scale, sizeof scale, "%.17g", style_longer / longer);
    set_param(params, "size", "0");
    set_param(params, "margin", "0");
    set_param(params, "style_scale", scale);
    set_param(params, "content", blank_file(picture));
    set_param(params, "style", blank_file(style));
    set_param(params, "output", "none.png");
}

static inline void resolve_and_plan(struct params *params, struct plan *plan)
{
    struct error err = {0};
    int status = params_resolve(params, &err);
    if (status == 0)
        status = plan_make(params, plan, &err);
    if (status != 0)
        print_error("%s\n", err.message);
    assert_int_equal(status, 0);
}

/* --- an objective --- */

/* On the heap: the objective borrows the plan. */
struct render {
    struct params params;
    struct plan plan;
    struct history history; /* named, without rows */
    struct objective *objective;
    size_t values; /* of a picture */
};

/* settings: name, value, name, value, ..., NULL. */
static inline struct render *render_planned(const char *const *settings, struct size picture,
                                            struct size style)
{
    struct render *r = calloc(1, sizeof *r);
    struct error err = {0};
    assert_non_null(r);
    r->values = values_of(picture);
    params_init(&r->params);
    for (; settings[0]; settings += 2)
        set_param(&r->params, settings[0], settings[1]);
    set_sizes(&r->params, picture, style);
    resolve_and_plan(&r->params, &r->plan);
    assert_int_equal(r->plan.full_width, picture.width);
    assert_int_equal(r->plan.full_height, picture.height);
    assert_int_equal(r->plan.style_width, style.width);
    assert_int_equal(r->plan.style_height, style.height);
    assert_int_equal(objective_history(&r->plan, &r->history, &err), 0);
    return r;
}

/* The content and the style image have CONTENT_SEED and STYLE_SEED; the network is borrowed. */
static inline struct render *render_new(const char *const *settings, struct size picture,
                                        struct size style, const struct network *network)
{
    struct render *r = render_planned(settings, picture, style);
    struct error err = {0};
    float *content = picture_new_float(CONTENT_SEED, picture.width, picture.height);
    float *styled = picture_new_float(STYLE_SEED, style.width, style.height);
    assert_int_equal(
        objective_new(&r->params, &r->plan, network, content, styled, &r->objective, &err), 0);
    free(content);
    free(styled);
    return r;
}

static inline void render_free(struct render *r)
{
    objective_free(r->objective);
    history_release(&r->history);
    params_release(&r->params);
    free(r);
}

#endif
