/* PNG through libpng: colours, grey and transparency are expanded to RGB or RGBA at the file's own
 * depth, and brought to 8-bit sRGB here.
 * (libpng's simplified interface would do all this, but 1.6.39 scrambles interlaced 16-bit files,
 * takes a pure power for the sRGB curve, and does not read on to the end of the file.) */
#include "image_file.h"

#include <math.h>
#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

enum { FULL = 65535 }; /* white, or opaque, in 16 bits */

/* Deflate cannot do better than 258 bytes in two bits. */
enum { DEFLATE_MAX_RATIO = 1032 };

struct decoder {
    struct image_file *file;
    png_structp png;
    png_infop info;
    char words[256];
    uint8_t *pixels;   /* freed by decoder_close, as is: */
    uint16_t *to_srgb; /* of every 16-bit value; NULL if the file is sRGB */
};

static void escape(png_structp png, png_const_charp words)
{
    struct decoder *d = png_get_error_ptr(png);
    snprintf(d->words, sizeof d->words, "%s", words);
    png_longjmp(png, 1);
}

static void say_nothing(png_structp png, png_const_charp words)
{
    (void)png;
    (void)words;
}

static void get(png_structp png, png_bytep bytes, size_t count)
{
    struct decoder *d = png_get_io_ptr(png);
    if (fread(bytes, 1, count, d->file->stream) != count)
        png_error(png, "end of file");
}

static int explain(const struct decoder *d, struct error *err)
{
    const char *path = d->file->path;
    if (ferror(d->file->stream))
        return fail_errno(err, "cannot read '%s'", path);
    if (feof(d->file->stream))
        return fail(err, E_INPUT, "'%s' is truncated", path);
    if (strcasestr(d->words, "memory"))
        return fail(err, E_ENVIRONMENT, "not enough memory to read '%s'", path);
    return fail(err, E_INPUT, "'%s' is corrupt: %s", path, d->words);
}

/* Reads as far as the pixels. The limits on the sides are ours. */
static int decoder_open(struct decoder *d, struct error *err)
{
    png_set_user_limits(d->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_read_fn(d->png, d, get);
    png_read_info(d->png, d->info);
    return image_check_sides(d->file, png_get_image_width(d->png, d->info),
                             png_get_image_height(d->png, d->info), err);
}

/* Keeps a tiny file that claims to be huge from taking memory. */
static int check_plausible(const struct decoder *d, struct error *err)
{
    uint64_t bytes =
        (uint64_t)png_get_rowbytes(d->png, d->info) * png_get_image_height(d->png, d->info);
    if (bytes / DEFLATE_MAX_RATIO <= (uint64_t)d->file->size_bytes)
        return 0;
    return fail(err, E_INPUT, "'%s' is truncated: it holds too little for its size in px",
                d->file->path);
}

/* The sRGB curve of IEC 61966-2-1; light and result 0..1. */
static double srgb_of_light(double light)
{
    return light <= 0.0031308 ? 12.92 * light : 1.055 * pow(light, 1 / 2.4) - 0.055;
}

/* A file that does not say is sRGB, and so is one that says about 1/2.2, as most sRGB files do. */
static int plan_gamma(struct decoder *d, struct error *err)
{
    double gamma;
    int intent;
    if (png_get_sRGB(d->png, d->info, &intent) || !png_get_gAMA(d->png, d->info, &gamma) ||
        fabs(gamma * 2.2 - 1) < 0.05)
        return 0;
    d->to_srgb = malloc((FULL + 1) * sizeof *d->to_srgb);
    if (!d->to_srgb)
        return fail(err, E_ENVIRONMENT, "not enough memory to read '%s'", d->file->path);
    for (int i = 0; i <= FULL; i++)
        d->to_srgb[i] = (uint16_t)lround(FULL * srgb_of_light(pow(i / (double)FULL, 1 / gamma)));
    return 0;
}

static void read_rows(struct decoder *d, size_t stride, size_t height)
{
    int passes = png_get_interlace_type(d->png, d->info) == PNG_INTERLACE_NONE ? 1 : 7;
    for (int pass = 0; pass < passes; pass++)
        for (size_t y = 0; y < height; y++)
            png_read_row(d->png, d->pixels + y * stride, NULL);
    png_read_end(d->png, NULL);
}

/* One sample as 16 bits. */
static unsigned sample_at(const uint8_t *bytes, size_t depth_bytes)
{
    return depth_bytes == 2 ? (unsigned)bytes[0] << 8 | bytes[1] : bytes[0] * 257u;
}

/* Gamma, then over white in sRGB space, c a + white (1 - a), then 8 bits, rounded once. The pixels
 * shrink in place. */
static void to_rgb8(struct decoder *d, size_t count, size_t channels, size_t depth_bytes)
{
    const uint64_t scale = (uint64_t)FULL * (FULL / 255);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *pixel = d->pixels + i * channels * depth_bytes;
        uint64_t alpha = channels == 4 ? sample_at(pixel + 3 * depth_bytes, depth_bytes) : FULL;
        for (size_t c = 0; c < 3; c++) {
            uint64_t sample = sample_at(pixel + c * depth_bytes, depth_bytes);
            if (d->to_srgb)
                sample = d->to_srgb[sample];
            uint64_t over_white = sample * alpha + FULL * (FULL - alpha);
            d->pixels[3 * i + c] = (uint8_t)((over_white + scale / 2) / scale);
        }
    }
}

