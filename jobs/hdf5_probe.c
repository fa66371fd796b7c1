#include "hdf5_probe.h"

#include "files.h"
#include "guarded.h"
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    SUPERBLOCK_BYTES = 52, /* to the end of the last address in question */
    SUPERBLOCK_LEAST = 48, /* version 2, the shortest */
    CPU_SECONDS = 2,
    CPU_BYTES_A_SECOND = 50000000 /* slow for a SHA-256 */
};

static uint64_t little_endian(const unsigned char *bytes)
{
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

/* Where the superblock keeps the file's end, or -1. Source: HDF5 file format, II.A: versions 0 and
 * 1 have the sizes of addresses at byte 13 and four addresses from byte 24 (28 in version 1), of
 * which the third is the end; versions 2 and 3 have them at 9 and from 12. */
static int end_position(const unsigned char *superblock)
{
    switch (superblock[8]) {
    case 0:
        return superblock[13] == 8 ? 40 : -1;
    case 1:
        return superblock[13] == 8 ? 44 : -1;
    case 2:
    case 3:
        return superblock[9] == 8 ? 28 : -1;
    default:
        return -1;
    }
}

static int check_superblock(int file, uint64_t size, struct error *err)
{
    unsigned char superblock[SUPERBLOCK_BYTES] = {0};
    ssize_t got = pread(file, superblock, sizeof superblock, 0);
    if (got < 0)
        return fail_errno(err, "cannot read it");
    if (memcmp(superblock, "\x89HDF\r\n\x1a\n", 8) != 0)
        return fail(err, E_INPUT, "it is not an HDF5 file");
    if (got < SUPERBLOCK_LEAST)
        return fail(err, E_INPUT, "it is truncated after %llu bytes", (unsigned long long)size);
    int position = end_position(superblock);
    if (position < 0)
        return fail(err, E_INPUT, "it is no HDF5 file of a known version");
    uint64_t end = little_endian(superblock + position);
    if (end > size)
        return fail(err, E_INPUT, "it is truncated after %llu bytes", (unsigned long long)size);
    return 0;
}

/* Closes the file unless it is whole. */
static int check_opened(int file, uint64_t *size, struct error *err)
{
    struct stat info;
    int status;
    if (fstat(file, &info) != 0)
        status = fail_errno(err, "cannot open it");
    else if (!S_ISREG(info.st_mode))
        status = fail(err, E_INPUT, "it is not a regular file");
    else
        status = check_superblock(file, (uint64_t)info.st_size, err);
    if (status != 0)
        close(file);
    else if (size)
        *size = (uint64_t)info.st_size;
    return status;
}

static int open_whole(int folder, const char *path, int flags, int *file, uint64_t *size,
                      struct error *err)
{
    int opened = openat(folder, path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY | flags);
    if (opened < 0 && errno == ELOOP)
        return fail(err, E_INPUT, "it is a symbolic link");
    if (opened < 0)
        return fail_errno(err, "cannot open it");
    int status = check_opened(opened, size, err);
    if (status == 0)
        *file = opened;
    return status;
}

int hdf5_open_whole(const char *path, bool over_links, int *file, uint64_t *size, struct error *err)
{
    struct files_place place;
    if (over_links)
        return open_whole(AT_FDCWD, path, 0, file, size, err);
    if (files_find(path, &place) != 0)
        return fail_errno(err, "cannot open it");
    int status = open_whole(place.folder, place.name, O_NOFOLLOW, file, size, err);
    close(place.folder);
    return status;
}

int hdf5_check_length(int folder, const char *path, struct error *err)
{
    int file = -1, status = open_whole(folder, path, O_NOFOLLOW, &file, NULL, err);
    if (status == 0)
        close(file);
    return status;
}

unsigned hdf5_seconds(uint64_t size) { return CPU_SECONDS + (unsigned)(size / CPU_BYTES_A_SECOND); }

/* What the child works on. */
struct look {
    const char *path;
    int (*look)(const char *path, struct error *err);
    uint64_t size;
};

static int take_look(void *context, struct error *err)
{
    const struct look *look = context;
    guarded_allow(hdf5_seconds(look->size),
                  (size_t)look->size); /* a large file takes its own size */
    return look->look(look->path, err);
}

int hdf5_probe(const char *path, int (*look)(const char *path, struct error *err),
               struct error *err)
{
    struct look context = {path, look, 0};
    int file = -1, status = hdf5_open_whole(path, true, &file, &context.size, err);
    if (status != 0)
        return status;
    close(file);
    return guarded_run(take_look, &context, hdf5_seconds(context.size), err);
}
