/* Zip archives in memory: the directory at the end, which is checked as a whole, and the bytes of
 * members as they stand there. Nothing is copied.
 * Errors: E_INPUT; E_ENVIRONMENT without memory. Source: PKWARE APPNOTE 6.3 sections 4.3, 4.5.3. */
#ifndef ATELIER_ZIP_H
#define ATELIER_ZIP_H

#include "error.h"
#include "tensor.h"

enum zip_method { ZIP_STORED = 0, ZIP_DEFLATED = 8 };

struct zip_member {
    struct region name;
    uint64_t header, packed, size;
    uint32_t method;
    bool encrypted;
};

/* No two members have the same name. */
struct zip {
    struct region file;
    struct zip_member *members; /* sorted by name */
    size_t count;
};

/* Owned: zip_release, which takes a {0}. */
int zip_open(struct region file, struct zip *zip, struct error *err);
void zip_release(struct zip *zip);

/* NULL where there is none. */
const struct zip_member *zip_find(const struct zip *zip, const char *name);

/* The bytes of a member, packed as they are. Errors are about "its zip member 'NAME'". */
int zip_packed(const struct zip *zip, const struct zip_member *member, const char *name,
               struct region *data, struct error *err);

/* Whether a file begins as an archive does. */
bool zip_begins(const unsigned char *start, size_t count);

#endif
