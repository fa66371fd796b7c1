/* MatConvNet's .mat: MATLAB's format 5, a list of variables, each of them a tree of matrices that
 * is usually packed with zlib.
 *
 *   layers             1 x n cell of structs, in the order of computation
 *   struct             fields type, name, weights, ... in any order
 *   weights            1 x 2 cell: filters, biases (in the oldest files fields of these names)
 *   filters            height x width x in x out, first index fastest, RGB;   biases   1 x out
 *
 * The k-th 3 x 3 kernel is VGG-19's k-th convolution. Unpacking goes from front to back and ends
 * at the last one, so the fully connected layers are never unpacked, and no more than a kernel is
 * held. The pixels' mean is that of Caffe, so is the first kernel once its channels are turned.
 * Source: MathWorks, MAT-File Format (level 5); MatConvNet's importer, utils/import-caffe.py, which
 * turns Caffe's (out, in, height, width) into (height, width, in, out). */
#include "mapped.h"
#include "named.h"
#include "params.h"
#include "weights.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <zlib.h>

enum { HEADER = 128, MOST_NAME = 64, MOST_FIELDS = 64, MOST_BYTES = 1 << 30 };
enum {
    STORED_UINT16 = 4,
    STORED_UTF16 = 17,
    STORED_SINGLE = 7,
    STORED_DOUBLE = 9,
    STORED_MATRIX = 14,
    STORED_PACKED = 15
};
enum { CLASS_CELL = 1, CLASS_STRUCT = 2, CLASS_CHAR = 4, CLASS_DOUBLE = 6, CLASS_SINGLE = 7 };
enum { COMPLEX = 8 };

static const char magic[] = "MATLAB 5.0 MAT-file";

static bool recognises(const unsigned char *start, size_t count)
{
    return count >= sizeof magic - 1 && memcmp(start, magic, sizeof magic - 1) == 0;
}

/* ---- the bytes of one variable ---- */

/* Read once, from front to back. */
struct stream {
    struct region rest; /* where it is not packed */
    bool packed;
    z_stream z;
    uint64_t at; /* bytes read */
};

static int truncated(struct error *err)
{
    return fail(err, E_INPUT, "it is truncated or damaged: an element reaches beyond the end");
}

static int stream_open(struct stream *stream, struct region region, bool packed, struct error *err)
{
    *stream = (struct stream){.rest = region, .packed = packed};
    stream->z.next_in = (Bytef *)(uintptr_t)region.bytes;
    stream->z.avail_in = (uInt)region.count; /* of an element: below 2^32 */
    if (packed && inflateInit(&stream->z) != Z_OK)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    return 0;
}

static void stream_close(struct stream *stream)
{
    if (stream->packed)
        inflateEnd(&stream->z);
}

static int unpack(struct stream *stream, unsigned char *to, size_t count, struct error *err)
{
    stream->z.next_out = to;
    stream->z.avail_out = (uInt)count;
    while (stream->z.avail_out > 0) {
        int result = inflate(&stream->z, Z_NO_FLUSH);
        if (result == Z_MEM_ERROR)
            return fail(err, E_ENVIRONMENT, "not enough memory");
        if (result != Z_OK && stream->z.avail_out > 0)
            return result == Z_STREAM_END || result == Z_BUF_ERROR
                       ? truncated(err)
                       : fail(err, E_INPUT, "it is damaged: it cannot be unpacked");
    }
    return 0;
}

static int stream_read(struct stream *stream, void *to, size_t count, struct error *err)
{
    struct region part;
    stream->at += count;
    if (stream->packed)
        return unpack(stream, to, count, err);
    if (!region_part(stream->rest, 0, count, &part))
        return truncated(err);
    if (count > 0)
        memcpy(to, part.bytes, count);
    stream->rest.bytes += count;
    stream->rest.count -= count;
    return 0;
}

static int stream_skip(struct stream *stream, uint64_t to, struct error *err)
{
    unsigned char nowhere[4096];
    int status = 0;
    while (stream->at < to && !status) {
        uint64_t left = to - stream->at;
        status = stream_read(stream, nowhere, left < sizeof nowhere ? left : sizeof nowhere, err);
    }
    return status;
}

/* ---- elements ---- */

/* A tag, and what follows it up to `end`; up to four bytes stand in the tag itself. */
struct element {
    uint32_t type, bytes;
    bool small;
    unsigned char data[4];
    uint64_t end;
};

