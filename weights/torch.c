/* What torch.save wrote: a dict from names of tensors (named.h) to tensors, which point into
 * storages, or a checkpoint or module with such dicts somewhere inside. Nothing is called: tensors
 * are recognised by the function that would make them, and other objects are no more than what they
 * hold.
 * Source: torch/serialization.py, torch/_utils.py. */
#include "mapped.h"
#include "named.h"
#include "shards.h"
#include "tensor_file.h"
#include "torch_container.h"
#include "weights.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_NESTED = 4 };

/* ---- what a pickle may name ---- */

#define TYPES(TYPE)                                                                                \
    TYPE("torch FloatStorage", 4, true, TENSOR_F32)                                                \
    TYPE("torch HalfStorage", 2, true, TENSOR_F16)                                                 \
    TYPE("torch BFloat16Storage", 2, true, TENSOR_BF16)                                            \
    TYPE("torch DoubleStorage", 8, true, TENSOR_F64)                                               \
    TYPE("torch LongStorage", 8, false, 0)                                                         \
    TYPE("torch IntStorage", 4, false, 0)                                                          \
    TYPE("torch ShortStorage", 2, false, 0)                                                        \
    TYPE("torch CharStorage", 1, false, 0)                                                         \
    TYPE("torch ByteStorage", 1, false, 0)                                                         \
    TYPE("torch BoolStorage", 1, false, 0)                                                         \
    TYPE("torch ComplexFloatStorage", 8, false, 0)                                                 \
    TYPE("torch ComplexDoubleStorage", 16, false, 0)                                               \
    TYPE("torch QUInt8Storage", 1, false, 0)                                                       \
    TYPE("torch QInt8Storage", 1, false, 0)                                                        \
    TYPE("torch QInt32Storage", 4, false, 0)                                                       \
    TYPE("torch.storage UntypedStorage", 1, false, 0)
#define WHOLE(...)                         {__VA_ARGS__},
#define NAME_OF(name, bytes, real, tensor) name,

static const struct torch_type types[] = {TYPES(WHOLE)};

enum {
    ORDERED_DICT,
    REBUILD_TENSOR,
    REBUILD_TENSOR_V2,
    REBUILD_PARAMETER,
    PARAMETER,
    SIZE,
    DEVICE,
    FIRST_TYPE,
};
static const char *const names[] = {[ORDERED_DICT] = "collections OrderedDict",
                                    [REBUILD_TENSOR] = "torch._utils _rebuild_tensor",
                                    [REBUILD_TENSOR_V2] = "torch._utils _rebuild_tensor_v2",
                                    [REBUILD_PARAMETER] = "torch._utils _rebuild_parameter",
                                    [PARAMETER] = "torch.nn.parameter Parameter",
                                    [SIZE] = "torch Size",
                                    [DEVICE] = "torch device",
                                    [FIRST_TYPE] = TYPES(NAME_OF)};
static const struct pickle_globals allowed = {names, sizeof names / sizeof *names};

/* ---- the file ---- */

struct torch_file {
    struct pickle pickle;
    struct torch_zip zip; /* nothing in an older file */
    bool zipped;
    struct torch_storage *storages; /* sorted by key */
    size_t storage_count;
    struct named_node *named; /* the tensors with their paths, "state_dict.features.0.weight" */
    size_t named_count, named_room;
};

/* Owned: name. */
struct named_node {
    char *name;
    uint32_t node;
};

static const struct pickle_node *node_at(const struct torch_file *f, uint32_t value)
{
    return &f->pickle.nodes[value];
}

/* ('storage', type, key, device, count[, view]) */
static int parse_storage(const struct torch_file *f, const struct pickle_node *node,
                         struct torch_storage *out, struct error *err)
{
    const struct pickle_node *id = node_at(f, node->call.args), *item[6] = {0};
    for (uint32_t i = 0; i < 6; i++)
        item[i] = pickle_item(&f->pickle, id, i);
    if (!pickle_is(item[0], "storage") || !item[4] || item[1]->kind != PICKLE_GLOBAL ||
        item[1]->global < FIRST_TYPE || item[2]->kind != PICKLE_TEXT ||
        !pickle_count(item[4], &out->count))
        return fail(err, E_INPUT, "one of its storages is not described as PyTorch does");
    if (item[5] && item[5]->kind != PICKLE_NONE)
        return fail(err, E_INPUT, "one of its storages is a view of another, which is refused");
    out->key = item[2]->text;
    out->type = &types[item[1]->global - FIRST_TYPE];
    out->data = (struct region){0};
    return 0;
}

