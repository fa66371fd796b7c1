/* Pictures in and out: PNG and JPEG files, resampling, and the PNG that a render leaves.
 * Formats are recognised by content, never by name. */
#ifndef ATELIER_IMAGE_H
#define ATELIER_IMAGE_H

#include "error.h"
#include "publish.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* sRGB, 8 bits a channel: rgb is [height][width][3]. Owned by image_release. */
struct image {
    int width, height;
    uint8_t *rgb;
};

/* Size of the picture in a file as image_read would give it (EXIF orientation applied), from its
 * header alone. Errors: as image_read, as far as a header can tell. */
int image_probe(const char *path, int *width, int *height, struct error *err);

/* Reads a PNG (any colour type and depth: grey, palette, 16 bit; gAMA honoured, else taken as sRGB;
 * alpha composited over white in sRGB space) or a JPEG (grey, YCbCr or RGB, 8 bits, sequential or
 * progressive; EXIF orientation applied). Colour profiles are not applied. Sides are 1..65535 px.
 * Errors: E_INPUT, naming the file: missing, a folder, a device, empty, no picture, truncated,
 * corrupt, CMYK; E_ENVIRONMENT: no memory, a read that fails. On error *out is untouched. */
int image_read(const char *path, struct image *out, struct error *err);

void image_release(struct image *image);

/* Resamples to width x height with an antialiased Lanczos filter (zimg), up or down, clamped to
 * 0..255. rgb [height][width][3], out, floats in 0..255 (not rounded). The same size is a copy.
 * The same bits on any processor of an architecture. Errors: E_ENVIRONMENT (no memory).
 * Checked by: resize_matches_plain_lanczos */
int image_resize(const struct image *image, int width, int height, float *rgb, struct error *err);

/* The size at which the longer side is `longer` px and the aspect is kept, rounded to nearest, half
 * up, each side >= 1. */
void image_fit(int width, int height, int longer, int *fit_width, int *fit_height);

/* Rounds floats to nearest, half to even, clamping to 0..255. NaN becomes 0. count values. */
void image_quantise(const float *values, size_t count, uint8_t *bytes);

/* A text chunk of a PNG. Keys are Latin-1 of 1..79 characters, values UTF-8. */
struct image_text {
    const char *key;
    const char *value;
};

/* The text by which a PNG says that atelier made it. */
#define IMAGE_SOFTWARE_KEY "Software"
#define IMAGE_SOFTWARE     "atelier"

/* Whether the file is a PNG that carries that text. */
bool image_is_ours(const char *path);

/* Writes an 8-bit sRGB PNG whole or not at all: a temporary file beside it, fsync, rename, fsync
 * of the folder. The bytes depend on the arguments only (and on libpng and zlib). No time stamp.
 * Errors: E_INPUT (as publish_begin), E_ENVIRONMENT; the temporary file is gone and an earlier file
 * of that name is intact. */
int image_write_png(const char *path, const struct image *image, const struct image_text *texts,
                    size_t text_count, struct error *err);

/* The first half of that: writes the temporary file alone. publish_commit of *staged gives it its
 * name, publish_abort removes it. *staged is written on success only. */
int image_stage_png(const char *path, const struct image *image, const struct image_text *texts,
                    size_t text_count, struct publication *staged, struct error *err);

#endif
