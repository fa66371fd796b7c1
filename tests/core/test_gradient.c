/* Every backward kernel against a plain reference or finite differences, away from kinks. */
#include "gram.h"
#include "kernels.h"
#include "params.h"
#include "render_fixture.h"
#include "threads.h"
#include "tv.h"

/* The largest signed difference by the largest |want|, and the cosine: both must do. */
static void assert_same_gradient(const char *what, const double *got, const double *want,
                                 size_t count, double limit)
{
    double largest = 0, scale = 0, gg = 0, ww = 0, gw = 0;
    size_t where = 0;
    for (size_t i = 0; i < count; i++) {
        double error = got[i] - want[i];
        if (!(fabs(error) <= fabs(largest))) {
            largest = error;
            where = i;
        }
        scale = fmax(scale, fabs(want[i]));
        gg += got[i] * got[i];
        ww += want[i] * want[i];
        gw += got[i] * want[i];
    }
    double cosine = gw / sqrt(gg * ww);
    print_message("%s: largest error %+.2g of max |gradient| at %zu of %zu, 1 - cosine %.1g\n",
                  what, largest / scale, where, count, 1 - cosine);
    assert_true(scale > 0);
    assert_true(fabs(largest) <= limit * scale);
    assert_true(cosine >= 1 - limit);
}

static double *doubles_of(const float *x, size_t count)
{
    double *y = malloc(count * sizeof *y);
    assert_non_null(y);
    for (size_t i = 0; i < count; i++)
        y[i] = (double)x[i];
    return y;
}

static mask_word *junk_mask(size_t count) { return junk_new(count / LANES * sizeof(mask_word)); }

static int bit(const mask_word *mask, size_t i) { return mask[i / LANES] >> i % LANES & 1; }

/* --- pooling --- */

struct map {
    int height, width, channels;
};

static size_t elements(struct map m)
{
    return (size_t)m.height * (size_t)m.width * (size_t)m.channels;
}

static size_t pooled_elements(struct map m)
{
    return (size_t)(m.height / 2) * (size_t)(m.width / 2) * (size_t)m.channels;
}

/* Rows 2i and 2i + 1 by the kernels; an odd last row stays as it is. */
static void pool_by_kernels(struct map m, bool max, const float *x, float *y, mask_word *right,
                            mask_word *lower)
{
    size_t row = (size_t)m.width * (size_t)m.channels;
    size_t pooled = (size_t)(m.width / 2) * (size_t)m.channels;
    for (int i = 0; i < m.height / 2; i++) {
        const float *top = x + (size_t)(2 * i) * row;
        size_t at = (size_t)i * pooled;
        if (max)
            kernels_get()->pool_max(top, top + row, m.width, m.channels, y + at,
                                    right ? right + at / LANES : NULL,
                                    lower ? lower + at / LANES : NULL);
        else
            kernels_get()->pool_avg(top, top + row, m.width, m.channels, y + at);
    }
}

static void unpool_by_kernels(struct map m, bool max, const float *dy, const mask_word *right,
                              const mask_word *lower, float *dx)
{
    size_t row = (size_t)m.width * (size_t)m.channels;
    size_t pooled = (size_t)(m.width / 2) * (size_t)m.channels;
    for (int i = 0; i < m.height / 2; i++) {
        float *top = dx + (size_t)(2 * i) * row;
        size_t at = (size_t)i * pooled;
        if (max)
            kernels_get()->unpool_max(dy + at, right + at / LANES, lower + at / LANES, m.width,
                                      m.channels, top, top + row);
        else
            kernels_get()->unpool_avg(dy + at, m.width, m.channels, top, top + row);
    }
}

/* Element (i, j, c). */
static size_t at(struct map m, int i, int j, int c)
{
    return ((size_t)i * (size_t)m.width + (size_t)j) * (size_t)m.channels + (size_t)c;
}

