/* One evaluation of the keras preset (loss and gradient, block5_conv2 and the five style layers),
 * timed on demand so that another program can be timed in between.
 *
 *   bench_evaluation WIDTH HEIGHT [bf16]
 *       for each line of stdin: one evaluation, one line out: wall seconds, processor seconds, then
 *       the seconds of each stage
 *   bench_evaluation WIDTH HEIGHT steps [bf16]
 *       an outer iteration of 20 evaluations: the optimiser's share
 *   bench_evaluation WIDTH HEIGHT memory [bf16]
 *       one evaluation, then the peak resident bytes */
#include "clock.h"
#include "memory.h"
#include "objective.h"
#include "optimiser.h"
#include "profile.h"
#include "threads.h"
#include "weights.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

struct bench {
    struct params params;
    struct plan plan;
    struct network *network;
    struct objective *objective;
    enum arithmetic arithmetic;
    size_t values;
    double *x, *gradient;
};

static void must(int status, const struct error *err)
{
    if (status == 0)
        return;
    fprintf(stderr, "bench_evaluation: %s\n", err->message);
    exit(1);
}

/* Soft blobs, different for each seed. */
static float *picture(int width, int height, int seed)
{
    float *rgb = floats_new((size_t)width * (size_t)height * 3);
    if (!rgb)
        exit(1);
    for (int i = 0; i < height; i++)
        for (int j = 0; j < width; j++)
            for (int c = 0; c < 3; c++)
                rgb[((size_t)i * (size_t)width + (size_t)j) * 3 + (size_t)c] =
                    (float)((i * (3 + seed) + j * (5 + c)) % 256);
    return rgb;
}

/* The plan of a picture that is in no file. */
static struct plan plan_of(const struct params *params, int width, int height, struct error *err)
{
    struct plan plan = {.width = width,
                        .height = height,
                        .full_width = width,
                        .full_height = height,
                        .style_width = width,
                        .style_height = height};
    must(plan_layers(params, &plan, err), err);
    return plan;
}

static void set_up(struct bench *bench, int width, int height)
{
    struct error err = {0};
    struct vgg19_weights weights;
    params_init(&bench->params);
    must(params_set(&bench->params, PARAM_content, "none", &err), &err);
    must(params_set(&bench->params, PARAM_style, "none", &err), &err);
    must(params_set(&bench->params, PARAM_output, "none", &err), &err);
    must(params_set(&bench->params, PARAM_preset, "keras", &err), &err);
    must(params_set(&bench->params, PARAM_iterations, "1", &err), &err);
    must(params_set(&bench->params, PARAM_maxfun, "20", &err), &err);
    must(params_resolve(&bench->params, &err), &err);
    bench->plan = plan_of(&bench->params, width, height, &err);
    must(weights_load("builtin", CONVENTION_AUTO, bench->plan.convs, &weights, &err), &err);
    must(network_new(&weights, bench->params.pooling, bench->arithmetic, plan_saving(&bench->plan),
                     &bench->network, &err),
         &err);
    vgg19_weights_release(&weights);
    float *content = picture(width, height, 1), *style = picture(width, height, 7);
    must(objective_new(&bench->params, &bench->plan, bench->network, content, style,
                       &bench->objective, &err),
         &err);
    bench->values = (size_t)width * (size_t)height * 3;
    bench->x = malloc(bench->values * sizeof *bench->x);
    bench->gradient = malloc(bench->values * sizeof *bench->gradient);
    for (size_t i = 0; i < bench->values; i++)
        bench->x[i] = (double)content[i];
    free(content);
    free(style);
}

static void evaluate(struct bench *bench)
{
    struct losses losses;
    objective_evaluate(bench->objective, bench->x, &losses, bench->gradient);
}

static double processor_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
    return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

static void serve(struct bench *bench)
{
    char line[64];
    while (fgets(line, sizeof line, stdin)) {
        double stages[PROFILE_STAGES], start = clock_seconds();
        double processor = processor_seconds();
        profile_take(stages);
        evaluate(bench);
        printf("%.6f %.6f", clock_seconds() - start, processor_seconds() - processor);
        profile_take(stages);
        for (int i = 0; i < PROFILE_STAGES; i++)
            printf(" %s %.6f", profile_name((enum profile_stage)i), stages[i]);
        putchar('\n');
        fflush(stdout);
    }
}

static void run_steps(struct bench *bench)
{
    struct error err = {0};
    struct history history;
    struct render_state state;
    struct optimiser_hooks hooks = {0};
    enum optimiser_end end;
    double stages[PROFILE_STAGES], inside = 0;
    must(objective_history(&bench->plan, &history, &err), &err);
    must(render_state_init(&state, bench->plan.full_height, bench->plan.full_width, 0, &err), &err);
    memcpy(state.picture, bench->x, bench->values * sizeof *bench->x);
    profile_take(stages);
    double start = clock_seconds();
    must(optimiser_run(&bench->params, &bench->plan, bench->objective, &state, &history, &hooks,
                       &end, &err),
         &err);
    double all = clock_seconds() - start;
    profile_take(stages);
    for (int i = 0; i < PROFILE_STAGES; i++)
        inside += stages[i];
    printf("%.6f seconds, of them %.6f in the optimiser (%.1f %%), %lld evaluations\n", all,
           all - inside, 100 * (all - inside) / all, (long long)state.evaluations);
    render_state_release(&state);
    history_release(&history);
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: bench_evaluation WIDTH HEIGHT [steps|memory] [bf16]\n");
        return 2;
    }
    struct bench bench = {0};
    threads_use(0);
    if (argc > 3 && strcmp(argv[argc - 1], "bf16") == 0) {
        bench.arithmetic = ARITHMETIC_BF16;
        argc--;
    }
    set_up(&bench, (int)strtol(argv[1], NULL, 10), (int)strtol(argv[2], NULL, 10));
    if (argc > 3 && strcmp(argv[3], "steps") == 0)
        run_steps(&bench);
    else if (argc > 3) {
        evaluate(&bench);
        printf("%llu\n", (unsigned long long)memory_peak());
    } else
        serve(&bench);
    objective_free(bench.objective);
    network_free(bench.network);
    params_release(&bench.params);
    free(bench.x);
    free(bench.gradient);
    return 0;
}
