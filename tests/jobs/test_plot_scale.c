/* jobs/plot_scale: axes of a plot. */
#include "check.h"

#include "plot_scale.h"
#include <math.h>

static struct plot_scale scale_of(bool logarithmic, double low, double high)
{
    struct plot_scale scale = {.logarithmic = logarithmic};
    plot_scale_see(&scale, low);
    plot_scale_see(&scale, high);
    plot_scale_settle(&scale, 0);
    return scale;
}

static void values_lie_between_0_and_1(void **state)
{
    (void)state;
    struct plot_scale linear = scale_of(false, -2, 6), powers = scale_of(true, 1e-4, 1e4);
    assert_true(fabs(plot_scale_at(&linear, -2)) < 1e-12);
    assert_true(fabs(plot_scale_at(&linear, 0) - 0.25) < 1e-12);
    assert_true(fabs(plot_scale_at(&powers, 1) - 0.5) < 1e-12);
    assert_true(fabs(plot_scale_at(&powers, 1e4) - 1) < 1e-12);
    assert_true(isnan(plot_scale_at(&powers, 0)) && isnan(plot_scale_at(&powers, -1)));
    assert_true(isnan(plot_scale_at(&linear, (double)NAN)));
}

static void what_cannot_be_drawn_does_not_stretch_the_axis(void **state)
{
    (void)state;
    struct plot_scale scale = {.logarithmic = true};
    const double values[] = {0.5, 0, -3, NAN, INFINITY, 2};
    for (int i = 0; i < 6; i++)
        plot_scale_see(&scale, values[i]);
    assert_true(scale.low == 0.5 && scale.high == 2);
}

static void one_value_or_none_still_makes_an_axis(void **state)
{
    (void)state;
    for (int logarithmic = 0; logarithmic <= 1; logarithmic++) {
        struct plot_scale none = {.logarithmic = logarithmic}, one = scale_of(logarithmic, 5, 5);
        plot_scale_settle(&none, 0.1);
        assert_true(none.low < none.high);
        assert_true(one.low < 5 && one.high > 5);
    }
}

/* Whether it is a multiple of the step, and that 1, 2 or 5 times a power of ten. */
static bool is_round(double tick, double step)
{
    double factor = step / pow(10, floor(log10(step) + 1e-9));
    bool good = fabs(factor - 1) < 1e-6 || fabs(factor - 2) < 1e-6 || fabs(factor - 5) < 1e-6;
    return good && fabs(tick / step - rint(tick / step)) < 1e-6;
}

static void ticks_are_round_and_within_the_axis(void **state)
{
    (void)state;
    static const double ranges[][2] = {
        {0, 1}, {3, 187}, {-1e-3, 2e-3}, {1e5, 1.3e5}, {0.017, 0.02}};
    for (int i = 0; i < 5; i++) {
        double ticks[40];
        struct plot_scale scale = scale_of(false, ranges[i][0], ranges[i][1]);
        size_t count = plot_scale_ticks(&scale, 6, ticks, 40);
        assert_in_range(count, 3, 12);
        for (size_t k = 0; k < count; k++) {
            assert_true(ticks[k] >= scale.low - 1e-12 && ticks[k] <= scale.high * (1 + 1e-12));
            assert_true(k == 0 || is_round(ticks[k], ticks[1] - ticks[0]));
        }
    }
}

static void logarithmic_ticks_are_decades_or_parts_of_them(void **state)
{
    (void)state;
    double ticks[40];
    struct plot_scale wide = scale_of(true, 1e-9, 1e3), narrow = scale_of(true, 0.3, 7),
                      tiny = scale_of(true, 1.1, 1.4);
    size_t count = plot_scale_ticks(&wide, 6, ticks, 40);
    assert_in_range(count, 4, 7);
    for (size_t k = 0; k < count; k++)
        assert_true(fabs(log10(ticks[k]) - rint(log10(ticks[k]))) < 1e-9);
    assert_int_equal(plot_scale_ticks(&narrow, 6, ticks, 40), 4); /* 0.5 1 2 5 */
    assert_true(plot_scale_ticks(&tiny, 6, ticks, 40) >= 2);
    assert_int_equal(plot_scale_ticks(&wide, 100, ticks, 5), 5); /* no more than there is room */
}

static void tick_texts_are_short(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } expected[] = {{0, "0"},
                    {0.02, "0.02"},
                    {3000, "3000"},
                    {200000, "200000"},
                    {1e-4, "10⁻⁴"},
                    {5e-6, "5 × 10⁻⁶"},
                    {2.5e12, "2.5 × 10¹²"},
                    {-0.5, "-0.5"},
                    {1e-10, "10⁻¹⁰"},
                    {0.3 - 0.1 - 0.2 + 1, "1"}};
    char text[TICK_TEXT];
    for (size_t i = 0; i < sizeof expected / sizeof *expected; i++)
        assert_string_equal(plot_tick_text(expected[i].value, text), expected[i].text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(values_lie_between_0_and_1),
        cmocka_unit_test(what_cannot_be_drawn_does_not_stretch_the_axis),
        cmocka_unit_test(one_value_or_none_still_makes_an_axis),
        cmocka_unit_test(ticks_are_round_and_within_the_axis),
        cmocka_unit_test(logarithmic_ticks_are_decades_or_parts_of_them),
        cmocka_unit_test(tick_texts_are_short),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