/* y, and dx of sum(y * dy), by the definition: the first maximum in reading order takes it all. */
static void pool_reference(struct map m, bool max, const float *x, const float *dy, float *y,
                           float *dx)
{
    struct map half = {m.height / 2, m.width / 2, m.channels};
    for (size_t k = 0; k < elements(m); k++)
        dx[k] = 0;
    for (int i = 0; i < half.height; i++)
        for (int j = 0; j < half.width; j++)
            for (int c = 0; c < m.channels; c++) {
                size_t best = at(m, 2 * i, 2 * j, c), to = at(half, i, j, c);
                float sum = 0;
                for (int k = 0; k < 4; k++) {
                    size_t from = at(m, 2 * i + k / 2, 2 * j + k % 2, c);
                    best = x[from] > x[best] ? from : best;
                    sum += x[from];
                    dx[from] += max ? 0 : dy[to] / 4;
                }
                dx[best] += max ? dy[to] : 0;
                y[to] = max ? x[best] : sum / 4;
            }
}

static const struct map maps[] = {{2, 2, 16}, {2, 3, 16}, {3, 2, 32}, {1, 5, 16},   {5, 7, 64},
                                  {6, 8, 48}, {9, 4, 16}, {7, 1, 16}, {17, 13, 16}, {4, 6, 512}};

static void check_pool(struct map m, bool max, const float *x)
{
    size_t count = elements(m), pooled = pooled_elements(m);
    float *dy = noise_new(8, pooled + LANES, 1), *y = nan_new(pooled + LANES);
    float *want_y = nan_new(pooled + LANES), *dx = nan_new(count), *want = nan_new(count);
    mask_word *right = junk_mask(pooled + LANES), *lower = junk_mask(pooled + LANES);
    pool_by_kernels(m, max, x, y, right, lower);
    unpool_by_kernels(m, max, dy, right, lower, dx);
    pool_reference(m, max, x, dy, want_y, want);
    size_t whole = (size_t)(m.height / 2 * 2) * (size_t)m.width * (size_t)m.channels;
    for (size_t i = 0; i < pooled; i++)
        assert_true(max ? y[i] == want_y[i] : fabsf(y[i] - want_y[i]) <= 1e-6f);
    for (size_t i = 0; i < whole; i++)
        assert_true(dx[i] == want[i]);
    for (size_t i = whole; i < count; i++)
        assert_true(isnan(dx[i])); /* the odd last row is the caller's */
    for (size_t i = pooled; i < pooled + LANES; i++)
        assert_true(isnan(y[i]));
    pool_by_kernels(m, max, x, y, NULL, NULL);
    for (size_t i = 0; i < pooled; i++)
        assert_true(max ? y[i] == want_y[i] : fabsf(y[i] - want_y[i]) <= 1e-6f);
    free(dy);
    free(y);
    free(want_y);
    free(dx);
    free(want);
    free(right);
    free(lower);
}

static void pooling_and_its_gradient_match_reference_at_odd_sizes(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        float *x = noise_new(i, elements(maps[i]), 3);
        check_pool(maps[i], true, x);
        check_pool(maps[i], false, x);
        free(x);
    }
}

/* Few values, so that most windows have several maxima; after ReLU many are all zeros. */
static void max_pooling_takes_the_first_of_equal_maxima(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof maps / sizeof *maps; i++) {
        float *x = noise_new(i, elements(maps[i]), 1.5f);
        for (size_t k = 0; k < elements(maps[i]); k++)
            x[k] = fmaxf(roundf(x[k]), 0);
        check_pool(maps[i], true, x);
        free(x);
    }
}

/* --- ReLU --- */

