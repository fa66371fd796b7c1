/* Writing pictures: what is in the file, and that it is there whole or not at all. */
#include "image_fixtures.h"

#include <errno.h>
#include <signal.h>
#include <sys/resource.h>

static const struct image_text texts[] = {
    {"atelier style_weight", "1000"},
    {"atelier content", "/home/zo\xc3\xab/\xe6\x98\x9f.jpg"},
    {"Software", "atelier"},
    {"empty", ""},
};
enum { TEXTS = sizeof texts / sizeof *texts };

/* When not 0: that many calls from now, fwrite fails once. */
static int fwrite_fails_in;

/* Stands before the C library's. */
size_t fwrite(const void *bytes, size_t size, size_t count, FILE *file)
{
    if (fwrite_fails_in > 0 && --fwrite_fails_in == 0) {
        errno = EIO;
        return 0;
    }
    return fwrite_unlocked(bytes, size, count, file);
}

static void written_picture_reads_back(void **state)
{
    (void)state;
    static const int sizes[][2] = {{1, 1}, {37, 23}, {1, 300}, {300, 1}};
    const char *path = in_folder("out.png");
    for (int i = 0; i < 4; i++) {
        struct error err = {0};
        struct image image = noise_image(sizes[i][0], sizes[i][1], 5), again = {0};
        assert_int_equal(image_write_png(path, &image, texts, TEXTS, &err), 0);
        assert_int_equal(image_read(path, &again, NULL, &err), 0);
        assert_int_equal(again.width, image.width);
        assert_int_equal(again.height, image.height);
        assert_memory_equal(again.rgb, image.rgb, 3 * (size_t)image.width * (size_t)image.height);
        assert_int_equal(files_in_folder(), 1);
        image_release(&image);
        image_release(&again);
    }
}

static void check_texts(png_structp png, png_infop info)
{
    png_textp got;
    int count = 0;
    png_get_text(png, info, &got, &count);
    assert_int_equal(count, TEXTS);
    for (int i = 0; i < TEXTS; i++) {
        assert_string_equal(got[i].key, texts[i].key);
        assert_string_equal(got[i].text, texts[i].value);
        assert_int_equal(got[i].compression,
                         i == 1 ? PNG_ITXT_COMPRESSION_NONE : PNG_TEXT_COMPRESSION_NONE);
    }
}

static void written_picture_has_its_texts_and_says_srgb(void **state)
{
    (void)state;
    const char *path = in_folder("texts.png");
    struct image image = noise_image(37, 23, 5);
    int intent = -1;
    assert_int_equal(image_write_png(path, &image, texts, TEXTS, NULL), 0);
    FILE *file = fopen(path, "rb");
    png_structp png = png_create_read_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    assert_true(file && png && info);
    png_init_io(png, file);
    png_read_info(png, info);
    check_texts(png, info);
    assert_true(png_get_sRGB(png, info, &intent));
    assert_int_equal(intent, PNG_sRGB_INTENT_PERCEPTUAL);
    assert_int_equal(png_get_bit_depth(png, info), 8);
    assert_int_equal(png_get_color_type(png, info), PNG_COLOR_TYPE_RGB);
    png_destroy_read_struct(&png, &info, NULL);
    fclose(file);
    image_release(&image);
}

/* No time, no gamma beside sRGB, and every text before the pixels, where readers look first. */
static void written_picture_has_these_chunks_only(void **state)
{
    (void)state;
    static const char *const want[] = {"IHDR", "sRGB", "tEXt", "iTXt",
                                       "tEXt", "tEXt", "IDAT", "IEND"};
    const char *path = in_folder("chunks.png");
    struct image image = noise_image(37, 23, 5);
    size_t count, at = 8, chunk = 0;
    assert_int_equal(image_write_png(path, &image, texts, TEXTS, NULL), 0);
    uint8_t *bytes = file_get(path, &count);
    for (; at < count; chunk++) {
        assert_true(chunk < sizeof want / sizeof *want);
        assert_memory_equal(bytes + at + 4, want[chunk], 4);
        at += 12u + (size_t)(bytes[at + 2] << 8 | bytes[at + 3]);
    }
    assert_int_equal(chunk, sizeof want / sizeof *want);
    free(bytes);
    image_release(&image);
}

static void same_arguments_give_the_same_bytes(void **state)
{
    (void)state;
    struct image image = noise_image(37, 23, 5);
    size_t count_a, count_b;
    assert_int_equal(image_write_png(in_folder("a.png"), &image, texts, TEXTS, NULL), 0);
    assert_int_equal(image_write_png(in_folder("b.png"), &image, texts, TEXTS, NULL), 0);
    uint8_t *a = file_get(in_folder("a.png"), &count_a),
            *b = file_get(in_folder("b.png"), &count_b);
    assert_int_equal(count_a, count_b);
    assert_memory_equal(a, b, count_a);
    free(a);
    free(b);
    image_release(&image);
}

