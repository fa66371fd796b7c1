/* With F, P features of the picture and of the content image (M positions x C channels), G the Gram
 * matrix F'F/M, A the style image's, D = G - A, S = picture height x width, w a layer's weight:
 *
 *             content, x w            style                     total variation, s = dx^2 + dy^2
 *   keras     sum (F-P)^2             w M^2 sum D^2 / (36 S^2)  sum s^1.25
 *   gdl       as keras
 *   gatys     sum (F-P)^2 / 2         w sum D^2 / (4 C^2)       sum s
 *   johnson   mean (F-P)^2            n w mean (D/C)^2          sum s / 2
 *   balanced  sum (F-P)^2 / sum P^2   w sum D^2 / sum A^2       mean s / 255^2
 *
 * So every term is a scale times sum (F-P)^2, sum D^2 or sum s^p. Sources: see presets.c. */
#include "objective.h"

#include "clock.h"
#include "gram.h"
#include "kernels.h"
#include "memory.h"
#include "profile.h"
#include "tv.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* One layer of one loss. */
struct term {
    struct layer layer;
    double weight; /* within its list */
    double scale;  /* of the sum of squares, everything included */
    int tap;
    size_t positions; /* of the picture's feature map */
    int channels;
    float *features;  /* content: P */
    double *gram;     /* style: A */
    float *direction; /* style: what gram_gradient takes, left by the forward pass */
};

struct objective {
    const struct plan *plan;
    struct network_pass *pass;
    int content_count, style_count;
    struct term content[LAYERS_MAX], style[LAYERS_MAX];
    double tv_scale, tv_power;
    double *gram, *row_sums; /* scratch: the largest Gram matrix; one sum a row of the picture */
    void *gram_scratch;
    float *picture, *dpicture;
    struct losses *losses; /* being filled */
};

enum { RUN = 1 << 14 }; /* elements to a task; a multiple of every layer's channels */

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

static size_t term_elements(const struct term *term)
{
    return term->positions * (size_t)term->channels;
}

static size_t gram_area(int channels) { return (size_t)channels * (size_t)channels; }

