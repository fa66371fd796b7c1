/* The convolution engines against plain loops. */
#include "check.h"
#include "conv.h"
#include "threads.h"
#include "vgg19.h"

struct shape {
    int in, out, height, width;
};

/* Every engine's own bound: the largest error by the largest |output|. */
struct engine {
    const char *name;
    double limit;
};
static const struct engine engines[CONV_ENGINES] = {
    {"columns", 2e-6},     {"winograd", 6e-6},     {"winograd-bf16", 3e-2},
    {"onednn-bf16", 1e-2}, {"onednn-split", 1e-5},
};

static enum arithmetic arithmetic_of(int engine)
{
    struct conv_engine_info list[CONV_ENGINES];
    conv_engines(list);
    assert_string_equal(list[engine].name, engines[engine].name);
    return list[engine].arithmetic;
}

/* Asks for an engine; false where it cannot run here. */
static bool use(int engine)
{
    struct conv_engine_info list[CONV_ENGINES];
    conv_engines(list);
    assert_int_equal(setenv("ATELIER_ENGINE", engines[engine].name, 1), 0);
    return !list[engine].missing;
}

static void use_any(void) { unsetenv("ATELIER_ENGINE"); }

struct problem {
    struct shape shape;
    size_t x_count, y_count;
    float *kernel, *bias, *x, *dy;
};

static struct problem problem_new(struct shape s, uint64_t seed)
{
    struct problem p = {.shape = s};
    size_t pixels = (size_t)s.height * (size_t)s.width;
    p.x_count = pixels * (size_t)s.in;
    p.y_count = pixels * (size_t)s.out;
    p.kernel = noise_new(seed, 9 * (size_t)s.in * (size_t)s.out, (float)sqrt(2.0 / (9.0 * s.in)));
    p.bias = noise_new(seed + 1, (size_t)s.out, 0.3f);
    p.x = noise_new(seed + 2, p.x_count, 1);
    p.dy = noise_new(seed + 3, p.y_count, 1);
    return p;
}

static void problem_free(struct problem *p)
{
    free(p->kernel);
    free(p->bias);
    free(p->x);
    free(p->dy);
}

struct planned {
    struct conv *conv;
    struct conv_plan *plan;
    void *scratch;
};

static struct planned plan_of(const struct problem *p, enum arithmetic arithmetic)
{
    struct planned made = {0};
    struct error err = {0};
    struct shape s = p->shape;
    assert_int_equal(conv_new(p->kernel, p->bias, s.in, s.out, arithmetic, &made.conv, &err), 0);
    assert_int_equal(conv_plan_new(made.conv, s.height, s.width, true, &made.plan, &err), 0);
    made.scratch = junk_new(conv_plan_scratch_bytes(made.plan));
    return made;
}

static void planned_free(struct planned *planned)
{
    conv_plan_free(planned->plan);
    conv_free(planned->conv);
    free(planned->scratch);
}

static mask_word *mask_new(size_t count) { return junk_new(count / LANES * sizeof(mask_word)); }

static int bit(const mask_word *mask, size_t i) { return mask[i / LANES] >> i % LANES & 1; }

static void check_forward(const struct problem *p, int engine, bool relu)
{
    struct shape s = p->shape;
    struct planned planned = plan_of(p, arithmetic_of(engine));
    float *y = nan_new(p->y_count), *want = nan_new(p->y_count);
    mask_word *mask = mask_new(p->y_count);
    conv_forward(planned.plan, p->x, relu, y, mask, planned.scratch);
    conv_forward_ref(p->kernel, p->bias, s.in, s.out, s.height, s.width, p->x, relu, want);
    char name[96];
    snprintf(name, sizeof name, "forward %d->%d %dx%d%s (%s)", s.in, s.out, s.width, s.height,
             relu ? " relu" : "", conv_engine(s.in, s.out, arithmetic_of(engine)));
    assert_near(name, y, want, p->y_count, engines[engine].limit);
    for (size_t i = 0; i < p->y_count; i++)
        assert_int_equal(bit(mask, i), y[i] > 0);
    free(y);
    free(want);
    free(mask);
    planned_free(&planned);
}

