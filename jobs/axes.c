#include "axes.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(struct error *err)
{
    return fail(err, E_ENVIRONMENT, "not enough memory for the axes of a sweep");
}

/* Labels --------------------------------------------------------------------------------------- */

/* The last `parts` parts of a path. */
static const char *tail(const char *path, int parts)
{
    const char *at = path + strlen(path);
    while (at > path && (at[-1] != '/' || --parts > 0))
        at--;
    return at;
}

/* One label more or less exact: level 0 is the shortest. Caller frees. */
static char *make_label(const struct axis *axis, size_t value, int level)
{
    char text[NUMBER_TEXT];
    size_t run = axis->values.example[value];
    const char *whole = runs_text(axis->column, run, text);
    bool path = param_table[axis->param].type == PARAM_PATH || *whole == '/';
    if (axis->numeric && level == 0)
        snprintf(text, sizeof text, "%.3g", axis->column->numbers[run]);
    else if (path && level < 3)
        return strdup(tail(whole, level + 1));
    return strdup(whole);
}

static int by_text(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Whether no two labels are the same. Errors: no memory: says no. */
static bool are_distinct(char *const *labels, size_t count)
{
    char **sorted = malloc((count + 1) * sizeof *sorted);
    if (!sorted)
        return false;
    memcpy(sorted, labels, count * sizeof *sorted);
    qsort(sorted, count, sizeof *sorted, by_text);
    bool distinct = true;
    for (size_t i = 1; i < count; i++)
        distinct = distinct && strcmp(sorted[i - 1], sorted[i]) != 0;
    free(sorted);
    return distinct;
}

static int make_labels(struct axis *axis, struct error *err)
{
    enum { LEVELS = 4 };
    axis->labels = calloc(axis->values.count + 1, sizeof *axis->labels);
    if (!axis->labels)
        return no_memory(err);
    for (int level = 0; level < LEVELS; level++) {
        for (size_t value = 0; value < axis->values.count; value++) {
            free(axis->labels[value]);
            axis->labels[value] = make_label(axis, value, level);
            if (!axis->labels[value])
                return no_memory(err);
        }
        if (are_distinct(axis->labels, axis->values.count))
            break;
    }
    return 0;
}

/* Axes ----------------------------------------------------------------------------------------- */

bool axes_follows_preset(const struct runs *runs, enum param_id param)
{
    const struct run_column *preset = runs_column(runs, param_table[PARAM_preset].name);
    const struct run_column *column = runs_column(runs, param_table[param].name);
    size_t of_preset[PRESETS];
    int known = 0;
    if (!param_from_preset(param) || !preset || !column || runs_constant(runs, preset))
        return false;
    for (size_t run = 0; run < runs->count; run++) {
        int p = 0;
        if (!distinct_has(preset, run) || !distinct_has(column, run))
            continue;
        while (p < known && !distinct_same(preset, of_preset[p], run))
            p++;
        if (p == PRESETS || (p < known && !distinct_same(column, of_preset[p], run)))
            return false;
        if (p == known)
            of_preset[known++] = run;
    }
    return true;
}

static int add_axis(const struct runs *runs, const struct run_column *column, enum param_id param,
                    struct axes *axes, struct error *err)
{
    int status = 0;
    struct axis *axis = &axes->list[axes->count++];
    *axis = (struct axis){.column = column, .param = param, .numeric = column->numbers != NULL};
    TRY(distinct_find(runs, column, &axis->values, err));
    TRY(make_labels(axis, err));
    if (!axis->numeric)
        return 0;
    axis->numbers = malloc(axis->values.count * sizeof *axis->numbers);
    if (!axis->numbers)
        return no_memory(err);
    for (size_t value = 0; value < axis->values.count; value++)
        axis->numbers[value] = column->numbers[axis->values.example[value]];
done:
    return status;
}

static int find_axes(const struct runs *runs, struct axes *axes, struct error *err)
{
    int status = 0;
    axes->list = calloc(PARAM_COUNT, sizeof *axes->list);
    if (!axes->list)
        return no_memory(err);
    for (int id = 0; id < PARAM_COUNT; id++) {
        const struct run_column *column = runs_column(runs, param_table[id].name);
        if (param_table[id].scope != SCOPE_JOB || !column || runs_constant(runs, column) ||
            axes_follows_preset(runs, (enum param_id)id))
            continue;
        TRY(add_axis(runs, column, (enum param_id)id, axes, err));
    }
done:
    return status;
}

/* The axis with most values of those that may be taken; AXIS_NONE where there is none. */
static int best_axis(const struct runs *runs, const struct axes *axes, int taken, size_t most,
                     bool only_numbers)
{
    int best = AXIS_NONE;
    for (int i = 0; i < (int)axes->count; i++) {
        const struct axis *axis = &axes->list[i];
        bool scattered =
            axis->values.count > AXIS_COLUMNS_MAX && axis->values.count > runs->count / 2;
        if (i == taken || axis->values.count > most || scattered ||
            (only_numbers && !axis->numeric))
            continue;
        if (best == AXIS_NONE || axis->values.count > axes->list[best].values.count)
            best = i;
    }
    return best;
}

static int wished(const struct axes *axes, const char *name, int *axis, struct error *err)
{
    enum param_id param;
    *axis = AXIS_NONE;
    if (strcmp(name, "none") == 0)
        return 0;
    int status = params_find(name, &param, err);
    if (status != 0)
        return status;
    for (int i = 0; i < (int)axes->count; i++)
        if (axes->list[i].param == param)
            *axis = i;
    if (*axis == AXIS_NONE)
        return fail(err, E_INPUT, "'%s' does not vary in this sweep", param_table[param].name);
    return 0;
}

static int choose(const struct runs *runs, const struct axes_wish *wish, struct axes *axes,
                  struct error *err)
{
    int status = 0;
    axes->rows = axes->columns = axes->colour = AXIS_NONE;
    if (wish->rows)
        TRY(wished(axes, wish->rows, &axes->rows, err));
    if (wish->columns)
        TRY(wished(axes, wish->columns, &axes->columns, err));
    else {
        axes->columns = best_axis(runs, axes, axes->rows, AXIS_COLUMNS_MAX, true);
        if (axes->columns == AXIS_NONE)
            axes->columns = best_axis(runs, axes, axes->rows, AXIS_COLUMNS_MAX, false);
    }
    if (!wish->rows)
        axes->rows = best_axis(runs, axes, axes->columns, AXIS_ROWS_MAX, false);
    if (wish->colour)
        TRY(wished(axes, wish->colour, &axes->colour, err));
    else
        axes->colour = axes->columns != AXIS_NONE ? axes->columns
                       : axes->rows != AXIS_NONE  ? axes->rows
                       : axes->count > 0          ? 0
                                                  : AXIS_NONE;
    if (axes->rows != AXIS_NONE && axes->rows == axes->columns)
        status = fail(err, E_INPUT, "rows and columns are the same parameter, '%s'",
                      axes->list[axes->rows].column->name);
done:
    return status;
}

int axes_choose(const struct runs *runs, const struct axes_wish *wish, struct axes *out,
                struct error *err)
{
    int status = 0;
    struct axes axes = {0};
    TRY(find_axes(runs, &axes, err));
    TRY(choose(runs, wish, &axes, err));
    *out = axes;
    axes = (struct axes){0};
done:
    axes_release(&axes);
    return status;
}

void axes_release(struct axes *axes)
{
    for (size_t i = 0; axes->list && i < axes->count; i++) {
        struct axis *axis = &axes->list[i];
        for (size_t value = 0; axis->labels && value < axis->values.count; value++)
            free(axis->labels[value]);
        free(axis->labels);
        distinct_release(&axis->values);
        free(axis->numbers);
    }
    free(axes->list);
    *axes = (struct axes){0};
}
