#include "seal.h"

#include "digest.h"
#include "hdf5_util.h"
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { DIGITS = DIGEST_HEX - 1 };

/* Stands there before the digest is known: the SHA-256 of "atelier: the place of a file's own
 * SHA-256", which no other text of a result contains. */
static const char placeholder[] =
    "1fd69ab52895e6cfd62357d7640a350995e522a97aa2624ba4ce8b6ab789324b";
static const char zeros[] = "0000000000000000000000000000000000000000000000000000000000000000";
_Static_assert(sizeof zeros == DIGEST_HEX && sizeof placeholder == DIGEST_HEX, "64 digits");

int seal_begin(hid_t file, struct error *err)
{
    return hdf5_write_text(file, SEAL_NAME, placeholder, err);
}

/* The only place where the digits stand; NULL: there is none, or another. */
static unsigned char *find_digits(unsigned char *bytes, size_t size, const char *digits)
{
    unsigned char *place = memmem(bytes, size, digits, DIGITS);
    size_t after = place ? size - (size_t)(place - bytes) - 1 : 0;
    return place && !memmem(place + 1, after, digits, DIGITS) ? place : NULL;
}

static int digest_around(const unsigned char *bytes, size_t size, const unsigned char *place,
                         char hex[DIGEST_HEX], struct error *err)
{
    const unsigned char *after = place + DIGITS;
    const struct digest_part parts[] = {
        {bytes, (size_t)(place - bytes)}, {zeros, DIGITS}, {after, size - (size_t)(after - bytes)}};
    return digest_parts(parts, sizeof parts / sizeof *parts, hex, err);
}

int seal_close(unsigned char *bytes, size_t size, struct error *err)
{
    char hex[DIGEST_HEX];
    unsigned char *place = find_digits(bytes, size, placeholder);
    if (!place)
        return fail(err, E_BUG, "the place of the file's own digest is not found");
    int status = digest_around(bytes, size, place, hex, err);
    if (status == 0)
        memcpy(place, hex, DIGITS);
    return status;
}

/* Caller frees. */
static int read_file(int descriptor, unsigned char **out, size_t *size, struct error *err)
{
    struct stat info;
    size_t used = 0;
    ssize_t got = 1;
    if (fstat(descriptor, &info) != 0)
        return fail_errno(err, "cannot read it");
    unsigned char *bytes = malloc((size_t)info.st_size + 1);
    if (!bytes)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    while (used < (size_t)info.st_size && got > 0) {
        got = pread(descriptor, bytes + used, (size_t)info.st_size - used, (off_t)used);
        used += got > 0 ? (size_t)got : 0;
    }
    if (got < 0) {
        free(bytes);
        return fail_errno(err, "cannot read it");
    }
    *out = bytes;
    *size = used;
    return 0;
}

int seal_check(hid_t file, int descriptor, enum seal *seal, struct error *err)
{
    int status = 0;
    char *said = NULL, hex[DIGEST_HEX];
    unsigned char *bytes = NULL, *place;
    size_t size = 0;
    if (H5Aexists(file, SEAL_NAME) == 0) {
        *seal = SEAL_NONE;
        return 0;
    }
    TRY(hdf5_read_text(file, SEAL_NAME, &said, err));
    TRY(read_file(descriptor, &bytes, &size, err));
    place = strlen(said) == DIGITS ? find_digits(bytes, size, said) : NULL;
    *seal = SEAL_BROKEN;
    if (!place)
        goto done;
    TRY(digest_around(bytes, size, place, hex, err));
    if (strcmp(hex, said) == 0)
        *seal = SEAL_GOOD;
done:
    free(bytes);
    free(said);
    return status;
}
