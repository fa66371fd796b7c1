#include "winograd_weights.h"

#include "kernels_product.h"
#include <stdint.h>
#include <string.h>

enum { SMALL_AREA = 256 * 256 }; /* in x out up to which both directions are kept in float32 */

/* Planes 0..5 of one dimension belong to 0, r, -r, 1/r, -1/r, infinity; p -> 1/p. The convolution
 * of dy with the kernel turned by 180 degrees has the same planes in this order. */
static const int reciprocal[PATCH] = {5, 3, 4, 1, 2, 0};

/* Of the panel that a column stands in. */
static int panel_width(int column, int columns)
{
    int left = columns - column / PANEL * PANEL;
    return left < PANEL ? left : PANEL;
}

static size_t area(int in, int out) { return (size_t)in * (size_t)out; }

bool winograd_weights_turned(int in, int out, bool half)
{
    return half || area(in, out) <= SMALL_AREA || out > TURNED_DEPTH_MAX;
}

/* Bytes of one plane in one direction. */
static size_t plane_bytes(int in, int out, bool half)
{
    return area(in, out) * (half ? sizeof(uint16_t) : sizeof(float));
}

static size_t plane_stride(int in, int out, bool half)
{
    return plane_bytes(in, out, half) * (winograd_weights_turned(in, out, half) ? 2 : 1);
}

size_t winograd_weights_bytes(int in, int out, bool half)
{
    return PLANES * plane_stride(in, out, half);
}

/* --- from one direction to the other --- */

/* Output channels o..o + LANES - 1 of input channels first..first + columns - 1, of a plane that is
 * packed for forward: to where they belong in that panel of a plane packed for backward. */
static void turn_f32(const float *plane, int in, int out, int first, int columns, int o,
                     float *panel)
{
    int width = panel_width(o, out);
    for (int i = 0; i < columns; i += LANES)
        kernels_get()->product->transpose(plane + packed_at(first + i, o, in, out), width,
                                          panel + (size_t)o * (size_t)columns + (size_t)i, columns);
}

static void turn_bf16(const uint16_t *plane, int in, int out, int first, int columns, int o,
                      uint16_t *panel)
{
    kernels_get()->product->turn_bf16(columns, plane + packed_bf16_at(first, o, in, out),
                                      panel_width(o, out), panel + (size_t)o * (size_t)columns,
                                      columns);
}

/* A panel for backward, from input channel `first` on, of a plane packed for forward. */
static void turn_panel(const void *plane, int in, int out, bool half, int first, void *panel)
{
    int columns = panel_width(first, in);
    for (int o = 0; o < out; o += LANES)
        if (half)
            turn_bf16(plane, in, out, first, columns, o, panel);
        else
            turn_f32(plane, in, out, first, columns, o, panel);
}

/* --- preparing --- */

/* Kernels of input channels i.. and output channels o.., a panel's width of each. */
struct block {
    int in, out; /* of the whole */
    int i, o, rows, columns;
};

/* Puts such a block of one plane, u [rows][columns], where it belongs. */
static void place(const struct block *b, bool half, const float *u, void *plane)
{
    bool turned = winograd_weights_turned(b->in, b->out, half);
    size_t behind = area(b->in, b->out) + (size_t)b->i * (size_t)b->out;
    if (half)
        kernels_get()->product->pack_bf16(
            b->rows, b->columns, u, (uint16_t *)plane + packed_bf16_at(b->i, b->o, b->in, b->out));
    else
        memcpy((float *)plane + packed_at(b->i, b->o, b->in, b->out), u,
               (size_t)b->rows * (size_t)b->columns * sizeof *u);
    for (int k = 0; turned && k < b->columns; k += LANES)
        if (half)
            turn_bf16(plane, b->in, b->out, b->i, b->rows, b->o + k, (uint16_t *)plane + behind);
        else
            turn_f32(plane, b->in, b->out, b->i, b->rows, b->o + k, (float *)plane + behind);
}

static void prepare_block(const struct block *b, const float *kernel, bool half, void *planes)
{
    enum { STRIDE = PANEL * PANEL + LANES }; /* a cache line more, as planes share cache sets */
    float w[9 * STRIDE], u[PLANES * STRIDE];
    size_t columns = (size_t)b->columns;
    for (int tap = 0; tap < 9; tap++)
        for (int r = 0; r < b->rows; r++)
            memcpy(w + (size_t)tap * STRIDE + (size_t)r * columns,
                   kernel + ((size_t)tap * (size_t)b->in + (size_t)(b->i + r)) * (size_t)b->out +
                       b->o,
                   columns * sizeof *w);
    kernels_get()->winograd_weights(w, STRIDE, (size_t)b->rows * columns, u);
    for (int p = 0; p < PLANES; p++)
        place(b, half, u + (size_t)p * STRIDE,
              (char *)planes + (size_t)p * plane_stride(b->in, b->out, half));
}

void winograd_weights_prepare(const float *kernel, int in, int out, bool half, void *planes)
{
#pragma omp parallel for collapse(2) schedule(static)
    for (int o = 0; o < out; o += PANEL)
        for (int i = 0; i < in; i += PANEL) {
            struct block b = {in, out, i, o, panel_width(i, in), panel_width(o, out)};
            prepare_block(&b, kernel, half, planes);
        }
}

/* --- using --- */

const void *winograd_weights_panel(const struct winograd_weights *weights, int plane, bool backward,
                                   int first, void *panel)
{
    int in = weights->in, out = weights->out;
    if (backward)
        plane = reciprocal[plane / PATCH] * PATCH + reciprocal[plane % PATCH];
    const char *at =
        (const char *)weights->planes + (size_t)plane * plane_stride(in, out, weights->half);
    size_t element = weights->half ? sizeof(uint16_t) : sizeof(float);
    if (!backward)
        return at + (size_t)first * (size_t)in * element;
    if (winograd_weights_turned(in, out, weights->half))
        return at + (area(in, out) + (size_t)first * (size_t)out) * element;
    turn_panel(at, in, out, weights->half, first, panel);
    return panel;
}
