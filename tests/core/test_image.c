/* Reading pictures: every kind of PNG and JPEG, and everything that is neither. */
#include "image_fixtures.h"

#include <zlib.h>

static unsigned scattered(int x, int y, int channel)
{
    return (unsigned)x * 40503u + (unsigned)y * 30011u + (unsigned)channel * 17389u + 77u;
}

static struct image read_whole(const char *path)
{
    struct error err = {0};
    struct image image = {0};
    struct image_size size = {0};
    int status = image_read(path, &image, NULL, &err);
    if (status != 0)
        print_error("%s\n", err.message);
    assert_int_equal(status, 0);
    assert_int_equal(image_probe(path, &size, &err), 0);
    assert_int_equal(size.width, image.width);
    assert_int_equal(size.height, image.height);
    assert_true(size.read_bytes >= 3 * (uint64_t)size.width * (uint64_t)size.height);
    return image;
}

static int same_picture(const struct image *a, const struct image *b)
{
    return a->width == b->width && a->height == b->height &&
           memcmp(a->rgb, b->rgb, 3 * (size_t)a->width * (size_t)a->height) == 0;
}

/* Reading fails with E_INPUT and these words, and leaves *out as it was. */
static void assert_refused(const char *path, const char *words)
{
    struct error err = {0};
    struct image image = {-1, -2, (uint8_t *)&err, NULL};
    assert_int_equal(image_read(path, &image, NULL, &err), E_INPUT);
    assert_int_equal(err.code, E_INPUT);
    assert_says(&err, words);
    assert_true(image.width == -1 && image.height == -2 && image.rgb == (uint8_t *)&err);
}

/* The same, and the probe knows it from the header. */
static void assert_refused_at_once(const char *path, const char *words)
{
    struct error err = {0};
    struct image_size size = {.width = -1, .height = -2};
    assert_refused(path, words);
    assert_int_equal(image_probe(path, &size, &err), E_INPUT);
    assert_says(&err, words);
    assert_true(size.width == -1 && size.height == -2);
}

/* ---- PNG ---- */

/* From the file's own encoding, 0..1, to sRGB, 0..255. */
static double encoded(const struct png_fixture *f, double value)
{
    if (!(f->gamma > 0))
        return 255 * value;
    double linear = pow(value, 1 / f->gamma);
    return 255 * (linear <= 0.0031308 ? 12.92 * linear : 1.055 * pow(linear, 1 / 2.4) - 0.055);
}

static int is_transparent_colour(const struct png_fixture *f, const unsigned *s)
{
    const png_color_16 *t = &f->transparent_colour;
    if (f->colour_type == PNG_COLOR_TYPE_GRAY)
        return s[0] == t->gray;
    return s[0] == t->red && s[1] == t->green && s[2] == t->blue;
}

/* What pixel (x, y) should be, 0..255, not rounded. */
static void expected_pixel(const struct png_fixture *f, int x, int y, double rgb[3])
{
    unsigned s[4] = {0}, most = (1u << f->depth) - 1;
    double alpha = 1;
    int channels = png_channels(f->colour_type);
    for (int c = 0; c < channels; c++)
        s[c] = f->sample(x, y, c) & most;
    for (int c = 0; c < 3; c++)
        rgb[c] = encoded(f, (double)s[channels >= 3 ? c : 0] / most);
    if (f->colour_type == PNG_COLOR_TYPE_PALETTE) {
        png_color colour = palette_colour((int)s[0]);
        rgb[0] = colour.red, rgb[1] = colour.green, rgb[2] = colour.blue;
        if ((int)s[0] < f->transparent_count)
            alpha = palette_alpha((int)s[0]) / 255.0;
    }
    if (f->colour_type & PNG_COLOR_MASK_ALPHA)
        alpha = (double)s[channels - 1] / most;
    if (f->has_transparent_colour && is_transparent_colour(f, s))
        alpha = 0;
    for (int c = 0; c < 3; c++)
        rgb[c] = rgb[c] * alpha + 255 * (1 - alpha);
}

static void check_png(const char *name, const struct png_fixture *f, double limit)
{
    const char *path = in_folder("kind.png");
    png_put(path, f);
    struct image image = read_whole(path);
    assert_int_equal(image.width, f->width);
    assert_int_equal(image.height, f->height);
    double largest = 0;
    for (int y = 0; y < f->height; y++)
        for (int x = 0; x < f->width; x++) {
            double want[3];
            expected_pixel(f, x, y, want);
            for (int c = 0; c < 3; c++)
                largest = fmax(largest, fabs(image.rgb[3 * (y * f->width + x) + c] - want[c]));
        }
    if (!(largest <= limit))
        print_error("%s: largest error %.3f of 255 (limit %.3f)\n", name, largest, limit);
    assert_true(largest <= limit);
    image_release(&image);
}

