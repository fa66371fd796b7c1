#include "tv.h"

#include <math.h>
#include <stddef.h>

/* s^power and, through *slope, its derivative by s. */
static inline double raise(double s, double power, double *slope)
{
    if (power == 1) {
        *slope = 1;
        return s;
    }
    double root4 = sqrt(sqrt(s));
    *slope = 1.25 * root4;
    return s * root4;
}

/* The gradient of pixel (i, j)'s own term by its right and lower differences. */
static inline void term_slopes(const double *x, size_t at, size_t row, double power, double *by_dx,
                               double *by_dy)
{
    double dx = x[at + 3] - x[at], dy = x[at + row] - x[at], slope;
    raise(dx * dx + dy * dy, power, &slope);
    *by_dx = 2 * slope * dx;
    *by_dy = 2 * slope * dy;
}

/* Sum of row i's terms, and the whole gradient of row i's pixels: each collects from its own term,
 * from its left neighbour's dx and from its upper neighbour's dy. */
static double evaluate_row(const double *x, int height, int width, int i, double power,
                           double scale, double *g)
{
    size_t row = (size_t)width * 3, start = (size_t)i * row, corner = row - 3;
    double sum = 0;
    for (size_t k = 0; k < row; k++) {
        size_t at = start + k;
        double gradient = 0, by_dx, by_dy;
        if (i < height - 1 && k < corner) {
            double dx = x[at + 3] - x[at], dy = x[at + row] - x[at], slope;
            sum += raise(dx * dx + dy * dy, power, &slope);
            gradient -= 2 * slope * (dx + dy);
        }
        if (i < height - 1 && k >= 3) {
            term_slopes(x, at - 3, row, power, &by_dx, &by_dy);
            gradient += by_dx;
        }
        if (i > 0 && k < corner) {
            term_slopes(x, at - row, row, power, &by_dx, &by_dy);
            gradient += by_dy;
        }
        g[at] += scale * gradient;
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
