/* Private to image_*.c: a picture's file, opened and measured, what reads each format from it, and
 * what becomes of the rows that a codec hands over.
 * image_read.c opens the file, image_formats.c tells the format by its first bytes, and the
 * format's codec says what its pixels are (struct image_form, struct image_colour) and puts them on
 * a canvas, which brings them to 8-bit sRGB, upright, over white. */
#ifndef ATELIER_IMAGE_FILE_H
#define ATELIER_IMAGE_FILE_H

#include "image.h"
#include "image_colour.h"
#include <stdio.h>

/* stream stands at the first byte. Codecs may leave it anywhere; image_read.c closes it. */
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

/* A picture that is being read. A codec's own state begins with it. */
struct image_decoder {
    const struct image_file *file;
    struct image_form form; /* these are the codec's to set when it opens: */
    struct image_colour colour;
    uint64_t bytes; /* the most that decoding takes beside the finished picture */
    struct image_canvas canvas;
};

/* How pictures of one format are read: state of decoder_bytes, zeros but for the file, is opened,
 * which reads what stands before the pixels and refuses what cannot be a picture; a canvas of that
 * form is begun; decode puts all rows on it, and notes what a person may want to know of. close
 * frees what the other two left, whether they succeeded or not; colour may borrow from the state.
 * Errors: as image_read. */
struct image_codec {
    size_t decoder_bytes;
    int (*open)(struct image_decoder *decoder, struct error *err);
    int (*decode)(struct image_decoder *decoder, struct error *err);
    void (*close)(struct image_decoder *decoder);
    void (*version)(char *text, size_t size); /* of the library */
};
extern const struct image_codec image_codec_png, image_codec_jpeg, image_codec_webp,
    image_codec_tiff, image_codec_heif;

/* The codec for the picture in a file, by its first bytes, and the stream back at them. Errors:
 * E_INPUT: what it is instead of a picture that is read here; E_ENVIRONMENT. */
int image_sniff(struct image_file *file, const struct image_codec **codec, struct error *err);

#endif
