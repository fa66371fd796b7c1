/* The pictures. Each function initialises `out` and draws it; the caller releases it. */
#ifndef ATELIER_SAMPLES_DRAW_PICTURES_H
#define ATELIER_SAMPLES_DRAW_PICTURES_H

#include "draw_canvas.h"

void draw_harbour(struct canvas *out);
void draw_swirls(struct canvas *out);
void draw_mosaic(struct canvas *out);
void draw_woodcut(struct canvas *out);

#endif
