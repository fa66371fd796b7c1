/* Kernels are copied in blocks of output channels: a block of BLOCK outputs is
 * one cache line of ours and reads BLOCK streams of an OIHW file. */
#include "tensor.h"

#include "vgg19.h"
#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

enum { BLOCK = 16 };

bool region_part(struct region whole, uint64_t start, uint64_t count, struct region *part)
{
    if (start > whole.count || count > whole.count - start)
        return false;
    *part = (struct region){whole.bytes + start, (size_t)count};
    return true;
}

bool region_equal(struct region a, struct region b)
{
    return a.count == b.count && (a.count == 0 || memcmp(a.bytes, b.bytes, a.count) == 0);
}

bool region_is(struct region region, const char *text)
{
    return region_equal(region, (struct region){(const unsigned char *)text, strlen(text)});
}

int region_order(struct region a, struct region b)
{
    size_t common = a.count < b.count ? a.count : b.count;
    int order = common ? memcmp(a.bytes, b.bytes, common) : 0;
    return order ? order : (a.count > b.count) - (a.count < b.count);
}

size_t tensor_type_bytes(enum tensor_type type)
{
    return type == TENSOR_F32 ? 4 : type == TENSOR_F64 ? 8 : 2;
}

void tensor_row_major(struct tensor *tensor)
{
    uint64_t stride = 1;
    for (int i = tensor->rank - 1; i >= 0; i--) {
        tensor->stride[i] = stride;
        stride *= tensor->shape[i];
    }
    tensor->offset = 0;
}

/* ---- numbers ---- */

static bool swapped(bool big_endian)
{
    return big_endian != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__);
}

static float float_of(uint32_t bits)
{
    float value;
    memcpy(&value, &bits, sizeof value);
    return value;
}

/* IEEE 754 binary16. */
static float half_of(uint16_t half)
{
    uint32_t sign = (uint32_t)(half & 0x8000) << 16, exponent = half >> 10 & 31, low = half & 0x3ff;
    if (exponent == 31)
        return float_of(sign | 0x7f800000 | low << 13);
    if (exponent > 0)
        return float_of(sign | (exponent + 112) << 23 | low << 13);
    float value = (float)low * 0x1p-24f;
    return sign ? -value : value;
}

static inline float number_at(const unsigned char *bytes, enum tensor_type type, bool swap)
{
    if (type == TENSOR_F32) {
        uint32_t bits;
        memcpy(&bits, bytes, sizeof bits);
        return float_of(swap ? __builtin_bswap32(bits) : bits);
    }
    if (type == TENSOR_F64) {
        uint64_t bits;
        double value;
        memcpy(&bits, bytes, sizeof bits);
        bits = swap ? __builtin_bswap64(bits) : bits;
        memcpy(&value, &bits, sizeof value);
        return (float)value;
    }
    uint16_t bits;
    memcpy(&bits, bytes, sizeof bits);
    bits = swap ? __builtin_bswap16(bits) : bits;
    return type == TENSOR_F16 ? half_of(bits) : float_of((uint32_t)bits << 16);
}

/* ---- checks ---- */

static void print_shape(const struct tensor *t, char *text, size_t size)
{
    size_t used = (size_t)snprintf(text, size, "(");
    for (int i = 0; i < t->rank && used < size; i++)
        used +=
            (size_t)snprintf(text + used, size - used, "%s%" PRIu64, i ? ", " : "", t->shape[i]);
    if (used < size)
        snprintf(text + used, size - used, ")");
}

static int wrong_shape(const struct tensor *t, const struct tensor *expected, struct error *err)
{
    char should[TENSOR_RANKS * 24], is[TENSOR_RANKS * 24];
    print_shape(expected, should, sizeof should);
    print_shape(t, is, sizeof is);
    return fail(err, E_INPUT, "expected shape %s, got %s", should, is);
}

static bool same_shape(const struct tensor *a, const struct tensor *b)
{
    return a->rank == b->rank &&
           memcmp(a->shape, b->shape, (size_t)a->rank * sizeof *a->shape) == 0;
}

