/* Result files and checkpoints. `test_result --write FILE` writes the sample that read_result.py
 * reads with other programs. */
#include "check.h"

#include "hdf5_probe.h"
#include "result.h"
#include <dirent.h>
#include <fcntl.h>
#include <float.h>
#include <hdf5.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

/* fail_msg of cmocka's, which stumbles over the fail of core/error.h. */
#define fail_saying(...)                                                                           \
    do {                                                                                           \
        print_error(__VA_ARGS__);                                                                  \
        print_error("\n");                                                                         \
        _fail(__FILE__, __LINE__);                                                                 \
    } while (0)

/* A sample render --------------------------------------------------------------------------------
 */

enum { ROWS = 5, LAYERS = 2, COLUMNS = H_FIXED + LAYERS, HEIGHT = 70, WIDTH = 31 };

/* All that a result or a checkpoint is written from. */
struct sample {
    struct params params;
    struct fact facts[8];
    struct history history;
    struct image image;
    struct render_state state;
};
enum { F_CONTENT, F_STYLE, F_WEIGHTS, F_INIT, F_NETWORK, F_NUMERICS, F_CREATOR, F_PEAK };

static const struct fact sample_facts[8] = {
    [F_CONTENT] = {.name = "content_sha256", .text = "aaaaaaaaaaaaaaaa"},
    [F_STYLE] = {.name = "style_sha256", .text = "bbbbbbbbbbbbbbbb"},
    [F_WEIGHTS] = {.name = "weights_sha256", .text = "cccccccccccccccc"},
    [F_INIT] = {.name = "init_sha256", .text = ""},
    [F_NETWORK] = {.name = "network_sha256", .text = "dddddddddddddddd"},
    [F_NUMERICS] = {.name = "numerics", .text = "atelier 0.1 avx512 liblbfgs 1.10"},
    [F_CREATOR] = {.name = "creator", .text = "atelier, caf\xc3\xa9"},
    [F_PEAK] = {.name = "memory_peak_mb", .number = 123.5},
};

static const struct {
    enum param_id id;
    const char *text;
} sample_given[] = {
    {PARAM_content, "photos/caf\xc3\xa9.jpg"},
    {PARAM_style, "starry.jpg"},
    {PARAM_size, "320"},
    {PARAM_content_weight, "0.025"},
    {PARAM_style_layers, "relu1_1:1,relu2_1:3"},
    {PARAM_pooling, "avg"},
    {PARAM_tolerance, "1e-4"},
    {PARAM_init, "content"},
    {PARAM_output, "out.png"},
};

static double sample_value(int row, int column)
{
    switch (column) {
    case H_ITERATION:
        return row / 2;
    case H_EVALUATION:
        return 3 * row;
    case H_PRECISION:
        return row % 2;
    case H_TOTAL:
    case H_CONTENT:
        if (row == ROWS - 1) /* the last row of a render that diverged */
            return NAN;
        /* fall through */
    default:
        return row + column / 8.0;
    }
}

static void sample_history(struct history *history, int rows)
{
    static const char *const layers[LAYERS][2] = {
        {"content_relu4_2", "weighted content loss at relu4_2"},
        {"style_relu1_1", "weighted style loss at relu1_1"}};
    assert_int_equal(history_init(history, LAYERS, NULL), 0);
    for (int i = 0; i < LAYERS; i++) {
        struct history_column *column = &history->column[H_FIXED + i];
        snprintf(column->name, sizeof column->name, "%s", layers[i][0]);
        snprintf(column->title, sizeof column->title, "%s", layers[i][1]);
        snprintf(column->unit, sizeof column->unit, "1");
    }
    for (int row = 0; row < rows; row++) {
        double values[COLUMNS];
        for (int column = 0; column < COLUMNS; column++)
            values[column] = sample_value(row, column);
        assert_int_equal(history_append(history, values, NULL), 0);
    }
}

static void sample_image(struct image *image)
{
    *image = (struct image){.width = WIDTH, .height = HEIGHT, .rgb = malloc(HEIGHT * WIDTH * 3)};
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            for (int c = 0; c < 3; c++)
                image->rgb[(y * WIDTH + x) * 3 + c] = (uint8_t)(7 * y + 3 * x + 50 * c);
}

/* Values whose bits are easily lost on the way. */
static double awkward(uint64_t seed, size_t i)
{
    const double values[] = {DBL_TRUE_MIN,    -DBL_TRUE_MIN, DBL_MIN / 3, -0.0, DBL_MAX,
                             1 + DBL_EPSILON, 0.1,           INFINITY,    NAN};
    size_t count = sizeof values / sizeof *values;
    return i % 16 < count ? values[i % 16] : 255 * (double)noise_at(seed, i);
}

