/* The untrained network: its bits, and that they are He-normal and independent. */
#include "check.h"
#include "digest.h"
#include "weights.h"

#include <omp.h>

static struct vgg19_weights random_filters(uint64_t seed, int convs)
{
    struct vgg19_weights weights;
    struct error err = {0};
    assert_int_equal(vgg19_weights_init(&weights, convs, &err), 0);
    for (int i = 0; i < convs; i++)
        memset(weights.kernel[i], 0xA5, 9 * sizeof(float));
    weights_random(seed, &weights);
    return weights;
}

static size_t kernel_count(int conv)
{
    return 9 * (size_t)vgg19_convs[conv].in * (size_t)vgg19_convs[conv].out;
}

static size_t bias_count(int conv) { return (size_t)vgg19_convs[conv].out; }

/* SHA-256 of every layer's kernel and bias, as little-endian floats one after the other. */
static void digest_of(const struct vgg19_weights *weights, char hex[DIGEST_HEX])
{
    struct error err = {0};
    size_t count = 0, used = 0;
    for (int i = 0; i < weights->convs; i++)
        count += kernel_count(i) + bias_count(i);
    float *all = junk_new(count * sizeof *all);
    for (int i = 0; i < weights->convs; i++) {
        memcpy(all + used, weights->kernel[i], kernel_count(i) * sizeof *all);
        used += kernel_count(i);
        memcpy(all + used, weights->bias[i], bias_count(i) * sizeof *all);
        used += bias_count(i);
    }
    assert_int_equal(digest_bytes(all, count * sizeof *all, hex, &err), 0);
    free(all);
}

static void random_filters_have_the_known_digest(void **state)
{
    (void)state;
    static const struct {
        uint64_t seed;
        const char *digest;
    } known[] = {
        {0, "5ff988b55dc41973a142b5b8b4814abc08edc1e009b84dff06b21a63d87a33cf"},
        {UINT64_MAX, "44b7f482589338b862663620925ee1a865a487bc68e5b2b5867cbd7dd937a5d6"},
    };
    for (size_t i = 0; i < sizeof known / sizeof *known; i++) {
        char hex[DIGEST_HEX];
        struct vgg19_weights weights = random_filters(known[i].seed, VGG19_CONVS);
        digest_of(&weights, hex);
        assert_string_equal(hex, known[i].digest);
        vgg19_weights_release(&weights);
    }
}

static void assert_same_start(const struct vgg19_weights *a, const struct vgg19_weights *b,
                              int convs)
{
    for (int i = 0; i < convs; i++) {
        assert_memory_equal(a->kernel[i], b->kernel[i], kernel_count(i) * sizeof(float));
        assert_memory_equal(a->bias[i], b->bias[i], bias_count(i) * sizeof(float));
    }
}

static void random_filters_are_the_same_for_any_number_of_layers_and_threads(void **state)
{
    (void)state;
    int threads = omp_get_max_threads();
    struct vgg19_weights whole = random_filters(3, 9), start = random_filters(3, 4);
    assert_same_start(&whole, &start, 4);
    for (int n = 1; n <= 5; n += 4) {
        omp_set_num_threads(n);
        struct vgg19_weights again = random_filters(3, 9);
        assert_same_start(&whole, &again, 9);
        vgg19_weights_release(&again);
    }
    omp_set_num_threads(threads);
    vgg19_weights_release(&whole);
    vgg19_weights_release(&start);
}

/* |got - expected| within five standard errors. */
static void check_within(const char *what, int conv, double got, double expected, double error)
{
    if (!(fabs(got - expected) <= 5 * error))
        print_error("%s of convolution %d: %g, expected %g +- %g\n", what, conv, got, expected,
                    5 * error);
    assert_true(fabs(got - expected) <= 5 * error);
}

/* Moments of a sum of twelve uniforms; the errors are those of a sample of this size. */
static void random_filters_are_he_normal(void **state)
{
    (void)state;
    struct vgg19_weights weights = random_filters(0, VGG19_CONVS);
    for (int conv = 0; conv < VGG19_CONVS; conv++) {
        size_t count = kernel_count(conv);
        double n = (double)count, sum[5] = {0}, largest = 0;
        double unit = sqrt(2 / (9.0 * vgg19_convs[conv].in));
        for (size_t i = 0; i < count; i++) {
            double z = (double)weights.kernel[conv][i] / unit;
            largest = fmax(largest, fabs(z));
            double power = z;
            for (int p = 1; p <= 4; p++, power *= z)
                sum[p] += power;
        }
        check_within("mean", conv, sum[1] / n, 0, sqrt(1 / n));
        check_within("variance", conv, sum[2] / n, 1, sqrt(1.9 / n));
        check_within("skewness", conv, sum[3] / n, 0, sqrt(15 / n));
        check_within("kurtosis", conv, sum[4] / n, 2.9, sqrt(80 / n));
        assert_true(largest <= 6 && largest > 3);
        for (size_t o = 0; o < bias_count(conv); o++)
            assert_true(weights.bias[conv][o] == 0);
    }
    vgg19_weights_release(&weights);
}

/* Of values with mean 0. */
static double correlation(const float *a, const float *b, size_t count)
{
    double aa = 0, bb = 0, ab = 0;
    for (size_t i = 0; i < count; i++) {
        aa += (double)a[i] * (double)a[i];
        bb += (double)b[i] * (double)b[i];
        ab += (double)a[i] * (double)b[i];
    }
    return ab / sqrt(aa * bb);
}

static void random_filters_neighbours_are_independent(void **state)
{
    (void)state;
    struct vgg19_weights weights = random_filters(0, VGG19_CONVS);
    for (int conv = 0; conv < VGG19_CONVS; conv++) {
        size_t in = (size_t)vgg19_convs[conv].in, out = (size_t)vgg19_convs[conv].out;
        const size_t apart[] = {1, 2, out, in * out, 3 * in * out};
        for (size_t i = 0; i < sizeof apart / sizeof *apart; i++) {
            size_t count = kernel_count(conv) - apart[i];
            double r = correlation(weights.kernel[conv], weights.kernel[conv] + apart[i], count);
            check_within("correlation of neighbours", conv, r, 0, 1 / sqrt((double)count));
        }
    }
    vgg19_weights_release(&weights);
}

static void random_filters_layers_and_seeds_are_independent(void **state)
{
    (void)state;
    struct vgg19_weights a = random_filters(0, VGG19_CONVS), b = random_filters(1, VGG19_CONVS);
    for (int conv = 0; conv < VGG19_CONVS; conv++) {
        double error = 1 / sqrt((double)kernel_count(conv));
        double r = correlation(a.kernel[conv], b.kernel[conv], kernel_count(conv));
        check_within("correlation of seeds", conv, r, 0, error);
        for (int other = conv + 1; other < VGG19_CONVS; other++) {
            r = correlation(a.kernel[conv], a.kernel[other], kernel_count(conv));
            check_within("correlation of layers", conv, r, 0, error);
        }
    }
    vgg19_weights_release(&a);
    vgg19_weights_release(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(random_filters_have_the_known_digest),
        cmocka_unit_test(random_filters_are_the_same_for_any_number_of_layers_and_threads),
        cmocka_unit_test(random_filters_are_he_normal),
        cmocka_unit_test(random_filters_neighbours_are_independent),
        cmocka_unit_test(random_filters_layers_and_seeds_are_independent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
