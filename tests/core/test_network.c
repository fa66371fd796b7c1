/* Passes over tall pictures, where the first block goes in strips of rows, against plain loops over
 * the whole picture. */
#include "params.h"
#include "render_fixture.h"

/* Three strips, the last of them of an odd number of rows; a row and a column that no pooling
 * reaches. */
enum { HEIGHT = 131, WIDTH = 21, CHANNELS = 64, POOLED = (HEIGHT / 2) * (WIDTH / 2) };
enum { POSITIONS = HEIGHT * WIDTH, ELEMENTS = POSITIONS * CHANNELS };

enum { CONV1, RELU1, CONV2, RELU2, POOL, TENSORS };
static const struct layer layers[TENSORS] = {
    {0, LAYER_CONV}, {0, LAYER_RELU}, {1, LAYER_CONV}, {1, LAYER_RELU}, {1, LAYER_POOL}};

/* Features and the gradients that losses add there, [positions][CHANNELS] each. */
struct block {
    float *picture, *dpicture;
    float *f[TENSORS], *added[TENSORS];
};

static size_t elements_of(int tensor)
{
    return tensor == POOL ? (size_t)POOLED * CHANNELS : (size_t)ELEMENTS;
}

static void rectified(const float *x, float *y)
{
    for (size_t i = 0; i < ELEMENTS; i++)
        y[i] = fmaxf(x[i], 0);
}

static void average(const float *x, float *y)
{
    for (size_t i = 0; i < HEIGHT / 2; i++)
        for (size_t j = 0; j < WIDTH / 2; j++)
            for (size_t c = 0; c < CHANNELS; c++) {
                size_t at = (2 * i * WIDTH + 2 * j) * CHANNELS + c, row = WIDTH * CHANNELS;
                y[(i * (WIDTH / 2) + j) * CHANNELS + c] =
                    (x[at] + x[at + CHANNELS] + x[at + row] + x[at + row + CHANNELS]) / 4;
            }
}

static void spread(const float *dy, float *dx)
{
    for (size_t i = 0; i < ELEMENTS; i++) {
        size_t c = i % CHANNELS, column = i / CHANNELS % WIDTH, row = i / CHANNELS / WIDTH;
        dx[i] = row / 2 < HEIGHT / 2 && column / 2 < WIDTH / 2
                    ? dy[(row / 2 * (WIDTH / 2) + column / 2) * CHANNELS + c] / 4
                    : 0;
    }
}

static void add(const float *x, size_t count, float *y)
{
    for (size_t i = 0; i < count; i++)
        y[i] += x[i];
}

static void mask_by(const float *x, float *dx)
{
    for (size_t i = 0; i < ELEMENTS; i++)
        if (!(x[i] > 0))
            dx[i] = 0;
}

static struct vgg19_weights biased_weights(void)
{
    struct vgg19_weights weights = random_weights(2);
    for (int n = 0; n < 2; n++)
        for (size_t o = 0; o < CHANNELS; o++)
            weights.bias[n][o] = 20 * noise_at(70 + (uint64_t)n, o);
    return weights;
}

static void forward_ref(const struct vgg19_weights *w, struct block *b)
{
    float *x = nan_new(POSITIONS * 3);
    for (size_t i = 0; i < POSITIONS * 3; i++)
        x[i] = b->picture[i] - w->mean[i % 3];
    conv_forward_ref(w->kernel[0], w->bias[0], 3, CHANNELS, HEIGHT, WIDTH, x, false, b->f[CONV1]);
    rectified(b->f[CONV1], b->f[RELU1]);
    conv_forward_ref(w->kernel[1], w->bias[1], CHANNELS, CHANNELS, HEIGHT, WIDTH, b->f[RELU1],
                     false, b->f[CONV2]);
    rectified(b->f[CONV2], b->f[RELU2]);
    average(b->f[RELU2], b->f[POOL]);
    free(x);
}

static void backward_ref(const struct vgg19_weights *w, const bool tapped[TENSORS], struct block *b)
{
    float *d2 = nan_new(ELEMENTS), *d1 = nan_new(ELEMENTS);
    float *pooled = calloc(elements_of(POOL), sizeof *pooled);
    assert_non_null(pooled);
    if (tapped[POOL])
        add(b->added[POOL], elements_of(POOL), pooled);
    spread(pooled, d2);
    if (tapped[RELU2])
        add(b->added[RELU2], ELEMENTS, d2);
    mask_by(b->f[CONV2], d2);
    if (tapped[CONV2])
        add(b->added[CONV2], ELEMENTS, d2);
    conv_backward_data_ref(w->kernel[1], CHANNELS, CHANNELS, HEIGHT, WIDTH, d2, d1);
    if (tapped[RELU1])
        add(b->added[RELU1], ELEMENTS, d1);
    mask_by(b->f[CONV1], d1);
    if (tapped[CONV1])
        add(b->added[CONV1], ELEMENTS, d1);
    conv_backward_data_ref(w->kernel[0], 3, CHANNELS, HEIGHT, WIDTH, d1, b->dpicture);
    free(pooled);
    free(d1);
    free(d2);
}