static void shrink_to_fit(struct decoder *d, size_t bytes)
{
    uint8_t *shrunk = realloc(d->pixels, bytes);
    d->pixels = shrunk ? shrunk : d->pixels;
}

static int decode(struct decoder *d, struct error *err)
{
    int status;
    TRY(decoder_open(d, err));
    TRY(check_plausible(d, err));
    TRY(plan_gamma(d, err));
    png_set_expand(d->png);
    png_set_gray_to_rgb(d->png);
    png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
    unsigned width = png_get_image_width(d->png, d->info);
    unsigned height = png_get_image_height(d->png, d->info);
    size_t channels = png_get_channels(d->png, d->info);
    size_t depth_bytes = png_get_bit_depth(d->png, d->info) / 8u;
    TRY(image_allocate(d->file, width, height, channels * depth_bytes, &d->pixels, err));
    read_rows(d, width * channels * depth_bytes, height);
    if (channels != 3 || depth_bytes != 1 || d->to_srgb) {
        to_rgb8(d, (size_t)width * height, channels, depth_bytes);
        shrink_to_fit(d, 3 * (size_t)width * height);
    }
done:
    return status;
}

/* The one place where libpng's errors land. */
static int guarded(struct decoder *d, int (*work)(struct decoder *, struct error *),
                   struct error *err)
{
    d->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, d, escape, say_nothing);
    d->info = d->png ? png_create_info_struct(d->png) : NULL;
    if (!d->info)
        return fail(err, E_ENVIRONMENT, "not enough memory to read '%s'", d->file->path);
    if (setjmp(png_jmpbuf(d->png)) != 0)
        return explain(d, err);
    return work(d, err);
}

static void decoder_close(struct decoder *d)
{
    png_destroy_read_struct(&d->png, &d->info, NULL);
    free(d->pixels);
    free(d->to_srgb);
}

int image_png_probe(struct image_file *file, int *width, int *height, struct error *err)
{
    struct decoder d = {.file = file};
    int status = guarded(&d, decoder_open, err);
    if (status == 0) {
        *width = (int)png_get_image_width(d.png, d.info);
        *height = (int)png_get_image_height(d.png, d.info);
    }
    decoder_close(&d);
    return status;
}

int image_png_read(struct image_file *file, struct image *out, struct error *err)
{
    struct decoder d = {.file = file};
    int status = guarded(&d, decode, err);
    if (status == 0) {
        *out = (struct image){(int)png_get_image_width(d.png, d.info),
                              (int)png_get_image_height(d.png, d.info), d.pixels};
        d.pixels = NULL;
    }
    decoder_close(&d);
    return status;
}