static uint32_t number32(const unsigned char *bytes)
{
    return bytes[0] | (uint32_t)bytes[1] << 8 | (uint32_t)bytes[2] << 16 | (uint32_t)bytes[3] << 24;
}

/* The next element of one that ends at `limit`. */
static int next_element(struct stream *stream, uint64_t limit, struct element *element,
                        struct error *err)
{
    unsigned char tag[8];
    int status = stream_read(stream, tag, sizeof tag, err);
    if (status)
        return status;
    uint32_t first = number32(tag), bytes = number32(tag + 4);
    *element = (struct element){.type = first, .bytes = bytes};
    if (first >> 16) {
        *element = (struct element){.type = first & 0xffff, .bytes = first >> 16, .small = true};
        memcpy(element->data, tag + 4, 4);
    }
    uint64_t last = stream->at + (element->small ? 0 : element->bytes), padded = (last + 7) / 8 * 8;
    element->end = element->small ? last : padded < limit ? padded : limit;
    return last > limit || (element->small && element->bytes > 4) ? truncated(err) : 0;
}

/* All of an element's bytes, which are `count`, and its end. */
static int read_bytes(struct stream *stream, const struct element *element, void *to, size_t count,
                      struct error *err)
{
    int status = 0;
    if (element->bytes != count)
        return fail(err, E_INPUT, "it is damaged: expected %zu bytes, got %" PRIu32, count,
                    element->bytes);
    if (element->small)
        memcpy(to, element->data, count);
    else
        status = stream_read(stream, to, count, err);
    return status ? status : stream_skip(stream, element->end, err);
}

/* ---- matrices ---- */

struct matrix {
    unsigned class;
    int rank;
    uint64_t dims[TENSOR_RANKS];
    char name[MOST_NAME];
    uint64_t end;
};

static int read_dims(struct stream *stream, struct matrix *matrix, struct error *err)
{
    struct element element;
    unsigned char dims[4 * TENSOR_RANKS];
    int status = next_element(stream, matrix->end, &element, err);
    if (status)
        return status;
    if (element.bytes < 8 || element.bytes % 4 || element.bytes > sizeof dims)
        return fail(err, E_INPUT, "it is damaged: a matrix has %" PRIu32 " dimensions",
                    element.bytes / 4);
    matrix->rank = (int)(element.bytes / 4);
    status = read_bytes(stream, &element, dims, element.bytes, err);
    for (int i = 0; i < matrix->rank; i++)
        matrix->dims[i] = number32(dims + 4 * i);
    return status;
}

/* Names that are too long to be one of ours count as none. */
static int read_name(struct stream *stream, struct matrix *matrix, struct error *err)
{
    struct element element;
    int status = next_element(stream, matrix->end, &element, err);
    if (status)
        return status;
    return element.bytes < MOST_NAME
               ? read_bytes(stream, &element, matrix->name, element.bytes, err)
               : stream_skip(stream, element.end, err);
}

/* What stands before a matrix' content. One without any is of class 0. */
static int open_matrix(struct stream *stream, uint64_t limit, struct matrix *matrix,
                       struct error *err)
{
    struct element element;
    unsigned char flags[8];
    int status;
    *matrix = (struct matrix){0};
    TRY(next_element(stream, limit, &element, err));
    if (element.type != STORED_MATRIX)
        return fail(err, E_INPUT, "it is damaged: element %" PRIu32 " where a matrix should be",
                    element.type);
    matrix->end = element.end;
    if (element.bytes == 0)
        return 0;
    TRY(next_element(stream, matrix->end, &element, err));
    TRY(read_bytes(stream, &element, flags, sizeof flags, err));
    matrix->class = flags[1] & COMPLEX ? 0 : flags[0];
    TRY(read_dims(stream, matrix, err));
    TRY(read_name(stream, matrix, err));
done:
    return status;
}

static uint64_t count_of(const struct matrix *matrix)
{
    uint64_t count = 1;
    for (int i = 0; i < matrix->rank; i++)
        if (__builtin_mul_overflow(count, matrix->dims[i], &count))
            return UINT64_MAX;
    return count;
}

/* ---- layers ---- */

struct mat_layers {
    struct vgg19_weights *weights;
    int count;         /* convolutions so far */
    bool kernel, bias; /* what the layer at hand has had of the next one */
};

