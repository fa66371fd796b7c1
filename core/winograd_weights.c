#include "winograd_weights.h"

#include "bf16.h"
#include "kernels_product.h"
#include <stdint.h>
#include <string.h>

enum { SMALL_AREA = 256 * 256 }; /* in x out up to which both directions are kept in float32 */

/* Planes 0..5 of one dimension belong to 0, r, -r, 1/r, -1/r, infinity; p -> 1/p. The convolution
 * of dy with the kernel turned by 180 degrees has the same planes in this order. */
static const int reciprocal[PATCH] = {5, 3, 4, 1, 2, 0};

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

/* Puts values u of one plane, for input channel i and output channels from o on, where they belong.
 */
static void place_f32(const float *u, int in, int out, int i, int o, int count, float *plane)
{
    float *turned = winograd_weights_turned(in, out, false) ? plane + area(in, out) : NULL;
    for (int k = 0; k < count; k++) {
        plane[packed_at(i, o + k, in, out)] = u[k];
        if (turned)
            turned[packed_at(o + k, i, out, in)] = u[k];
    }
}

static void place_bf16(const float *u, int in, int out, int i, int o, int count, uint16_t *plane)
{
    uint16_t *turned = plane + area(in, out);
    for (int k = 0; k < count; k++) {
        uint16_t value = bf16_of(u[k]);
        plane[packed_bf16_at(i, o + k, in, out)] = value;
        turned[packed_bf16_at(o + k, i, out, in)] = value;
    }
}

/* Input channels are shared among threads through rows of the kernel; the transform wants whole
 * kernels, so each thread gathers its rows first. */
void winograd_weights_prepare(const float *kernel, int in, int out, bool half, void *planes)
{
    const struct kernels *kernels = kernels_get();
    size_t stride = plane_stride(in, out, half);
#pragma omp parallel for schedule(static)
    for (int i = 0; i < in; i++) {
        float w[9 * 512], u[PLANES * 512];
        for (int o = 0; o < out; o += 512) {
            int count = out - o < 512 ? out - o : 512;
            for (int tap = 0; tap < 9; tap++)
                memcpy(w + tap * count,
                       kernel + ((size_t)tap * (size_t)in + (size_t)i) * (size_t)out + o,
                       (size_t)count * sizeof *w);
            kernels->winograd_weights(w, (size_t)count, u);
            for (int p = 0; p < PLANES; p++) {
                void *plane = (char *)planes + (size_t)p * stride;
                if (half)
                    place_bf16(u + p * count, in, out, i, o, count, plane);
                else
                    place_f32(u + p * count, in, out, i, o, count, plane);
            }
        }
    }
}

/* Input channels first.. of a plane that is packed for forward, packed for backward. */
static void turn_panel(const float *plane, int in, int out, int first, float *panel)
{
    const struct product_kernels *kernels = kernels_get()->product;
    int columns = in - first < PANEL ? in - first : PANEL;
    for (int o = 0; o < out; o += LANES) {
        int width = out - o / PANEL * PANEL < PANEL ? LANES : PANEL;
        for (int i = 0; i < columns; i += LANES)
            kernels->transpose(plane + packed_at(first + i, o, in, out), width,
                               panel + (size_t)o * (size_t)columns + (size_t)i, columns);
    }
}

const void *winograd_weights_panel(const struct winograd_weights *weights, int plane, bool backward,
                                   int first, float *panel)
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
    turn_panel((const float *)(const void *)at, in, out, first, panel);
    return panel;
}
