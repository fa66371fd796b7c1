/* oneDNN as this program uses it: one kind of primitive, and all that differs between the C APIs of
 * its versions 2 and 3.
 *
 * A `struct onednn_conv` is a 3x3 convolution, stride 1, without padding: dst [height][width][out]
 * float32 from src [height + 2][width + 2][in]. It is made to run on the calling thread alone, so
 * that its sums do not depend on the number of threads; it is immutable and may run on several
 * threads at once. */
#ifndef ATELIER_ONEDNN_H
#define ATELIER_ONEDNN_H

#include "error.h"
#include <stdbool.h>
#include <stddef.h>

struct onednn_shape {
    int in, out, height, width; /* height and width of dst */
};

/* src and weights in bfloat16; accumulate: adds to dst instead of overwriting it.
 * Not to be called from a parallel region. Errors: E_ENVIRONMENT. Owned: onednn_conv_free. */
struct onednn_conv;
int onednn_conv_new(const struct onednn_shape *shape, bool accumulate, struct onednn_conv **conv,
                    struct error *err);
void onednn_conv_free(struct onednn_conv *conv);

/* Bytes of weights in oneDNN's own order, and of scratch for a thread. */
size_t onednn_weight_bytes(const struct onednn_conv *conv);
size_t onednn_scratch_bytes(const struct onednn_conv *conv);

/* packed = kernel [3][3][in][out], reordered. */
void onednn_pack(const struct onednn_conv *conv, const void *kernel, void *packed);

/* All pointers aligned to cache lines. */
void onednn_run(const struct onednn_conv *conv, const void *src, const void *packed, float *dst,
                void *scratch);

/* Whether oneDNN runs on matrix units (AMX) here. */
bool onednn_has_matrix_units(void);

/* "2.6.3, avx512_core_bf16": the library loaded and what it takes of this processor. */
void onednn_version(char *text, size_t size);

#endif