static void check_backward(const struct problem *p, int engine, bool masked)
{
    struct shape s = p->shape;
    struct planned planned = plan_of(p, arithmetic_of(engine));
    float *dx = nan_new(p->x_count), *want = nan_new(p->x_count);
    mask_word *mask = mask_new(p->y_count);
    memset(mask, 0, p->y_count / LANES * sizeof *mask);
    float *dy = noise_new(77, p->y_count, 1);
    for (size_t i = 0; i < p->y_count; i++) {
        int open = noise_at(5, i) > 0;
        mask[i / LANES] |= (mask_word)(open << i % LANES);
        dy[i] = masked && !open ? 0 : p->dy[i];
    }
    conv_backward_data(planned.plan, p->dy, masked ? mask : NULL, dx, planned.scratch);
    conv_backward_data_ref(p->kernel, s.in, s.out, s.height, s.width, dy, want);
    char name[96];
    snprintf(name, sizeof name, "backward %d->%d %dx%d%s", s.in, s.out, s.width, s.height,
             masked ? " masked" : "");
    assert_near(name, dx, want, p->x_count, engines[engine].limit);
    free(dy);
    free(dx);
    free(want);
    free(mask);
    planned_free(&planned);
}

/* Few channels get the same engine whatever was asked for. */
static void check_all(struct shape s, uint64_t seed)
{
    struct problem p = problem_new(s, seed);
    for (int engine = 0; engine < (s.in % LANES ? 1 : CONV_ENGINES); engine++) {
        if (!use(engine))
            continue;
        check_forward(&p, engine, true);
        check_forward(&p, engine, false);
        check_backward(&p, engine, false);
        check_backward(&p, engine, true);
    }
    use_any();
    problem_free(&p);
}

static void conv_matches_reference_at_every_vgg19_shape(void **state)
{
    (void)state;
    int in = 0, out = 0;
    for (int i = 0; i < VGG19_CONVS; i++) {
        const struct vgg19_conv *c = &vgg19_convs[i];
        if (c->in == in && c->out == out)
            continue;
        in = c->in;
        out = c->out;
        check_all((struct shape){in, out, 14, 19}, (uint64_t)i);
    }
}

static void conv_matches_reference_at_odd_sizes(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {1, 7},   {2, 3},  {3, 2},  {4, 4},
                                   {5, 9}, {16, 16}, {17, 4}, {33, 6}, {63, 66}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_all((struct shape){16, 32, sizes[i][0], sizes[i][1]}, 100 + i);
        check_all((struct shape){3, 16, sizes[i][0], sizes[i][1]}, 200 + i);
    }
}

/* More tiles than a block holds, so that blocks meet inside the picture. */
static void conv_matches_reference_across_blocks(void **state)
{
    (void)state;
    check_all((struct shape){64, 64, 141, 133}, 300);
}

static void check_threads(struct shape s, int engine)
{
    struct problem p = problem_new(s, 400);
    float *y[3], *dx[3];
    for (int t = 0; t < 3; t++) {
        threads_use(t + 1);
        struct planned planned = plan_of(&p, arithmetic_of(engine));
        y[t] = nan_new(p.y_count);
        dx[t] = nan_new(p.x_count);
        conv_forward(planned.plan, p.x, true, y[t], NULL, planned.scratch);
        conv_backward_data(planned.plan, p.dy, NULL, dx[t], planned.scratch);
        assert_memory_equal(y[t], y[0], p.y_count * sizeof(float));
        assert_memory_equal(dx[t], dx[0], p.x_count * sizeof(float));
        planned_free(&planned);
    }
    for (int t = 0; t < 3; t++) {
        free(y[t]);
        free(dx[t]);
    }
    problem_free(&p);
    threads_use(0);
}

static void conv_gives_the_same_bytes_at_any_number_of_threads(void **state)
{
    (void)state;
    check_threads((struct shape){3, 64, 37, 41}, 0);
    for (int engine = 0; engine < CONV_ENGINES; engine++)
        if (use(engine)) {
            check_threads((struct shape){64, 160, 37, 41}, engine);
            check_threads((struct shape){64, 256, 37, 41}, engine);
        }
    use_any();
}

int main(void)
{
    threads_use(0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv_matches_reference_at_every_vgg19_shape),
        cmocka_unit_test(conv_matches_reference_at_odd_sizes),
        cmocka_unit_test(conv_matches_reference_across_blocks),
        cmocka_unit_test(conv_gives_the_same_bytes_at_any_number_of_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
