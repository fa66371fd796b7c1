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

struct decoder {
    struct image_file *file;
    png_structp png;
    png_infop info;
    char words[256];
    bool bad_sum, bad_pixels; /* said by libpng on the way */
    struct png_lore lore;     /* the rest is freed by decoder_close, too */
    struct image_form form;
    struct image_canvas canvas;
    uint8_t *pixels;
};

static void escape(png_structp png, png_const_charp words)
{
    struct decoder *d = png_get_error_ptr(png);
    snprintf(d->words, sizeof d->words, "%s", words);
    png_longjmp(png, 1);
}

/* zlib's own checksum is the one that counts for pixels; libpng finds it wrong with a warning. */
static void hear(png_structp png, png_const_charp words)
{
    struct decoder *d = png_get_error_ptr(png);
    d->bad_sum |= strstr(words, "CRC error") != NULL;
    d->bad_pixels |= strstr(words, "data check") != NULL;
}

static void get(png_structp png, png_bytep bytes, size_t count)
{
    struct decoder *d = png_get_io_ptr(png);
    if (fread(bytes, 1, count, d->file->stream) != count)
        png_error(png, "end of file");
}

static int explain(const struct decoder *d, struct error *err)
{
    const char *path = d->file->path;
    if (ferror(d->file->stream))
        return fail_errno(err, "cannot read '%s'", path);
    if (feof(d->file->stream))
        return fail(err, E_INPUT, "'%s' is truncated: get it again from where it came", path);
    if (strcasestr(d->words, "memory"))
        return image_fail_memory(d->file, err);
    return fail(err, E_INPUT, "'%s' is corrupt: %s", path, d->words);
}

static void read_form(struct decoder *d)
{
    int type = png_get_color_type(d->png, d->info);
    bool has_alpha = type & PNG_COLOR_MASK_ALPHA || png_get_valid(d->png, d->info, PNG_INFO_tRNS);
    d->form = (struct image_form){
        .width = png_get_image_width(d->png, d->info),
        .height = png_get_image_height(d->png, d->info),
        .channels = type & PNG_COLOR_MASK_COLOR ? 3 : 1, /* palettes are of colours */
        .alpha = has_alpha,
        .sample_bytes = png_get_bit_depth(d->png, d->info) == 16 ? 2 : 1,
        .orientation = image_exif_orientation(&d->lore.exif),
    };
}

/* Reads as far as the pixels. The limits on the sides are ours; what image_png_chunks.c has read is
 * skipped. */
static int decoder_open(struct decoder *d, struct error *err)
{
    png_set_user_limits(d->png, PNG_UINT_31_MAX, PNG_UINT_31_MAX);
    png_set_keep_unknown_chunks(d->png, PNG_HANDLE_CHUNK_NEVER, NULL, -1);
    png_set_crc_action(d->png, PNG_CRC_WARN_USE, PNG_CRC_QUIET_USE);
    png_set_read_fn(d->png, d, get);
    png_read_info(d->png, d->info);
    read_form(d);
    return image_check_sides(d->file, d->form.width, d->form.height, err);
}

/* Keeps a tiny file that claims to be huge from taking memory. */
static int check_plausible(const struct decoder *d, struct error *err)
{
    uint64_t bytes = (uint64_t)png_get_rowbytes(d->png, d->info) * d->form.height;
    if (bytes / DEFLATE_MAX_RATIO <= d->file->size_bytes)
        return 0;
    return fail(err, E_INPUT, "'%s' is truncated: it holds too little for its size in px",
                d->file->path);
}

static bool is_interlaced(const struct decoder *d)
{
    return png_get_interlace_type(d->png, d->info) != PNG_INTERLACE_NONE;
}

static void set_transformations(struct decoder *d)
{
    png_set_expand(d->png);
#if __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__
    png_set_swap(d->png);
#endif
    png_set_interlace_handling(d->png);
    png_read_update_info(d->png, d->info);
    unsigned channels = png_get_channels(d->png, d->info);
    d->form.alpha = channels % 2 == 0;
    d->form.channels = channels - d->form.alpha;
    d->form.sample_bytes = png_get_bit_depth(d->png, d->info) / 8u;
}

