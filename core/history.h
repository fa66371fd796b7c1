/* The loss history of a render: a table with one row per accepted optimiser step. Row 0 is the
 * start, before any step. */
#ifndef ATELIER_HISTORY_H
#define ATELIER_HISTORY_H

#include "error.h"
#include <stddef.h>

struct history_column {
    char name[32];  /* "total", "style_relu3_1" */
    char title[96]; /* for people: "weighted style loss at relu3_1" */
    char unit[16];  /* "1", "s", "px" */
    int integer;    /* the values are whole numbers below 2^31 */
};

/* The fixed columns come first, in this order; then one per loss layer (content, then style). */
enum history_fixed {
    H_ITERATION,     /* outer iteration, 0 at the start */
    H_EVALUATION,    /* evaluations so far, over resumes too */
    H_SECONDS,       /* of work so far, over resumes too */
    H_TOTAL,         /* = content + style + tv */
    H_CONTENT,       /* weighted */
    H_STYLE,         /* weighted */
    H_TV,            /* weighted */
    H_GRADIENT_NORM, /* L2, by the 0..255 picture */
    H_STEP,          /* L2 distance moved by this step, in 0..255 units */
    H_PRECISION,     /* what computed the row: 0 float32, 1 bfloat16 */
    H_FIXED
};

/* values is [rows][columns]; capacity rows are allocated. */
struct history {
    int columns;
    struct history_column *column;
    size_t rows, capacity;
    double *values;
};

/* A table with the fixed columns and `layers` more, whose names and titles the caller fills in. */
int history_init(struct history *history, int layers, struct error *err);
/* Appends a row, copied from values[columns]. */
int history_append(struct history *history, const double *values, struct error *err);
/* The first row with that total loss; the last row if there is none. */
size_t history_row_of(const struct history *history, double total);
double history_get(const struct history *history, size_t row, int column);
void history_release(struct history *history);

#endif