static void relu_and_its_mask_match_reference(void **state)
{
    (void)state;
    const int channels = 48;
    const size_t count = 48 * 7;
    float *x = noise_new(1, count, 1), *bias = noise_new(2, (size_t)channels, 0.5f);
    float *dy = noise_new(3, count, 1), *dx = nan_new(count), *y = nan_new(count);
    mask_word *mask = junk_mask(count);
    for (size_t i = 0; i < count; i += 5) /* sums that are exactly 0: closed */
        x[i] = -bias[i % (size_t)channels];
    struct epilogue epilogue = {.bias = bias, .relu = true, .mask = mask};
    kernels_get()->finish(x, count, channels, &epilogue, y);
    kernels_get()->mask_apply(dy, mask, count, dx);
    for (size_t i = 0; i < count; i++) {
        float sum = x[i] + bias[i % (size_t)channels];
        assert_int_equal(bit(mask, i), sum > 0);
        assert_true(y[i] == (sum > 0 ? sum : 0) && !signbit(y[i]));
        assert_true(dx[i] == (sum > 0 ? dy[i] : 0));
    }
    kernels_get()->mask_apply(dy, mask, count, dy); /* in place */
    assert_memory_equal(dx, dy, count * sizeof *dx);
    free(x);
    free(bias);
    free(dy);
    free(dx);
    free(y);
    free(mask);
}

/* Or a run could not see that its numbers have gone wrong. */
static void relu_lets_nan_and_infinity_through(void **state)
{
    (void)state;
    float x[LANES] = {0}, y[LANES];
    mask_word mask = 0xA5A5;
    struct epilogue epilogue = {.relu = true, .mask = &mask};
    x[3] = NAN;
    x[4] = -NAN;
    x[5] = INFINITY;
    x[6] = -INFINITY;
    kernels_get()->finish(x, LANES, LANES, &epilogue, y);
    assert_true(isnan(y[3]) && isnan(y[4]) && isinf(y[5]) && y[6] == 0);
    assert_int_equal(mask, 1 << 3 | 1 << 4 | 1 << 5);
}

/* --- sums of squares --- */

static void content_kernels_match_reference(void **state)
{
    (void)state;
    const size_t count = 16 * 37;
    float *f = noise_new(1, count, 2), *p = noise_new(2, count, 2), *df = noise_new(3, count, 1);
    float *before = noise_new(3, count, 1);
    double sum = 0, square = 0;
    kernels_get()->add_difference(f, p, 0.37f, count, df);
    for (size_t i = 0; i < count; i++) {
        double d = (double)f[i] - (double)p[i];
        sum += d * d;
        square += (double)f[i] * (double)f[i];
        assert_true(fabs((double)df[i] - ((double)before[i] + (double)0.37f * d)) <= 1e-6);
    }
    assert_true(fabs(kernels_get()->squared_distance(f, p, count) - sum) <= 1e-12 * sum);
    assert_true(fabs(kernels_get()->squared_distance(f, NULL, count) - square) <= 1e-12 * square);
    free(f);
    free(p);
    free(df);
    free(before);
}

/* --- Gram matrices --- */

static const struct {
    size_t positions;
    int channels;
} gram_shapes[] = {{1, 16},   {2, 64},     {777, 48},   {4096, 64},  {4097, 16},
                   {35, 512}, {9000, 144}, {2061, 256}, {525000, 16}};

/* Every arithmetic's own bound, by the largest value. */
static const double gram_limits[] = {[ARITHMETIC_F32] = 2e-6, [ARITHMETIC_BF16] = 8e-3};

static float *gram_features(size_t k)
{
    return noise_new(k, gram_shapes[k].positions * (size_t)gram_shapes[k].channels, 3);
}

static void check_gram(size_t k, enum arithmetic arithmetic)
{
    size_t positions = gram_shapes[k].positions;
    int channels = gram_shapes[k].channels;
    size_t area = (size_t)channels * (size_t)channels;
    float *f = gram_features(k);
    double *g = malloc(area * sizeof *g), *want = malloc(area * sizeof *want);
    void *scratch = junk_new(gram_scratch_bytes(positions, channels));
    memset(g, 0xFF, area * sizeof *g); /* NaN */
    gram_matrix(f, positions, channels, arithmetic, g, scratch);
    gram_matrix_ref(f, positions, channels, want);
    char what[64];
    snprintf(what, sizeof what, "Gram matrix of %zu x %d, arithmetic %d", positions, channels,
             arithmetic);
    assert_same_gradient(what, g, want, area, gram_limits[arithmetic]);
    for (int i = 0; i < channels; i++)
        for (int j = 0; j < channels; j++)
            assert_true(g[i * channels + j] == g[j * channels + i]);
    free(f);
    free(g);
    free(want);
    free(scratch);
}

