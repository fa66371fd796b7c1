/* PNG through libpng: palettes, low depths and transparent colours are expanded to grey or RGB,
 * with or without alpha, at 8 or 16 bits.
 * (libpng's simplified interface would do all this, but 1.6.39 scrambles interlaced 16-bit files,
 * takes a pure power for the sRGB curve, and does not read on to the end of the file.) */
#include "image_png_chunks.h"

#include <png.h>
#include <setjmp.h>
#include <stdlib.h>
#include <string.h>

/* Deflate cannot do better than 258 bytes in two bits. */
enum { DEFLATE_MAX_RATIO = 1032 };

/* All is freed by close_png. */
struct png_decoder {
    struct image_decoder base;
    png_structp png;
    png_infop info;
    char words[256];
    bool bad_sum, bad_pixels; /* said by libpng on the way */
    struct png_lore lore;
    uint8_t *pixels;
};

static void escape(png_structp png, png_const_charp words)
{
    struct png_decoder *d = png_get_error_ptr(png);
    snprintf(d->words, sizeof d->words, "%s", words);
    png_longjmp(png, 1);
}

/* zlib's own checksum is the one that counts for pixels; libpng finds it wrong with a warning. */
static void hear(png_structp png, png_const_charp words)
{
    struct png_decoder *d = png_get_error_ptr(png);
    d->bad_sum |= strstr(words, "CRC error") != NULL;
    d->bad_pixels |= strstr(words, "data check") != NULL;
}

static void get(png_structp png, png_bytep bytes, size_t count)
{
    struct png_decoder *d = png_get_io_ptr(png);
    if (fread(bytes, 1, count, d->base.file->stream) != count)
        png_error(png, "end of file");
}

static int explain(const struct png_decoder *d, struct error *err)
{
    const char *path = d->base.file->path;
    if (ferror(d->base.file->stream))
        return fail_errno(err, "cannot read '%s'", path);
    if (feof(d->base.file->stream))
        return fail(err, E_INPUT, "'%s' is truncated: get it again from where it came", path);
    if (strcasestr(d->words, "memory"))
        return image_fail_memory(d->base.file, err);
    return fail(err, E_INPUT, "'%s' is corrupt: %s", path, d->words);
}

/* Keeps a tiny file that claims to be huge from taking memory. */
static int check_plausible(const struct png_decoder *d, struct error *err)
{
    uint64_t bytes = (uint64_t)png_get_rowbytes(d->png, d->info) * d->base.form.height;
    if (bytes / DEFLATE_MAX_RATIO <= d->base.file->size_bytes)
        return 0;
    return fail(err, E_INPUT, "'%s' is truncated: it holds too little for its size in px",
                d->base.file->path);
}

static bool is_interlaced(const struct png_decoder *d)
{
    return png_get_interlace_type(d->png, d->info) != PNG_INTERLACE_NONE;
}

/* Palettes become RGB, transparent colours alpha, low depths 8 bits. */
static void set_transformations(struct png_decoder *d)
{
    png_set_expand(d->png);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    png_set_swap(d->png);
#endif
    png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
    unsigned channels = png_get_channels(d->png, d->info);
    d->base.form.alpha = channels % 2 == 0;
    d->base.form.channels = channels - d->base.form.alpha;
    d->base.form.sample_bytes = png_get_bit_depth(d->png, d->info) / 8u;
}

/* Reads as far as the pixels. The limits on the sides are ours; what image_png_chunks.c has read is
 * skipped. */
