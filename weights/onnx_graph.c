/* Exporters name tensors as they like (features.0.weight, vgg0_conv0_weight, conv1_1_w_0), but
 * nodes stand in the order of computation. A Conv node's second input is its kernel (out, in, 3, 3)
 * and its third the bias, which may also be added behind it. Either is an initializer or a Constant
 * node, perhaps through a Cast or the like. */
#include "onnx_graph.h"

#include <stdlib.h>

enum { MODEL_GRAPH = 7, GRAPH_NODE = 1, GRAPH_INITIALIZER = 5, TENSOR_NAME = 8 };
enum { NODE_INPUT = 1, NODE_OUTPUT = 2, NODE_TYPE = 4, NODE_ATTRIBUTE = 5 };
enum { ATTRIBUTE_NAME = 1, ATTRIBUTE_TENSOR = 5 };
enum { MOST_CONVS = 1 << 12, MOST_ENTRIES = 1 << 20, MOST_HOPS = 256, MOST_HAND_OVERS = 6 };

struct onnx_node {
    struct region type, input[3], output, value; /* value: of a Constant */
    size_t inputs;
    int conv; /* or -1 */
};

struct onnx_initializer {
    struct region name, tensor;
};

/* Both sorted by name once all are there. */
struct tables {
    struct onnx_node *nodes;
    struct onnx_initializer *initializers;
    size_t node_count, node_room, initializer_count, initializer_room;
    struct onnx_graph *graph;
    int conv_room;
};

/* Makes room for one more in a growing array. */
static int grow(void **array, size_t count, size_t *room, size_t bytes, struct error *err)
{
    if (count < *room)
        return 0;
    if (count == MOST_ENTRIES)
        return fail(err, E_INPUT, "its graph has more than %d nodes or initializers", MOST_ENTRIES);
    size_t wanted = *room ? 2 * *room : 64;
    void *grown = reallocarray(*array, wanted, bytes);
    if (!grown)
        return fail_errno(err, "not enough memory for a graph of %zu nodes", wanted);
    *array = grown;
    *room = wanted;
    return 0;
}

/* ---- reading ---- */

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

static int take_name(void *context, const struct wire_field *field, struct error *err)
{
    (void)err;
    if (wire_is(field, TENSOR_NAME, WIRE_BYTES))
        *(struct region *)context = field->bytes;
    return 0;
}

static int add_conv(struct tables *t, struct onnx_node *node, struct error *err)
{
    struct onnx_graph *graph = t->graph;
    if (graph->count == MOST_CONVS)
        return fail(err, E_INPUT, "it has more than %d convolutions", MOST_CONVS);
    if (graph->count == t->conv_room) {
        int room = t->conv_room ? 2 * t->conv_room : 32;
        struct onnx_conv *convs = reallocarray(graph->convs, (size_t)room, sizeof *convs);
        if (!convs)
            return fail_errno(err, "not enough memory for %d convolutions", room);
        graph->convs = convs;
        t->conv_room = room;
    }
    node->conv = graph->count;
    graph->convs[graph->count++] = (struct onnx_conv){
        .name = {node->input[1], node->input[2]},
        .input = node->input[0],
        .output = node->output,
        .odd = node->inputs < 2 || node->inputs > 3 || node->input[1].count == 0,
        .from = -1,
    };
    return 0;
}

static int read_node(struct tables *t, struct region message, struct error *err)
{
    struct onnx_node node = {.conv = -1};
    int status;
    TRY(wire_each(message, add_to_node, &node, err));
    if (region_is(node.type, "BatchNormalization") && t->graph->normalised_after < 0)
        t->graph->normalised_after = t->graph->count;
    if (region_is(node.type, "Conv"))
        TRY(add_conv(t, &node, err));
    TRY(grow((void **)&t->nodes, t->node_count, &t->node_room, sizeof node, err));
    t->nodes[t->node_count++] = node;
done:
    return status;
}

static int read_initializer(struct tables *t, struct region message, struct error *err)
{
    struct onnx_initializer initializer = {.tensor = message};
    int status;
    TRY(wire_each(message, take_name, &initializer.name, err));
    TRY(grow((void **)&t->initializers, t->initializer_count, &t->initializer_room,
             sizeof initializer, err));
    t->initializers[t->initializer_count++] = initializer;
done:
    return status;
}

static int read_field(void *context, const struct wire_field *field, struct error *err)
{
    if (wire_is(field, GRAPH_NODE, WIRE_BYTES))
        return read_node(context, field->bytes, err);
    if (wire_is(field, GRAPH_INITIALIZER, WIRE_BYTES))
        return read_initializer(context, field->bytes, err);
    return 0;
}

/* ---- names ---- */

static int node_order(const void *a, const void *b)
{
    const struct onnx_node *left = a, *right = b;
    return region_order(left->output, right->output);
}

static int initializer_order(const void *a, const void *b)
{
    const struct onnx_initializer *left = a, *right = b;
    return region_order(left->name, right->name);
}

