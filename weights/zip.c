/* Sizes stand in the directory at the end, since local headers may hold zeros; where a member's
 * data begins depends on the length of its local header, which may be padded. */
#include "zip.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_MEMBERS = 1 << 17,
    END = 22, /* sizes of the records */
    END64 = 56,
    LOCATOR64 = 20,
    CENTRAL = 46,
    LOCAL = 30,
};

static uint64_t number(const unsigned char *at, int bytes)
{
    uint64_t value = 0;
    for (int i = bytes - 1; i >= 0; i--)
        value = value << 8 | at[i];
    return value;
}

static bool has_signature(const unsigned char *at, const char *signature)
{
    return memcmp(at, signature, 4) == 0;
}

static int damaged(struct error *err) { return fail(err, E_INPUT, "its zip directory is damaged"); }

bool zip_begins(const unsigned char *start, size_t count)
{
    return count >= 4 && has_signature(start, "PK\3\4");
}

/* ---- the directory ---- */

struct directory {
    uint64_t start, size, count;
};

/* The last record of the file, behind which only its comment stands. */
static const unsigned char *find_end(struct region file)
{
    if (file.count < END)
        return NULL;
    const unsigned char *last = file.bytes + file.count - END;
    for (size_t comment = 0; comment <= 0xffff && comment <= file.count - END; comment++)
        if (has_signature(last - comment, "PK\5\6") && number(last - comment + 20, 2) == comment)
            return last - comment;
    return NULL;
}

/* Numbers that do not fit the last record are in a larger one, which a locator in front of it
 * points to. */
static int widen(struct region file, size_t end, struct directory *d, struct error *err)
{
    struct region record;
    const unsigned char *locator = file.bytes + end - LOCATOR64;
    if (end < LOCATOR64 || !has_signature(locator, "PK\6\7") ||
        !region_part(file, number(locator + 8, 8), END64, &record) ||
        !has_signature(record.bytes, "PK\6\6"))
        return damaged(err);
    d->count = number(record.bytes + 32, 8);
    d->size = number(record.bytes + 40, 8);
    d->start = number(record.bytes + 48, 8);
    return 0;
}

static int find_directory(struct region file, struct directory *d, struct error *err)
{
    const unsigned char *end = find_end(file);
    if (!end)
        return fail(err, E_INPUT, "the file is truncated: it has no zip directory at its end");
    *d = (struct directory){
        .count = number(end + 10, 2), .size = number(end + 12, 4), .start = number(end + 16, 4)};
    if (d->count == 0xffff || d->size == 0xffffffff || d->start == 0xffffffff) {
        int status = widen(file, (size_t)(end - file.bytes), d, err);
        if (status)
            return status;
    }
    struct region all;
    if (!region_part(file, d->start, d->size, &all) || d->count > d->size / CENTRAL)
        return damaged(err);
    if (d->count > MOST_MEMBERS)
        return fail(err, E_INPUT, "it has %" PRIu64 " members, more than %d", d->count,
                    MOST_MEMBERS);
    return 0;
}

/* The extra field of 64-bit numbers holds those that were all ones, in this order. */
static bool widen_member(struct region extra, struct zip_member *m)
{
    uint64_t *const wide[] = {&m->size, &m->packed, &m->header};
    bool needed = false;
    for (int i = 0; i < 3; i++)
        needed |= *wide[i] == 0xffffffff;
    size_t at = 0;
    while (needed && extra.count - at >= 4) {
        uint64_t id = number(extra.bytes + at, 2), size = number(extra.bytes + at + 2, 2);
        struct region field;
        if (!region_part(extra, at + 4, size, &field))
            return false;
        at += 4 + (size_t)size;
        if (id != 1)
            continue;
        for (int i = 0, from = 0; i < 3; i++)
            if (*wide[i] == 0xffffffff) {
                if (field.count < (size_t)from + 8)
                    return false;
                *wide[i] = number(field.bytes + from, 8);
                from += 8;
            }
        return true;
    }
    return !needed;
}

static int read_member(struct region all, size_t *at, struct zip_member *m, struct error *err)
{
    struct region record, extra;
    if (!region_part(all, *at, CENTRAL, &record) || !has_signature(record.bytes, "PK\1\2"))
        return damaged(err);
    const unsigned char *r = record.bytes;
    *m = (struct zip_member){.encrypted = number(r + 8, 2) & 1,
                             .method = (uint32_t)number(r + 10, 2),
                             .packed = number(r + 20, 4),
                             .size = number(r + 24, 4),
                             .header = number(r + 42, 4)};
    size_t name = (size_t)number(r + 28, 2), more = (size_t)number(r + 30, 2);
    if (!region_part(all, *at + CENTRAL, name, &m->name) ||
        !region_part(all, *at + CENTRAL + name, more, &extra) || !widen_member(extra, m))
        return damaged(err);
    *at += CENTRAL + name + more + (size_t)number(r + 32, 2);
    return 0;
}

static int member_order(const void *a, const void *b)
{
    const struct zip_member *left = a, *right = b;
    return region_order(left->name, right->name);
}

static int read_directory(struct zip *zip, struct error *err)
{
    struct directory d = {0};
    struct region all;
    int status = find_directory(zip->file, &d, err);
    if (status)
        return status;
    region_part(zip->file, d.start, d.size, &all);
    zip->members = calloc((size_t)d.count + 1, sizeof *zip->members);
    if (!zip->members)
        return fail_errno(err, "not enough memory");
    for (size_t at = 0; zip->count < d.count; zip->count++) {
        status = read_member(all, &at, &zip->members[zip->count], err);
        if (status)
            return status;
    }
    qsort(zip->members, zip->count, sizeof *zip->members, member_order);
    for (size_t i = 1; i < zip->count; i++)
        if (member_order(&zip->members[i - 1], &zip->members[i]) == 0)
            return fail(err, E_INPUT, "two of its zip members have the same name");
    return 0;
}

int zip_open(struct region file, struct zip *out, struct error *err)
{
    struct zip zip = {.file = file};
    int status = read_directory(&zip, err);
    if (status) {
        zip_release(&zip);
        return status;
    }
    *out = zip;
    return 0;
}

void zip_release(struct zip *zip)
{
    free(zip->members);
    *zip = (struct zip){0};
}

/* ---- members ---- */

const struct zip_member *zip_find(const struct zip *zip, const char *name)
{
    const struct zip_member wanted = {.name = {(const unsigned char *)name, strlen(name)}};
    return bsearch(&wanted, zip->members, zip->count, sizeof wanted, member_order);
}

int zip_packed(const struct zip *zip, const struct zip_member *m, const char *name,
               struct region *data, struct error *err)
{
    struct region header, local_name;
    if (!region_part(zip->file, m->header, LOCAL, &header) ||
        !has_signature(header.bytes, "PK\3\4"))
        return fail(err, E_INPUT, "its zip member '%s' is not where the directory says", name);
    const uint64_t name_length = number(header.bytes + 26, 2), extra = number(header.bytes + 28, 2);
    if (!region_part(zip->file, m->header + LOCAL, name_length, &local_name) ||
        region_order(local_name, m->name) != 0)
        return fail(err, E_INPUT, "its zip member '%s' has another name in front of its data",
                    name);
    if (!region_part(zip->file, m->header + LOCAL + name_length + extra, m->packed, data))
        return fail(err, E_INPUT, "its zip member '%s' reaches beyond the end of the file", name);
    return 0;
}
