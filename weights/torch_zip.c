/* PyTorch's zip archives. Members are stored, not compressed, so that they can be mapped.
 * Source: caffe2/serialize/inline_container.cc. */
#include "torch_container.h"

#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { MOST_STEM = 512, MOST_KEY = 128, LOCAL = 30 /* bytes of a member's header */ };

/* Any of PyTorch's members may come first, depending on its version. */
bool torch_zip_recognises(const unsigned char *start, size_t count)
{
    static const char *const names[] = {"/data.pkl",       "/constants.pkl", "/version",
                                        "/byteorder",      "/data/",         "/code/",
                                        "/.format_version"};
    if (count < LOCAL || !zip_begins(start, count))
        return false;
    size_t length = start[26] | (size_t)start[27] << 8;
    length = length < count - LOCAL ? length : count - LOCAL;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        if (memmem(start + LOCAL, length, names[i], strlen(names[i])))
            return true;
    return false;
}

/* ---- members ---- */

/* STEM + name, or NULL. */
static const struct zip_member *find_member(const struct torch_zip *zip, const char *name)
{
    char whole[MOST_STEM + MOST_KEY + 16];
    snprintf(whole, sizeof whole, "%.*s%s", (int)zip->stem.count, (const char *)zip->stem.bytes,
             name);
    return zip_find(&zip->archive, whole);
}

static int member_data(const struct torch_zip *zip, const char *name, struct region *data,
                       struct error *err)
{
    const struct zip_member *m = find_member(zip, name);
    if (!m)
        return fail(err, E_INPUT, "its zip member '%s' is missing", name);
    if (m->method != ZIP_STORED || m->packed != m->size || m->encrypted)
        return fail(err, E_INPUT,
                    "its zip member '%s' is compressed or encrypted, which PyTorch "
                    "does not do: zip the files again with 'zip -0'",
                    name);
    return zip_packed(&zip->archive, m, name, data, err);
}

static bool ends_with(struct region text, const char *end)
{
    size_t length = strlen(end);
    return text.count >= length && memcmp(text.bytes + text.count - length, end, length) == 0;
}

static int find_stem(struct torch_zip *zip, struct error *err)
{
    static const char object[] = "data.pkl";
    for (size_t i = 0; i < zip->archive.count; i++) {
        const struct region name = zip->archive.members[i].name;
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
    for (size_t i = 0; i < zip->archive.count; i++)
        if (ends_with(zip->archive.members[i].name, "/constants.pkl"))
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
    struct torch_zip zip = {0};
    int status;
    TRY(zip_open(file, &zip.archive, err));
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
    zip_release(&zip->archive);
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
