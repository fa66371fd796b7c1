/* An axis of a plot: from values to 0..1, and the round numbers that are written beside it. */
#ifndef ATELIER_PLOT_SCALE_H
#define ATELIER_PLOT_SCALE_H

#include <stdbool.h>
#include <stddef.h>

/* Zero-initialised but for `logarithmic`; then plot_scale_see of all values, plot_scale_settle. */
struct plot_scale {
    bool logarithmic;
    bool seen;
    double low, high;
};

/* Widens it to a value; one that is not finite, or not above 0 on a logarithmic axis, is ignored.
 */
void plot_scale_see(struct plot_scale *scale, double value);

/* Makes sure that low < high, and leaves `air`, a fraction of the axis, at both ends. */
void plot_scale_settle(struct plot_scale *scale, double air);

/* 0 at low, 1 at high; NaN for what plot_scale_see ignores. */
double plot_scale_at(const struct plot_scale *scale, double value);

/* Round numbers from low to high, about `wanted` of them, at most `most`: 1, 2 or 5 times powers of
 * ten. Returns how many. */
size_t plot_scale_ticks(const struct plot_scale *scale, int wanted, double *ticks, size_t most);

enum { TICK_TEXT = 40 };
/* "0.02", "3000", "5 × 10⁻⁶". Fills and returns text. */
const char *plot_tick_text(double value, char text[TICK_TEXT]);

#endif
