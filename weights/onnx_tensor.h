/* The tensors of an ONNX file, and where their values are. Only onnx*.c use this. */
#ifndef ATELIER_ONNX_TENSOR_H
#define ATELIER_ONNX_TENSOR_H

#include "tensor.h"

#include <stdint.h>

struct onnx_tensor {
    struct tensor tensor;
    size_t rank;
    uint64_t data_type;
    struct region raw;
    bool has_raw, external;
    struct region location, from, length; /* of external values; from, length: digits */
};

/* What a TensorProto says of itself; its values are not looked for. Errors: E_INPUT. */
int onnx_tensor_parse(struct region message, struct onnx_tensor *tensor, struct error *err);

/* Where the `expected` values stand: in the message, in *copy (NULL, or caller frees), or in a file
 * of the model's folder (below 0: there is none). Errors: E_INPUT, E_ENVIRONMENT. */
int onnx_tensor_find(int folder, struct region message, struct onnx_tensor *tensor,
                     uint64_t expected, void **copy, struct error *err);

#endif
