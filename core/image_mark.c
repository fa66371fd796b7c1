/* Finding our own mark in a PNG: its chunks are walked, nothing is decoded. A chunk is a big-endian
 * length, four letters, that many bytes and a CRC (PNG specification, section 5.3). */
#include "image.h"

#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

static const unsigned char signature[8] = {0x89, 'P', 'N', 'G', '\r', '\n', 0x1a, '\n'};

/* "Software", 0, "atelier": what a tEXt chunk of ours holds. */
static const char mark[] = IMAGE_SOFTWARE_KEY "\0" IMAGE_SOFTWARE;
enum { MARK_BYTES = sizeof mark - 1 };

static bool find_mark(FILE *file)
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

bool image_is_ours(const char *path)
{
    struct stat status;
    if (stat(path, &status) != 0 || !S_ISREG(status.st_mode))
        return false;
    FILE *file = fopen(path, "rbe");
    if (!file)
        return false;
    bool found = find_mark(file);
    fclose(file);
    return found;
}
