/* ONNX: protobuf, a ModelProto whose graph has nodes, and initializers that
 * hold the values.
 *
 *   ModelProto    ir_version = 1, graph = 7           GraphProto   node = 1,
 * initializer = 5 NodeProto     input = 1, op_type = 4              TensorProto
 * dims = 1, data_type = 2, float_data = 4, name = 8, raw_data = 9
 * (little-endian), double_data = 10, data_location = 14
 *
 * Exporters name tensors as they like (features.0.weight, vgg0_conv0_weight,
 * conv1_1_w_0), but the nodes stand in the order of computation: the k-th Conv
 * is VGG-19's k-th, its second input the kernel (out, in, 3, 3) and its third
 * the bias, which may also be added behind it. Either is an initializer or a
 * Constant node, perhaps through a Cast or the like. Names only let one guess
 * the convention: a file that was made from Caffe's weights keeps the name
 * conv1_1.
 *
 * Values may be in a file beside the model (external_data: location, offset,
 * length), which PyTorch does since 2.9. Only plain names in the model's folder
 * are followed, and no links. Source: onnx/onnx onnx/onnx.proto. */
#include "file_map.h"
#include "mapped.h"
#include "named.h"
#include "params.h"
#include "weights.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MODEL_IR_VERSION = 1, MODEL_GRAPH = 7, GRAPH_NODE = 1, GRAPH_INITIALIZER = 5 };
enum { TENSOR_DIMS = 1, TENSOR_DATA_TYPE = 2, TENSOR_SEGMENT = 3, TENSOR_FLOATS = 4 };
enum { TENSOR_INTS = 5, TENSOR_NAME = 8, TENSOR_RAW = 9, TENSOR_DOUBLES = 10 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_TYPE = 4, NODE_ATTRIBUTE = 5 };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_TENSOR = 5, ENTRY_KEY = 1, ENTRY_VALUE = 2 };
enum { TENSOR_EXTERNAL = 13, TENSOR_LOCATION = 14 };
enum { DATA_FLOAT = 1, DATA_FLOAT16 = 10, DATA_DOUBLE = 11, DATA_BFLOAT16 = 16 };

/* A Conv node's kernel and bias: their names, and the TensorProto of that name,
 * found in a round of looking through the graph (1, 2, ...; 0: not yet). */
struct onnx_conv {
    struct region name[NAMED_PARTS], tensor[NAMED_PARTS], output;
    int found[NAMED_PARTS];
    bool added; /* the bias is, behind the node */
};

struct onnx_graph {
    struct onnx_conv convs[VGG19_CONVS];
    int count, round;
    bool changed; /* a name led to another in this round */
    int folder;   /* of the model; below 0: unknown */
};
enum { MOST_ROUNDS = 6 };

static int in_layer(int conv, struct error *err)
{
    return fail_context(err, "layer conv%d_%d: ", vgg19_convs[conv].block, vgg19_convs[conv].index);
}

/* ---- recognition ---- */

/* Fields of a ModelProto. */
static bool belongs_to_model(const struct wire_field *field)
{
    static const enum wire_type types[] = {
        [1] = WIRE_VARINT, [2] = WIRE_BYTES,  [3] = WIRE_BYTES,  [4] = WIRE_BYTES,
        [5] = WIRE_VARINT, [6] = WIRE_BYTES,  [7] = WIRE_BYTES,  [8] = WIRE_BYTES,
        [14] = WIRE_BYTES, [20] = WIRE_BYTES, [25] = WIRE_BYTES,
    };
    return field->number < sizeof types / sizeof *types && types[field->number] == field->type &&
           (field->type == WIRE_BYTES || field->number == 1 || field->number == 5);
}

/* First the version, as all exporters write it, then fields of a model, the
 * graph among them. */