/* Tensors that share a storage must say the same of it. */
static int merge_storages(struct torch_file *f, struct error *err)
{
    size_t kept = 0;
    qsort(f->storages, f->storage_count, sizeof *f->storages, torch_storage_order);
    for (size_t i = 0; i < f->storage_count; i++) {
        const struct torch_storage *s = &f->storages[i];
        if (kept > 0 && torch_storage_order(&f->storages[kept - 1], s) == 0) {
            if (f->storages[kept - 1].type != s->type || f->storages[kept - 1].count != s->count)
                return fail(err, E_INPUT,
                            "two of its tensors contradict each other about the "
                            "storage they share");
            continue;
        }
        f->storages[kept++] = *s;
    }
    f->storage_count = kept;
    return 0;
}

/* Older files keep the source of a module's class beside it, as ('module', class, file, text). */
static bool is_storage(const struct torch_file *f, const struct pickle_node *node)
{
    return node->kind == PICKLE_PERSISTENT &&
           !pickle_is(pickle_item(&f->pickle, node_at(f, node->call.args), 0), "module");
}

static int list_storages(struct torch_file *f, struct error *err)
{
    size_t count = 0;
    for (size_t i = 0; i < f->pickle.node_count; i++)
        count += is_storage(f, &f->pickle.nodes[i]);
    f->storages = calloc(count + 1, sizeof *f->storages);
    if (!f->storages)
        return fail_errno(err, "not enough memory");
    for (size_t i = 0; i < f->pickle.node_count; i++) {
        if (!is_storage(f, &f->pickle.nodes[i]))
            continue;
        int status = parse_storage(f, &f->pickle.nodes[i], &f->storages[f->storage_count++], err);
        if (status)
            return status;
    }
    return merge_storages(f, err);
}

static void release(struct torch_file *f)
{
    pickle_release(&f->pickle);
    torch_zip_release(&f->zip);
    for (size_t i = 0; i < f->named_count; i++)
        free(f->named[i].name);
    free(f->named);
    free(f->storages);
}

static int parse_file(struct region file, struct torch_file *f, struct error *err)
{
    struct region object;
    int status;
    f->zipped = torch_zip_recognises(file.bytes, file.count);
    TRY(f->zipped ? torch_zip_open(file, &f->zip, &object, err)
                  : torch_legacy_open(file, &object, err));
    TRY(pickle_read(object, allowed, &f->pickle, err));
    TRY(list_storages(f, err));
    if (!f->zipped) {
        object.bytes += f->pickle.bytes;
        object.count -= f->pickle.bytes;
        TRY(torch_legacy_locate(object, f->storages, f->storage_count, err));
    }
done:
    return status;
}

/* ---- tensors ---- */

static bool calls(const struct torch_file *f, const struct pickle_node *node, size_t function)
{
    return node->kind == PICKLE_CALL && node_at(f, node->call.function)->kind == PICKLE_GLOBAL &&
           node_at(f, node->call.function)->global == function;
}

/* The tensor of a parameter: its first argument, or the first of its state. */
static const struct pickle_node *unwrap(const struct torch_file *f, const struct pickle_node *node)
{
    for (int i = 0; i < MOST_NESTED; i++) {
        if (!calls(f, node, REBUILD_PARAMETER) && !calls(f, node, PARAMETER))
            break;
        const struct pickle_node *inner = pickle_item(&f->pickle, node_at(f, node->call.args), 0);
        if (!inner && node->call.state)
            inner = pickle_item(&f->pickle, node_at(f, node->call.state), 0);
        if (!inner)
            break;
        node = inner;
    }
    return node;
}

static bool is_tensor(const struct torch_file *f, const struct pickle_node *node)
{
    node = unwrap(f, node);
    return calls(f, node, REBUILD_TENSOR) || calls(f, node, REBUILD_TENSOR_V2);
}

