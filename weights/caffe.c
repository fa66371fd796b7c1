/* Caffe's .caffemodel: protobuf, a NetParameter with a list of layers in either of two forms.
 *
 *   NetParameter       name = 1, layers = 2 (V1LayerParameter), layer = 100 (LayerParameter)
 *   V1LayerParameter   layer = 1 (of the oldest form), name = 4, blobs = 6
 *   LayerParameter     name = 1, type = 2, blobs = 7
 *   BlobProto          num, channels, height, width = 1..4, or shape = 7 { dim = 1 }
 *                      data = 5 (float), double_data = 8
 *
 * A convolution's blobs are its kernel, (out, in, 3, 3), and its bias, often (1, 1, 1, out).
 * Convolutions are found by their names, conv1_1 to conv5_4. Caffe's pictures are BGR.
 * Source: BVLC/caffe src/caffe/proto/caffe.proto. */
#include "mapped.h"
#include "named.h"
#include "weights.h"
#include "wire.h"

#include <stdlib.h>
#include <string.h>

enum { NET_LAYERS = 2, NET_LAYER = 100, BLOB_DATA = 5, BLOB_SHAPE = 7, BLOB_DOUBLES = 8 };

/* Where the two forms of a layer keep what we need. */
static const struct form {
    uint32_t in_net, name, type, blobs;
} forms[] = {
    {.in_net = NET_LAYERS, .name = 4, .type = 0, .blobs = 6},
    {.in_net = NET_LAYER, .name = 1, .type = 2, .blobs = 7},
};

/* A layer's name and its first two blobs. */
struct caffe_layer {
    struct region name, type, blob[NAMED_PARTS];
    size_t blobs;
    bool oldest;
};

static bool is(struct region text, const char *other)
{
    return text.count == strlen(other) && memcmp(text.bytes, other, text.count) == 0;
}

static const struct form *form_of(const struct wire_field *field)
{
    for (size_t i = 0; i < sizeof forms / sizeof *forms; i++)
        if (wire_is(field, forms[i].in_net, WIRE_BYTES))
            return &forms[i];
    return NULL;
}

/* ---- recognition ---- */

/* Fields of a NetParameter that may stand before its first layer. */
static bool belongs_to_net(const struct wire_field *field)
{
    static const enum wire_type types[] = {
        [1] = WIRE_BYTES, [3] = WIRE_BYTES,  [4] = WIRE_VARINT, [5] = WIRE_VARINT,
        [6] = WIRE_BYTES, [7] = WIRE_VARINT, [8] = WIRE_BYTES,
    };
    return field->number < sizeof types / sizeof *types && field->number != 2 &&
           types[field->number] == field->type;
}

static bool is_printable(struct region text)
{
    for (size_t i = 0; i < text.count; i++)
        if (text.bytes[i] < ' ' || text.bytes[i] == 0x7f)
            return false;
    return true;
}

/* A layer begins with a field of a layer; `start` may end inside it. */
static bool begins_layer(struct region start, const struct form *form)
{
    struct wire_field field;
    bool more, cut = wire_next(&start, &field, &more, NULL) != 0;
    if (!more || field.number > 200)
        return false;
    return field.type == WIRE_BYTES &&
           (cut || field.number != form->name || is_printable(field.bytes));
}

/* Fields of a net, and then a layer. Only what surely is one: text can be protobuf by chance. */
static bool recognises(const unsigned char *start, size_t count)
{
    struct region rest = {start, count};
    for (;;) {
        struct wire_field field;
        bool more, cut = wire_next(&rest, &field, &more, NULL) != 0;
        const struct form *form = form_of(&field);
        if (form)
            return begins_layer(field.bytes, form);
        if (!more || cut || !belongs_to_net(&field) ||
            (field.number == 1 && !is_printable(field.bytes)))
            return false;
    }
}

/* ---- layers ---- */

static int parse_layer(struct region message, const struct form *form, struct caffe_layer *layer,
                       struct error *err)
{
    int status;
    *layer = (struct caffe_layer){0};
    for (;;) {
        struct wire_field field;
        bool more;
        TRY(wire_next(&message, &field, &more, err));
        if (!more)
            return 0;
        if (wire_is(&field, form->name, WIRE_BYTES))
            layer->name = field.bytes;
        else if (wire_is(&field, form->type, WIRE_BYTES))
            layer->type = field.bytes;
        else if (wire_is(&field, form->blobs, WIRE_BYTES)) {
            if (layer->blobs < NAMED_PARTS)
                layer->blob[layer->blobs] = field.bytes;
            layer->blobs++;
        } else if (form->in_net == NET_LAYERS && wire_is(&field, 1, WIRE_BYTES))
            layer->oldest = true;
    }
done:
    return status;
}

struct caffe_net {
    struct named_tensors named;
    struct region blob[VGG19_CONVS][NAMED_PARTS];
    bool oldest; /* has layers of Caffe's oldest form, which are not read */
};