static struct block block_new(void)
{
    struct block b = {.picture = picture_new_float(PICTURE_SEED, WIDTH, HEIGHT),
                      .dpicture = nan_new(POSITIONS * 3)};
    for (int t = 0; t < TENSORS; t++) {
        b.f[t] = nan_new(elements_of(t));
        b.added[t] = noise_new(50 + (uint64_t)t, elements_of(t), 1);
    }
    return b;
}

static void block_release(struct block *b)
{
    free(b->picture);
    free(b->dpicture);
    for (int t = 0; t < TENSORS; t++) {
        free(b->f[t]);
        free(b->added[t]);
    }
}

/* What a pass's callbacks compare with; tap k is tensor[k]. */
struct check {
    const struct block *want;
    int tensor[TENSORS], calls[TENSORS];
    bool met[TENSORS][POSITIONS]; /* by a gradient call */
};

static void check_features(void *context, int tap, const float *f, size_t positions, int channels)
{
    struct check *check = context;
    int tensor = check->tensor[tap];
    assert_int_equal(positions * (size_t)channels, elements_of(tensor));
    assert_near("features", f, check->want->f[tensor], elements_of(tensor), 1e-5);
    check->calls[tap]++;
}

static void check_gradient(void *context, int tap, const float *f, size_t first, size_t positions,
                           int channels, float *df)
{
    struct check *check = context;
    int tensor = check->tensor[tap];
    size_t at = first * (size_t)channels, count = positions * (size_t)channels;
    assert_true(at + count <= elements_of(tensor));
    for (size_t i = 0; i < count; i++)
        assert_true(fabs((double)(f[i] - check->want->f[tensor][at + i])) <= 0.01);
    for (size_t p = 0; p < positions; p++)
        check->met[tap][first + p] = true;
    add(check->want->added[tensor] + at, count, df);
}

/* The tensors of that set (bits) tapped, forward and backward, against plain loops. */
static void compare_pass(unsigned set)
{
    struct vgg19_weights weights = biased_weights();
    struct block want = block_new();
    struct check *check = calloc(1, sizeof *check);
    struct network_pass *pass = NULL;
    struct layer taps[TENSORS];
    struct error err = {0};
    bool tapped[TENSORS];
    int count = 0;
    assert_non_null(check);
    check->want = &want;
    for (int t = 0; t < TENSORS; t++)
        if ((tapped[t] = set >> t & 1)) {
            check->tensor[count] = t;
            taps[count++] = layers[t];
        }
    forward_ref(&weights, &want);
    backward_ref(&weights, tapped, &want);
    struct network *network = network_of(weights, POOLING_AVG);
    assert_int_equal(network_pass_new(network, HEIGHT, WIDTH, taps, count, true, &pass, &err), 0);
    float *got = nan_new(POSITIONS * 3);
    network_forward(pass, want.picture, check_features, check);
    network_backward(pass, check_gradient, check, got);
    assert_near("gradient", got, want.dpicture, POSITIONS * 3, 1e-4);
    for (int k = 0; k < count; k++) {
        assert_int_equal(check->calls[k], 1);
        for (size_t p = 0; p < elements_of(check->tensor[k]) / CHANNELS; p++)
            assert_true(check->met[k][p]);
    }
    free(got);
    free(check);
    network_pass_free(pass);
    network_free(network);
    block_release(&want);
}

static void strips_match_plain_loops_for_every_set_of_taps(void **state)
{
    (void)state;
    for (unsigned set = 1; set < 1u << TENSORS; set++)
        compare_pass(set);
}

/* Features that only some passes keep are the same bits in all of them, or the content image would
 * have a loss against itself. */
struct capture {
    float *f;
    size_t count;
};

static void capture_features(void *context, int tap, const float *f, size_t positions, int channels)
{
    struct capture *capture = context;
    (void)tap;
    capture->count = positions * (size_t)channels;
    free(capture->f); /* of an earlier tap */
    capture->f = nan_new(capture->count);
    memcpy(capture->f, f, capture->count * sizeof *f);
}

