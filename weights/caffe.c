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
    const struct form *form;
    struct region name, type, blob[NAMED_PARTS];
    size_t blobs;
    bool oldest;
};

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

static int add_to_layer(void *context, const struct wire_field *field, struct error *err)
{
    struct caffe_layer *layer = context;
    const struct form *form = layer->form;
    (void)err;
    if (wire_is(field, form->name, WIRE_BYTES))
        layer->name = field->bytes;
    else if (wire_is(field, form->type, WIRE_BYTES))
        layer->type = field->bytes;
    else if (wire_is(field, form->blobs, WIRE_BYTES)) {
        if (layer->blobs < NAMED_PARTS)
            layer->blob[layer->blobs] = field->bytes;
        layer->blobs++;
    } else if (form->in_net == NET_LAYERS && wire_is(field, 1, WIRE_BYTES))
        layer->oldest = true;
    return 0;
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
    if (region_is(layer->type, "BatchNorm"))
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

static int add_to_net(void *context, const struct wire_field *field, struct error *err)
{
    struct caffe_layer layer = {.form = form_of(field)};
    if (!layer.form)
        return 0;
    int status = wire_each(field->bytes, add_to_layer, &layer, err);
    if (status == 0)
        return add_layer(context, &layer, err);
    char text[NAMED_TEXT];
    named_text((const char *)layer.name.bytes, layer.name.count, text);
    fail_context(err, "layer %s: ", layer.name.count ? text : "without a name");
    return status;
}

/* ---- blobs ---- */

struct caffe_blob {
    uint64_t shape[TENSOR_RANKS], legacy[4];
    size_t rank;
    bool is_legacy, shaped, floats, doubles;
};

static int add_to_shape(void *context, const struct wire_field *field, struct error *err)
{
    struct caffe_blob *blob = context;
    return field->number == 1 ? wire_integers(field, blob->shape, TENSOR_RANKS, &blob->rank, err)
                              : 0;
}

static int add_to_blob(void *context, const struct wire_field *field, struct error *err)
{
    struct caffe_blob *blob = context;
    if (field->number >= 1 && field->number <= 4 && field->type == WIRE_VARINT) {
        blob->is_legacy = true;
        blob->legacy[field->number - 1] = field->value;
    }
    blob->floats |= field->number == BLOB_DATA;
    blob->doubles |= field->number == BLOB_DOUBLES;
    if (!wire_is(field, BLOB_SHAPE, WIRE_BYTES))
        return 0;
    blob->shaped = true;
    return wire_each(field->bytes, add_to_shape, blob, err);
}

/* The shape of a blob, and whether its values are doubles. */
static int parse_blob(struct region message, struct tensor *tensor, struct error *err)
{
    struct caffe_blob blob = {0};
    int status = wire_each(message, add_to_blob, &blob, err);
    if (status)
        return status;
    if (blob.floats && blob.doubles)
        return fail(err, E_INPUT, "it has both data and double_data");
    *tensor = (struct tensor){.type = blob.doubles ? TENSOR_F64 : TENSOR_F32};
    if (blob.is_legacy && !blob.shaped) {
        tensor->rank = 4;
        memcpy(tensor->shape, blob.legacy, sizeof blob.legacy);
    } else {
        tensor->rank = (int)blob.rank;
        memcpy(tensor->shape, blob.shape, sizeof blob.shape);
    }
    tensor_row_major(tensor);
    return 0;
}

static int find_blob(void *context, int conv, enum named_part part, uint64_t expected,
                     struct tensor *tensor, void **copy, struct error *err)
{
    const struct caffe_net *net = context;
    struct region message = net->blob[conv][part];
    int status = parse_blob(message, tensor, err);
    if (status)
        return status;
    return wire_values(message, tensor->type == TENSOR_F64 ? BLOB_DOUBLES : BLOB_DATA,
                       tensor_type_bytes(tensor->type), expected, &tensor->data, copy, err);
}

int caffe_read(struct region file, struct vgg19_weights *weights, int *convention,
               struct error *err)
{
    struct caffe_net net = {0};
    int status;
    TRY(wire_each(file, add_to_net, &net, err));
    if (net.oldest)
        return fail(err, E_INPUT,
                    "it is of Caffe's oldest form: convert it with upgrade_net_proto_binary");
    TRY(named_check(&net.named, weights->convs, convention, err));
    TRY(wire_read_convs(find_blob, &net, weights, err));
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
    .guesses = "the format",
    .recognises = recognises,
    .read = read_caffe,
};
