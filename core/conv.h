/* 3x3 convolutions with stride 1 and zero padding 1 of one NHWC float32 picture: VGG-19's only
 * kind.
 *
 * A `struct conv` holds one layer's weights, prepared for an engine; it knows no picture size, is
 * immutable, and may be shared. A `struct conv_plan` is what runs it on pictures of one size.
 *
 * The engine is chosen from the arithmetic asked for, the shape, the processor and the libraries,
 * never by timing:
 *   onednn-bf16    bfloat16, where the processor has matrix units (AMX) and the build oneDNN:
 *                  direct, both factors of the products rounded
 *   onednn-split   float32, there: three products of factors split into two bfloat16
 *   winograd-bf16  bfloat16, elsewhere: F(4x4,3x3), both factors of the products rounded
 *   winograd       float32, elsewhere: F(4x4,3x3)
 *   direct         the picture itself, three channels, always in float32: plain sums in registers
 *
 * ATELIER_ENGINE in the environment names one to take instead where its arithmetic is asked for.
 *
 * Results do not depend on the number of threads: fixed blocks, nothing summed across threads. */
#ifndef ATELIER_CONV_H
#define ATELIER_CONV_H

#include "error.h"
#include "kernels.h"
#include <stdbool.h>
#include <stddef.h>

struct conv;

/* What operands of products are rounded to; sums, biases and feature maps are always float32. The
 * values are those of a history's precision column. */
enum arithmetic { ARITHMETIC_F32, ARITHMETIC_BF16 };

/* Every engine of this program, in the order of conv.c. */
enum { CONV_ENGINES = 5 };
struct conv_engine_info {
    const char *name;
    enum arithmetic arithmetic;
    const char *missing; /* NULL where it runs here */
};
void conv_engines(struct conv_engine_info list[CONV_ENGINES]);

/* Refuses an ATELIER_ENGINE that there is not or that cannot run here. Errors: E_INPUT. */
int conv_check(struct error *err);

/* NULL where that arithmetic can be had here, else what is missing. */
const char *conv_missing(enum arithmetic arithmetic);

/* Which counts more: an evaluation's time or the memory of prepared weights. Results are the same
 * to the last bit. Only Winograd's engines have the choice. */
enum saving { SAVE_TIME, SAVE_MEMORY };

/* Prepares kernel [3][3][in][out] and bias [out], both copied. in must be 3 or, as out, a multiple
 * of 16. Errors: as conv_check; E_ENVIRONMENT. Owned: conv_free. */
int conv_new(const float *kernel, const float *bias, int in, int out, enum arithmetic arithmetic,
             enum saving saving, struct conv **conv, struct error *err);
void conv_free(struct conv *conv);

/* The name of the engine that such a convolution gets. */
const char *conv_engine(int in, int out, enum arithmetic arithmetic);
/* Bytes of prepared weights for so many channels. */
size_t conv_weight_bytes(int in, int out, enum arithmetic arithmetic, enum saving saving);

/* Makes ready for pictures of one size; backward: for conv_backward_data, too. The conv is
 * borrowed. Immutable, for as many threads as threads_count() says now. Owned: conv_plan_free. */
struct conv_plan;
int conv_plan_new(const struct conv *conv, int height, int width, bool backward,
                  struct conv_plan **plan, struct error *err);
void conv_plan_free(struct conv_plan *plan);
/* Bytes of scratch that conv_forward and conv_backward_data need. */
size_t conv_plan_scratch_bytes(const struct conv_plan *plan);

/* What a plan holds and the scratch it needs, from the shapes alone: near enough to count on. */
size_t conv_plan_bytes(int in, int out, int height, int width, bool backward,
                       enum arithmetic arithmetic);
size_t conv_scratch_bytes(int in, int out, int height, int width, enum arithmetic arithmetic);

/* y [height][width][out] = bias + x [height][width][in] * kernel, then ReLU if asked; mask (unless
 * NULL) tells where the sum is above 0. Overwrites y and mask. y must not overlap x.
 * Threads: OpenMP; safe on distinct y, mask and scratch. */
void conv_forward(const struct conv_plan *plan, const float *x, bool relu, float *y,
                  mask_word *mask, void *scratch);

/* dx [height][width][in] = gradient by x, given dy [height][width][out] by y; where mask (unless
 * NULL) has a 0, dy counts as 0. Overwrites dx. dx must not overlap dy. */
void conv_backward_data(const struct conv_plan *plan, const float *dy, const mask_word *mask,
                        float *dx, void *scratch);

/* The same by plain loops with double accumulators, for tests. Any number of channels. */
void conv_forward_ref(const float *kernel, const float *bias, int in, int out, int height,
                      int width, const float *x, bool relu, float *y);
void conv_backward_data_ref(const float *kernel, int in, int out, int height, int width,
                            const float *dy, float *dx);

#endif