static int read_header(struct png_decoder *d, struct error *err)
{
    int status;
    struct image_form *form = &d->base.form;
    png_set_user_limits(d->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_keep_unknown_chunks(d->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_crc_action(d->png, PNG_CRC_WARN_USE, PNG_CRC_QUIET_USE);
    png_set_read_fn(d->png, d, get);
    png_read_info(d->png, d->info);
    form->width = png_get_image_width(d->png, d->info);
    form->height = png_get_image_height(d->png, d->info);
    form->orientation = image_exif_orientation(&d->lore.exif);
    TRY(image_check_sides(d->base.file, form->width, form->height, err));
    TRY(check_plausible(d, err));
    set_transformations(d);
done:
    return status;
}

/* A row at a time; the passes of an interlaced file meet in memory. */
static int read_rows(struct png_decoder *d, struct error *err)
{
    size_t stride = d->base.form.width * image_form_pixel_bytes(&d->base.form);
    (void)err;
    bool interlaced = is_interlaced(d);
    for (int pass = 0; interlaced && pass < 6; pass++)
        for (size_t y = 0; y < d->base.form.height; y++)
            png_read_row(d->png, d->pixels + y * stride, NULL);
    for (unsigned y = 0; y < d->base.form.height; y++) {
        uint8_t *row = d->pixels + (interlaced ? y * stride : 0);
        png_read_row(d->png, row, NULL);
        image_canvas_put(&d->base.canvas, 0, y, d->base.form.width, row);
    }
    return 0;
}

/* All rows are there; what follows them cannot take them away, but for a wrong checksum. */
static int read_end(struct png_decoder *d, struct error *err)
{
    (void)err;
    png_read_end(d->png, NULL);
    return 0;
}

/* The one place where libpng's errors land. */
static int guarded(struct png_decoder *d, int (*work)(struct png_decoder *, struct error *),
                   struct error *err)
{
    if (setjmp(png_jmpbuf(d->png)) != 0)
        return explain(d, err);
    return work(d, err);
}

static int finish(struct png_decoder *d, struct error *err)
{
    struct error why = {0};
    int status = guarded(d, read_end, &why);
    if (d->bad_pixels)
        return fail(err, E_INPUT, "'%s' is corrupt: the checksum of its pixels is wrong",
                    d->base.file->path);
    if (status == E_ENVIRONMENT)
        return fail(err, status, "%s", why.message);
    if (status != 0)
        image_note(d->base.file->notes, feof(d->base.file->stream)
                                            ? "no end marker; all rows are there"
                                            : "damaged behind its last row");
    if (d->bad_sum)
        image_note(d->base.file->notes, "a checksum is wrong; all rows are sound");
    return 0;
}

static int open_png(struct image_decoder *decoder, struct error *err)
{
    int status;
    struct png_decoder *d = (struct png_decoder *)decoder;
    TRY(png_lore_read(decoder->file, &d->lore, err));
    decoder->colour = d->lore.colour;
    d->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, d, escape, hear);
    d->info = d->png ? png_create_info_struct(d->png) : NULL;
    if (!d->info)
        return image_fail_memory(decoder->file, err);
    TRY(guarded(d, read_header, err));
    uint64_t rows = is_interlaced(d) ? decoder->form.height : 1;
    decoder->bytes = rows * decoder->form.width * image_form_pixel_bytes(&decoder->form);
done:
    return status;
}

static int decode_png(struct image_decoder *decoder, struct error *err)
{
    int status;
    struct png_decoder *d = (struct png_decoder *)decoder;
    const struct image_form *form = &decoder->form;
    TRY(image_allocate(decoder->file, form->width, is_interlaced(d) ? form->height : 1,
                       image_form_pixel_bytes(form), &d->pixels, err));
    TRY(guarded(d, read_rows, err));
    TRY(finish(d, err));
done:
    return status;
}

static void close_png(struct image_decoder *decoder)
{
    struct png_decoder *d = (struct png_decoder *)decoder;
    png_destroy_read_struct(&d->png, &d->info, NULL);
    png_lore_release(&d->lore);
    free(d->pixels);
}

static void version_png(char *text, size_t size)
{
    snprintf(text, size, "%s", png_get_libpng_ver(NULL));
}

const struct image_codec image_codec_png = {
    sizeof(struct png_decoder), open_png, decode_png, close_png, version_png,
};
