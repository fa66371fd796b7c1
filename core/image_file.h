/* Private to image_*.c: a picture's file, opened and measured, and what reads each format from it.
 * image_read.c opens the file, tells the format by its first bytes and calls the reader. */
#ifndef ATELIER_IMAGE_FILE_H
#define ATELIER_IMAGE_FILE_H

#include "image.h"
#include <stdio.h>

/* stream stands at the first byte. Readers may leave it anywhere; image_read.c closes it. */
struct image_file {
    const char *path; /* for messages */
    FILE *stream;
    long long size_bytes;
};

/* Refuses a picture whose sides are not 1..65535 px. Errors: E_INPUT. */
int image_check_sides(const struct image_file *file, unsigned width, unsigned height,
                      struct error *err);

/* Memory for width x height pixels of `channels` bytes. Caller frees. Errors: E_ENVIRONMENT. */
int image_allocate(const struct image_file *file, unsigned width, unsigned height, size_t channels,
                   uint8_t **pixels, struct error *err);

/* As image_probe and image_read, for a file that begins like a PNG. */
int image_png_probe(struct image_file *file, int *width, int *height, struct error *err);
int image_png_read(struct image_file *file, struct image *out, struct error *err);

/* The same for a file that begins like a JPEG. */
int image_jpeg_probe(struct image_file *file, int *width, int *height, struct error *err);
int image_jpeg_read(struct image_file *file, struct image *out, struct error *err);

#endif
