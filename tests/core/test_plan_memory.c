/* A plan's memory: what is refused, and what is named instead. */
#include "render_fixture.h"

static void plan_of(const char *precision, const char *size, struct params *params,
                    struct plan *plan)
{
    params_init(params);
    set_param(params, "preset", "keras");
    set_param(params, "content", blank_file((struct size){48, 36}));
    set_param(params, "style", blank_file((struct size){40, 40}));
    set_param(params, "output", "none.png");
    set_param(params, "precision", precision);
    set_param(params, "size", size);
    resolve_and_plan(params, plan);
}

static uint64_t bytes_at(const char *precision, int size)
{
    struct params params;
    struct plan plan;
    char text[16];
    snprintf(text, sizeof text, "%d", size);
    plan_of(precision, text, &params, &plan);
    params_release(&params);
    return plan.memory_bytes;
}

/* The size named where 2048 px must fit into `available` bytes. */
static int named_size(const char *precision, uint64_t available)
{
    struct params params;
    struct plan plan;
    struct error err = {0};
    int size = 0;
    plan_of(precision, "2048", &params, &plan);
    assert_int_equal(plan_check_memory(&params, &plan, available, &err), E_INPUT);
    const char *named = strstr(err.message, "size ");
    assert_non_null(named);
    assert_int_equal(sscanf(named, "size %d would fit", &size), 1);
    params_release(&params);
    return size;
}

/* 100/95 of a size's bytes let that size be named, a little less does not; and the named size is
 * taken with 5 % less than that. */
static void check_named_size(const char *precision)
{
    const int size = 1024;
    uint64_t bytes = bytes_at(precision, size), enough = bytes / 95 * 100 + 200;
    assert_int_equal(named_size(precision, enough), size);
    assert_int_equal(named_size(precision, enough - enough / 1000), size - 16);
    struct params params;
    struct plan plan;
    struct error err = {0};
    plan_of(precision, "1024", &params, &plan);
    assert_int_equal(plan_check_memory(&params, &plan, enough - enough / 20, &err), 0);
    assert_int_equal(plan_check_memory(&params, &plan, bytes - 1, &err), E_INPUT);
    params_release(&params);
}

static void the_size_that_would_fit_leaves_a_twentieth(void **state)
{
    (void)state;
    check_named_size("f32");
    check_named_size("auto");
    if (!conv_missing(ARITHMETIC_BF16))
        check_named_size("bf16");
}

/* Beyond 448 px square (517 x 388 here) memory is saved: where the next smaller size does not fit,
 * a larger one may. */
static void a_larger_picture_may_take_less(void **state)
{
    (void)state;
    uint64_t smaller = bytes_at("f32", 512), larger = bytes_at("f32", 528);
    assert_true(larger < smaller);
    assert_true(named_size("f32", larger / 95 * 100 + 200) >= 528);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_size_that_would_fit_leaves_a_twentieth),
        cmocka_unit_test(a_larger_picture_may_take_less),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
