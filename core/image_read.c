/* Opening a picture's file, and handing it to the codec of its format. */
#include "image_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MAX_SIDE_PX = 65535 };

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

/* A file with its codec and that one's state. */
struct reading {
    struct image_file file;
    const struct image_codec *codec;
    struct image_decoder *decoder;
};

static int reading_begin(const char *path, struct reading *r, struct error *err)
{
    int status;
    TRY(file_open(path, &r->file, err));
    TRY(image_sniff(&r->file, &r->codec, err));
    r->decoder = calloc(1, r->codec->decoder_bytes);
    if (!r->decoder)
        return image_fail_memory(&r->file, err);
    r->decoder->file = &r->file;
    TRY(r->codec->open(r->decoder, err));
done:
    return status;
}

static void reading_end(struct reading *r)
{
    if (r->decoder) {
        r->codec->close(r->decoder);
        image_canvas_release(&r->decoder->canvas);
        free(r->decoder);
    }
    if (r->file.stream)
        fclose(r->file.stream);
}

int image_probe(const char *path, struct image_size *size, struct error *err)
{
    struct reading r = {0};
    int status = reading_begin(path, &r, err);
    if (status == 0)
        *size = image_form_size(&r.decoder->form, r.decoder->bytes);
    reading_end(&r);
    return status;
}

int image_read(const char *path, struct image *out, struct image_notes *notes, struct error *err)
{
    int status;
    struct reading r = {.file.notes = notes};
    TRY(reading_begin(path, &r, err));
    struct image_decoder *d = r.decoder;
    TRY(image_canvas_begin(&r.file, &d->form, &d->colour, &d->canvas, err));
    TRY(r.codec->decode(d, err));
    image_canvas_end(&d->canvas, out);
done:
    reading_end(&r);
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