static const struct {
    const char *name;
    int colour_type, depth, palette_count, transparent_count;
    double limit; /* 0.5: rounded to nearest */
} png_kinds[] = {
    {"grey 1", PNG_COLOR_TYPE_GRAY, 1, 0, 0, 0},
    {"grey 2", PNG_COLOR_TYPE_GRAY, 2, 0, 0, 0},
    {"grey 4", PNG_COLOR_TYPE_GRAY, 4, 0, 0, 0},
    {"grey 8", PNG_COLOR_TYPE_GRAY, 8, 0, 0, 0},
    {"grey 16", PNG_COLOR_TYPE_GRAY, 16, 0, 0, 0.501},
    {"palette 1", PNG_COLOR_TYPE_PALETTE, 1, 2, 0, 0},
    {"palette 2", PNG_COLOR_TYPE_PALETTE, 2, 4, 0, 0},
    {"palette 4", PNG_COLOR_TYPE_PALETTE, 4, 16, 0, 0},
    {"palette 8", PNG_COLOR_TYPE_PALETTE, 8, 256, 0, 0},
    {"palette 2 + tRNS", PNG_COLOR_TYPE_PALETTE, 2, 4, 4, 0.501},
    {"palette 4 + short tRNS", PNG_COLOR_TYPE_PALETTE, 4, 16, 3, 0.501},
    {"palette 8 + tRNS", PNG_COLOR_TYPE_PALETTE, 8, 256, 4, 0.501},
    {"RGB 8", PNG_COLOR_TYPE_RGB, 8, 0, 0, 0},
    {"RGB 16", PNG_COLOR_TYPE_RGB, 16, 0, 0, 0.501},
    {"grey + alpha 8", PNG_COLOR_TYPE_GRAY_ALPHA, 8, 0, 0, 0.501},
    {"grey + alpha 16", PNG_COLOR_TYPE_GRAY_ALPHA, 16, 0, 0, 0.501},
    {"RGBA 8", PNG_COLOR_TYPE_RGB_ALPHA, 8, 0, 0, 0.501},
    {"RGBA 16", PNG_COLOR_TYPE_RGB_ALPHA, 16, 0, 0, 0.501},
};

static void png_of_every_kind_is_read(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof png_kinds / sizeof *png_kinds; i++)
        for (int interlaced = 0; interlaced < 2; interlaced++) {
            struct png_fixture f = {.width = 13,
                                    .height = 11,
                                    .depth = png_kinds[i].depth,
                                    .colour_type = png_kinds[i].colour_type,
                                    .interlaced = interlaced,
                                    .sample = scattered,
                                    .palette_count = png_kinds[i].palette_count,
                                    .transparent_count = png_kinds[i].transparent_count};
            check_png(png_kinds[i].name, &f, png_kinds[i].limit);
        }
}

/* Interlaced pictures of 1 to 4 px have empty passes. */
static void png_of_any_small_size_is_read(void **state)
{
    (void)state;
    for (int i = 0; i < 2 * 9 * 9; i++) {
        struct png_fixture f = {.width = 1 + i / 2 % 9,
                                .height = 1 + i / 18,
                                .depth = 8,
                                .colour_type = PNG_COLOR_TYPE_RGB_ALPHA,
                                .interlaced = i % 2,
                                .sample = scattered};
        check_png("small", &f, 0.501);
    }
}

static void png_transparent_colour_becomes_white(void **state)
{
    (void)state;
    struct png_fixture grey = {
        13, 11, 2, PNG_COLOR_TYPE_GRAY, 0, scattered, .has_transparent_colour = 1};
    grey.transparent_colour.gray = (png_uint_16)(scattered(4, 3, 0) & 3);
    check_png("grey 2 + tRNS", &grey, 0);
    struct png_fixture rgb = {
        13, 11, 8, PNG_COLOR_TYPE_RGB, 0, scattered, .has_transparent_colour = 1};
    rgb.transparent_colour.red = (png_uint_16)(scattered(4, 3, 0) & 255);
    rgb.transparent_colour.green = (png_uint_16)(scattered(4, 3, 1) & 255);
    rgb.transparent_colour.blue = (png_uint_16)(scattered(4, 3, 2) & 255);
    check_png("RGB 8 + tRNS", &rgb, 0);
}

