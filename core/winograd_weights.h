/* The transformed kernels of the Winograd engines, packed for the products of either direction.
 *
 * Forward-data multiplies by u [in][out] of a plane, backward-data by its transpose. Both are
 * kept, but of large ones (SMALL_BYTES) only the first where memory is to be saved: there a panel
 * of the second is made when it is needed. At 512 to 512 channels a copy is 38 MB (19 in bfloat16),
 * and turning a panel takes about as long as multiplying 16 tiles by it: a quarter of an evaluation
 * at 128 x 96 px, 3 % at 512 x 512. */
#ifndef ATELIER_WINOGRAD_WEIGHTS_H
#define ATELIER_WINOGRAD_WEIGHTS_H

#include "conv.h"
#include <stdbool.h>
#include <stddef.h>

enum {
    TURNED_DEPTH_MAX = 512, /* output channels above which both are always kept */
    SMALL_BYTES = 9 << 20   /* of one direction, up to which both are always kept */
};

struct winograd_weights {
    int in, out;
    bool half; /* bfloat16, else float32 */
    enum saving saving;
    void *planes; /* of winograd_weights_bytes; NULL where only the shape matters */
};

size_t winograd_weights_bytes(const struct winograd_weights *weights);

/* Fills the planes from kernel [3][3][in][out]. */
void winograd_weights_prepare(const struct winograd_weights *weights, const float *kernel);

/* Whether both directions are kept. */
bool winograd_weights_turned(const struct winograd_weights *weights);

/* The packed panels (kernels.h) of a plane from column `first`, a multiple of PANEL: all that
 * follow where they are kept, else that one, made in panel, which has room for TURNED_DEPTH_MAX
 * x PANEL floats. float or bfloat16, as the weights are. Columns are input channels and depth is
 * output channels if backward, else the other way round. */
const void *winograd_weights_panel(const struct winograd_weights *weights, int plane, bool backward,
                                   int first, void *panel);

#endif
