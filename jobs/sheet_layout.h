/* Where everything stands on a contact sheet; pure arithmetic. The same order as on the page of a
 * report (report/sheet.js): a block for each combination of the parameters that are on no axis. */
#ifndef ATELIER_SHEET_LAYOUT_H
#define ATELIER_SHEET_LAYOUT_H

#include "axes.h"

enum sheet_style { SHEET_TITLE, SHEET_HEADING, SHEET_AXIS, SHEET_COLUMN, SHEET_ROW, SHEET_STYLES };

/* A line of text in a box; (x, y) is its upper left corner. */
struct sheet_label {
    enum sheet_style style;
    double x, y, width;
    char *text;
};

/* px. cell [runs]: upper left corner of each run's box of cell_width x cell_height. */
struct sheet_layout {
    double width, height, cell_width, cell_height;
    struct sheet_cell {
        double x, y;
    } * cell;
    size_t label_count;
    struct sheet_label *labels;
};

enum {
    SHEET_MAX_PX = 30000,
    SHEET_CELL_MAX_PX = 260,
    SHEET_CELL_TINY_PX = 96,
    SHEET_CELL_MIN_PX = 40
};

/* Cells are as wide as the pictures, as fits, and up to SHEET_CELL_MAX_PX, and as high as the
 * highest picture needs. Errors: E_INPUT: it would be larger than SHEET_MAX_PX on a side;
 * E_ENVIRONMENT. Owned: sheet_layout_release. */
int sheet_layout_make(const struct runs *runs, const struct axes *axes, struct sheet_layout *out,
                      struct error *err);
void sheet_layout_release(struct sheet_layout *layout);

#endif
