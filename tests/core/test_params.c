/* The parameter table, walked: ranges, defaults, presets, messages. */
#include "check.h"
#include "layer_list.h"
#include "numbers.h"
#include "params.h"

#include <float.h>

static void assert_says(const struct error *err, const char *words)
{
    if (!strstr(err->message, words))
        print_error("expected \"%s\" in \"%s\"\n", words, err->message);
    assert_non_null(strstr(err->message, words));
}

static int set(enum param_id id, const char *text, struct error *err)
{
    struct params params;
    params_init(&params);
    int status = params_set(&params, id, text, err);
    assert_int_equal(params.source[id], status == 0 ? SOURCE_GIVEN : SOURCE_NONE);
    params_release(&params);
    return status;
}

static void assert_accepted(enum param_id id, const char *text)
{
    struct error err = {0};
    if (set(id, text, &err) != 0)
        print_error("%s = '%s': %s\n", param_table[id].name, text, err.message);
    assert_int_equal(set(id, text, &err), 0);
}

/* With a message that names the parameter and what it got. */
static void assert_refused(enum param_id id, const char *text)
{
    struct error err = {0};
    if (set(id, text, &err) == 0)
        print_error("%s = '%s' is accepted\n", param_table[id].name, text);
    assert_int_equal(set(id, text, &err), E_INPUT);
    assert_says(&err, param_table[id].name);
    if (*text)
        assert_says(&err, text);
}

static bool is_number(enum param_id id)
{
    return param_table[id].type == PARAM_REAL || param_table[id].type == PARAM_WHOLE;
}

/* --- ranges --- */

static void assert_verdict(enum param_id id, double value, bool good)
{
    char text[64];
    snprintf(text, sizeof text, "%.17g", value);
    if (good)
        assert_accepted(id, text);
    else
        assert_refused(id, text);
}

/* The next value of the parameter's type. */
static double neighbour(enum param_id id, double value, double towards)
{
    if (param_table[id].type == PARAM_WHOLE)
        return value + (towards > value ? 1 : -1);
    return nextafter(value, towards);
}

static void numbers_end_at_their_bounds(void **state)
{
    (void)state;
    for (int i = 0; i < PARAM_COUNT; i++) {
        enum param_id id = (enum param_id)i;
        const struct param_info *info = &param_table[id];
        if (!is_number(id))
            continue;
        if (isfinite(info->low)) {
            assert_verdict(id, info->low, !info->low_excluded);
            assert_verdict(id, neighbour(id, info->low, -HUGE_VAL), false);
            assert_verdict(id, neighbour(id, info->low, HUGE_VAL), true);
        }
        if (isfinite(info->high)) {
            assert_verdict(id, info->high, true);
            assert_verdict(id, neighbour(id, info->high, HUGE_VAL), false);
            assert_verdict(id, neighbour(id, info->high, -HUGE_VAL), true);
        } else {
            assert_verdict(id, DBL_MAX, true);
        }
    }
}

static void what_is_no_number_is_refused(void **state)
{
    (void)state;
    static const char *const wrong[] = {"",    " ",   "x",    "1x",    "1 ",   " 1",
                                        "nan", "inf", "-inf", "1e999", "0x10", "1,5",
                                        "--1", "1e",  ".",    "1e5.5"};
    for (int i = 0; i < PARAM_COUNT; i++) {
        if (!is_number((enum param_id)i))
            continue;
        for (size_t k = 0; k < sizeof wrong / sizeof *wrong; k++)
            assert_refused((enum param_id)i, wrong[k]);
        if (param_table[i].type == PARAM_WHOLE)
            assert_refused((enum param_id)i, "1.5");
    }
    assert_accepted(PARAM_size, "1e3");
    assert_accepted(PARAM_style_weight, "+1.5E-3");
}

