/* Pictures in and out: files of many formats, resampling, and the picture that a render leaves.
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
    uint16_t *deep; /* the same in 0..65535; NULL unless it is to be written with 16 bits */
};

/* A picture's sides in px as image_read would give them, and the most memory that reading it
 * takes, the picture itself included. */
struct image_size {
    int width, height;
    uint64_t read_bytes; /* 0: not known, 3 bytes a pixel */
};

/* What a reader decided that a person may want to know of: "no end marker; all rows are there".
 * Several are joined by "; ". {0} is none. */
struct image_notes {
    char text[512];
};

/* Adds one, unless it is there already. notes may be NULL: nobody wants them. */
__attribute__((format(printf, 2, 3))) void image_note(struct image_notes *notes, const char *format,
                                                      ...);

/* What can be read, and what this build lacks. */
struct image_format_info {
    const char *name;    /* "WebP" */
    const char *library; /* "libwebp" */
    bool missing;
    char version[32]; /* of the library; "" if missing */
};
enum { IMAGE_FORMATS = 5 };
void image_formats(struct image_format_info list[IMAGE_FORMATS]);

/* Of the picture in a file, from its header alone. Errors: as image_read, as far as a header can
 * tell. */
int image_probe(const char *path, struct image_size *size, struct error *err);

/* Reads a picture: PNG and JPEG of every kind, and WebP, TIFF, HEIC and AVIF where this build has
 * their libraries (image_formats). It comes out as a person sees it: turned as EXIF or XMP say,
 * in sRGB whatever profile or code it came with, over white where it is transparent. Samples that
 * are sRGB already, or say nothing, stay as they are. A file from which no row is missing is read,
 * whatever else is wrong with it. Sides are 1..65535 px. notes may be NULL.
 * Errors: E_INPUT, naming the file: missing, a folder, a device, empty, no picture, of a format
 * that is not read here, truncated, corrupt; E_ENVIRONMENT: no memory, a read that fails. On error
 * *out is untouched. */
int image_read(const char *path, struct image *out, struct image_notes *notes, struct error *err);

void image_release(struct image *image);

/* Resamples to width x height with an antialiased Lanczos filter (zimg), up or down, clamped to
 * 0..255. rgb [height][width][3], out, floats in 0..255 (not rounded). The same size is a copy.
 * The same bits on any processor of an architecture. Errors: E_ENVIRONMENT (no memory).
 * Checked by: resize_matches_plain_lanczos */
int image_resize(const struct image *image, int width, int height, float *rgb, struct error *err);

/* About what image_resize takes beside its picture and its result to make a picture a good deal
 * smaller. (zimg may take a picture or two in floats where a side hardly changes, or grows.)
 * Checked by: resize_takes_the_memory_that_is_said */
uint64_t image_resize_bytes(int width, int height, int to_width, int to_height);

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