/* A tuple of whole numbers, or torch.Size of one. */
static bool read_sizes(const struct torch_file *f, const struct pickle_node *node, uint64_t *sizes,
                       int *rank)
{
    if (node && calls(f, node, SIZE))
        node = pickle_item(&f->pickle, node_at(f, node->call.args), 0);
    if (!node || node->kind != PICKLE_TUPLE || node->items.count > TENSOR_RANKS)
        return false;
    *rank = (int)node->items.count;
    for (uint32_t i = 0; i < node->items.count; i++)
        if (!pickle_count(pickle_item(&f->pickle, node, i), &sizes[i]))
            return false;
    return true;
}

/* What a tensor's call says, without its data: (storage, offset, size, stride, ...). */
static int parse_tensor(const struct torch_file *f, const struct pickle_node *node,
                        struct tensor *out, struct torch_storage **storage, struct error *err)
{
    if (!is_tensor(f, node))
        return fail(err, E_INPUT, "it is not a tensor");
    const struct pickle_node *args = node_at(f, unwrap(f, node)->call.args), *item[4];
    struct torch_storage wanted;
    int ranks[2];
    for (uint32_t i = 0; i < 4; i++)
        item[i] = pickle_item(&f->pickle, args, i);
    if (!item[0] || item[0]->kind != PICKLE_PERSISTENT || !pickle_count(item[1], &out->offset) ||
        !read_sizes(f, item[2], out->shape, &ranks[0]) ||
        !read_sizes(f, item[3], out->stride, &ranks[1]) || ranks[0] != ranks[1])
        return fail(err, E_INPUT, "its tensor is not described as PyTorch does");
    int status = parse_storage(f, item[0], &wanted, err);
    if (status)
        return status;
    *storage = bsearch(&wanted, f->storages, f->storage_count, sizeof wanted, torch_storage_order);
    out->rank = ranks[0];
    out->big_endian = f->zipped && f->zip.big_endian;
    return 0;
}

static int open_tensor(const struct torch_file *f, const struct pickle_node *node,
                       struct tensor *out, struct error *err)
{
    struct torch_storage *storage = NULL;
    int status = parse_tensor(f, node, out, &storage, err);
    if (status)
        return status;
    if (!storage->type->real)
        return fail(err, E_INPUT, "its type is not floating-point but %s", storage->type->name);
    if (f->zipped && !storage->data.bytes)
        status = torch_zip_locate(&f->zip, storage, err);
    else if (!storage->data.bytes)
        status = fail(err, E_INPUT, "its storage is missing");
    out->type = storage->type->tensor;
    out->data = storage->data;
    return status;
}

/* ---- where they are ---- */

/* Dicts, lists and objects that hold others, from the root on: each is entered once. */
struct place {
    uint32_t node, parent; /* parent: a place; the root is its own */
    struct region key;     /* NULL: */
    int64_t index;         /* or below 0: no name of its own */
    int depth;
};
struct walk {
    struct torch_file *f;
    struct place *places; /* as many as there are nodes */
    uint32_t count;
    bool *entered; /* by node */
};
enum { MOST_DEPTH = 64, MOST_PATH = 1024 };

/* Modules keep what they consist of in dicts of these names. */
static bool is_part_of_path(struct region key)
{
    return key.bytes && !region_is(key, "_modules") && !region_is(key, "_parameters") &&
           !region_is(key, "_buffers");
}

/* Puts what names the place in front of the path, which ends at path[MOST_PATH - 1]. */
static bool put_in_front(const struct place *place, char *path, size_t *at)
{
    char number[24];
    struct region text = place->key;
    if (!text.bytes && place->index >= 0) {
        int length = snprintf(number, sizeof number, "%" PRId64, place->index);
        text = (struct region){(const unsigned char *)number, (size_t)length};
    }
    if (!text.bytes || !text.count || (place->key.bytes && !is_part_of_path(place->key)))
        return true;
    const bool last = *at == MOST_PATH - 1;
    if (text.count + !last > *at)
        return false;
    if (!last)
        path[--*at] = '.';
    *at -= text.count;
    memcpy(path + *at, text.bytes, text.count);
    return true;
}

