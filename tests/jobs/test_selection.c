/* Conditions on jobs, over a list made here. */
#include "check.h"
#include "selection.h"

enum { JOBS = 4 };

static struct job_list list;

static void give(size_t job, enum param_id id, const char *text)
{
    struct error err;
    assert_int_equal(params_set(&list.jobs[job].params, id, text, &err), 0);
}

static int make_list(void **state)
{
    static const char *const contents[JOBS] = {"/p/a.jpg", "/p/a.jpg", "/p/b.jpg",
                                               "/p/night b.jpg"};
    static const char *const weights[JOBS] = {"0.1", "0.316227766017", "1", "1000"};
    static const char *const layers[JOBS] = {"relu1_1", "relu1_1,relu2_1", "relu4_2:3,relu5_1:1",
                                             "conv4_2"};
    (void)state;
    struct error err;
    list = (struct job_list){.count = JOBS, .jobs = calloc(JOBS, sizeof *list.jobs)};
    assert_non_null(list.jobs);
    for (size_t i = 0; i < JOBS; i++) {
        give(i, PARAM_content, contents[i]);
        give(i, PARAM_style, "/s/starry.jpg");
        give(i, PARAM_style_weight, weights[i]);
        give(i, PARAM_style_layers, layers[i]);
        give(i, PARAM_pooling, i % 2 ? "max" : "avg");
        snprintf(list.jobs[i].id, JOB_ID_TEXT, "%016zx", i);
        assert_int_equal(params_resolve_job(&list.jobs[i].params, &err), 0);
    }
    list.jobs[3].name = strdup("the last");
    return 0;
}

static int release_list(void **state)
{
    (void)state;
    job_list_release(&list);
    return 0;
}

/* "0110": which jobs stay. */
static void assert_selects(const char *conditions, const char *expected)
{
    bool skip[JOBS] = {false};
    char got[JOBS + 1] = "";
    struct error err = {0};
    int status = selection_apply(conditions, &list, skip, &err);
    for (size_t i = 0; i < JOBS; i++)
        got[i] = skip[i] ? '0' : '1';
    if (status != 0 || strcmp(got, expected) != 0)
        print_error("%s: %s, expected %s %s\n", conditions, got, expected, err.message);
    assert_int_equal(status, 0);
    assert_string_equal(got, expected);
}

static void assert_refused(const char *conditions, const char *words)
{
    bool skip[JOBS] = {false};
    struct error err = {0};
    assert_int_equal(selection_apply(conditions, &list, skip, &err), E_INPUT);
    if (!strstr(err.message, words))
        print_error("%s: expected \"%s\" in \"%s\"\n", conditions, words, err.message);
    assert_non_null(strstr(err.message, words));
}

static void numbers_are_compared(void **state)
{
    (void)state;
    assert_selects("style_weight=1", "0010");
    assert_selects("style_weight==1.0", "0010");
    assert_selects("style_weight!=1e0", "1101");
    assert_selects("style_weight<1", "1100");
    assert_selects("style_weight <= 1", "1110");
    assert_selects("style-weight>1", "0001");
    assert_selects("style_weight>=1", "0011");
}

/* 0.316227766016838 is what 12 digits were made of. */
static void equal_numbers_need_no_last_digit(void **state)
{
    (void)state;
    assert_selects("style_weight=0.31622776601683794", "0100");
    assert_selects("style_weight>0.31622776601683794", "0011");
    assert_selects("style_weight>=0.31622776601783", "0111");
    assert_selects("style_weight<0.3162277660", "1000");
    assert_selects("style_weight=0.3162", "0000");
}

static void texts_are_patterns(void **state)
{
    (void)state;
    assert_selects("content=a.jpg", "1100");
    assert_selects("content=/p/a.jpg", "1100");
    assert_selects("content=*b.jpg", "0011");
    assert_selects("content!=*b.jpg", "1100");
    assert_selects("content~night", "0001");
    assert_selects("content!~night", "1110");
    assert_selects("name=the*", "0001");
    assert_selects("name=", "1110");
    assert_selects("id=0000000000000002", "0010");
    assert_selects("id=*[13]", "0101");
    assert_selects("pooling=max", "0101");
    assert_selects("style_weight~31", "0100");
}

static void layers_are_compared_as_layers(void **state)
{
    (void)state;
    assert_selects("style_layers=block1_conv1", "1000");
    assert_selects("style_layers=relu2_1,relu1_1", "0100");
    assert_selects("style_layers=relu2_1,relu1_1,pooling=max", "0100");
    assert_selects("style_layers=relu5_1:2,relu4_2:6", "0010");
    assert_selects("style_layers~4_2", "0011");
    assert_selects("style_layers=*4_2*", "0011");
}

static void conditions_are_joined(void **state)
{
    (void)state;
    assert_selects("style_weight>=0.2,pooling=max", "0101");
    assert_selects("style_weight>=0.2 and pooling=max and content=a.jpg", "0100");
    assert_selects("style_weight>0.2, style_weight<10", "0110");
}

static void mistakes_are_explained(void **state)
{
    (void)state;
    assert_refused("style_wait>1", "unknown parameter 'style_wait'; nearest: 'style_weight'");
    assert_refused("threads=3", "'threads' is the same for all jobs");
    assert_refused("style_weight>x", "style_weight is compared with a number, not 'x'");
    assert_refused("pooling>max", "'pooling' is a text");
    assert_refused("pooling=may", "pooling must be max or avg, got 'may'");
    assert_refused("style_layers=relu9_1", "VGG-19 has no layer 'relu9_1'");
    assert_refused("style_weight", "expected a condition such as style_weight>=1");
    assert_refused("", "expected a condition");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_are_compared),  cmocka_unit_test(equal_numbers_need_no_last_digit),
        cmocka_unit_test(texts_are_patterns),    cmocka_unit_test(layers_are_compared_as_layers),
        cmocka_unit_test(conditions_are_joined), cmocka_unit_test(mistakes_are_explained),
    };
    return cmocka_run_group_tests(tests, make_list, release_list);
}
