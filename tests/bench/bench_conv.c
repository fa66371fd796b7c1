/* Which engine is faster where: every shape of VGG-19 at one picture size, each engine that runs
 * here in turn, the best of some rounds, in ms.
 *   bench_conv WIDTH HEIGHT [ROUNDS] */
#include "check.h"
#include "clock.h"
#include "conv.h"
#include "threads.h"
#include "vgg19.h"

enum { FORWARD, BACKWARD, WAYS };

struct runner {
    const char *name;
    struct conv *conv;
    struct conv_plan *plan;
    void *scratch;
    double best[WAYS];
};

static void runner_init(struct runner *r, const struct vgg19_conv *shape, int height, int width,
                        const float *kernel, const float *bias, enum arithmetic arithmetic)
{
    struct error err = {0};
    setenv("ATELIER_ENGINE", r->name, 1);
    assert_int_equal(
        conv_new(kernel, bias, shape->in, shape->out, arithmetic, SAVE_TIME, &r->conv, &err), 0);
    assert_int_equal(conv_plan_new(r->conv, height, width, true, &r->plan, &err), 0);
    r->scratch = junk_new(conv_plan_scratch_bytes(r->plan));
    r->best[FORWARD] = r->best[BACKWARD] = HUGE_VAL;
}

static void runner_release(struct runner *r)
{
    conv_plan_free(r->plan);
    conv_free(r->conv);
    free(r->scratch);
}

static void run(struct runner *r, const float *x, float *y, mask_word *mask, float *dx)
{
    double start = clock_seconds();
    conv_forward(r->plan, x, true, y, mask, r->scratch);
    double middle = clock_seconds();
    conv_backward_data(r->plan, y, mask, dx, r->scratch);
    r->best[FORWARD] = fmin(r->best[FORWARD], middle - start);
    r->best[BACKWARD] = fmin(r->best[BACKWARD], clock_seconds() - middle);
}

static int available(struct runner runners[CONV_ENGINES], enum arithmetic arithmetics[CONV_ENGINES])
{
    struct conv_engine_info list[CONV_ENGINES];
    int count = 0;
    conv_engines(list);
    for (int i = 0; i < CONV_ENGINES; i++)
        if (!list[i].missing && strcmp(list[i].name, "direct") != 0) {
            arithmetics[count] = list[i].arithmetic;
            runners[count++] = (struct runner){.name = list[i].name};
        }
    return count;
}

static void bench_shape(const struct vgg19_conv *shape, int height, int width, int rounds)
{
    struct runner runners[CONV_ENGINES];
    enum arithmetic arithmetics[CONV_ENGINES];
    int count = available(runners, arithmetics);
    size_t pixels = (size_t)height * (size_t)width;
    size_t in = pixels * (size_t)shape->in, out = pixels * (size_t)shape->out;
    float *kernel = noise_new(1, 9 * (size_t)shape->in * (size_t)shape->out, 0.05f);
    float *bias = noise_new(2, (size_t)shape->out, 0.3f), *x = noise_new(3, in, 1);
    float *y = nan_new(out), *dx = nan_new(in);
    mask_word *mask = junk_new(out / LANES * sizeof *mask);
    for (int i = 0; i < count; i++)
        runner_init(&runners[i], shape, height, width, kernel, bias, arithmetics[i]);
    for (int round = 0; round < rounds; round++)
        for (int i = 0; i < count; i++)
            run(&runners[i], x, y, mask, dx);
    printf("%3d -> %3d %4d x %-4d", shape->in, shape->out, width, height);
    for (int i = 0; i < count; i++) {
        printf("  %7.2f %7.2f", 1e3 * runners[i].best[FORWARD], 1e3 * runners[i].best[BACKWARD]);
        runner_release(&runners[i]);
    }
    printf("\n");
    fflush(stdout);
    free(kernel);
    free(bias);
    free(x);
    free(y);
    free(dx);
    free(mask);
}

int main(int argc, char **argv)
{
    struct runner runners[CONV_ENGINES];
    enum arithmetic arithmetics[CONV_ENGINES];
    int width = argc > 2 ? atoi(argv[1]) : 0, height = argc > 2 ? atoi(argv[2]) : 0;
    int rounds = argc > 3 ? atoi(argv[3]) : 10;
    if (width < 16 || height < 16 || rounds < 1) {
        fprintf(stderr, "usage: bench_conv WIDTH HEIGHT [ROUNDS]\n");
        return 2;
    }
    threads_use(0);
    printf("ms forward, backward  ");
    for (int i = 0, count = available(runners, arithmetics); i < count; i++)
        printf("  %-15s", runners[i].name);
    printf("\n");
    for (int i = 1; i < VGG19_CONVS; i++) {
        int h, w;
        const struct vgg19_conv *shape = &vgg19_convs[i], *last = &vgg19_convs[i - 1];
        layer_size((struct layer){i, LAYER_CONV}, height, width, &h, &w);
        bool same = shape->in == last->in && shape->out == last->out && !last->pooled;
        if (!same)
            bench_shape(shape, h, w, rounds);
    }
    return 0;
}