static void picture_without_texts_is_written(void **state)
{
    (void)state;
    struct image image = noise_image(3, 2, 5), again = {0};
    assert_int_equal(image_write_png(in_folder("bare.png"), &image, NULL, 0, NULL), 0);
    assert_int_equal(image_read(in_folder("bare.png"), &again, NULL, NULL), 0);
    image_release(&image);
    image_release(&again);
}

/* Limits up to the whole size, in small steps, make the header, the texts, the pixels and the last
 * flush fail in turn. */
static void failed_write_leaves_the_old_file_and_nothing_else(void **state)
{
    (void)state;
    struct rlimit before, limit;
    struct image image = noise_image(200, 150, 5);
    size_t whole;
    assert_int_equal(image_write_png(in_folder("old.png"), &image, texts, TEXTS, NULL), 0);
    free(file_get(in_folder("old.png"), &whole));
    file_put(in_folder("old.png"), "old", 3);
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    for (size_t i = 0; i <= 64; i++) {
        struct error err = {0};
        limit = before;
        limit.rlim_cur = (whole - 1) * i / 64;
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
        int status = image_write_png(in_folder("old.png"), &image, texts, TEXTS, &err);
        assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
        assert_int_equal(status, E_ENVIRONMENT);
        assert_says(&err, "cannot write '");
        assert_says(&err, "old.png': File too large");
        assert_file_holds(in_folder("old.png"), "old");
        assert_int_equal(files_in_folder(), 1);
    }
    signal(SIGXFSZ, handler);
    image_release(&image);
}

/* A write that fails once leaves a hole, even if all that follow succeed. */
static void one_failed_write_is_enough(void **state)
{
    (void)state;
    struct image image = noise_image(37, 23, 5);
    const char *path = in_folder("old.png");
    file_put(path, "old", 3);
    int calls = 1;
    for (;; calls++) {
        struct error err = {0};
        fwrite_fails_in = calls;
        int status = image_write_png(path, &image, texts, TEXTS, &err);
        if (fwrite_fails_in > 0)
            break;
        assert_int_equal(status, E_ENVIRONMENT);
        assert_says(&err, "old.png': Input/output error");
        assert_file_holds(path, "old");
        assert_int_equal(files_in_folder(), 1);
    }
    fwrite_fails_in = 0;
    print_message("%d writes failed in turn\n", calls - 1);
    assert_true(calls > 8);
    image_release(&image);
}

static void unwritable_places_are_refused(void **state)
{
    (void)state;
    struct error err = {0};
    struct image image = noise_image(3, 2, 5);
    assert_int_equal(image_write_png(in_folder("no/a.png"), &image, NULL, 0, &err), E_INPUT);
    assert_says(&err, "a.png': there is no folder");
    assert_int_equal(image_write_png(fixture_folder, &image, NULL, 0, &err), E_INPUT);
    assert_says(&err, "it is a folder");
    assert_int_equal(image_write_png("/dev/null", &image, NULL, 0, &err), E_INPUT);
    assert_says(&err, "cannot write '/dev/null': it is not a regular file");
    assert_int_equal(image_write_png("/proc/a.png", &image, NULL, 0, &err), E_ENVIRONMENT);
    assert_int_equal(files_in_folder(), 0);
    image_release(&image);
}

/* libpng's complaint becomes an error, not a line on the terminal or an abort. */
static void picture_that_png_cannot_hold_is_refused(void **state)
{
    (void)state;
    struct error err = {0};
    uint8_t pixel[3] = {0};
    struct image image = {INT32_MAX, 1, pixel, NULL};
    assert_int_equal(image_write_png(in_folder("big.png"), &image, NULL, 0, &err), E_ENVIRONMENT);
    assert_says(&err, "big.png': Invalid IHDR data");
    assert_int_equal(files_in_folder(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(written_picture_reads_back),
        TEST(written_picture_has_its_texts_and_says_srgb),
        TEST(written_picture_has_these_chunks_only),
        TEST(same_arguments_give_the_same_bytes),
        TEST(picture_without_texts_is_written),
        TEST(failed_write_leaves_the_old_file_and_nothing_else),
        TEST(one_failed_write_is_enough),
        TEST(unwritable_places_are_refused),
        TEST(picture_that_png_cannot_hold_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
