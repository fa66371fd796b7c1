/* What a person sees of a complaint, and what a hash table keeps. */
#include "check.h"
#include "complaint.h"
#include "name_index.h"
#include "utf8.h"

static struct complaints complaints;

static int begin(void **state)
{
    struct error err;
    (void)state;
    complaints = (struct complaints){0};
    return complaints_file(&complaints, "s.yaml", &err);
}

static int end(void **state)
{
    (void)state;
    complaints_release(&complaints);
    return 0;
}

static void give_source(const char *text)
{
    complaints_source(&complaints, strdup(text), strlen(text));
}

static void assert_text(size_t number, const char *expected)
{
    assert_true(number < complaints.count);
    char *text = complaint_text(&complaints.list[number]);
    assert_string_equal(text, expected);
    free(text);
}

static void the_caret_stands_under_the_place(void **state)
{
    (void)state;
    give_source("\xef\xbb\xbf"
                "a: 1\r\nb: \xc3\xa9t\xc3\xa9 x\r\rc\td\n");
    complain(&complaints, (struct origin){.line = 1, .column = 4}, "one");
    complain(&complaints, (struct origin){.line = 2, .column = 8}, "two");
    complain(&complaints, (struct origin){.line = 4, .column = 3}, "four");
    complain(&complaints, (struct origin){.line = 3, .column = 1}, "empty line");
    complain(&complaints, (struct origin){.line = 9, .column = 1}, "no line");
    complain(&complaints, (struct origin){.line = 2}, "no column");
    complain(&complaints, (struct origin){0}, "no place");
    assert_text(0, "s.yaml:1:4: one\n    a: 1\n       ^");
    assert_text(1, "s.yaml:2:8: two\n    b: \xc3\xa9t\xc3\xa9 x\n           ^");
    assert_text(2, "s.yaml:4:3: four\n    c\td\n     \t^");
    assert_text(3, "s.yaml:3:1: empty line");
    assert_text(4, "s.yaml:9:1: no line");
    assert_text(5, "s.yaml:2: no column\n    b: \xc3\xa9t\xc3\xa9 x");
    assert_text(6, "s.yaml: no place");
}

static void what_would_upset_a_terminal_is_not_shown(void **state)
{
    (void)state;
    give_source("a\x1b[31m \xc2\x9b \xff \x7f z\n");
    complain(&complaints, (struct origin){.line = 1, .column = 1}, "got '%s'", "\x1b[0m\n\xc0");
    assert_text(0, "s.yaml:1:1: got '?[0m?"
                   "?'\n    a?[31m ? ? ? z\n    ^");
}

static void long_lines_are_cut_around_the_caret(void **state)
{
    char line[1001];
    (void)state;
    memset(line, 'x', 1000);
    line[1000] = 0;
    line[500] = '!';
    give_source(line);
    complain(&complaints, (struct origin){.line = 1, .column = 501}, "here");
    char *text = complaint_text(&complaints.list[0]);
    char *caret = strchr(text, '^'), *mark = strchr(text, '!');
    char *first = strchr(text, '\n'), *second = strchr(first + 1, '\n');
    assert_true(caret && mark && caret - second == mark - first);
    assert_true(strlen(text) < 300);
    free(text);
}

static void what_is_said_again_is_counted(void **state)
{
    struct error err = {0};
    (void)state;
    assert_int_equal(complaints_verdict(&complaints, &err), 0);
    for (int i = 0; i < 3; i++)
        complain_note(&complaints, (struct origin){0}, "a note");
    assert_int_equal(complaints_verdict(&complaints, &err), 0);
    for (int i = 0; i < 200; i++)
        complain(&complaints, (struct origin){.line = 1 + i / 2, .column = 1}, "wrong");
    assert_int_equal(complaints.count, COMPLAINTS_MAX);
    assert_int_equal(complaints.errors, 200);
    assert_int_equal(complaints.notes, 3);
    assert_text(0, "s.yaml: note: a note (and 2 more times)");
    assert_text(1, "s.yaml:1:1: wrong (and 1 more time)");
    assert_int_equal(complaints_verdict(&complaints, &err), E_INPUT);
    assert_string_equal(err.message, "s.yaml: 200 errors");
}

static void a_table_finds_what_it_was_given(void **state)
{
    enum { NAMES = 20000 };
    struct name_index index = {0};
    struct error err;
    size_t value;
    bool is_new;
    char name[32];
    (void)state;
    assert_false(name_index_find(&index, "0", &value));
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < NAMES; i++) {
            snprintf(name, sizeof name, "%zu", i * i);
            assert_int_equal(name_index_put(&index, name, 3 * i, &value, &is_new, &err), 0);
            assert_int_equal(value, 3 * i);
            assert_true(is_new == (round == 0));
        }
    assert_int_equal(index.count, NAMES);
    assert_false(name_index_find(&index, "2", &value));
    assert_int_equal(name_index_add(&index, "2", &value, &is_new, &err), 0);
    assert_int_equal(value, NAMES);
    name_index_release(&index);
}

/* RFC 3629: shortest forms only, no surrogates, nothing beyond U+10FFFF. */
static void only_utf8_is_utf8(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        size_t length;
    } cases[] = {
        {"a", 1},
        {"\xc3\xa9", 2},
        {"\xe2\x82\xac", 3},
        {"\xf0\x9f\x8e\xa8", 4},
        {"\x80", 0},
        {"\xc0\xaf", 0},
        {"\xc1\xbf", 0},
        {"\xe0\x9f\xbf", 0},
        {"\xe0\xa0\x80", 3},
        {"\xed\x9f\xbf", 3},
        {"\xed\xa0\x80", 0},
        {"\xf0\x8f\xbf\xbf", 0},
        {"\xf4\x8f\xbf\xbf", 4},
        {"\xf4\x90\x80\x80", 0},
        {"\xf5\x80\x80\x80", 0},
        {"\xe2\x82", 0},
        {"\xe2\x82x", 0},
        {"\xff", 0},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_int_equal(utf8_length(cases[i].text, strlen(cases[i].text)), cases[i].length);
    assert_true(utf8_is_control("\x1b", 1) && utf8_is_control("\x7f", 1) &&
                utf8_is_control("\xc2\x85", 2));
    assert_false(utf8_is_control("\t", 1) || utf8_is_control("\xc2\xa0", 2) ||
                 utf8_is_control("a", 1));
}

int main(void)
{
#define WITH_COMPLAINTS(test) cmocka_unit_test_setup_teardown(test, begin, end)
    const struct CMUnitTest tests[] = {
        WITH_COMPLAINTS(the_caret_stands_under_the_place),
        WITH_COMPLAINTS(what_would_upset_a_terminal_is_not_shown),
        WITH_COMPLAINTS(long_lines_are_cut_around_the_caret),
        WITH_COMPLAINTS(what_is_said_again_is_counted),
        cmocka_unit_test(a_table_finds_what_it_was_given),
        cmocka_unit_test(only_utf8_is_utf8),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
