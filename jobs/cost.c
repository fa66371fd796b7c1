#include "cost.h"

#include "network.h"
#include "network_name.h"
#include "optimiser.h"
#include "weights.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { TILE_SIDE = 4 };

/* Renders whose experience counts as much as the calibration's. */
static const double prior_weight = 1;

void cost_model_init(struct cost_model *model, const struct calibration *calibration)
{
    *model = (struct cost_model){
        .calibration = *calibration, .seconds_factor = {1, 1, 1}, .bytes_factor = 1};
}

static void scale_layers(struct layer_seconds *layers, double factor)
{
    for (int i = 0; i < VGG19_CONVS; i++)
        for (int k = 0; k < CALIBRATION_SIZES; k++) {
            layers[i].forward[k] *= factor;
            layers[i].backward[k] *= factor;
        }
}

void cost_model_threads(struct cost_model *model, int threads)
{
    struct calibration *c = &model->calibration;
    double doublings = log2((double)threads / c->threads), factor = pow(2 * 0.9, -doublings);
    for (int p = 0; p < CALIBRATION_PRECISIONS; p++) {
        scale_layers(c->conv[p], factor);
        scale_layers(c->gram[p], factor);
    }
    c->content *= factor;
    c->pixel *= factor;
    c->lbfgs_outer *= factor;
    c->lbfgs_step *= factor;
    c->lbfgs_gradient *= factor;
    c->threads = threads;
}

/* --- one layer --- */

/* Positions of a map in whole tiles: engines work on these. */
static double tiled(int height, int width)
{
    int down = (height + TILE_SIDE - 1) / TILE_SIDE, across = (width + TILE_SIDE - 1) / TILE_SIDE;
    return (double)down * across * TILE_SIDE * TILE_SIDE;
}

/* Positions of the calibration's map at this convolution. */
static double measured_positions(int conv, int size)
{
    int h, w, side = calibration_sides[size];
    layer_size((struct layer){conv, LAYER_RELU}, side, side, &h, &w);
    return tiled(h, w);
}

/* Between two measured sizes in a straight line; beyond the ends, on as between the last two. */
static double interpolate(const double *seconds, int conv, double positions)
{
    int upper = 1;
    while (upper < CALIBRATION_SIZES - 1 && positions > measured_positions(conv, upper))
        upper++;
    double x0 = measured_positions(conv, upper - 1), x1 = measured_positions(conv, upper);
    double y0 = seconds[upper - 1], y1 = seconds[upper];
    double line = y0 + (y1 - y0) * (positions - x0) / (x1 - x0);
    double least = seconds[0] * positions / measured_positions(conv, 0);
    return positions < measured_positions(conv, 0) ? fmax(line, least) : fmax(line, 0);
}

static double conv_seconds(const struct calibration *c, int precision, int conv, int height,
                           int width, bool backward)
{
    int h, w;
    const struct layer_seconds *layer = &c->conv[precision][conv];
    layer_size((struct layer){conv, LAYER_RELU}, height, width, &h, &w);
    return interpolate(backward ? layer->backward : layer->forward, conv, tiled(h, w));
}

static double gram_seconds(const struct calibration *c, int precision, struct layer layer,
                           int height, int width, bool backward)
{
    int h, w;
    const struct layer_seconds *gram = &c->gram[precision][layer.conv];
    layer_size(layer, height, width, &h, &w);
    return interpolate(backward ? gram->backward : gram->forward, layer.conv, (double)h * w);
}

/* --- the parts of a render --- */

static double forward_seconds(const struct calibration *c, int precision, int convs, int height,
                              int width)
{
    double seconds = 0;
    for (int i = 0; i < convs; i++)
        seconds += conv_seconds(c, precision, i, height, width, false);
    return seconds;
}

static double values_of(const struct plan *plan)
{
    return 3.0 * plan->full_width * plan->full_height;
}

/* Content loss forward reads two streams, its gradient reads three and writes one. */
static double content_seconds(const struct calibration *c, const struct plan *plan)
{
    double values = 0;
    for (int i = 0; i < plan->content.count; i++) {
        int h, w;
        layer_size(plan->content.layer[i], plan->full_height, plan->full_width, &h, &w);
        values += (double)h * w * layer_channels(plan->content.layer[i]);
    }
    return 3 * c->content * values;
}