static bool recognises(const unsigned char *start, size_t count)
{
    struct region rest = {start, count};
    if (count < 4 || start[0] != (MODEL_IR_VERSION << 3 | WIRE_VARINT) || start[1] < 1 ||
        start[1] > 64)
        return false;
    for (;;) {
        struct wire_field field;
        bool more, cut = wire_next(&rest, &field, &more, NULL) != 0;
        if (!more || !belongs_to_model(&field))
            return false;
        if (wire_is(&field, MODEL_GRAPH, WIRE_BYTES))
            return field.bytes.count > 0 &&
                   (field.bytes.bytes[0] == (GRAPH_NODE << 3 | WIRE_BYTES) || !cut);
        if (cut)
            return false;
    }
}

/* ---- the graph ---- */

struct onnx_node {
    struct region type, input[3], output, value; /* value: of a Constant */
    size_t inputs;
};

struct onnx_attribute {
    struct region name, tensor;
};

static int add_to_attribute(void *context, const struct wire_field *field, struct error *err)
{
    struct onnx_attribute *attribute = context;
    (void)err;
    if (wire_is(field, ATTRIBUTE_NAME, WIRE_BYTES))
        attribute->name = field->bytes;
    else if (wire_is(field, ATTRIBUTE_TENSOR, WIRE_BYTES))
        attribute->tensor = field->bytes;
    return 0;
}

static int add_to_node(void *context, const struct wire_field *field, struct error *err)
{
    struct onnx_node *node = context;
    struct onnx_attribute attribute = {0};
    if (wire_is(field, NODE_TYPE, WIRE_BYTES))
        node->type = field->bytes;
    else if (wire_is(field, NODE_OUTPUT, WIRE_BYTES) && !node->output.count)
        node->output = field->bytes;
    else if (wire_is(field, NODE_INPUT, WIRE_BYTES)) {
        if (node->inputs < 3)
            node->input[node->inputs] = field->bytes;
        node->inputs++;
    } else if (wire_is(field, NODE_ATTRIBUTE, WIRE_BYTES)) {
        int status = wire_each(field->bytes, add_to_attribute, &attribute, err);
        if (status)
            return status;
        if (region_is(attribute.name, "value"))
            node->value = attribute.tensor;
    }
    return 0;
}

static int add_node(void *context, const struct wire_field *field, struct error *err)
{
    struct onnx_graph *graph = context;
    struct onnx_node node = {0};
    if (!wire_is(field, GRAPH_NODE, WIRE_BYTES))
        return 0;
    int status = wire_each(field->bytes, add_to_node, &node, err);
    if (status)
        return status;
    if (region_is(node.type, "BatchNormalization"))
        return fail(err, E_INPUT,
                    "it has batch normalisation after layer %d, but plain VGG-19 is needed",
                    graph->count);
    if (!region_is(node.type, "Conv"))
        return 0;
    if (graph->count == VGG19_CONVS)
        return fail(err, E_INPUT, "it has more than the %d convolutions of VGG-19", VGG19_CONVS);
    if (node.inputs < 2 || node.inputs > 3 || node.input[1].count == 0) {
        fail(err, E_INPUT, "expected a kernel and a bias");
        return in_layer(graph->count, err);
    }
    struct onnx_conv *conv = &graph->convs[graph->count++];
    *conv = (struct onnx_conv){.name = {node.input[1], node.input[2]}, .output = node.output};
    return 0;
}

/* y = Conv(x, kernel); z = Add(y, bias), or Add(bias, y). */
static int add_bias(void *context, const struct wire_field *field, struct error *err)
{
    struct onnx_graph *graph = context;
    struct onnx_node node = {0};
    if (!wire_is(field, GRAPH_NODE, WIRE_BYTES))
        return 0;
    int status = wire_each(field->bytes, add_to_node, &node, err);
    if (status || node.inputs != 2 || !region_is(node.type, "Add"))
        return status;
    for (int i = 0; i < graph->count; i++)
        for (int side = 0; side < 2; side++) {
            struct onnx_conv *conv = &graph->convs[i];
            if (conv->name[NAMED_BIAS].count || !conv->output.count ||
                !region_equal(node.input[side], conv->output))
                continue;
            conv->name[NAMED_BIAS] = node.input[1 - side];
            conv->added = true;
        }
    return 0;
}

