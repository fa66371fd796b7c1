/* Options of a subcommand from its table, and quantities as people write them. */
#include "arguments.h"
#include "check.h"
#include "human.h"

struct values {
    bool quiet, dry;
    const char *hosts, *only, *output;
    int64_t ranks;
    double weight, timeout;
    uint64_t memory;
    int mode;
    int times;
    const char *operands[2];
};

static int count_it(const struct argument *row, const char *text, struct error *err)
{
    (void)err;
    *(int *)row->value += (int)strlen(text);
    return 0;
}

static void check(void *context, const struct form *form, struct complaints *complaints)
{
    const struct values *v = context;
    (void)form;
    if (v->quiet && v->mode == 2)
        complain(complaints, (struct origin){0}, "exact is not quiet");
}

/* Parses words into v, which holds the defaults. */
static void parse(struct values *v, struct complaints *complaints, int argc, const char **words)
{
    const struct argument rows[] = {
        OPTION("quiet", FLAG, &v->quiet, NULL, "be quiet"),
        OPTION("output", TEXT, &v->output, "FILE", "where to"),
        OPTION("dry-run", FLAG, &v->dry, NULL, "only look"),
        OPTION("hosts", TEXT, &v->hosts, "LIST", "hosts"),
        OPTION("only", TEXT, &v->only, "[WHAT]", "some", .optional = true),
        OPTION("ranks", WHOLE, &v->ranks, "N", "ranks", .low = 1, .high = 64),
        OPTION("weight", REAL, &v->weight, "X", "weight"),
        OPTION("job-timeout", DURATION, &v->timeout, "TIME", "time", .low = 0, .high = INFINITY),
        OPTION("memory", BYTES, &v->memory, "BYTES", "memory"),
        OPTION("mode", CHOICE, &v->mode, "WORD", "mode", .choices = "fast slow exact"),
        OPTION("times", CUSTOM, &v->times, "X", "adds up", .repeated = true, .set = count_it),
    };
    struct form form = {
        .operands = {.list = v->operands, .min = 1, .max = 2, .names = "FILE [NAME]"},
        .check = check,
        .context = v};
    bool help;
    struct error err = {0};
    form_add(&form, rows, sizeof rows / sizeof *rows);
    assert_int_equal(
        arguments_parse(argc, (char **)(uintptr_t)words, &form, &help, complaints, &err), 0);
}

#define PARSE(v, complaints, ...)                                                                  \
    parse(v, complaints, (int)(sizeof((const char *[]){"x", __VA_ARGS__}) / sizeof(char *)),       \
          (const char *[]){"x", __VA_ARGS__})

static void assert_fine(struct complaints *complaints)
{
    for (size_t i = 0; i < complaints->count; i++)
        print_error("%s\n", complaints->list[i].message);
    assert_int_equal(complaints->errors, 0);
    complaints_release(complaints);
}

static void every_type_is_read_in_both_spellings(void **state)
{
    (void)state;
    struct values v = {.mode = 1};
    struct complaints complaints = {0};
    PARSE(&v, &complaints, "--quiet", "file", "--hosts=a:1,b:2", "--ranks", "64", "--weight=-1.5",
          "--job_timeout", "1h30m", "--memory", "2GiB", "--mode", "slow", "--times=ab", "--times",
          "c", "--only", "--", "--name");
    assert_fine(&complaints);
    assert_true(v.quiet);
    assert_string_equal(v.hosts, "a:1,b:2");
    assert_string_equal(v.only, "");
    assert_int_equal(v.ranks, 64);
    assert_true(v.weight == -1.5);
    assert_true(v.timeout == 5400);
    assert_int_equal(v.memory, 2147483648);
    assert_int_equal(v.mode, 1);
    assert_int_equal(v.times, 3);
    assert_string_equal(v.operands[0], "file");
    assert_string_equal(v.operands[1], "--name");
}

