#include "plan.h"

#include "conv.h"
#include "image.h"
#include "memory.h"
#include "network.h"
#include "network_name.h"
#include "objective.h"
#include "optimiser.h"
#include "start.h"
#include "threads.h"
#include <stdio.h>
#include <string.h>

enum { SIDE_MIN = 16 };

static int check_side(const char *what, int width, int height, struct error *err)
{
    if (width >= SIDE_MIN && height >= SIDE_MIN)
        return 0;
    return fail(err, E_INPUT, "%s would be %d x %d px: VGG-19 needs at least %d px on each side%s",
                what, width, height, SIDE_MIN, width < 1000 && height < 1000 ? "; raise size" : "");
}

static uint64_t larger(uint64_t a, uint64_t b) { return a > b ? a : b; }

static int check_file(const char *path, struct image_size size, struct error *err)
{
    if (size.width < SIDE_MIN || size.height < SIDE_MIN)
        return fail(err, E_INPUT, "'%s' is %d x %d px: it needs at least %d px on each side", path,
                    size.width, size.height, SIDE_MIN);
    return 0;
}

/* Reading a picture and resizing it to width x height counts towards the plan's memory. */
static void count_file(struct image_size size, int width, int height, struct plan *plan)
{
    uint64_t picture = 3 * (uint64_t)size.width * (uint64_t)size.height;
    uint64_t resizing = picture + image_resize_bytes(size.width, size.height, width, height);
    plan->decoded_bytes = larger(plan->decoded_bytes, picture);
    plan->reading_bytes = larger(plan->reading_bytes, larger(size.read_bytes, resizing));
}

static const char init_context[] = "init (neither content, style nor noise): ";

static int probe_sizes(const struct params *params, struct plan_sizes *sizes, struct error *err)
{
    int status = 0;
    TRY(image_probe(params->content, &sizes->content, err));
    if (init_is_file(params->init) && (status = image_probe(params->init, &sizes->init, err)) != 0)
        return fail_context(err, init_context);
    TRY(image_probe(params->style, &sizes->style, err));
done:
    return status;
}

static int plan_sides(const struct params *params, const struct plan_sizes *sizes,
                      struct plan *plan, struct error *err)
{
    int status = 0, longer = (int)params->size;
    struct image_size content = sizes->content, style = sizes->style;
    TRY(check_file(params->content, content, err));
    if (longer == 0)
        longer = content.width > content.height ? content.width : content.height;
    image_fit(content.width, content.height, longer, &plan->width, &plan->height);
    TRY(check_side("the picture", plan->width, plan->height, err));
    if (init_is_file(params->init) && (status = check_file(params->init, sizes->init, err)) != 0)
        return fail_context(err, init_context);
    TRY(check_file(params->style, style, err));
    double style_longer = (double)longer * params->style_scale;
    if (!(style_longer < 65536))
        return fail(err, E_INPUT,
                    "style_scale %g makes the style image %.0f px long; at most 65535",
                    params->style_scale, style_longer);
    image_fit(style.width, style.height, (int)(style_longer + 0.5), &plan->style_width,
              &plan->style_height);
    TRY(check_side("the style image", plan->style_width, plan->style_height, err));
    count_file(content, plan->width, plan->height, plan);
    count_file(style, plan->style_width, plan->style_height, plan);
    if (init_is_file(params->init))
        count_file(sizes->init, plan->width, plan->height, plan);
    plan->margin = (int)params->margin;
    if (plan->margin >= plan->width || plan->margin >= plan->height)
        return fail(err, E_INPUT,
                    "margin %d px does not fit a picture of %d x %d px: it mirrors it",
                    plan->margin, plan->width, plan->height);
    plan->full_width = plan->width + 2 * plan->margin;
    plan->full_height = plan->height + 2 * plan->margin;
done:
    return status;
}

static void add_tap(struct plan *plan, struct layer layer)
{
    int at = plan->tap_count;
    for (int i = 0; i < plan->tap_count; i++)
        if (layer_compare(plan->taps[i], layer) == 0)
            return;
    for (; at > 0 && layer_compare(layer, plan->taps[at - 1]) < 0; at--)
        plan->taps[at] = plan->taps[at - 1];
    plan->taps[at] = layer;
    plan->tap_count++;
}

