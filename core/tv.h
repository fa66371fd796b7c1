/* Total variation of a picture. */
#ifndef ATELIER_TV_H
#define ATELIER_TV_H

/* sum over the (height-1) x (width-1) corner and three channels of s^power, s = dx^2 + dy^2, dx and
 * dy the differences to the next pixel right and below.
 * x [height][width][3] in. g, same shape: scale * gradient is added to it.
 * power is 1, or 1.25 as in the Keras example. row_sums [height] is scratch.
 * Returns the sum, not scaled. Double throughout, rows summed in order. Threads: OpenMP over rows.
 * Checked by: tv_gradient_matches_differences, tv_of_a_constant_is_zero */
double tv_evaluate(const double *x, int height, int width, double power, double scale, double *g,
                   double *row_sums);

#endif
