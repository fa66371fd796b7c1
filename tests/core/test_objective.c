/* What must hold of the losses and their gradient, whatever the numbers. */
#include "gram.h"
#include "render_fixture.h"
#include "threads.h"

static const char *const presets[] = {"balanced", "keras", "gdl", "gatys", "johnson"};
enum { ALL_PRESETS = sizeof presets / sizeof *presets };
static const char *const poolings[] = {"max", "avg"};

static struct network *networks[2];

#define SETTINGS(...)                                                                              \
    (const char *const[]) { __VA_ARGS__, NULL }

/* The deepest layer that `networks` reach is relu4_2. */
static struct render *render_of(const char *preset, int pooling, struct size picture,
                                struct size style)
{
    return render_new(SETTINGS("preset", preset, "pooling", poolings[pooling], "content_weight",
                               "0.3", "style_weight", "7", "tv_weight", "0.01", "content_layers",
                               "relu2_2,conv3_1,relu4_2", "style_layers",
                               "relu1_1:2,relu2_1:1,pool2:1,relu3_1:3"),
                      picture, style, networks[pooling]);
}

static double *nan_doubles(size_t count)
{
    double *x = malloc(count * sizeof *x);
    assert_non_null(x);
    for (size_t i = 0; i < count; i++)
        x[i] = NAN;
    return x;
}

/* Losses and gradient at a picture; losses pre-filled with junk, the gradient with NaN. */
static struct losses evaluate(struct render *render, const double *x, double *gradient)
{
    struct losses losses;
    double *unused = gradient ? NULL : nan_doubles(render->values);
    memset(&losses, 0xFF, sizeof losses);
    for (size_t i = 0; gradient && i < render->values; i++)
        gradient[i] = NAN;
    objective_evaluate(render->objective, x, &losses, gradient ? gradient : unused);
    free(unused);
    return losses;
}

static int layers_of(const struct render *render) { return render->history.columns - H_FIXED; }

static bool same_losses(const struct losses *a, const struct losses *b, int layers)
{
    return a->total == b->total && a->content == b->content && a->style == b->style &&
           a->tv == b->tv && a->gradient_norm == b->gradient_norm &&
           memcmp(a->layer, b->layer, (size_t)layers * sizeof *a->layer) == 0;
}

static void content_loss_is_zero_at_the_content_image(void **state)
{
    (void)state;
    const struct size size = {27, 22};
    double *x = picture_new(CONTENT_SEED, size.width, size.height);
    for (int i = 0; i < ALL_PRESETS * 2; i++) {
        struct render *render = render_of(presets[i / 2], i % 2, size, (struct size){20, 33});
        struct losses losses = evaluate(render, x, NULL);
        assert_int_equal(render->plan.content.count, 3);
        assert_true(losses.content == 0);
        for (int l = 0; l < 3; l++)
            assert_true(losses.layer[l] == 0);
        assert_true(losses.style > 0 && losses.tv > 0);
        render_free(render);
    }
    free(x);
}

static void style_loss_is_zero_at_the_style_image(void **state)
{
    (void)state;
    const struct size size = {27, 22};
    double *x = picture_new(STYLE_SEED, size.width, size.height);
    for (int i = 0; i < ALL_PRESETS * 2; i++) {
        struct render *render = render_of(presets[i / 2], i % 2, size, size);
        struct losses losses = evaluate(render, x, NULL);
        assert_int_equal(render->plan.style.count, 4);
        assert_true(losses.style == 0);
        for (int l = 3; l < 7; l++)
            assert_true(losses.layer[l] == 0);
        assert_true(losses.content > 0 && losses.tv > 0);
        render_free(render);
    }
    free(x);
}

static void gram_is_unchanged_by_permuting_pixels(void **state)
{
    (void)state;
    enum { POSITIONS = 5003, CHANNELS = 64, AREA = CHANNELS * CHANNELS };
    float *f = noise_new(1, POSITIONS * CHANNELS, 2), *shuffled = nan_new(POSITIONS * CHANNELS);
    double *g = nan_doubles(AREA), *h = nan_doubles(AREA), largest = 0, scale = 0;
    void *scratch = junk_new(gram_scratch_bytes(POSITIONS, CHANNELS));
    for (size_t p = 0; p < POSITIONS; p++) /* 5003 is prime: a permutation */
        memcpy(shuffled + p * CHANNELS, f + p * 1234 % POSITIONS * CHANNELS, CHANNELS * sizeof *f);
    gram_matrix(f, POSITIONS, CHANNELS, ARITHMETIC_F32, g, scratch);
    gram_matrix(shuffled, POSITIONS, CHANNELS, ARITHMETIC_F32, h, scratch);
    for (int i = 0; i < AREA; i++) {
        double error = fabs(g[i] - h[i]);
        largest = error <= largest ? largest : error;
        scale = fmax(scale, fabs(g[i]));
    }
    print_message("largest difference %.2g of max |g|\n", largest / scale);
    assert_true(largest <= 1e-6 * scale);
    free(f);
    free(shuffled);
    free(g);
    free(h);
    free(scratch);
}

