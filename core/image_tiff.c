/* TIFF through libtiff: 1 to 16 bits a sample, grey, palette, RGB, YCbCr in JPEG, CMYK, with or
 * without alpha, in strips or tiles, samples together or in planes. The first page.
 * Pixels come block by block (a strip is a block as wide as the picture) and are unpacked row by
 * row into what a canvas takes. */
#include "image_file.h"

#include <stdlib.h>
#include <string.h>
#include <tiffio.h>
#include <unistd.h>

enum { PLANES_MAX = 5, PALETTE_MAX = 256 };

/* What the tags say. */
struct tags {
    uint32_t width, height;
    uint16_t bits, samples, format, photometric, planar, compression, orientation;
    uint16_t extra_count, *extra, inks;
    uint16_t *palette[3];
};

/* All is freed by tiff_close. */
struct tiff_decoder {
    struct image_decoder base;
    TIFF *tiff;
    char words[256]; /* libtiff's first complaint */
    struct tags tags;
    bool tiled, premultiplied, palette_is_wide;
    uint32_t block_width, block_height;
    tmsize_t block_bytes;
    uint8_t *blocks; /* one for each plane */
    uint8_t *row;    /* of a block, as the canvas takes it */
};

/* --- reading through our stream --- */

static tmsize_t stream_read(thandle_t handle, void *bytes, tmsize_t count)
{
    struct tiff_decoder *d = handle;
    return (tmsize_t)fread(bytes, 1, (size_t)count, d->base.file->stream);
}

static tmsize_t stream_write(thandle_t handle, void *bytes, tmsize_t count)
{
    (void)handle, (void)bytes, (void)count;
    return -1;
}

static toff_t stream_seek(thandle_t handle, toff_t offset, int whence)
{
    struct tiff_decoder *d = handle;
    return fseeko(d->base.file->stream, (off_t)offset, whence) == 0
               ? (toff_t)ftello(d->base.file->stream)
               : (toff_t)-1;
}

static int stream_close(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t stream_size(thandle_t handle)
{
    const struct tiff_decoder *d = handle;
    return d->base.file->size_bytes;
}

/* libtiff's handlers are the process's; the handle says whose trouble it is. */
static void hear(thandle_t handle, const char *module, const char *format, va_list args)
{
    struct tiff_decoder *d = handle;
    (void)module;
    if (d && !d->words[0])
        vsnprintf(d->words, sizeof d->words, format, args);
}

static int fail_decoding(const struct tiff_decoder *d, struct error *err)
{
    if (ferror(d->base.file->stream))
        return fail_errno(err, "cannot read '%s'", d->base.file->path);
    if (strcasestr(d->words, "memory"))
        return image_fail_memory(d->base.file, err);
    return fail(err, E_INPUT, "'%s' is truncated or corrupt: %s; get it again from where it came",
                d->base.file->path, d->words[0] ? d->words : "libtiff cannot read it");
}

/* --- tags --- */

static int fail_kind(const struct tiff_decoder *d, const char *what, struct error *err)
{
    return fail(err, E_INPUT, "'%s' is a TIFF picture %s; convert it to one of 8 or 16 bits in RGB",
                d->base.file->path, what);
}

static int read_tags(struct tiff_decoder *d, struct error *err)
{
    struct tags *t = &d->tags;
    TIFF *tiff = d->tiff;
    t->orientation = 1;
    if (!TIFFGetField(tiff, TIFFTAG_IMAGEWIDTH, &t->width) ||
        !TIFFGetField(tiff, TIFFTAG_IMAGELENGTH, &t->height))
        return fail_decoding(d, err);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_BITSPERSAMPLE, &t->bits);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLESPERPIXEL, &t->samples);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_SAMPLEFORMAT, &t->format);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_PLANARCONFIG, &t->planar);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_COMPRESSION, &t->compression);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_EXTRASAMPLES, &t->extra_count, &t->extra);
    TIFFGetFieldDefaulted(tiff, TIFFTAG_INKSET, &t->inks);
    TIFFGetField(tiff, TIFFTAG_ORIENTATION, &t->orientation);
    if (!TIFFGetField(tiff, TIFFTAG_PHOTOMETRIC, &t->photometric))
        t->photometric = t->samples >= 3 ? PHOTOMETRIC_RGB : PHOTOMETRIC_MINISBLACK;
    return image_check_sides(d->base.file, t->width, t->height, err);
}

