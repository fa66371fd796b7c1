/* The inner loops of what touches the picture itself: the convolution that reads it, three channels
 * in, and total variation. As kernels.h has those of everything else: compiled once for each
 * instruction set, serial.
 *
 * kernel is [3][3][PICTURE_CHANNELS][out], out a multiple of LANES. A row's neighbours come as
 * [above, itself, below], NULL outside the map. */
#ifndef ATELIER_KERNELS_PICTURE_H
#define ATELIER_KERNELS_PICTURE_H

#include "kernels.h"

enum { PICTURE_CHANNELS = 3 };

struct picture_kernels {
    /* One row: y [width][out] = the epilogue of rows x [width][3] * kernel; its mask begins with
     * the row. Overwrites. */
    void (*forward)(const float *const x[3], int width, const float *kernel, int out,
                    const struct epilogue *epilogue, float *y);
    /* One row of the gradient by x: dx [width][3] from rows dy [width][out], which count as 0 where
     * mask has a 0, unless the masks are NULL. Overwrites. */
    void (*backward)(const float *const dy[3], const mask_word *const mask[3], int width,
                     const float *kernel, int out, float *dx);
    /* Returns the sum of s^1.25 (quarter) or s over count values of a row, where s = dx^2 + dy^2 of
     * the differences to the value three to the right and to the one below; by_dx and by_dy
     * [count]: the derivatives. */
    double (*variation)(const double *x, const double *below, size_t count, bool quarter,
                        double *by_dx, double *by_dy);
};

#endif
