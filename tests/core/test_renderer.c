/* Whole renders in every precision: what the history says, how close they end, and resuming across
 * the hand-over. */
#include "image.h"
#include "render_fixture.h"
#include "renderer.h"
#include "threads.h"
#include "weights.h"

static const struct size size = {40, 32};

struct outcome {
    struct params params;
    struct plan plan;
    struct render_state state;
    struct history history;
    struct image image;
    enum optimiser_end end;
};

static const char *picture_file(const char *name, int seed)
{
    const char *path = in_folder(name);
    struct error err = {0};
    struct image image = {size.width, size.height, calloc(values_of(size), 1), NULL};
    float *picture = picture_new_float((uint64_t)seed, size.width, size.height);
    image_quantise(picture, values_of(size), image.rgb);
    assert_int_equal(image_write_png(path, &image, NULL, 0, &err), 0);
    image_release(&image);
    free(picture);
    return path;
}

static void outcome_init(struct outcome *o, const char *precision, const char *iterations)
{
    struct error err = {0};
    *o = (struct outcome){0};
    params_init(&o->params);
    set_param(&o->params, "content", picture_file("content.png", CONTENT_SEED));
    set_param(&o->params, "style", picture_file("style.png", STYLE_SEED));
    set_param(&o->params, "output", "none.png");
    set_param(&o->params, "content_layers", "relu2_1");
    set_param(&o->params, "style_layers", "relu1_1,relu2_1");
    set_param(&o->params, "margin", "0");
    set_param(&o->params, "size", "40");
    set_param(&o->params, "tolerance", "0");
    set_param(&o->params, "iterations", iterations);
    set_param(&o->params, "maxfun", "6");
    set_param(&o->params, "precision", precision);
    resolve_and_plan(&o->params, &o->plan);
    assert_int_equal(objective_history(&o->plan, &o->history, &err), 0);
}

static void outcome_release(struct outcome *o)
{
    render_state_release(&o->state);
    history_release(&o->history);
    image_release(&o->image);
    params_release(&o->params);
}

/* Stops once, before the evaluation `left` evaluations from now. */
struct stopper {
    int left;
};

static bool stop_in_time(void *context)
{
    struct stopper *stopper = context;
    return stopper->left-- <= 0;
}

static void render(struct outcome *o, struct stopper *stopper)
{
    struct error err = {0};
    struct vgg19_weights weights = {0};
    struct render_hooks hooks = {0};
    if (stopper)
        hooks.optimiser = (struct optimiser_hooks){.context = stopper, .should_stop = stop_in_time};
    assert_int_equal(weights_load("random", CONVENTION_AUTO, o->plan.convs, &weights, &err), 0);
    int status = render_picture(&o->params, &o->plan, &weights, &o->state, &o->history, &hooks,
                                &o->image, &o->end, &err);
    if (status != 0)
        print_error("%s\n", err.message);
    assert_int_equal(status, 0);
    assert_true(o->end != END_HANDOVER);
}

static double last_total(const struct outcome *o)
{
    return history_get(&o->history, o->history.rows - 1, H_TOTAL);
}

static int rows_in(const struct outcome *o, int precision)
{
    int rows = 0;
    for (size_t i = 0; i < o->history.rows; i++)
        rows += (int)history_get(&o->history, i, H_PRECISION) == precision;
    return rows;
}

static double ends_at(const char *precision, int *rows_bf16, int *rows_f32)
{
    struct outcome o;
    outcome_init(&o, precision, "4");
    render(&o, NULL);
    double total = last_total(&o);
    *rows_bf16 = rows_in(&o, 1);
    *rows_f32 = rows_in(&o, 0);
    print_message("%s: loss %.4g, %d rows in bfloat16, %d in float32, %s\n", precision, total,
                  *rows_bf16, *rows_f32, optimiser_end_word(o.end));
    assert_true(o.state.evaluations > 20);
    outcome_release(&o);
    return total;
}

static void bf16_and_auto_end_near_float32(void **state)
{
    (void)state;
    int bf16, f32;
    double want = ends_at("f32", &bf16, &f32);
    assert_true(bf16 == 0 && f32 > 0);
    double half = ends_at("bf16", &bf16, &f32);
    assert_true(bf16 > 0 && f32 == 0);
    assert_true(half <= 1.05 * want);
    double both = ends_at("auto", &bf16, &f32);
    assert_true(bf16 > 0);
    assert_true(both <= 1.05 * want);
}

/* Evaluations up to the first row in float32. */
static int handover_at(const struct outcome *o)
{
    for (size_t row = 0; row < o->history.rows; row++)
        if (history_get(&o->history, row, H_PRECISION) == 0)
            return (int)history_get(&o->history, row, H_EVALUATION);
    print_error("it never went on in float32\n");
    assert_true(false);
    return 0;
}

/* Interrupted before, about and after the hand-over, and gone on with. */
static void auto_is_resumable_across_the_handover(void **state)
{
    (void)state;
    static const char enough[] = "60"; /* for a loss that falls slowly at last */
    struct outcome whole;
    outcome_init(&whole, "auto", enough);
    render(&whole, NULL);
    int over = handover_at(&whole);
    assert_true(rows_in(&whole, 0) > 3 && rows_in(&whole, 1) > 3);
    const int stops[] = {2, over - 3, over - 2, over - 1, over, over + 1, over + 4};
    for (size_t k = 0; k < sizeof stops / sizeof *stops; k++) {
        struct outcome cut;
        struct stopper stopper = {stops[k]};
        outcome_init(&cut, "auto", enough);
        render(&cut, &stopper);
        image_release(&cut.image);
        assert_int_equal(cut.end, END_INTERRUPTED);
        render(&cut, NULL);
        assert_int_equal(cut.end, whole.end);
        assert_int_equal(cut.history.rows, whole.history.rows);
        for (size_t i = 0; i < cut.history.rows; i++)
            for (int c = 0; c < cut.history.columns; c++)
                if (c != H_SECONDS)
                    assert_true(history_get(&cut.history, i, c) ==
                                history_get(&whole.history, i, c));
        assert_memory_equal(cut.state.picture, whole.state.picture,
                            values_of(size) * sizeof(double));
        outcome_release(&cut);
    }
    outcome_release(&whole);
}

int main(void)
{
    threads_use(0);
    if (conv_missing(ARITHMETIC_BF16)) {
        print_message("no bfloat16 here: nothing to test\n");
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bf16_and_auto_end_near_float32),
        cmocka_unit_test(auto_is_resumable_across_the_handover),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