static void png_gamma_is_honoured(void **state)
{
    (void)state;
    static const int types[] = {PNG_COLOR_TYPE_GRAY, PNG_COLOR_TYPE_RGB, PNG_COLOR_TYPE_RGB_ALPHA};
    static const double gammas[] = {1.0, 1 / 1.8};
    for (int t = 0; t < 3; t++)
        for (int g = 0; g < 2; g++)
            for (int depth = 8; depth <= 16; depth += 8) {
                struct png_fixture f = {.width = 13,
                                        .height = 11,
                                        .depth = depth,
                                        .colour_type = types[t],
                                        .sample = scattered,
                                        .gamma = gammas[g]};
                check_png(depth == 8 ? "gAMA, 8 bit" : "gAMA, 16 bit", &f, 0.51);
            }
}

/* 1/2.2 is what most writers put in for sRGB. */
static void png_with_the_usual_gamma_is_taken_as_srgb(void **state)
{
    (void)state;
    struct png_fixture f = {.width = 13,
                            .height = 11,
                            .depth = 8,
                            .colour_type = PNG_COLOR_TYPE_RGB,
                            .sample = scattered,
                            .gamma = 0.45455};
    const char *path = in_folder("usual.png");
    png_put(path, &f);
    struct image image = read_whole(path);
    for (int i = 0; i < 13 * 11 * 3; i++)
        assert_int_equal(image.rgb[i], scattered(i / 3 % 13, i / 3 / 13, i % 3) & 255);
    image_release(&image);
}

/* Cuts a file everywhere: it is refused, or nothing but its end is missing, which is said. */
static void check_cuts(const char *whole, const char *cut, size_t most_read)
{
    size_t count, read = 0;
    struct image picture = read_whole(whole);
    uint8_t *bytes = file_get(whole, &count);
    for (size_t length = 0; length < count; length++) {
        struct image image = {0};
        struct image_notes notes = {0};
        file_put(cut, bytes, length);
        if (image_read(cut, &image, &notes, NULL) != 0) {
            assert_refused(cut, length ? " is truncated" : " is empty");
            continue;
        }
        assert_true(same_picture(&image, &picture));
        assert_string_equal(notes.text, "no end marker; all rows are there");
        image_release(&image);
        read++;
    }
    print_message("%zu of %zu cut files are read\n", read, count);
    assert_true(read > 0 && read <= most_read);
    image_release(&picture);
    free(bytes);
}

static void png_cut_anywhere_is_refused_or_whole(void **state)
{
    (void)state;
    const char *whole = in_folder("whole.png"), *cut = in_folder("cut.png");
    for (int interlaced = 0; interlaced < 2; interlaced++) {
        struct png_fixture f = {.width = 13,
                                .height = 11,
                                .depth = 8,
                                .colour_type = PNG_COLOR_TYPE_RGB_ALPHA,
                                .interlaced = interlaced,
                                .sample = scattered};
        png_put(whole, &f);
        check_cuts(whole, cut, 21); /* the end, and the sums of the pixels */
    }
}

/* The pixels lack their last bytes, but the chunks go on to IEND. */
static void png_with_too_little_data_is_refused(void **state)
{
    (void)state;
    static const uint8_t end[] = "\0\0\0\0IEND\xae\x42\x60\x82";
    const char *path = in_folder("short.png");
    struct png_fixture f = {.width = 13,
                            .height = 11,
                            .depth = 8,
                            .colour_type = PNG_COLOR_TYPE_RGB,
                            .sample = scattered};
    size_t count;
    png_put(path, &f);
    uint8_t *bytes = file_get(path, &count);
    uint8_t *idat = memmem(bytes, count, "IDAT", 4);
    assert_non_null(idat);
    size_t head = (size_t)(idat - bytes) + 4, kept = 60;
    bytes[head - 8] = bytes[head - 7] = bytes[head - 6] = 0;
    bytes[head - 5] = (uint8_t)kept;
    uLong sum = crc32(0, idat, (uInt)(4 + kept));
    for (int i = 0; i < 4; i++)
        bytes[head + kept + (size_t)i] = (uint8_t)(sum >> (24 - 8 * i));
    memcpy(bytes + head + kept + 4, end, 12);
    file_put(path, bytes, head + kept + 16);
    assert_refused(path, "is corrupt: ");
    free(bytes);
}

