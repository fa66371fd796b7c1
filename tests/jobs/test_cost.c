/* jobs/cost and jobs/calibration: predictions from a made-up calibration whose answers are known.
 */
#include "../core/temporary_folder.h"

#include "cost.h"
#include <math.h>

/* --- set-up --- */

static void must(int status, const struct error *err)
{
    if (status != 0)
        print_error("%s\n", err->message);
    assert_int_equal(status, 0);
}

static const double conv_rate = 1e-6, gram_rate = 1e-7; /* seconds a position */

/* A machine on which every layer takes a time in proportion to its positions, bf16 a quarter. */
static struct calibration linear_machine(void)
{
    struct calibration c = {
        .machine = "test", .threads = 1, .workers = 1, .measured = {true, true}};
    for (int i = 0; i < VGG19_CONVS; i++)
        for (int k = 0; k < CALIBRATION_SIZES; k++) {
            int h, w, side = calibration_sides[k];
            layer_size((struct layer){i, LAYER_RELU}, side, side, &h, &w);
            for (int p = 0; p < CALIBRATION_PRECISIONS; p++) {
                double share = p == 0 ? 1 : 0.25, rate = share * conv_rate;
                c.conv[p][i].forward[k] = rate * h * w;
                c.conv[p][i].backward[k] = 2 * rate * h * w;
                c.gram[p][i].forward[k] = share * gram_rate * h * w;
                c.gram[p][i].backward[k] = share * 2 * gram_rate * h * w;
            }
        }
    return c;
}

static struct cost_model linear_model(void)
{
    struct calibration c = linear_machine();
    struct cost_model model;
    cost_model_init(&model, &c);
    return model;
}

static void set(struct params *params, const char *name, const char *text)
{
    enum param_id id;
    struct error err = {0};
    must(params_find(name, &id, &err), &err);
    must(params_set(params, id, text, &err), &err);
}

/* relu1_1 and relu1_2: two convolutions at the picture's own size. */
static struct params two_convs(void)
{
    struct params params;
    struct error err = {0};
    params_init(&params);
    set(&params, "content", "none");
    set(&params, "style", "none");
    set(&params, "output", "none");
    set(&params, "content_layers", "relu1_2");
    set(&params, "style_layers", "relu1_1");
    set(&params, "iterations", "3");
    set(&params, "maxfun", "10");
    set(&params, "precision", "f32");
    must(params_resolve(&params, &err), &err);
    return params;
}

static struct plan plan_of(const struct params *params, int width, int height)
{
    struct error err = {0};
    struct plan plan = {.width = width,
                        .height = height,
                        .full_width = width,
                        .full_height = height,
                        .style_width = width,
                        .style_height = height,
                        .memory_bytes = 1000};
    must(plan_layers(params, &plan, &err), &err);
    return plan;
}

static void assert_close(double got, double want)
{
    if (!(fabs(got - want) <= 1e-9 * fabs(want)))
        print_error("got %.12g, expected %.12g\n", got, want);
    assert_true(fabs(got - want) <= 1e-9 * fabs(want));
}

/* --- predictions --- */

static void layers_of_a_render_add_up(void **state)
{
    (void)state;
    struct cost_model model = linear_model();
    struct params params = two_convs();
    /* smaller than, between, on and beyond the measured sizes */
    static const int sides[][2] = {{32, 32}, {64, 64}, {320, 192}, {448, 448}, {1024, 768}};
    for (size_t i = 0; i < sizeof sides / sizeof *sides; i++) {
        struct plan plan = plan_of(&params, sides[i][0], sides[i][1]);
        struct cost cost = cost_of(&model, &params, &plan);
        double positions = (double)sides[i][0] * sides[i][1];
        double evaluation = (2 * 3 * conv_rate + 3 * gram_rate) * positions;
        double targets = (2 + 1) * conv_rate * positions + gram_rate * positions;
        assert_close(cost.evaluations, 31);
        assert_close(cost.start_seconds, targets);
        assert_close(cost.seconds, targets + 31 * evaluation);
        assert_int_equal(cost.bytes, 1000);
    }
    params_release(&params);
}