static void gram_matches_reference(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof gram_shapes / sizeof *gram_shapes; k++)
        for (int a = ARITHMETIC_F32; a <= ARITHMETIC_BF16; a++)
            check_gram(k, (enum arithmetic)a);
}

/* The distance and, behind the direction's layout, its gradient: against a target and the Gram
 * matrix as gram_matrix makes them. */
static void check_compare(size_t k, enum arithmetic arithmetic)
{
    size_t positions = gram_shapes[k].positions, n = (size_t)gram_shapes[k].channels;
    float *f = gram_features(k), *d = nan_new(n * n), *w = noise_new(k + 50, n * n, 1);
    float *df = noise_new(k + 90, positions * n, 0.1f),
          *want_df = noise_new(k + 90, positions * n, 0.1f);
    double *g = malloc(n * n * sizeof *g), *target = malloc(n * n * sizeof *target), want = 0;
    void *scratch = junk_new(gram_scratch_bytes(positions, (int)n));
    void *direction = junk_new(gram_direction_bytes((int)n));
    memset(direction, 0xFF, gram_direction_bytes((int)n)); /* NaN */
    gram_matrix(f, positions, (int)n, arithmetic, g, scratch);
    for (size_t i = 0; i < n * n; i++) {
        target[i] = (double)w[i / n * n + i % n] + (double)w[i % n * n + i / n];
        d[i] = (float)(0.7 * (g[i] - target[i]));
        want += (g[i] - target[i]) * (g[i] - target[i]);
    }
    memset(scratch, 0xA5, gram_scratch_bytes(positions, (int)n));
    double got = gram_compare(f, positions, (int)n, arithmetic, target, 0.7, direction, scratch);
    print_message("distance %.17g, from the matrix %.17g (%zu x %zu)\n", got, want, positions, n);
    assert_true(fabs(got - want) <= 1e-12 * want);
    gram_gradient(f, direction, positions, (int)n, arithmetic, df);
    gram_direction(d, (int)n, arithmetic, direction);
    gram_gradient(f, direction, positions, (int)n, arithmetic, want_df);
    assert_memory_equal(df, want_df, positions * n * sizeof *df);
    free(f);
    free(d);
    free(w);
    free(df);
    free(want_df);
    free(g);
    free(target);
    free(scratch);
    free(direction);
}

static void gram_compare_is_the_matrix_against_the_target(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof gram_shapes / sizeof *gram_shapes; k++)
        for (int a = ARITHMETIC_F32; a <= ARITHMETIC_BF16; a++)
            check_compare(k, (enum arithmetic)a);
}

/* The gradient of sum(w * G) with symmetric signed w, by its formula, on top of what df holds
 * already. */
static void check_gram_gradient(size_t k, enum arithmetic arithmetic)
{
    size_t positions = gram_shapes[k].positions, n = (size_t)gram_shapes[k].channels;
    size_t count = positions * n;
    float *f = gram_features(k), *w = noise_new(k + 50, n * n, 1);
    float *df = noise_new(k + 90, count, 0.1f), *d = nan_new(n * n);
    void *direction = junk_new(gram_direction_bytes((int)n));
    double *want = doubles_of(df, count);
    for (size_t i = 0; i < n; i++)
        for (size_t j = 0; j < n; j++)
            d[i * n + j] = (w[i * n + j] + w[j * n + i]) / (float)positions;
    for (size_t p = 0; p < count; p += n)
        for (size_t i = 0; i < n; i++)
            for (size_t j = 0; j < n; j++)
                want[p + j] += (double)f[p + i] * (double)d[i * n + j];
    gram_direction(d, (int)n, arithmetic, direction);
    gram_gradient(f, direction, positions, (int)n, arithmetic, df);
    double *got = doubles_of(df, count);
    char what[64];
    snprintf(what, sizeof what, "Gram gradient of %zu x %zu, arithmetic %d", positions, n,
             arithmetic);
    assert_same_gradient(what, got, want, count, gram_limits[arithmetic]);
    free(f);
    free(w);
    free(df);
    free(d);
    free(direction);
    free(want);
    free(got);
}