static struct tensor describe(const struct matrix *matrix)
{
    struct tensor tensor = {.rank = matrix->rank};
    uint64_t stride = 1;
    for (int i = 0; i < matrix->rank; i++) {
        tensor.shape[i] = matrix->dims[i];
        tensor.stride[i] = stride;
        stride *= matrix->dims[i];
    }
    return tensor;
}

/* The `count` values of a matrix as they lie in the file; caller frees tensor->data. */
static int read_values(struct stream *stream, const struct matrix *matrix, size_t count,
                       struct tensor *tensor, struct error *err)
{
    struct element element;
    if (matrix->class != CLASS_SINGLE && matrix->class != CLASS_DOUBLE)
        return fail(err, E_INPUT, "it is no matrix of real numbers");
    int status = next_element(stream, matrix->end, &element, err);
    if (status)
        return status;
    if (element.type != STORED_SINGLE && element.type != STORED_DOUBLE)
        return fail(err, E_INPUT,
                    "its values are of type %" PRIu32 ", expected single (7) or double (9)",
                    element.type);
    tensor->type = element.type == STORED_DOUBLE ? TENSOR_F64 : TENSOR_F32;
    count *= tensor_type_bytes(tensor->type);
    unsigned char *bytes = malloc(count);
    if (!bytes)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    tensor->data = (struct region){bytes, count};
    return read_bytes(stream, &element, bytes, count, err);
}

/* As read_values, if there is that number of values and anybody wants them. */
static int read_wanted(const struct mat_layers *layers, struct stream *stream,
                       const struct matrix *matrix, enum named_part part, struct tensor *tensor,
                       struct error *err)
{
    const struct vgg19_conv *c = &vgg19_convs[layers->count];
    size_t out = (size_t)c->out, count = part == NAMED_BIAS ? out : 9 * (size_t)c->in * out;
    *tensor = describe(matrix);
    if (layers->count >= layers->weights->convs || count_of(matrix) != count)
        return 0;
    int status = read_values(stream, matrix, count, tensor, err);
    if (status)
        fail_context(err, "layer conv%d_%d: %s: ", c->block, c->index, named_parts[part]);
    return status;
}

/* RGB as in the file becomes BGR as Caffe has it. */
static void turn_channels(float *kernel)
{
    enum { OUT = 64 };
    for (size_t tap = 0; tap < 9; tap++)
        for (size_t o = 0; o < OUT; o++) {
            float *red = kernel + tap * 3 * OUT + o, *blue = red + (size_t)2 * OUT, value = *red;
            *red = *blue;
            *blue = value;
        }
}

/* Checks the shape of any kernel, and reads those that are asked for. */
static int read_kernel(struct mat_layers *layers, struct stream *stream,
                       const struct matrix *matrix, struct error *err)
{
    int status, conv = layers->count;
    const struct vgg19_conv *c = &vgg19_convs[conv];
    struct tensor tensor;
    const bool wanted = conv < layers->weights->convs;
    const bool fits = matrix->dims[2] == (uint64_t)c->in && matrix->dims[3] == (uint64_t)c->out;
    TRY(read_wanted(layers, stream, matrix, NAMED_KERNEL, &tensor, err));
    if (wanted || !fits)
        status = tensor_read_kernel(&tensor, KERNEL_HWIO, conv,
                                    fits ? layers->weights->kernel[conv] : NULL, err);
    if (status && c->index == 4 && matrix->dims[3] == 2 * (uint64_t)c->out)
        fail_context(err, "it looks like VGG-16, but VGG-19 is needed: ");
    if (status == 0 && conv == 0)
        turn_channels(layers->weights->kernel[0]);
done:
    free((void *)(uintptr_t)tensor.data.bytes);
    return status;
}

static int read_bias(struct mat_layers *layers, struct stream *stream, const struct matrix *matrix,
                     struct error *err)
{
    struct matrix list = *matrix;
    struct tensor tensor;
    int status, conv = layers->count;
    list.rank = 0;
    for (int i = 0; i < matrix->rank; i++) /* 1 x out or out x 1 */
        if (matrix->dims[i] != 1)
            list.dims[list.rank++] = matrix->dims[i];
    TRY(read_wanted(layers, stream, &list, NAMED_BIAS, &tensor, err));
    if (conv < layers->weights->convs)
        status = tensor_read_bias(&tensor, conv, layers->weights->bias[conv], err);
done:
    free((void *)(uintptr_t)tensor.data.bytes);
    return status;
}

