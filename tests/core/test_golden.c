/* Losses, gradients and features against what PyTorch gives in float64: the files of tests/golden,
 * whose format make_golden.py describes. */
#include "render_fixture.h"
#include "threads.h"

/* Of losses and features; of gradients through ReLUs and maxima, whose choices float32 cannot
 * always make as float64 does; of a gradient without kinks. For bfloat16 by engine: Winograd rounds
 * transformed patches, which costs four times as much. */
static const struct limits {
    const char *engine; /* NULL: any other */
    double features, loss, gradient, cosine, smooth;
} all_limits[] = {
    {"winograd-bf16", 0.4, 0.25, 0.25, 0.97, 5e-2},
    {"onednn-bf16", 0.06, 0.02, 0.2, 0.985, 2.5e-2},
    {NULL, 1e-4, 1e-4, 2e-2, 0.9999, 1e-4},
};

static const struct limits *limits;

static void choose_limits(void)
{
    const char *engine = getenv("ATELIER_ENGINE");
    for (limits = all_limits; limits->engine; limits++)
        if (engine && strcmp(limits->engine, engine) == 0)
            break;
}

enum { SETTINGS_MAX = 16, LOSSES_MAX = 32, TEXT_MAX = 64 };

struct golden {
    char name[TEXT_MAX];
    bool smooth, trained;
    double bias[VGG19_CONVS];
    char text[2 * SETTINGS_MAX][TEXT_MAX];
    const char *settings[2 * SETTINGS_MAX + 2];
    struct size picture, style;
    int losses;
    char loss_name[LOSSES_MAX][TEXT_MAX];
    double loss[LOSSES_MAX];
    size_t gradient_count;
    double *gradient;
};

/* The worst of each kind over all cases of a file. */
struct worst {
    double loss, gradient, cosine;
    char loss_at[2 * TEXT_MAX], gradient_at[TEXT_MAX];
};

/* --- reading --- */

static FILE *golden_open(const char *file)
{
    char path[1024];
    snprintf(path, sizeof path, "%s/%s", ATELIER_GOLDEN_FOLDER, file);
    FILE *in = fopen(path, "r");
    if (!in)
        print_error("there is no '%s'\n", path);
    assert_non_null(in);
    return in;
}

static void read_word(FILE *in, char word[TEXT_MAX])
{
    assert_int_equal(fscanf(in, "%63s", word), 1);
}

static double read_number(FILE *in)
{
    double value = NAN;
    assert_int_equal(fscanf(in, "%lf", &value), 1);
    return value;
}

static struct size read_size(FILE *in)
{
    struct size size;
    assert_int_equal(fscanf(in, "%d %d", &size.width, &size.height), 2);
    return size;
}

static void read_setting(FILE *in, struct golden *golden)
{
    int at = 0;
    while (golden->settings[at])
        at += 2;
    assert_true(at + 1 < 2 * SETTINGS_MAX);
    for (int i = at; i < at + 2; i++) {
        read_word(in, golden->text[i]);
        golden->settings[i] = golden->text[i];
    }
}

static void read_loss(FILE *in, struct golden *golden)
{
    assert_true(golden->losses < LOSSES_MAX);
    read_word(in, golden->loss_name[golden->losses]);
    golden->loss[golden->losses++] = read_number(in);
}

static void read_gradient(FILE *in, struct golden *golden)
{
    golden->gradient_count = (size_t)read_number(in);
    double unit = read_number(in);
    assert_int_equal(golden->gradient_count, values_of(golden->picture));
    golden->gradient = malloc(golden->gradient_count * sizeof(double));
    assert_non_null(golden->gradient);
    for (size_t i = 0; i < golden->gradient_count; i++)
        golden->gradient[i] = unit * read_number(in);
}

