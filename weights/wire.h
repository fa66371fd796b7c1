/* A bounded walk over protobuf's wire format, one message level at a time: the caller descends
 * where it knows a field, by hand, so depth is what the code says. Nothing is copied or allocated
 * but the values of unpacked lists. Every length is checked against the message it stands in.
 * Source: protobuf.dev/programming-guides/encoding. */
#ifndef ATELIER_WIRE_H
#define ATELIER_WIRE_H

#include "error.h"
#include "named.h"
#include "tensor.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };

struct wire_field {
    uint32_t number;     /* 1 .. 2^29 - 1 */
    enum wire_type type; /* groups are refused */
    uint64_t value;      /* of a varint */
    struct region bytes; /* of the other types; borrowed from the message */
};

/* Takes the next field off the front of *message; *more is false when there is none.
 * Errors: E_INPUT, and *message is then of no use; of a field that reaches beyond the end, field
 * has what is known (number 0: nothing), and the bytes that are there. */
int wire_next(struct region *message, struct wire_field *field, bool *more, struct error *err);

/* Calls visit(context, field, err) for every field of a message, until one call fails.
 * Errors: as wire_next, and the visitor's. */
typedef int wire_visitor(void *context, const struct wire_field *field, struct error *err);
int wire_each(struct region message, wire_visitor *visit, void *context, struct error *err);

/* Whether this field has that number and type. */
bool wire_is(const struct wire_field *field, uint32_t number, enum wire_type type);

/* Appends a repeated integer field, packed or not, to list[0 .. *count).
 * Errors: E_INPUT on more than `most` numbers, or on a field that holds no integers. */
int wire_integers(const struct wire_field *field, uint64_t *list, size_t most, size_t *count,
                  struct error *err);

/* The repeated field `number` of 4- or 8-byte values (width), packed or not, has to be
 * `expected` values in all. They stand in *values: in the message itself where one run holds them
 * all, else in *copy (NULL or caller frees). No value at all: *values is empty, no error.
 * Errors: E_INPUT on another number of values, E_ENVIRONMENT without memory. */
int wire_values(struct region message, uint32_t number, size_t width, uint64_t expected,
                struct region *values, void **copy, struct error *err);

/* Describes the kernel (out, in, 3, 3) or bias of convolution `conv`, which has `expected` values;
 * *copy as of wire_values, set in any case. Errors: its own; the layer is named by the caller. */
typedef int wire_finder(void *context, int conv, enum named_part part, uint64_t expected,
                        struct tensor *tensor, void **copy, struct error *err);

/* Fills all of weights with the tensors that `find` describes. Errors: the finder's, those of
 * tensor_read_kernel and tensor_read_bias; all name the layer and the part. */
int wire_read_convs(wire_finder *find, void *context, struct vgg19_weights *weights,
                    struct error *err);

#endif