/* Sizes with one and several blocks of every kind. */
static void loss_and_gradient_are_the_same_bytes_at_any_number_of_threads(void **state)
{
    (void)state;
    static const struct size sizes[] = {{37, 29}, {83, 71}};
    for (int i = 0; i < 4; i++) {
        struct size size = sizes[i / 2];
        double *x = picture_new(PICTURE_SEED, size.width, size.height), *first = NULL;
        struct losses first_losses = {0};
        for (int threads = 1; threads <= 3; threads++) {
            threads_use(threads); /* before the objective: its scratch depends on it */
            struct render *render =
                render_of(presets[i], i % 2, size, (struct size){size.height, size.width});
            double *gradient = nan_doubles(render->values);
            struct losses losses = evaluate(render, x, gradient);
            if (!first) {
                first_losses = losses;
                first = gradient;
            } else {
                assert_true(same_losses(&losses, &first_losses, layers_of(render)));
                assert_memory_equal(gradient, first, render->values * sizeof *first);
                free(gradient);
            }
            render_free(render);
        }
        free(first);
        free(x);
    }
    threads_use(0);
}

/* Nothing is left over from one evaluation to the next. */
static void evaluation_depends_on_the_picture_alone(void **state)
{
    (void)state;
    const struct size size = {27, 22};
    double *x = picture_new(PICTURE_SEED, size.width, size.height);
    double *other = picture_new(77, size.width, size.height);
    for (int i = 0; i < 4; i++) {
        struct render *render = render_of(presets[i], i % 2, size, (struct size){20, 33});
        double *a = nan_doubles(render->values), *b = nan_doubles(render->values);
        struct losses first = evaluate(render, x, a);
        evaluate(render, other, b);
        assert_memory_not_equal(a, b, render->values * sizeof *a);
        struct losses again = evaluate(render, x, b);
        assert_true(same_losses(&first, &again, layers_of(render)));
        assert_memory_equal(a, b, render->values * sizeof *a);
        free(a);
        free(b);
        render_free(render);
    }
    free(x);
    free(other);
}

static void losses_add_up(void **state)
{
    (void)state;
    const struct size size = {27, 22};
    double *x = picture_new(PICTURE_SEED, size.width, size.height);
    for (int i = 0; i < ALL_PRESETS; i++) {
        struct render *render = render_of(presets[i], i % 2, size, (struct size){20, 33});
        double *gradient = nan_doubles(render->values), squares = 0;
        struct losses losses = evaluate(render, x, gradient);
        double content = 0, style = 0;
        for (int l = 0; l < 3; l++)
            content += losses.layer[l];
        for (int l = 3; l < 7; l++)
            style += losses.layer[l];
        for (size_t k = 0; k < render->values; k++)
            squares += gradient[k] * gradient[k];
        assert_true(losses.content == content && losses.style == style);
        assert_true(losses.total == losses.content + losses.style + losses.tv);
        assert_true(fabs(losses.gradient_norm - sqrt(squares)) <= 1e-12 * sqrt(squares));
        free(gradient);
        render_free(render);
    }
    free(x);
}

/* `balanced` divides by the targets' own size: kernels twice as large change nothing. */
static void balanced_does_not_depend_on_the_scale_of_the_network(void **state)
{
    (void)state;
    const struct size size = {27, 22};
    const char *const *settings =
        SETTINGS("content_layers", "relu2_1", "style_layers", "relu1_1,relu1_2", "pooling", "avg");
    double *x = picture_new(PICTURE_SEED, size.width, size.height);
    struct vgg19_weights weights = random_weights(3);
    for (size_t i = 0; i < (size_t)9 * 3 * 64; i++)
        weights.kernel[0][i] *= 2;
    struct network *twice = network_of(weights, POOLING_AVG);
    struct render *plain = render_new(settings, size, size, networks[POOLING_AVG]);
    struct render *doubled = render_new(settings, size, size, twice);
    double *a = nan_doubles(plain->values), *b = nan_doubles(plain->values);
    struct losses la = evaluate(plain, x, a), lb = evaluate(doubled, x, b);
    assert_true(fabs(la.total - lb.total) <= 1e-6 * la.total);
    assert_true(fabs(la.gradient_norm - lb.gradient_norm) <= 1e-5 * la.gradient_norm);
    free(a);
    free(b);
    free(x);
    render_free(plain);
    render_free(doubled);
    network_free(twice);
}

