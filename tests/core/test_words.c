/* Hints at misspelt words: near misses are found, strangers are not. */
#include "words.h"

#include "check.h"

static const char *const names[] = {"content",    "style",         "output", "style_weight",
                                    "iterations", "learning_rate", "quiet",  "fs",
                                    "json",       "weights",       "f32",    "max-failures"};
enum { NAMES = sizeof names / sizeof *names };

static void assert_nearest(const char *word, const char *expected)
{
    char text[128];
    words_nearest(word, names, NAMES, text, sizeof text);
    assert_string_equal(text, expected);
}

static void only_true_near_misses_are_named(void **state)
{
    (void)state;
    assert_nearest("contnet", "'content'");
    assert_nearest("Style-Wieght", "'style_weight'");
    assert_nearest("stlye_wieght", "'style_weight'");
    assert_nearest("quite", "'quiet'");
    assert_nearest("QUIET", "'quiet'");
    assert_nearest("f23", "'f32'");
    assert_nearest("jsn", "'json'");
    static const char *const strangers[] = {"zzz",   "foo-bar", "input", "x",     "",  "no",
                                            "color", "tale",    "yes",   "light", "gs"};
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++)
        assert_nearest(strangers[i], "");
}

static void a_beginning_names_all_that_begin_so(void **state)
{
    (void)state;
    assert_nearest("iter", "'iterations'");
    assert_nearest("learning", "'learning_rate'");
    assert_nearest("sty", "'style' or 'style_weight'");
    assert_nearest("st", "");
}

static void a_distance_counts_letters_and_swaps(void **state)
{
    (void)state;
    assert_int_equal(word_distance("style-weight", "STYLE_WEIGHT"), 0);
    assert_int_equal(word_distance("contnet", "content"), 1);
    assert_int_equal(word_distance("tv", "tvs"), 1);
    assert_int_equal(word_distance("", "abc"), 3);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(only_true_near_misses_are_named),
        cmocka_unit_test(a_beginning_names_all_that_begin_so),
        cmocka_unit_test(a_distance_counts_letters_and_swaps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