static void letters_stand_for_options_alone_joined_and_together(void **state)
{
    (void)state;
    static const char *const forms[][4] = {{"-o", "out.png", "-q", "-n"},
                                           {"-oout.png", "-qn", NULL, NULL},
                                           {"-qno", "out.png", NULL, NULL},
                                           {"-nq", "-o=out.png", NULL, NULL}};
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++) {
        struct values v = {0};
        struct complaints complaints = {0};
        const char *words[7] = {"x", "file"};
        int count = 2;
        for (int w = 0; w < 4 && forms[i][w]; w++)
            words[count++] = forms[i][w];
        parse(&v, &complaints, count, words);
        assert_fine(&complaints);
        assert_true(v.quiet && v.dry);
        assert_string_equal(v.output, "out.png");
    }
    struct values v = {0};
    struct complaints complaints = {0};
    PARSE(&v, &complaints, "-", "-o", "-x");
    assert_fine(&complaints);
    assert_string_equal(v.operands[0], "-");
    assert_string_equal(v.output, "-x");
}

static void what_is_not_given_stays(void **state)
{
    (void)state;
    struct values v = {.ranks = 7, .mode = 1, .hosts = "h"};
    struct complaints complaints = {0};
    PARSE(&v, &complaints, "file", "--quiet=no");
    assert_fine(&complaints);
    assert_int_equal(v.ranks, 7);
    assert_int_equal(v.mode, 1);
    assert_string_equal(v.hosts, "h");
    assert_false(v.quiet);
}

#define assert_refused(message_, ...)                                                              \
    do {                                                                                           \
        struct values values_ = {0};                                                               \
        struct complaints complaints_ = {0};                                                       \
        PARSE(&values_, &complaints_, __VA_ARGS__);                                                \
        assert_int_equal(complaints_.errors, 1);                                                   \
        assert_string_equal(complaints_.list[0].message, message_);                                \
        complaints_release(&complaints_);                                                          \
    } while (0)

static void misuse_names_the_option(void **state)
{
    (void)state;
    assert_refused("expected FILE [NAME]", "--quiet");
    assert_refused("unexpected argument 'c': expected FILE [NAME]", "a", "b", "c");
    assert_refused("unknown option '--rank'; did you mean --ranks?", "f", "--rank", "3");
    assert_refused("unknown option '--xyzzy'", "f", "--xyzzy");
    assert_refused("unknown option '--hosts-or-only'", "f", "--hosts-or-only");
    assert_refused("unknown option '--hlep'; did you mean --help?", "f", "--hlep");
    assert_refused("unknown option '-x'", "f", "-x");
    assert_refused("--ranks is given twice", "f", "--ranks", "3", "--ranks=4");
    assert_refused("--ranks needs a value: ranks", "f", "--ranks");
    assert_refused("--ranks needs a value: ranks", "f", "--ranks", "--quiet");
    assert_refused("--ranks must be a whole number between 1 and 64, got '65'", "f", "--ranks=65");
    assert_refused("--ranks must be a whole number between 1 and 64, got '1.5'", "f",
                   "--ranks=1.5");
    assert_refused("--ranks must be a whole number between 1 and 64, got ''", "f", "--ranks=");
    assert_refused("--weight must be a number, got 'nan'", "f", "--weight", "nan");
    assert_refused("--quiet must be yes or no, got 'maybe'", "f", "--quiet=maybe");
    assert_refused("--hosts must not be empty", "f", "--hosts=");
    assert_refused("--mode must be one of: fast slow exact; got 'slov' (did you mean 'slow'?)", "f",
                   "--mode", "slov");
    assert_refused("--job-timeout must be a time >= 0 s, as 90, 15m, 1h30m or 01:30:00, got '5x'",
                   "f", "--job-timeout", "5x");
    assert_refused("--memory must be a size, as 1500M or 2G, got '2Q'", "f", "--memory=2Q");
}

/* Message and column, in order; the line is "atelier x ...". */
static void assert_complaints(const struct complaints *complaints, size_t count,
                              const struct origin *places, const char *const *messages)
{
    assert_int_equal(complaints->errors, count);
    for (size_t i = 0; i < count; i++) {
        assert_string_equal(complaints->list[i].message, messages[i]);
        assert_int_equal(complaints->list[i].origin.column, places[i].column);
    }
}