static void png_with_a_damaged_byte_is_refused_or_the_same(void **state)
{
    (void)state;
    const char *path = in_folder("damaged.png");
    struct png_fixture f = {.width = 13,
                            .height = 11,
                            .depth = 8,
                            .colour_type = PNG_COLOR_TYPE_RGB,
                            .sample = scattered};
    size_t count, refused = 0;
    png_put(path, &f);
    struct image whole = read_whole(path);
    uint8_t *bytes = file_get(path, &count);
    for (size_t i = 0; i < 8 * count; i++) {
        struct image image = {0};
        struct error err = {0};
        bytes[i / 8] ^= (uint8_t)(1 << i % 8);
        file_put(path, bytes, count);
        if (image_read(path, &image, NULL, &err) != 0) {
            assert_int_equal(err.code, E_INPUT);
            refused++;
        } else if (!same_picture(&image, &whole)) {
            print_error("bit %zu of byte %zu changes the picture\n", i % 8, i / 8);
            assert_true(0);
        }
        bytes[i / 8] ^= (uint8_t)(1 << i % 8);
        image_release(&image);
    }
    print_message("%zu of %zu damaged files refused\n", refused, 8 * count);
    assert_true(refused > 8 * (count - 20));
    free(bytes);
    image_release(&whole);
}

static void png_with_a_side_too_long_is_refused(void **state)
{
    (void)state;
    const char *path = in_folder("long.png");
    struct png_fixture longest = {.width = 65535,
                                  .height = 1,
                                  .depth = 1,
                                  .colour_type = PNG_COLOR_TYPE_GRAY,
                                  .sample = scattered};
    png_put(path, &longest);
    struct image image = read_whole(path);
    assert_int_equal(image.width, 65535);
    image_release(&image);
    struct png_fixture longer = {.width = 65536,
                                 .height = 1,
                                 .depth = 1,
                                 .colour_type = PNG_COLOR_TYPE_GRAY,
                                 .sample = scattered};
    png_put(path, &longer);
    assert_refused_at_once(path, "is 65536 x 1 px; each side must be 1..65535 px");
    struct png_fixture higher = {.width = 1,
                                 .height = 65536,
                                 .depth = 1,
                                 .colour_type = PNG_COLOR_TYPE_GRAY,
                                 .sample = scattered};
    png_put(path, &higher);
    assert_refused_at_once(path, "is 1 x 65536 px; each side must be 1..65535 px");
}

/* A few bytes cannot make anyone reserve 17 GB. */
static void png_that_claims_to_be_huge_is_refused(void **state)
{
    (void)state;
    const char *path = in_folder("bomb.png");
    struct png_fixture f = {.width = 13,
                            .height = 11,
                            .depth = 8,
                            .colour_type = PNG_COLOR_TYPE_RGB_ALPHA,
                            .sample = scattered};
    size_t count;
    png_put(path, &f);
    uint8_t *bytes = file_get(path, &count);
    memcpy(bytes + 16, "\0\0\xff\xff\0\0\xff\xff", 8);
    uLong sum = crc32(0, bytes + 12, 17);
    for (int i = 0; i < 4; i++)
        bytes[29 + i] = (uint8_t)(sum >> (24 - 8 * i));
    file_put(path, bytes, count);
    assert_refused(path, "is truncated: it holds too little for its size in px");
    free(bytes);
}

/* ---- JPEG ---- */

static unsigned smooth(int x, int y, int channel)
{
    return channel == 0 ? (unsigned)(4 * x) : channel == 1 ? (unsigned)(5 * y) : (unsigned)(x + y);
}

static const struct jpeg_fixture rgb_jpeg = {
    .width = 49, .height = 35, .channels = 3, .space = JCS_RGB, .sample = smooth};

static void check_jpeg(const struct jpeg_fixture *f, double limit)
{
    const char *path = in_folder("kind.jpg");
    jpeg_put(path, f);
    struct image image = read_whole(path);
    assert_int_equal(image.width, f->width);
    assert_int_equal(image.height, f->height);
    double largest = 0;
    for (int i = 0; i < f->width * f->height * 3; i++) {
        int x = i / 3 % f->width, y = i / 3 / f->width, c = f->channels == 1 ? 0 : i % 3;
        largest = fmax(largest, fabs((double)image.rgb[i] - f->sample(x, y, c)));
    }
    print_message("largest error %.0f of 255 (limit %.0f)\n", largest, limit);
    assert_true(largest <= limit);
    image_release(&image);
}