/* The node that makes what has this name. */
static const struct onnx_node *find_node(const struct tables *t, struct region name)
{
    const struct onnx_node wanted = {.output = name};
    return name.count && t->node_count
               ? bsearch(&wanted, t->nodes, t->node_count, sizeof wanted, node_order)
               : NULL;
}

static const struct onnx_initializer *find_initializer(const struct tables *t, struct region name,
                                                       bool *twice)
{
    const struct onnx_initializer wanted = {.name = name};
    const struct onnx_initializer *all = t->initializers, *end = all + t->initializer_count;
    const struct onnx_initializer *found =
        name.count && t->initializer_count
            ? bsearch(&wanted, all, t->initializer_count, sizeof wanted, initializer_order)
            : NULL;
    if (found)
        *twice = (found > all && region_equal(found[-1].name, name)) ||
                 (found + 1 < end && region_equal(found[1].name, name));
    return found;
}

/* ---- what belongs to a convolution ---- */

/* y = Conv(x, kernel); z = Add(y, bias), or Add(bias, y). */
static void find_added_biases(const struct tables *t)
{
    for (size_t i = 0; i < t->node_count; i++) {
        const struct onnx_node *add = &t->nodes[i];
        if (add->inputs != 2 || !region_is(add->type, "Add"))
            continue;
        for (int side = 0; side < 2; side++) {
            const struct onnx_node *node = find_node(t, add->input[side]);
            struct onnx_conv *conv = node && node->conv >= 0 ? &t->graph->convs[node->conv] : NULL;
            if (!conv || conv->name[NAMED_BIAS].count)
                continue;
            conv->name[NAMED_BIAS] = add->input[1 - side];
            conv->added = true;
        }
    }
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

/* An initializer, or what nodes make of one, or of nothing. */
static void find_tensor(const struct tables *t, struct onnx_conv *conv, int part)
{
    for (int hop = 0; hop < MOST_HAND_OVERS; hop++) {
        const struct onnx_initializer *initializer =
            find_initializer(t, conv->name[part], &conv->twice[part]);
        const struct onnx_node *node = initializer ? NULL : find_node(t, conv->name[part]);
        if (initializer)
            conv->tensor[part] = initializer->tensor;
        else if (node && region_is(node->type, "Constant"))
            conv->tensor[part] = node->value;
        else if (node && node->inputs > 0 && passes_on(node->type, part)) {
            conv->name[part] = node->input[0];
            continue;
        }
        return;
    }
}

/* The input of a node that other nodes have made, not constants. */
static struct region made_input(const struct tables *t, const struct onnx_node *node)
{
    for (size_t i = 0; i < node->inputs && i < 3; i++) {
        const struct onnx_node *maker = find_node(t, node->input[i]);
        if (maker && !region_is(maker->type, "Constant"))
            return node->input[i];
    }
    return (struct region){0};
}

/* The convolution that a value comes from, over whatever stands between. */
static int find_source(const struct tables *t, struct region name)
{
    for (int hop = 0; hop < MOST_HOPS; hop++) {
        const struct onnx_node *node = find_node(t, name);
        if (!node || region_is(node->type, "BatchNormalization"))
            return -1;
        if (node->conv >= 0)
            return node->conv;
        name = made_input(t, node);
    }
    return -1;
}

static void connect_convs(const struct tables *t)
{
    struct onnx_graph *graph = t->graph;
    find_added_biases(t);
    for (int i = 0; i < graph->count; i++) {
        for (int part = 0; part < NAMED_PARTS; part++)
            find_tensor(t, &graph->convs[i], part);
        int from = find_source(t, graph->convs[i].input);
        graph->convs[i].from = from < i ? from : -1;
    }
}

/* ---- a model ---- */

struct search {
    struct region graph;
    int count;
};

static int find_graph(void *context, const struct wire_field *field, struct error *err)
{
    struct search *search = context;
    if (!wire_is(field, MODEL_GRAPH, WIRE_BYTES))
        return 0;
    search->graph = field->bytes;
    return ++search->count > 1 ? fail(err, E_INPUT, "it has more than one graph") : 0;
}

int onnx_graph_read(struct region model, struct onnx_graph *out, struct error *err)
{
    struct onnx_graph graph = {.normalised_after = -1};
    struct tables t = {.graph = &graph};
    struct search search = {0};
    int status;
    TRY(wire_each(model, find_graph, &search, err));
    TRY(wire_each(search.graph, read_field, &t, err));
    if (t.nodes)
        qsort(t.nodes, t.node_count, sizeof *t.nodes, node_order);
    if (t.initializers)
        qsort(t.initializers, t.initializer_count, sizeof *t.initializers, initializer_order);
    connect_convs(&t);
    *out = graph;
    graph = (struct onnx_graph){0};
done:
    onnx_graph_release(&graph);
    free(t.nodes);
    free(t.initializers);
    return status;
}

void onnx_graph_release(struct onnx_graph *graph)
{
    free(graph->convs);
    *graph = (struct onnx_graph){0};
}
