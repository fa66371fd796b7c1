/* The loss curves of a sweep as one picture, for papers and slides. */
#ifndef ATELIER_CURVES_DRAW_H
#define ATELIER_CURVES_DRAW_H

#include "axes.h"

enum curves_by { CURVES_BY_EVALUATION, CURVES_BY_SECONDS, CURVES_BY_STEP };

struct curves {
    const char *loss; /* a column of the history ("total"), "terms" or "layers": a panel each */
    enum curves_by by;
    bool linear; /* losses are drawn as they are, not their logarithms */
};

/* Draws every row of every run that is done, coloured by axes->colour, as PNG or SVG.
 * Errors: E_INPUT: path, no such loss (with the nearest), nothing to draw; E_ENVIRONMENT. An
 * earlier file stands as it was. */
int curves_draw(const struct runs *runs, const struct axes *axes, const struct curves *curves,
                const char *path, struct error *err);

#endif