/* Of colour; 0: not read here. */
static unsigned channels_of(const struct tags *t)
{
    switch (t->photometric) {
    case PHOTOMETRIC_MINISBLACK:
    case PHOTOMETRIC_MINISWHITE:
        return 1;
    case PHOTOMETRIC_PALETTE:
    case PHOTOMETRIC_RGB:
        return 3;
    case PHOTOMETRIC_YCBCR: /* libjpeg makes RGB of it */
        return t->compression == COMPRESSION_JPEG ? 3 : 0;
    case PHOTOMETRIC_SEPARATED:
        return t->inks == INKSET_CMYK || t->samples == 4 ? 4 : 0;
    }
    return 0;
}

static int check_kind(const struct tiff_decoder *d, struct error *err)
{
    const struct tags *t = &d->tags;
    char what[64];
    if (!TIFFIsCODECConfigured(t->compression)) {
        snprintf(what, sizeof what, "in a compression (%d) that libtiff here lacks",
                 t->compression);
        return fail_kind(d, what, err);
    }
    if (t->format != SAMPLEFORMAT_UINT && t->format != SAMPLEFORMAT_VOID)
        return fail_kind(d, "of floating-point or signed numbers", err);
    if (t->bits != 1 && t->bits != 2 && t->bits != 4 && t->bits != 8 && t->bits != 16) {
        snprintf(what, sizeof what, "of %d bits a sample", t->bits);
        return fail_kind(d, what, err);
    }
    if (channels_of(t) == 0) {
        snprintf(what, sizeof what, "in a colour space (%d) that is not read", t->photometric);
        return fail_kind(d, what, err);
    }
    bool palette = t->photometric == PHOTOMETRIC_PALETTE;
    if (t->samples < (palette ? 1 : channels_of(t)) || (palette && t->bits > 8))
        return fail_kind(d, "whose tags contradict each other", err);
    return 0;
}

static int read_palette(struct tiff_decoder *d, struct error *err)
{
    uint16_t **p = d->tags.palette;
    if (d->tags.photometric != PHOTOMETRIC_PALETTE)
        return 0;
    if (!TIFFGetField(d->tiff, TIFFTAG_COLORMAP, &p[0], &p[1], &p[2]))
        return fail_kind(d, "with a palette that is missing", err);
    for (int c = 0; c < 3; c++) /* old writers put 8 bits there */
        for (int i = 0; i < 1 << d->tags.bits; i++)
            d->palette_is_wide |= p[c][i] > 255;
    return 0;
}

static void read_form(struct tiff_decoder *d)
{
    const struct tags *t = &d->tags;
    unsigned channels = channels_of(t), base = t->photometric == PHOTOMETRIC_PALETTE ? 1 : channels;
    bool alpha = t->samples > base && t->extra_count > 0 && t->extra[0] != EXTRASAMPLE_UNSPECIFIED;
    d->premultiplied = alpha && t->extra[0] == EXTRASAMPLE_ASSOCALPHA;
    d->base.form = (struct image_form){
        .width = t->width,
        .height = t->height,
        .channels = channels,
        .alpha = alpha,
        .sample_bytes = t->bits == 16 ? 2 : 1,
        .orientation = t->orientation >= 1 && t->orientation <= 8 ? t->orientation : 1,
    };
}

static int read_layout(struct tiff_decoder *d, struct error *err)
{
    uint32_t rows = 0;
    d->tiled = TIFFIsTiled(d->tiff);
    d->block_width = d->tags.width;
    if (d->tiled) {
        TIFFGetField(d->tiff, TIFFTAG_TILEWIDTH, &d->block_width);
        TIFFGetField(d->tiff, TIFFTAG_TILELENGTH, &rows);
    } else
        TIFFGetFieldDefaulted(d->tiff, TIFFTAG_ROWSPERSTRIP, &rows);
    d->block_height = rows < d->tags.height || d->tiled ? rows : d->tags.height;
    d->block_bytes = d->tiled ? TIFFTileSize(d->tiff) : TIFFStripSize(d->tiff);
    if (d->block_width == 0 || d->block_height == 0 || d->block_bytes <= 0)
        return fail_decoding(d, err);
    return 0;
}

