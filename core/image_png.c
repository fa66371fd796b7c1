/* PNG through libpng's simplified interface, which brings every colour type, depth and gAMA to
 * 8-bit sRGB. It stops reading at the last row, so whether the file goes on to its end is checked
 * here, by walking its chunks. */
#include "image_file.h"

#include <ctype.h>
#include <png.h>
#include <stdlib.h>
#include <string.h>
#include <sys/types.h>

enum { SIGNATURE_BYTES = 8, CHUNK_OVERHEAD_BYTES = 12, IHDR_BYTES = 13 };

/* Deflate cannot do better than 258 bytes in two bits. */
enum { DEFLATE_MAX_RATIO = 1032 };

struct chunks {
    uint64_t picture_bits; /* raw pixels, as IHDR promises them */
    uint64_t idat_bytes;
};

static uint32_t big_endian(const uint8_t *b)
{
    return (uint32_t)b[0] << 24 | (uint32_t)b[1] << 16 | (uint32_t)b[2] << 8 | b[3];
}

static int fail_truncated(const struct image_file *file, struct error *err)
{
    if (ferror(file->stream))
        return fail_errno(err, "cannot read '%s'", file->path);
    return fail(err, E_INPUT, "'%s' is truncated", file->path);
}

static int read_ihdr(const struct image_file *file, uint32_t length, struct chunks *chunks,
                     struct error *err)
{
    static const uint8_t channels[] = {[0] = 1, [2] = 3, [3] = 1, [4] = 2, [6] = 4};
    uint8_t ihdr[IHDR_BYTES];
    if (length != sizeof ihdr)
        return fail(err, E_INPUT, "'%s' is corrupt: its IHDR chunk has %u bytes, not %d",
                    file->path, length, IHDR_BYTES);
    if (fread(ihdr, 1, sizeof ihdr, file->stream) != sizeof ihdr)
        return fail_truncated(file, err);
    uint64_t width = big_endian(ihdr), height = big_endian(ihdr + 4);
    if (width > PNG_UINT_31_MAX || height > PNG_UINT_31_MAX)
        return 0; /* libpng has the words for it */
    unsigned colour = ihdr[9];
    unsigned bits = ihdr[8] * (colour < sizeof channels ? channels[colour] : 0u);
    if (__builtin_mul_overflow(width * height, (uint64_t)bits, &chunks->picture_bits))
        chunks->picture_bits = UINT64_MAX;
    return 0;
}

/* Follows the chunks to IEND, without reading what they hold. */
static int walk_chunks(const struct image_file *file, struct chunks *chunks, struct error *err)
{
    off_t at = SIGNATURE_BYTES;
    for (;;) {
        uint8_t head[8];
        if (fseeko(file->stream, at, SEEK_SET) != 0 ||
            fread(head, 1, sizeof head, file->stream) != sizeof head)
            return fail_truncated(file, err);
        uint32_t length = big_endian(head);
        for (int i = 4; i < 8; i++)
            if (!isalpha(head[i]) || length > PNG_UINT_31_MAX)
                return fail(err, E_INPUT, "'%s' is corrupt: no PNG chunk at byte %lld", file->path,
                            (long long)at);
        int status = memcmp(head + 4, "IHDR", 4) == 0 ? read_ihdr(file, length, chunks, err) : 0;
        if (status != 0)
            return status;
        if (memcmp(head + 4, "IDAT", 4) == 0)
            chunks->idat_bytes += length;
        at += (off_t)length + CHUNK_OVERHEAD_BYTES;
        if (at > file->size_bytes)
            return fail_truncated(file, err);
        if (memcmp(head + 4, "IEND", 4) == 0)
            return 0;
    }
}

/* Also keeps a tiny file that claims to be huge from taking memory. */
static int check_complete(const struct image_file *file, struct error *err)
{
    struct chunks chunks = {0};
    int status = walk_chunks(file, &chunks, err);
    if (status != 0)
        return status;
    if (chunks.picture_bits / 8 / DEFLATE_MAX_RATIO > chunks.idat_bytes)
        return fail(err, E_INPUT, "'%s' is truncated: it holds too little for its size in px",
                    file->path);
    rewind(file->stream);
    return 0;
}

static int fail_png(const struct image_file *file, const png_image *png, struct error *err)
{
    if (ferror(file->stream))
        return fail_errno(err, "cannot read '%s'", file->path);
    if (feof(file->stream))
        return fail_truncated(file, err);
    if (strstr(png->message, "memory"))
        return fail(err, E_ENVIRONMENT, "not enough memory to read '%s'", file->path);
    return fail(err, E_INPUT, "'%s' is corrupt: %s", file->path, png->message);
}

static int begin(struct image_file *file, png_image *png, struct error *err)
{
    if (!png_image_begin_read_from_stdio(png, file->stream))
        return fail_png(file, png, err);
    return image_check_sides(file, png->width, png->height, err);
}

/* c a + 255 (255 - a) over 255, rounded, for every channel; pixels shrink from 4 bytes to 3. */
static void composite_over_white(uint8_t *pixels, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        const uint8_t *rgba = pixels + 4 * i;
        unsigned alpha = rgba[3];
        for (size_t c = 0; c < 3; c++)
            pixels[3 * i + c] = (uint8_t)((rgba[c] * alpha + 255 * (255 - alpha) + 127) / 255);
    }
}

int image_png_probe(struct image_file *file, int *width, int *height, struct error *err)
{
    png_image png = {.version = PNG_IMAGE_VERSION};
    int status = begin(file, &png, err);
    if (status == 0) {
        *width = (int)png.width;
        *height = (int)png.height;
    }
    png_image_free(&png);
    return status;
}

/* A 16-bit file that does not say is sRGB like any other, not linear light, libpng's default. */
int image_png_read(struct image_file *file, struct image *out, struct error *err)
{
    int status;
    uint8_t *pixels = NULL;
    png_image png = {.version = PNG_IMAGE_VERSION};
    TRY(check_complete(file, err));
    TRY(begin(file, &png, err));
    int has_alpha = (png.format & PNG_FORMAT_FLAG_ALPHA) != 0;
    png.format = has_alpha ? PNG_FORMAT_RGBA : PNG_FORMAT_RGB;
    png.flags |= PNG_IMAGE_FLAG_16BIT_sRGB;
    TRY(image_allocate(file, png.width, png.height, has_alpha ? 4 : 3, &pixels, err));
    if (!png_image_finish_read(&png, NULL, pixels, 0, NULL)) {
        status = fail_png(file, &png, err);
        goto done;
    }
    if (has_alpha)
        composite_over_white(pixels, (size_t)png.width * png.height);
    *out = (struct image){(int)png.width, (int)png.height, pixels};
    pixels = NULL;
done:
    free(pixels);
    png_image_free(&png);
    return status;
}
