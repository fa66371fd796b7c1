/* Arrays of floating-point numbers inside a memory-mapped weight file, and how
 * they become our kernels and biases. Only the bytes asked for are touched, so
 * layers nobody needs cost nothing. */
#ifndef ATELIER_TENSOR_H
#define ATELIER_TENSOR_H

#include "error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Bytes of a file, borrowed from whoever mapped it (file_map.h). */
struct region {
    const unsigned char *bytes;
    size_t count;
};

/* The part of a region; false when it does not lie inside. Takes any numbers.
 */
bool region_part(struct region whole, uint64_t start, uint64_t count, struct region *part);

/* Whether the bytes are those of a text, or of another region. */
bool region_is(struct region region, const char *text);
bool region_equal(struct region a, struct region b);

/* For qsort and bsearch: by bytes. */
int region_order(struct region a, struct region b);

enum tensor_type { TENSOR_F32, TENSOR_F64, TENSOR_F16, TENSOR_BF16 };
size_t tensor_type_bytes(enum tensor_type type);

/* An array: element (i0, i1, ...) is number offset + i0 stride[0] + i1
 * stride[1] + ... of data. Nothing about it is trusted: shape, strides and
 * offset are checked against data when it is read.
 */
enum { TENSOR_RANKS = 8 };
struct tensor {
    enum tensor_type type;
    bool big_endian;
    int rank; /* 0..TENSOR_RANKS */
    uint64_t shape[TENSOR_RANKS];
    uint64_t stride[TENSOR_RANKS], offset; /* in elements */
    struct region data;
};

/* Sets the strides of an array whose last index runs fastest, and offset 0.
 * Call it after rank and shape are set; sizes may overflow, which reading it
 * finds out. */
void tensor_row_major(struct tensor *tensor);

/* The order of a kernel's four indices. */
enum kernel_order { KERNEL_OIHW, KERNEL_HWIO };

/* Convolution `conv` (0..15)'s kernel as [3][3][in][out], overwritten; the
 * tensor is a cross-correlation in the given order. Its bias as [out]; the
 * tensor may have leading dimensions of 1. Errors: E_INPUT naming the layer: a
 * wrong shape (expected and got), data too short. Values that are not finite
 * stay. Allocates nothing. */
int tensor_read_kernel(const struct tensor *tensor, enum kernel_order order, int conv,
                       float *kernel, struct error *err);
int tensor_read_bias(const struct tensor *tensor, int conv, float *bias, struct error *err);

#endif
