/* atelier bench: how fast this machine evaluates, and where the time goes. */
#include "command.h"

#include "clock.h"
#include "conv.h"
#include "kernels.h"
#include "memory.h"
#include "network.h"
#include "numbers.h"
#include "numerics.h"
#include "objective.h"
#include "outlet.h"
#include "plan.h"
#include "profile.h"
#include "threads.h"
#include "weights.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { LIST_MAX = 16, PROBE_ROUNDS = 1 << 20, PROBE_TRIES = 5 };

struct whole_list {
    int64_t value[LIST_MAX];
    size_t count;
};

struct options {
    struct whole_list sizes, threads;
    int precision; /* the position in "all f32 bf16" */
    double seconds;
    bool json;
};

/* One row of the result. */
struct measurement {
    int size, threads;
    enum arithmetic arithmetic;
    bool fits;
    double seconds; /* of the fastest evaluation; the rest belongs to the same one */
    double flop;    /* of its convolutions and Gram matrices, done the plain way */
    double stage[PROFILE_STAGES];
    double forward[VGG19_CONVS], backward[VGG19_CONVS];
    int convs;
};

/* --- options --- */

static int set_list(const struct argument *row, const char *text, struct error *err)
{
    struct whole_list *list = row->value;
    list->count = 0;
    while (*text) {
        char *end;
        long value = strtol(text, &end, 10);
        if (end == text || (*end && *end != ',') || value < (long)row->low ||
            value > (long)row->high || list->count == LIST_MAX)
            return fail(err, E_INPUT,
                        "--%s must be up to %d whole numbers from %g to %g with commas between, "
                        "got '%s'",
                        row->name, LIST_MAX, row->low, row->high, text);
        list->value[list->count++] = value;
        text = *end ? end + 1 : end;
    }
    return list->count ? 0 : fail(err, E_INPUT, "--%s has no number", row->name);
}

static void describe(struct options *o, struct form *form)
{
    const struct argument rows[] = {
        OPTION("sizes", CUSTOM, &o->sizes, "LIST", "sides of the square pictures, px (128,256,512)",
               .low = 32, .high = 8192, .set = set_list),
        OPTION("threads", CUSTOM, &o->threads, "LIST", "numbers of threads (1 and all)", .low = 1,
               .high = 4096, .set = set_list),
        OPTION("precision", CHOICE, &o->precision, "WORD", "all, f32 or bf16 (all)",
               .choices = "all f32 bf16"),
        OPTION("seconds", REAL, &o->seconds, "S", "how long each row may take (2)", .low = 0.01,
               .high = 3600),
        OPTION("json", FLAG, &o->json, NULL, "everything, as JSON"),
    };
    *form = (struct form){
        .usage = "[options]",
        .text =
            "Evaluates made-up pictures (keras preset: loss and gradient, block5_conv2 and five\n"
            "style layers, builtin weights) and says how many evaluations a second this machine\n"
            "does by size, precision and threads, and where the time goes. GFLOP/s count every\n"
            "convolution as done the plain way: Winograd does a quarter of that, and so may pass\n"
            "the peak, which a short loop of multiply-adds in registers measures.",
        .exit_codes = "0 done; 2 wrong input; 3 memory",
    };
    form_add(form, rows, sizeof rows / sizeof *rows);
}

void describe_bench(struct form *form)
{
    static struct options options;
    describe(&options, form);
}

/* --- the peak --- */

/* FLOP/s of all threads together; 0 where there is no such arithmetic. */
static double peak(float (*probe)(long rounds), double flop_a_round)
{
    double best = 0, sink = 0;
    int threads = threads_count();
    for (int i = 0; probe && i < PROBE_TRIES; i++) {
        double start = clock_seconds();
#pragma omp parallel for schedule(static, 1) reduction(+ : sink)
        for (int t = 0; t < threads; t++)
            sink += (double)probe(PROBE_ROUNDS);
        double rate = threads * flop_a_round * PROBE_ROUNDS / (clock_seconds() - start);
        best = rate > best ? rate : best;
    }
    return sink < 0 ? 0 : best; /* never below 0: the sum must not be optimised away */
}

static double peak_of(enum arithmetic arithmetic, int threads)
{
    const struct kernels *kernels = kernels_get();
    threads_use(threads);
    return arithmetic == ARITHMETIC_BF16 ? peak(kernels->probe_bf16, 2 * kernels->probe_flop)
                                         : peak(kernels->probe, kernels->probe_flop);
}

/* --- one row --- */

static int keras_params(struct params *params, struct error *err)
{
    static const struct {
        enum param_id id;
        const char *text;
    } settings[] = {{PARAM_content, "none"},
                    {PARAM_style, "none"},
                    {PARAM_output, "none"},
                    {PARAM_preset, "keras"},
                    {PARAM_size, "0"}};
    int status = 0;
    params_init(params);
    for (size_t i = 0; i < sizeof settings / sizeof *settings; i++)
        TRY(params_set(params, settings[i].id, settings[i].text, err));
    TRY(params_resolve(params, err));
done:
    return status;
}

