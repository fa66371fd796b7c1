/* JPEG through libjpeg. Its warnings of missing or damaged data are errors here: it would paint
 * grey over what is lost. The EXIF orientation is applied while the rows come in. */
#include "image_file.h"

#include <jerror.h>
#include <jpeglib.h>
#include <libexif/exif-data.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

enum { APP1 = JPEG_APP0 + 1, MARKER_MAX_BYTES = 0xffff };

struct decoder {
    struct image_file *file;
    struct jpeg_decompress_struct jpeg;
    struct jpeg_error_mgr manager;
    jmp_buf escape;
    int cause; /* libjpeg's message code */
    char words[JMSG_LENGTH_MAX];
    int width, height, orientation; /* as shown */
    uint8_t *row, *pixels;          /* freed by decoder_close */
};

static void escape(j_common_ptr common)
{
    struct decoder *d = common->client_data;
    d->cause = common->err->msg_code;
    common->err->format_message(common, d->words);
    longjmp(d->escape, 1);
}

/* level: -1 warning, 0 and above trace. */
static void judge_message(j_common_ptr common, int level)
{
    int code = common->err->msg_code;
    int harmless = code == JWRN_EXTRANEOUS_DATA || code == JWRN_ADOBE_XFORM ||
                   code == JWRN_JFIF_MAJOR || code == JWRN_TOO_MUCH_DATA;
    if (level < 0 && !harmless)
        escape(common);
}

static void say_nothing(j_common_ptr common) { (void)common; }

/* The file is sound, libjpeg just does not do it. */
static int is_unsupported(int cause)
{
    switch (cause) {
    case JERR_BAD_PRECISION: /* 12 bits */
    case JERR_SOF_UNSUPPORTED:
    case JERR_ARITH_NOTIMPL:
    case JERR_IMAGE_TOO_BIG:
    case JERR_CCIR601_NOTIMPL:
    case JERR_COMPONENT_COUNT:
    case JERR_NOTIMPL:
    case JERR_NOT_COMPILED:
        return 1;
    }
    return 0;
}

static int explain(const struct decoder *d, struct error *err)
{
    const char *path = d->file->path;
    if (ferror(d->file->stream))
        return fail_errno(err, "cannot read '%s'", path);
    if (d->cause == JERR_OUT_OF_MEMORY)
        return fail(err, E_ENVIRONMENT, "not enough memory to read '%s'", path);
    if (d->cause == JWRN_JPEG_EOF || d->cause == JERR_INPUT_EOF)
        return fail(err, E_INPUT, "'%s' is truncated", path);
    if (is_unsupported(d->cause))
        return fail(err, E_INPUT, "cannot read '%s': %s; convert it to an 8-bit RGB JPEG or PNG",
                    path, d->words);
    return fail(err, E_INPUT, "'%s' is corrupt: %s", path, d->words);
}

/* 1 where there is none, or none that makes sense. */
static int orientation_of(const struct jpeg_marker_struct *marker)
{
    int orientation = 1;
    while (marker && !(marker->marker == APP1 && marker->data_length > 6 &&
                       memcmp(marker->data, "Exif\0", 6) == 0))
        marker = marker->next;
    ExifData *exif = marker ? exif_data_new_from_data(marker->data, marker->data_length) : NULL;
    ExifEntry *entry =
        exif ? exif_content_get_entry(exif->ifd[EXIF_IFD_0], EXIF_TAG_ORIENTATION) : NULL;
    if (entry && entry->format == EXIF_FORMAT_SHORT && entry->size >= 2)
        orientation = exif_get_short(entry->data, exif_data_get_byte_order(exif));
    exif_data_unref(exif);
    return orientation >= 1 && orientation <= 8 ? orientation : 1;
}

