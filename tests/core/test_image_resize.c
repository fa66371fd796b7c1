/* Resampling, fitting and rounding. */
#include "check.h"
#include "image.h"

static struct image image_of(int width, int height, uint8_t (*value)(int x, int y, int channel))
{
    size_t count = 3 * (size_t)width * (size_t)height;
    struct image image = {width, height, malloc(count), NULL};
    assert_non_null(image.rgb);
    for (size_t i = 0; i < count; i++)
        image.rgb[i] = value((int)(i / 3) % width, (int)(i / 3) / width, (int)(i % 3));
    return image;
}

/* Caller frees. */
static float *resized(const struct image *image, int width, int height)
{
    struct error err = {0};
    float *rgb = nan_new(3 * (size_t)width * (size_t)height);
    int status = image_resize(image, width, height, rgb, &err);
    if (status != 0)
        print_error("%s\n", err.message);
    assert_int_equal(status, 0);
    return rgb;
}

static double lanczos3(double x)
{
    if (x == 0)
        return 1;
    if (fabs(x) >= 3)
        return 0;
    return 3 * sin(M_PI * x) * sin(M_PI * x / 3) / (M_PI * M_PI * x * x);
}

/* One line of `from` samples, `stride` apart, to `to` samples. Beyond the ends the line is mirrored
 * once, then repeats its last sample. */
static void plain_line(const double *in, int from, double *out, int to, int stride)
{
    double ratio = (double)from / to, stretch = ratio > 1 ? ratio : 1;
    for (int i = 0; i < to; i++) {
        double centre = (i + 0.5) * ratio - 0.5, sum = 0, weights = 0;
        for (int j = (int)floor(centre - 3 * stretch); j <= centre + 3 * stretch; j++) {
            double weight = lanczos3((j - centre) / stretch);
            int at = j < 0 ? -1 - j : j >= from ? 2 * from - 1 - j : j;
            at = at < 0 ? 0 : at >= from ? from - 1 : at;
            sum += weight * in[at * stride];
            weights += weight;
        }
        out[i * stride] = sum / weights;
    }
}

/* The plain twin of image_resize, in double. Caller frees. */
static float *plain_resize(const struct image *image, int width, int height)
{
    int w = image->width, h = image->height;
    double *in = malloc(sizeof *in * 3 * (size_t)w * (size_t)h);
    double *wide = malloc(sizeof *wide * 3 * (size_t)width * (size_t)h);
    double *out = malloc(sizeof *out * 3 * (size_t)width * (size_t)height);
    float *rgb = nan_new(3 * (size_t)width * (size_t)height);
    assert_true(in && wide && out);
    for (int i = 0; i < 3 * w * h; i++)
        in[i] = image->rgb[i];
    for (int i = 0; i < 3 * h; i++)
        plain_line(in + i / 3 * 3 * w + i % 3, w, wide + i / 3 * 3 * width + i % 3, width, 3);
    for (int i = 0; i < 3 * width; i++)
        plain_line(wide + i, h, out + i, height, 3 * width);
    for (int i = 0; i < 3 * width * height; i++)
        rgb[i] = (float)fmin(fmax(out[i], 0), 255);
    free(in);
    free(wide);
    free(out);
    return rgb;
}

static uint8_t noise(int x, int y, int c)
{
    return (uint8_t)(128 + 127 * noise_at(7, (uint64_t)(3 * (x + 1000 * y) + c)));
}

/* from width, height; to width, height */
static const int sizes[][4] = {
    {64, 48, 31, 17},  {31, 17, 64, 48},    {31, 17, 5, 48},      {13, 40, 50, 7},
    {1, 1, 7, 5},      {2, 3, 9, 4},        {300, 2, 3, 200},     {2, 300, 200, 3},
    {9, 7, 1, 1},      {100, 100, 99, 101}, {7, 5, 7, 11},        {7, 5, 11, 5},
    {640, 3, 16, 16},  {3, 640, 16, 16},    {257, 255, 64, 63},   {33, 65, 512, 4},
    {1, 400, 1, 4000}, {2000, 1, 5000, 1},  {700, 500, 512, 366},
};
enum { SIZES = sizeof sizes / sizeof *sizes };

