/* A curve in a terminal, in characters. */
#ifndef ATELIER_CHART_H
#define ATELIER_CHART_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct chart {
    const double *x, *y; /* [count], x ascending; points that are not finite are left out */
    size_t count;
    const char *x_name;
    int width, height; /* of all of it, in characters; at least 30 x 5 */
    bool utf8;         /* braille dots, 2 x 4 a character; else ASCII, 1 x 2 */
};

/* Prints it, with its scales: logarithmic upwards if all y are above 0 and span more than a factor
 * of 4. */
void chart_print(FILE *to, const struct chart *chart);

#endif