static void gram_gradient_matches_reference(void **state)
{
    (void)state;
    for (size_t k = 0; k < sizeof gram_shapes / sizeof *gram_shapes; k++)
        for (int a = ARITHMETIC_F32; a <= ARITHMETIC_BF16; a++)
            check_gram_gradient(k, (enum arithmetic)a);
}

/* Across blocks of positions, and across waves of blocks. */
static void gram_gives_the_same_bytes_at_any_number_of_threads(void **state)
{
    (void)state;
    enum { POSITIONS = 16500, CHANNELS = 512, AREA = CHANNELS * CHANNELS };
    float *f = noise_new(5, (size_t)POSITIONS * CHANNELS, 2);
    double *g[3], *target = calloc(AREA, sizeof *target), loss[3];
    void *direction[3], *scratch = junk_new(gram_scratch_bytes(POSITIONS, CHANNELS));
    for (int a = ARITHMETIC_F32; a <= ARITHMETIC_BF16; a++) {
        for (int t = 0; t < 3; t++) {
            threads_use(t + 1);
            g[t] = malloc(AREA * sizeof *g[t]);
            direction[t] = junk_new(gram_direction_bytes(CHANNELS));
            gram_matrix(f, POSITIONS, CHANNELS, (enum arithmetic)a, g[t], scratch);
            loss[t] = gram_compare(f, POSITIONS, CHANNELS, (enum arithmetic)a, target, 1,
                                   direction[t], scratch);
            assert_true(loss[t] == loss[0] && loss[t] > 0);
            assert_memory_equal(g[t], g[0], AREA * sizeof *g[t]);
            assert_memory_equal(direction[t], direction[0], gram_direction_bytes(CHANNELS) / 2);
        }
        for (int t = 0; t < 3; t++) {
            free(g[t]);
            free(direction[t]);
        }
    }
    threads_use(0);
    free(f);
    free(target);
    free(scratch);
}

static double weighted_gram(const float *f, const float *w, size_t positions, int channels,
                            double *g)
{
    double sum = 0;
    gram_matrix_ref(f, positions, channels, g);
    for (size_t i = 0; i < (size_t)channels * (size_t)channels; i++)
        sum += (double)w[i] * g[i];
    return sum;
}

static void gram_gradient_matches_differences(void **state)
{
    (void)state;
    enum { POSITIONS = 9, CHANNELS = 16, COUNT = POSITIONS * CHANNELS };
    const float step = 0x1p-6f; /* G is quadratic: central differences are exact */
    float *f = noise_new(4, COUNT, 1), *w = noise_new(5, CHANNELS * CHANNELS, 1);
    float *d = nan_new(CHANNELS * CHANNELS), *df = junk_new(COUNT * sizeof *df);
    void *direction = junk_new(gram_direction_bytes(CHANNELS));
    double g[CHANNELS * CHANNELS], want[COUNT];
    for (int i = 0; i < CHANNELS; i++)
        for (int j = 0; j < CHANNELS; j++)
            d[i * CHANNELS + j] = (w[i * CHANNELS + j] + w[j * CHANNELS + i]) / POSITIONS;
    memset(df, 0, COUNT * sizeof *df);
    gram_direction(d, CHANNELS, ARITHMETIC_F32, direction);
    gram_gradient(f, direction, POSITIONS, CHANNELS, ARITHMETIC_F32, df);
    for (int i = 0; i < COUNT; i++) {
        float x = roundf(f[i] * 0x1p16f) * 0x1p-16f; /* x +- step is exact */
        f[i] = x + step;
        double above = weighted_gram(f, w, POSITIONS, CHANNELS, g);
        f[i] = x - step;
        want[i] = (above - weighted_gram(f, w, POSITIONS, CHANNELS, g)) / (2 * (double)step);
        f[i] = x;
    }
    double *got = doubles_of(df, COUNT);
    assert_same_gradient("Gram gradient by differences", got, want, COUNT, 2e-5);
    free(f);
    free(w);
    free(d);
    free(df);
    free(direction);
    free(got);
}

