/* Each row's task takes the derivatives of its own terms and of the row above, a stretch of the row
 * at a time, and gathers: a pixel's gradient collects from its own term, from its left neighbour's
 * dx and from its upper neighbour's dy. Every derivative is worked out twice, and nothing is
 * shared. */
#include "tv.h"

#include "kernels_picture.h"
#include <stddef.h>
#include <string.h>

enum { STRETCH = 16 * LANES, LEFT = 3 /* values to the pixel on the left */ };

/* Derivatives of a stretch's terms, 0 where there is none; by_dx begins a pixel to the left. */
struct slopes {
    double by_dx[LEFT + STRETCH], by_dy[STRETCH];
};

/* Takes the terms of values at..at + count - 1 of row x, of which the first `terms` have one. */
static double take_slopes(const double *x, size_t row, size_t at, size_t terms, size_t count,
                          double power, struct slopes *slopes)
{
    size_t there = at >= terms ? 0 : terms - at < count ? terms - at : count;
    double sum = kernels_get()->picture->variation(x + at, x + row + at, there, power != 1,
                                                   slopes->by_dx + LEFT, slopes->by_dy);
    for (size_t k = there; k < count; k++)
        slopes->by_dx[LEFT + k] = slopes->by_dy[k] = 0;
    return sum;
}

/* Sum of row i's terms, and the whole gradient of row i's pixels. The last row and the last pixel
 * of every row have no term. */
static double evaluate_row(const double *x, int height, int width, int i, double power,
                           double scale, double *g)
{
    size_t row = (size_t)width * 3, start = (size_t)i * row, terms = row - LEFT;
    struct slopes own = {.by_dx = {0}}, upper;
    double sum = 0;
    for (size_t at = 0; at < row; at += STRETCH) {
        size_t count = row - at < STRETCH ? row - at : STRETCH;
        memcpy(own.by_dx, own.by_dx + STRETCH, LEFT * sizeof *own.by_dx);
        sum += take_slopes(x + start, row, at, i < height - 1 ? terms : 0, count, power, &own);
        take_slopes(i > 0 ? x + start - row : x, row, at, i > 0 ? terms : 0, count, power, &upper);
        for (size_t k = 0; k < count; k++)
            g[start + at + k] +=
                scale * (own.by_dx[k] + upper.by_dy[k] - (own.by_dx[LEFT + k] + own.by_dy[k]));
    }
    return sum;
}

double tv_evaluate(const double *x, int height, int width, double power, double scale, double *g,
                   double *row_sums)
{
#pragma omp parallel for schedule(static)
    for (int i = 0; i < height; i++)
        row_sums[i] = evaluate_row(x, height, width, i, power, scale, g);
    double sum = 0;
    for (int i = 0; i < height; i++)
        sum += row_sums[i];
    return sum;
}
