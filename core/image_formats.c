/* The formats of pictures: told by their first bytes, and clear words for all that a file can be
 * instead of a picture that is read here. */
#include "image_file.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { HEAD_BYTES = 512 };

/* ---- what is read ---- */

struct image_format {
    const char *name, *kind; /* "WebP", "a WebP picture" */
    /* Whether a file with these first bytes is one; where there are fewer than its magic number
     * has, whether it may be the beginning of one. */
    bool (*recognises)(const uint8_t *head, size_t got);
    const struct image_codec *codec; /* NULL where this build lacks the library, */
    const char *library, *package;   /* and where it may be missing, its package */
};

static bool begins_with(const uint8_t *head, size_t got, const char *magic, size_t length)
{
    return memcmp(head, magic, got < length ? got : length) == 0;
}

static bool is_png(const uint8_t *head, size_t got)
{
    return begins_with(head, got, "\x89PNG\r\n\x1a\n", 8);
}

static bool is_jpeg(const uint8_t *head, size_t got)
{
    return begins_with(head, got, "\xff\xd8\xff", 3);
}

static bool is_webp(const uint8_t *head, size_t got)
{
    return begins_with(head, got, "RIFF", 4) &&
           (got <= 8 || begins_with(head + 8, got - 8, "WEBP", 4));
}

static bool is_tiff(const uint8_t *head, size_t got)
{
    static const char *const magic[] = {"II*\0", "MM\0*", "II+\0", "MM\0+"};
    for (int i = 0; i < 4; i++)
        if (begins_with(head, got, magic[i], 4) && got >= 2)
            return true;
    return false;
}

/* An ISO media file of these brands; AVIF sequences have a still picture, too. */
static bool is_heif(const uint8_t *head, size_t got)
{
    static const char *const brands[] = {"heic", "heix", "heim", "heis", "hevc",
                                         "hevx", "mif1", "msf1", "avif", "avis"};
    if (got < 12 || memcmp(head + 4, "ftyp", 4) != 0)
        return false;
    for (size_t i = 0; i < sizeof brands / sizeof *brands; i++)
        if (memcmp(head + 8, brands[i], 4) == 0)
            return true;
    return false;
}

#if ATELIER_WEBP
#define CODEC_WEBP &image_codec_webp
#else
#define CODEC_WEBP NULL
#endif
#if ATELIER_TIFF
#define CODEC_TIFF &image_codec_tiff
#else
#define CODEC_TIFF NULL
#endif
#if ATELIER_HEIF
#define CODEC_HEIF &image_codec_heif
#else
#define CODEC_HEIF NULL
#endif

static const struct image_format formats[IMAGE_FORMATS] = {
    {"PNG", "a PNG picture", is_png, &image_codec_png, "libpng", NULL},
    {"JPEG", "a JPEG picture", is_jpeg, &image_codec_jpeg, "libjpeg-turbo", NULL},
    {"WebP", "a WebP picture", is_webp, CODEC_WEBP, "libwebp", "libwebp-dev"},
    {"TIFF", "a TIFF picture", is_tiff, CODEC_TIFF, "libtiff", "libtiff-dev"},
    {"HEIC and AVIF", "a HEIC or AVIF picture", is_heif, CODEC_HEIF, "libheif", "libheif-dev"},
};

void image_formats(struct image_format_info list[IMAGE_FORMATS])
{
    for (int i = 0; i < IMAGE_FORMATS; i++) {
        const struct image_codec *codec = formats[i].codec;
        list[i] = (struct image_format_info){
            .name = formats[i].name, .library = formats[i].library, .missing = !codec};
        if (codec)
            codec->version(list[i].version, sizeof list[i].version);
    }
}

/* ---- what is not ---- */

/* What people take for a picture that this program can read. */
static const struct {
    size_t offset;
    const char *magic;
    size_t length;
    const char *kind;
} other_formats[] = {
    {0, "GIF87a", 6, "a GIF picture"},
    {0, "GIF89a", 6, "a GIF picture"},
    {4, "jP  \r\n\x87\n", 8, "a JPEG 2000 picture"},
    {4, "JXL \r\n\x87\n", 8, "a JPEG XL picture"},
    {0, "\xff\x0a", 2, "a JPEG XL picture"},
    {0, "8BPS", 4, "a Photoshop document"},
    {0, "v/1\x01", 4, "an OpenEXR picture"},
    {0, "%PDF-", 5, "a PDF document"},
};

enum { COUNT_OTHER = sizeof other_formats / sizeof *other_formats };

static int has_at(const char *head, size_t got, size_t offset, const char *magic, size_t length)
{
    return got >= offset + length && memcmp(head + offset, magic, length) == 0;
}

/* "BM" alone is too common a beginning; the reserved bytes of a BMP header are zero. */
static int is_bmp(const char *head, size_t got)
{
    return has_at(head, got, 0, "BM", 2) && has_at(head, got, 6, "\0\0\0\0", 4);
}

static int contains(const char *head, size_t got, const char *word)
{
    size_t length = strlen(word);
    for (size_t i = 0; i + length <= got; i++)
        if (strncasecmp(head + i, word, length) == 0)
            return 1;
    return 0;
}

static int is_text(const char *head, size_t got)
{
    for (size_t i = 0; i < got; i++)
        if (iscntrl((unsigned char)head[i]) && !isspace((unsigned char)head[i]))
            return 0;
    return 1;
}

static int fail_unknown(const char *path, const char *head, size_t got, struct error *err)
{
    const char *kind = is_bmp(head, got) ? "a BMP picture" : NULL;
    for (int i = 0; i < COUNT_OTHER && !kind; i++)
        if (has_at(head, got, other_formats[i].offset, other_formats[i].magic,
                   other_formats[i].length))
            kind = other_formats[i].kind;
    if (kind)
        return fail(err, E_INPUT, "'%s' is %s; convert it to PNG or JPEG", path, kind);
    if (has_at(head, got, 0, "version https://git-lfs", 23))
        return fail(err, E_INPUT, "'%s' is a Git LFS pointer, not the picture; run 'git lfs pull'",
                    path);
    const char *guess = "";
    if (is_text(head, got))
        guess = contains(head, got, "<svg") ? "an SVG drawing"
                : contains(head, got, "<html") || contains(head, got, "<!doctype html") ? "HTML"
                                                                                        : "text";
    return fail(err, E_INPUT, "'%s' is neither a PNG nor a JPEG%s%s", path,
                *guess ? "; it looks like " : "", guess);
}

static int fail_missing(const char *path, const struct image_format *format, struct error *err)
{
    return fail(err, E_INPUT,
                "'%s' is %s, and this build of atelier lacks %s: convert it to PNG or JPEG, or "
                "build again with the package %s",
                path, format->kind, format->library, format->package);
}

/* A file shorter than a magic number may be the beginning of one: its codec says so. */
int image_sniff(struct image_file *file, const struct image_codec **codec, struct error *err)
{
    uint8_t head[HEAD_BYTES];
    size_t got = fread(head, 1, sizeof head, file->stream);
    if (ferror(file->stream))
        return fail_errno(err, "cannot read '%s'", file->path);
    if (got == 0)
        return fail(err, E_INPUT, "'%s' is empty", file->path);
    rewind(file->stream);
    for (int i = 0; i < IMAGE_FORMATS; i++) {
        if (!formats[i].recognises(head, got))
            continue;
        *codec = formats[i].codec;
        return *codec ? 0 : fail_missing(file->path, &formats[i], err);
    }
    return fail_unknown(file->path, (const char *)head, got, err);
}
