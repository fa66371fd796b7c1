/* Finding our own mark in a picture; nothing is decoded. A PNG's chunk is a big-endian length, four
 * letters, that many bytes and a CRC (PNG specification, section 5.3); a JPEG's segment is 0xff, a
 * marker and a big-endian length that counts itself. */
#include "image.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#if ATELIER_TIFF
#include <tiffio.h>
#endif

static const unsigned char signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

/* "Software", 0, "atelier": what a tEXt chunk of ours holds. */
static const char mark[] = IMAGE_SOFTWARE_KEY "\0" IMAGE_SOFTWARE;
enum { MARK_BYTES = sizeof mark - 1 };

static bool find_in_png(FILE *file)
{
    unsigned char head[8], body[MARK_BYTES];
    if (fread(head, 1, sizeof head, file) != sizeof head || memcmp(head, signature, 8) != 0)
        return false;
    while (fread(head, 1, sizeof head, file) == sizeof head) {
        long length = (long)head[0] << 24 | head[1] << 16 | head[2] << 8 | head[3];
        if (memcmp(head + 4, "IDAT", 4) == 0)
            return false;
        if (length == MARK_BYTES && memcmp(head + 4, "tEXt", 4) == 0) {
            if (fread(body, 1, sizeof body, file) != sizeof body)
                return false;
            if (memcmp(body, mark, sizeof body) == 0)
                return true;
            length = 0;
        }
        if (fseek(file, length + 4, SEEK_CUR) != 0)
            return false;
    }
    return false;
}

/* Among the segments before the pixels: a comment "Software=atelier". */
static bool find_in_jpeg(FILE *file)
{
    static const char comment[] = IMAGE_SOFTWARE_KEY "=" IMAGE_SOFTWARE;
    enum { START = 0xd8, COMMENT = 0xfe, SCAN = 0xda, COMMENT_BYTES = sizeof comment - 1 };
    unsigned char head[4], body[COMMENT_BYTES];
    if (fread(head, 1, 2, file) != 2 || head[0] != 0xff || head[1] != START)
        return false;
    while (fread(head, 1, sizeof head, file) == sizeof head && head[0] == 0xff && head[1] != SCAN) {
        long length = ((long)head[2] << 8 | head[3]) - 2;
        if (head[1] == COMMENT && length == COMMENT_BYTES) {
            if (fread(body, 1, sizeof body, file) != sizeof body)
                return false;
            if (memcmp(body, comment, sizeof body) == 0)
                return true;
            length = 0;
        }
        if (length < 0 || fseek(file, length, SEEK_CUR) != 0)
            return false;
    }
    return false;
}

#if ATELIER_TIFF
static void say_nothing(thandle_t handle, const char *module, const char *format, va_list args)
{
    (void)handle, (void)module, (void)format, (void)args;
}

/* Its Software tag. */
static bool is_our_tiff(const char *path)
{
    const char *software = NULL;
    TIFFSetWarningHandler(NULL);
    TIFFSetErrorHandler(NULL);
    TIFFSetErrorHandlerExt(say_nothing);
    TIFF *tiff = TIFFOpen(path, "rm");
    bool found = tiff && TIFFGetField(tiff, TIFFTAG_SOFTWARE, &software) &&
                 strcmp(software, IMAGE_SOFTWARE) == 0;
    if (tiff)
        TIFFClose(tiff);
    return found;
}
#else
static bool is_our_tiff(const char *path)
{
    (void)path;
    return false;
}
#endif

bool image_is_ours(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return false;
    FILE *file = fopen(path, "rbe");
    if (!file)
        return false;
    bool found = find_in_png(file);
    rewind(file);
    found = found || find_in_jpeg(file);
    fclose(file);
    return found || is_our_tiff(path);
}
