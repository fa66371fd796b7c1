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
    {"direct", 2e-6},      {"winograd", 6e-6},     {"winograd-bf16", 3e-2},
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

/* A convolution, its gradient where a mask has 0s, and what the plain loops make of them. */
struct problem {
    struct shape shape;
    size_t x_count, y_count;
    float *kernel, *bias, *x, *dy;
    mask_word *mask;
    float *y, *dx, *masked_dx;
};

static mask_word *mask_new(size_t count) { return junk_new(count / LANES * sizeof(mask_word)); }

static int bit(const mask_word *mask, size_t i) { return mask[i / LANES] >> i % LANES & 1; }

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

static void solve(struct problem *p)
{
    struct shape s = p->shape;
    float *dy = nan_new(p->y_count);
    p->y = nan_new(p->y_count);
    p->dx = nan_new(p->x_count);
    p->masked_dx = nan_new(p->x_count);
    p->mask = mask_new(p->y_count);
    memset(p->mask, 0, p->y_count / LANES * sizeof *p->mask);
    for (size_t i = 0; i < p->y_count; i++) {
        int open = noise_at(5, i) > 0;
        p->mask[i / LANES] |= (mask_word)(open << i % LANES);
        dy[i] = open ? p->dy[i] : 0;
    }
    conv_forward_ref(p->kernel, p->bias, s.in, s.out, s.height, s.width, p->x, false, p->y);
    conv_backward_data_ref(p->kernel, s.in, s.out, s.height, s.width, p->dy, p->dx);
    conv_backward_data_ref(p->kernel, s.in, s.out, s.height, s.width, dy, p->masked_dx);
    free(dy);
}

static void problem_free(struct problem *p)
{
    free(p->kernel);
    free(p->bias);
    free(p->x);
    free(p->dy);
    free(p->mask);
    free(p->y);
    free(p->dx);
    free(p->masked_dx);
}

struct planned {
    struct conv *conv;
    struct conv_plan *plan;
    void *scratch;
};

