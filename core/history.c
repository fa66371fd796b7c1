#include "history.h"

#include <stdlib.h>
#include <string.h>

static const struct history_column fixed[H_FIXED] = {
    [H_ITERATION] = {"iteration", "outer iteration", "1", 1},
    [H_EVALUATION] = {"evaluation", "evaluations of loss and gradient so far", "1", 1},
    [H_SECONDS] = {"seconds", "seconds of work so far", "s", 0},
    [H_TOTAL] = {"total", "total loss", "1", 0},
    [H_CONTENT] = {"content", "weighted content loss", "1", 0},
    [H_STYLE] = {"style", "weighted style loss", "1", 0},
    [H_TV] = {"tv", "weighted total-variation loss", "1", 0},
    [H_GRADIENT_NORM] = {"gradient_norm", "L2 norm of the gradient by the 0..255 picture", "1", 0},
    [H_STEP] = {"step", "L2 distance moved by the step, in 0..255 units", "1", 0},
    [H_PRECISION] = {"precision", "arithmetic of the row: 0 float32, 1 bfloat16", "1", 1},
};

int history_init(struct history *history, int layers, struct error *err)
{
    *history = (struct history){.columns = H_FIXED + layers};
    history->column = calloc((size_t)history->columns, sizeof *history->column);
    if (!history->column)
        return fail(err, E_ENVIRONMENT, "not enough memory for the loss history");
    memcpy(history->column, fixed, sizeof fixed);
    return 0;
}

int history_append(struct history *history, const double *values, struct error *err)
{
    size_t columns = (size_t)history->columns;
    if (history->rows == history->capacity) {
        size_t capacity = history->capacity ? 2 * history->capacity : 64;
        double *grown = realloc(history->values, capacity * columns * sizeof *grown);
        if (!grown)
            return fail(err, E_ENVIRONMENT, "not enough memory for the loss history");
        history->values = grown;
        history->capacity = capacity;
    }
    memcpy(history->values + history->rows * columns, values, columns * sizeof *values);
    history->rows++;
    return 0;
}

size_t history_row_of(const struct history *history, double total)
{
    for (size_t row = 0; row < history->rows; row++)
        if (history_get(history, row, H_TOTAL) == total)
            return row;
    return history->rows ? history->rows - 1 : 0;
}

double history_get(const struct history *history, size_t row, int column)
{
    return history->values[row * (size_t)history->columns + (size_t)column];
}

void history_release(struct history *history)
{
    free(history->column);
    free(history->values);
    *history = (struct history){0};
}