static void jpeg_of_every_kind_is_read(void **state)
{
    (void)state;
    struct jpeg_fixture f = rgb_jpeg;
    check_jpeg(&f, 12);
    f.progressive = 1;
    check_jpeg(&f, 12);
    f.stored = JCS_RGB;
    check_jpeg(&f, 4);
    struct jpeg_fixture grey = {
        .width = 49, .height = 35, .channels = 1, .space = JCS_GRAYSCALE, .sample = smooth};
    check_jpeg(&grey, 4);
    grey.progressive = 1;
    check_jpeg(&grey, 4);
}

/* Red green / blue white, so that every turn and mirror image shows. */
static unsigned quarters(int x, int y, int channel)
{
    static const uint8_t colours[4][3] = {{255, 0, 0}, {0, 255, 0}, {0, 0, 255}, {255, 255, 255}};
    return colours[2 * (y >= 16) + (x >= 32)][channel];
}

static char colour_at(const struct image *image, int x, int y)
{
    const uint8_t *p = image->rgb + 3 * (y * image->width + x);
    int red = p[0] > 240, green = p[1] > 240, blue = p[2] > 240;
    int dark = (p[0] < 15) + (p[1] < 15) + (p[2] < 15);
    if (red + green + blue + dark != 3)
        return '?';
    return red + green + blue == 3 ? 'W' : red ? 'R' : green ? 'G' : blue ? 'B' : '?';
}

/* An EXIF block with nothing but the orientation. */
static unsigned exif_block(uint8_t *block, int orientation, int big_endian)
{
    static const uint8_t little[] =
        "Exif\0\0II*\0\x08\0\0\0\x01\0\x12\x01\x03\0\x01\0\0\0\0\0\0\0\0\0\0";
    static const uint8_t big[] =
        "Exif\0\0MM\0*\0\0\0\x08\0\x01\x01\x12\0\x03\0\0\0\x01\0\0\0\0\0\0\0";
    memcpy(block, big_endian ? big : little, 32);
    block[big_endian ? 25 : 24] = (uint8_t)orientation;
    return 32;
}

static void check_orientation(int orientation, int big_endian, const char *layout)
{
    uint8_t block[64];
    const char *path = in_folder("turned.jpg");
    struct jpeg_fixture f = {
        .width = 64, .height = 32, .channels = 3, .space = JCS_RGB, .sample = quarters};
    f.app1 = block;
    f.app1_bytes = exif_block(block, orientation, big_endian);
    jpeg_put(path, &f);
    struct image image = read_whole(path);
    int turned = orientation >= 5 && orientation <= 8;
    assert_int_equal(image.width, turned ? 32 : 64);
    assert_int_equal(image.height, turned ? 64 : 32);
    for (int i = 0; i < 4; i++)
        for (int corner = 0; corner < 2; corner++) {
            /* the middle of each quarter, then its outer corner */
            int x = (i % 2 ? 3 : 1) * image.width / 4, y = (i / 2 ? 3 : 1) * image.height / 4;
            if (corner) {
                x = i % 2 ? image.width - 1 : 0;
                y = i / 2 ? image.height - 1 : 0;
            }
            if (colour_at(&image, x, y) != layout[i])
                print_error("orientation %d: %c at %d, %d\n", orientation, colour_at(&image, x, y),
                            x, y);
            assert_true(colour_at(&image, x, y) == layout[i]);
        }
    image_release(&image);
}

/* Where the standard puts the file's first row and column: top left, top right, bottom right,
 * bottom left, left top, right top, right bottom, left bottom. */
static void jpeg_exif_orientation_is_applied(void **state)
{
    (void)state;
    static const char *const layouts[] = {"RGBW", "RGBW", "GRWB", "WBGR", "BWRG", "RBGW",
                                          "BRWG", "WGBR", "GWRB", "RGBW", "RGBW"};
    for (int orientation = 0; orientation <= 10; orientation++) {
        check_orientation(orientation, 0, layouts[orientation]);
        check_orientation(orientation, 1, layouts[orientation]);
    }
}

static void jpeg_with_damaged_exif_is_read_as_it_lies(void **state)
{
    (void)state;
    uint8_t block[64];
    const char *path = in_folder("exif.jpg");
    struct jpeg_fixture f = {
        .width = 64, .height = 32, .channels = 3, .space = JCS_RGB, .sample = quarters};
    f.app1 = block;
    for (unsigned length = 1; length < 26; length++) {
        exif_block(block, 6, 1);
        f.app1_bytes = length;
        jpeg_put(path, &f);
        struct image image = read_whole(path);
        assert_int_equal(image.width, 64);
        image_release(&image);
    }
}