static void resize_matches_plain_lanczos(void **state)
{
    (void)state;
    for (int i = 0; i < SIZES; i++) {
        const int *s = sizes[i];
        struct image image = image_of(s[0], s[1], noise);
        float *got = resized(&image, s[2], s[3]), *want = plain_resize(&image, s[2], s[3]);
        char what[64];
        snprintf(what, sizeof what, "%dx%d to %dx%d", s[0], s[1], s[2], s[3]);
        assert_near(what, got, want, 3 * (size_t)s[2] * (size_t)s[3], 2e-6);
        free(got);
        free(want);
        image_release(&image);
    }
}

static uint8_t flat(int x, int y, int c)
{
    (void)x, (void)y;
    return (uint8_t)(40 + 100 * c);
}

static void resize_keeps_a_constant(void **state)
{
    (void)state;
    for (int i = 0; i < SIZES; i++) {
        const int *s = sizes[i];
        struct image image = image_of(s[0], s[1], flat);
        float *rgb = resized(&image, s[2], s[3]);
        for (int j = 0; j < 3 * s[2] * s[3]; j++)
            assert_true(fabs(rgb[j] - flat(0, 0, j % 3)) <= 1e-3);
        free(rgb);
        image_release(&image);
    }
}

static uint8_t ramp(int x, int y, int c) { return (uint8_t)(c == 0 ? 3 * x : c == 1 ? 4 * y : 99); }

/* Away from the edges, where the mirrored ramp turns back. */
static void resize_keeps_a_ramp(void **state)
{
    (void)state;
    static const int to[][2] = {{160, 120}, {41, 29}, {79, 61}, {64, 48}};
    struct image image = image_of(80, 60, ramp);
    for (int i = 0; i < 4; i++) {
        int width = to[i][0], height = to[i][1];
        double dx = 80.0 / width, dy = 60.0 / height, largest = 0;
        float *rgb = resized(&image, width, height);
        for (int y = height / 6; y < height - height / 6; y++)
            for (int x = width / 6; x < width - width / 6; x++) {
                const float *p = rgb + 3 * (y * width + x);
                largest = fmax(largest, fabs((double)p[0] - 3 * ((x + 0.5) * dx - 0.5)));
                largest = fmax(largest, fabs((double)p[1] - 4 * ((y + 0.5) * dy - 0.5)));
                largest = fmax(largest, fabs((double)p[2] - 99.0));
            }
        print_message("%d x %d: largest error %.3f of a step of 3 or 4\n", width, height, largest);
        assert_true(largest <= 0.15);
        free(rgb);
    }
    image_release(&image);
}

static uint8_t checkerboard(int x, int y, int c)
{
    (void)c;
    return (x + y) % 2 ? 255 : 0;
}

/* Taking every fourth pixel would leave black or white. Near the edges, where the mirrored board is
 * out of step, a trace is left. */
static void resize_antialiases_when_shrinking(void **state)
{
    (void)state;
    enum { WIDTH = 64, HEIGHT = 48 };
    struct image image = image_of(4 * WIDTH, 4 * HEIGHT, checkerboard);
    float *rgb = resized(&image, WIDTH, HEIGHT);
    double inside = 0, edges = 0;
    for (int i = 0; i < 3 * WIDTH * HEIGHT; i++) {
        int x = i / 3 % WIDTH, y = i / 3 / WIDTH;
        int is_inside = x >= 4 && y >= 4 && x < WIDTH - 4 && y < HEIGHT - 4;
        double *largest = is_inside ? &inside : &edges;
        *largest = fmax(*largest, fabs((double)rgb[i] - 127.5));
    }
    print_message("largest distance from grey: %.3g inside, %.3g at the edges\n", inside, edges);
    assert_true(inside <= 0.5);
    assert_true(edges <= 4);
    free(rgb);
    image_release(&image);
}

static uint8_t edge(int x, int y, int c)
{
    (void)y, (void)c;
    return x < 10 ? 0 : 255;
}

/* Lanczos overshoots at an edge. */
static void resize_clamps(void **state)
{
    (void)state;
    struct image image = image_of(20, 3, edge);
    float *rgb = resized(&image, 67, 10);
    for (int i = 0; i < 3 * 67 * 10; i++)
        assert_true(rgb[i] >= 0 && rgb[i] <= 255);
    free(rgb);
    image_release(&image);
}

static void resize_to_the_same_size_is_a_copy(void **state)
{
    (void)state;
    struct image image = image_of(37, 23, noise);
    float *rgb = resized(&image, 37, 23);
    for (int i = 0; i < 3 * 37 * 23; i++)
        assert_true(rgb[i] == image.rgb[i]);
    free(rgb);
    image_release(&image);
}