/* Loss and gradient. */
static double evaluation_seconds(const struct calibration *c, const struct plan *plan,
                                 int precision)
{
    int height = plan->full_height, width = plan->full_width;
    int convs = plan->tap_count > 0 ? plan->convs : 0;
    double seconds = c->pixel * values_of(plan) + content_seconds(c, plan) +
                     forward_seconds(c, precision, convs, height, width);
    for (int i = 0; i < convs; i++)
        seconds += conv_seconds(c, precision, i, height, width, true);
    for (int i = 0; i < plan->style.count; i++)
        seconds += gram_seconds(c, precision, plan->style.layer[i], height, width, false) +
                   gram_seconds(c, precision, plan->style.layer[i], height, width, true);
    return seconds;
}

static double targets_seconds(const struct calibration *c, const struct plan *plan, int precision)
{
    int content = network_convs(plan->content.layer, plan->content.count);
    int style = network_convs(plan->style.layer, plan->style.count);
    double seconds = forward_seconds(c, precision, content, plan->full_height, plan->full_width) +
                     forward_seconds(c, precision, style, plan->style_height, plan->style_width);
    for (int i = 0; i < plan->style.count; i++)
        seconds += gram_seconds(c, precision, plan->style.layer[i], plan->style_height,
                                plan->style_width, false);
    return seconds;
}

static double file_bytes(const char *name)
{
    char *path = NULL;
    struct stat info;
    double bytes = 0;
    if (weights_path(name, &path, NULL) == 0 && stat(path, &info) == 0)
        bytes = (double)info.st_size;
    free(path);
    return bytes;
}

static double kernel_values(int convs)
{
    double values = 0;
    for (int i = 0; i < convs; i++)
        values += 9.0 * vgg19_convs[i].in * vgg19_convs[i].out;
    return values;
}

static double weights_seconds(const struct calibration *c, const struct params *params,
                              const struct plan *plan, int precision)
{
    enum network_kind kind;
    uint64_t seed;
    double values = kernel_values(plan->convs), seconds = c->prepare[precision] * values;
    if (network_name_parse(params->weights, &kind, &seed, NULL) != 0 || kind != NETWORK_FILE)
        return seconds + c->builtin * values;
    return seconds + c->digest * file_bytes(params->weights);
}

/* Both images at the larger one's size; the picture is compressed for PNG and for HDF5. */
static double files_seconds(const struct calibration *c, const struct plan *plan)
{
    return 2 * c->decode * (double)plan->decoded_bytes +
           2 * c->encode * 3.0 * plan->width * plan->height;
}

double cost_gradients(double steps, double most)
{
    double searches = floor(steps / most), rest = steps - searches * most;
    return (searches * most * (most + 1) + rest * (rest + 1)) / 2;
}

/* Of the optimiser, for an outer iteration of params->maxfun evaluations. */
static double optimiser_seconds(const struct calibration *c, const struct params *params,
                                const struct plan *plan)
{
    double steps = (double)params->maxfun;
    if (params->optimizer == OPTIMIZER_ADAM)
        return values_of(plan) * c->adam_step * steps;
    return values_of(plan) *
           (c->lbfgs_outer + c->lbfgs_step * steps +
            c->lbfgs_gradient * cost_gradients(steps, optimiser_gradients(params)));
}

/* --- a render --- */

static int measured_precision(const struct calibration *c, int precision)
{
    return precision == PRECISION_BF16 && c->measured[1] ? 1 : 0;
}

/* `auto` is taken to stay in bfloat16, where that was measured. */
static double in_its_precision(const struct cost_model *model, const struct params *params,
                               const struct plan *plan,
                               double (*part)(const struct calibration *, const struct plan *, int))
{
    const struct calibration *c = &model->calibration;
    int precision = params->precision == PRECISION_AUTO ? PRECISION_BF16 : params->precision;
    return part(c, plan, measured_precision(c, precision));
}