/* --- total variation --- */

/* The definition, for any power. */
static double tv_reference(const double *x, int height, int width, double power)
{
    size_t row = (size_t)width * 3;
    double sum = 0;
    for (int i = 0; i < height - 1; i++)
        for (size_t k = 0; k < row - 3; k++) {
            const double *p = x + (size_t)i * row + k;
            double dx = p[3] - p[0], dy = p[row] - p[0];
            sum += pow(dx * dx + dy * dy, power);
        }
    return sum;
}

static void check_tv(int height, int width, double power)
{
    const double scale = -0.7, step = 1e-3;
    size_t count = (size_t)height * (size_t)width * 3;
    double *x = picture_new(5, width, height), *want = malloc(count * sizeof *want);
    double *got = malloc(count * sizeof *got),
           *row_sums = junk_new((size_t)height * sizeof(double));
    for (size_t i = 0; i < count; i++)
        got[i] = (double)noise_at(6, i);
    double sum = tv_evaluate(x, height, width, power, scale, got, row_sums);
    double reference = tv_reference(x, height, width, power);
    assert_true(fabs(sum - reference) <= 1e-12 * reference);
    for (size_t i = 0; i < count; i++) {
        double value = x[i];
        x[i] = value + step;
        double above = tv_reference(x, height, width, power);
        x[i] = value - step;
        double below = tv_reference(x, height, width, power);
        x[i] = value;
        want[i] = (double)noise_at(6, i) + scale * (above - below) / (2 * step);
    }
    char what[64];
    snprintf(what, sizeof what, "tv ^%g of %d x %d", power, width, height);
    assert_same_gradient(what, got, want, count, 2e-6);
    free(x);
    free(want);
    free(got);
    free(row_sums);
}

/* Every pixel, so every border and corner. */
static void tv_gradient_matches_differences(void **state)
{
    (void)state;
    static const int sizes[][2] = {{2, 2}, {2, 9}, {8, 2}, {7, 5}, {16, 17}, {3, 86}, {3, 175}};
    for (size_t i = 0; i < sizeof sizes / sizeof *sizes; i++) {
        check_tv(sizes[i][0], sizes[i][1], 1);
        check_tv(sizes[i][0], sizes[i][1], 1.25);
    }
}

static void tv_of_a_constant_is_zero(void **state)
{
    (void)state;
    enum { HEIGHT = 9, WIDTH = 6, COUNT = HEIGHT * WIDTH * 3 };
    static const double powers[] = {1, 1.25};
    for (int p = 0; p < 2; p++) {
        double x[COUNT], g[COUNT] = {0}, row_sums[HEIGHT];
        for (int i = 0; i < COUNT; i++)
            x[i] = 12.5 + 100 * (i % 3); /* a constant each channel */
        assert_true(tv_evaluate(x, HEIGHT, WIDTH, powers[p], 3, g, row_sums) == 0);
        for (int i = 0; i < COUNT; i++)
            assert_true(g[i] == 0);
    }
}

/* One lonely pixel in a flat picture: s = 0 beside s > 0. */
static void tv_of_a_point_is_finite_and_its_gradient_local(void **state)
{
    (void)state;
    enum { HEIGHT = 7, WIDTH = 8, COUNT = HEIGHT * WIDTH * 3, POINT = (3 * WIDTH + 4) * 3 + 1 };
    double x[COUNT] = {0}, g[COUNT] = {0}, row_sums[HEIGHT];
    x[POINT] = 16;
    double sum = tv_evaluate(x, HEIGHT, WIDTH, 1.25, 1, g, row_sums);
    assert_true(fabs(sum - (2 * pow(256, 1.25) + pow(512, 1.25))) <= 1e-9);
    for (int i = 0; i < COUNT; i++) {
        int apart = abs(i - POINT);
        bool near = apart == 0 || apart == 3 || apart == 3 * WIDTH || apart == 3 * (WIDTH - 1);
        assert_true(near ? isfinite(g[i]) : g[i] == 0);
    }
}

