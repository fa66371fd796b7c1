/* jobs/decimate: few rows that draw the same curve. */
#include "check.h"

#include "decimate.h"
#include <math.h>
#include <stdlib.h>

enum { COLUMNS = 3, ROWS = 700 };
static const int drawn[] = {1, 2};

static struct decimation plan_of(const double *values, size_t rows)
{
    return (struct decimation){.rows = rows,
                               .columns = COLUMNS,
                               .values = values,
                               .x = 0,
                               .drawn = drawn,
                               .drawn_count = 2,
                               .tolerance = 0.01,
                               .limit = ROWS};
}

/* A falling curve with jumps, and one that wavers; x goes faster from the middle on. */
static double *made_history(size_t rows)
{
    double *values = malloc(rows * COLUMNS * sizeof *values), x = 1;
    for (size_t row = 0; row < rows; row++) {
        values[row * COLUMNS] = x;
        values[row * COLUMNS + 1] = exp(-(double)row / 90) + (row % 97 == 50 ? 3 : 0.01);
        values[row * COLUMNS + 2] = 1e-6 * (2 + sin((double)row / 7));
        x += row < 300 ? 1 : 2;
    }
    return values;
}

/* The largest relative distance of any row from the straight line, in logarithms, between its kept
 * neighbours. */
static double deviation(const double *values, const size_t *kept, size_t count)
{
    double most = 0;
    for (size_t k = 1; k < count; k++)
        for (size_t row = kept[k - 1]; row <= kept[k]; row++)
            for (int column = 1; column < COLUMNS; column++) {
                const double *a = values + kept[k - 1] * COLUMNS, *b = values + kept[k] * COLUMNS;
                const double *here = values + row * COLUMNS;
                double share = (here[0] - a[0]) / (b[0] - a[0]);
                double line = pow(a[column], 1 - share) * pow(b[column], share);
                double off = fmax(here[column] / line, line / here[column]) - 1;
                most = fmax(most, off);
            }
    return most;
}

static void keeps_the_ends_and_stays_within_the_tolerance(void **state)
{
    (void)state;
    double *values = made_history(ROWS), worst;
    size_t kept[ROWS], count;
    struct decimation plan = plan_of(values, ROWS);
    assert_int_equal(decimate(&plan, kept, &count, &worst, NULL), 0);
    assert_int_equal(kept[0], 0);
    assert_int_equal(kept[count - 1], ROWS - 1);
    for (size_t i = 1; i < count; i++)
        assert_true(kept[i - 1] < kept[i]);
    assert_true(count < ROWS / 2);
    double off = deviation(values, kept, count);
    print_message("%zu of %d rows, off by %g\n", count, ROWS, off);
    assert_true(!(off > 0.01 + 1e-9));
    assert_true(!(fabs(off - worst) > 1e-9));
    free(values);
}

static void keeps_no_more_than_the_limit_and_says_how_far_it_is(void **state)
{
    (void)state;
    double *values = made_history(ROWS), worst;
    size_t kept[20], count;
    struct decimation plan = plan_of(values, ROWS);
    plan.limit = 20;
    assert_int_equal(decimate(&plan, kept, &count, &worst, NULL), 0);
    assert_int_equal(count, 20);
    assert_true(worst > 0.01);
    assert_true(!(fabs(deviation(values, kept, count) - worst) > 1e-9));
    free(values);
}

static void a_curve_that_is_straight_in_logarithms_needs_two_rows(void **state)
{
    (void)state;
    double values[50 * COLUMNS], worst;
    size_t kept[50], count;
    for (int row = 0; row < 50; row++) {
        values[row * COLUMNS] = row;
        values[row * COLUMNS + 1] = values[row * COLUMNS + 2] = exp(-0.2 * row);
    }
    struct decimation plan = plan_of(values, 50);
    assert_int_equal(decimate(&plan, kept, &count, &worst, NULL), 0);
    assert_int_equal(count, 2);
}

static void short_histories_are_kept_whole(void **state)
{
    (void)state;
    double values[2 * COLUMNS] = {0, 1, 1, 1, 2, 2}, worst;
    size_t kept[2], count;
    for (size_t rows = 0; rows <= 2; rows++) {
        struct decimation plan = plan_of(values, rows);
        assert_int_equal(decimate(&plan, kept, &count, &worst, NULL), 0);
        assert_int_equal(count, rows);
        for (size_t i = 0; i < rows; i++)
            assert_int_equal(kept[i], i);
    }
}

static void both_sides_of_a_gap_are_kept(void **state)
{
    (void)state;
    double values[40 * COLUMNS], worst;
    size_t kept[40], count;
    for (int row = 0; row < 40; row++) {
        values[row * COLUMNS] = row;
        values[row * COLUMNS + 1] = 1;
        values[row * COLUMNS + 2] = row >= 10 && row < 20 ? (row % 2 ? (double)NAN : 0) : 1;
    }
    struct decimation plan = plan_of(values, 40);
    assert_int_equal(decimate(&plan, kept, &count, &worst, NULL), 0);
    int found = 0;
    for (size_t i = 0; i < count; i++)
        found += kept[i] == 9 || kept[i] == 10 || kept[i] == 19 || kept[i] == 20;
    assert_int_equal(found, 4);
    assert_true(count < 16);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keeps_the_ends_and_stays_within_the_tolerance),
        cmocka_unit_test(keeps_no_more_than_the_limit_and_says_how_far_it_is),
        cmocka_unit_test(a_curve_that_is_straight_in_logarithms_needs_two_rows),
        cmocka_unit_test(short_histories_are_kept_whole),
        cmocka_unit_test(both_sides_of_a_gap_are_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
