/* Which rows of a history a plot needs. */
#ifndef ATELIER_DECIMATE_H
#define ATELIER_DECIMATE_H

#include "error.h"
#include <stddef.h>

/* A table values[rows][columns]: column x is drawn across, the columns of `drawn` upward, in
 * logarithms. */
struct decimation {
    size_t rows, columns;
    const double *values;
    int x;
    const int *drawn;
    size_t drawn_count;
    double tolerance; /* relative: 0.01 is 1 % of a value */
    size_t limit;     /* rows kept at most; >= 2 */
};

/* Keeps the first and the last row, and again and again the row that lies farthest from the
 * straight lines through its kept neighbours, until each row left out is within the tolerance of
 * them in every drawn column, or `limit` rows are kept (Douglas and Peucker 1973, farthest first).
 * kept [min(rows, limit)], out, ascending; *count of them. Values that are not finite or not above
 * 0 count as missing; where a column begins or ceases to be so, both rows are kept.
 * *worst: the largest relative deviation of what is left out. Errors: E_ENVIRONMENT. */
int decimate(const struct decimation *plan, size_t *kept, size_t *count, double *worst,
             struct error *err);

#endif
