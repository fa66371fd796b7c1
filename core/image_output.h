/* The picture that a render leaves: PNG, JPEG or TIFF, as its name's extension says, tagged as
 * sRGB, PNG and TIFF with 16 bits where the picture has them, with its texts inside (PNG: text
 * chunks; JPEG: comments "key=value"; TIFF: a line each of its description). */
#ifndef ATELIER_IMAGE_OUTPUT_H
#define ATELIER_IMAGE_OUTPUT_H

#include "image.h"

/* The length of the extension: .png, .jpg, .jpeg, .tif or .tiff (where this build has libtiff), in
 * any case. Errors: E_INPUT: another, none, or nothing else. */
int image_extension(const char *path, size_t *length, struct error *err);

/* Whether a file of that name can hold 16 bits a colour. */
bool image_holds_deep(const char *path);

/* As image_stage_png, in the format of the extension. A JPEG has that quality (1..100) and no
 * subsampling. */
int image_stage(const char *path, const struct image *image, const struct image_text *texts,
                size_t text_count, int quality, struct publication *staged, struct error *err);

#endif