static void jpeg_cut_anywhere_is_refused_or_whole(void **state)
{
    (void)state;
    const char *whole = in_folder("whole.jpg"), *cut = in_folder("cut.jpg");
    uint8_t block[64];
    for (int progressive = 0; progressive < 2; progressive++) {
        struct jpeg_fixture f = rgb_jpeg;
        f.progressive = progressive;
        f.app1 = block;
        f.app1_bytes = exif_block(block, 6, 0);
        jpeg_put(whole, &f);
        check_cuts(whole, cut, 3); /* the end marker, and bits that fill a byte */
    }
}

static void jpeg_with_a_damaged_byte_is_read_or_refused(void **state)
{
    (void)state;
    const char *path = in_folder("damaged.jpg");
    size_t count, refused = 0;
    jpeg_put(path, &rgb_jpeg);
    uint8_t *bytes = file_get(path, &count);
    for (size_t i = 0; i < count; i++) {
        struct image image = {0};
        struct error err = {0};
        bytes[i] ^= 0xff;
        file_put(path, bytes, count);
        int status = image_read(path, &image, NULL, &err);
        assert_true(status == 0 || status == E_INPUT);
        refused += status != 0;
        bytes[i] ^= 0xff;
        image_release(&image);
    }
    print_message("%zu of %zu damaged files refused\n", refused, count);
    assert_true(refused > 0);
    free(bytes);
}

/* Half of the pixels' data, then a proper end. */
static void jpeg_with_too_little_data_is_corrupt(void **state)
{
    (void)state;
    const char *path = in_folder("short.jpg");
    size_t count;
    jpeg_put(path, &rgb_jpeg);
    uint8_t *bytes = file_get(path, &count);
    uint8_t *scan = memmem(bytes, count, "\xff\xda", 2);
    assert_non_null(scan);
    size_t half = (size_t)(scan - bytes) + (count - (size_t)(scan - bytes)) / 2;
    memcpy(bytes + half, "\xff\xd9", 2);
    file_put(path, bytes, half + 2);
    assert_refused(path, "is corrupt: Corrupt JPEG data: premature end of data segment");
    free(bytes);
}

static void jpeg_with_something_after_its_end_is_read(void **state)
{
    (void)state;
    const char *path = in_folder("more.jpg");
    size_t count;
    jpeg_put(path, &rgb_jpeg);
    struct image whole = read_whole(path);
    uint8_t *bytes = file_get(path, &count);
    bytes = realloc(bytes, count + 100);
    assert_non_null(bytes);
    memset(bytes + count, 'x', 100);
    file_put(path, bytes, count + 100);
    struct image image = read_whole(path);
    assert_true(same_picture(&image, &whole));
    image_release(&image);
    image_release(&whole);
    free(bytes);
}

/* libjpeg warns of bytes between the segments, but nothing is lost. */
static void jpeg_with_bytes_between_its_segments_is_read(void **state)
{
    (void)state;
    const char *path = in_folder("between.jpg");
    size_t count;
    jpeg_put(path, &rgb_jpeg);
    struct image whole = read_whole(path);
    uint8_t *bytes = file_get(path, &count);
    uint8_t *table = memmem(bytes, count, "\xff\xdb", 2);
    assert_non_null(table);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    fwrite(bytes, 1, (size_t)(table - bytes), file);
    fwrite("junk", 1, 4, file);
    fwrite(table, 1, count - (size_t)(table - bytes), file);
    fclose(file);
    struct image image = read_whole(path);
    assert_true(same_picture(&image, &whole));
    image_release(&image);
    image_release(&whole);
    free(bytes);
}

/* Without a profile: what light the inks leave. libjpeg writes Adobe's marker, which says that 255
 * is no ink. */
static void jpeg_in_cmyk_is_mixed_as_inks(void **state)
{
    (void)state;
    const char *path = in_folder("print.jpg");
    struct jpeg_fixture f = {.width = 49,
                             .height = 35,
                             .channels = 4,
                             .space = JCS_CMYK,
                             .stored = JCS_CMYK,
                             .sample = smooth};
    for (int i = 0; i < 2; i++) {
        struct image image = {0};
        struct image_notes notes = {0};
        f.stored = i ? JCS_YCCK : JCS_CMYK;
        jpeg_put(path, &f);
        assert_int_equal(image_read(path, &image, &notes, NULL), 0);
        assert_non_null(strstr(notes.text, "CMYK picture without a colour profile"));
        double largest = 0;
        for (int at = 0; at < 49 * 35 * 3; at++) {
            int x = at / 3 % 49, y = at / 3 / 49;
            double light = smooth(x, y, at % 3) * smooth(x, y, 3) / 255.0;
            largest = fmax(largest, fabs(image.rgb[at] - light));
        }
        print_message("largest error %.1f\n", largest);
        assert_true(largest <= 8);
        image_release(&image);
    }
}