static void odd_sides_count_as_whole_tiles(void **state)
{
    (void)state;
    struct cost_model model = linear_model();
    model.calibration.gram[0][0] = (struct layer_seconds){0};
    struct params params = two_convs();
    struct plan odd = plan_of(&params, 101, 97), even = plan_of(&params, 104, 100);
    assert_close(cost_of_evaluations(&model, &params, &odd, 1),
                 cost_of_evaluations(&model, &params, &even, 1));
    params_release(&params);
}

static void precision_chooses_its_times(void **state)
{
    (void)state;
    struct cost_model model = linear_model();
    struct params params = two_convs();
    struct plan plan = plan_of(&params, 256, 256);
    double f32 = cost_of_evaluations(&model, &params, &plan, 10);
    params.precision = PRECISION_BF16;
    assert_close(cost_of_evaluations(&model, &params, &plan, 10), f32 / 4);
    params.precision = PRECISION_AUTO;
    assert_close(cost_of_evaluations(&model, &params, &plan, 10), f32 / 4);
    model.calibration.measured[1] = false;
    assert_close(cost_of_evaluations(&model, &params, &plan, 10), f32);
    params_release(&params);
}

static void optimiser_counts_its_gradients(void **state)
{
    (void)state;
    struct cost_model model = linear_model();
    struct params params = two_convs();
    struct plan plan = plan_of(&params, 64, 64);
    double values = 3.0 * 64 * 64, without = cost_of_evaluations(&model, &params, &plan, 30);
    model.calibration.lbfgs_gradient = 1e-6;
    params.maxfun = 10;
    assert_close(cost_of_evaluations(&model, &params, &plan, 30), without + 3 * 55 * 1e-6 * values);
    params.maxfun = 130; /* two searches of 64 steps, one of two */
    assert_close(cost_of_evaluations(&model, &params, &plan, 130),
                 without * 130 / 30 + (2 * 64 * 65 / 2 + 3) * 1e-6 * values);
    params.optimizer = OPTIMIZER_ADAM;
    assert_close(cost_of_evaluations(&model, &params, &plan, 30), without);
    model.calibration.adam_step = 1e-6;
    assert_close(cost_of_evaluations(&model, &params, &plan, 30), without + 30 * 1e-6 * values);
    params_release(&params);
}

static void no_iterations_is_one_evaluation(void **state)
{
    (void)state;
    struct cost_model model = linear_model();
    struct params params = two_convs();
    struct plan plan = plan_of(&params, 64, 64);
    params.iterations = 0;
    struct cost cost = cost_of(&model, &params, &plan);
    assert_close(cost.seconds - cost.start_seconds, cost_of_evaluations(&model, &params, &plan, 1));
    params_release(&params);
}

/* --- experience --- */

static void experience_is_the_median_and_grows_with_its_number(void **state)
{
    (void)state;
    struct cost_observation seen[101];
    for (int i = 0; i < 101; i++)
        seen[i] = (struct cost_observation){.precision = PRECISION_F32,
                                            .seconds = i < 60 ? 30 : 1000,
                                            .predicted = 15,
                                            .peak_bytes = 80,
                                            .predicted_bytes = 100};
    struct cost_model one = linear_model(), many = linear_model();
    cost_model_learn(&one, seen, 1);
    cost_model_learn(&many, seen, 101);
    assert_close(one.seconds_factor[PRECISION_F32], sqrt(2));
    assert_close(many.seconds_factor[PRECISION_F32], pow(2, 101.0 / 102));
    assert_close(many.bytes_factor, pow(0.8, 101.0 / 102));
    assert_close(many.seconds_factor[PRECISION_BF16], 1);
    assert_int_equal(many.learned[PRECISION_F32], 101);
    assert_int_equal(many.learned[PRECISION_BF16], 0);
}

