/* Pictures for the tests, and files of them made by libpng and libjpeg. */
#ifndef ATELIER_IMAGE_FIXTURES_H
#define ATELIER_IMAGE_FIXTURES_H

#include "image.h"
#include "temporary_folder.h"

#include <jpeglib.h>
#include <png.h>

/* A picture of seeded noise. Release it. */
static inline struct image noise_image(int width, int height, uint64_t seed)
{
    struct image image = {width, height, NULL, NULL};
    size_t count = 3 * (size_t)width * (size_t)height;
    image.rgb = malloc(count);
    assert_non_null(image.rgb);
    for (size_t i = 0; i < count; i++)
        image.rgb[i] = (uint8_t)(128 + 127 * noise_at(seed, i));
    return image;
}

/* Samples are sample(x, y, channel), of `depth` bits. */
struct png_fixture {
    int width, height, depth, colour_type, interlaced;
    unsigned (*sample)(int x, int y, int channel);
    int palette_count, transparent_count; /* for palettes; colours and alphas by number */
    int has_transparent_colour;           /* for grey and RGB: */
    png_color_16 transparent_colour;
    double gamma; /* 0: no gAMA chunk */
};

static inline png_color palette_colour(int i)
{
    return (png_color){(png_byte)(i * 37), (png_byte)(255 - i * 11), (png_byte)(i * 83 + 5)};
}

static inline png_byte palette_alpha(int i) { return (png_byte)(i * 60); }

static inline int png_channels(int colour_type)
{
    return colour_type == PNG_COLOR_TYPE_RGB          ? 3
           : colour_type == PNG_COLOR_TYPE_RGB_ALPHA  ? 4
           : colour_type == PNG_COLOR_TYPE_GRAY_ALPHA ? 2
                                                      : 1;
}

static inline void png_pack(const struct png_fixture *f, int y, uint8_t *row, size_t bytes)
{
    int channels = png_channels(f->colour_type);
    memset(row, 0, bytes);
    for (int i = 0; i < f->width * channels; i++) {
        unsigned value = f->sample(i / channels, y, i % channels) & ((1u << f->depth) - 1);
        if (f->depth == 16) {
            row[2 * i] = (uint8_t)(value >> 8);
            row[2 * i + 1] = (uint8_t)value;
        } else {
            int bit = i * f->depth;
            row[bit / 8] |= (uint8_t)(value << (8 - f->depth - bit % 8));
        }
    }
}

static inline void png_put_ancillary(const struct png_fixture *f, png_structp png, png_infop info)
{
    png_color palette[256];
    png_byte alphas[256];
    for (int i = 0; i < 256; i++) {
        palette[i] = palette_colour(i);
        alphas[i] = palette_alpha(i);
    }
    if (f->gamma > 0)
        png_set_gAMA(png, info, f->gamma);
    if (f->palette_count)
        png_set_PLTE(png, info, palette, f->palette_count);
    if (f->transparent_count)
        png_set_tRNS(png, info, alphas, f->transparent_count, NULL);
    if (f->has_transparent_colour)
        png_set_tRNS(png, info, NULL, 0, &f->transparent_colour);
}

static inline void png_put(const char *path, const struct png_fixture *f)
{
    FILE *file = fopen(path, "wb");
    png_structp png = png_create_write_struct(PNG_LIBPNG_VER_STRING, NULL, NULL, NULL);
    png_infop info = png_create_info_struct(png);
    size_t stride = ((size_t)f->width * (size_t)(png_channels(f->colour_type) * f->depth) + 7) / 8;
    uint8_t *rows = malloc(stride * (size_t)f->height);
    png_bytep *row = malloc((size_t)f->height * sizeof *row);
    assert_true(file && png && info && rows && row);
    for (int y = 0; y < f->height; y++) {
        row[y] = rows + stride * (size_t)y;
        png_pack(f, y, row[y], stride);
    }
    png_init_io(png, file);
    png_set_IHDR(png, info, (png_uint_32)f->width, (png_uint_32)f->height, f->depth, f->colour_type,
                 f->interlaced ? PNG_INTERLACE_ADAM7 : PNG_INTERLACE_NONE,
                 PNG_COMPRESSION_TYPE_DEFAULT, PNG_FILTER_TYPE_DEFAULT);
    png_put_ancillary(f, png, info);
    png_set_rows(png, info, row);
    png_write_png(png, info, PNG_TRANSFORM_IDENTITY, NULL);
    png_destroy_write_struct(&png, &info);
    assert_int_equal(fclose(file), 0);
    free(rows);
    free(row);
}

/* Samples as above, 8 bits; space is what both the samples and the file are in. */
struct jpeg_fixture {
    int width, height, channels;
    J_COLOR_SPACE space, stored; /* stored: JCS_UNKNOWN for libjpeg's choice */
    unsigned (*sample)(int x, int y, int channel);
    int progressive;
    const uint8_t *app1; /* or NULL */
    unsigned app1_bytes;
};

static inline void jpeg_put(const char *path, const struct jpeg_fixture *f)
{
    struct jpeg_compress_struct jpeg;
    struct jpeg_error_mgr manager;
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    jpeg.err = jpeg_std_error(&manager);
    jpeg_create_compress(&jpeg);
    jpeg_stdio_dest(&jpeg, file);
    jpeg.image_width = (JDIMENSION)f->width;
    jpeg.image_height = (JDIMENSION)f->height;
    jpeg.input_components = f->channels;
    jpeg.in_color_space = f->space;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, 95, TRUE);
    if (f->stored != JCS_UNKNOWN)
        jpeg_set_colorspace(&jpeg, f->stored);
    if (f->progressive)
        jpeg_simple_progression(&jpeg);
    jpeg_start_compress(&jpeg, TRUE);
    if (f->app1)
        jpeg_write_marker(&jpeg, JPEG_APP0 + 1, f->app1, f->app1_bytes);
    JSAMPROW row = malloc((size_t)f->width * (size_t)f->channels);
    assert_non_null(row);
    for (int y = 0; y < f->height; y++) {
        for (int i = 0; i < f->width * f->channels; i++)
            row[i] = (JSAMPLE)f->sample(i / f->channels, y, i % f->channels);
        jpeg_write_scanlines(&jpeg, &row, 1);
    }
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
    free(row);
    assert_int_equal(fclose(file), 0);
}

#endif