static void choices_are_those_of_the_table(void **state)
{
    (void)state;
    for (int i = 0; i < PARAM_COUNT; i++) {
        enum param_id id = (enum param_id)i;
        if (param_table[id].type != PARAM_CHOICE)
            continue;
        char words[160], *rest = words;
        snprintf(words, sizeof words, "%s", param_table[id].choices);
        int count = 0;
        for (char *word; (word = strsep(&rest, " ")); count++) {
            struct params params;
            struct error err = {0};
            char longer[64];
            params_init(&params);
            assert_int_equal(params_set(&params, id, word, &err), 0);
            assert_true(params_number(&params, id) == count);
            params_release(&params);
            snprintf(longer, sizeof longer, "%s_", word);
            assert_refused(id, longer);
            assert_refused(id, longer + 1);
        }
        assert_true(count >= 2);
        assert_refused(id, "");
        assert_refused(id, param_table[id].choices);
    }
    struct error err = {0};
    assert_int_equal(set(PARAM_preset, "jonson", &err), E_INPUT);
    assert_says(&err, "preset must be balanced, keras, gdl, gatys or johnson, got 'jonson'");
    assert_says(&err, "did you mean 'johnson'?");
}

static void flags_are_yes_or_no(void **state)
{
    (void)state;
    for (int i = 0; i < PARAM_COUNT; i++) {
        if (param_table[i].type != PARAM_FLAG)
            continue;
        assert_accepted((enum param_id)i, "yes");
        assert_accepted((enum param_id)i, "no");
        assert_refused((enum param_id)i, "true");
        assert_refused((enum param_id)i, "yess");
        assert_refused((enum param_id)i, "");
    }
}

static void texts_must_not_be_empty(void **state)
{
    (void)state;
    for (int i = 0; i < PARAM_COUNT; i++)
        if (param_table[i].type == PARAM_PATH || param_table[i].type == PARAM_TEXT) {
            assert_refused((enum param_id)i, "");
            assert_accepted((enum param_id)i, "a file.png");
        }
}

