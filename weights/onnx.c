/* ONNX: protobuf, a ModelProto whose graph has nodes, and initializers that hold the values.
 *
 *   ModelProto    ir_version = 1, graph = 7           GraphProto   node = 1, initializer = 5
 *   NodeProto     input = 1, op_type = 4              TensorProto  dims = 1, data_type = 2,
 *     float_data = 4, name = 8, raw_data = 9 (little-endian), double_data = 10, data_location = 14
 *
 * Exporters name tensors as they like (features.0.weight, vgg0_conv0_weight, conv1_1_w_0), but the
 * nodes stand in the order of computation: the k-th Conv is VGG-19's k-th, its second input the
 * kernel (out, in, 3, 3) and its third the bias. Names only tell the convention: a file that was
 * made from Caffe's weights keeps the name conv1_1; nothing tells for the others.
 * Source: onnx/onnx onnx/onnx.proto. */
#include "mapped.h"
#include "named.h"
#include "params.h"
#include "weights.h"
#include "wire.h"

#include <inttypes.h>
#include <string.h>

enum { MODEL_IR_VERSION = 1, MODEL_GRAPH = 7, GRAPH_NODE = 1, GRAPH_INITIALIZER = 5 };
enum { TENSOR_DIMS = 1, TENSOR_DATA_TYPE = 2, TENSOR_SEGMENT = 3, TENSOR_FLOATS = 4 };
enum { TENSOR_INTS = 5, TENSOR_NAME = 8, TENSOR_RAW = 9, TENSOR_DOUBLES = 10 };
enum { TENSOR_EXTERNAL = 13, TENSOR_LOCATION = 14 };
enum { DATA_FLOAT = 1, DATA_FLOAT16 = 10, DATA_DOUBLE = 11, DATA_BFLOAT16 = 16 };

/* A Conv node's kernel and bias: their names, and the TensorProto of that name. */
struct onnx_conv {
    struct region name[NAMED_PARTS], tensor[NAMED_PARTS];
    bool found[NAMED_PARTS];
};

struct onnx_graph {
    struct onnx_conv convs[VGG19_CONVS];
    int count;
};

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

/* First the version, as all exporters write it, then fields of a model, the graph among them. */
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
    struct region type, input[3];
    size_t inputs;
};

static int add_to_node(void *context, const struct wire_field *field, struct error *err)
{
    struct onnx_node *node = context;
    (void)err;
    if (wire_is(field, 4, WIRE_BYTES))
        node->type = field->bytes;
    else if (wire_is(field, 1, WIRE_BYTES)) {
        if (node->inputs < 3)
            node->input[node->inputs] = field->bytes;
        node->inputs++;
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
    if (node.inputs != 3 || node.input[1].count == 0 || node.input[2].count == 0) {
        fail(err, E_INPUT, "expected a kernel and a bias");
        return in_layer(graph->count, err);
    }
    struct onnx_conv *conv = &graph->convs[graph->count++];
    *conv = (struct onnx_conv){.name = {node.input[1], node.input[2]}};
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
            if (!region_equal(name, conv->name[part]))
                continue;
            if (conv->found[part]) {
                fail(err, E_INPUT, "there are two initializers for its %s", named_parts[part]);
                return in_layer(i, err);
            }
            conv->found[part] = true;
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
    int status = wire_each(field->bytes, add_node, graph, err);
    return status ? status : wire_each(field->bytes, add_initializer, graph, err);
}

/* ---- tensors ---- */

struct onnx_tensor {
    struct tensor tensor;
    size_t rank;
    uint64_t data_type;
    struct region raw;
    bool has_raw, external;
};

static int add_to_tensor(void *context, const struct wire_field *field, struct error *err)
{
    struct onnx_tensor *t = context;
    t->external |= field->number == TENSOR_EXTERNAL ||
                   (wire_is(field, TENSOR_LOCATION, WIRE_VARINT) && field->value != 0);
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

/* Where the `expected` values stand. */
static int find_values(struct region message, struct onnx_tensor *t, uint64_t expected, void **copy,
                       struct error *err)
{
    uint32_t field = 0;
    int status;
    if (t->external)
        return fail(err, E_INPUT,
                    "its values are in another file (external data), which is not read: save the "
                    "model as one file");
    TRY(set_type(t, &field, err));
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
        status = find_values(message, &t, expected, copy, err);
    *tensor = t.tensor;
    return status;
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
                status =
                    fail(err, E_INPUT, "there is no initializer for its %s", named_parts[part]);
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

int onnx_read(struct region file, struct vgg19_weights *weights, int *convention, struct error *err)
{
    struct onnx_graph graph = {0};
    int status;
    TRY(wire_each(file, add_graph, &graph, err));
    TRY(check_graph(&graph, weights->convs, err));
    TRY(wire_read_convs(find_tensor, &graph, weights, err));
    *convention = convention_of(&graph);
done:
    return status;
}

static int read_onnx(const char *path, struct vgg19_weights *weights, int *convention,
                     struct error *err)
{
    return mapped_read(path, onnx_read, weights, convention, err);
}

const struct weight_reader weight_reader_onnx = {
    .format = "ONNX",
    .guesses = "the layers' names",
    .recognises = recognises,
    .read = read_onnx,
};
