#include "targets.h"

#include "gram.h"
#include "kernels.h"
#include "memory.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { WAVE = 1024 }; /* runs whose sums are kept before they are added up */

static double content_scale(int preset, double positions, double channels, double norm)
{
    switch (preset) {
    case PRESET_GATYS:
        return 0.5;
    case PRESET_JOHNSON:
        return 1 / (positions * channels);
    case PRESET_BALANCED:
        return 1 / norm;
    default:
        return 1;
    }
}

static double style_scale(int preset, double positions, double channels, double norm, double pixels,
                          int layers)
{
    switch (preset) {
    case PRESET_GATYS:
        return 1 / (4 * channels * channels);
    case PRESET_JOHNSON:
        return layers / pow(channels, 4);
    case PRESET_BALANCED:
        return 1 / norm;
    default:
        return positions * positions / (4 * 9 * pixels * pixels);
    }
}

static double tv_scale(int preset, double height, double width)
{
    switch (preset) {
    case PRESET_JOHNSON:
        return 0.5;
    case PRESET_BALANCED:
        return 1 / ((height - 1) * (width - 1) * 3 * 255 * 255);
    default:
        return 1;
    }
}

size_t term_elements(const struct term *term) { return term->positions * (size_t)term->channels; }

size_t term_gram_area(const struct term *term)
{
    return (size_t)term->channels * (size_t)term->channels;
}

static int tap_index(const struct plan *plan, struct layer layer)
{
    for (int t = 0; t < plan->tap_count; t++)
        if (layer_compare(plan->taps[t], layer) == 0)
            return t;
    return -1;
}

static void describe_terms(struct term *terms, const struct layer_list *list,
                           const struct plan *plan)
{
    for (int i = 0; i < list->count; i++) {
        int height, width;
        layer_size(list->layer[i], plan->full_height, plan->full_width, &height, &width);
        terms[i] = (struct term){.layer = list->layer[i],
                                 .weight = list->weight[i],
                                 .tap = tap_index(plan, list->layer[i]),
                                 .positions = (size_t)height * (size_t)width,
                                 .channels = layer_channels(list->layer[i])};
    }
}

double sum_of_squares(const float *f, const float *p, size_t count)
{
    const struct kernels *kernels = kernels_get();
    size_t runs = (count + RUN - 1) / RUN;
    double total = 0;
    for (size_t first = 0; first < runs; first += WAVE) {
        double sums[WAVE];
        size_t now = runs - first < WAVE ? runs - first : WAVE;
#pragma omp parallel for schedule(static)
        for (size_t r = 0; r < now; r++) {
            size_t at = (first + r) * RUN;
            sums[r] = kernels->squared_distance(f + at, p ? p + at : NULL,
                                                count - at < RUN ? count - at : RUN);
        }
        for (size_t r = 0; r < now; r++)
            total += sums[r];
    }
    return total;
}

static double sum_of_gram_squares(const struct term *term)
{
    double sum = 0;
    for (size_t i = 0; i < term_gram_area(term); i++)
        sum += term->gram[i] * term->gram[i];
    return sum;
}

struct capture {
    struct term *terms;
    enum arithmetic arithmetic;
    void *gram_scratch;
};

static void capture_style(void *context, int tap, const float *f, size_t positions, int channels)
{
    struct capture *capture = context;
    gram_matrix(f, positions, channels, capture->arithmetic, capture->terms[tap].gram,
                capture->gram_scratch);
}

static void capture_content(void *context, int tap, const float *f, size_t positions, int channels)
{
    struct capture *capture = context;
    memcpy(capture->terms[tap].features, f, positions * (size_t)channels * sizeof *f);
}

/* Runs a picture forward with a loss's own layers as taps. */
static int run_target(const struct network *network, const struct layer_list *layers, int height,
                      int width, const float *picture, network_features *features,
                      struct capture *capture, struct error *err)
{
    struct network_pass *pass = NULL;
    int status =
        network_pass_new(network, height, width, layers->layer, layers->count, false, &pass, err);
    if (status == 0)
        network_forward(pass, picture, features, capture);
    network_pass_free(pass);
    return status;
}

static int refuse_zero(const struct term *term, const char *image, const char *parameter,
                       struct error *err)
{
    char name[LAYER_NAME];
    layer_name(term->layer, name);
    return fail(err, E_INPUT,
                "the %s image has no features at %s (is it one flat colour?): the balanced preset "
                "divides by them; take another picture, other %s, or another preset",
                image, name, parameter);
}

static size_t style_gram_scratch_bytes(const struct plan *plan)
{
    size_t most = 0;
    for (int i = 0; i < plan->style.count; i++) {
        int height, width;
        layer_size(plan->style.layer[i], plan->style_height, plan->style_width, &height, &width);
        size_t bytes = gram_scratch_bytes((size_t)height * (size_t)width,
                                          layer_channels(plan->style.layer[i]));
        most = bytes > most ? bytes : most;
    }
    return most;
}