static int add_layer(struct caffe_net *net, const struct caffe_layer *layer, struct error *err)
{
    char text[NAMED_TEXT];
    int status = 0, conv = named_conv((const char *)layer->name.bytes, layer->name.count);
    named_text((const char *)layer->name.bytes, layer->name.count, text);
    net->oldest |= layer->oldest && layer->name.count == 0;
    if (is(layer->type, "BatchNorm"))
        return fail(err, E_INPUT, "layer %s is a batch normalisation, but plain VGG-19 is needed",
                    text);
    if (conv == NAMED_OTHER || layer->blobs == 0)
        return 0;
    if (conv == NAMED_STRANGER)
        return fail(err, E_INPUT, "layer %s is not one of VGG-19", text);
    if (layer->blobs > NAMED_PARTS)
        return fail(err, E_INPUT, "layer %s has %zu blobs, expected a kernel and a bias", text,
                    layer->blobs);
    for (size_t part = 0; part < layer->blobs; part++) {
        TRY(named_set(&net->named, conv, (enum named_part)part, part, err));
        net->blob[conv][part] = layer->blob[part];
    }
done:
    return status;
}

static int parse_net(struct region message, struct caffe_net *net, struct error *err)
{
    int status;
    for (;;) {
        struct wire_field field;
        struct caffe_layer layer;
        bool more;
        TRY(wire_next(&message, &field, &more, err));
        if (!more)
            return 0;
        const struct form *form = form_of(&field);
        if (!form)
            continue;
        status = parse_layer(field.bytes, form, &layer, err);
        if (status) {
            char text[NAMED_TEXT];
            named_text((const char *)layer.name.bytes, layer.name.count, text);
            return fail_context(err, "layer %s: ", layer.name.count ? text : "without a name");
        }
        TRY(add_layer(net, &layer, err));
    }
done:
    return status;
}

/* ---- blobs ---- */

static int parse_shape(struct region message, struct tensor *tensor, struct error *err)
{
    int status;
    size_t rank = (size_t)tensor->rank;
    for (;;) {
        struct wire_field field;
        bool more;
        TRY(wire_next(&message, &field, &more, err));
        if (!more)
            break;
        if (field.number == 1)
            TRY(wire_integers(&field, tensor->shape, TENSOR_RANKS, &rank, err));
    }
    tensor->rank = (int)rank;
done:
    return status;
}

/* The shape of a blob, and whether its values are doubles. */
static int parse_blob(struct region message, struct tensor *tensor, struct error *err)
{
    uint64_t legacy[4] = {0};
    bool is_legacy = false, shaped = false, floats = false, doubles = false;
    int status;
    *tensor = (struct tensor){0};
    for (;;) {
        struct wire_field field;
        bool more;
        TRY(wire_next(&message, &field, &more, err));
        if (!more)
            break;
        if (field.number >= 1 && field.number <= 4 && field.type == WIRE_VARINT) {
            is_legacy = true;
            legacy[field.number - 1] = field.value;
        } else if (wire_is(&field, BLOB_SHAPE, WIRE_BYTES)) {
            shaped = true;
            TRY(parse_shape(field.bytes, tensor, err));
        }
        floats |= field.number == BLOB_DATA;
        doubles |= field.number == BLOB_DOUBLES;
    }
    if (is_legacy && !shaped) {
        tensor->rank = 4;
        memcpy(tensor->shape, legacy, sizeof legacy);
    }
    if (floats && doubles)
        return fail(err, E_INPUT, "it has both data and double_data");
    tensor->type = doubles ? TENSOR_F64 : TENSOR_F32;
done:
    return status;
}

static int read_blob(struct region message, int conv, enum named_part part, float *values,
                     struct error *err)
{
    const struct vgg19_conv *c = &vgg19_convs[conv];
    struct tensor tensor;
    void *copy = NULL;
    int status;
    const uint64_t out = (uint64_t)c->out,
                   expected = part == NAMED_BIAS ? out : 9 * out * (uint64_t)c->in;
    TRY(parse_blob(message, &tensor, err));
    tensor_row_major(&tensor);
    TRY(wire_values(message, tensor.type == TENSOR_F64 ? BLOB_DOUBLES : BLOB_DATA,
                    tensor_type_bytes(tensor.type), expected, &tensor.data, &copy, err));
done:
    if (status)
        fail_context(err, "layer conv%d_%d: %s: ", c->block, c->index,
                     part == NAMED_BIAS ? "bias" : "kernel");
    else
        status = part == NAMED_BIAS ? tensor_read_bias(&tensor, conv, values, err)
                                    : tensor_read_kernel(&tensor, KERNEL_OIHW, conv, values, err);
    free(copy);
    return status;
}

int caffe_read(struct region file, struct vgg19_weights *weights, int *convention,
               struct error *err)
{
    struct caffe_net net = {0};
    int status;
    TRY(parse_net(file, &net, err));
    if (net.oldest)
        return fail(err, E_INPUT,
                    "it is of Caffe's oldest form: convert it with upgrade_net_proto_binary");
    TRY(named_check(&net.named, weights->convs, convention, err));
    for (int conv = 0; conv < weights->convs; conv++) {
        TRY(read_blob(net.blob[conv][NAMED_KERNEL], conv, NAMED_KERNEL, weights->kernel[conv],
                      err));
        TRY(read_blob(net.blob[conv][NAMED_BIAS], conv, NAMED_BIAS, weights->bias[conv], err));
    }
    *convention = CONVENTION_CAFFE;
done:
    return status;
}

static int read_caffe(const char *path, struct vgg19_weights *weights, int *convention,
                      struct error *err)
{
    return mapped_read(path, caffe_read, weights, convention, err);
}

const struct weight_reader weight_reader_caffe = {
    .format = "Caffe model",
    .recognises = recognises,
    .read = read_caffe,
};