static void all_that_is_wrong_is_told_with_its_place(void **state)
{
    (void)state;
    struct values v = {.mode = 2, .quiet = true};
    struct complaints complaints = {0};
    PARSE(&v, &complaints, "--zzz", "7", "--rank", "65", "--wieght=x", "-k", "--mode",
          "f\xc3\xa4st", "--hosts");
    static const char *const messages[] = {
        "unknown option '--zzz'",
        "unknown option '--rank'; did you mean --ranks?",
        "--ranks must be a whole number between 1 and 64, got '65'",
        "unknown option '--wieght'; did you mean --weight?",
        "--weight must be a number, got 'x'",
        "unknown option '-k'",
        "--mode must be one of: fast slow exact; got 'f\xc3\xa4st'",
        "--hosts needs a value: hosts",
        "exact is not quiet"};
    /* atelier x --zzz 7 --rank 65 --wieght=x -k --mode '...' --hosts */
    static const struct origin places[] = {{.column = 11}, {.column = 19}, {.column = 26},
                                           {.column = 29}, {.column = 29}, {.column = 40},
                                           {.column = 50}, {.column = 57}, {0}};
    assert_complaints(&complaints, 9, places, messages);
    char *text = complaint_text(&complaints.list[3]);
    assert_non_null(strstr(text, "atelier x: unknown option '--wieght'"));
    assert_non_null(strstr(text, "\n    atelier x --zzz 7 --rank 65 --wieght=x -k"));
    assert_string_equal(strrchr(text, '\n') + 1, "                                ^");
    free(text);
    complaints_release(&complaints);
}

static void a_word_behind_an_unknown_option_may_be_an_operand(void **state)
{
    (void)state;
    assert_refused("unknown option '--zzz'", "--zzz", "file");
    assert_refused("unknown option '--zzz'", "file", "name", "--zzz", "7");
    assert_refused("unknown option '-z'", "-z", "file");
}

static void durations_are_read_as_people_and_slurm_write_them(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        double seconds;
    } good[] = {
        {"90", 90},      {"0", 0},       {"1.5", 1.5},   {"90s", 90},        {"15m", 900},
        {"1h30m", 5400}, {"2d", 172800}, {"02:30", 150}, {"01:30:00", 5400}, {"1-12:00:00", 129600},
        {"0.2s", 0.2}};
    static const char *const bad[] = {"", "s", "-1", "1x", "1:", ":1", "1:2:3:4:5", "1h 3m", "nan"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        double seconds = NAN;
        assert_true(human_parse_duration(good[i].text, &seconds));
        assert_true(seconds == good[i].seconds);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(human_parse_duration(bad[i], &(double){0}));
}

static void sizes_are_read_in_powers_of_1000_and_1024(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        uint64_t bytes;
    } good[] = {
        {"1048576", 1048576}, {"1500M", 1500000000}, {"2G", 2000000000}, {"2.5GB", 2500000000},
        {"4KiB", 4096},       {"4k", 4000},          {"7B", 7}};
    static const char *const bad[] = {"", "G", "-1", "1X", "1GG", "1e3", "99999999T"};
    for (size_t i = 0; i < sizeof good / sizeof *good; i++) {
        uint64_t bytes = 1;
        assert_true(human_parse_bytes(good[i].text, &bytes));
        assert_int_equal(bytes, good[i].bytes);
    }
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++)
        assert_false(human_parse_bytes(bad[i], &(uint64_t){0}));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_type_is_read_in_both_spellings),
        cmocka_unit_test(what_is_not_given_stays),
        cmocka_unit_test(misuse_names_the_option),
        cmocka_unit_test(letters_stand_for_options_alone_joined_and_together),
        cmocka_unit_test(all_that_is_wrong_is_told_with_its_place),
        cmocka_unit_test(a_word_behind_an_unknown_option_may_be_an_operand),
        cmocka_unit_test(durations_are_read_as_people_and_slurm_write_them),
        cmocka_unit_test(sizes_are_read_in_powers_of_1000_and_1024),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
