/* ONNX: protobuf, a ModelProto whose graph has nodes (onnx_graph.h), and initializers that hold the
 * values (onnx_tensor.h).
 *
 *   ModelProto    ir_version = 1, graph = 7           GraphProto   node = 1, initializer = 5
 *   NodeProto     input = 1, output = 2, op_type = 4, attribute = 5
 *
 * The network is found by the way that values take and by the kernels' shapes (onnx_choice.h),
 * whatever else is in the graph. Names only let one guess the convention: a file that was made from
 * Caffe's weights keeps the name conv1_1. Source: onnx/onnx onnx/onnx.proto. */
#include "file_map.h"
#include "mapped.h"
#include "named.h"
#include "onnx_choice.h"
#include "onnx_tensor.h"
#include "params.h"
#include "weights.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MODEL_IR_VERSION = 1, MODEL_GRAPH = 7, GRAPH_NODE = 1 };

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

/* ---- values ---- */

/* A network in a model of that folder. */
struct onnx_network {
    const struct onnx_graph *graph;
    const struct onnx_chain *chain;
    int folder; /* below 0: unknown */
};

static int find_tensor(void *context, int conv, enum named_part part, uint64_t expected,
                       struct tensor *tensor, void **copy, struct error *err)
{
    const struct onnx_network *network = context;
    const struct onnx_conv *found = &network->graph->convs[network->chain->conv[conv]];
    struct onnx_tensor t;
    int status = onnx_tensor_parse(found->tensor[part], &t, err);
    if (!status)
        status = onnx_tensor_find(network->folder, found->tensor[part], &t, expected, copy, err);
    if (found->added && part == NAMED_BIAS) /* (out, 1, 1) */
        while (t.tensor.rank > 1 && t.tensor.shape[t.tensor.rank - 1] == 1)
            t.tensor.rank--;
    *tensor = t.tensor;
    return status;
}

static bool same_values(const struct vgg19_weights *a, const struct vgg19_weights *b)
{
    for (int i = 0; i < a->convs; i++) {
        size_t out = (size_t)vgg19_convs[i].out, count = 9 * (size_t)vgg19_convs[i].in * out;
        if (memcmp(a->kernel[i], b->kernel[i], count * sizeof(float)) != 0 ||
            memcmp(a->bias[i], b->bias[i], out * sizeof(float)) != 0)
            return false;
    }
    return true;
}

static int fail_ambiguous(const struct onnx_graph *graph, const struct onnx_chain *chains,
                          int count, struct error *err)
{
    struct named_choice choice = {.count = (size_t)count};
    for (int i = 0; i < count && i < NAMED_MOST; i++) {
        struct region name = graph->convs[chains[i].conv[0]].name[NAMED_KERNEL];
        named_text((const char *)name.bytes, name.count, choice.prefix[i]);
    }
    return named_ambiguous(&choice, err);
}

/* Of several networks with the same numbers any is taken. */
static int read_chains(int folder, const struct onnx_graph *graph, const struct onnx_chain *chains,
                       int count, struct vgg19_weights *weights, struct error *err)
{
    int status;
    struct onnx_network network = {graph, chains, folder};
    struct vgg19_weights other = {0};
    TRY(wire_read_convs(find_tensor, &network, weights, err));
    if (count > 1)
        TRY(vgg19_weights_init(&other, weights->convs, err));
    for (int i = 1; i < count; i++) {
        network.chain = &chains[i];
        TRY(wire_read_convs(find_tensor, &network, &other, err));
        if (!same_values(weights, &other)) {
            status = fail_ambiguous(graph, chains, count, err);
            goto done;
        }
    }
done:
    vgg19_weights_release(&other);
    return status;
}

/* "conv1_1_w_0", "conv1_1.weight" are Caffe's layers. */
static int convention_of(const struct onnx_conv *first)
{
    struct region name = first->name[NAMED_KERNEL];
    bool caffe = name.count >= 7 && memcmp(name.bytes, "conv1_1", 7) == 0;
    return caffe ? CONVENTION_CAFFE : CONVENTION_AUTO;
}

static int read_in(int folder, struct region file, struct vgg19_weights *weights, int *convention,
                   struct error *err)
{
    struct onnx_graph graph = {0};
    struct onnx_chain *chains = NULL;
    int count = 0, status;
    TRY(onnx_graph_read(file, &graph, err));
    TRY(onnx_choose(&graph, weights->convs, &chains, &count, &weights->by_shape, err));
    TRY(read_chains(folder, &graph, chains, count, weights, err));
    *convention = convention_of(&graph.convs[chains[0].conv[0]]);
done:
    onnx_graph_release(&graph);
    free(chains);
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