int plan_layers(const struct params *params, struct plan *plan, struct error *err)
{
    int status = 0;
    if (params->content_weight > 0)
        TRY(layer_list_parse(params->content_layers, &plan->content, err));
    if (params->style_weight > 0)
        TRY(layer_list_parse(params->style_layers, &plan->style, err));
    for (int i = 0; i < plan->content.count; i++)
        add_tap(plan, plan->content.layer[i]);
    for (int i = 0; i < plan->style.count; i++)
        add_tap(plan, plan->style.layer[i]);
    plan->convs = network_convs(plan->taps, plan->tap_count);
    if (plan->convs == 0) /* total variation alone: weights have at least one layer */
        plan->convs = 1;
done:
    return status;
}

/* Poolings floor: pool5 has nothing left of fewer than 32 px. */
static int check_not_empty(const struct layer_list *list, const char *what, int width, int height,
                           struct error *err)
{
    for (int i = 0; i < list->count; i++) {
        int layer_width, layer_height;
        char name[LAYER_NAME];
        layer_size(list->layer[i], height, width, &layer_height, &layer_width);
        layer_name(list->layer[i], name);
        if (layer_width < 1 || layer_height < 1)
            return fail(err, E_INPUT,
                        "%s would be %d x %d px: layer '%s' needs at least %d px on each side",
                        what, width, height, name, 2 * SIDE_MIN);
    }
    return 0;
}

static int check_layers(const struct plan *plan, struct error *err)
{
    int status = 0, width = plan->full_width, height = plan->full_height;
    TRY(check_not_empty(&plan->content, "the picture", width, height, err));
    TRY(check_not_empty(&plan->style, "the picture", width, height, err));
    TRY(check_not_empty(&plan->style, "the style image", plan->style_width, plan->style_height,
                        err));
done:
    return status;
}

/* Multiplications and additions of one forward pass, done the plain way. */
static double forward_flop(int height, int width, const struct layer *layers, int count)
{
    double flop = 0;
    for (int i = 0; i < network_convs(layers, count); i++) {
        int h, w;
        layer_size((struct layer){i, LAYER_RELU}, height, width, &h, &w);
        flop += 2.0 * 9 * vgg19_convs[i].in * vgg19_convs[i].out * h * w;
    }
    return flop;
}

static double gram_flop(int height, int width, const struct layer_list *style)
{
    double flop = 0;
    for (int i = 0; i < style->count; i++) {
        int h, w, channels = layer_channels(style->layer[i]);
        layer_size(style->layer[i], height, width, &h, &w);
        flop += 2.0 * h * w * channels * channels;
    }
    return flop;
}

static void plan_work(struct plan *plan)
{
    int height = plan->full_height, width = plan->full_width;
    plan->flop = 2 * forward_flop(height, width, plan->taps, plan->tap_count) +
                 2 * gram_flop(height, width, &plan->style);
    plan->target_flop =
        forward_flop(height, width, plan->content.layer, plan->content.count) +
        forward_flop(plan->style_height, plan->style_width, plan->style.layer, plan->style.count) +
        gram_flop(plan->style_height, plan->style_width, &plan->style);
}

/* What the program and its libraries take before any picture: measured with an empty plan. */
static const uint64_t program_bytes = 28u << 20;
static const uint64_t thread_bytes = 4u << 20;

enum arithmetic plan_arithmetic(const struct params *params)
{
    bool wanted = params->precision == PRECISION_BF16 ||
                  (params->precision == PRECISION_AUTO && params->iterations > 1);
    return wanted && !conv_missing(ARITHMETIC_BF16) ? ARITHMETIC_BF16 : ARITHMETIC_F32;
}

enum saving plan_saving(const struct plan *plan)
{
    return network_saving(plan->full_height, plan->full_width);
}

/* The weights of the first `convs` convolutions as they came. */
static uint64_t plain_weight_bytes(int convs)
{
    uint64_t bytes = 0;
    for (int i = 0; i < convs; i++)
        bytes += 9 * sizeof(float) * (uint64_t)vgg19_convs[i].in * (uint64_t)vgg19_convs[i].out;
    return bytes;
}

/* The most that a run in one arithmetic takes beside the program. Its stages: weights are prepared,
 * images read, targets captured, and then, without the images, the picture is optimised. Weights as
 * they came are kept on only where another arithmetic follows. */
