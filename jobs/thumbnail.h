/* A small copy of a picture. */
#ifndef ATELIER_THUMBNAIL_H
#define ATELIER_THUMBNAIL_H

#include "image.h"

/* The picture at a longer side of at most `longer` px; one that is smaller is copied. Owned by
 * image_release. Errors: E_ENVIRONMENT. */
int thumbnail_make(const struct image *image, int longer, struct image *out, struct error *err);

/* The picture as a JPEG in memory, with subsampled colours. quality 1..100. Caller frees *bytes.
 * Errors: E_ENVIRONMENT. */
int thumbnail_jpeg(const struct image *image, int quality, unsigned char **bytes, size_t *count,
                   struct error *err);

#endif
