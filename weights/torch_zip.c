/* PyTorch's zip archives. Members are stored, not compressed, so that they can be mapped; their
 * sizes stand in the directory at the end, since local headers hold zeros; where their data begins
 * depends on the length of the local header, which is padded for alignment.
 * Source: PKWARE APPNOTE 6.3 sections 4.3 and 4.5.3; caffe2/serialize/inline_container.cc. */
#include "torch_container.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    MOST_MEMBERS = 1 << 17,
    MOST_STEM = 512,
    MOST_KEY = 128,
    END = 22, /* sizes of the records */
    END64 = 56,
    LOCATOR64 = 20,
    CENTRAL = 46,
    LOCAL = 30,
};

struct zip_member {
    struct region name;
    uint64_t header, packed, size;
    uint32_t method, flags;
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

/* Any of PyTorch's members may come first, depending on its version. */
bool torch_zip_recognises(const unsigned char *start, size_t count)
{
    static const char *const names[] = {"/data.pkl",       "/constants.pkl", "/version",
                                        "/byteorder",      "/data/",         "/code/",
                                        "/.format_version"};
    if (count < LOCAL || !has_signature(start, "PK\3\4"))
        return false;
    size_t length = (size_t)number(start + 26, 2);
    length = length < count - LOCAL ? length : count - LOCAL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (memmem(start + LOCAL, length, names[i], strlen(names[i])))
            return true;
    return false;
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
    *m = (struct zip_member){.flags = (uint32_t)number(r + 8, 2),
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

static int read_directory(struct torch_zip *zip, struct error *err)
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

/* ---- members ---- */

/* STEM + name, or NULL. */
static const struct zip_member *find_member(const struct torch_zip *zip, const char *name)
{
    char whole[MOST_STEM + MOST_KEY + 16];
    snprintf(whole, sizeof whole, "%.*s%s", (int)zip->stem.count, (const char *)zip->stem.bytes,
             name);
    const struct zip_member wanted = {.name = {(const unsigned char *)whole, strlen(whole)}};
    return bsearch(&wanted, zip->members, zip->count, sizeof wanted, member_order);
}

static int member_data(const struct torch_zip *zip, const char *name, struct region *data,
                       struct error *err)
{
    const struct zip_member *m = find_member(zip, name);
    struct region header, local_name;
    if (!m)
        return fail(err, E_INPUT, "its zip member '%s' is missing", name);
    if (m->method != 0 || m->packed != m->size || m->flags & 1)
        return fail(err, E_INPUT,
                    "its zip member '%s' is compressed or encrypted, which PyTorch "
                    "does not do: zip the files again with 'zip -0'",
                    name);
    if (!region_part(zip->file, m->header, LOCAL, &header) ||
        !has_signature(header.bytes, "PK\3\4"))
        return fail(err, E_INPUT, "its zip member '%s' is not where the directory says", name);
    const uint64_t name_length = number(header.bytes + 26, 2), extra = number(header.bytes + 28, 2);
    if (!region_part(zip->file, m->header + LOCAL, name_length, &local_name) ||
        region_order(local_name, m->name) != 0)
        return fail(err, E_INPUT, "its zip member '%s' has another name in front of its data",
                    name);
    if (!region_part(zip->file, m->header + LOCAL + name_length + extra, m->size, data))
        return fail(err, E_INPUT, "its zip member '%s' reaches beyond the end of the file", name);
    return 0;
}

static bool ends_with(struct region text, const char *end)
{
    size_t length = strlen(end);
    return text.count >= length && memcmp(text.bytes + text.count - length, end, length) == 0;
}

static int find_stem(struct torch_zip *zip, struct error *err)
{
    static const char object[] = "data.pkl";
    for (size_t i = 0; i < zip->count; i++) {
        const struct region name = zip->members[i].name;
        if (!ends_with(name, "/data.pkl"))
            continue;
        if (zip->stem.bytes)
            return fail(err, E_INPUT, "it holds more than one 'data.pkl'");
        zip->stem = (struct region){name.bytes, name.count - strlen(object)};
    }
    if (!zip->stem.bytes)
        return fail(err, E_INPUT, "it is a zip archive without a 'data.pkl', not a PyTorch file");
    if (zip->stem.count > MOST_STEM || memchr(zip->stem.bytes, '\0', zip->stem.count))
        return fail(err, E_INPUT, "the names of its zip members are too long or hold zeros");
    return 0;
}

static bool is_script(const struct torch_zip *zip)
{
    for (size_t i = 0; i < zip->count; i++)
        if (ends_with(zip->members[i].name, "/constants.pkl"))
            return true;
    return false;
}

static int read_byte_order(struct torch_zip *zip, struct error *err)
{
    struct region order;
    if (!find_member(zip, "byteorder"))
        return 0;
    int status = member_data(zip, "byteorder", &order, err);
    if (status)
        return status;
    zip->big_endian = order.count == 3 && memcmp(order.bytes, "big", 3) == 0;
    if (!zip->big_endian && (order.count != 6 || memcmp(order.bytes, "little", 6) != 0))
        return fail(err, E_INPUT, "its byte order is neither little nor big");
    return 0;
}

int torch_zip_open(struct region file, struct torch_zip *out, struct region *object,
                   struct error *err)
{
    struct torch_zip zip = {.file = file};
    int status;
    TRY(read_directory(&zip, err));
    if (is_script(&zip)) {
        status = fail(err, E_INPUT,
                      "it is a TorchScript archive (torch.jit.save), a program: save the "
                      "model's state_dict() with torch.save instead");
        goto done;
    }
    TRY(find_stem(&zip, err));
    TRY(read_byte_order(&zip, err));
    TRY(member_data(&zip, "data.pkl", object, err));
    *out = zip;
    zip = (struct torch_zip){0};
done:
    torch_zip_release(&zip);
    return status;
}

void torch_zip_release(struct torch_zip *zip)
{
    if (!zip)
        return;
    free(zip->members);
    *zip = (struct torch_zip){0};
}

int torch_zip_locate(const struct torch_zip *zip, struct torch_storage *s, struct error *err)
{
    char name[MOST_KEY + 16];
    if (s->key.count > MOST_KEY || memchr(s->key.bytes, '\0', s->key.count))
        return fail(err, E_INPUT, "the key of its storage is too long or holds zeros");
    snprintf(name, sizeof name, "data/%.*s", (int)s->key.count, (const char *)s->key.bytes);
    int status = member_data(zip, name, &s->data, err);
    uint64_t bytes;
    if (!status &&
        (__builtin_mul_overflow(s->count, s->type->bytes, &bytes) || bytes != s->data.count))
        status = fail(err, E_INPUT,
                      "its %" PRIu64 " numbers need %zu bytes each, but '%s' has %zu bytes in all",
                      s->count, s->type->bytes, name, s->data.count);
    return status;
}
