#include "wire.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

static int truncated(struct error *err)
{
    return fail(err, E_INPUT, "it is truncated or damaged: a field reaches beyond the end");
}

static int take_varint(struct region *message, uint64_t *value, struct error *err)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < message->count && i < 10; i++) {
        uint64_t byte = message->bytes[i];
        if (i == 9 && byte > 1)
            break;
        sum |= (byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            *value = sum;
            message->bytes += i + 1;
            message->count -= i + 1;
            return 0;
        }
    }
    return message->count < 10 ? truncated(err)
                               : fail(err, E_INPUT, "it is damaged: a number exceeds 64 bits");
}

static int take_bytes(struct region *message, uint64_t count, struct region *bytes,
                      struct error *err)
{
    if (!region_part(*message, 0, count, bytes)) {
        *bytes = *message;
        return truncated(err);
    }
    message->bytes += count;
    message->count -= (size_t)count;
    return 0;
}

int wire_next(struct region *message, struct wire_field *field, bool *more, struct error *err)
{
    uint64_t tag = 0, length = 0;
    int status = 0;
    *more = message->count > 0;
    *field = (struct wire_field){0};
    if (!*more)
        return 0;
    TRY(take_varint(message, &tag, err));
    *field = (struct wire_field){.number = (uint32_t)(tag >> 3), .type = tag & 7};
    if (tag >> 32 || field->number == 0)
        return fail(err, E_INPUT, "it is damaged: there is no field %" PRIu64, tag >> 3);
    switch ((int)(tag & 7)) {
    case WIRE_VARINT:
        return take_varint(message, &field->value, err);
    case WIRE_FIXED64:
        return take_bytes(message, 8, &field->bytes, err);
    case WIRE_FIXED32:
        return take_bytes(message, 4, &field->bytes, err);
    case WIRE_BYTES:
        TRY(take_varint(message, &length, err));
        return take_bytes(message, length, &field->bytes, err);
    default:
        return fail(err, E_INPUT, "it is damaged: field %" PRIu32 " has the unknown wire type %d",
                    field->number, (int)(tag & 7));
    }
done:
    return status;
}

int wire_each(struct region message, wire_visitor *visit, void *context, struct error *err)
{
    int status;
    for (;;) {
        struct wire_field field;
        bool more;
        TRY(wire_next(&message, &field, &more, err));
        if (!more)
            return 0;
        TRY(visit(context, &field, err));
    }
done:
    return status;
}

bool wire_is(const struct wire_field *field, uint32_t number, enum wire_type type)
{
    return field->number == number && field->type == type;
}

static int append(uint64_t value, uint64_t *list, size_t most, size_t *count, struct error *err)
{
    if (*count == most)
        return fail(err, E_INPUT, "it has more than %zu dimensions", most);
    list[(*count)++] = value;
    return 0;
}

int wire_integers(const struct wire_field *field, uint64_t *list, size_t most, size_t *count,
                  struct error *err)
{
    int status = 0;
    if (field->type == WIRE_VARINT)
        return append(field->value, list, most, count, err);
    if (field->type != WIRE_BYTES)
        return fail(err, E_INPUT, "it is damaged: field %" PRIu32 " should hold integers",
                    field->number);
    struct region rest = field->bytes;
    while (rest.count > 0) {
        uint64_t value = 0;
        TRY(take_varint(&rest, &value, err));
        TRY(append(value, list, most, count, err));
    }
done:
    return status;
}

/* The bytes of field `number`, if it is a run of values; empty if it is another field. */
static int run_of(const struct wire_field *field, uint32_t number, size_t width, struct region *run,
                  struct error *err)
{
    *run = (struct region){0};
    if (field->number != number)
        return 0;
    if (field->type != WIRE_BYTES && field->type != (width == 4 ? WIRE_FIXED32 : WIRE_FIXED64))
        return fail(err, E_INPUT, "it is damaged: field %" PRIu32 " should hold %zu-byte values",
                    number, width);
    if (field->bytes.count % width != 0)
        return fail(err, E_INPUT, "it is damaged: %zu bytes are no whole %zu-byte values",
                    field->bytes.count, width);
    *run = field->bytes;
    return 0;
}

/* Every run so far: the sum of their bytes, the last one that is not empty, and, where `copy` is
 * given, their bytes one after another. */
struct runs {
    uint32_t number;
    size_t width, bytes;
    struct region last;
    unsigned char *copy;
};

static int visit_run(void *context, const struct wire_field *field, struct error *err)
{
    struct runs *runs = context;
    struct region run;
    int status = run_of(field, runs->number, runs->width, &run, err);
    if (status || run.count == 0)
        return status;
    if (runs->copy)
        memcpy(runs->copy + runs->bytes, run.bytes, run.count);
    runs->bytes += run.count; /* all runs lie in the message: no overflow */
    runs->last = run;
    return 0;
}

int wire_values(struct region message, uint32_t number, size_t width, uint64_t expected,
                struct region *values, void **copy, struct error *err)
{
    struct runs runs = {.number = number, .width = width}, again = runs;
    int status;
    *copy = NULL;
    TRY(wire_each(message, visit_run, &runs, err));
    if (runs.bytes > 0 && runs.bytes / width != expected)
        return fail(err, E_INPUT, "expected %" PRIu64 " values, got %zu", expected,
                    runs.bytes / width);
    *values = runs.last;
    if (runs.bytes > runs.last.count) {
        *copy = again.copy = malloc(runs.bytes);
        if (!again.copy)
            return fail_errno(err, "not enough memory");
        TRY(wire_each(message, visit_run, &again, err));
        *values = (struct region){again.copy, again.bytes};
    }
done:
    return status;
}

static int read_part(wire_finder *find, void *context, int conv, enum named_part part,
                     float *values, struct error *err)
{
    const struct vgg19_conv *c = &vgg19_convs[conv];
    const uint64_t out = (uint64_t)c->out,
                   expected = part == NAMED_BIAS ? out : 9 * out * (uint64_t)c->in;
    struct tensor tensor;
    void *copy = NULL;
    int status = find(context, conv, part, expected, &tensor, &copy, err);
    if (status)
        fail_context(err, "layer conv%d_%d: %s: ", c->block, c->index, named_parts[part]);
    else
        status = part == NAMED_BIAS ? tensor_read_bias(&tensor, conv, values, err)
                                    : tensor_read_kernel(&tensor, KERNEL_OIHW, conv, values, err);
    free(copy);
    return status;
}

int wire_read_convs(wire_finder *find, void *context, struct vgg19_weights *weights,
                    struct error *err)
{
    int status = 0;
    for (int conv = 0; conv < weights->convs && !status; conv++) {
        status = read_part(find, context, conv, NAMED_KERNEL, weights->kernel[conv], err);
        if (!status)
            status = read_part(find, context, conv, NAMED_BIAS, weights->bias[conv], err);
    }
    return status;
}
