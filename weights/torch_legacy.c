/* PyTorch's files before 1.6, and torch.save(_use_new_zipfile_serialization=False): the pickles
 *
 *   0x1950a86a20f9469cfc6c, 1001, {little_endian: ...}, the object, [key, key, ...]
 *
 * and for each key in that order the number of its numbers (int64) and these, both little-endian
 * whatever the machine that wrote them. Nothing is aligned.
 * Source: torch/serialization.py, _legacy_save; torch/csrc/serialization.cpp. */
#include "torch_container.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static const unsigned char magic[] = {0x6c, 0xfc, 0x9c, 0x46, 0xf9, 0x20, 0x6a, 0xa8, 0x50, 0x19};
enum { VERSION = 1001, MAGIC_WITHIN = 32 };

bool torch_legacy_recognises(const unsigned char *start, size_t count)
{
    return count > 0 && start[0] == 0x80 &&
           memmem(start, count < MAGIC_WITHIN ? count : MAGIC_WITHIN, magic, sizeof magic);
}

int torch_storage_order(const void *a, const void *b)
{
    const struct torch_storage *left = a, *right = b;
    return region_order(left->key, right->key);
}

static struct region after(struct region bytes, size_t count)
{
    return (struct region){bytes.bytes + count, bytes.count - count};
}

/* A pickle in front of the object, which names nothing. */
static int read_front(struct region *rest, bool (*good)(const struct pickle_node *root),
                      const char *what, struct error *err)
{
    struct pickle pickle;
    int status = pickle_read(*rest, (struct pickle_globals){0}, &pickle, err);
    if (status) {
        fail_context(err, "%s: ", what);
        return status;
    }
    if (!good(&pickle.nodes[pickle.root]))
        status = fail(err, E_INPUT, "its %s is not PyTorch's", what);
    *rest = after(*rest, pickle.bytes);
    pickle_release(&pickle);
    return status;
}

static bool is_magic(const struct pickle_node *root)
{
    return root->kind == PICKLE_LONG &&
           region_order(root->text, (struct region){magic, sizeof magic}) == 0;
}

static bool is_version(const struct pickle_node *root)
{
    return root->kind == PICKLE_INT && root->integer == VERSION;
}

static bool is_system(const struct pickle_node *root) { return root->kind == PICKLE_DICT; }

int torch_legacy_open(struct region file, struct region *object, struct error *err)
{
    struct region rest = file;
    int status;
    TRY(read_front(&rest, is_magic, "magic number", err));
    TRY(read_front(&rest, is_version, "version", err));
    TRY(read_front(&rest, is_system, "system description", err));
    *object = rest;
done:
    return status;
}

static int locate(struct region *rest, struct torch_storage *s, struct error *err)
{
    uint64_t count = 0, bytes;
    struct region head;
    if (!region_part(*rest, 0, 8, &head))
        return fail(err, E_INPUT, "the file is truncated: it ends before its storages do");
    for (int i = 7; i >= 0; i--)
        count = count << 8 | head.bytes[i];
    if (count != s->count)
        return fail(err, E_INPUT, "a storage has %" PRIu64 " numbers, but its tensors say %" PRIu64,
                    count, s->count);
    if (__builtin_mul_overflow(count, s->type->bytes, &bytes) ||
        !region_part(*rest, 8, bytes, &s->data))
        return fail(err, E_INPUT, "the file is truncated: it ends before its storages do");
    *rest = after(*rest, 8 + s->data.count);
    return 0;
}

static int walk(struct region rest, const struct pickle *keys, struct torch_storage *storages,
                size_t count, struct error *err)
{
    const struct pickle_node *root = &keys->nodes[keys->root];
    if (root->kind != PICKLE_LIST)
        return fail(err, E_INPUT, "its list of storages is no list");
    for (uint32_t cell = root->items.first; cell; cell = keys->cells[cell].next) {
        const struct pickle_node *key = &keys->nodes[keys->cells[cell].value];
        const struct torch_storage wanted = {.key = key->text};
        if (key->kind != PICKLE_TEXT)
            return fail(err, E_INPUT, "its list of storages holds what is no key");
        struct torch_storage *s =
            bsearch(&wanted, storages, count, sizeof *storages, torch_storage_order);
        if (!s || s->data.bytes)
            return fail(err, E_INPUT, "its list of storages %s",
                        s ? "names one twice" : "names one that no tensor uses");
        int status = locate(&rest, s, err);
        if (status)
            return status;
    }
    return 0;
}

int torch_legacy_locate(struct region behind, struct torch_storage *storages, size_t count,
                        struct error *err)
{
    struct pickle keys;
    int status = pickle_read(behind, (struct pickle_globals){0}, &keys, err);
    if (status) {
        fail_context(err, "list of storages: ");
        return status;
    }
    status = walk(after(behind, keys.bytes), &keys, storages, count, err);
    pickle_release(&keys);
    return status;
}