/* A matrix of a layer's numbers: it is a convolution's if its kernel is 3 x 3. */
static int add_part(struct mat_layers *layers, struct stream *stream, const struct matrix *matrix,
                    enum named_part part, struct error *err)
{
    bool kernel = matrix->rank == 4 && matrix->dims[0] == 3 && matrix->dims[1] == 3;
    int status = 0;
    if (part == NAMED_KERNEL && kernel) {
        if (layers->kernel)
            return fail(err, E_INPUT, "layer conv%d_%d has more than one kernel",
                        vgg19_convs[layers->count].block, vgg19_convs[layers->count].index);
        layers->kernel = true;
        status = read_kernel(layers, stream, matrix, err);
    } else if (part == NAMED_BIAS && layers->kernel && !layers->bias) {
        layers->bias = true;
        status = read_bias(layers, stream, matrix, err);
    }
    return status ? status : stream_skip(stream, matrix->end, err);
}

/* weights = {kernel, bias}: of what may follow, nothing is ours. */
static int read_weights(struct mat_layers *layers, struct stream *stream, const struct matrix *cell,
                        struct error *err)
{
    int status = 0;
    const uint64_t count = count_of(cell);
    for (uint64_t part = 0; part < count && part < NAMED_PARTS && !status; part++) {
        struct matrix matrix;
        status = open_matrix(stream, cell->end, &matrix, err);
        if (!status)
            status = add_part(layers, stream, &matrix, (enum named_part)part, err);
    }
    return status;
}

static int check_type(struct stream *stream, const struct matrix *matrix, struct error *err)
{
    char text[MOST_NAME] = "";
    struct element element;
    int status = next_element(stream, matrix->end, &element, err);
    if (status || element.bytes >= sizeof text)
        return status;
    status = read_bytes(stream, &element, text, element.bytes, err);
    if (element.type == STORED_UINT16 || element.type == STORED_UTF16)
        for (size_t i = 0; i < sizeof text / 2; i++)
            text[i] = text[2 * i];
    if (!status && strcmp(text, "bnorm") == 0)
        return fail(err, E_INPUT, "it has batch normalisation, but plain VGG-19 is needed");
    return status;
}

static int read_field(struct mat_layers *layers, struct stream *stream, const char *name,
                      uint64_t limit, struct error *err)
{
    struct matrix matrix;
    int status;
    TRY(open_matrix(stream, limit, &matrix, err));
    if (strcmp(name, "weights") == 0 && matrix.class == CLASS_CELL)
        TRY(read_weights(layers, stream, &matrix, err));
    else if (strcmp(name, "filters") == 0)
        TRY(add_part(layers, stream, &matrix, NAMED_KERNEL, err));
    else if (strcmp(name, "biases") == 0)
        TRY(add_part(layers, stream, &matrix, NAMED_BIAS, err));
    else if (strcmp(name, "type") == 0 && matrix.class == CLASS_CHAR)
        TRY(check_type(stream, &matrix, err));
    TRY(stream_skip(stream, matrix.end, err));
done:
    return status;
}

/* The names of a struct's fields: `width` bytes each, ended by a zero. */
struct fields {
    size_t count, width;
    char names[MOST_FIELDS * MOST_NAME];
};

static int read_fields(struct stream *stream, uint64_t limit, struct fields *fields,
                       struct error *err)
{
    struct element element;
    unsigned char width[4];
    int status;
    TRY(next_element(stream, limit, &element, err));
    TRY(read_bytes(stream, &element, width, sizeof width, err));
    TRY(next_element(stream, limit, &element, err));
    fields->width = number32(width);
    if (fields->width == 0 || fields->width > MOST_NAME || element.bytes % fields->width != 0 ||
        element.bytes > sizeof fields->names)
        return fail(err, E_INPUT, "it is damaged: a struct has field names of %" PRIu32 " bytes",
                    element.bytes);
    fields->count = element.bytes / fields->width;
    TRY(read_bytes(stream, &element, fields->names, element.bytes, err));
done:
    return status;
}

