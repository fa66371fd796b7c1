/* Opening a picture: what kind of file it is, by its first bytes, and clear words for all that it
 * can be instead of a PNG or a JPEG. */
#include "image_file.h"

#include <ctype.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_SIDE_PX = 65535, HEAD_BYTES = 512 };

struct format {
    int (*probe)(struct image_file *, int *, int *, struct error *);
    int (*read)(struct image_file *, struct image *, struct error *);
    const char *magic;
    size_t length;
};

static const struct format formats[] = {
    {image_png_probe, image_png_read, "\x89PNG\r\n\x1a\n", 8},
    {image_jpeg_probe, image_jpeg_read, "\xff\xd8\xff", 3},
};

/* What people take for a picture that this program can read. */
static const struct {
    size_t offset;
    const char *magic;
    size_t length;
    const char *kind;
} other_formats[] = {
    {0, "GIF87a", 6, "a GIF picture"},
    {0, "GIF89a", 6, "a GIF picture"},
    {8, "WEBP", 4, "a WebP picture"},
    {0, "II*\0", 4, "a TIFF picture"},
    {0, "MM\0*", 4, "a TIFF picture"},
    {0, "II+\0", 4, "a TIFF picture"},
    {0, "MM\0+", 4, "a TIFF picture"},
    {4, "ftypheic", 8, "a HEIC picture"},
    {4, "ftypheix", 8, "a HEIC picture"},
    {4, "ftyphevc", 8, "a HEIC picture"},
    {4, "ftypmif1", 8, "a HEIC picture"},
    {4, "ftypmsf1", 8, "a HEIC picture"},
    {4, "ftypavif", 8, "an AVIF picture"},
    {4, "jP  \r\n\x87\n", 8, "a JPEG 2000 picture"},
    {4, "JXL \r\n\x87\n", 8, "a JPEG XL picture"},
    {0, "\xff\x0a", 2, "a JPEG XL picture"},
    {0, "8BPS", 4, "a Photoshop document"},
    {0, "v/1\x01", 4, "an OpenEXR picture"},
    {0, "%PDF-", 5, "a PDF document"},
};

enum { COUNT_FORMATS = sizeof formats / sizeof *formats };
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

/* A file shorter than a magic number may be the beginning of one: its reader says so. */
static int sniff(struct image_file *file, const struct format **format, struct error *err)
{
    char head[HEAD_BYTES];
    size_t got = fread(head, 1, sizeof head, file->stream);
    if (ferror(file->stream))
        return fail_errno(err, "cannot read '%s'", file->path);
    if (got == 0)
        return fail(err, E_INPUT, "'%s' is empty", file->path);
    rewind(file->stream);
    for (int i = 0; i < COUNT_FORMATS; i++) {
        size_t length = got < formats[i].length ? got : formats[i].length;
        if (memcmp(head, formats[i].magic, length) == 0) {
            *format = &formats[i];
            return 0;
        }
    }
    return fail_unknown(file->path, head, got, err);
}

/* Whether the person named the wrong thing, or the machine is in trouble. */
static int fail_open(const char *path, struct error *err)
{
    int cause = errno;
    int theirs = cause == ENOENT || cause == EACCES || cause == ENOTDIR || cause == ELOOP ||
                 cause == ENAMETOOLONG || cause == ENXIO || cause == EPERM;
    if (!theirs)
        return fail_errno(err, "cannot open '%s'", path);
    return fail(err, E_INPUT, "cannot open '%s': %s", path, strerror(cause));
}

/* O_NONBLOCK: opening a FIFO that nobody writes to would wait for ever. */
static int file_open(const char *path, struct image_file *file, struct error *err)
{
    int status = 0;
    struct stat info;
    int descriptor = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (descriptor < 0)
        return fail_open(path, err);
    if (fstat(descriptor, &info) != 0)
        status = fail_errno(err, "cannot examine '%s'", path);
    else if (S_ISDIR(info.st_mode))
        status = fail(err, E_INPUT, "'%s' is a folder, not a picture", path);
    else if (!S_ISREG(info.st_mode))
        status = fail(err, E_INPUT, "'%s' is not a regular file", path);
    else if (!(file->stream = fdopen(descriptor, "rb")))
        status = fail_errno(err, "cannot open '%s'", path);
    if (status != 0) {
        close(descriptor);
        return status;
    }
    file->path = path;
    file->size_bytes = info.st_size;
    return 0;
}

int image_check_sides(const struct image_file *file, unsigned width, unsigned height,
                      struct error *err)
{
    if (width >= 1 && height >= 1 && width <= MAX_SIDE_PX && height <= MAX_SIDE_PX)
        return 0;
    return fail(err, E_INPUT, "'%s' is %u x %u px; each side must be 1..%d px", file->path, width,
                height, MAX_SIDE_PX);
}

int image_allocate(const struct image_file *file, unsigned width, unsigned height, size_t channels,
                   uint8_t **pixels, struct error *err)
{
    size_t bytes;
    uint8_t *memory = NULL;
    if (!__builtin_mul_overflow((size_t)width, (size_t)height, &bytes) &&
        !__builtin_mul_overflow(bytes, channels, &bytes))
        memory = malloc(bytes);
    if (!memory)
        return fail(err, E_ENVIRONMENT, "not enough memory for '%s' (%u x %u px)", file->path,
                    width, height);
    *pixels = memory;
    return 0;
}

int image_probe(const char *path, int *width, int *height, struct error *err)
{
    const struct format *format;
    struct image_file file = {0};
    int status;
    TRY(file_open(path, &file, err));
    TRY(sniff(&file, &format, err));
    TRY(format->probe(&file, width, height, err));
done:
    if (file.stream)
        fclose(file.stream);
    return status;
}

int image_read(const char *path, struct image *out, struct error *err)
{
    const struct format *format;
    struct image_file file = {0};
    int status;
    TRY(file_open(path, &file, err));
    TRY(sniff(&file, &format, err));
    TRY(format->read(&file, out, err));
done:
    if (file.stream)
        fclose(file.stream);
    return status;
}

void image_release(struct image *image)
{
    if (!image)
        return;
    free(image->rgb);
    *image = (struct image){0};
}