static int open_page(struct tiff_decoder *d, struct error *err)
{
    int status;
    TIFFSetWarningHandler(NULL);
    TIFFSetErrorHandler(NULL);
    TIFFSetErrorHandlerExt(hear);
    d->tiff = TIFFClientOpen(d->base.file->path, "rm", d, stream_read, stream_write, stream_seek,
                             stream_close, stream_size, NULL, NULL);
    if (!d->tiff)
        return fail_decoding(d, err);
    TRY(read_tags(d, err));
    TRY(check_kind(d, err));
    if (d->tags.photometric == PHOTOMETRIC_YCBCR)
        TIFFSetField(d->tiff, TIFFTAG_JPEGCOLORMODE, JPEGCOLORMODE_RGB);
    TRY(read_palette(d, err));
    read_form(d);
    TRY(read_layout(d, err));
done:
    return status;
}

static void find_profile(struct tiff_decoder *d)
{
    uint32_t bytes = 0;
    void *profile = NULL;
    if (TIFFGetField(d->tiff, TIFFTAG_ICCPROFILE, &bytes, &profile))
        d->base.colour = (struct image_colour){
            .kind = COLOUR_PROFILE, .profile = profile, .profile_bytes = bytes};
}

static unsigned planes_of(const struct tiff_decoder *d)
{
    return d->tags.planar == PLANARCONFIG_SEPARATE ? d->base.form.channels + d->base.form.alpha : 1;
}

/* libtiff holds a block as it comes from the file, too; packed, it may be larger than unpacked. */
static uint64_t largest_packed(const struct tiff_decoder *d)
{
    uint64_t largest = 0;
    uint32_t count = d->tiled ? TIFFNumberOfTiles(d->tiff) : TIFFNumberOfStrips(d->tiff);
    for (uint32_t i = 0; i < count; i++) {
        uint64_t bytes = TIFFGetStrileByteCount(d->tiff, i);
        largest = bytes > largest ? bytes : largest;
    }
    return largest < d->base.file->size_bytes ? largest : d->base.file->size_bytes;
}

static int tiff_open(struct image_decoder *decoder, struct error *err)
{
    int status;
    struct tiff_decoder *d = (struct tiff_decoder *)decoder;
    TRY(open_page(d, err));
    find_profile(d);
    decoder->bytes = planes_of(d) * (uint64_t)d->block_bytes + largest_packed(d);
done:
    return status;
}

/* --- pixels --- */

/* Sample number `at` of a packed row. */
static unsigned sample_at(const uint8_t *row, size_t at, unsigned bits)
{
    if (bits == 8)
        return row[at];
    if (bits == 16) {
        uint16_t sample;
        memcpy(&sample, row + 2 * at, sizeof sample);
        return sample;
    }
    size_t bit = at * bits;
    return row[bit / 8] >> (8 - bits - bit % 8) & ((1u << bits) - 1);
}

static void put_sample(const struct tiff_decoder *d, size_t at, unsigned sample)
{
    uint16_t wide = (uint16_t)sample;
    if (d->base.form.sample_bytes == 1)
        d->row[at] = (uint8_t)sample;
    else
        memcpy(d->row + 2 * at, &wide, sizeof wide);
}

static unsigned most(const struct tiff_decoder *d)
{
    return d->base.form.sample_bytes == 1 ? 255 : 65535;
}

/* Colour premultiplied by alpha; rounded, at most all of it. */
static unsigned unmultiplied(const struct tiff_decoder *d, unsigned sample, unsigned alpha)
{
    if (alpha == 0)
        return 0;
    uint64_t value = ((uint64_t)sample * most(d) + alpha / 2) / alpha;
    return value < most(d) ? (unsigned)value : most(d);
}

/* Sample s of pixel x of a block's row y, as the file has it. */
static unsigned stored(const struct tiff_decoder *d, uint32_t x, uint32_t y, unsigned s)
{
    size_t plane = planes_of(d) > 1 ? s : 0;
    size_t each = planes_of(d) > 1 ? 1 : d->tags.samples;
    size_t stride = (d->block_width * each * d->tags.bits + 7) / 8;
    const uint8_t *row = d->blocks + plane * (size_t)d->block_bytes + y * stride;
    return sample_at(row, x * each + (planes_of(d) > 1 ? 0 : s), d->tags.bits);
}

