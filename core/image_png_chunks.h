/* Private to image_*.c: what a PNG's chunks say, found by walking them; no pixel is decoded. */
#ifndef ATELIER_IMAGE_PNG_CHUNKS_H
#define ATELIER_IMAGE_PNG_CHUNKS_H

#include "image_file.h"

/* Owned: png_lore_release. colour borrows profile. */
struct png_lore {
    struct image_exif exif;
    struct image_colour colour;
    uint8_t *profile;
};

/* Walks all chunks, those behind the pixels, too, and rewinds. A chunk that is longer than what is
 * left of the file ends the walk: libpng, which skips it likewise, says what is missing. Chunks of
 * text and profiles have limits of their own; what exceeds them, or is damaged, is left out.
 * Errors: E_INPUT: a checksum that counts is wrong, or Xcode's kind of PNG; E_ENVIRONMENT. */
int png_lore_read(const struct image_file *file, struct png_lore *lore, struct error *err);

void png_lore_release(struct png_lore *lore);

#endif