static void resize_gives_the_same_bytes_again(void **state)
{
    (void)state;
    struct image image = image_of(300, 200, noise);
    float *a = resized(&image, 123, 77), *b = resized(&image, 123, 77);
    assert_memory_equal(a, b, sizeof *a * 3 * 123 * 77);
    free(a);
    free(b);
    image_release(&image);
}

static void fit_keeps_the_aspect(void **state)
{
    (void)state;
    /* width, height, longer; fitted width, height */
    static const int cases[][5] = {
        {1000, 750, 512, 512, 384},
        {750, 1000, 512, 384, 512},
        {640, 640, 512, 512, 512},
        {100, 50, 1000, 1000, 500},
        {1000, 1, 16, 16, 1},
        {1, 65535, 1, 1, 1},
        {4, 3, 6, 6, 5},
        {4, 3, 2, 2, 2},
        {300, 200, 100, 100, 67},
        {301, 200, 100, 100, 66},
        {512, 384, 512, 512, 384},
        {65535, 65534, 65535, 65535, 65534},
        {1, 1, 2000000000, 2000000000, 2000000000},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        int width = -1, height = -1;
        image_fit(cases[i][0], cases[i][1], cases[i][2], &width, &height);
        assert_int_equal(width, cases[i][3]);
        assert_int_equal(height, cases[i][4]);
    }
}

static void quantise_rounds_to_nearest_and_clamps(void **state)
{
    (void)state;
    static const float values[] = {0,          0.49999997f, 0.5f,      0.50000006f, 1.5f,
                                   2.5f,       254.5f,      255,       254.49998f,  255.5f,
                                   1e30f,      -1,          -INFINITY, INFINITY,    -0.0f,
                                   127.49999f, 127.50001f,  NAN,       -NAN};
    static const uint8_t want[] = {0,   0, 0, 1,   2, 2,   254, 255, 254, 255,
                                   255, 0, 0, 255, 0, 127, 128, 0,   0};
    enum { COUNT = sizeof want };
    uint8_t bytes[COUNT + 1];
    memset(bytes, 0xa5, sizeof bytes);
    image_quantise(values, COUNT, bytes);
    assert_int_equal(sizeof values / sizeof *values, COUNT);
    for (int i = 0; i < COUNT; i++)
        assert_int_equal(bytes[i], want[i]);
    assert_int_equal(bytes[COUNT], 0xa5);
    for (int i = 0; i < 256; i++) {
        float value = (float)i;
        image_quantise(&value, 1, bytes);
        assert_int_equal(bytes[0], i);
    }
}

/* ---- memory ---- */

static uint8_t grey(int x, int y, int channel)
{
    (void)x, (void)y, (void)channel;
    return 128;
}

static size_t allocated;

void *__real_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes);
void *__wrap_aligned_alloc(size_t alignment, size_t bytes)
{
    allocated += bytes;
    return __real_aligned_alloc(alignment, bytes);
}

/* Never more than 2 MB and a tenth above what a plan counts, which is not much more. */
static void resize_takes_the_memory_that_is_said(void **state)
{
    (void)state;
    static const int shapes[][4] = {{1600, 1200, 64, 48},   {6000, 4000, 24, 16},
                                    {1600, 1200, 400, 300}, {100, 9000, 16, 16},
                                    {9000, 100, 64, 16},    {64, 48, 64, 48}};
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        const int *s = shapes[i];
        struct image image = image_of(s[0], s[1], grey);
        allocated = 0;
        free(resized(&image, s[2], s[3]));
        double said = (double)image_resize_bytes(s[0], s[1], s[2], s[3]), took = (double)allocated;
        print_message("%d x %d -> %d x %d: said %.0f, took %.0f\n", s[0], s[1], s[2], s[3], said,
                      took);
        assert_true(took <= 1.1 * said + 2e6);
        assert_true(said <= 2 * took + 32768 + 64.0 * s[0]);
        image_release(&image);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(resize_matches_plain_lanczos),
        cmocka_unit_test(resize_keeps_a_constant),
        cmocka_unit_test(resize_keeps_a_ramp),
        cmocka_unit_test(resize_antialiases_when_shrinking),
        cmocka_unit_test(resize_clamps),
        cmocka_unit_test(resize_to_the_same_size_is_a_copy),
        cmocka_unit_test(resize_gives_the_same_bytes_again),
        cmocka_unit_test(resize_takes_the_memory_that_is_said),
        cmocka_unit_test(fit_keeps_the_aspect),
        cmocka_unit_test(quantise_rounds_to_nearest_and_clamps),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
