/* The transformed kernels of the Winograd engines, packed for the products of either direction.
 *
 * Forward-data multiplies by u [in][out] of a plane, backward-data by its transpose. In bfloat16,
 * and in float32 where they are small, both are kept; else only the first, and a panel of the
 * second is made when it is needed: at 512 to 512 channels a copy is 38 MB, and turning a panel
 * takes about as long as multiplying 16 tiles by it. */
#ifndef ATELIER_WINOGRAD_WEIGHTS_H
#define ATELIER_WINOGRAD_WEIGHTS_H

#include <stdbool.h>
#include <stddef.h>

enum { TURNED_DEPTH_MAX = 512 }; /* output channels above which both are always kept */

struct winograd_weights {
    const void *planes;
    int in, out;
    bool half; /* bfloat16, else float32 */
};

size_t winograd_weights_bytes(int in, int out, bool half);

/* From kernel [3][3][in][out]. */
void winograd_weights_prepare(const float *kernel, int in, int out, bool half, void *planes);

/* Whether both directions are kept. */
bool winograd_weights_turned(int in, int out, bool half);

/* The packed panels (kernels.h) of a plane from column `first`, a multiple of PANEL: all that
 * follow where they are kept, else that one, made in
 * panel [TURNED_DEPTH_MAX][PANEL]. Columns are input
 * channels and depth is output channels if backward, else the other way round. */
const void *winograd_weights_panel(const struct winograd_weights *weights, int plane, bool backward,
                                   int first, void *panel);

#endif