/* Reads one item of a case; false at an item of another kind. */
static bool read_item(FILE *in, const char *item, struct golden *golden)
{
    char word[TEXT_MAX];
    if (strcmp(item, "weights") == 0) {
        read_word(in, word);
        golden->smooth = strcmp(word, "smooth") == 0;
        golden->trained = strcmp(word, "trained") == 0;
    } else if (strcmp(item, "bias") == 0) {
        int conv = (int)read_number(in);
        assert_in_range(conv, 0, VGG19_CONVS - 1);
        golden->bias[conv] = read_number(in);
    } else if (strcmp(item, "set") == 0) {
        read_setting(in, golden);
    } else if (strcmp(item, "picture") == 0) {
        golden->picture = read_size(in);
    } else if (strcmp(item, "style") == 0) {
        golden->style = read_size(in);
    } else if (strcmp(item, "loss") == 0) {
        read_loss(in, golden);
    } else if (strcmp(item, "gradient") == 0) {
        read_gradient(in, golden);
    } else {
        return false;
    }
    return true;
}

/* Reads a case up to its end or to an item that read_item does not know, which is left in item.
 * False at the end of the file. */
static bool read_case(FILE *in, struct golden *golden, char item[TEXT_MAX])
{
    *golden = (struct golden){0};
    if (fscanf(in, "%63s", item) != 1)
        return false;
    assert_string_equal(item, "case");
    read_word(in, golden->name);
    do
        read_word(in, item);
    while (read_item(in, item, golden));
    return true;
}

/* --- networks: made when first asked for --- */

static struct network *random_network[2], *trained_network[2], *smooth_network;

static const struct network *network_for(const struct golden *golden, int pooling)
{
    struct network **network = golden->smooth    ? &smooth_network
                               : golden->trained ? &trained_network[pooling]
                                                 : &random_network[pooling];
    if (!*network) {
        struct vgg19_weights weights =
            golden->trained ? trained_weights(VGG19_CONVS) : random_weights(VGG19_CONVS);
        if (golden->smooth)
            smooth_weights(&weights, golden->bias);
        *network = network_of(weights, pooling);
    }
    return *network;
}

static int pooling_of(const struct golden *golden)
{
    for (int i = 0; golden->settings[i]; i += 2)
        if (strcmp(golden->settings[i], "pooling") == 0)
            return strcmp(golden->settings[i + 1], "avg") == 0 ? POOLING_AVG : POOLING_MAX;
    assert_true(false);
    return -1;
}

/* --- comparing --- */

/* |a - b| / |b|; 0 where both are 0. */
static double relative(double a, double b) { return a == b ? 0 : fabs(a - b) / fabs(b); }

static double loss_named(const struct losses *losses, const struct history *history,
                         const char *name)
{
    const struct {
        const char *name;
        double value;
    } sums[] = {{"total", losses->total},
                {"content", losses->content},
                {"style", losses->style},
                {"tv", losses->tv},
                {"gradient_norm", losses->gradient_norm}};
    for (size_t i = 0; i < sizeof sums / sizeof *sums; i++)
        if (strcmp(name, sums[i].name) == 0)
            return sums[i].value;
    for (int c = H_FIXED; c < history->columns; c++)
        if (strcmp(name, history->column[c].name) == 0)
            return losses->layer[c - H_FIXED];
    print_error("no loss is called %s\n", name);
    return NAN;
}

/* A gradient's norm is as sensitive to kinks as the gradient. */
static double limit_of(const struct golden *golden, const char *loss)
{
    bool kinks = strcmp(loss, "gradient_norm") == 0 && !golden->smooth;
    return kinks ? limits->gradient : limits->loss;
}

static int check_losses(const struct golden *golden, const struct render *render,
                        const struct losses *losses, struct worst *worst)
{
    int bad = 0;
    for (int i = 0; i < golden->losses; i++) {
        const char *name = golden->loss_name[i];
        double got = loss_named(losses, &render->history, name), want = golden->loss[i];
        double error = relative(got, want), limit = limit_of(golden, name);
        if (!(error <= limit)) {
            print_error("%s: %s is %.9g, expected %.9g: error %.2g, limit %.2g\n", golden->name,
                        name, got, want, error, limit);
            bad++;
        }
        if (limit == limits->loss && !(error <= worst->loss)) {
            worst->loss = error;
            snprintf(worst->loss_at, sizeof worst->loss_at, "%s %s", golden->name, name);
        }
    }
    return bad;
}