/* The same, of 8 or 16 bits, 0 black; palettes are looked up. */
static unsigned sample_of(const struct tiff_decoder *d, uint32_t x, uint32_t y, unsigned c)
{
    const struct tags *t = &d->tags;
    bool palette = t->photometric == PHOTOMETRIC_PALETTE;
    unsigned base = palette ? 1 : d->base.form.channels;
    unsigned sample = stored(d, x, y, c < d->base.form.channels ? (palette ? 0 : c) : base);
    if (palette && c < 3)
        return d->palette_is_wide ? t->palette[c][sample] >> 8 : t->palette[c][sample];
    if (t->bits < 8)
        sample = sample * 255 / ((1u << t->bits) - 1);
    return t->photometric == PHOTOMETRIC_MINISWHITE && c == 0 ? most(d) - sample : sample;
}

static void put_row(struct tiff_decoder *d, uint32_t left, uint32_t top, uint32_t y, uint32_t count)
{
    unsigned channels = d->base.form.channels, all = channels + d->base.form.alpha;
    for (uint32_t x = 0; x < count; x++) {
        unsigned alpha = d->base.form.alpha ? sample_of(d, x, y, channels) : 0;
        for (unsigned c = 0; c < channels; c++) {
            unsigned sample = sample_of(d, x, y, c);
            put_sample(d, (size_t)x * all + c,
                       d->premultiplied ? unmultiplied(d, sample, alpha) : sample);
        }
        if (d->base.form.alpha)
            put_sample(d, (size_t)x * all + channels, alpha);
    }
    image_canvas_put(&d->base.canvas, left, top + y, count, d->row);
}

/* A last strip may be shorter than the others. */
static int read_block(struct tiff_decoder *d, uint32_t left, uint32_t top, struct error *err)
{
    for (unsigned plane = 0; plane < planes_of(d); plane++) {
        uint8_t *to = d->blocks + plane * (size_t)d->block_bytes;
        uint16_t sample = (uint16_t)plane;
        tmsize_t got =
            d->tiled ? TIFFReadEncodedTile(d->tiff, TIFFComputeTile(d->tiff, left, top, 0, sample),
                                           to, d->block_bytes)
                     : TIFFReadEncodedStrip(d->tiff, TIFFComputeStrip(d->tiff, top, sample), to,
                                            d->block_bytes);
        if (got < 0)
            return fail_decoding(d, err);
    }
    return 0;
}

static uint32_t smaller(uint32_t a, uint32_t b) { return a < b ? a : b; }

static int read_blocks(struct tiff_decoder *d, struct error *err)
{
    int status = 0;
    for (uint32_t top = 0; top < d->base.form.height; top += d->block_height)
        for (uint32_t left = 0; left < d->base.form.width; left += d->block_width) {
            TRY(read_block(d, left, top, err));
            uint32_t rows = smaller(d->block_height, d->base.form.height - top);
            for (uint32_t y = 0; y < rows; y++)
                put_row(d, left, top, y, smaller(d->block_width, d->base.form.width - left));
        }
done:
    return status;
}

static int tiff_decode(struct image_decoder *decoder, struct error *err)
{
    int status;
    struct tiff_decoder *d = (struct tiff_decoder *)decoder;
    d->blocks = calloc(planes_of(d), (size_t)d->block_bytes);
    d->row = malloc(image_form_pixel_bytes(&decoder->form) * d->block_width);
    if (!d->blocks || !d->row)
        return image_fail_memory(decoder->file, err);
    TRY(read_blocks(d, err));
    if (!TIFFLastDirectory(d->tiff))
        image_note(decoder->file->notes, "it has several pages; the first is taken");
done:
    return status;
}

static void tiff_close(struct image_decoder *decoder)
{
    struct tiff_decoder *d = (struct tiff_decoder *)decoder;
    if (d->tiff)
        TIFFClose(d->tiff);
    free(d->blocks);
    free(d->row);
}

/* "LIBTIFF, Version 4.5.0\nCopyright ..." */
static void tiff_version(char *text, size_t size)
{
    const char *words = TIFFGetVersion();
    words += strcspn(words, "0123456789");
    snprintf(text, size, "%.*s", (int)strspn(words, "0123456789."), words);
}

const struct image_codec image_codec_tiff = {
    sizeof(struct tiff_decoder), tiff_open, tiff_decode, tiff_close, tiff_version,
};