static struct planned plan_of(const struct problem *p, enum arithmetic arithmetic,
                              enum saving saving)
{
    struct planned made = {0};
    struct error err = {0};
    struct shape s = p->shape;
    assert_int_equal(
        conv_new(p->kernel, p->bias, s.in, s.out, arithmetic, saving, &made.conv, &err), 0);
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

static void name_check(char name[96], const char *what, const struct problem *p, int engine,
                       const char *how)
{
    struct shape s = p->shape;
    snprintf(name, 96, "%s %d->%d %dx%d%s (%s)", what, s.in, s.out, s.width, s.height, how,
             conv_engine(s.in, s.out, arithmetic_of(engine)));
}

static void check_forward(const struct problem *p, const struct planned *planned, int engine,
                          bool relu)
{
    char name[96];
    float *y = nan_new(p->y_count), *want = nan_new(p->y_count);
    mask_word *mask = mask_new(p->y_count);
    for (size_t i = 0; i < p->y_count; i++)
        want[i] = relu ? fmaxf(p->y[i], 0) : p->y[i];
    conv_forward(planned->plan, p->x, relu, y, mask, planned->scratch);
    name_check(name, "forward", p, engine, relu ? " relu" : "");
    assert_near(name, y, want, p->y_count, engines[engine].limit);
    for (size_t i = 0; i < p->y_count; i++)
        assert_int_equal(bit(mask, i), y[i] > 0);
    free(y);
    free(want);
    free(mask);
}

static void check_backward(const struct problem *p, const struct planned *planned, int engine,
                           bool masked)
{
    char name[96];
    float *dx = nan_new(p->x_count);
    conv_backward_data(planned->plan, p->dy, masked ? p->mask : NULL, dx, planned->scratch);
    name_check(name, "backward", p, engine, masked ? " masked" : "");
    assert_near(name, dx, masked ? p->masked_dx : p->dx, p->x_count, engines[engine].limit);
    free(dx);
}

/* Saving memory takes no other results. */
static void check_saving(const struct problem *p, const struct planned *planned, int engine)
{
    struct planned lean = plan_of(p, arithmetic_of(engine), SAVE_MEMORY);
    float *y[2] = {nan_new(p->y_count), nan_new(p->y_count)};
    float *dx[2] = {nan_new(p->x_count), nan_new(p->x_count)};
    conv_forward(planned->plan, p->x, true, y[0], NULL, planned->scratch);
    conv_forward(lean.plan, p->x, true, y[1], NULL, lean.scratch);
    conv_backward_data(planned->plan, p->dy, p->mask, dx[0], planned->scratch);
    conv_backward_data(lean.plan, p->dy, p->mask, dx[1], lean.scratch);
    assert_memory_equal(y[1], y[0], p->y_count * sizeof(float));
    assert_memory_equal(dx[1], dx[0], p->x_count * sizeof(float));
    for (int i = 0; i < 2; i++) {
        free(y[i]);
        free(dx[i]);
    }
    planned_free(&lean);
}

/* Engine 0 is for the picture's three channels and no others, the rest for all others. */
static int first_engine(int in) { return in % LANES ? 0 : 1; }
static int last_engine(int in) { return in % LANES ? 0 : CONV_ENGINES - 1; }

static void check_all(struct shape s, uint64_t seed)
{
    struct problem p = problem_new(s, seed);
    solve(&p);
    for (int engine = first_engine(s.in); engine <= last_engine(s.in); engine++) {
        if (!use(engine))
            continue;
        struct planned planned = plan_of(&p, arithmetic_of(engine), SAVE_TIME);
        check_forward(&p, &planned, engine, true);
        check_forward(&p, &planned, engine, false);
        check_backward(&p, &planned, engine, false);
        check_backward(&p, &planned, engine, true);
        check_saving(&p, &planned, engine);
        planned_free(&planned);
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

/* More tiles than a group or a block holds, so that these meet inside the picture: 64 to 64
 * channels go in groups, the others in blocks. */
static void conv_matches_reference_across_blocks(void **state)
{
    (void)state;
    check_all((struct shape){64, 64, 141, 133}, 300);
    check_all((struct shape){16, 656, 45, 45}, 301);
    check_all((struct shape){512, 512, 1, 1060}, 302);
}

static void conv_saves_memory_where_weights_are_large(void **state)
{
    (void)state;
    for (int engine = 1; engine < CONV_ENGINES; engine++) {
        if (!use(engine))
            continue;
        enum arithmetic a = arithmetic_of(engine);
        size_t fast = conv_weight_bytes(512, 512, a, SAVE_TIME);
        size_t lean = conv_weight_bytes(512, 512, a, SAVE_MEMORY);
        bool winograd = strncmp(engines[engine].name, "winograd", 8) == 0;
        assert_true(winograd ? 2 * lean < fast + 4096 : lean == fast);
        assert_int_equal(conv_weight_bytes(64, 64, a, SAVE_TIME),
                         conv_weight_bytes(64, 64, a, SAVE_MEMORY));
    }
    use_any();
}

static void check_threads(struct shape s, int engine)
{
    struct problem p = problem_new(s, 400);
    float *y[3], *dx[3];
    for (int t = 0; t < 3; t++) {
        threads_use(t + 1);
        struct planned planned = plan_of(&p, arithmetic_of(engine), SAVE_TIME);
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
    for (int engine = 1; engine < CONV_ENGINES; engine++)
        if (use(engine)) {
            check_threads((struct shape){64, 160, 37, 41}, engine);
            check_threads((struct shape){64, 256, 37, 41}, engine);
            check_threads((struct shape){64, 64, 61, 31}, engine); /* Winograd's schedule changes */
        }
    use_any();
}

/* Or a run could not see that its numbers have gone wrong. */
static void conv_lets_nan_through(void **state)
{
    (void)state;
    for (int engine = 0; engine < CONV_ENGINES; engine++) {
        if (!use(engine))
            continue;
        struct shape shape = {engine == 0 ? 3 : 16, 128, 9, 13};
        struct problem p = problem_new(shape, 500);
        size_t pixel = 4 * 13 + 6;
        p.x[pixel * (size_t)shape.in + 2] = NAN;
        struct planned planned = plan_of(&p, arithmetic_of(engine), SAVE_TIME);
        float *y = junk_new(p.y_count * sizeof *y);
        mask_word *mask = mask_new(p.y_count);
        conv_forward(planned.plan, p.x, true, y, mask, planned.scratch);
        for (size_t i = pixel * 128; i < (pixel + 1) * 128; i++)
            assert_true(isnan(y[i]) && bit(mask, i));
        assert_false(isnan(y[0]) || isnan(y[p.y_count - 1]));
        free(y);
        free(mask);
        planned_free(&planned);
        problem_free(&p);
    }
    use_any();
}

/* The table by itself, without a word from outside. */
static void conv_takes_the_engine_of_its_arithmetic(void **state)
{
    (void)state;
    for (int engine = 0; engine < CONV_ENGINES; engine++) {
        enum arithmetic other = !arithmetic_of(engine);
        bool there = use(engine);
        assert_string_equal(conv_engine(3, 64, arithmetic_of(engine)), "direct");
        if (there && engine > 0)
            assert_string_equal(conv_engine(64, 64, arithmetic_of(engine)), engines[engine].name);
        if (!conv_missing(other))
            assert_string_not_equal(conv_engine(64, 64, other), engines[engine].name);
    }
    use_any();
    for (int a = ARITHMETIC_F32; a <= ARITHMETIC_BF16; a++) {
        const char *name = conv_missing(a) ? NULL : conv_engine(64, 64, a);
        int engine = 0;
        while (name && engine < CONV_ENGINES && strcmp(engines[engine].name, name) != 0)
            engine++;
        assert_true(engine < CONV_ENGINES);
        assert_true(!name || (int)arithmetic_of(engine) == a);
    }
}

static void conv_refuses_an_engine_that_there_is_not(void **state)
{
    (void)state;
    struct problem p = problem_new((struct shape){16, 16, 2, 2}, 600);
    struct conv *conv = NULL;
    struct conv_engine_info list[CONV_ENGINES];
    conv_engines(list);
    for (int engine = 0; engine <= CONV_ENGINES; engine++) {
        struct error err = {0};
        bool known = engine < CONV_ENGINES;
        setenv("ATELIER_ENGINE", known ? list[engine].name : "onednn-fp8", 1);
        if (known && !list[engine].missing)
            continue;
        assert_int_equal(conv_new(p.kernel, p.bias, 16, 16, ARITHMETIC_F32, SAVE_TIME, &conv, &err),
                         E_INPUT);
        assert_null(conv);
        assert_non_null(strstr(err.message, getenv("ATELIER_ENGINE")));
        assert_non_null(strstr(err.message, known ? list[engine].missing : "onednn-split"));
    }
    use_any();
    problem_free(&p);
}

int main(void)
{
    threads_use(0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(conv_matches_reference_at_every_vgg19_shape),
        cmocka_unit_test(conv_matches_reference_at_odd_sizes),
        cmocka_unit_test(conv_matches_reference_across_blocks),
        cmocka_unit_test(conv_saves_memory_where_weights_are_large),
        cmocka_unit_test(conv_lets_nan_through),
        cmocka_unit_test(conv_takes_the_engine_of_its_arithmetic),
        cmocka_unit_test(conv_refuses_an_engine_that_there_is_not),
        cmocka_unit_test(conv_gives_the_same_bytes_at_any_number_of_threads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