static float *made_up_picture(int side, int seed)
{
    float *rgb = floats_new((size_t)side * (size_t)side * 3);
    for (int i = 0; rgb && i < side; i++)
        for (int j = 0; j < side; j++)
            for (int c = 0; c < 3; c++)
                rgb[((size_t)i * (size_t)side + (size_t)j) * 3 + (size_t)c] =
                    (float)((i * (3 + seed) + j * (5 + c)) % 256);
    return rgb;
}

/* Evaluates for `limit` seconds, at least twice, the first of which does not count. */
static void time_evaluations(struct objective *objective, const double *x, double *gradient,
                             double limit, struct measurement *m)
{
    struct losses losses;
    objective_evaluate(objective, x, &losses, gradient);
    double begun = clock_seconds();
    do {
        double stage[PROFILE_STAGES], forward[VGG19_CONVS], backward[VGG19_CONVS];
        profile_take(stage);
        profile_take_convs(forward, backward);
        double start = clock_seconds();
        objective_evaluate(objective, x, &losses, gradient);
        double seconds = clock_seconds() - start;
        profile_take(stage);
        profile_take_convs(forward, backward);
        if (m->seconds > 0 && seconds >= m->seconds)
            continue;
        m->seconds = seconds;
        memcpy(m->stage, stage, sizeof stage);
        memcpy(m->forward, forward, sizeof forward);
        memcpy(m->backward, backward, sizeof backward);
    } while (clock_seconds() - begun < limit);
}

static int measure(const struct params *params, const struct network *network, double limit,
                   struct measurement *m, struct error *err)
{
    int status = 0;
    struct plan plan;
    struct objective *objective = NULL;
    struct image_size side = {.width = m->size, .height = m->size};
    struct plan_sizes sizes = {.content = side, .style = side, .init = side};
    size_t values = 3 * (size_t)m->size * (size_t)m->size;
    float *content = made_up_picture(m->size, 1), *style = made_up_picture(m->size, 7);
    double *x = calloc(values, sizeof *x), *gradient = calloc(values, sizeof *gradient);
    if (!content || !style || !x || !gradient) {
        status = fail(err, E_ENVIRONMENT, "not enough memory for a picture of %d px", m->size);
        goto done;
    }
    TRY(plan_make_sized(params, &sizes, &plan, err));
    m->flop = plan.flop;
    m->convs = plan.convs;
    m->fits = plan.memory_bytes <= memory_available();
    if (!m->fits)
        goto done;
    TRY(objective_new(params, &plan, network, content, style, &objective, err));
    for (size_t i = 0; i < values; i++)
        x[i] = (double)content[i];
    time_evaluations(objective, x, gradient, limit, m);
done:
    objective_free(objective);
    free(content);
    free(style);
    free(x);
    free(gradient);
    return status;
}

/* --- telling --- */

static double rate(const struct measurement *m) { return m->flop / m->seconds; }

static void print_row(const struct measurement *m, double highest)
{
    const char *name = m->arithmetic == ARITHMETIC_BF16 ? "bf16" : "f32";
    if (!m->fits)
        printf("%5d px   %-9s %7d   does not fit into memory\n", m->size, name, m->threads);
    else
        printf("%5d px   %-9s %7d %15.2f %10.4f %9.0f %9.2f\n", m->size, name, m->threads,
               1 / m->seconds, m->seconds, 1e-9 * rate(m), rate(m) / highest);
    fflush(stdout);
}

static double conv_flop(int conv, int side)
{
    int height, width;
    layer_size((struct layer){conv, LAYER_CONV}, side, side, &height, &width);
    return 2.0 * 9 * vgg19_convs[conv].in * vgg19_convs[conv].out * height * width;
}

static void print_parts(const struct measurement *m)
{
    double left = m->seconds;
    printf("\n%d px, %s, %d thread%s: ms\n", m->size,
           m->arithmetic == ARITHMETIC_BF16 ? "bf16" : "f32", m->threads,
           m->threads == 1 ? "" : "s");
    printf("layer     engine          forward  backward   GFLOP/s\n");
    for (int i = 0; i < m->convs; i++) {
        char name[LAYER_NAME];
        layer_name((struct layer){i, LAYER_CONV}, name);
        printf("%-9s %-14s %8.2f %9.2f %9.0f\n", name,
               conv_engine(vgg19_convs[i].in, vgg19_convs[i].out, m->arithmetic),
               1e3 * m->forward[i], 1e3 * m->backward[i],
               2e-9 * conv_flop(i, m->size) / (m->forward[i] + m->backward[i]));
    }
    printf("stage    ");
    for (int i = 0; i < PROFILE_STAGES; i++) {
        printf(" %s %.2f", profile_name((enum profile_stage)i), 1e3 * m->stage[i]);
        left -= m->stage[i];
    }
    printf(" rest %.2f\n", 1e3 * left);
}

