/* A TIFF of 8 or 16 bits, deflated, tagged as sRGB; the texts are its description, one a line. */
#include "image_page.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <tiffio.h>

enum { STRIP_BYTES = 1 << 18 };

struct writer {
    const struct image_page *page;
    FILE *stream;
    struct image_trouble *trouble;
    TIFF *tiff;
    char *description;
    uint8_t *profile;
};

static tmsize_t stream_read(thandle_t handle, void *bytes, tmsize_t count)
{
    struct writer *w = handle;
    return (tmsize_t)fread(bytes, 1, (size_t)count, w->stream);
}

static tmsize_t stream_write(thandle_t handle, void *bytes, tmsize_t count)
{
    struct writer *w = handle;
    size_t put = fwrite(bytes, 1, (size_t)count, w->stream);
    if (put != (size_t)count && !w->trouble->cause)
        w->trouble->cause = errno;
    return (tmsize_t)put;
}

static toff_t stream_seek(thandle_t handle, toff_t offset, int whence)
{
    struct writer *w = handle;
    return fseeko(w->stream, (off_t)offset, whence) == 0 ? (toff_t)ftello(w->stream) : (toff_t)-1;
}

static int stream_close(thandle_t handle)
{
    (void)handle;
    return 0;
}

static toff_t stream_size(thandle_t handle)
{
    struct writer *w = handle;
    off_t at = ftello(w->stream), end;
    if (fseeko(w->stream, 0, SEEK_END) != 0)
        return 0;
    end = ftello(w->stream);
    return fseeko(w->stream, at, SEEK_SET) == 0 && end > 0 ? (toff_t)end : 0;
}

static void hear(thandle_t handle, const char *module, const char *format, va_list args)
{
    struct writer *w = handle;
    (void)module;
    if (w && !w->trouble->words[0])
        vsnprintf(w->trouble->words, sizeof w->trouble->words, format, args);
}

/* "key=value\n" for each. */
static int describe(struct writer *w)
{
    size_t bytes = 0;
    FILE *text = open_memstream(&w->description, &bytes);
    if (!text)
        return -1;
    for (size_t i = 0; i < w->page->text_count; i++)
        fprintf(text, "%s=%s\n", w->page->texts[i].key, w->page->texts[i].value);
    return fclose(text);
}

static int put_tags(struct writer *w)
{
    const struct image *image = w->page->image;
    size_t bytes = 0;
    uint32_t row_bytes = (image->deep ? 6u : 3u) * (uint32_t)image->width;
    uint32_t rows = STRIP_BYTES / row_bytes;
    w->profile = image_srgb_profile(&bytes);
    if (!w->profile || describe(w) != 0) {
        w->trouble->cause = ENOMEM;
        return -1;
    }
    const struct {
        uint32_t tag, value;
    } numbers[] = {{TIFFTAG_IMAGEWIDTH, (uint32_t)image->width},
                   {TIFFTAG_IMAGELENGTH, (uint32_t)image->height},
                   {TIFFTAG_BITSPERSAMPLE, image->deep ? 16 : 8},
                   {TIFFTAG_SAMPLESPERPIXEL, 3},
                   {TIFFTAG_PHOTOMETRIC, PHOTOMETRIC_RGB},
                   {TIFFTAG_PLANARCONFIG, PLANARCONFIG_CONTIG},
                   {TIFFTAG_COMPRESSION, COMPRESSION_ADOBE_DEFLATE},
                   {TIFFTAG_PREDICTOR, PREDICTOR_HORIZONTAL},
                   {TIFFTAG_ORIENTATION, ORIENTATION_TOPLEFT},
                   {TIFFTAG_ROWSPERSTRIP, rows ? rows : 1}};
    int good = 1;
    for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++)
        good &= TIFFSetField(w->tiff, numbers[i].tag, numbers[i].value);
    good &= TIFFSetField(w->tiff, TIFFTAG_SOFTWARE, IMAGE_SOFTWARE);
    good &= TIFFSetField(w->tiff, TIFFTAG_ICCPROFILE, (uint32_t)bytes, w->profile);
    if (w->page->text_count > 0)
        good &= TIFFSetField(w->tiff, TIFFTAG_IMAGEDESCRIPTION, w->description);
    return good ? 0 : -1;
}

/* libtiff's predictor works in the row that it is given. */
static int put_rows(struct writer *w)
{
    const struct image *image = w->page->image;
    const size_t each = image->deep ? sizeof *image->deep : 1;
    const uint8_t *pixels = image->deep ? (const uint8_t *)image->deep : image->rgb;
    size_t bytes = each * 3 * (size_t)image->width;
    uint8_t *row = malloc(bytes);
    int failed = row ? 0 : -1;
    for (int y = 0; y < image->height && !failed; y++) {
        memcpy(row, pixels + bytes * (size_t)y, bytes);
        failed = TIFFWriteScanline(w->tiff, row, (uint32_t)y, 0) == 1 ? 0 : -1;
    }
    free(row);
    return failed;
}

int image_put_tiff(const struct image_page *page, FILE *stream, struct image_trouble *trouble)
{
    struct writer w = {.page = page, .stream = stream, .trouble = trouble};
    TIFFSetWarningHandler(NULL);
    TIFFSetErrorHandler(NULL);
    TIFFSetErrorHandlerExt(hear);
    w.tiff = TIFFClientOpen("picture", "wm", &w, stream_read, stream_write, stream_seek,
                            stream_close, stream_size, NULL, NULL);
    int failed = !w.tiff || put_tags(&w) != 0 || put_rows(&w) != 0 || !TIFFFlush(w.tiff) ? -1 : 0;
    if (w.tiff)
        TIFFClose(w.tiff);
    free(w.description);
    free(w.profile);
    return trouble->cause || trouble->words[0] ? -1 : failed;
}