double cost_of_evaluations(const struct cost_model *model, const struct params *params,
                           const struct plan *plan, double evaluations)
{
    double each = in_its_precision(model, params, plan, evaluation_seconds);
    double outer = optimiser_seconds(&model->calibration, params, plan);
    return evaluations * (each + outer / (double)params->maxfun) *
           model->seconds_factor[params->precision];
}

/* The first step of all takes two evaluations (measured: 2 in every preset); later outer iterations
 * know how long theirs is to be. */
static double evaluations_in_all(const struct params *params)
{
    const double first_search = 2;
    double maxfun = (double)params->maxfun, all = 1 + (double)params->iterations * maxfun;
    if (params->optimizer == OPTIMIZER_LBFGS && params->iterations > 0)
        all += fmax(first_search - maxfun, 0);
    return all;
}

struct cost cost_of(const struct cost_model *model, const struct params *params,
                    const struct plan *plan)
{
    const struct calibration *c = &model->calibration;
    struct cost cost = {.evaluations = evaluations_in_all(params)};
    cost.start_seconds =
        c->launch + files_seconds(c, plan) + c->touch * (double)plan->memory_bytes +
        weights_seconds(c, params, plan, measured_precision(c, params->precision)) +
        in_its_precision(model, params, plan, targets_seconds) *
            model->seconds_factor[params->precision];
    cost.seconds = cost.start_seconds + cost_of_evaluations(model, params, plan, cost.evaluations);
    cost.bytes = (uint64_t)((double)plan->memory_bytes * model->bytes_factor);
    return cost;
}

struct cost cost_predict(const struct cost_model *model, const struct job *job)
{
    return cost_of(model, &job->params, &job->plan);
}

/* --- experience --- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int descending(const void *a, const void *b) { return ascending(b, a); }

/* The median drawn towards 1 by the prior; 1 of nothing. values is sorted. */
static double shrunk_median(double *values, size_t count)
{
    if (count == 0)
        return 1;
    qsort(values, count, sizeof *values, ascending);
    double median = (values[(count - 1) / 2] + values[count / 2]) / 2;
    return exp(log(median) * (double)count / ((double)count + prior_weight));
}

static bool is_ratio(double a, double b) { return a > 0 && b > 0 && isfinite(a / b); }

void cost_model_learn(struct cost_model *model, const struct cost_observation *observations,
                      size_t count)
{
    double *ratios = malloc((count + 1) * sizeof *ratios);
    size_t found;
    if (!ratios)
        return;
    for (int p = 0; p < 3; p++) {
        found = 0;
        for (size_t i = 0; i < count; i++)
            if (observations[i].precision == p &&
                is_ratio(observations[i].seconds, observations[i].predicted))
                ratios[found++] = observations[i].seconds / observations[i].predicted;
        model->learned[p] += (int)found;
        model->seconds_factor[p] *= shrunk_median(ratios, found);
    }
    found = 0;
    for (size_t i = 0; i < count; i++)
        if (is_ratio(observations[i].peak_bytes, observations[i].predicted_bytes))
            ratios[found++] = observations[i].peak_bytes / observations[i].predicted_bytes;
    model->bytes_factor *= shrunk_median(ratios, found);
    free(ratios);
}

/* --- many renders --- */

/* Moves the worker at the heap's top, whose time has grown, to its place: the earliest on top. */
static void sift_down(double *busy, size_t count)
{
    for (size_t at = 0, child; (child = 2 * at + 1) < count; at = child) {
        if (child + 1 < count && busy[child + 1] < busy[child])
            child++;
        if (!(busy[child] < busy[at]))
            return;
        double swapped = busy[at];
        busy[at] = busy[child];
        busy[child] = swapped;
    }
}

double cost_makespan(double *seconds, size_t count, size_t workers)
{
    double last = 0;
    double *busy = calloc(workers > 0 ? workers : 1, sizeof *busy);
    if (!busy || workers == 0) {
        free(busy);
        return HUGE_VAL;
    }
    qsort(seconds, count, sizeof *seconds, descending);
    for (size_t i = 0; i < count; i++) {
        busy[0] += seconds[i];
        last = fmax(last, busy[0]);
        sift_down(busy, workers);
    }
    free(busy);
    return last;
}
