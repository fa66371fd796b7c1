/* What tells the runs of a sweep apart: the parameters that vary, their values in order, and which
 * of them make good rows and columns of a contact sheet. */
#ifndef ATELIER_AXES_H
#define ATELIER_AXES_H

#include "distinct.h"

/* A parameter of which the runs have two values or more. */
struct axis {
    const struct run_column *column; /* borrowed from the runs */
    enum param_id param;
    bool numeric;
    struct distinct values;
    char **labels;   /* [values.count]: as short as it goes, for people; no two are the same */
    double *numbers; /* [values.count]; NULL unless numeric */
};

enum { AXIS_NONE = -1 };

/* list is in the table's order. Parameters that vary only as the preset does are no axes.
 * rows, columns, colour: positions in list, or AXIS_NONE. */
struct axes {
    size_t count;
    struct axis *list;
    int rows, columns, colour;
};

/* Names of parameters; "none"; or NULL: chosen here. */
struct axes_wish {
    const char *rows, *columns, *colour;
};

enum { AXIS_ROWS_MAX = 40, AXIS_COLUMNS_MAX = 12 };

/* Unless wished otherwise: of the parameters that have 2 to 12 values, the number with most goes
 * across, else the one with most; of the rest with up to 40, the one with most goes down; the
 * colours are the columns'. A parameter whose values nearly all differ from run to run, as random
 * ones do, is a poor axis and is not chosen.
 * Errors: E_INPUT: no parameter of that name (with the nearest), or it does not vary;
 * E_ENVIRONMENT. Owned: axes_release. The runs must outlive it. */
int axes_choose(const struct runs *runs, const struct axes_wish *wish, struct axes *out,
                struct error *err);
void axes_release(struct axes *axes);

/* Whether the preset varies and this parameter only with it. */
bool axes_follows_preset(const struct runs *runs, enum param_id param);

#endif