/* Reads the header. */
static int decoder_open(struct decoder *d, struct error *err)
{
    jpeg_create_decompress(&d->jpeg);
    jpeg_stdio_src(&d->jpeg, d->file->stream);
    jpeg_save_markers(&d->jpeg, APP1, MARKER_MAX_BYTES);
    jpeg_read_header(&d->jpeg, TRUE);
    J_COLOR_SPACE colours = d->jpeg.jpeg_color_space;
    if (colours == JCS_CMYK || colours == JCS_YCCK)
        return fail(err, E_INPUT, "'%s' is a CMYK JPEG; convert it to RGB", d->file->path);
    if (colours != JCS_GRAYSCALE && colours != JCS_YCbCr && colours != JCS_RGB)
        return fail(err, E_INPUT, "'%s' is a JPEG of %d channels; convert it to RGB", d->file->path,
                    d->jpeg.num_components);
    d->orientation = orientation_of(d->jpeg.marker_list);
    int turned = d->orientation >= 5;
    d->width = (int)(turned ? d->jpeg.image_height : d->jpeg.image_width);
    d->height = (int)(turned ? d->jpeg.image_width : d->jpeg.image_height);
    return image_check_sides(d->file, d->jpeg.image_width, d->jpeg.image_height, err);
}

/* Puts row y of the file where it is shown.
 * Orientations 2 3 6 7 have the first pixel at the right, 3 4 7 8 at the bottom; from 5 on the
 * file's rows are the picture's columns. */
static void place_row(const struct decoder *d, size_t y)
{
    int orientation = d->orientation;
    ptrdiff_t right = 3, down = right * d->width;
    ptrdiff_t start = 0;
    if (orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7) {
        start += down - right;
        right = -right;
    }
    if (orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8) {
        start += down * (d->height - 1);
        down = -down;
    }
    ptrdiff_t by_x = orientation >= 5 ? down : right, by_y = orientation >= 5 ? right : down;
    uint8_t *to = d->pixels + start + (ptrdiff_t)y * by_y;
    for (size_t x = 0; x < d->jpeg.image_width; x++)
        memcpy(to + (ptrdiff_t)x * by_x, d->row + 3 * x, 3);
}

/* jpeg_finish_decompress reads on to the end marker, so that a file cut after its last row, or
 * between the scans of a progressive one, is noticed. */
static int decode(struct decoder *d, struct error *err)
{
    int status = decoder_open(d, err);
    if (status != 0)
        return status;
    status = image_allocate(d->file, (unsigned)d->width, (unsigned)d->height, 3, &d->pixels, err);
    if (status != 0)
        return status;
    d->jpeg.out_color_space = JCS_RGB;
    d->jpeg.dct_method = JDCT_ISLOW;
    jpeg_start_decompress(&d->jpeg);
    d->row = d->jpeg.mem->alloc_large((j_common_ptr)&d->jpeg, JPOOL_IMAGE,
                                      3 * (size_t)d->jpeg.image_width);
    for (JDIMENSION y = 0; y < d->jpeg.image_height; y++) {
        jpeg_read_scanlines(&d->jpeg, &d->row, 1);
        place_row(d, y);
    }
    jpeg_finish_decompress(&d->jpeg);
    return 0;
}

/* The one place where libjpeg's errors land. */
static int guarded(struct decoder *d, int (*work)(struct decoder *, struct error *),
                   struct error *err)
{
    d->jpeg.err = jpeg_std_error(&d->manager);
    d->jpeg.client_data = d;
    d->manager.error_exit = escape;
    d->manager.emit_message = judge_message;
    d->manager.output_message = say_nothing;
    if (setjmp(d->escape) != 0)
        return explain(d, err);
    return work(d, err);
}

static void decoder_close(struct decoder *d)
{
    jpeg_destroy_decompress(&d->jpeg);
    free(d->pixels);
}

int image_jpeg_probe(struct image_file *file, int *width, int *height, struct error *err)
{
    struct decoder d = {.file = file};
    int status = guarded(&d, decoder_open, err);
    if (status == 0) {
        *width = d.width;
        *height = d.height;
    }
    decoder_close(&d);
    return status;
}

int image_jpeg_read(struct image_file *file, struct image *out, struct error *err)
{
    struct decoder d = {.file = file};
    int status = guarded(&d, decode, err);
    if (status == 0) {
        *out = (struct image){d.width, d.height, d.pixels};
        d.pixels = NULL;
    }
    decoder_close(&d);
    return status;
}