/* A node that hands its first input's values on; other shapes do not matter to
 * a bias. */
static bool passes_on(struct region type, int part)
{
    static const char *const same[] = {"Identity", "Cast"};
    static const char *const reshaped[] = {"Reshape", "Unsqueeze", "Squeeze", "Flatten"};
    for (size_t i = 0; i < sizeof same / sizeof *same; i++)
        if (region_is(type, same[i]))
            return true;
    for (size_t i = 0; part == NAMED_BIAS && i < sizeof reshaped / sizeof *reshaped; i++)
        if (region_is(type, reshaped[i]))
            return true;
    return false;
}

/* What nodes make of what is not an initializer. */
static int follow_node(void *context, const struct wire_field *field, struct error *err)
{
    struct onnx_graph *graph = context;
    struct onnx_node node = {0};
    if (!wire_is(field, GRAPH_NODE, WIRE_BYTES))
        return 0;
    int status = wire_each(field->bytes, add_to_node, &node, err);
    if (status || !node.output.count)
        return status;
    for (int i = 0; i < graph->count; i++)
        for (int part = 0; part < NAMED_PARTS; part++) {
            struct onnx_conv *conv = &graph->convs[i];
            if (conv->found[part] || !region_equal(node.output, conv->name[part]))
                continue;
            if (region_is(node.type, "Constant") && node.value.count) {
                conv->tensor[part] = node.value;
                conv->found[part] = graph->round;
            } else if (passes_on(node.type, part) && node.inputs > 0) {
                conv->name[part] = node.input[0];
                graph->changed = true;
            }
        }
    return 0;
}

static int take_name(void *context, const struct wire_field *field, struct error *err)
{
    (void)err;
    if (wire_is(field, TENSOR_NAME, WIRE_BYTES))
        *(struct region *)context = field->bytes;
    return 0;
}

static int add_initializer(void *context, const struct wire_field *field, struct error *err)
{
    struct onnx_graph *graph = context;
    struct region name = {0};
    if (!wire_is(field, GRAPH_INITIALIZER, WIRE_BYTES))
        return 0;
    int status = wire_each(field->bytes, take_name, &name, err);
    for (int i = 0; i < graph->count && !status; i++)
        for (int part = 0; part < NAMED_PARTS; part++) {
            struct onnx_conv *conv = &graph->convs[i];
            if (!conv->name[part].count || !region_equal(name, conv->name[part]) ||
                (conv->found[part] && conv->found[part] < graph->round))
                continue;
            if (conv->found[part]) {
                fail(err, E_INPUT, "there are two initializers for its %s", named_parts[part]);
                return in_layer(i, err);
            }
            conv->found[part] = graph->round;
            conv->tensor[part] = field->bytes;
        }
    return status;
}

static int add_graph(void *context, const struct wire_field *field, struct error *err)
{
    struct onnx_graph *graph = context;
    if (!wire_is(field, MODEL_GRAPH, WIRE_BYTES))
        return 0;
    if (graph->count > 0)
        return fail(err, E_INPUT, "it has more than one graph");
    int status;
    TRY(wire_each(field->bytes, add_node, graph, err));
    TRY(wire_each(field->bytes, add_bias, graph, err));
    graph->changed = true;
    for (graph->round = 1; graph->changed && graph->round <= MOST_ROUNDS; graph->round++) {
        graph->changed = false;
        TRY(wire_each(field->bytes, add_initializer, graph, err));
        TRY(wire_each(field->bytes, follow_node, graph, err));
    }
done:
    return status;
}

/* ---- tensors ---- */

struct onnx_tensor {
    struct tensor tensor;
    size_t rank;
    uint64_t data_type;
    struct region raw;
    bool has_raw, external;
    struct region location, from, length; /* of external values; from, length: digits */
};

struct onnx_entry {
    struct region key, value;
};

