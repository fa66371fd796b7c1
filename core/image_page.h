/* Private to image_write*.c: a picture to be written, and who writes it in which format. */
#ifndef ATELIER_IMAGE_PAGE_H
#define ATELIER_IMAGE_PAGE_H

#include "image.h"
#include <stdio.h>

/* Borrows all of it. */
struct image_page {
    const struct image *image;
    const struct image_text *texts;
    size_t text_count;
    int quality; /* of a JPEG */
};

/* Why a picture could not be written. */
struct image_trouble {
    int cause; /* errno of a write that failed, or 0: */
    char words[256];
};

/* Each writes one picture; the bytes depend on the page only (and on the libraries). Returns 0, or
 * -1 with *trouble. */
int image_put_png(const struct image_page *page, FILE *stream, struct image_trouble *trouble);
int image_put_jpeg(const struct image_page *page, FILE *stream, struct image_trouble *trouble);
int image_put_tiff(const struct image_page *page, FILE *stream, struct image_trouble *trouble);

/* The sRGB profile, always of the same bytes. Caller frees; NULL: no memory. */
uint8_t *image_srgb_profile(size_t *bytes);

#endif
