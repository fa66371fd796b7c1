/* The contact sheet of a sweep as one PNG, for papers and slides. */
#ifndef ATELIER_SHEET_DRAW_H
#define ATELIER_SHEET_DRAW_H

#include "axes.h"

/* Every run has its place; one without a picture says why. Errors: E_INPUT: path, too many runs for
 * one sheet; E_ENVIRONMENT. An earlier file stands as it was. */
int sheet_draw(const struct runs *runs, const struct axes *axes, const char *path,
               struct error *err);

#endif