static int read_layer(struct mat_layers *layers, struct stream *stream, const struct matrix *layer,
                      struct error *err)
{
    struct fields fields;
    int status;
    if (layer->class != CLASS_STRUCT || count_of(layer) != 1)
        return stream_skip(stream, layer->end, err);
    layers->kernel = layers->bias = false;
    TRY(read_fields(stream, layer->end, &fields, err));
    for (size_t i = 0; i < fields.count; i++) {
        char name[MOST_NAME + 1] = "";
        memcpy(name, fields.names + i * fields.width, fields.width);
        TRY(read_field(layers, stream, name, layer->end, err));
    }
    if (layers->kernel && !layers->bias)
        return fail(err, E_INPUT, "layer conv%d_%d: its bias is missing",
                    vgg19_convs[layers->count].block, vgg19_convs[layers->count].index);
    layers->count += layers->kernel;
    TRY(stream_skip(stream, layer->end, err));
done:
    return status;
}

/* Up to the last convolution, or to the end where one is missing. */
static int read_layers(struct mat_layers *layers, struct stream *stream, const struct matrix *cell,
                       struct error *err)
{
    int status = 0;
    const uint64_t count = count_of(cell);
    if (cell->class != CLASS_CELL)
        return fail(err, E_INPUT, "its variable 'layers' is not a list of layers");
    for (uint64_t i = 0; i < count && layers->count < VGG19_CONVS; i++) {
        struct matrix layer;
        TRY(open_matrix(stream, cell->end, &layer, err));
        TRY(read_layer(layers, stream, &layer, err));
    }
    if (layers->count < layers->weights->convs)
        return fail(err, E_INPUT, "layer conv%d_%d is missing: there are only %d convolutions",
                    vgg19_convs[layers->count].block, vgg19_convs[layers->count].index,
                    layers->count);
done:
    return status;
}

/* ---- variables ---- */

/* *found: it was the one with the layers, and they were read. */
static int read_variable(struct region region, bool packed, struct vgg19_weights *weights,
                         bool *found, struct error *err)
{
    struct mat_layers layers = {.weights = weights};
    struct stream stream;
    struct matrix matrix;
    int status = stream_open(&stream, region, packed, err);
    if (status)
        return status;
    /* Packed, a few bytes could keep us busy for ever. */
    TRY(open_matrix(&stream, packed ? MOST_BYTES : region.count, &matrix, err));
    *found = strcmp(matrix.name, "layers") == 0;
    if (*found)
        TRY(read_layers(&layers, &stream, &matrix, err));
done:
    stream_close(&stream);
    return status;
}

int mat_read(struct region file, struct vgg19_weights *weights, int *convention, struct error *err)
{
    struct region rest;
    bool found = false;
    int status = 0;
    if (!region_part(file, HEADER, file.count - HEADER, &rest) || !recognises(file.bytes, HEADER))
        return fail(err, E_INPUT, "it is truncated: it ends within its header");
    if (memcmp(file.bytes + HEADER - 4, "\0\1IM", 4) != 0)
        return fail(err, E_INPUT,
                    "only little-endian files of version 1 are read: save it with -v7 or -v6");
    while (rest.count >= 8 && !found) {
        struct region tag = rest, variable;
        uint32_t type = number32(tag.bytes);
        if (!region_part(rest, 8, number32(tag.bytes + 4), &variable))
            return fail(err, E_INPUT, "it is truncated: a variable reaches beyond the end");
        size_t whole = variable.count + 8;
        if (type == STORED_PACKED)
            TRY(read_variable(variable, true, weights, &found, err));
        else if (type == STORED_MATRIX)
            TRY(read_variable((struct region){tag.bytes, whole}, false, weights, &found, err));
        rest.bytes += whole;
        rest.count -= whole;
    }
    if (!found)
        return fail(err, E_INPUT, "it has no variable 'layers', as MatConvNet's networks have");
    *convention = CONVENTION_CAFFE;
done:
    return status;
}

const char *mat_zlib_version(void) { return zlibVersion(); }

static int read_mat(const char *path, struct vgg19_weights *weights, int *convention,
                    struct error *err)
{
    return mapped_read(path, mat_read, weights, convention, err);
}

const struct weight_reader weight_reader_mat = {
    .format = "MatConvNet",
    .guesses = "the format",
    .turned = true,
    .recognises = recognises,
    .read = read_mat,
};
