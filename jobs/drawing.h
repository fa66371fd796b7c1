/* A picture drawn with cairo: a PNG, or an SVG by its name. */
#ifndef ATELIER_DRAWING_H
#define ATELIER_DRAWING_H

#include "error.h"
#include "palette.h"
#include "publish.h"
#include <cairo.h>

struct drawing {
    cairo_t *cairo;
    double width, height; /* in the units that are drawn in */
    bool is_svg;
    struct publication staged;
};

/* Begins a white drawing. A PNG has `scale` pixels a unit.
 * Errors: E_INPUT: the name ends neither in .png nor in .svg (or, without `svg`, not in .png), the
 * path cannot be; E_ENVIRONMENT. */
int drawing_begin(const char *path, bool svg, double width, double height, double scale,
                  struct drawing *out, struct error *err);

/* Whether there is any font on this machine. Without one cairo draws letters of its own: plain
 * Latin ones, and boxes for all others. */
bool drawing_has_font(void);

/* Releases what cairo remembers of fonts. Only while there is no drawing. */
void drawing_forget_fonts(void);

/* Publishes it at its path. Errors: E_ENVIRONMENT. Releases the drawing, always. */
int drawing_commit(struct drawing *drawing, struct error *err);
/* Leaves no file. Safe on {0}. */
void drawing_abort(struct drawing *drawing);

void drawing_colour(struct drawing *drawing, struct colour colour);

enum drawing_weight { DRAW_NORMAL, DRAW_BOLD };
/* align: 0 the text begins at x, 0.5 stands about it, 1 ends there. y is its baseline. Longer than
 * width (unless 0) is cut, with an ellipsis. What is no UTF-8 becomes '?'. Returns its width. */
double drawing_text(struct drawing *drawing, double x, double y, double size,
                    enum drawing_weight weight, double align, double width, const char *text);

#endif