static uint64_t run_bytes(const struct params *params, const struct plan *plan,
                          enum arithmetic arithmetic)
{
    size_t values = 3 * (size_t)plan->full_width * (size_t)plan->full_height;
    uint64_t plain = plain_weight_bytes(plan->convs);
    bool kept_on = params->precision == PRECISION_AUTO && arithmetic == ARITHMETIC_BF16;
    uint64_t images = sizeof(float) * ((uint64_t)values + 3 * (uint64_t)plan->style_width *
                                                              (uint64_t)plan->style_height);
    uint64_t most = larger(
        images + larger(plan->reading_bytes, objective_capture_bytes(params, plan, arithmetic)),
        objective_bytes(params, plan, arithmetic) + optimiser_bytes(params, values));
    return network_bytes(plan->convs, arithmetic, plan_saving(plan)) +
           larger(plain, (kept_on ? plain : 0) + most);
}

/* What getting at the weights takes. A file's are read to the last layer, for their digest, from
 * pages or from a process that hold as much again; the built-in network's come from half-precision
 * pages. */
static uint64_t loading_bytes(const struct params *params, const struct plan *plan)
{
    enum network_kind kind = NETWORK_FILE;
    uint64_t seed, plain = plain_weight_bytes(plan->convs);
    if (network_name_parse(params->weights, &kind, &seed, NULL) != 0 || kind == NETWORK_FILE)
        return 2 * plain_weight_bytes(VGG19_CONVS);
    return kind == NETWORK_BUILTIN ? plain + plain / 2 : plain;
}

static void plan_memory(const struct params *params, struct plan *plan)
{
    enum arithmetic arithmetic = plan_arithmetic(params);
    uint64_t most = run_bytes(params, plan, arithmetic);
    if (params->precision == PRECISION_AUTO && arithmetic != ARITHMETIC_F32)
        most = larger(most, run_bytes(params, plan, ARITHMETIC_F32));
    most = larger(most, loading_bytes(params, plan));
    plan->memory_bytes = program_bytes + thread_bytes * (uint64_t)threads_count() + most;
}

int plan_make_sized(const struct params *params, const struct plan_sizes *sizes, struct plan *plan,
                    struct error *err)
{
    int status = 0;
    struct plan made = {0};
    TRY(conv_check(err));
    const char *missing =
        params->precision == PRECISION_BF16 ? conv_missing(ARITHMETIC_BF16) : NULL;
    if (missing)
        return fail(err, E_INPUT, "precision bf16 needs %s: use f32 or auto", missing);
    TRY(plan_sides(params, sizes, &made, err));
    TRY(plan_layers(params, &made, err));
    TRY(check_layers(&made, err));
    plan_work(&made);
    plan_memory(params, &made);
    *plan = made;
done:
    return status;
}

int plan_make(const struct params *params, struct plan *plan, struct error *err)
{
    struct plan_sizes sizes = {0};
    int status = probe_sizes(params, &sizes, err);
    return status != 0 ? status : plan_make_sized(params, &sizes, plan, err);
}

/* What is named must still fit a moment later, when others have taken a little more: it leaves this
 * percentage of what is free now. */
enum { SPARE_PERCENT = 5 };

/* The largest longer side, a multiple of 16 below `longer`, whose plan fits with that to spare, or
 * 0. One by one, as a larger picture may take less memory (network_saving). */
static int largest_size(const struct params *params, int longer, uint64_t free)
{
    struct plan plan;
    struct plan_sizes sizes = {0};
    struct params trial = *params;
    uint64_t available = free / 100 * (100 - SPARE_PERCENT);
    if (probe_sizes(params, &sizes, NULL) != 0)
        return 0;
    trial.size = (longer - 1) / 16 * 16;
    while (trial.size > 0 &&
           !(plan_make_sized(&trial, &sizes, &plan, NULL) == 0 && plan.memory_bytes <= available))
        trial.size -= 16;
    return (int)trial.size;
}

int plan_check_memory(const struct params *params, const struct plan *plan, uint64_t available,
                      struct error *err)
{
    if (plan->memory_bytes <= available)
        return 0;
    int longer = plan->width > plan->height ? plan->width : plan->height;
    int size = largest_size(params, longer, available);
    char advice[160];
    if (size > 0)
        snprintf(advice, sizeof advice, "size %d would fit, with %d %% of that to spare", size,
                 SPARE_PERCENT);
    else if (plan->reading_bytes > available / 2)
        snprintf(advice, sizeof advice,
                 "no size fits, since reading the larger image takes %.1f GB: make it smaller",
                 (double)plan->reading_bytes * 1e-9);
    else
        snprintf(advice, sizeof advice, "not even the smallest picture fits");
    return fail(err, E_INPUT,
                "a picture of %d x %d px needs about %.1f GB of memory, %.1f GB are free: %s",
                plan->width, plan->height, (double)plan->memory_bytes * 1e-9,
                (double)available * 1e-9, advice);
}