static void jpeg_of_two_channels_is_refused(void **state)
{
    (void)state;
    const char *path = in_folder("two.jpg");
    struct jpeg_fixture f = {
        .width = 49, .height = 35, .channels = 2, .space = JCS_UNKNOWN, .sample = scattered};
    jpeg_put(path, &f);
    assert_refused_at_once(path, "two.jpg' is a JPEG of 2 channels; convert it to RGB");
}

/* The start-of-frame segment: marker, length, precision, height, width. */
static void jpeg_that_libjpeg_cannot_do_is_named(void **state)
{
    (void)state;
    const char *path = in_folder("odd.jpg");
    size_t count;
    jpeg_put(path, &rgb_jpeg);
    uint8_t *bytes = file_get(path, &count);
    uint8_t *frame = memmem(bytes, count, "\xff\xc0", 2);
    assert_non_null(frame);
    frame[4] = 12;
    file_put(path, bytes, count);
    assert_refused_at_once(path, "precision 12; convert it to an 8-bit RGB JPEG or PNG");
    frame[4] = 8;
    frame[1] = 0xc3;
    file_put(path, bytes, count);
    assert_refused_at_once(path, "SOF type 0xc3; convert it to an 8-bit RGB JPEG or PNG");
    frame[1] = 0xc0;
    memcpy(frame + 5, "\xff\xff", 2);
    file_put(path, bytes, count);
    assert_refused_at_once(path, "65500 pixels; convert it");
    memcpy(frame + 5, "\0\0", 2);
    file_put(path, bytes, count);
    assert_refused_at_once(path, "Empty JPEG image");
    free(bytes);
}

/* ---- neither ---- */

static const struct {
    const char *bytes;
    size_t length;
    const char *words;
} strangers[] = {
    {"GIF89a\1\0\1\0", 10, "is a GIF picture; convert it to PNG or JPEG"},
    {"GIF87a\1\0\1\0", 10, "is a GIF picture; convert it to PNG or JPEG"},
    {"BM\x46\0\0\0\0\0\0\0\x36\0\0\0", 14, "is a BMP picture"},
    {"\0\0\0\x0cjP  \r\n\x87\n", 12, "is a JPEG 2000 picture"},
    {"\0\0\0\x0cJXL \r\n\x87\n", 12, "is a JPEG XL picture"},
    {"8BPS\0\1\0\0", 8, "is a Photoshop document"},
    {"%PDF-1.7\n", 9, "is a PDF document"},
    {"BMX tracks of the region\n", 25, "is neither a PNG nor a JPEG; it looks like text"},
    {"hello\n", 6, "is neither a PNG nor a JPEG; it looks like text"},
    {"caf\xc3\xa9\n", 6, "is neither a PNG nor a JPEG; it looks like text"},
    {"<!DOCTYPE html>\n<p>404", 22, "is neither a PNG nor a JPEG; it looks like HTML"},
    {"\n <HTML><body>", 14, "it looks like HTML"},
    {"<?xml version='1.0'?>\n<svg ", 27, "it looks like an SVG drawing"},
    {"version https://git-lfs.github.com/spec/v1\n", 43, "is a Git LFS pointer"},
    {"\x7f"
     "ELF\2\1\1\0\0\0\0",
     11, "stranger.png' is neither a PNG nor a JPEG"},
    {"x", 1, "is neither a PNG nor a JPEG; it looks like text"},
    {"", 0, "stranger.png' is empty"},
};

static void other_files_are_named_for_what_they_are(void **state)
{
    (void)state;
    const char *path = in_folder("stranger.png");
    for (size_t i = 0; i < sizeof strangers / sizeof *strangers; i++) {
        file_put(path, strangers[i].bytes, strangers[i].length);
        assert_refused_at_once(path, strangers[i].words);
    }
}

static void binary_files_are_not_called_text(void **state)
{
    (void)state;
    struct error err = {0};
    struct image image;
    file_put(in_folder("data.png"), "\1\2\3\4\0\0\0\0", 8);
    assert_int_equal(image_read(in_folder("data.png"), &image, NULL, &err), E_INPUT);
    assert_null(strstr(err.message, "looks like"));
}