static void experience_without_numbers_is_left_out(void **state)
{
    (void)state;
    struct cost_observation seen[] = {{.seconds = NAN, .predicted = 1},
                                      {.seconds = 0, .predicted = 1},
                                      {.seconds = 5, .predicted = 0},
                                      {.seconds = INFINITY, .predicted = 1}};
    struct cost_model model = linear_model();
    cost_model_learn(&model, seen, sizeof seen / sizeof *seen);
    assert_close(model.seconds_factor[PRECISION_F32], 1);
    assert_close(model.bytes_factor, 1);
    assert_int_equal(model.learned[PRECISION_F32], 0);
}

/* --- many jobs --- */

static void makespan_is_that_of_longest_first(void **state)
{
    (void)state;
    double known[] = {2, 7, 3, 5, 4, 6}; /* 7 3 2 | 6 4 | 5 ... on three: 9; on two: 14 */
    assert_close(cost_makespan(known, 6, 3), 9);
    assert_close(cost_makespan(known, 6, 2), 14);
    assert_close(cost_makespan(known, 6, 1), 27);
    assert_close(cost_makespan(known, 6, 6), 7);
    assert_close(cost_makespan(known, 6, 100), 7);
    assert_close(cost_makespan(known, 0, 4), 0);
    assert_true(isinf(cost_makespan(known, 6, 0)));
    double uneven[] = {5, 5, 4, 4, 3, 3, 3}; /* Graham's: 11 where 9 would do */
    assert_close(cost_makespan(uneven, 7, 3), 11);
}

/* --- files --- */

static void calibration_comes_back_from_its_file(void **state)
{
    (void)state;
    struct calibration c = linear_machine(), again;
    struct error err = {0};
    c.prepare[0] = 1e-9;
    c.lbfgs_gradient = 1.25e-9;
    c.launch = 0.04;
    snprintf(c.date, sizeof c.date, "2026-01-31T12:34:56Z");
    assert_int_equal(calibration_write(in_folder("c.json"), &c, &err), 0);
    assert_int_equal(calibration_read(in_folder("c.json"), &again, &err), 0);
    assert_string_equal(again.machine, c.machine);
    assert_string_equal(again.date, c.date);
    assert_close(again.conv[1][15].backward[3], c.conv[1][15].backward[3]);
    assert_close(again.gram[1][0].forward[0], c.gram[1][0].forward[0]);
    assert_close(again.prepare[0], 1e-9);
    assert_close(again.lbfgs_gradient, 1.25e-9);
    assert_true(again.measured[0] && again.measured[1]);
    assert_int_equal(again.threads, 1);
}

static void calibration_of_another_kind_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"{}", "[1]", "{\"schema\": \"atelier-calibration-3\"}",
                                        "no", ""};
    struct calibration c = {.threads = 7};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        struct error err = {0};
        file_put(in_folder("wrong.json"), wrong[i], strlen(wrong[i]));
        assert_int_equal(calibration_read(in_folder("wrong.json"), &c, &err), E_INPUT);
        assert_non_null(strstr(err.message, "wrong.json"));
    }
    assert_int_equal(calibration_read(in_folder("none.json"), &c, NULL), E_INPUT);
    assert_int_equal(c.threads, 7);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(layers_of_a_render_add_up),
        cmocka_unit_test(odd_sides_count_as_whole_tiles),
        cmocka_unit_test(precision_chooses_its_times),
        cmocka_unit_test(optimiser_counts_its_gradients),
        cmocka_unit_test(no_iterations_is_one_evaluation),
        cmocka_unit_test(experience_is_the_median_and_grows_with_its_number),
        cmocka_unit_test(experience_without_numbers_is_left_out),
        cmocka_unit_test(makespan_is_that_of_longest_first),
        cmocka_unit_test_setup_teardown(calibration_comes_back_from_its_file, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(calibration_of_another_kind_is_refused, folder_make,
                                        folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
