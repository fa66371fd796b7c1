/* Opening a picture: what kind of file it is, by its first bytes, and clear words for all that it
 * can be instead of a picture that is read here. */
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

static const struct image_format *const formats[IMAGE_FORMATS] = {
    &image_format_png,  &image_format_jpeg, &image_format_webp,
    &image_format_tiff, &image_format_heif,
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

bool image_begins_with(const uint8_t *head, size_t got, const char *magic, size_t length)
{
    return memcmp(head, magic, got < length ? got : length) == 0;
}

/* A file shorter than a magic number may be the beginning of one: its reader says so. */
static int sniff(struct image_file *file, const struct image_format **format, struct error *err)
{
    uint8_t head[HEAD_BYTES];
    size_t got = fread(head, 1, sizeof head, file->stream);
    if (ferror(file->stream))
        return fail_errno(err, "cannot read '%s'", file->path);
    if (got == 0)
        return fail(err, E_INPUT, "'%s' is empty", file->path);
    rewind(file->stream);
    for (int i = 0; i < IMAGE_FORMATS; i++) {
        if (!formats[i]->recognises(head, got))
            continue;
        *format = formats[i];
        return formats[i]->probe ? 0 : fail_missing(file->path, formats[i], err);
    }
    return fail_unknown(file->path, (const char *)head, got, err);
}

void image_formats(struct image_format_info list[IMAGE_FORMATS])
{
    for (int i = 0; i < IMAGE_FORMATS; i++) {
        list[i] = (struct image_format_info){.name = formats[i]->name,
                                             .library = formats[i]->library,
                                             .missing = !formats[i]->probe};
        if (formats[i]->version)
            formats[i]->version(list[i].version, sizeof list[i].version);
    }
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
    file->size_bytes = (uint64_t)info.st_size;
    return 0;
}

int image_check_sides(const struct image_file *file, uint64_t width, uint64_t height,
                      struct error *err)
{
    if (width >= 1 && height >= 1 && width <= MAX_SIDE_PX && height <= MAX_SIDE_PX)
        return 0;
    return fail(err, E_INPUT, "'%s' is %llu x %llu px; each side must be 1..%d px", file->path,
                (unsigned long long)width, (unsigned long long)height, MAX_SIDE_PX);
}

int image_file_bytes(const struct image_file *file, uint8_t **bytes, struct error *err)
{
    uint8_t *made = malloc(file->size_bytes);
    if (!made)
        return image_fail_memory(file, err);
    size_t got = fread(made, 1, file->size_bytes, file->stream);
    if (got == file->size_bytes) {
        *bytes = made;
        return 0;
    }
    free(made);
    if (ferror(file->stream))
        return fail_errno(err, "cannot read '%s'", file->path);
    return fail(err, E_INPUT, "'%s' is truncated: it has become shorter meanwhile", file->path);
}

int image_probe(const char *path, struct image_size *size, struct error *err)
{
    const struct image_format *format;
    struct image_file file = {0};
    int status;
    TRY(file_open(path, &file, err));
    TRY(sniff(&file, &format, err));
    TRY(format->probe(&file, size, err));
done:
    if (file.stream)
        fclose(file.stream);
    return status;
}

int image_read(const char *path, struct image *out, struct image_notes *notes, struct error *err)
{
    const struct image_format *format;
    struct image_file file = {.notes = notes};
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
    free(image->deep);
    *image = (struct image){0};
}