static int check_gradient(const struct golden *golden, const double *gradient, struct worst *worst)
{
    double difference = 0, want = 0, got = 0, product = 0;
    for (size_t i = 0; i < golden->gradient_count; i++) {
        double a = gradient[i], b = golden->gradient[i];
        difference += (a - b) * (a - b);
        got += a * a;
        want += b * b;
        product += a * b;
    }
    double error = sqrt(difference / want), cosine = product / sqrt(got * want);
    double limit = golden->smooth ? limits->smooth : limits->gradient;
    if (!(error <= worst->gradient)) {
        worst->gradient = error;
        worst->cosine = cosine;
        snprintf(worst->gradient_at, sizeof worst->gradient_at, "%s", golden->name);
    }
    if (error <= limit && cosine >= limits->cosine)
        return 0;
    print_error("%s: gradient: relative L2 error %.3g (limit %.2g), cosine %.7f (limit %.4f)\n",
                golden->name, error, limit, cosine, limits->cosine);
    return 1;
}

static int check_case(const struct golden *golden, struct worst *worst)
{
    const struct network *network = network_for(golden, pooling_of(golden));
    struct render *render = render_new(golden->settings, golden->picture, golden->style, network);
    double *x = picture_new(PICTURE_SEED, golden->picture.width, golden->picture.height);
    double *gradient = malloc(render->values * sizeof *gradient);
    assert_non_null(gradient);
    for (size_t i = 0; i < render->values; i++)
        gradient[i] = NAN;
    struct losses losses;
    memset(&losses, 0xA5, sizeof losses);
    objective_evaluate(render->objective, x, &losses, gradient);
    int named = golden->losses - 5; /* the sums and the norm */
    assert_int_equal(render->history.columns - H_FIXED, named);
    int bad = check_losses(golden, render, &losses, worst);
    if (golden->gradient)
        bad += check_gradient(golden, gradient, worst);
    free(gradient);
    free(x);
    render_free(render);
    return bad;
}

static void check_file(const char *file, int cases_expected)
{
    struct worst worst = {0};
    struct golden golden;
    char item[TEXT_MAX];
    int cases = 0, bad = 0;
    FILE *in = golden_open(file);
    for (; read_case(in, &golden, item); cases++) {
        assert_string_equal(item, "end");
        bad += check_case(&golden, &worst);
        free(golden.gradient);
    }
    fclose(in);
    print_message("%s, %d cases: largest loss error %.2g (%s), gradient error %.2g, cosine 1 - "
                  "%.1g (%s)\n",
                  file, cases, worst.loss, worst.loss_at, worst.gradient, 1 - worst.cosine,
                  worst.gradient_at);
    assert_int_equal(bad, 0);
    assert_int_equal(cases, cases_expected);
}

static void balanced_matches_golden(void **state)
{
    (void)state;
    check_file("balanced.txt", 6);
}

static void keras_matches_golden(void **state)
{
    (void)state;
    check_file("keras.txt", 6);
}

static void gdl_matches_golden(void **state)
{
    (void)state;
    check_file("gdl.txt", 6);
}

static void gatys_matches_golden(void **state)
{
    (void)state;
    check_file("gatys.txt", 6);
}

static void johnson_matches_golden(void **state)
{
    (void)state;
    check_file("johnson.txt", 6);
}

static void presets_match_golden_on_the_trained_network(void **state)
{
    (void)state;
    check_file("trained.txt", 5);
}

static void layers_and_weights_match_golden(void **state)
{
    (void)state;
    check_file("variants.txt", 12);
}

static void gradient_without_kinks_matches_golden(void **state)
{
    (void)state;
    check_file("smooth.txt", 4);
}

/* --- features --- */

struct feature_check {
    FILE *in;
    const struct layer *taps;
    const char *name;
    char item[TEXT_MAX]; /* the next one of the file */
    int bad;
    double largest;
    char at[TEXT_MAX];
};

