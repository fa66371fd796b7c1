/* SHA-256 and MD5 as lower-case hex, through libcrypto. MD5 only ever to recognise published files
 * that have no other digest. */
#ifndef ATELIER_DIGEST_H
#define ATELIER_DIGEST_H

#include "error.h"
#include <stddef.h>
#include <stdint.h>

enum { DIGEST_HEX = 65, DIGEST_MD5_HEX = 33 }; /* 64 and 32 digits and the final 0 */

int digest_file(const char *path, char hex[DIGEST_HEX], struct error *err);
int digest_bytes(const void *bytes, size_t count, char hex[DIGEST_HEX], struct error *err);

/* SHA-256 of pieces of memory, as if each followed the one before. */
struct digest_part {
    const void *bytes;
    size_t count;
};
int digest_parts(const struct digest_part *parts, size_t count, char hex[DIGEST_HEX],
                 struct error *err);

/* A file's size and both digests, from one read of it. */
struct digests {
    uint64_t bytes;
    char sha256[DIGEST_HEX];
    char md5[DIGEST_MD5_HEX]; /* empty where libcrypto refuses MD5 (FIPS) */
};
int digests_file(const char *path, struct digests *out, struct error *err);

#endif