static void weights_scale_their_losses(void **state)
{
    (void)state;
    const struct size size = {20, 18};
    double *x = picture_new(PICTURE_SEED, size.width, size.height);
    for (int i = 0; i < ALL_PRESETS; i++) {
        const char *const layers[] = {"content_layers", "relu2_1", "style_layers", "relu1_2"};
        struct render *one =
            render_new(SETTINGS("preset", presets[i], layers[0], layers[1], layers[2], layers[3],
                                "content_weight", "1", "style_weight", "1", "tv_weight", "1"),
                       size, size, networks[0]);
        struct render *other =
            render_new(SETTINGS("preset", presets[i], layers[0], layers[1], layers[2], layers[3],
                                "content_weight", "2", "style_weight", "8", "tv_weight", "0.5"),
                       size, size, networks[0]);
        struct losses a = evaluate(one, x, NULL), b = evaluate(other, x, NULL);
        assert_true(b.content == 2 * a.content);
        assert_true(b.style == 8 * a.style);
        assert_true(b.tv == a.tv / 2);
        render_free(one);
        render_free(other);
    }
    free(x);
}

/* Needs no network. */
static void tv_alone_is_evaluated_without_a_network(void **state)
{
    (void)state;
    const struct size size = {17, 16};
    double *x = picture_new(PICTURE_SEED, size.width, size.height);
    for (int i = 0; i < ALL_PRESETS; i++) {
        struct render *render = render_new(SETTINGS("preset", presets[i], "content_weight", "0",
                                                    "style_weight", "0", "tv_weight", "3"),
                                           size, size, NULL);
        double *gradient = nan_doubles(render->values);
        struct losses losses = evaluate(render, x, gradient);
        assert_int_equal(layers_of(render), 0);
        assert_true(losses.content == 0 && losses.style == 0);
        assert_true(losses.tv > 0 && losses.total == losses.tv && losses.gradient_norm > 0);
        free(gradient);
        render_free(render);
    }
    free(x);
}

/* Whatever is not a number must show, in every preset and behind every engine. */
static void picture_that_is_not_finite_gives_no_finite_loss(void **state)
{
    (void)state;
    static const double bad[] = {NAN, INFINITY, -INFINITY, 1e38, -1e38};
    const struct size size = {20, 18};
    for (int i = 0; i < ALL_PRESETS * 2; i++) {
        struct render *render =
            render_new(SETTINGS("preset", presets[i / 2], "pooling", poolings[i % 2],
                                "content_layers", "relu3_1", "style_layers", "relu2_1",
                                "content_weight", "1", "style_weight", "1", "tv_weight", "0"),
                       size, size, networks[i % 2]);
        for (size_t k = 0; k < sizeof bad / sizeof *bad; k++) {
            double *x = picture_new(PICTURE_SEED, size.width, size.height);
            x[500] = bad[k];
            struct losses losses = evaluate(render, x, NULL);
            if (isfinite(losses.total) && isfinite(losses.gradient_norm))
                print_error("%s: a pixel of %g gives loss %g\n", presets[i / 2], bad[k],
                            losses.total);
            assert_false(isfinite(losses.total) && isfinite(losses.gradient_norm));
            free(x);
        }
        render_free(render);
    }
}

/* One colour everywhere: the mean, in front of which a network without biases sees nothing. */
static float *flat_new(struct size size)
{
    static const float mean[3] = {123.68f, 116.779f, 103.939f};
    float *x = nan_new(values_of(size));
    for (size_t i = 0; i < values_of(size); i++)
        x[i] = mean[i % 3];
    return x;
}

/* objective_new with one of the images flat. */
static int try_flat(const char *preset, bool flat_content, struct error *err)
{
    const struct size size = {20, 18};
    struct render *render = render_planned(
        SETTINGS("preset", preset, "content_layers", "relu2_2", "style_layers", "relu2_1,pool2"),
        size, size);
    float *flat = flat_new(size), *picture = picture_new_float(1, size.width, size.height);
    struct objective *before = (void *)0x10;
    render->objective = before;
    int status =
        objective_new(&render->params, &render->plan, networks[0], flat_content ? flat : picture,
                      flat_content ? picture : flat, &render->objective, err);
    if (status != 0) {
        assert_ptr_equal(render->objective, before); /* written only on success */
        render->objective = NULL;
    }
    render_free(render);
    free(flat);
    free(picture);
    return status;
}