static int capture_styles(const struct params *params, const struct plan *plan,
                          const struct network *network, const float *style, struct targets *o,
                          struct error *err)
{
    int status = 0;
    double pixels = (double)plan->full_height * plan->full_width;
    if (o->style_count == 0)
        return 0;
    struct capture capture = {.terms = o->style, .arithmetic = network_arithmetic(network)};
    for (int i = 0; i < o->style_count; i++) {
        struct term *term = &o->style[i];
        term->gram = malloc(term_gram_area(term) * sizeof *term->gram);
        term->direction = floats_new(gram_direction_bytes(term->channels) / sizeof(float));
        if (!term->gram || !term->direction)
            return fail(err, E_ENVIRONMENT, "not enough memory for the style's Gram matrices");
    }
    capture.gram_scratch = floats_new(style_gram_scratch_bytes(plan) / sizeof(float));
    if (!capture.gram_scratch)
        return fail(err, E_ENVIRONMENT, "not enough memory for the style's Gram matrices");
    TRY(run_target(network, &plan->style, plan->style_height, plan->style_width, style,
                   capture_style, &capture, err));
    for (int i = 0; i < o->style_count; i++) {
        struct term *term = &o->style[i];
        double norm = sum_of_gram_squares(term);
        if (params->preset == PRESET_BALANCED && !(norm > 0))
            TRY(refuse_zero(term, "style", "style_layers", err));
        term->scale = params->style_weight * term->weight *
                      style_scale(params->preset, (double)term->positions, term->channels, norm,
                                  pixels, o->style_count);
    }
done:
    free(capture.gram_scratch);
    return status;
}

static int capture_contents(const struct params *params, const struct plan *plan,
                            const struct network *network, const float *content, struct targets *o,
                            struct error *err)
{
    int status = 0;
    struct capture capture = {.terms = o->content};
    if (o->content_count == 0)
        return 0;
    for (int i = 0; i < o->content_count; i++) {
        o->content[i].features = floats_new(term_elements(&o->content[i]));
        if (!o->content[i].features)
            return fail(err, E_ENVIRONMENT, "not enough memory for the content's features");
    }
    TRY(run_target(network, &plan->content, plan->full_height, plan->full_width, content,
                   capture_content, &capture, err));
    for (int i = 0; i < o->content_count; i++) {
        struct term *term = &o->content[i];
        double norm = sum_of_squares(term->features, NULL, term_elements(term));
        if (params->preset == PRESET_BALANCED && !(norm > 0))
            TRY(refuse_zero(term, "content", "content_layers", err));
        term->scale = params->content_weight * term->weight *
                      content_scale(params->preset, (double)term->positions, term->channels, norm);
    }
done:
    return status;
}

void targets_describe(const struct plan *plan, struct targets *targets)
{
    *targets =
        (struct targets){.content_count = plan->content.count, .style_count = plan->style.count};
    describe_terms(targets->content, &plan->content, plan);
    describe_terms(targets->style, &plan->style, plan);
}

int targets_capture(const struct params *params, const struct plan *plan,
                    const struct network *network, const float *content, const float *style,
                    struct targets *targets, struct error *err)
{
    int status = 0;
    targets_describe(plan, targets);
    TRY(capture_styles(params, plan, network, style, targets, err));
    TRY(capture_contents(params, plan, network, content, targets, err));
done:
    return status;
}

void targets_release(struct targets *targets)
{
    for (int i = 0; i < targets->content_count; i++)
        free(targets->content[i].features);
    for (int i = 0; i < targets->style_count; i++) {
        free(targets->style[i].gram);
        free(targets->style[i].direction);
    }
    *targets = (struct targets){0};
}

uint64_t targets_bytes(const struct targets *targets)
{
    uint64_t bytes = 0;
    for (int i = 0; i < targets->content_count; i++)
        bytes += term_elements(&targets->content[i]) * sizeof(float);
    for (int i = 0; i < targets->style_count; i++)
        bytes += term_gram_area(&targets->style[i]) * sizeof(double) +
                 gram_direction_bytes(targets->style[i].channels);
    return bytes;
}

uint64_t targets_capture_bytes(const struct params *params, const struct plan *plan,
                               enum arithmetic arithmetic)
{
    if (plan->style.count == 0)
        return 0;
    return style_gram_scratch_bytes(plan) +
           network_pass_bytes(params->pooling, arithmetic, plan->style_height, plan->style_width,
                              plan->style.layer, plan->style.count, false);
}

double targets_tv_scale(const struct params *params, const struct plan *plan)
{
    return params->tv_weight * tv_scale(params->preset, plan->full_height, plan->full_width);
}
