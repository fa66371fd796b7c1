/* State dicts that torch.save wrote: a dict from names of tensors (named.h) to tensors, which point
 * into storages. Nothing is called: tensors are recognised by the function that would make them.
 * Source: torch/serialization.py, torch/_utils.py. */
#include "mapped.h"
#include "named.h"
#include "torch_container.h"
#include "weights.h"

#include <stdlib.h>

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
    TYPE("torch BoolStorage", 1, false, 0)
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

static int list_storages(struct torch_file *f, struct error *err)
{
    size_t count = 0;
    for (size_t i = 0; i < f->pickle.node_count; i++)
        count += f->pickle.nodes[i].kind == PICKLE_PERSISTENT;
    f->storages = calloc(count + 1, sizeof *f->storages);
    if (!f->storages)
        return fail_errno(err, "not enough memory");
    for (size_t i = 0; i < f->pickle.node_count; i++) {
        if (f->pickle.nodes[i].kind != PICKLE_PERSISTENT)
            continue;
        int status = parse_storage(f, &f->pickle.nodes[i], &f->storages[f->storage_count++], err);
        if (status)
            return status;
    }
    return merge_storages(f, err);
}

static void close_file(struct torch_file *f)
{
    pickle_release(&f->pickle);
    torch_zip_release(&f->zip);
    free(f->storages);
}

static int open_file(struct region file, struct torch_file *f, struct error *err)
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
    return node->kind == PICKLE_CALL && node_at(f, node->call.function)->global == function;
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

/* ---- the state dict ---- */

static bool holds_tensors(const struct torch_file *f, const struct pickle_node *dict)
{
    uint32_t cell = dict->kind == PICKLE_DICT ? dict->items.first : 0;
    while (cell) {
        const struct pickle_cell *value = &f->pickle.cells[f->pickle.cells[cell].next];
        if (is_tensor(f, node_at(f, value->value)))
            return true;
        cell = value->next;
    }
    return false;
}

static int key_order(const void *a, const void *b)
{
    const struct region *left = a, *right = b;
    return region_order(*left, *right);
}

static int check_unique(const struct torch_file *f, const struct pickle_node *dict,
                        struct error *err)
{
    const size_t most = dict->items.count / 2;
    struct region *keys = calloc(most + 1, sizeof *keys);
    size_t count = 0;
    int status = 0;
    if (!keys)
        return fail_errno(err, "not enough memory");
    for (uint32_t cell = dict->items.first; cell;) {
        const struct pickle_cell *key = &f->pickle.cells[cell];
        if (node_at(f, key->value)->kind == PICKLE_TEXT)
            keys[count++] = node_at(f, key->value)->text;
        cell = f->pickle.cells[key->next].next;
    }
    qsort(keys, count, sizeof *keys, key_order);
    for (size_t i = 1; i < count && !status; i++)
        if (region_order(keys[i - 1], keys[i]) == 0)
            status = fail(err, E_INPUT, "its state dict has two tensors of the same name");
    free(keys);
    return status;
}

/* Checkpoints keep the state dict among other things. */
static int find_dict(const struct torch_file *f, const struct pickle_node **out, struct error *err)
{
    static const char *const nests[] = {"state_dict", "model_state_dict", "model"};
    const struct pickle_node *dict = node_at(f, f->pickle.root);
    for (int i = 0; i < MOST_NESTED && !holds_tensors(f, dict); i++) {
        const struct pickle_node *inner = NULL;
        for (size_t n = 0; n < sizeof nests / sizeof *nests && !inner; n++) {
            int status = pickle_find(&f->pickle, dict, nests[n], &inner, err);
            if (status)
                return status;
        }
        if (!inner)
            break;
        dict = inner;
    }
    if (!holds_tensors(f, dict))
        return fail(err, E_INPUT,
                    "it holds no state dict (tensors by name, as from "
                    "model.state_dict()), not below 'state_dict', "
                    "'model_state_dict' or 'model' either");
    *out = dict;
    return check_unique(f, dict, err);
}