static void balanced_refuses_an_image_without_features(void **state)
{
    (void)state;
    for (int content = 0; content <= 1; content++) {
        struct error err = {0};
        assert_int_equal(try_flat("balanced", content, &err), E_INPUT);
        assert_says(&err, content ? "content image" : "style image");
        assert_says(&err, content ? "relu2_2" : "relu2_1");
        assert_says(&err, content ? "content_layers" : "style_layers");
        for (int i = 1; i < ALL_PRESETS; i++)
            assert_int_equal(try_flat(presets[i], content, &err), 0);
    }
}

static void history_has_a_column_for_every_loss_layer(void **state)
{
    (void)state;
    static const char *const names[] = {"content_relu2_1", "content_conv3_1", "content_pool4",
                                        "style_relu1_1",   "style_relu2_1",   "style_relu5_4"};
    const struct size size = {20, 18};
    struct render *render =
        render_planned(SETTINGS("content_layers", "block4_pool,relu2_1,conv3_1", "style_layers",
                                "block5_conv4,block1_conv1,relu2_1"),
                       size, size);
    assert_int_equal(layers_of(render), 6);
    for (int i = 0; i < 6; i++) {
        const struct history_column *column = &render->history.column[H_FIXED + i];
        assert_string_equal(column->name, names[i]);
        assert_non_null(strstr(column->title, strchr(names[i], '_') + 1));
        assert_int_equal(column->integer, 0);
    }
    render_free(render);
    render = render_planned(SETTINGS("content_weight", "0", "style_layers", "pool1"), size, size);
    assert_int_equal(layers_of(render), 1);
    assert_string_equal(render->history.column[H_FIXED].name, "style_pool1");
    render_free(render);
}

static int plan_with_pool5(const char *list, struct size picture, struct size style,
                           struct error *err)
{
    struct params params;
    struct plan plan;
    params_init(&params);
    set_param(&params, list, "relu1_1,pool5");
    set_sizes(&params, picture, style);
    assert_int_equal(params_resolve(&params, err), 0);
    int status = plan_make(&params, &plan, err);
    params_release(&params);
    return status;
}

/* Nothing is left of 31 px after five poolings. */
static void plan_refuses_a_layer_without_pixels(void **state)
{
    (void)state;
    const struct size small = {40, 31}, large = {40, 32};
    struct error err = {0};
    assert_int_equal(plan_with_pool5("style_layers", large, large, &err), 0);
    assert_int_equal(plan_with_pool5("content_layers", large, small, &err), 0);
    assert_int_equal(plan_with_pool5("style_layers", large, small, &err), E_INPUT);
    assert_says(&err, "the style image would be 40 x 31 px: layer 'pool5' needs at least 32 px");
    assert_int_equal(plan_with_pool5("style_layers", small, large, &err), E_INPUT);
    assert_says(&err, "the picture would be 40 x 31 px: layer 'pool5' needs at least 32 px");
    assert_int_equal(plan_with_pool5("content_layers", small, large, &err), E_INPUT);
    assert_says(&err, "the picture would be 40 x 31 px");
}

static int begin(void **state)
{
    networks[POOLING_MAX] = network_of(random_weights(10), POOLING_MAX);
    networks[POOLING_AVG] = network_of(random_weights(10), POOLING_AVG);
    return folder_make(state);
}

static int end(void **state)
{
    network_free(networks[0]);
    network_free(networks[1]);
    return folder_remove(state);
}

int main(void)
{
    threads_use(0);
    if (engine_is_missing())
        return SKIPPED;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(content_loss_is_zero_at_the_content_image),
        cmocka_unit_test(style_loss_is_zero_at_the_style_image),
        cmocka_unit_test(gram_is_unchanged_by_permuting_pixels),
        cmocka_unit_test(loss_and_gradient_are_the_same_bytes_at_any_number_of_threads),
        cmocka_unit_test(evaluation_depends_on_the_picture_alone),
        cmocka_unit_test(losses_add_up),
        cmocka_unit_test(balanced_does_not_depend_on_the_scale_of_the_network),
        cmocka_unit_test(weights_scale_their_losses),
        cmocka_unit_test(tv_alone_is_evaluated_without_a_network),
        cmocka_unit_test(picture_that_is_not_finite_gives_no_finite_loss),
        cmocka_unit_test(balanced_refuses_an_image_without_features),
        cmocka_unit_test(history_has_a_column_for_every_loss_layer),
        cmocka_unit_test(plan_refuses_a_layer_without_pixels),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