static void name_does_not_matter(void **state)
{
    (void)state;
    struct png_fixture f = {.width = 13,
                            .height = 11,
                            .depth = 8,
                            .colour_type = PNG_COLOR_TYPE_RGB,
                            .sample = scattered};
    png_put(in_folder("a.jpg"), &f);
    jpeg_put(in_folder("a.txt"), &rgb_jpeg);
    struct image png = read_whole(in_folder("a.jpg")), jpeg = read_whole(in_folder("a.txt"));
    assert_int_equal(png.width, 13);
    assert_int_equal(jpeg.width, 49);
    image_release(&png);
    image_release(&jpeg);
}

static void missing_file_and_folder_are_refused(void **state)
{
    (void)state;
    assert_refused_at_once(in_folder("no.png"), "no.png': No such file or directory");
    assert_refused_at_once(in_folder("no/a.png"), "a.png': No such file or directory");
    assert_refused_at_once(fixture_folder, "is a folder, not a picture");
    file_put(in_folder("file"), "x", 1);
    assert_refused_at_once(in_folder("file/a.png"), "a.png': Not a directory");
}

/* These would wait for ever, or never end. */
static void fifo_and_device_are_refused_without_waiting(void **state)
{
    (void)state;
    assert_int_equal(mkfifo(in_folder("fifo.png"), 0600), 0);
    alarm(120);
    assert_refused_at_once(in_folder("fifo.png"), "fifo.png' is not a regular file");
    assert_refused_at_once("/dev/zero", "'/dev/zero' is not a regular file");
    alarm(0);
}

static void unreadable_file_is_refused(void **state)
{
    (void)state;
    const char *path = in_folder("secret.png");
    struct png_fixture f = {.width = 13,
                            .height = 11,
                            .depth = 8,
                            .colour_type = PNG_COLOR_TYPE_RGB,
                            .sample = scattered};
    png_put(path, &f);
    assert_int_equal(chmod(path, 0), 0);
    int was_root = geteuid() == 0;
    if (was_root)
        assert_int_equal(seteuid(65534), 0);
    assert_refused_at_once(path, "secret.png': Permission denied");
    if (was_root)
        assert_int_equal(seteuid(0), 0);
}

static void release_takes_null_and_leaves_nothing(void **state)
{
    (void)state;
    struct image image = noise_image(3, 2, 1);
    image_release(&image);
    assert_true(image.width == 0 && image.height == 0 && !image.rgb);
    image_release(&image);
    image_release(NULL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(png_of_every_kind_is_read),
        cmocka_unit_test(png_of_any_small_size_is_read),
        cmocka_unit_test(png_transparent_colour_becomes_white),
        cmocka_unit_test(png_gamma_is_honoured),
        cmocka_unit_test(png_with_the_usual_gamma_is_taken_as_srgb),
        cmocka_unit_test(png_cut_anywhere_is_refused_or_whole),
        cmocka_unit_test(png_with_too_little_data_is_refused),
        cmocka_unit_test(png_with_a_damaged_byte_is_refused_or_the_same),
        cmocka_unit_test(png_with_a_side_too_long_is_refused),
        cmocka_unit_test(png_that_claims_to_be_huge_is_refused),
        cmocka_unit_test(jpeg_of_every_kind_is_read),
        cmocka_unit_test(jpeg_exif_orientation_is_applied),
        cmocka_unit_test(jpeg_with_damaged_exif_is_read_as_it_lies),
        cmocka_unit_test(jpeg_cut_anywhere_is_refused_or_whole),
        cmocka_unit_test(jpeg_with_a_damaged_byte_is_read_or_refused),
        cmocka_unit_test(jpeg_with_too_little_data_is_corrupt),
        cmocka_unit_test(jpeg_with_something_after_its_end_is_read),
        cmocka_unit_test(jpeg_with_bytes_between_its_segments_is_read),
        cmocka_unit_test(jpeg_in_cmyk_is_mixed_as_inks),
        cmocka_unit_test(jpeg_of_two_channels_is_refused),
        cmocka_unit_test(jpeg_that_libjpeg_cannot_do_is_named),
        cmocka_unit_test(other_files_are_named_for_what_they_are),
        cmocka_unit_test(binary_files_are_not_called_text),
        cmocka_unit_test(name_does_not_matter),
        cmocka_unit_test(missing_file_and_folder_are_refused),
        cmocka_unit_test(fifo_and_device_are_refused_without_waiting),
        cmocka_unit_test(unreadable_file_is_refused),
        cmocka_unit_test(release_takes_null_and_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, folder_make, folder_remove);
}