static json_t *row_json(const struct measurement *m, double highest)
{
    if (!m->fits)
        return json_pack("{si ss si sb}", "size_px", m->size, "precision",
                         m->arithmetic == ARITHMETIC_BF16 ? "bf16" : "f32", "threads", m->threads,
                         "fits", false);
    json_t *layers = json_array(), *stages = json_object();
    for (int i = 0; i < m->convs; i++) {
        char name[LAYER_NAME];
        layer_name((struct layer){i, LAYER_CONV}, name);
        json_array_append_new(
            layers, json_pack("{ss ss sf sf}", "layer", name, "engine",
                              conv_engine(vgg19_convs[i].in, vgg19_convs[i].out, m->arithmetic),
                              "forward_s", m->forward[i], "backward_s", m->backward[i]));
    }
    for (int i = 0; i < PROFILE_STAGES; i++)
        json_object_set_new(stages, profile_name((enum profile_stage)i), json_real(m->stage[i]));
    return json_pack("{si ss si sb sf sf sf sf so so}", "size_px", m->size, "precision",
                     m->arithmetic == ARITHMETIC_BF16 ? "bf16" : "f32", "threads", m->threads,
                     "fits", true, "seconds", m->seconds, "evaluations_per_second", 1 / m->seconds,
                     "flop_per_second", rate(m), "of_peak", rate(m) / highest, "layers", layers,
                     "stages_s", stages);
}

/* --- all rows --- */

struct table {
    const struct options *options;
    struct params params;
    struct vgg19_weights weights;
    json_t *rows; /* NULL: print */
};

/* Every size at one number of threads in one arithmetic; the parts of the last that fits. */
static int run_group(struct table *table, enum arithmetic arithmetic, int threads,
                     struct error *err)
{
    int status = 0;
    struct network *network = NULL;
    struct measurement last = {0};
    double highest = peak_of(arithmetic, threads);
    if (!table->rows)
        printf("peak of %d thread%s, %s: %.0f GFLOP/s\n", threads, threads == 1 ? "" : "s",
               arithmetic == ARITHMETIC_BF16 ? "bfloat16" : "float32", 1e-9 * highest);
    table->params.precision = arithmetic == ARITHMETIC_BF16 ? PRECISION_BF16 : PRECISION_F32;
    for (size_t i = 0; i < table->options->sizes.count; i++) {
        struct measurement m = {.size = (int)table->options->sizes.value[i],
                                .threads = threads,
                                .arithmetic = arithmetic};
        TRY(network_new(&table->weights, table->params.pooling, arithmetic,
                        network_saving(m.size, m.size), &network, err));
        TRY(measure(&table->params, network, table->options->seconds, &m, err));
        network_free(network);
        network = NULL;
        if (table->rows)
            json_array_append_new(table->rows, row_json(&m, highest));
        else
            print_row(&m, highest);
        if (m.fits)
            last = m;
    }
    if (!table->rows && last.fits)
        print_parts(&last);
    if (!table->rows)
        putchar('\n');
done:
    network_free(network);
    return status;
}

static int run(struct table *table, struct error *err)
{
    int status = 0, precision = table->options->precision;
    TRY(keras_params(&table->params, err));
    TRY(weights_load("builtin", CONVENTION_AUTO, 14, &table->weights, err));
    if (!table->rows)
        printf("%s\n", numerics_instruction_set());
    for (size_t t = 0; t < table->options->threads.count; t++)
        for (int a = ARITHMETIC_F32; a <= ARITHMETIC_BF16; a++) {
            if ((precision != 0 && precision - 1 != a) || conv_missing((enum arithmetic)a))
                continue;
            if (!table->rows)
                printf(
                    "    size   precision threads   evaluations/s  s each   GFLOP/s   of peak\n");
            TRY(run_group(table, (enum arithmetic)a, (int)table->options->threads.value[t], err));
        }
done:
    return status;
}

int command_bench(int argc, char **argv)
{
    int status = 0, all = threads_available();
    bool helped;
    struct error error = {0};
    struct options options = {
        .sizes = {{128, 256, 512}, 3}, .threads = {{1, all}, all > 1 ? 2 : 1}, .seconds = 2};
    struct form form;
    struct table table = {.options = &options};
    describe(&options, &form);
    TRY(command_parse(argc, argv, &form, &helped, &error));
    if (helped)
        goto done;
    if (options.precision == 2 && conv_missing(ARITHMETIC_BF16)) {
        status = fail(&error, E_INPUT, "precision bf16 needs %s", conv_missing(ARITHMETIC_BF16));
        goto done;
    }
    table.rows = options.json ? json_array() : NULL;
    TRY(run(&table, &error));
    if (options.json) {
        json_t *root =
            json_pack("{ss sO}", "instruction_set", numerics_instruction_set(), "rows", table.rows);
        if (!root || json_dumpf(root, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(6)) != 0)
            status = fail(&error, E_ENVIRONMENT, "not enough memory to print it");
        putchar('\n');
        json_decref(root);
    }
done:
    if (status != 0)
        outlet_error("bench", &error);
    json_decref(table.rows);
    params_release(&table.params);
    vgg19_weights_release(&table.weights);
    return status;
}