static int add_to_entry(void *context, const struct wire_field *field, struct error *err)
{
    struct onnx_entry *entry = context;
    (void)err;
    if (wire_is(field, ENTRY_KEY, WIRE_BYTES))
        entry->key = field->bytes;
    else if (wire_is(field, ENTRY_VALUE, WIRE_BYTES))
        entry->value = field->bytes;
    return 0;
}

static int add_external(struct onnx_tensor *t, struct region message, struct error *err)
{
    struct onnx_entry entry = {0};
    int status = wire_each(message, add_to_entry, &entry, err);
    if (region_is(entry.key, "location"))
        t->location = entry.value;
    else if (region_is(entry.key, "offset"))
        t->from = entry.value;
    else if (region_is(entry.key, "length"))
        t->length = entry.value;
    return status;
}

static int add_to_tensor(void *context, const struct wire_field *field, struct error *err)
{
    struct onnx_tensor *t = context;
    t->external |= field->number == TENSOR_EXTERNAL ||
                   (wire_is(field, TENSOR_LOCATION, WIRE_VARINT) && field->value != 0);
    if (wire_is(field, TENSOR_EXTERNAL, WIRE_BYTES))
        return add_external(t, field->bytes, err);
    if (field->number == TENSOR_DIMS)
        return wire_integers(field, t->tensor.shape, TENSOR_RANKS, &t->rank, err);
    if (field->number == TENSOR_SEGMENT)
        return fail(err, E_INPUT, "it is stored in segments, which are not read");
    if (wire_is(field, TENSOR_DATA_TYPE, WIRE_VARINT))
        t->data_type = field->value;
    else if (wire_is(field, TENSOR_RAW, WIRE_BYTES)) {
        if (t->has_raw)
            return fail(err, E_INPUT, "it has raw_data twice");
        t->has_raw = true;
        t->raw = field->bytes;
    }
    return 0;
}

static int parse_tensor(struct region message, struct onnx_tensor *t, struct error *err)
{
    *t = (struct onnx_tensor){0};
    int status = wire_each(message, add_to_tensor, t, err);
    t->tensor.rank = (int)t->rank;
    tensor_row_major(&t->tensor);
    return status;
}

/* Which number a tensor holds, and in which field if not raw; 0: only raw. */
static int set_type(struct onnx_tensor *t, uint32_t *field, struct error *err)
{
    static const struct {
        uint64_t data_type;
        enum tensor_type type;
        uint32_t field;
    } types[] = {
        {DATA_FLOAT, TENSOR_F32, TENSOR_FLOATS},
        {DATA_DOUBLE, TENSOR_F64, TENSOR_DOUBLES},
        {DATA_FLOAT16, TENSOR_F16, 0},
        {DATA_BFLOAT16, TENSOR_BF16, 0},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].data_type == t->data_type) {
            t->tensor.type = types[i].type;
            *field = types[i].field;
            return 0;
        }
    return fail(err, E_INPUT,
                "its data_type %" PRIu64 " is none of FLOAT, DOUBLE, FLOAT16, BFLOAT16",
                t->data_type);
}

/* A whole number in digits; no text at all leaves it as it is. */
static bool whole_number(struct region text, uint64_t *number)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.count; i++)
        if (text.bytes[i] < '0' || text.bytes[i] > '9' ||
            __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.bytes[i] - '0'), &value))
            return false;
    if (text.count)
        *number = value;
    return true;
}

static bool is_plain(struct region name)
{
    return name.count > 0 && name.count < 256 && !memchr(name.bytes, '/', name.count) &&
           !memchr(name.bytes, '\\', name.count) && !memchr(name.bytes, '\0', name.count) &&
           !region_is(name, ".") && !region_is(name, "..");
}