/* Compares a layer with the file's next: samples by L2, and the norm. */
static void compare_features(void *context, int tap, const float *f, size_t positions, int channels)
{
    struct feature_check *check = context;
    char name[LAYER_NAME], golden_name[TEXT_MAX];
    size_t count = positions * (size_t)channels;
    double sum = 0, difference = 0, reference = 0;
    assert_string_equal(check->item, "layer");
    read_word(check->in, golden_name);
    layer_name(check->taps[tap], name);
    assert_string_equal(name, golden_name);
    assert_int_equal(count, (size_t)read_number(check->in));
    double norm = read_number(check->in);
    size_t samples = (size_t)read_number(check->in);
    for (size_t k = 0; k < samples; k++) {
        double want = read_number(check->in), d = (double)f[k * count / samples] - want;
        difference += d * d;
        reference += want * want;
    }
    for (size_t i = 0; i < count; i++)
        sum += (double)f[i] * (double)f[i];
    read_word(check->in, check->item);
    double error = sqrt(difference / reference), norm_error = relative(sqrt(sum), norm);
    error = norm_error <= error ? error : norm_error;
    if (!(error <= limits->features)) {
        print_error("%s: %s: relative L2 error %.3g, limit %.2g\n", check->name, name, error,
                    limits->features);
        check->bad++;
    }
    if (!(error <= check->largest)) {
        check->largest = error;
        snprintf(check->at, sizeof check->at, "%s", name);
    }
}

/* Every layer the network has, in its order. */
static int all_layers(struct layer taps[LAYERS_MAX])
{
    int count = 0;
    for (int i = 0; i < VGG19_CONVS; i++) {
        taps[count++] = (struct layer){i, LAYER_CONV};
        taps[count++] = (struct layer){i, LAYER_RELU};
        if (vgg19_convs[i].pooled)
            taps[count++] = (struct layer){i, LAYER_POOL};
    }
    return count;
}

static void check_features(const struct golden *golden, FILE *in, const char *item, bool backward)
{
    struct layer taps[LAYERS_MAX];
    struct feature_check check = {.in = in, .taps = taps, .name = golden->name};
    struct network_pass *pass = NULL;
    struct error err = {0};
    struct size size = golden->picture;
    snprintf(check.item, sizeof check.item, "%s", item);
    int count = all_layers(taps);
    assert_int_equal(network_pass_new(network_for(golden, pooling_of(golden)), size.height,
                                      size.width, taps, count, backward, &pass, &err),
                     0);
    float *picture = picture_new_float(PICTURE_SEED, size.width, size.height);
    network_forward(pass, picture, compare_features, &check);
    print_message("%s%s: largest error %.2g (%s)\n", golden->name, backward ? ", kept" : "",
                  check.largest, check.at);
    assert_string_equal(check.item, "end");
    assert_int_equal(check.bad, 0);
    free(picture);
    network_pass_free(pass);
}

/* With and without a way back: the buffers differ. */
static void every_layers_features_match_golden(void **state)
{
    (void)state;
    for (int backward = 0; backward <= 1; backward++) {
        struct golden golden;
        char item[TEXT_MAX];
        int cases = 0;
        FILE *in = golden_open("features.txt");
        for (; read_case(in, &golden, item); cases++)
            check_features(&golden, in, item, backward);
        fclose(in);
        assert_int_equal(cases, 2);
    }
}

static int end(void **state)
{
    for (int pooling = 0; pooling < 2; pooling++) {
        network_free(random_network[pooling]);
        network_free(trained_network[pooling]);
    }
    network_free(smooth_network);
    return folder_remove(state);
}

int main(void)
{
    threads_use(0);
    if (engine_is_missing())
        return SKIPPED;
    choose_limits();
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_layers_features_match_golden),
        cmocka_unit_test(balanced_matches_golden),
        cmocka_unit_test(keras_matches_golden),
        cmocka_unit_test(gdl_matches_golden),
        cmocka_unit_test(gatys_matches_golden),
        cmocka_unit_test(johnson_matches_golden),
        cmocka_unit_test(presets_match_golden_on_the_trained_network),
        cmocka_unit_test(layers_and_weights_match_golden),
        cmocka_unit_test(gradient_without_kinks_matches_golden),
    };
    return cmocka_run_group_tests(tests, folder_make, end);
}