static void messages_say_what_was_expected(void **state)
{
    (void)state;
    static const struct {
        enum param_id id;
        const char *text, *message;
    } cases[] = {
        {PARAM_style_weight, "-1", "style_weight must be a number >= 0, got '-1'"},
        {PARAM_learning_rate, "0", "learning_rate must be a number > 0, got '0'"},
        {PARAM_size, "12.5", "size must be a whole number between 0 and 65535 px, got '12.5'"},
        {PARAM_style_scale, "200", "style_scale must be a number between 0.01 and 100, got '200'"},
        {PARAM_checkpoint_seconds, "x", "checkpoint_seconds must be a number >= 0 s, got 'x'"},
        {PARAM_fresh, "1", "fresh must be yes or no, got '1'"},
        {PARAM_content, "", "content must not be empty"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        assert_int_equal(set(cases[i].id, cases[i].text, &err), E_INPUT);
        assert_string_equal(err.message, cases[i].message);
    }
}

/* A refused value leaves the one before. */
static void refused_values_change_nothing(void **state)
{
    (void)state;
    struct params params;
    struct error err = {0};
    params_init(&params);
    assert_int_equal(params_set(&params, PARAM_style_weight, "3", &err), 0);
    assert_int_equal(params_set(&params, PARAM_style_layers, "relu3_1", &err), 0);
    assert_int_equal(params_set(&params, PARAM_style_weight, "-3", &err), E_INPUT);
    assert_int_equal(params_set(&params, PARAM_style_layers, "relu9_1", &err), E_INPUT);
    assert_true(params.style_weight == 3);
    assert_string_equal(params.style_layers, "relu3_1");
    params_release(&params);
}

/* --- text and back --- */

/* text -> value -> text -> value, and the second text is the first. */
static void assert_identity(enum param_id id, const char *text)
{
    struct params a, b;
    struct error err = {0};
    params_init(&a);
    params_init(&b);
    assert_int_equal(params_set(&a, id, text, &err), 0);
    char *formatted = params_format(&a, id);
    assert_int_equal(params_set(&b, id, formatted, &err), 0);
    char *again = params_format(&b, id);
    if (!params_same(&a, &b, id))
        print_error("%s: '%s' becomes '%s'\n", param_table[id].name, text, formatted);
    assert_true(params_same(&a, &b, id));
    assert_string_equal(formatted, again);
    free(formatted);
    free(again);
    params_release(&a);
    params_release(&b);
}

static void format_and_set_are_inverse(void **state)
{
    (void)state;
    for (int i = 0; i < PARAM_COUNT; i++) {
        enum param_id id = (enum param_id)i;
        const struct param_info *info = &param_table[id];
        char text[64];
        if (info->text && !param_from_preset(id))
            assert_identity(id, info->text);
        if (info->type == PARAM_FLAG)
            assert_identity(id, "yes");
        if (info->type == PARAM_PATH || info->type == PARAM_TEXT)
            assert_identity(id, " a, \"b\": c\td\303\251.png ");
        if (!is_number(id))
            continue;
        double low = isfinite(info->low) ? info->low : -1e6;
        double high = isfinite(info->high) ? info->high : 1e6;
        for (uint64_t k = 0; k < 200; k++) {
            double share = 0.5 + 0.5 * (double)noise_at(k, (uint64_t)i);
            double value = low + (high - low) * share * share * share;
            if (info->type == PARAM_WHOLE)
                value = floor(value);
            if (value == low && info->low_excluded)
                continue;
            snprintf(text, sizeof text, "%.17g", value);
            assert_identity(id, text);
        }
    }
    assert_identity(PARAM_style_weight, "1e-310");
    assert_identity(PARAM_style_weight, "1.7976931348623157e308");
    static const char *const lists[] = {"relu4_2", "block1_conv1, conv5_4 ,pool3",
                                        "relu1_1:1,relu2_1:2,relu3_1:3.3", "relu5_1:1e-9,relu1_1:7",
                                        "relu1_1:0.1,relu1_2:0.1,relu2_1:0.1,relu2_2:0.7"};
    for (size_t i = 0; i < sizeof lists / sizeof *lists; i++)
        assert_identity(PARAM_style_layers, lists[i]);
}

/* --- defaults and presets --- */

static void give_required(struct params *params)
{
    struct error err = {0};
    params_init(params);
    for (int i = 0; i < PARAM_COUNT; i++)
        if (!param_table[i].text)
            assert_int_equal(params_set(params, (enum param_id)i, "file.png", &err), 0);
}

static void assert_formatted(const struct params *params, enum param_id id, const char *expected)
{
    char *text = params_format(params, id);
    if (strcmp(text, expected) != 0)
        print_error("%s is '%s', expected '%s'\n", param_table[id].name, text, expected);
    assert_string_equal(text, expected);
    free(text);
}

/* Every default of the table and of every preset is valid, and canonical as it stands there. */
static void defaults_parse(void **state)
{
    (void)state;
    static const char *const presets[PRESETS] = {"balanced", "keras", "gdl", "gatys", "johnson"};
    for (int preset = 0; preset < PRESETS; preset++) {
        struct params params;
        struct error err = {0};
        give_required(&params);
        assert_int_equal(params_set(&params, PARAM_preset, presets[preset], &err), 0);
        assert_int_equal(params.preset, preset);
        assert_int_equal(params_resolve(&params, &err), 0);
        for (int i = 0; i < PARAM_COUNT; i++) {
            enum param_id id = (enum param_id)i;
            bool of_preset = param_from_preset(id);
            assert_int_equal(preset_default(preset, id, NULL) != NULL, of_preset);
            assert_int_equal(params.source[id], !param_table[id].text || id == PARAM_preset
                                                    ? SOURCE_GIVEN
                                                : of_preset ? SOURCE_PRESET
                                                            : SOURCE_DEFAULT);
            struct params one;
            params_init(&one);
            if (params.source[id] != SOURCE_GIVEN) {
                const char *text =
                    of_preset ? preset_default(preset, id, NULL) : param_table[id].text;
                assert_int_equal(params_set(&one, id, text, &err), 0);
                assert_true(params_same(&params, &one, id));
            }
            params_release(&one);
        }
        params_release(&params);
    }
}

/* What the published codes use; `balanced` is ours and may be tuned. */
static void presets_have_their_sources_values(void **state)
{
    (void)state;
    static const char style[] = "relu1_1,relu2_1,relu3_1,relu4_1,relu5_1";
    static const struct {
        const char *preset, *content, *style, *tv, *content_layers, *pooling, *init, *iterations,
            *maxfun, *tolerance;
    } rows[] = {
        {"keras", "0.025", "1", "1", "relu5_2", "max", "content", "1000", "20", "0"},
        {"gdl", "1", "100", "20", "relu5_2", "max", "content", "1000", "20", "0"},
        {"gatys", "1", "1000", "0", "relu4_2", "avg", "content", "20", "50", "0.0001"},
        {"johnson", "5", "100", "0.001", "relu4_2", "max", "noise", "20", "50", "0.0001"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        struct params params;
        struct error err = {0};
        give_required(&params);
        assert_int_equal(params_set(&params, PARAM_preset, rows[i].preset, &err), 0);
        assert_int_equal(params_resolve(&params, &err), 0);
        assert_formatted(&params, PARAM_content_weight, rows[i].content);
        assert_formatted(&params, PARAM_style_weight, rows[i].style);
        assert_formatted(&params, PARAM_tv_weight, rows[i].tv);
        assert_formatted(&params, PARAM_content_layers, rows[i].content_layers);
        assert_formatted(&params, PARAM_style_layers, style);
        assert_formatted(&params, PARAM_pooling, rows[i].pooling);
        assert_formatted(&params, PARAM_init, rows[i].init);
        assert_formatted(&params, PARAM_iterations, rows[i].iterations);
        assert_formatted(&params, PARAM_maxfun, rows[i].maxfun);
        assert_formatted(&params, PARAM_tolerance, rows[i].tolerance);
        assert_formatted(&params, PARAM_margin, "0");
        params_release(&params);
    }
}

static void given_beats_preset_beats_default(void **state)
{
    (void)state;
    struct params params;
    struct error err = {0};
    give_required(&params);
    /* The order of giving does not matter. */
    assert_int_equal(params_set(&params, PARAM_style_weight, "42", &err), 0);
    assert_int_equal(params_set(&params, PARAM_preset, "gdl", &err), 0);
    assert_int_equal(params_set(&params, PARAM_seed, "5", &err), 0);
    assert_int_equal(params_set(&params, PARAM_seed, "6", &err), 0);
    assert_int_equal(params_resolve(&params, &err), 0);
    assert_true(params.style_weight == 42 && params.source[PARAM_style_weight] == SOURCE_GIVEN);
    assert_true(params.content_weight == 1 && params.source[PARAM_content_weight] == SOURCE_PRESET);
    assert_true(params.lbfgs_memory == 10 && params.source[PARAM_lbfgs_memory] == SOURCE_DEFAULT);
    assert_true(params.seed == 6 && params.source[PARAM_seed] == SOURCE_GIVEN);
    /* Resolving again changes nothing; another preset changes only what is the preset's. */
    assert_int_equal(params_resolve(&params, &err), 0);
    assert_int_equal(params_set(&params, PARAM_preset, "gatys", &err), 0);
    assert_int_equal(params_resolve(&params, &err), 0);
    assert_true(params.style_weight == 42 && params.tv_weight == 0 && params.seed == 6);
    assert_int_equal(params.pooling, POOLING_AVG);
    params_release(&params);
}

static void resolve_names_what_is_missing(void **state)
{
    (void)state;
    for (int i = 0; i < PARAM_COUNT; i++) {
        if (param_table[i].text)
            continue;
        struct params params;
        struct error err = {0};
        params_init(&params);
        for (int k = 0; k < PARAM_COUNT; k++)
            if (!param_table[k].text && k != i)
                assert_int_equal(params_set(&params, (enum param_id)k, "file.png", &err), 0);
        assert_int_equal(params_resolve(&params, &err), E_INPUT);
        assert_says(&err, param_table[i].name);
        assert_says(&err, "is missing");
        params_release(&params);
    }
}

static void resolve_refuses_three_zero_weights(void **state)
{
    (void)state;
    static const enum param_id weights[] = {PARAM_content_weight, PARAM_style_weight,
                                            PARAM_tv_weight};
    for (int kept = 0; kept <= 3; kept++) { /* 3: none */
        struct params params;
        struct error err = {0};
        give_required(&params);
        for (int i = 0; i < 3; i++)
            assert_int_equal(params_set(&params, weights[i], i == kept ? "1e-300" : "0", &err), 0);
        assert_int_equal(params_resolve(&params, &err), kept == 3 ? E_INPUT : 0);
        if (kept == 3)
            assert_says(&err, "nothing to optimise");
        params_release(&params);
    }
}

/* --- names --- */

static void find_knows_every_name_with_dashes_too(void **state)
{
    (void)state;
    for (int i = 0; i < PARAM_COUNT; i++) {
        char flag[64];
        enum param_id id = PARAM_COUNT;
        struct error err = {0};
        assert_int_equal(params_find(param_table[i].name, &id, &err), 0);
        assert_int_equal(id, i);
        snprintf(flag, sizeof flag, "%s", param_table[i].name);
        for (char *c = flag; *c; c++)
            *c = *c == '_' ? '-' : *c;
        assert_int_equal(params_find(flag, &id, &err), 0);
        assert_int_equal(id, i);
    }
}

static void find_names_the_nearest(void **state)
{
    (void)state;
    static const struct {
        const char *name, *nearest;
    } cases[] = {{"style_wieght", "'style_weight'"},
                 {"iteration", "'iterations'"},
                 {"tv-wheigt", "'tv_weight'"},
                 {"optimiser", "'optimizer'"},
                 {"sizes", "'size'"},
                 {"style_weigh", "'style_weight'"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        enum param_id id = PARAM_COUNT;
        assert_int_equal(params_find(cases[i].name, &id, &err), E_INPUT);
        assert_int_equal(id, PARAM_COUNT);
        assert_says(&err, cases[i].name);
        assert_says(&err, cases[i].nearest);
    }
    static const char *const far[] = {"", "qqqqqqqqqqqqqqqqqqqqq"};
    for (size_t i = 0; i < sizeof far / sizeof *far; i++) {
        struct error err = {0};
        enum param_id id = PARAM_COUNT;
        assert_int_equal(params_find(far[i], &id, &err), E_INPUT);
        assert_says(&err, "unknown parameter");
    }
}

/* --- layers --- */

static void layer_lists_become_canonical(void **state)
{
    (void)state;
    static const struct {
        const char *text, *canonical;
    } cases[] = {
        {"relu4_2", "relu4_2"},
        {"block4_conv2", "relu4_2"},
        {"block5_pool", "pool5"},
        {"conv5_4", "conv5_4"},
        {" relu4_2 ", "relu4_2"},
        {"relu4_2:17", "relu4_2"},
        {"relu5_1,relu1_1 , pool2,conv2_2,relu2_2", "relu1_1,conv2_2,relu2_2,pool2,relu5_1"},
        {"relu1_1:3,relu2_1:3", "relu1_1,relu2_1"},
        {"relu2_1:3,relu1_1:1", "relu1_1:0.25,relu2_1:0.75"},
        {"relu1_1: 0.5,relu2_1:1.5", NULL},
        {"relu1_1:0.25,relu2_1:0.75", "relu1_1:0.25,relu2_1:0.75"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct params params;
        struct error err = {0};
        params_init(&params);
        int status = params_set(&params, PARAM_content_layers, cases[i].text, &err);
        if (cases[i].canonical) {
            assert_int_equal(status, 0);
            assert_string_equal(params.content_layers, cases[i].canonical);
        }
        params_release(&params);
    }
}

static void layer_weights_sum_to_one(void **state)
{
    (void)state;
    struct layer_list list;
    struct error err = {0};
    assert_int_equal(layer_list_parse("relu1_1:1,relu2_1:2,relu3_1:5", &list, &err), 0);
    assert_int_equal(list.count, 3);
    assert_true(list.weight[0] == 0.125 && list.weight[1] == 0.25 && list.weight[2] == 0.625);
    assert_int_equal(layer_list_parse("relu1_1,relu2_1,relu3_1", &list, &err), 0);
    for (int i = 0; i < 3; i++)
        assert_true(fabs(list.weight[i] - 1 / 3.) <= 1e-15);
}

static void every_layer_has_a_name_and_a_place(void **state)
{
    (void)state;
    int count = 0;
    char text[LAYERS_MAX * LAYER_NAME] = "";
    for (int conv = 0; conv < VGG19_CONVS; conv++)
        for (int kind = LAYER_CONV; kind <= LAYER_POOL; kind++) {
            if (kind == LAYER_POOL && !vgg19_convs[conv].pooled)
                continue;
            struct layer layer = {conv, (enum layer_kind)kind}, parsed;
            struct error err = {0};
            char name[LAYER_NAME];
            layer_name(layer, name);
            assert_int_equal(layer_parse(name, &parsed, &err), 0);
            assert_int_equal(parsed.conv, conv);
            assert_int_equal(parsed.kind, kind);
            size_t used = strlen(text);
            snprintf(text + used, sizeof text - used, "%s%s", count ? "," : "", name);
            count++;
        }
    struct layer_list list;
    struct error err = {0};
    assert_int_equal(count, LAYERS_MAX);
    assert_int_equal(layer_list_parse(text, &list, &err), 0);
    assert_int_equal(list.count, LAYERS_MAX);
    char *formatted = layer_list_format(&list);
    assert_string_equal(formatted, text);
    free(formatted);
}

static void layer_lists_that_are_wrong_say_why(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {"", "the list is empty"},
        {"   ", "the list is empty"},
        {",", "missing between commas"},
        {"relu1_1,", "missing between commas"},
        {"relu1_1,,relu2_1", "missing between commas"},
        {"relu1_1,relu1_1", "'relu1_1' stands twice"},
        {"relu4_2,block4_conv2", "'relu4_2' stands twice"},
        {"pool3,relu1_1,block3_pool", "'pool3' stands twice"},
        {"relu4_5", "no layer 'relu4_5'; nearest: "},
        {"relu4_5", "'relu4_"},
        {"block4_conv9", "'block4_conv"},
        {"Relu4_2", "'relu4_2'"},
        {"fc7", "no layer 'fc7'"},
        {"relu1_1:0.5,relu2_1", "to every layer or to none"},
        {"relu1_1,relu2_1:0.5", "to every layer or to none"},
        {"relu1_1:0", "must be a number > 0, got '0'"},
        {"relu1_1:-1", "must be a number > 0, got '-1'"},
        {"relu1_1:", "must be a number > 0, got ''"},
        {"relu1_1:x", "must be a number > 0, got 'x'"},
        {"relu1_1:nan", "must be a number > 0, got 'nan'"},
        {":1", "no layer ''"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        assert_int_equal(set(PARAM_style_layers, cases[i].text, &err), E_INPUT);
        assert_says(&err, "style_layers: ");
        assert_says(&err, cases[i].says);
    }
}

/* Weights that would overflow or vanish where they are normalised. */
static void layer_weights_stay_positive_and_finite(void **state)
{
    (void)state;
    struct layer_list list;
    struct error err = {0};
    static const char *const wrong[] = {"relu1_1:1e308,relu2_1:1e308",
                                        "relu1_1:1e-300,relu2_1:1e300"};
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        assert_int_equal(layer_list_parse(wrong[i], &list, &err), E_INPUT);
        assert_says(&err, "too large or too far apart");
    }
    assert_int_equal(layer_list_parse("relu1_1:1e-320,relu2_1:1e-320", &list, &err), 0);
    assert_true(list.weight[0] == 0.5 && list.weight[1] == 0.5);
}

static void numbers_are_written_as_short_as_they_can_be(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {{0, "0"},
                 {100, "100"},
                 {-250, "-250"},
                 {1e6, "1000000"},
                 {0.1, "0.1"},
                 {1e-4, "0.0001"},
                 {1e-7, "1e-07"},
                 {65535, "65535"},
                 {1 / 3., "0.3333333333333333"},
                 {1234567, "1234567"},
                 {5e-324, "5e-324"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char text[NUMBER_TEXT];
        double back = NAN;
        number_format(cases[i].value, text);
        assert_string_equal(text, cases[i].text);
        assert_true(number_parse(text, &back) && back == cases[i].value);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(numbers_end_at_their_bounds),
        cmocka_unit_test(what_is_no_number_is_refused),
        cmocka_unit_test(choices_are_those_of_the_table),
        cmocka_unit_test(flags_are_yes_or_no),
        cmocka_unit_test(texts_must_not_be_empty),
        cmocka_unit_test(messages_say_what_was_expected),
        cmocka_unit_test(refused_values_change_nothing),
        cmocka_unit_test(format_and_set_are_inverse),
        cmocka_unit_test(defaults_parse),
        cmocka_unit_test(presets_have_their_sources_values),
        cmocka_unit_test(given_beats_preset_beats_default),
        cmocka_unit_test(resolve_names_what_is_missing),
        cmocka_unit_test(resolve_refuses_three_zero_weights),
        cmocka_unit_test(find_knows_every_name_with_dashes_too),
        cmocka_unit_test(find_names_the_nearest),
        cmocka_unit_test(layer_lists_become_canonical),
        cmocka_unit_test(layer_weights_sum_to_one),
        cmocka_unit_test(every_layer_has_a_name_and_a_place),
        cmocka_unit_test(layer_lists_that_are_wrong_say_why),
        cmocka_unit_test(layer_weights_stay_positive_and_finite),
        cmocka_unit_test(numbers_are_written_as_short_as_they_can_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
