/* Colours of runs, for colour-blind eyes, too: the light ones of report/colour.js. */
#ifndef ATELIER_PALETTE_H
#define ATELIER_PALETTE_H

#include "axes.h"

struct colour {
    double red, green, blue; /* 0..1 */
};

/* 0xrrggbb */
struct colour colour_of_hex(unsigned hex);

/* Of the number of a value of an axis: few kinds get a colour each (after Okabe and Ito 2008);
 * amounts, and more kinds than there are colours, lie on a ramp like viridis. axis may be NULL. */
struct colour palette_colour(const struct axis *axis, size_t value);

#endif
