/* Private to image_*.c: a picture's file, opened and measured, what reads each format from it, and
 * what becomes of the rows that a reader hands over.
 * image_read.c opens the file, tells the format by its first bytes and calls the reader; the reader
 * says what its pixels are (struct image_form, struct image_colour) and hands them to a canvas,
 * which brings them to 8-bit sRGB, upright, over white. */
#ifndef ATELIER_IMAGE_FILE_H
#define ATELIER_IMAGE_FILE_H

#include "image.h"
#include "image_colour.h"
#include <stdio.h>

/* stream stands at the first byte. Readers may leave it anywhere; image_read.c closes it. */
struct image_file {
    const char *path; /* for messages */
    FILE *stream;
    uint64_t size_bytes;
    struct image_notes *notes; /* NULL: nobody wants them */
};

/* What a file's samples are. A pixel is its channels, then its alpha: bytes, or uint16_t as this
 * machine has them. */
struct image_form {
    unsigned width, height; /* as stored */
    unsigned channels;      /* of colour: 1 grey, 3 RGB, 4 CMYK (0: no ink) */
    bool alpha;             /* not multiplied into the colours */
    unsigned sample_bytes;  /* 1 or 2 */
    int orientation;        /* as EXIF numbers them, 1..8 */
};

size_t image_form_pixel_bytes(const struct image_form *form);

/* The sizes as shown, and read_bytes as the finished picture's plus `extra`. */
struct image_size image_form_size(const struct image_form *form, uint64_t extra);

/* Refuses a picture whose sides are not 1..65535 px. Errors: E_INPUT. */
int image_check_sides(const struct image_file *file, uint64_t width, uint64_t height,
                      struct error *err);

/* Memory for width x height pixels of `bytes` each. Caller frees. Errors: E_ENVIRONMENT. */
int image_allocate(const struct image_file *file, unsigned width, unsigned height, size_t bytes,
                   uint8_t **pixels, struct error *err);

int image_fail_memory(const struct image_file *file, struct error *err);

/* The whole file. Caller frees. Errors: E_INPUT (it has become shorter), E_ENVIRONMENT. */
int image_file_bytes(const struct image_file *file, uint8_t **bytes, struct error *err);

/* --- where rows go --- */

struct image_canvas {
    struct image_form form;
    struct colour_transform *transform; /* NULL: the samples are sRGB */
    uint16_t *wide;                     /* a row of RGB in 16 bits, with a transform */
    uint8_t *row;                       /* a row, 8-bit sRGB over white */
    struct image image;                 /* as shown */
};

/* Makes room for the picture. colour is looked at only now. What is wrong with it is a note, and
 * the samples are taken as sRGB. Owned: image_canvas_release. Errors: E_ENVIRONMENT. */
int image_canvas_begin(const struct image_file *file, const struct image_form *form,
                       const struct image_colour *colour, struct image_canvas *canvas,
                       struct error *err);

/* Pixels x .. x + count - 1 of the file's row y. */
void image_canvas_put(struct image_canvas *canvas, unsigned x, unsigned y, unsigned count,
                      const void *pixels);

/* Hands the picture over; the canvas is released. */
void image_canvas_end(struct image_canvas *canvas, struct image *out);
void image_canvas_release(struct image_canvas *canvas);

/* --- what lies beside the pixels --- */

/* What EXIF and XMP say of a picture; 0 where they do not. */
struct image_exif {
    int orientation;     /* of EXIF */
    int xmp_orientation; /* believed where EXIF has none */
    bool adobe_rgb;      /* EXIF's way of saying so without a profile: interoperability R03 */
};

/* Takes what it understands from a TIFF block, with or without "Exif\0\0" before it; from an XMP
 * packet. What is damaged is as good as absent; what is known already stays. */
void image_exif_read(struct image_exif *exif, const uint8_t *block, size_t bytes);
void image_xmp_read(struct image_exif *exif, const char *packet, size_t bytes);

/* 1..8 */
int image_exif_orientation(const struct image_exif *exif);

/* --- formats --- */

/* A row of the table of formats; what is known of one is in image_NAME.c. */
struct image_format {
    const char *name, *kind; /* "WebP", "a WebP picture" */
    const char *library;     /* and its package, where it may be missing: "libwebp-dev" */
    const char *package;
    /* Whether a file with these first bytes is one; where there are fewer than its magic number
     * has, whether it may be the beginning of one. */
    bool (*recognises)(const uint8_t *head, size_t got);
    /* NULL where this build lacks the library: */
    int (*probe)(struct image_file *, struct image_size *, struct error *);
    int (*read)(struct image_file *, struct image *, struct error *);
    void (*version)(char *text, size_t size); /* of the library */
};

/* Whether the head is that magic number, or a beginning of it. */
bool image_begins_with(const uint8_t *head, size_t got, const char *magic, size_t length);

extern const struct image_format image_format_png, image_format_jpeg, image_format_webp,
    image_format_tiff, image_format_heif;

#endif