static void sample_state(struct render_state *state, int height, int width, int adam)
{
    assert_int_equal(render_state_init(state, height, width, adam, NULL), 0);
    for (size_t i = 0; i < (size_t)height * (size_t)width * 3; i++) {
        state->picture[i] = awkward(1, i);
        if (adam) {
            state->moment1[i] = awkward(2, i + 5);
            state->moment2[i] = awkward(3, i + 9);
        }
    }
    if (adam) { /* whose last picture need not be its best */
        size_t count = (size_t)height * (size_t)width * 3;
        state->best = malloc(count * sizeof *state->best);
        for (size_t i = 0; i < count; i++)
            state->best[i] = awkward(4, i + 3);
        state->kept_total = DBL_MIN / 5;
    }
    state->adam_steps = adam ? 123456789012 : 0;
    state->iteration = 7;
    state->evaluations = 351;
    state->seconds = 0.1 + 0.2;
    state->best_total = DBL_MIN / 7;
    state->precision = 1;
}

static void sample_init(struct sample *s, int rows, int height, int width, int adam)
{
    params_init(&s->params);
    memcpy(s->facts, sample_facts, sizeof sample_facts);
    for (size_t i = 0; i < sizeof sample_given / sizeof *sample_given; i++)
        assert_int_equal(params_set(&s->params, sample_given[i].id, sample_given[i].text, NULL), 0);
    assert_int_equal(params_resolve(&s->params, NULL), 0);
    sample_history(&s->history, rows);
    sample_image(&s->image);
    sample_state(&s->state, height, width, adam);
}

static void sample_release(struct sample *s)
{
    params_release(&s->params);
    history_release(&s->history);
    free(s->image.rgb);
    render_state_release(&s->state);
}

enum kind { RESULT, CHECKPOINT };

static int sample_write(const struct sample *s, const char *path, enum kind kind, struct error *err)
{
    const struct result result = {.params = &s->params,
                                  .facts = s->facts,
                                  .fact_count = sizeof s->facts / sizeof *s->facts,
                                  .history = &s->history,
                                  .image = kind == RESULT ? &s->image : NULL,
                                  .state = kind == CHECKPOINT ? &s->state : NULL};
    return result_write(path, &result, err);
}

static void must_write(const struct sample *s, const char *path, enum kind kind)
{
    struct error err = {0};
    if (sample_write(s, path, kind, &err) != 0)
        fail_saying("%s", err.message);
}

/* checkpoint_read for the sample's render; an error fails the test. */
static enum checkpoint_verdict verdict_on(const char *path, const struct sample *s,
                                          struct checkpoint *out, char difference[256])
{
    struct error err = {0};
    enum checkpoint_verdict verdict;
    if (checkpoint_read(path, &s->params, s->facts, sizeof s->facts / sizeof *s->facts, out,
                        &verdict, difference, 256, &err) != 0)
        fail_saying("%s", err.message);
    bool usable = verdict == CHECKPOINT_GOOD || verdict == CHECKPOINT_NUMERICS;
    if (verdict == CHECKPOINT_GOOD || verdict == CHECKPOINT_NONE)
        assert_string_equal(difference, "");
    else
        assert_string_not_equal(difference, "");
    if (!usable)
        assert_true(!out->state.picture && !out->history.values);
    return verdict;
}

static void expect(const char *path, const struct sample *s, enum checkpoint_verdict verdict,
                   const char *text)
{
    struct checkpoint read;
    char difference[256];
    enum checkpoint_verdict found = verdict_on(path, s, &read, difference);
    checkpoint_release(&read);
    if (found != verdict || !strstr(difference, text))
        fail_saying("verdict %d '%s', expected %d '%s'", found, difference, verdict, text);
}

/* Files ------------------------------------------------------------------------------------------
 */

static const char path[] = "sample.h5";

static char *slurp(const char *name, size_t *size)
{
    FILE *file = fopen(name, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *size = (size_t)ftell(file);
    rewind(file);
    char *bytes = malloc(*size + 1);
    assert_int_equal(fread(bytes, 1, *size, file), *size);
    fclose(file);
    return bytes;
}

static void spill(const char *name, const char *bytes, size_t size)
{
    FILE *file = fopen(name, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, size, file), size);
    assert_int_equal(fclose(file), 0);
}