/* AdaIN's network would be taken for another by its names alone. */
static int refuse_normalised(const struct torch_file *f, const struct pickle_node *dict,
                             struct error *err)
{
    const struct pickle_node *first = NULL;
    struct tensor tensor = {0};
    struct torch_storage *storage;
    if (pickle_find(&f->pickle, dict, "0.weight", &first, NULL) || !first ||
        parse_tensor(f, first, &tensor, &storage, NULL))
        return 0;
    if (tensor.rank == 4 && tensor.shape[0] == 3 && tensor.shape[2] == 1 && tensor.shape[3] == 1)
        return fail(err, E_INPUT,
                    "it looks like AdaIN's normalised VGG-19, which begins with a 1x1 convolution "
                    "and reflects at borders, but plain VGG-19 is needed");
    return 0;
}

static int refuse_unnamed(const struct torch_file *f, const struct pickle_node *dict,
                          struct error *err)
{
    const struct pickle_node *key = node_at(f, f->pickle.cells[dict->items.first].value);
    char name[NAMED_TEXT] = "";
    if (key->kind == PICKLE_TEXT)
        named_text((const char *)key->text.bytes, key->text.count, name);
    return fail(err, E_INPUT,
                "layer conv1_1 is missing: there is neither 'features.0.weight' nor "
                "'conv1_1.weight'; its first name is '%s'",
                name);
}

/* Notes the nodes of VGG-19's tensors. */
static int name_tensors(const struct torch_file *f, const struct pickle_node *dict,
                        struct named_tensors *named, struct error *err)
{
    for (uint32_t cell = dict->items.first; cell;) {
        const struct pickle_cell *key = &f->pickle.cells[cell],
                                 *value = &f->pickle.cells[key->next];
        const struct pickle_node *name = node_at(f, key->value);
        int status = name->kind != PICKLE_TEXT ? 0
                                               : named_add(named, (const char *)name->text.bytes,
                                                           name->text.count, value->value, err);
        if (status)
            return status;
        cell = value->next;
    }
    if (!named->by_number && !named->by_layer && !named->strangers)
        return refuse_unnamed(f, dict, err);
    return 0;
}

static int open_part(const struct torch_file *f, const struct named_tensors *named, int conv,
                     enum named_part part, struct tensor *out, struct error *err)
{
    int status = open_tensor(f, node_at(f, (uint32_t)named->tensor[conv][part]), out, err);
    if (status) {
        char name[LAYER_NAME];
        layer_name((struct layer){.conv = conv, .kind = LAYER_CONV}, name);
        fail_context(err, "layer %s: %s: ", name, part == NAMED_KERNEL ? "kernel" : "bias");
    }
    return status;
}

static int read_conv(const struct torch_file *f, const struct named_tensors *named, int conv,
                     struct vgg19_weights *weights, struct error *err)
{
    struct tensor tensor = {0};
    int status;
    TRY(open_part(f, named, conv, NAMED_KERNEL, &tensor, err));
    TRY(tensor_read_kernel(&tensor, KERNEL_OIHW, conv, weights->kernel[conv], err));
    TRY(open_part(f, named, conv, NAMED_BIAS, &tensor, err));
    TRY(tensor_read_bias(&tensor, conv, weights->bias[conv], err));
done:
    return status;
}

int torch_read(struct region file, struct vgg19_weights *weights, int *convention,
               struct error *err)
{
    struct torch_file f = {0};
    struct named_tensors named = {0};
    const struct pickle_node *dict = NULL;
    int status;
    TRY(open_file(file, &f, err));
    TRY(find_dict(&f, &dict, err));
    TRY(refuse_normalised(&f, dict, err));
    TRY(name_tensors(&f, dict, &named, err));
    TRY(named_check(&named, weights->convs, convention, err));
    for (int conv = 0; conv < weights->convs; conv++)
        TRY(read_conv(&f, &named, conv, weights, err));
done:
    close_file(&f);
    return status;
}

static bool recognises(const unsigned char *start, size_t count)
{
    return torch_zip_recognises(start, count) || torch_legacy_recognises(start, count);
}

static int read_path(const char *path, struct vgg19_weights *weights, int *convention,
                     struct error *err)
{
    return mapped_read(path, torch_read, weights, convention, err);
}

const struct weight_reader weight_reader_torch = {
    .format = "PyTorch",
    .guesses = "the layers' names",
    .recognises = recognises,
    .read = read_path,
};