static int tap_index(const struct plan *plan, struct layer layer)
{
    for (int t = 0; t < plan->tap_count; t++)
        if (plan->taps[t].conv == layer.conv && plan->taps[t].kind == layer.kind)
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

/* Sum of (f - p)^2 in runs of fixed size, added in order. */
static double sum_of_squares(const float *f, const float *p, size_t count)
{
    const struct kernels *kernels = kernels_get();
    size_t runs = (count + RUN - 1) / RUN;
    double total = 0;
    enum { WAVE = 1024 };
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

static double sum_of_gram_squares(const double *gram, int channels)
{
    double sum = 0;
    for (size_t i = 0; i < gram_area(channels); i++)
        sum += gram[i] * gram[i];
    return sum;
}

/* --- targets --- */

struct capture {
    struct term *terms;
    void *gram_scratch;
};

static void capture_style(void *context, int tap, const float *f, size_t positions, int channels)
{
    struct capture *capture = context;
    gram_matrix(f, positions, channels, capture->terms[tap].gram, capture->gram_scratch);
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

static int capture_styles(struct objective *o, const struct params *params,
                          const struct network *network, const float *style, struct error *err)
{
    int status = 0;
    const struct plan *plan = o->plan;
    double pixels = (double)plan->full_height * plan->full_width;
    struct capture capture = {.terms = o->style};
    if (o->style_count == 0)
        return 0;
    for (int i = 0; i < o->style_count; i++) {
        struct term *term = &o->style[i];
        term->gram = malloc(gram_area(term->channels) * sizeof *term->gram);
        term->direction = floats_new(gram_area(term->channels));
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
        double norm = sum_of_gram_squares(term->gram, term->channels);
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

static int capture_contents(struct objective *o, const struct params *params,
                            const struct network *network, const float *content, struct error *err)
{
    int status = 0;
    const struct plan *plan = o->plan;
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

/* --- making and freeing --- */

static size_t gram_scratch_most(const struct term *terms, int count)
{
    size_t most = 0;
    for (int i = 0; i < count; i++) {
        size_t bytes = gram_scratch_bytes(terms[i].positions, terms[i].channels);
        most = bytes > most ? bytes : most;
    }
    return most;
}

static int channels_most(const struct term *terms, int count)
{
    int most = 0;
    for (int i = 0; i < count; i++)
        most = terms[i].channels > most ? terms[i].channels : most;
    return most;
}

static int allocate(struct objective *o, struct error *err)
{
    size_t values = (size_t)o->plan->full_height * (size_t)o->plan->full_width * 3;
    o->gram = malloc(gram_area(channels_most(o->style, o->style_count)) * sizeof *o->gram + 1);
    o->gram_scratch = floats_new(gram_scratch_most(o->style, o->style_count) / sizeof(float));
    o->row_sums = malloc((size_t)o->plan->full_height * sizeof *o->row_sums);
    o->picture = floats_new(values);
    o->dpicture = floats_new(values);
    if (!o->gram || !o->gram_scratch || !o->row_sums || !o->picture || !o->dpicture)
        return fail(err, E_ENVIRONMENT, "not enough memory for a %d x %d px picture",
                    o->plan->full_width, o->plan->full_height);
    return 0;
}

int objective_new(const struct params *params, const struct plan *plan,
                  const struct network *network, const float *content, const float *style,
                  struct objective **objective, struct error *err)
{
    int status = 0;
    struct objective *o = calloc(1, sizeof *o);
    if (!o)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    o->plan = plan;
    o->content_count = plan->content.count;
    o->style_count = plan->style.count;
    describe_terms(o->content, &plan->content, plan);
    describe_terms(o->style, &plan->style, plan);
    o->tv_power = params->preset == PRESET_KERAS || params->preset == PRESET_GDL ? 1.25 : 1;
    o->tv_scale = params->tv_weight * tv_scale(params->preset, plan->full_height, plan->full_width);
    TRY(capture_styles(o, params, network, style, err));
    TRY(capture_contents(o, params, network, content, err));
    TRY(allocate(o, err));
    if (plan->tap_count > 0)
        TRY(network_pass_new(network, plan->full_height, plan->full_width, plan->taps,
                             plan->tap_count, true, &o->pass, err));
    *objective = o;
    o = NULL;
done:
    objective_free(o);
    return status;
}

void objective_free(struct objective *o)
{
    if (!o)
        return;
    for (int i = 0; i < o->content_count; i++)
        free(o->content[i].features);
    for (int i = 0; i < o->style_count; i++) {
        free(o->style[i].gram);
        free(o->style[i].direction);
    }
    network_pass_free(o->pass);
    free(o->gram);
    free(o->gram_scratch);
    free(o->row_sums);
    free(o->picture);
    free(o->dpicture);
    free(o);
}

/* --- evaluation --- */

/* Style loss of one layer; leaves what its gradient needs in term->direction. */
static double evaluate_style(struct objective *o, struct term *term, const float *f)
{
    gram_matrix(f, term->positions, term->channels, o->gram, o->gram_scratch);
    double sum = 0, slope = 2 / (double)term->positions * 2 * term->scale;
    for (size_t i = 0; i < gram_area(term->channels); i++) {
        double difference = o->gram[i] - term->gram[i];
        sum += difference * difference;
        term->direction[i] = (float)(slope * difference);
    }
    return term->scale * sum;
}

static void on_features(void *context, int tap, const float *f, size_t positions, int channels)
{
    struct objective *o = context;
    double start = clock_seconds();
    for (int i = 0; i < o->content_count; i++)
        if (o->content[i].tap == tap)
            o->losses->layer[i] =
                o->content[i].scale *
                sum_of_squares(f, o->content[i].features, positions * (size_t)channels);
    start = profile_add(PROFILE_PIXELS, start);
    for (int i = 0; i < o->style_count; i++)
        if (o->style[i].tap == tap)
            o->losses->layer[o->content_count + i] = evaluate_style(o, &o->style[i], f);
    profile_add(PROFILE_GRAM, start);
}

static void add_content_gradient(const struct term *term, const float *f, float *df)
{
    const struct kernels *kernels = kernels_get();
    size_t count = term_elements(term);
    float scale = (float)(2 * term->scale);
#pragma omp parallel for schedule(static)
    for (size_t at = 0; at < count; at += RUN)
        kernels->add_difference(f + at, term->features + at, scale,
                                count - at < RUN ? count - at : RUN, df + at);
}

static void on_gradient(void *context, int tap, const float *f, size_t positions, int channels,
                        float *df)
{
    struct objective *o = context;
    double start = clock_seconds();
    for (int i = 0; i < o->content_count; i++)
        if (o->content[i].tap == tap)
            add_content_gradient(&o->content[i], f, df);
    start = profile_add(PROFILE_PIXELS, start);
    for (int i = 0; i < o->style_count; i++)
        if (o->style[i].tap == tap)
            gram_gradient(f, o->style[i].direction, positions, channels, df);
    profile_add(PROFILE_GRAM, start);
}

static void to_float(const double *x, size_t count, float *y)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++)
        y[i] = (float)x[i];
}

static void to_double(const float *x, size_t count, double *y)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++)
        y[i] = (double)x[i];
}

/* L2 norm, row by row, rows added in order. */
static double norm(const struct objective *o, const double *g)
{
    int height = o->plan->full_height;
    size_t row = (size_t)o->plan->full_width * 3;
#pragma omp parallel for schedule(static)
    for (int i = 0; i < height; i++) {
        double sum = 0;
        for (size_t k = 0; k < row; k++)
            sum += g[(size_t)i * row + k] * g[(size_t)i * row + k];
        o->row_sums[i] = sum;
    }
    double total = 0;
    for (int i = 0; i < height; i++)
        total += o->row_sums[i];
    return sqrt(total);
}

static void add_up(const struct objective *o, double tv, struct losses *losses)
{
    losses->content = losses->style = 0;
    for (int i = 0; i < o->content_count; i++)
        losses->content += losses->layer[i];
    for (int i = 0; i < o->style_count; i++)
        losses->style += losses->layer[o->content_count + i];
    losses->tv = tv;
    losses->total = losses->content + losses->style + losses->tv;
}

void objective_evaluate(struct objective *o, const double *x, struct losses *losses,
                        double *gradient)
{
    const struct plan *plan = o->plan;
    size_t count = (size_t)plan->full_height * (size_t)plan->full_width * 3;
    double start = clock_seconds(), tv = 0;
    o->losses = losses;
    if (o->pass) {
        to_float(x, count, o->picture);
        profile_add(PROFILE_PIXELS, start);
        network_forward(o->pass, o->picture, on_features, o);
        network_backward(o->pass, on_gradient, o, o->dpicture);
        start = clock_seconds();
        to_double(o->dpicture, count, gradient);
    } else {
        memset(gradient, 0, count * sizeof *gradient);
    }
    if (o->tv_scale > 0)
        tv = o->tv_scale * tv_evaluate(x, plan->full_height, plan->full_width, o->tv_power,
                                       o->tv_scale, gradient, o->row_sums);
    add_up(o, tv, losses);
    losses->gradient_norm = norm(o, gradient);
    profile_add(PROFILE_PIXELS, start);
}

/* --- history and memory --- */

static void name_column(struct history_column *column, const char *loss, struct layer layer)
{
    char name[LAYER_NAME];
    layer_name(layer, name);
    snprintf(column->name, sizeof column->name, "%s_%s", loss, name);
    snprintf(column->title, sizeof column->title, "weighted %s loss at %s", loss, name);
    snprintf(column->unit, sizeof column->unit, "1");
}

int objective_history(const struct plan *plan, struct history *history, struct error *err)
{
    int status = history_init(history, plan->content.count + plan->style.count, err);
    if (status != 0)
        return status;
    struct history_column *column = history->column + H_FIXED;
    for (int i = 0; i < plan->content.count; i++)
        name_column(column++, "content", plan->content.layer[i]);
    for (int i = 0; i < plan->style.count; i++)
        name_column(column++, "style", plan->style.layer[i]);
    return 0;
}

uint64_t objective_bytes(const struct params *params, const struct plan *plan)
{
    struct term content[LAYERS_MAX], style[LAYERS_MAX];
    describe_terms(content, &plan->content, plan);
    describe_terms(style, &plan->style, plan);
    uint64_t targets = 0;
    for (int i = 0; i < plan->content.count; i++)
        targets += term_elements(&content[i]) * sizeof(float);
    for (int i = 0; i < plan->style.count; i++)
        targets += gram_area(style[i].channels) * (sizeof(double) + sizeof(float));
    uint64_t pixels = (uint64_t)plan->full_height * (uint64_t)plan->full_width;
    uint64_t working = 2 * 3 * pixels * sizeof(float) + gram_scratch_most(style, plan->style.count);
    if (plan->tap_count > 0)
        working += network_pass_bytes(params->pooling, plan->full_height, plan->full_width,
                                      plan->taps, plan->tap_count, true);
    uint64_t capturing = 0;
    if (plan->style.count > 0)
        capturing = style_gram_scratch_bytes(plan) +
                    network_pass_bytes(params->pooling, plan->style_height, plan->style_width,
                                       plan->style.layer, plan->style.count, false);
    return targets + (working > capturing ? working : capturing);
}