/* A row at a time; the passes of an interlaced file meet in memory. */
static void read_rows(struct decoder *d, size_t stride)
{
    bool interlaced = is_interlaced(d);
    for (int pass = 0; interlaced && pass < 6; pass++)
        for (size_t y = 0; y < d->form.height; y++)
            png_read_row(d->png, d->pixels + y * stride, NULL);
    for (unsigned y = 0; y < d->form.height; y++) {
        uint8_t *row = d->pixels + (interlaced ? y * stride : 0);
        png_read_row(d->png, row, NULL);
        image_canvas_put(&d->canvas, 0, y, d->form.width, row);
    }
}

static int decode(struct decoder *d, struct error *err)
{
    int status;
    TRY(decoder_open(d, err));
    TRY(check_plausible(d, err));
    set_transformations(d);
    size_t stride = d->form.width * image_form_pixel_bytes(&d->form);
    TRY(image_canvas_begin(d->file, &d->form, &d->lore.colour, &d->canvas, err));
    TRY(image_allocate(d->file, d->form.width, is_interlaced(d) ? d->form.height : 1,
                       image_form_pixel_bytes(&d->form), &d->pixels, err));
    read_rows(d, stride);
done:
    return status;
}

/* All rows are there; what follows them cannot take them away, but for a wrong checksum. */
static int read_end(struct decoder *d, struct error *err)
{
    (void)err;
    png_read_end(d->png, NULL);
    return 0;
}

/* The one place where libpng's errors land. */
static int guarded(struct decoder *d, int (*work)(struct decoder *, struct error *),
                   struct error *err)
{
    if (setjmp(png_jmpbuf(d->png)) != 0)
        return explain(d, err);
    return work(d, err);
}

static int finish(struct decoder *d, struct error *err)
{
    struct error why = {0};
    int status = guarded(d, read_end, &why);
    if (d->bad_pixels)
        return fail(err, E_INPUT, "'%s' is corrupt: the checksum of its pixels is wrong",
                    d->file->path);
    if (status == E_ENVIRONMENT)
        return fail(err, status, "%s", why.message);
    if (status != 0)
        image_note(d->file->notes, feof(d->file->stream) ? "no end marker; all rows are there"
                                                         : "damaged behind its last row");
    if (d->bad_sum)
        image_note(d->file->notes, "a checksum is wrong; all rows are sound");
    return 0;
}

static int decoder_begin(struct decoder *d, struct error *err)
{
    int status = png_lore_read(d->file, &d->lore, err);
    if (status != 0)
        return status;
    d->png = png_create_read_struct(PNG_LIBPNG_VER_STRING, d, escape, hear);
    d->info = d->png ? png_create_info_struct(d->png) : NULL;
    return d->info ? 0 : image_fail_memory(d->file, err);
}

static void decoder_close(struct decoder *d)
{
    png_destroy_read_struct(&d->png, &d->info, NULL);
    png_lore_release(&d->lore);
    image_canvas_release(&d->canvas);
    free(d->pixels);
}

static int probe(struct image_file *file, struct image_size *size, struct error *err)
{
    int status;
    struct decoder d = {.file = file};
    TRY(decoder_begin(&d, err));
    TRY(guarded(&d, decoder_open, err));
    uint64_t rows = is_interlaced(&d) ? d.form.height : 1;
    *size = image_form_size(&d.form, rows * d.form.width * image_form_pixel_bytes(&d.form));
done:
    decoder_close(&d);
    return status;
}

static int read_picture(struct image_file *file, struct image *out, struct error *err)
{
    int status;
    struct decoder d = {.file = file};
    TRY(decoder_begin(&d, err));
    TRY(guarded(&d, decode, err));
    TRY(finish(&d, err));
    image_canvas_end(&d.canvas, out);
done:
    decoder_close(&d);
    return status;
}

static bool recognises(const uint8_t *head, size_t got)
{
    return image_begins_with(head, got, "\x89PNG\r\n\x1a\n", 8);
}

static void version(char *text, size_t size)
{
    snprintf(text, size, "%s", png_get_libpng_ver(NULL));
}

const struct image_format image_format_png = {
    .name = "PNG",
    .kind = "a PNG picture",
    .library = "libpng",
    .recognises = recognises,
    .probe = probe,
    .read = read_picture,
    .version = version,
};