/* The path of a place. NULL: too long for one of ours, or *status. Caller frees. */
static char *path_of(const struct walk *walk, struct place place, int *status, struct error *err)
{
    char path[MOST_PATH] = "";
    size_t at = MOST_PATH - 1;
    for (;;) {
        if (!put_in_front(&place, path, &at))
            return NULL;
        if (place.depth == 0)
            break;
        place = walk->places[place.parent];
    }
    char *copy = strndup(path + at, MOST_PATH - 1 - at);
    if (!copy)
        *status = fail_errno(err, "not enough memory");
    return copy;
}

static int add_tensor(struct walk *walk, const struct place *place, struct error *err)
{
    struct torch_file *f = walk->f;
    int status = 0;
    char *name = path_of(walk, *place, &status, err);
    if (!name)
        return status;
    if (f->named_count == f->named_room) {
        size_t room = f->named_room ? 2 * f->named_room : 64;
        struct named_node *named = reallocarray(f->named, room, sizeof *named);
        if (!named) {
            free(name);
            return fail_errno(err, "not enough memory");
        }
        f->named = named;
        f->named_room = room;
    }
    f->named[f->named_count++] = (struct named_node){name, place->node};
    return 0;
}

static bool holds_others(const struct pickle_node *node)
{
    return node->kind == PICKLE_DICT || node->kind == PICKLE_LIST || node->kind == PICKLE_TUPLE ||
           node->kind == PICKLE_CALL;
}

static int enter(struct walk *walk, uint32_t from, uint32_t node, struct region key, int64_t index,
                 struct error *err)
{
    const struct place place = {node, from, key, index, walk->places[from].depth + 1};
    if (is_tensor(walk->f, node_at(walk->f, node)))
        return add_tensor(walk, &place, err);
    if (walk->entered[node] || place.depth >= MOST_DEPTH || !holds_others(node_at(walk->f, node)))
        return 0;
    walk->entered[node] = true;
    walk->places[walk->count++] = place;
    return 0;
}

static int enter_dict(struct walk *walk, uint32_t at, const struct pickle_node *dict,
                      struct error *err)
{
    const struct torch_file *f = walk->f;
    int status = 0;
    for (uint32_t cell = dict->items.first; cell && !status;) {
        const struct pickle_cell *key = &f->pickle.cells[cell], *of = &f->pickle.cells[key->next];
        const struct pickle_node *name = node_at(f, key->value);
        if (name->kind == PICKLE_TEXT)
            status = enter(walk, at, of->value, name->text, -1, err);
        else
            status = enter(walk, at, of->value, (struct region){0},
                           name->kind == PICKLE_INT ? name->integer : -1, err);
        cell = of->next;
    }
    return status;
}

static int enter_list(struct walk *walk, uint32_t at, const struct pickle_node *list,
                      struct error *err)
{
    int64_t index = 0;
    int status = 0;
    for (uint32_t cell = list->items.first; cell && !status;
         cell = walk->f->pickle.cells[cell].next)
        status =
            enter(walk, at, walk->f->pickle.cells[cell].value, (struct region){0}, index++, err);
    return status;
}

/* An object: its attributes, what it was filled with, what it was made of. */
static int enter_object(struct walk *walk, uint32_t at, const struct pickle_node *object,
                        struct error *err)
{
    const uint32_t parts[] = {object->call.state, object->call.items, object->call.args};
    int status = 0;
    for (size_t i = 0; i < sizeof parts / sizeof *parts && !status; i++)
        if (parts[i])
            status = enter(walk, at, parts[i], (struct region){0}, -1, err);
    return status;
}

static int walk_all(struct walk *walk, struct error *err)
{
    int status = 0;
    walk->places[walk->count++] = (struct place){.node = walk->f->pickle.root, .index = -1};
    walk->entered[walk->f->pickle.root] = true;
    for (uint32_t at = 0; at < walk->count && !status; at++) {
        const struct pickle_node *node = node_at(walk->f, walk->places[at].node);
        if (node->kind == PICKLE_DICT)
            status = enter_dict(walk, at, node, err);
        else if (node->kind == PICKLE_CALL)
            status = enter_object(walk, at, node, err);
        else if (node->kind == PICKLE_LIST || node->kind == PICKLE_TUPLE)
            status = enter_list(walk, at, node, err);
    }
    return status;
}