/* --- the whole, without kinks --- */

/* Directional central differences of the whole objective, along random signed directions. */
static void check_directions(const char *preset, const struct network *network)
{
    enum { DIRECTIONS = 6 };
    const struct size size = {21, 18}, style_size = {17, 20};
    const char *const settings[] = {"preset",
                                    preset,
                                    "pooling",
                                    "avg",
                                    "content_layers",
                                    "conv2_2,pool2",
                                    "style_layers",
                                    "relu1_1,relu3_1",
                                    "tv_weight",
                                    "0.01",
                                    NULL};
    struct render *render = render_new(settings, size, style_size, network);
    double *x = picture_new(PICTURE_SEED, size.width, size.height);
    double *g = junk_new(render->values * sizeof *g), *aside = malloc(render->values * sizeof *x);
    double *unused = malloc(render->values * sizeof *unused), largest = 0;
    struct losses losses, above, below;
    objective_evaluate(render->objective, x, &losses, g);
    for (uint64_t d = 0; d < DIRECTIONS; d++) {
        double slope = 0;
        const double step = 2;
        for (size_t i = 0; i < render->values; i++)
            slope += g[i] * (double)noise_at(d, i);
        for (size_t i = 0; i < render->values; i++)
            aside[i] = x[i] + step * (double)noise_at(d, i);
        objective_evaluate(render->objective, aside, &above, unused);
        for (size_t i = 0; i < render->values; i++)
            aside[i] = x[i] - step * (double)noise_at(d, i);
        objective_evaluate(render->objective, aside, &below, unused);
        double want = (above.total - below.total) / (2 * step);
        double error = (slope - want) / (losses.gradient_norm * sqrt((double)render->values / 3));
        largest = fabs(error) <= fabs(largest) ? largest : error;
        assert_true(fabs(error) <= 2e-4);
    }
    print_message("%s: largest error %+.2g of |gradient| |direction|\n", preset, largest);
    free(x);
    free(g);
    free(aside);
    free(unused);
    render_free(render);
}

static void whole_gradient_matches_directional_differences(void **state)
{
    (void)state;
    static const char *const presets[] = {"balanced", "keras", "gdl", "gatys", "johnson"};
    static const double biases[VGG19_CONVS] = {400, 600, 700, 900, 1000};
    struct vgg19_weights weights = random_weights(5);
    smooth_weights(&weights, biases);
    struct network *network = network_of(weights, POOLING_AVG);
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++)
        check_directions(presets[i], network);
    network_free(network);
}

int main(void)
{
    threads_use(0);
    if (engine_is_missing())
        return SKIPPED;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(pooling_and_its_gradient_match_reference_at_odd_sizes),
        cmocka_unit_test(max_pooling_takes_the_first_of_equal_maxima),
        cmocka_unit_test(relu_and_its_mask_match_reference),
        cmocka_unit_test(relu_lets_nan_and_infinity_through),
        cmocka_unit_test(content_kernels_match_reference),
        cmocka_unit_test(gram_matches_reference),
        cmocka_unit_test(gram_compare_is_the_matrix_against_the_target),
        cmocka_unit_test(gram_gives_the_same_bytes_at_any_number_of_threads),
        cmocka_unit_test(gram_gradient_matches_reference),
        cmocka_unit_test(gram_gradient_matches_differences),
        cmocka_unit_test(tv_gradient_matches_differences),
        cmocka_unit_test(tv_of_a_constant_is_zero),
        cmocka_unit_test(tv_of_a_point_is_finite_and_its_gradient_local),
        cmocka_unit_test(whole_gradient_matches_directional_differences),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
