#include "winograd_weights.h"

#include "kernels_product.h"
#include <stdint.h>
#include <string.h>

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

static size_t element_bytes(const struct winograd_weights *w)
{
    return w->half ? sizeof(uint16_t) : sizeof(float);
}

/* Bytes of one plane in one direction. */
static size_t plane_bytes(const struct winograd_weights *w)
{
    return area(w->in, w->out) * element_bytes(w);
}

bool winograd_weights_turned(const struct winograd_weights *w)
{
    return PLANES * plane_bytes(w) <= SMALL_BYTES || w->out > TURNED_DEPTH_MAX ||
           w->saving == SAVE_TIME;
}

static size_t plane_stride(const struct winograd_weights *w)
{
    return plane_bytes(w) * (winograd_weights_turned(w) ? 2 : 1);
}

size_t winograd_weights_bytes(const struct winograd_weights *w) { return PLANES * plane_stride(w); }

/* --- from one direction to the other --- */

/* Output channels o .. o + LANES - 1 of the input channels of the panel from `first` on, in a plane
 * that is packed for forward: to where they belong in that panel, packed for backward. */
static void turn(const struct winograd_weights *w, const void *plane, int first, int o, void *panel)
{
    const struct product_kernels *kernels = kernels_get()->product;
    int columns = panel_width(first, w->in), width = panel_width(o, w->out);
    size_t at = (size_t)o * (size_t)columns;
    if (w->half)
        kernels->turn_bf16(columns,
                           (const uint16_t *)plane + packed_bf16_at(first, o, w->in, w->out), width,
                           (uint16_t *)panel + at, columns);
    for (int i = 0; !w->half && i < columns; i += LANES)
        kernels->transpose((const float *)plane + packed_at(first + i, o, w->in, w->out), width,
                           (float *)panel + at + i, columns);
}

/* Half of what the turns of the panel after next will read comes to the cache: it lies far apart,
 * so the processor does not guess it. */
static void fetch(const struct winograd_weights *w, const void *plane, int first, int o)
{
    enum { LINE = 64 };
    int panel = o / PANEL * PANEL + 2 * PANEL, upper = o % PANEL != 0;
    if (panel >= w->out) {
        panel = o / PANEL % 2 * PANEL;
        first += PANEL;
    }
    if (panel >= w->out || first >= w->in)
        return;
    size_t bytes = (size_t)panel_width(first, w->in) * (size_t)panel_width(panel, w->out) *
                   element_bytes(w) / 2;
    const char *half = (const char *)plane +
                       packed_at(first, panel, w->in, w->out) * element_bytes(w) +
                       (upper ? bytes : 0);
    for (size_t i = 0; i < bytes; i += LINE)
        __builtin_prefetch(half + i);
}

static void turn_panel(const struct winograd_weights *w, const void *plane, int first, void *panel)
{
    for (int o = 0; o < w->out; o += LANES) {
        fetch(w, plane, first, o);
        turn(w, plane, first, o, panel);
    }
}

/* --- preparing --- */

/* Kernels of input channels i.. and output channels o.., a panel's width of each. */
struct block {
    int i, o, rows, columns;
};

/* Puts such a block of one plane, u [rows][columns], where it belongs. */
static void place(const struct winograd_weights *w, const struct block *b, const float *u,
                  char *plane)
{
    size_t at = packed_at(b->i, b->o, w->in, w->out) * element_bytes(w);
    char *behind = plane + (area(w->in, w->out) + (size_t)b->i * (size_t)w->out) * element_bytes(w);
    if (w->half)
        kernels_get()->product->pack_bf16(b->rows, b->columns, u, (void *)(plane + at));
    else
        memcpy(plane + at, u, (size_t)b->rows * (size_t)b->columns * sizeof *u);
    for (int k = 0; winograd_weights_turned(w) && k < b->columns; k += LANES)
        turn(w, plane, b->i, b->o + k, behind);
}

static void prepare_block(const struct winograd_weights *w, const struct block *b,
                          const float *kernel)
{
    enum { STRIDE = PANEL * PANEL + LANES }; /* a cache line more, as planes share cache sets */
    float taps[9 * STRIDE], u[PLANES * STRIDE];
    size_t columns = (size_t)b->columns;
    for (int tap = 0; tap < 9; tap++)
        for (int r = 0; r < b->rows; r++)
            memcpy(taps + (size_t)tap * STRIDE + (size_t)r * columns,
                   kernel + ((size_t)tap * (size_t)w->in + (size_t)(b->i + r)) * (size_t)w->out +
                       b->o,
                   columns * sizeof *taps);
    kernels_get()->winograd_weights(taps, STRIDE, (size_t)b->rows * columns, u);
    for (int p = 0; p < PLANES; p++)
        place(w, b, u + (size_t)p * STRIDE, (char *)w->planes + (size_t)p * plane_stride(w));
}

void winograd_weights_prepare(const struct winograd_weights *w, const float *kernel)
{
#pragma omp parallel for collapse(2) schedule(static)
    for (int o = 0; o < w->out; o += PANEL)
        for (int i = 0; i < w->in; i += PANEL) {
            struct block b = {i, o, panel_width(i, w->in), panel_width(o, w->out)};
            prepare_block(w, &b, kernel);
        }
}

/* --- using --- */

const void *winograd_weights_panel(const struct winograd_weights *w, int plane, bool backward,
                                   int first, void *panel)
{
    if (backward)
        plane = reciprocal[plane / PATCH] * PATCH + reciprocal[plane % PATCH];
    const char *at = (const char *)w->planes + (size_t)plane * plane_stride(w);
    if (!backward)
        return at + (size_t)first * (size_t)w->in * element_bytes(w);
    if (winograd_weights_turned(w))
        return at + (area(w->in, w->out) + (size_t)first * (size_t)w->out) * element_bytes(w);
    turn_panel(w, at, first, panel);
    return panel;
}