/* The shape is known to be good and small, strides and offset are not. */
static int check_extent(const struct tensor *t, struct error *err)
{
    uint64_t last = t->offset, have = t->data.count / tensor_type_bytes(t->type);
    bool overflow = false;
    for (int i = 0; i < t->rank; i++) {
        uint64_t reach;
        overflow |= __builtin_mul_overflow(t->stride[i], t->shape[i] - 1, &reach);
        overflow |= __builtin_add_overflow(last, reach, &last);
    }
    if (overflow || last >= have)
        return fail(err, E_INPUT, "its values reach beyond the %" PRIu64 " that are stored", have);
    return 0;
}

static int in_layer(int conv, const char *what, struct error *err)
{
    char name[LAYER_NAME];
    layer_name((struct layer){.conv = conv, .kind = LAYER_CONV}, name);
    return fail_context(err, "layer %s: %s: ", name, what);
}

/* ---- kernels and biases ---- */

static inline void copy_kernel(const unsigned char *first, const ptrdiff_t stride[4],
                               enum tensor_type type, bool swap, size_t in, size_t out,
                               float *kernel)
{
    for (size_t start = 0; start < out; start += BLOCK)
        for (size_t i = 0; i < in; i++)
            for (size_t tap = 0; tap < 9; tap++) {
                float *to = kernel + (tap * in + i) * out + start;
                const unsigned char *from = first + (ptrdiff_t)(tap / 3) * stride[0] +
                                            (ptrdiff_t)(tap % 3) * stride[1] +
                                            (ptrdiff_t)i * stride[2] + (ptrdiff_t)start * stride[3];
                for (size_t o = 0; o < BLOCK; o++)
                    to[o] = number_at(from + (ptrdiff_t)o * stride[3], type, swap);
            }
}

int tensor_read_kernel(const struct tensor *t, enum kernel_order order, int conv, float *kernel,
                       struct error *err)
{
    static const int axis[][4] = {/* of height, width, in, out */
                                  [KERNEL_OIHW] = {2, 3, 1, 0},
                                  [KERNEL_HWIO] = {0, 1, 2, 3}};
    const size_t in = (size_t)vgg19_convs[conv].in, out = (size_t)vgg19_convs[conv].out;
    const uint64_t sizes[4] = {3, 3, in, out};
    struct tensor expected = {.rank = 4};
    ptrdiff_t stride[4];
    assert(out % BLOCK == 0);
    for (int i = 0; i < 4; i++)
        expected.shape[axis[order][i]] = sizes[i];
    if (!same_shape(t, &expected)) {
        wrong_shape(t, &expected, err);
        in_layer(conv, "kernel", err);
        return E_INPUT;
    }
    if (check_extent(t, err)) {
        in_layer(conv, "kernel", err);
        return E_INPUT;
    }
    const size_t bytes = tensor_type_bytes(t->type);
    for (int i = 0; i < 4; i++)
        stride[i] = (ptrdiff_t)(t->stride[axis[order][i]] * bytes);
    const unsigned char *first = t->data.bytes + t->offset * bytes;
    if (t->type == TENSOR_F32 && !swapped(t->big_endian))
        copy_kernel(first, stride, TENSOR_F32, false, in, out, kernel);
    else
        copy_kernel(first, stride, t->type, swapped(t->big_endian), in, out, kernel);
    return 0;
}

int tensor_read_bias(const struct tensor *t, int conv, float *bias, struct error *err)
{
    const size_t out = (size_t)vgg19_convs[conv].out, bytes = tensor_type_bytes(t->type);
    const struct tensor expected = {.rank = 1, .shape = {out}};
    struct tensor flat = *t;
    while (flat.rank > 1 && flat.shape[0] == 1) {
        flat.rank--;
        memmove(flat.shape, flat.shape + 1, (size_t)flat.rank * sizeof *flat.shape);
        memmove(flat.stride, flat.stride + 1, (size_t)flat.rank * sizeof *flat.stride);
    }
    if (!same_shape(&flat, &expected)) {
        wrong_shape(t, &expected, err);
        in_layer(conv, "bias", err);
        return E_INPUT;
    }
    if (check_extent(&flat, err)) {
        in_layer(conv, "bias", err);
        return E_INPUT;
    }
    for (size_t o = 0; o < out; o++)
        bias[o] = number_at(t->data.bytes + (flat.offset + o * flat.stride[0]) * bytes, t->type,
                            swapped(t->big_endian));
    return 0;
}