static int find_tensors(struct torch_file *f, struct error *err)
{
    struct walk walk = {.f = f,
                        .places = calloc(f->pickle.node_count, sizeof *walk.places),
                        .entered = calloc(f->pickle.node_count, sizeof *walk.entered)};
    int status =
        walk.places && walk.entered ? walk_all(&walk, err) : fail_errno(err, "not enough memory");
    free(walk.places);
    free(walk.entered);
    return status;
}

/* ---- as a file of tensors ---- */

static void close_file(void *file)
{
    if (file)
        release(file);
    free(file);
}

static int open_file(struct region bytes, void **file, struct error *err)
{
    struct torch_file *f = calloc(1, sizeof *f);
    int status = f ? parse_file(bytes, f, err) : fail_errno(err, "not enough memory");
    if (!status)
        status = find_tensors(f, err);
    if (status)
        close_file(f);
    else
        *file = f;
    return status;
}

/* One that is not described well is listed without a shape: it may be one that nobody needs. */
static int list_file(const void *file, struct named_list *list, struct error *err)
{
    const struct torch_file *f = file;
    int status = 0;
    for (size_t i = 0; i < f->named_count && !status; i++) {
        struct named_entry entry = {
            .name = f->named[i].name, .length = strlen(f->named[i].name), .file = file, .id = i};
        struct tensor tensor = {0};
        struct torch_storage *storage;
        if (parse_tensor(f, node_at(f, f->named[i].node), &tensor, &storage, NULL) == 0) {
            entry.rank = tensor.rank;
            memcpy(entry.shape, tensor.shape, sizeof entry.shape);
        }
        status = named_list_add(list, &entry, err);
    }
    return status;
}

static int tensor_of_file(const void *file, size_t id, struct tensor *out, struct error *err)
{
    const struct torch_file *f = file;
    *out = (struct tensor){0};
    return open_tensor(f, node_at(f, f->named[id].node), out, err);
}

/* The first keys of a dict, shortened. */
static void describe_keys(const struct torch_file *f, const struct pickle_node *dict, char *text,
                          size_t size)
{
    enum { SHOWN = 8 };
    size_t used = 0, shown = 0;
    for (uint32_t cell = dict->items.first; cell && shown < SHOWN && used < size; shown++) {
        const struct pickle_cell *key = &f->pickle.cells[cell];
        const struct pickle_node *name = node_at(f, key->value);
        char one[NAMED_TEXT] = "...";
        if (name->kind == PICKLE_TEXT)
            named_text((const char *)name->text.bytes, name->text.count, one);
        used += (size_t)snprintf(text + used, size - used, "%s'%s'", shown ? ", " : "", one);
        cell = f->pickle.cells[key->next].next;
    }
    if (dict->items.count / 2 > SHOWN && used < size)
        snprintf(text + used, size - used, ", ...");
}

static int explain(const void *file, struct error *err)
{
    const struct torch_file *f = file;
    const struct pickle_node *root = node_at(f, f->pickle.root);
    char keys[512] = "";
    if (root->kind == PICKLE_DICT)
        describe_keys(f, root, keys, sizeof keys);
    return fail(err, E_INPUT, "it holds no tensors by name (as model.state_dict() does): %s%s%s",
                root->kind == PICKLE_DICT ? "its keys are " : "it is no dict",
                keys[0]                     ? keys
                : root->kind == PICKLE_DICT ? "none"
                                            : "",
                root->kind == PICKLE_DICT ? "" : "; save the model's state_dict()");
}

static bool recognises(const unsigned char *start, size_t count)
{
    return torch_zip_recognises(start, count) || torch_legacy_recognises(start, count);
}

const struct tensor_format tensor_format_torch = {
    .recognises = recognises,
    .open = open_file,
    .close = close_file,
    .list = list_file,
    .tensor = tensor_of_file,
    .explain = explain,
};

int torch_read(struct region file, struct vgg19_weights *weights, int *convention,
               struct error *err)
{
    return tensor_file_read(&tensor_format_torch, file, weights, convention, err);
}

static int read_path(const char *path, struct vgg19_weights *weights, int *convention,
                     struct error *err)
{
    int status = mapped_read(path, torch_read, weights, convention, err);
    return status == E_INPUT ? shard_hint(path, err) : status;
}

const struct weight_reader weight_reader_torch = {
    .format = "PyTorch",
    .guesses = "the layers' names",
    .recognises = recognises,
    .read = read_path,
};