static void features_do_not_depend_on_what_else_is_tapped(void **state)
{
    (void)state;
    const struct layer deepest = {2, LAYER_RELU};
    struct network *network = network_of(random_weights(3), POOLING_MAX);
    float *picture = picture_new_float(PICTURE_SEED, WIDTH, HEIGHT);
    struct capture first = {0};
    for (unsigned set = 0; set < 1u << TENSORS; set++) {
        struct layer taps[TENSORS + 1];
        struct capture capture = {0};
        struct network_pass *pass = NULL;
        struct error err = {0};
        int count = 0;
        for (int t = 0; t < TENSORS; t++)
            if (set >> t & 1)
                taps[count++] = layers[t];
        taps[count++] = deepest;
        assert_int_equal(
            network_pass_new(network, HEIGHT, WIDTH, taps, count, set % 3 == 1, &pass, &err), 0);
        network_forward(pass, picture, capture_features, &capture);
        network_pass_free(pass);
        if (set == 0) {
            first = capture;
            continue;
        }
        assert_int_equal(capture.count, first.count);
        assert_memory_equal(capture.f, first.f, first.count * sizeof *first.f);
        free(capture.f);
    }
    free(first.f);
    free(picture);
    network_free(network);
}

/* One that is too large to be kept, as on the way forward. */
struct again {
    float *f;
    size_t count, met;
    double largest;
};

static void remember(void *context, int tap, const float *f, size_t positions, int channels)
{
    struct again *again = context;
    (void)tap;
    again->count = positions * (size_t)channels;
    again->f = nan_new(again->count);
    memcpy(again->f, f, again->count * sizeof *f);
}

/* A gradient that a wrong place would show in. */
static void add_features(void *context, int tap, const float *f, size_t first, size_t positions,
                         int channels, float *df)
{
    struct again *again = context;
    (void)tap;
    assert_int_equal(first, again->met);
    again->met += positions;
    for (size_t i = 0; i < positions * (size_t)channels; i++) {
        double error = fabs((double)(f[i] - again->f[first * (size_t)channels + i]));
        if (!(error <= again->largest))
            again->largest = isnan(error) ? HUGE_VAL : error;
        df[i] += f[i];
    }
}

static void check_again(enum arithmetic arithmetic, int width, int height)
{
    const struct layer tap = {0, LAYER_RELU};
    const size_t values = (size_t)width * (size_t)height * 3;
    struct vgg19_weights weights = biased_weights();
    struct again again = {0};
    struct network_pass *pass = NULL;
    struct error err = {0};
    struct network *network = NULL;
    assert_int_equal(network_new(&weights, POOLING_AVG, arithmetic, SAVE_TIME, &network, &err), 0);
    assert_int_equal(network_pass_new(network, height, width, &tap, 1, true, &pass, &err), 0);
    float *picture = picture_new_float(PICTURE_SEED, width, height);
    float *got = nan_new(values), *want = nan_new(values);
    network_forward(pass, picture, remember, &again);
    network_backward(pass, add_features, &again, got);
    conv_backward_data_ref(weights.kernel[0], 3, CHANNELS, height, width, again.f, want);
    assert_int_equal(again.met * CHANNELS, again.count);
    assert_true(again.largest <= 1e-3); /* of some hundreds */
    assert_near("gradient", got, want, values, 1e-5);
    assert_true(network_pass_bytes(POOLING_AVG, arithmetic, height, width, &tap, 1, true) <
                2 * again.count * sizeof(float));
    free(got);
    free(want);
    free(picture);
    free(again.f);
    network_pass_free(pass);
    network_free(network);
    vgg19_weights_release(&weights);
}

/* In bfloat16, whose first layer is as in float32, smaller ones, too. */
static void a_large_relu1_1_is_computed_again_as_it_was(void **state)
{
    (void)state;
    const struct layer tap = {0, LAYER_RELU};
    check_again(ARITHMETIC_F32, 4096, 131);
    if (!conv_missing(ARITHMETIC_BF16))
        check_again(ARITHMETIC_BF16, 2048, 131);
    assert_true(network_pass_bytes(POOLING_AVG, ARITHMETIC_F32, 131, 2048, &tap, 1, true) >
                (uint64_t)2 * 131 * 2048 * CHANNELS * sizeof(float));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(strips_match_plain_loops_for_every_set_of_taps),
        cmocka_unit_test(features_do_not_depend_on_what_else_is_tapped),
        cmocka_unit_test(a_large_relu1_1_is_computed_again_as_it_was),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
