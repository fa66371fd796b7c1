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
#include "targets.h"
#include "tv.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct objective {
    const struct plan *plan;
    struct network_pass *pass;
    struct targets targets;
    double tv_scale, tv_power;
    enum arithmetic arithmetic;
    double *row_sums; /* scratch: one sum a row of the picture */
    void *gram_scratch;
    float *picture, *dpicture;
    struct losses *losses; /* being filled */
};

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

static int allocate(struct objective *o, struct error *err)
{
    size_t values = (size_t)o->plan->full_height * (size_t)o->plan->full_width * 3;
    o->gram_scratch =
        floats_new(gram_scratch_most(o->targets.style, o->targets.style_count) / sizeof(float));
    o->row_sums = malloc((size_t)o->plan->full_height * sizeof *o->row_sums);
    o->picture = floats_new(values);
    o->dpicture = floats_new(values);
    if (!o->gram_scratch || !o->row_sums || !o->picture || !o->dpicture)
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
    o->arithmetic = network ? network_arithmetic(network) : ARITHMETIC_F32;
    o->tv_power = params->preset == PRESET_KERAS || params->preset == PRESET_GDL ? 1.25 : 1;
    o->tv_scale = targets_tv_scale(params, plan);
    TRY(targets_capture(params, plan, network, content, style, &o->targets, err));
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
    targets_release(&o->targets);
    network_pass_free(o->pass);
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
    double slope = 2 / (double)term->positions * 2 * term->scale;
    return term->scale * gram_compare(f, term->positions, term->channels, o->arithmetic, term->gram,
                                      slope, term->direction, o->gram_scratch);
}

static void on_features(void *context, int tap, const float *f, size_t positions, int channels)
{
    struct objective *o = context;
    double start = clock_seconds();
    for (int i = 0; i < o->targets.content_count; i++)
        if (o->targets.content[i].tap == tap)
            o->losses->layer[i] =
                o->targets.content[i].scale *
                sum_of_squares(f, o->targets.content[i].features, positions * (size_t)channels);
    start = profile_add(PROFILE_PIXELS, start);
    for (int i = 0; i < o->targets.style_count; i++)
        if (o->targets.style[i].tap == tap)
            o->losses->layer[o->targets.content_count + i] =
                evaluate_style(o, &o->targets.style[i], f);
    profile_add(PROFILE_GRAM, start);
}

static void add_content_gradient(const struct term *term, const float *f, size_t first,
                                 size_t positions, float *df)
{
    const struct kernels *kernels = kernels_get();
    size_t count = positions * (size_t)term->channels;
    const float *features = term->features + first * (size_t)term->channels;
    float scale = (float)(2 * term->scale);
#pragma omp parallel for schedule(static)
    for (size_t at = 0; at < count; at += RUN)
        kernels->add_difference(f + at, features + at, scale, count - at < RUN ? count - at : RUN,
                                df + at);
}

static void on_gradient(void *context, int tap, const float *f, size_t first, size_t positions,
                        int channels, float *df)
{
    struct objective *o = context;
    double start = clock_seconds();
    for (int i = 0; i < o->targets.content_count; i++)
        if (o->targets.content[i].tap == tap)
            add_content_gradient(&o->targets.content[i], f, first, positions, df);
    start = profile_add(PROFILE_PIXELS, start);
    for (int i = 0; i < o->targets.style_count; i++)
        if (o->targets.style[i].tap == tap)
            gram_gradient(f, o->targets.style[i].direction, positions, channels, o->arithmetic, df);
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
    for (int i = 0; i < o->targets.content_count; i++)
        losses->content += losses->layer[i];
    for (int i = 0; i < o->targets.style_count; i++)
        losses->style += losses->layer[o->targets.content_count + i];
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

uint64_t objective_bytes(const struct params *params, const struct plan *plan,
                         enum arithmetic arithmetic)
{
    struct targets targets;
    targets_describe(plan, &targets);
    uint64_t pixels = (uint64_t)plan->full_height * (uint64_t)plan->full_width;
    uint64_t bytes = targets_bytes(&targets) + 2 * 3 * pixels * sizeof(float) +
                     gram_scratch_most(targets.style, targets.style_count);
    if (plan->tap_count > 0)
        bytes += network_pass_bytes(params->pooling, arithmetic, plan->full_height,
                                    plan->full_width, plan->taps, plan->tap_count, true);
    return bytes;
}

uint64_t objective_capture_bytes(const struct params *params, const struct plan *plan,
                                 enum arithmetic arithmetic)
{
    struct targets targets;
    targets_describe(plan, &targets);
    return targets_bytes(&targets) + targets_capture_bytes(params, plan, arithmetic);
}