static int read_all(int file, unsigned char *bytes, size_t count, uint64_t from, struct error *err)
{
    struct stat info;
    if (fstat(file, &info) != 0)
        return fail_errno(err, "cannot read it");
    if (!S_ISREG(info.st_mode))
        return fail(err, E_INPUT, "it is not a regular file");
    if (from > (uint64_t)info.st_size || count > (uint64_t)info.st_size - from)
        return fail(err, E_INPUT,
                    "bytes %" PRIu64 " to %" PRIu64 " are needed, but it has only %lld", from,
                    from + count, (long long)info.st_size);
    for (size_t have = 0; have < count;) {
        ssize_t got = pread(file, bytes + have, count - have, (off_t)(from + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got ? fail_errno(err, "cannot read it")
                       : fail(err, E_INPUT, "it got shorter while it was read");
        have += (size_t)got;
    }
    return 0;
}

/* `count` bytes at `from` of the file of that name beside the model, into
 * memory of their own. */
static int read_beside(int folder, const char *name, size_t count, uint64_t from, void **copy,
                       struct error *err)
{
    int file = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (file < 0)
        return errno == ENOENT ? fail(err, E_INPUT, "it is not beside the model: it belongs there")
               : errno == ELOOP
                   ? fail(err, E_INPUT, "it is a link, which is refused: copy the file")
                   : fail_errno(err, "cannot open it");
    *copy = malloc(count);
    int status =
        *copy ? read_all(file, *copy, count, from, err) : fail_errno(err, "not enough memory");
    close(file);
    return status;
}

static int read_external(int folder, struct onnx_tensor *t, uint64_t expected, void **copy,
                         struct error *err)
{
    char name[256], text[NAMED_TEXT];
    const uint64_t bytes = expected * tensor_type_bytes(t->tensor.type);
    uint64_t from = 0, length = bytes;
    named_text((const char *)t->location.bytes, t->location.count, text);
    if (!is_plain(t->location))
        return fail(err, E_INPUT,
                    "its values (external data) are in a file that is not beside "
                    "the model, which "
                    "is refused: '%s'",
                    text);
    if (!whole_number(t->from, &from) || !whole_number(t->length, &length) || length != bytes ||
        from > INT64_MAX - bytes)
        return fail(err, E_INPUT,
                    "its external data in '%s' should be %" PRIu64 " bytes, and is said to be "
                    "%" PRIu64 " from byte %" PRIu64 " on",
                    text, bytes, length, from);
    if (folder < 0)
        return fail(err, E_INPUT, "its values are in the file '%s' (external data)", text);
    memcpy(name, t->location.bytes, t->location.count);
    name[t->location.count] = '\0';
    int status = read_beside(folder, name, (size_t)bytes, from, copy, err);
    if (status)
        fail_context(err, "its values are in the file '%s': ", text);
    t->tensor.data = (struct region){*copy, (size_t)bytes};
    return status;
}

/* Where the `expected` values stand. */
static int find_values(int folder, struct region message, struct onnx_tensor *t, uint64_t expected,
                       void **copy, struct error *err)
{
    uint32_t field = 0;
    int status;
    TRY(set_type(t, &field, err));
    if (t->external)
        return read_external(folder, t, expected, copy, err);
    if (t->has_raw) {
        size_t width = tensor_type_bytes(t->tensor.type);
        if (t->raw.count % width != 0 || t->raw.count / width != expected)
            return fail(err, E_INPUT, "expected %" PRIu64 " bytes of raw_data, got %zu",
                        expected * width, t->raw.count);
        t->tensor.data = t->raw;
    } else if (field)
        return wire_values(message, field, tensor_type_bytes(t->tensor.type), expected,
                           &t->tensor.data, copy, err);
    else
        return fail(err, E_INPUT, "half-precision values are only read from raw_data");
done:
    return status;
}

static int find_tensor(void *context, int conv, enum named_part part, uint64_t expected,
                       struct tensor *tensor, void **copy, struct error *err)
{
    const struct onnx_graph *graph = context;
    struct region message = graph->convs[conv].tensor[part];
    struct onnx_tensor t;
    int status = parse_tensor(message, &t, err);
    if (!status)
        status = find_values(graph->folder, message, &t, expected, copy, err);
    if (graph->convs[conv].added && part == NAMED_BIAS) /* (out, 1, 1) */
        while (t.tensor.rank > 1 && t.tensor.shape[t.tensor.rank - 1] == 1)
            t.tensor.rank--;
    *tensor = t.tensor;
    return status;
}

static int missing_part(const struct onnx_conv *conv, enum named_part part, struct error *err)
{
    char name[NAMED_TEXT];
    if (!conv->name[part].count)
        return fail(err, E_INPUT, "expected a kernel and a bias, got no bias");
    named_text((const char *)conv->name[part].bytes, conv->name[part].count, name);
    return fail(err, E_INPUT, "there is no initializer for its %s, '%s'", named_parts[part], name);
}

/* The network is known by its kernels' shapes: all of them, needed or not. */
static int check_graph(const struct onnx_graph *graph, int convs, struct error *err)
{
    for (int i = 0; i < graph->count; i++) {
        const struct vgg19_conv *c = &vgg19_convs[i];
        struct onnx_tensor t;
        int status = 0;
        for (int part = 0; part < NAMED_PARTS && !status; part++)
            if (!graph->convs[i].found[part])
                status = missing_part(&graph->convs[i], (enum named_part)part, err);
        if (!status)
            status = parse_tensor(graph->convs[i].tensor[NAMED_KERNEL], &t, err);
        if (!status && (t.tensor.rank != 4 || t.tensor.shape[0] != (uint64_t)c->out ||
                        t.tensor.shape[1] != (uint64_t)c->in || t.tensor.shape[2] != 3 ||
                        t.tensor.shape[3] != 3))
            status = fail(err, E_INPUT,
                          "expected a kernel of shape (%d, %d, 3, 3), got (%" PRIu64 ", %" PRIu64
                          ", %" PRIu64 ", %" PRIu64 ")%s",
                          c->out, c->in, t.tensor.shape[0], t.tensor.shape[1], t.tensor.shape[2],
                          t.tensor.shape[3],
                          i == 7 && t.tensor.shape[0] == 512
                              ? ": it looks like VGG-16, but VGG-19 is needed"
                              : "");
        if (status)
            return in_layer(i, err);
    }
    if (graph->count < convs)
        return fail(err, E_INPUT, "layer conv%d_%d is missing: there are only %d convolutions",
                    vgg19_convs[graph->count].block, vgg19_convs[graph->count].index, graph->count);
    return 0;
}

/* "conv1_1_w_0", "conv1_1.weight" are Caffe's layers. */
static int convention_of(const struct onnx_graph *graph)
{
    struct region name = graph->convs[0].name[NAMED_KERNEL];
    bool caffe = name.count >= 7 && memcmp(name.bytes, "conv1_1", 7) == 0;
    return caffe ? CONVENTION_CAFFE : CONVENTION_AUTO;
}

static int read_in(int folder, struct region file, struct vgg19_weights *weights, int *convention,
                   struct error *err)
{
    struct onnx_graph graph = {.folder = folder};
    int status;
    TRY(wire_each(file, add_graph, &graph, err));
    TRY(check_graph(&graph, weights->convs, err));
    TRY(wire_read_convs(find_tensor, &graph, weights, err));
    *convention = convention_of(&graph);
done:
    return status;
}

int onnx_read(struct region file, struct vgg19_weights *weights, int *convention, struct error *err)
{
    return read_in(-1, file, weights, convention, err);
}

static int read_onnx(const char *path, struct vgg19_weights *weights, int *convention,
                     struct error *err)
{
    struct region file = {0};
    int folder = -1, status, lost;
    TRY(file_folder(path, &folder, err));
    TRY(file_map(AT_FDCWD, path, &file, err));
    status = read_in(folder, file, weights, convention, err);
    lost = file_map_whole(err);
    status = lost ? lost : status;
done:
    file_unmap(&file);
    if (folder >= 0)
        close(folder);
    return status;
}

const struct weight_reader weight_reader_onnx = {
    .format = "ONNX",
    .guesses = "the layers' names",
    .recognises = recognises,
    .read = read_onnx,
};