/* Entries of a folder beside . and .. */
static int count_entries(const char *folder)
{
    int count = -2;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* NULL where a and b hold the same bits, else what differs. */
static const char *state_difference(const struct render_state *a, const struct render_state *b)
{
    if (a->height != b->height || a->width != b->width)
        return "size";
    size_t bytes = (size_t)a->height * (size_t)a->width * 3 * sizeof(double);
    if (memcmp(a->picture, b->picture, bytes) != 0)
        return "picture";
    if (!a->moment1 != !b->moment1 || !a->moment2 != !b->moment2)
        return "presence of moments";
    if (a->moment1 &&
        (memcmp(a->moment1, b->moment1, bytes) != 0 || memcmp(a->moment2, b->moment2, bytes) != 0))
        return "moments";
    if (!a->best != !b->best ||
        (a->best && (memcmp(a->best, b->best, bytes) != 0 || a->kept_total != b->kept_total)))
        return "best picture";
    if (a->adam_steps != b->adam_steps || a->iteration != b->iteration ||
        a->evaluations != b->evaluations || a->precision != b->precision)
        return "counters";
    if (memcmp(&a->seconds, &b->seconds, sizeof(double)) != 0 ||
        memcmp(&a->best_total, &b->best_total, sizeof(double)) != 0)
        return "seconds or best_total";
    return NULL;
}

static const char *history_difference(const struct history *a, const struct history *b)
{
    if (a->columns != b->columns || a->rows != b->rows)
        return "shape of the history";
    for (int i = 0; i < a->columns; i++)
        if (strcmp(a->column[i].name, b->column[i].name) != 0 ||
            strcmp(a->column[i].title, b->column[i].title) != 0 ||
            strcmp(a->column[i].unit, b->column[i].unit) != 0 ||
            a->column[i].integer != b->column[i].integer)
            return a->column[i].name;
    size_t bytes = a->rows * (size_t)a->columns * sizeof(double);
    return bytes > 0 && memcmp(a->values, b->values, bytes) != 0 ? "values of the history" : NULL;
}

static void assert_same(const struct checkpoint *read, const struct sample *s)
{
    const char *state = state_difference(&read->state, &s->state);
    const char *history = history_difference(&read->history, &s->history);
    if (state || history)
        fail_saying("not the same: %s %s", state ? state : "", history ? history : "");
}

/* Round trips ------------------------------------------------------------------------------------
 */

static void roundtrip(int rows, int height, int width, int adam)
{
    struct sample s;
    struct checkpoint read;
    char difference[256];
    sample_init(&s, rows, height, width, adam);
    must_write(&s, path, CHECKPOINT);
    if (verdict_on(path, &s, &read, difference) != CHECKPOINT_GOOD)
        fail_saying("%d rows, %d x %d: %s", rows, width, height, difference);
    assert_same(&read, &s);
    double more[COLUMNS] = {42};
    assert_int_equal(history_append(&read.history, more, NULL), 0); /* the render goes on */
    assert_true(history_get(&read.history, (size_t)rows, 0) == 42);
    checkpoint_release(&read);
    sample_release(&s);
}

static void checkpoint_comes_back_bit_for_bit(void **unused)
{
    (void)unused;
    roundtrip(ROWS, 17, 23, 0);
    roundtrip(ROWS, 17, 23, 1);
    roundtrip(0, 1, 1, 1);
    roundtrip(1, 1, 300, 0);
    roundtrip(9000, 16, 16, 0); /* several chunks */
}

static void history_of_nan_is_written(void **unused)
{
    (void)unused;
    struct sample s;
    struct checkpoint read;
    char difference[256];
    sample_init(&s, 0, 3, 3, 0);
    double values[COLUMNS];
    const double bad[] = {NAN, -NAN, INFINITY, -INFINITY, 1e300, -1e300, -0.5};
    for (size_t row = 0; row < sizeof bad / sizeof *bad; row++) {
        for (int column = 0; column < COLUMNS; column++)
            values[column] = bad[row];
        assert_int_equal(history_append(&s.history, values, NULL), 0);
    }
    must_write(&s, path, RESULT);
    must_write(&s, path, CHECKPOINT);
    assert_int_equal(verdict_on(path, &s, &read, difference), CHECKPOINT_GOOD);
    const double counters[] = {-1, -1, INT32_MAX, -1, INT32_MAX, -1, 0};
    for (size_t row = 0; row < sizeof bad / sizeof *bad; row++) {
        double total = history_get(&read.history, row, H_TOTAL);
        assert_memory_equal(&total, &bad[row], sizeof total);
        assert_true(history_get(&read.history, row, H_EVALUATION) == counters[row]);
    }
    checkpoint_release(&read);
    sample_release(&s);
}

static void same_content_gives_same_bytes(void **unused)
{
    (void)unused;
    struct sample s;
    size_t size, again_size;
    sample_init(&s, ROWS, 17, 23, 1);
    for (int kind = RESULT; kind <= CHECKPOINT; kind++) {
        must_write(&s, path, kind);
        char *bytes = slurp(path, &size);
        sleep(1); /* a time stamp would show */
        must_write(&s, path, kind);
        char *again = slurp(path, &again_size);
        assert_int_equal(size, again_size);
        assert_memory_equal(bytes, again, size);
        free(bytes);
        free(again);
    }
    sample_release(&s);
}

static void nothing_stays_open(void **unused)
{
    (void)unused;
    struct sample s;
    sample_init(&s, ROWS, 17, 23, 1);
    must_write(&s, path, CHECKPOINT);
    expect(path, &s, CHECKPOINT_GOOD, "");
    must_write(&s, path, RESULT);
    expect(path, &s, CHECKPOINT_DAMAGED, "");
    assert_int_equal(H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
    sample_release(&s);
}

/* Verdicts ---------------------------------------------------------------------------------------
 */

static void missing_checkpoint_is_none(void **unused)
{
    (void)unused;
    struct sample s;
    sample_init(&s, ROWS, 8, 8, 0);
    unlink(path);
    expect(path, &s, CHECKPOINT_NONE, "");
    expect("no/such/folder/x.h5", &s, CHECKPOINT_NONE, "");
    sample_release(&s);
}

/* Another valid value of a parameter. Caller frees. */
static char *other_value(const struct params *params, enum param_id id)
{
    const struct param_info *info = &param_table[id];
    char *text = NULL, *now = params_format(params, id);
    double value;
    int length;
    switch (info->type) {
    case PARAM_REAL:
    case PARAM_WHOLE:
        value = params_number(params, id);
        value = value > 0 ? value / 2 : value + 1;
        length = asprintf(&text, "%.17g", info->type == PARAM_WHOLE ? floor(value) : value);
        break;
    case PARAM_CHOICE: /* the first, or else the second */
        length = asprintf(&text, "%.*s", (int)strcspn(info->choices, " "), info->choices);
        if (strcmp(text, now) == 0) {
            const char *second = strchr(info->choices, ' ') + 1;
            free(text);
            length = asprintf(&text, "%.*s", (int)strcspn(second, " "), second);
        }
        break;
    case PARAM_LAYERS:
        length = asprintf(&text, "relu3_3");
        break;
    default:
        length = asprintf(&text, "other-%s", now);
    }
    assert_true(length > 0);
    assert_string_not_equal(text, now);
    free(now);
    return text;
}

static struct fact *digest_of(struct sample *s, enum param_id id)
{
    char name[64];
    snprintf(name, sizeof name, "%s_sha256", param_table[id].name);
    for (size_t i = 0; i < sizeof s->facts / sizeof *s->facts; i++)
        if (strcmp(s->facts[i].name, name) == 0 && *s->facts[i].text)
            return &s->facts[i];
    return NULL;
}

/* Changes one parameter of the render and returns what the difference must say. Caller frees. */
static char *change(struct sample *s, enum param_id id)
{
    char *expected = NULL, *there = params_format(&s->params, id);
    char *text = other_value(&s->params, id);
    assert_int_equal(params_set(&s->params, id, text, NULL), 0);
    char *here = params_format(&s->params, id);
    assert_true(asprintf(&expected, "%s is %s there, %s here", param_table[id].name, there, here) >
                0);
    free(there);
    free(text);
    free(here);
    return expected;
}

static void every_job_parameter_is_compared(void **unused)
{
    (void)unused;
    struct sample written;
    int compared = 0;
    sample_init(&written, 1, 4, 4, 0);
    must_write(&written, path, CHECKPOINT);
    for (int id = 0; id < PARAM_COUNT; id++) {
        if (param_table[id].scope != SCOPE_JOB)
            continue;
        struct sample s;
        sample_init(&s, 1, 4, 4, 0);
        char *expected = change(&s, (enum param_id)id);
        struct fact *digest = digest_of(&s, (enum param_id)id);
        if (digest) { /* the same file elsewhere */
            expect(path, &s, CHECKPOINT_GOOD, "");
            digest->text = "ffffffffffffffff";
        }
        expect(path, &s, CHECKPOINT_OTHER, expected);
        free(expected);
        sample_release(&s);
        compared++;
    }
    assert_true(compared > 20);
    sample_release(&written);
}

static void run_parameters_are_not_compared(void **unused)
{
    (void)unused;
    struct sample s;
    sample_init(&s, 1, 4, 4, 0);
    must_write(&s, path, CHECKPOINT);
    assert_int_equal(params_set(&s.params, PARAM_output, "elsewhere.png", NULL), 0);
    assert_int_equal(params_set(&s.params, PARAM_threads, "7", NULL), 0);
    expect(path, &s, CHECKPOINT_GOOD, "");
    sample_release(&s);
}

static void first_difference_is_named_and_others_counted(void **unused)
{
    (void)unused;
    struct sample s;
    sample_init(&s, 1, 4, 4, 0);
    assert_int_equal(params_set(&s.params, PARAM_style_weight, "7", NULL), 0);
    must_write(&s, path, CHECKPOINT);
    assert_int_equal(params_set(&s.params, PARAM_style_weight, "25e-1", NULL), 0);
    expect(path, &s, CHECKPOINT_OTHER, "style_weight is 7 there, 2.5 here");
    assert_int_equal(params_set(&s.params, PARAM_seed, "3", NULL), 0);
    expect(path, &s, CHECKPOINT_OTHER, "style_weight is 7 there, 2.5 here (and 1 more differs)");
    s.facts[F_NETWORK].text = "eeee";
    s.facts[F_NUMERICS].text = "another";
    expect(path, &s, CHECKPOINT_OTHER, "style_weight is 7 there, 2.5 here (and 2 more differ)");
    sample_release(&s);
}

static void changed_inputs_make_another_picture(void **unused)
{
    (void)unused;
    struct sample s;
    sample_init(&s, 1, 4, 4, 0);
    must_write(&s, path, CHECKPOINT);
    s.facts[F_CONTENT].text = "1234567890abcdef";
    expect(path, &s, CHECKPOINT_OTHER,
           "content 'photos/caf\xc3\xa9.jpg' had other content there: SHA-256 aaaaaaaaaaaa there, "
           "1234567890ab here");
    memcpy(s.facts, sample_facts, sizeof sample_facts);
    s.facts[F_NETWORK].text = "eeee";
    expect(path, &s, CHECKPOINT_OTHER, "network_sha256 is dddddddddddddddd there, eeee here");
    sample_release(&s);
}

static void start_is_compared_by_word_or_by_digest(void **unused)
{
    (void)unused;
    struct sample s;
    sample_init(&s, 1, 4, 4, 0);
    must_write(&s, path, CHECKPOINT);
    assert_int_equal(params_set(&s.params, PARAM_init, "face.png", NULL), 0);
    s.facts[F_INIT].text = "1111";
    expect(path, &s, CHECKPOINT_OTHER, "init is content there, face.png here");
    must_write(&s, path, CHECKPOINT);
    assert_int_equal(params_set(&s.params, PARAM_init, "moved/face.png", NULL), 0);
    expect(path, &s, CHECKPOINT_GOOD, "");
    s.facts[F_INIT].text = "2222";
    expect(path, &s, CHECKPOINT_OTHER, "init is face.png there, moved/face.png here");
    assert_int_equal(params_set(&s.params, PARAM_init, "noise", NULL), 0);
    s.facts[F_INIT] = (struct fact){.name = "unrelated", .text = ""};
    expect(path, &s, CHECKPOINT_OTHER, "init is face.png there, noise here");
    sample_release(&s);
}

static void other_numerics_are_told_apart(void **unused)
{
    (void)unused;
    struct sample s;
    sample_init(&s, 1, 4, 4, 0);
    must_write(&s, path, CHECKPOINT);
    s.facts[F_CREATOR].text = "somebody";
    expect(path, &s, CHECKPOINT_GOOD, "");
    s.facts[F_NUMERICS].text = "atelier 0.2";
    expect(path, &s, CHECKPOINT_NUMERICS,
           "numerics is atelier 0.1 avx512 liblbfgs 1.10 there, atelier 0.2 here");
    assert_int_equal(params_set(&s.params, PARAM_style_weight, "77", NULL), 0);
    expect(path, &s, CHECKPOINT_OTHER, "style_weight is ");
    sample_release(&s);
}

/* A checkpoint written with numerics `there` after those of `before`, read where they are `here`.
 */
static void expect_before(struct sample *s, const char *before, const char *there, const char *here,
                          const char *expected)
{
    struct checkpoint read;
    char difference[256];
    s->facts[F_CREATOR] = (struct fact){.name = NUMERICS_BEFORE, .text = before};
    s->facts[F_NUMERICS].text = there;
    must_write(s, path, CHECKPOINT);
    s->facts[F_NUMERICS].text = here;
    verdict_on(path, s, &read, difference);
    assert_non_null(read.state.picture);
    if (!expected)
        assert_null(read.numerics_before);
    else
        assert_string_equal(read.numerics_before, expected);
    checkpoint_release(&read);
}

static void all_numerics_before_are_remembered_once(void **unused)
{
    (void)unused;
    struct sample s;
    sample_init(&s, 1, 4, 4, 0);
    expect_before(&s, "", "a", "a", NULL);
    expect_before(&s, "", "a", "b", "a");
    expect_before(&s, "a", "b", "b", "a");
    expect_before(&s, "a", "b", "a", "a | b");
    expect_before(&s, "a | b", "a", "b", "a | b");
    expect_before(&s, "a | b", "a", "a", "a | b");
    expect_before(&s, "aa | b", "a", "c", "aa | b | a");
    expect_before(&s, "", "", "b", "unknown");
    sample_release(&s);
}

static bool fits(const struct sample *s, int height, int width, bool adam,
                 const struct history *columns)
{
    struct checkpoint read;
    char difference[256] = "";
    assert_int_equal(verdict_on(path, s, &read, difference), CHECKPOINT_GOOD);
    bool does = checkpoint_fits(&read, height, width, adam, columns, difference, sizeof difference);
    assert_int_equal(does, !*difference);
    checkpoint_release(&read);
    return does;
}

static void a_state_of_another_shape_does_not_fit(void **unused)
{
    (void)unused;
    struct sample s;
    sample_init(&s, 2, 4, 6, 0);
    must_write(&s, path, CHECKPOINT);
    assert_true(fits(&s, 4, 6, false, &s.history));
    assert_false(fits(&s, 6, 4, false, &s.history));
    assert_false(fits(&s, 4, 6, true, &s.history));
    struct history other = s.history;
    other.columns--;
    assert_false(fits(&s, 4, 6, false, &other));
    s.history.column[H_FIXED].name[0] = 'x';
    assert_false(fits(&s, 4, 6, false, &s.history));
    sample_release(&s);
}

/* Damage -----------------------------------------------------------------------------------------
 */

static void truncated_checkpoint_is_damaged(void **unused)
{
    (void)unused;
    struct sample s;
    size_t size;
    sample_init(&s, 2, 4, 4, 0);
    must_write(&s, path, CHECKPOINT);
    char *bytes = slurp(path, &size);
    for (size_t left = 0; left < size; left += left < 64 ? 1 : 499) {
        spill(path, bytes, left);
        expect(path, &s, CHECKPOINT_DAMAGED,
               left < 8 ? "it is not an HDF5 file" : "it is truncated after");
        assert_false(result_is_ours(path));
    }
    spill(path, bytes, size - 1);
    expect(path, &s, CHECKPOINT_DAMAGED, "it is truncated");
    free(bytes);
    sample_release(&s);
}

/* HDF5 has no checksum on texts, nor on what is not compressed: ours must catch these. */
static void changed_bytes_fail_the_checksum(void **unused)
{
    (void)unused;
    struct sample s;
    size_t size;
    sample_init(&s, 2, 4, 4, 1);
    must_write(&s, path, CHECKPOINT);
    char *bytes = slurp(path, &size);
    const struct {
        const void *what;
        size_t length;
    } targets[] = {
        {"liblbfgs", 8}, /* numerics */
        {"dddddddddddddddd", 16},
        {"relu1_1:0.25", 12},
        {"weighted style loss at relu1_1", 30},
        {s.state.picture, 4 * 4 * 3 * sizeof(double)},
        {s.state.moment1, 4 * 4 * 3 * sizeof(double)},
        {s.state.moment2, 4 * 4 * 3 * sizeof(double)},
        {s.state.best, 4 * 4 * 3 * sizeof(double)},
    };
    for (size_t i = 0; i < sizeof targets / sizeof *targets; i++) {
        char *place = memmem(bytes, size, targets[i].what, targets[i].length);
        assert_non_null(place);
        place[targets[i].length / 2] ^= 1;
        spill(path, bytes, size);
        expect(path, &s, CHECKPOINT_DAMAGED, "its content does not match its checksum");
        place[targets[i].length / 2] ^= 1;
    }
    spill(path, bytes, size);
    expect(path, &s, CHECKPOINT_GOOD, "");
    free(bytes);
    sample_release(&s);
}

/* Damage of a kind: a bit, a byte, a run of zeros or of noise. */
static void damage(char *bytes, size_t size, uint64_t seed)
{
    struct random_data state = {0};
    char memory[64];
    int32_t draw[5];
    initstate_r((unsigned)seed, memory, sizeof memory, &state);
    for (int i = 0; i < 5; i++)
        random_r(&state, &draw[i]);
    size_t where = (size_t)draw[0] % size, length = 1;
    if (draw[1] % 4 == 0) {
        bytes[where] ^= (char)(1 << draw[2] % 8);
        return;
    }
    if (draw[1] % 4 > 1)
        length = 1 + (size_t)draw[3] % 700;
    for (size_t i = where; i < where + length && i < size; i++) {
        random_r(&state, &draw[4]);
        bytes[i] = draw[1] % 4 == 2 ? 0 : (char)(draw[4] >> 8);
    }
}

static void flipped_bytes_never_crash_or_deceive(void **unused)
{
    (void)unused;
    enum { FLIPS = 200 };
    struct sample s;
    size_t size;
    int good = 0;
    const char *given = getenv("ATELIER_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL) % 1000000 * 1000;
    sample_init(&s, 3, 5, 4, 1);
    must_write(&s, path, CHECKPOINT);
    char *bytes = slurp(path, &size), *broken = malloc(size);
    print_message("%d damages of %zu bytes from ATELIER_TEST_SEED=%llu\n", FLIPS, size,
                  (unsigned long long)seed);
    for (uint64_t i = 0; i < FLIPS; i++) {
        struct checkpoint read;
        char difference[256];
        memcpy(broken, bytes, size);
        damage(broken, size, seed + i);
        spill(path, broken, size);
        enum checkpoint_verdict verdict = verdict_on(path, &s, &read, difference);
        if (verdict == CHECKPOINT_GOOD) {
            assert_same(&read, &s);
            good++;
        } else if (verdict != CHECKPOINT_DAMAGED) {
            fail_saying("verdict %d (%s) with ATELIER_TEST_SEED=%llu", verdict, difference,
                        (unsigned long long)(seed + i));
        }
        checkpoint_release(&read);
        if (i % 10 == 0)
            result_is_ours(path);
    }
    print_message("%d of them touched nothing that is read\n", good);
    assert_true(good < FLIPS * 3 / 4);
    free(bytes);
    free(broken);
    sample_release(&s);
}

static void foreign_files_are_damaged(void **unused)
{
    (void)unused;
    static const char text[] = "content,style\na.jpg,b.jpg\n",
                      png[] = "\x89PNG\r\n\x1a\n\0\0\0\rIHDR";
    struct sample s;
    sample_init(&s, 2, 4, 4, 0);
    spill(path, text, sizeof text);
    expect(path, &s, CHECKPOINT_DAMAGED, "it is not an HDF5 file");
    spill(path, png, sizeof png);
    expect(path, &s, CHECKPOINT_DAMAGED, "it is not an HDF5 file");
    spill(path, "", 0);
    expect(path, &s, CHECKPOINT_DAMAGED, "it is not an HDF5 file");
    expect(".", &s, CHECKPOINT_DAMAGED, "it is not a regular file");
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(file >= 0 && H5Fclose(file) >= 0);
    expect(path, &s, CHECKPOINT_DAMAGED, "it has no attribute 'schema_name'");
    assert_false(result_is_ours(path));
    sample_release(&s);
}

static void result_is_no_checkpoint_but_ours(void **unused)
{
    (void)unused;
    struct sample s;
    sample_init(&s, 2, 4, 4, 0);
    must_write(&s, path, RESULT);
    expect(path, &s, CHECKPOINT_DAMAGED, "it is a finished result");
    assert_true(result_is_ours(path));
    must_write(&s, path, CHECKPOINT);
    assert_true(result_is_ours(path));
    assert_false(result_is_ours("no such file"));
    assert_false(result_is_ours("."));
    sample_release(&s);
}

/* Puts an empty dataset of any size in the place of one of a checkpoint's. */
static void replace_dataset(const char *name, int rank, const hsize_t *sizes, hid_t type)
{
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    hid_t space = H5Screate_simple(rank, sizes, NULL), create = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(create, rank, (hsize_t[]){1, 1, 1});
    assert_true(H5Ldelete(file, name, H5P_DEFAULT) >= 0);
    hid_t dataset = H5Dcreate2(file, name, type, space, H5P_DEFAULT, create, H5P_DEFAULT);
    assert_true(dataset >= 0);
    H5Dclose(dataset);
    H5Pclose(create);
    H5Sclose(space);
    assert_true(H5Fclose(file) >= 0);
}

static void absurd_sizes_are_refused(void **unused)
{
    (void)unused;
    static const hsize_t pictures[][3] = {{65536, 1, 3}, {1, 65536, 3}, {65535, 65535, 3},
                                          {0, 4, 3},     {4, 4, 4},     {4, 4, 1}};
    struct sample s;
    sample_init(&s, 2, 300, 300, 1); /* the file is larger than the first two would be */
    for (size_t i = 0; i < sizeof pictures / sizeof *pictures; i++) {
        must_write(&s, path, CHECKPOINT);
        replace_dataset("state/picture", 3, pictures[i], H5T_IEEE_F64LE);
        expect(path, &s, CHECKPOINT_DAMAGED, "its dataset 'picture' is no picture");
    }
    must_write(&s, path, CHECKPOINT);
    replace_dataset("state/picture", 3, (hsize_t[]){4, 4, 3}, H5T_STD_I64LE);
    expect(path, &s, CHECKPOINT_DAMAGED, "its dataset 'picture' is no picture");
    must_write(&s, path, CHECKPOINT);
    replace_dataset("state/moment2", 3, (hsize_t[]){301, 300, 3}, H5T_IEEE_F64LE);
    expect(path, &s, CHECKPOINT_DAMAGED, "'moment2' has 300 x 301 px, expected 300 x 300");
    must_write(&s, path, CHECKPOINT);
    replace_dataset("history/row", 1, (hsize_t[]){1ull << 40}, H5T_STD_I32LE);
    expect(path, &s, CHECKPOINT_DAMAGED, "its column 'row' has 1099511627776 rows");
    sample_release(&s);
}

/* A full disk ------------------------------------------------------------------------------------
 */

static const char folder[] = "full", full[] = "full/full.h5";

/* In a child: every write fails and says so; then the library still works. */
static int write_on_full_disk(const struct sample *s, size_t size)
{
    struct rlimit limit = {0, RLIM_INFINITY};
    signal(SIGXFSZ, SIG_IGN);
    for (size_t bytes = 0; bytes < size; bytes += size / 7) {
        struct error err = {0};
        limit.rlim_cur = bytes;
        if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
            return 1;
        int status = sample_write(s, full, CHECKPOINT, &err);
        if (status != E_ENVIRONMENT || err.code != status ||
            strcmp(err.message, "cannot write 'full/full.h5': File too large") != 0)
            return 2;
    }
    limit.rlim_cur = RLIM_INFINITY;
    if (setrlimit(RLIMIT_FSIZE, &limit) != 0)
        return 1;
    return sample_write(s, "full/later.h5", CHECKPOINT, NULL) == 0 ? 0 : 3;
}

static void full_disk_leaves_the_old_file(void **unused)
{
    (void)unused;
    struct sample s;
    size_t size, size_after;
    int ended;
    sample_init(&s, ROWS, 17, 23, 1);
    mkdir(folder, 0777);
    must_write(&s, full, CHECKPOINT);
    char *before = slurp(full, &size);
    fflush(NULL);
    pid_t child = fork();
    if (child == 0) {
        int code = write_on_full_disk(&s, size);
        free(before);
        sample_release(&s);
        exit(code); /* what HDF5 does then is part of the test */
    }
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_true(WIFEXITED(ended));
    assert_int_equal(WEXITSTATUS(ended), 0);
    char *after = slurp(full, &size_after);
    assert_int_equal(size, size_after);
    assert_memory_equal(before, after, size);
    assert_int_equal(count_entries(folder), 2); /* full.h5, later.h5, no temporary file */
    free(before);
    free(after);
    sample_release(&s);
    unlink("full/later.h5");
    unlink(full);
    rmdir(folder);
}

static void missing_folder_is_an_error(void **unused)
{
    (void)unused;
    struct sample s;
    struct error err = {0};
    sample_init(&s, 1, 4, 4, 0);
    assert_int_equal(sample_write(&s, "no/such/folder.h5", RESULT, &err), E_INPUT);
    assert_non_null(strstr(err.message, "no/such/folder.h5"));
    assert_int_equal(H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL), 0);
    sample_release(&s);
}

/* The look in a child ----------------------------------------------------------------------------
 */

static int look_well(const char *name, struct error *err)
{
    (void)name, (void)err;
    return 0;
}
static int look_badly(const char *name, struct error *err)
{
    return fail(err, E_INPUT, "'%s' has a smell", name);
}
static int look_and_crash(const char *name, struct error *err)
{
    (void)name, (void)err;
    return raise(SIGSEGV);
}
static int look_busily(const char *name, struct error *err)
{
    (void)name, (void)err;
    for (volatile unsigned i = 0;; i = i + 1)
        ;
    return 0;
}
static int look_largely(const char *name, struct error *err)
{
    char *volatile memory = malloc(600 << 20);
    (void)name;
    if (!memory)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    free(memory);
    return 0;
}

static void large_file_may_take_memory(void **unused)
{
    (void)unused;
    struct sample s;
    struct error err = {0};
    sample_init(&s, 1, 4, 4, 0);
    must_write(&s, path, RESULT);
    assert_int_equal(truncate(path, 600 << 20), 0); /* a hole */
    if (hdf5_probe(path, look_largely, &err) != 0)
        fail_saying("%s", err.message);
    assert_true(result_is_ours(path));
    sample_release(&s);
}

static void look_in_a_child_survives_crash_and_loop(void **unused)
{
    (void)unused;
    static const struct {
        int (*look)(const char *, struct error *);
        int status;
        const char *message;
    } cases[] = {
        {look_well, 0, ""},
        {look_badly, E_INPUT, "'sample.h5' has a smell"},
        {look_and_crash, E_INPUT, "damaged: reading it crashes (Segmentation fault)"},
        {look_busily, E_INPUT, "damaged: reading it does not come to an end"},
    };
    struct sample s;
    sample_init(&s, 1, 4, 4, 0);
    must_write(&s, path, RESULT);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        assert_int_equal(hdf5_probe(path, cases[i].look, &err), cases[i].status);
        assert_string_equal(err.message, cases[i].message);
    }
    sample_release(&s);
}

static char workshop[] = "test_result.XXXXXX";

static int enter_workshop(void **unused)
{
    (void)unused;
    return mkdtemp(workshop) && chdir(workshop) == 0 ? 0 : -1;
}

static int leave_workshop(void **unused)
{
    (void)unused;
    unlink(path);
    return chdir("..") == 0 && rmdir(workshop) == 0 ? 0 : -1; /* nothing else was left in it */
}

static int write_sample(const char *name)
{
    struct sample s;
    struct error err = {0};
    sample_init(&s, ROWS, 4, 4, 0);
    int status = sample_write(&s, name, RESULT, &err);
    if (status != 0)
        fprintf(stderr, "%s\n", err.message);
    sample_release(&s);
    return status;
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(checkpoint_comes_back_bit_for_bit),
        cmocka_unit_test(history_of_nan_is_written),
        cmocka_unit_test(same_content_gives_same_bytes),
        cmocka_unit_test(nothing_stays_open),
        cmocka_unit_test(missing_checkpoint_is_none),
        cmocka_unit_test(every_job_parameter_is_compared),
        cmocka_unit_test(run_parameters_are_not_compared),
        cmocka_unit_test(first_difference_is_named_and_others_counted),
        cmocka_unit_test(changed_inputs_make_another_picture),
        cmocka_unit_test(start_is_compared_by_word_or_by_digest),
        cmocka_unit_test(other_numerics_are_told_apart),
        cmocka_unit_test(all_numerics_before_are_remembered_once),
        cmocka_unit_test(a_state_of_another_shape_does_not_fit),
        cmocka_unit_test(truncated_checkpoint_is_damaged),
        cmocka_unit_test(changed_bytes_fail_the_checksum),
        cmocka_unit_test(flipped_bytes_never_crash_or_deceive),
        cmocka_unit_test(foreign_files_are_damaged),
        cmocka_unit_test(result_is_no_checkpoint_but_ours),
        cmocka_unit_test(absurd_sizes_are_refused),
        cmocka_unit_test(full_disk_leaves_the_old_file),
        cmocka_unit_test(missing_folder_is_an_error),
        cmocka_unit_test(large_file_may_take_memory),
        cmocka_unit_test(look_in_a_child_survives_crash_and_loop),
    };
    if (argc == 3 && strcmp(argv[1], "--write") == 0)
        return write_sample(argv[2]);
    return cmocka_run_group_tests(tests, enter_workshop, leave_workshop);
}
