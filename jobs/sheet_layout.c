#include "sheet_layout.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MARGIN = 24, GAP = 8, LINE = 20, TITLE_LINE = 34, HEADING_LINE = 30, ROW_LABEL = 150 };
enum { FLOW_WIDTH = 2000, ASPECT_MOST = 2 };

struct maker {
    const struct runs *runs;
    const struct axes *axes;
    const struct axis *rows, *columns; /* or NULL */
    size_t *order;                     /* [runs]: block by block, row by row */
    size_t *place;                     /* [columns' values]: the position across in a block */
    struct sheet_layout *out;
    double y; /* so far */
    struct error *err;
};

/* Order ---------------------------------------------------------------------------------------- */

static size_t value_of(const struct axis *axis, size_t run)
{
    return axis ? axis->values.of_run[run] : 0;
}

static int by_size(size_t a, size_t b) { return (a > b) - (a < b); }

/* 0 if both runs belong into the same block. */
static int compare_blocks(const struct maker *m, size_t a, size_t b)
{
    if (!m->rows && !m->columns)
        return 0;
    for (size_t i = 0; i < m->axes->count; i++) {
        const struct axis *axis = &m->axes->list[i];
        int order = by_size(value_of(axis, a), value_of(axis, b));
        if (axis != m->rows && axis != m->columns && order)
            return order;
    }
    return 0;
}

static int compare_runs(const void *a, const void *b, void *context)
{
    const struct maker *m = context;
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    int order = compare_blocks(m, x, y);
    if (!order)
        order = by_size(value_of(m->rows, x), value_of(m->rows, y));
    if (!order)
        order = by_size(value_of(m->columns, x), value_of(m->columns, y));
    return order ? order : by_size(x, y);
}

/* Labels --------------------------------------------------------------------------------------- */

__attribute__((format(printf, 6, 7))) static int add_label(struct maker *m, enum sheet_style style,
                                                           double x, double y, double width,
                                                           const char *format, ...)
{
    struct sheet_layout *out = m->out;
    char *text;
    va_list arguments;
    struct sheet_label *grown = reallocarray(out->labels, out->label_count + 1, sizeof *grown);
    if (!grown)
        return fail(m->err, E_ENVIRONMENT, "not enough memory for a contact sheet");
    out->labels = grown;
    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0)
        return fail(m->err, E_ENVIRONMENT, "not enough memory for a contact sheet");
    out->labels[out->label_count++] = (struct sheet_label){style, x, y, width, text};
    return 0;
}

static const char *label_of(const struct axis *axis, size_t run)
{
    size_t value = axis->values.of_run[run];
    return value < axis->values.count ? axis->labels[value] : "-";
}

/* "content harbour.jpg  tv_weight 0.1": the parameters on no axis, or all where there is none. */
static int describe(const struct maker *m, size_t run, char **text)
{
    size_t size;
    FILE *stream = open_memstream(text, &size);
    if (!stream)
        return fail(m->err, E_ENVIRONMENT, "not enough memory for a contact sheet");
    const char *between = "";
    for (size_t i = 0; i < m->axes->count; i++) {
        const struct axis *axis = &m->axes->list[i];
        if (axis == m->rows || axis == m->columns)
            continue;
        fprintf(stream, "%s%s %s", between, axis->column->name, label_of(axis, run));
        between = " · ";
    }
    return fclose(stream) == 0 ? 0 : fail_errno(m->err, "cannot make a heading");
}

static int add_description(struct maker *m, enum sheet_style style, double x, double y,
                           double width, size_t run)
{
    char *text = NULL;
    int status = describe(m, run, &text);
    if (status == 0 && *text)
        status = add_label(m, style, x, y, width, "%s", text);
    free(text);
    return status;
}

/* Blocks --------------------------------------------------------------------------------------- */

/* Numbers the columns' values that occur in order[first..last); returns how many do. */
static size_t number_columns(struct maker *m, size_t first, size_t last)
{
    if (!m->columns)
        return 1;
    size_t count = m->columns->values.count + 1, across = 0;
    for (size_t value = 0; value < count; value++)
        m->place[value] = SIZE_MAX;
    for (size_t i = first; i < last; i++)
        m->place[value_of(m->columns, m->order[i])] = 0;
    for (size_t value = 0; value < count; value++)
        if (m->place[value] != SIZE_MAX)
            m->place[value] = across++;
    return across;
}

static double left_edge(const struct maker *m) { return m->rows ? MARGIN + ROW_LABEL : MARGIN; }

static double column_x(const struct maker *m, size_t run)
{
    size_t place = m->columns ? m->place[value_of(m->columns, run)] : 0;
    return left_edge(m) + (double)place * (m->out->cell_width + GAP);
}

static int label_columns(struct maker *m, size_t first, size_t last, size_t across)
{
    int status = 0;
    double step = m->out->cell_width + GAP;
    if (m->rows)
        TRY(add_label(m, SHEET_AXIS, MARGIN, m->y + (m->columns ? LINE : 0), ROW_LABEL - GAP, "%s",
                      m->rows->column->name));
    if (!m->columns) {
        m->y += m->rows ? LINE : 0;
        return 0;
    }
    TRY(add_label(m, SHEET_AXIS, left_edge(m), m->y, (double)across * step, "%s",
                  m->columns->column->name));
    m->y += LINE;
    bool *done = calloc(across, sizeof *done);
    for (size_t i = first; done && i < last && status == 0; i++) {
        size_t run = m->order[i], place = m->place[value_of(m->columns, run)];
        if (!done[place])
            status = add_label(m, SHEET_COLUMN, column_x(m, run), m->y, m->out->cell_width, "%s",
                               label_of(m->columns, run));
        done[place] = true;
    }
    m->y += LINE + GAP / 2;
    free(done);
done:
    return status;
}

/* Places the runs of one row, those of one cell below each other. */
static int place_row(struct maker *m, size_t first, size_t last)
{
    int status = 0;
    double step = m->out->cell_height + GAP, deepest = 0;
    size_t in_cell = 0;
    if (m->rows)
        TRY(add_label(m, SHEET_ROW, MARGIN, m->y, ROW_LABEL - 2 * GAP, "%s",
                      label_of(m->rows, m->order[first])));
    for (size_t i = first; i < last; i++) {
        size_t run = m->order[i];
        bool same = i > first && value_of(m->columns, run) == value_of(m->columns, m->order[i - 1]);
        in_cell = same ? in_cell + 1 : 0;
        m->out->cell[run] = (struct sheet_cell){column_x(m, run), m->y + (double)in_cell * step};
        deepest = fmax(deepest, (double)(in_cell + 1) * step);
    }
    m->y += deepest;
done:
    return status;
}

static int place_block(struct maker *m, size_t first, size_t last)
{
    int status = 0;
    size_t across = number_columns(m, first, last);
    double width = left_edge(m) + (double)across * (m->out->cell_width + GAP) - GAP + MARGIN;
    m->out->width = fmax(m->out->width, width);
    size_t labels = m->out->label_count;
    TRY(add_description(m, SHEET_HEADING, MARGIN, m->y, width - 2 * MARGIN, m->order[first]));
    if (m->out->label_count > labels)
        m->y += HEADING_LINE;
    TRY(label_columns(m, first, last, across));
    for (size_t i = first, end; i < last; i = end) {
        for (end = i + 1; end < last; end++)
            if (value_of(m->rows, m->order[end]) != value_of(m->rows, m->order[i]))
                break;
        TRY(place_row(m, i, end));
    }
    m->y += MARGIN;
done:
    return status;
}

static int place_blocks(struct maker *m)
{
    int status = 0;
    for (size_t first = 0, last; first < m->runs->count; first = last) {
        for (last = first + 1; last < m->runs->count; last++)
            if (compare_blocks(m, m->order[first], m->order[last]) != 0)
                break;
        TRY(place_block(m, first, last));
    }
done:
    return status;
}

/* Without axes: as many beside each other as fit, each with a line that says what it is. */
static int place_flow(struct maker *m)
{
    int status = 0;
    double step = m->out->cell_width + GAP;
    size_t across = (size_t)fmax(1, floor((FLOW_WIDTH - 2 * MARGIN) / step));
    bool captions = m->axes->count > 0;
    double down = m->out->cell_height + GAP + (captions ? LINE : 0);
    for (size_t i = 0; i < m->runs->count; i++) {
        size_t run = m->order[i];
        struct sheet_cell cell = {MARGIN + (double)(i % across) * step,
                                  m->y + (double)(i / across) * down};
        m->out->cell[run] = cell;
        m->out->width = fmax(m->out->width, cell.x + step - GAP + MARGIN);
        if (captions)
            TRY(add_description(m, SHEET_COLUMN, cell.x, cell.y + m->out->cell_height,
                                m->out->cell_width, run));
    }
    m->y += (double)((m->runs->count + across - 1) / across) * down;
done:
    return status;
}

/* All together --------------------------------------------------------------------------------- */

/* No cell is wider than its pictures are, unless those are tiny. */
static double widest(const struct runs *runs)
{
    const struct run_column *width = runs_column(runs, "width");
    double most = SHEET_CELL_TINY_PX;
    for (size_t run = 0; width && run < runs->count; run++)
        most = fmax(most, width->numbers[run]);
    return fmin(most, SHEET_CELL_MAX_PX);
}

/* Height over width of the highest picture. */
static double highest(const struct runs *runs)
{
    const struct run_column *width = runs_column(runs, "width");
    const struct run_column *height = runs_column(runs, "height");
    double most = 0;
    for (size_t run = 0; width && height && run < runs->count; run++)
        if (width->numbers[run] > 0 && height->numbers[run] > 0)
            most = fmax(most, height->numbers[run] / width->numbers[run]);
    return most > 0 ? fmin(most, ASPECT_MOST) : 0.75;
}

static void clear(struct sheet_layout *layout)
{
    for (size_t i = 0; i < layout->label_count; i++)
        free(layout->labels[i].text);
    layout->label_count = 0;
    layout->width = layout->height = 0;
}

static int lay_out(struct maker *m, double cell_width)
{
    int status = 0;
    const char *folder = m->runs->store.folder, *slash = strrchr(folder, '/');
    clear(m->out);
    m->out->cell_width = cell_width;
    m->out->cell_height = rint(cell_width * highest(m->runs));
    m->y = MARGIN;
    TRY(add_label(m, SHEET_TITLE, MARGIN, m->y, 0, "%s", slash && slash[1] ? slash + 1 : folder));
    m->y += TITLE_LINE + GAP;
    TRY(m->rows || m->columns ? place_blocks(m) : place_flow(m));
    m->out->height = m->y + MARGIN / 2;
    m->out->labels[0].width = m->out->width - 2 * MARGIN;
done:
    return status;
}

/* Makes the cells smaller until the sheet is small enough. */
static int fit(struct maker *m)
{
    int status = 0;
    for (double width = widest(m->runs); width >= SHEET_CELL_MIN_PX; width *= 0.8) {
        TRY(lay_out(m, rint(width)));
        if (m->out->width <= SHEET_MAX_PX && m->out->height <= SHEET_MAX_PX)
            return 0;
    }
    return fail(m->err, E_INPUT,
                "%zu pictures make a contact sheet of more than %d px: choose other "
                "rows or columns",
                m->runs->count, SHEET_MAX_PX);
done:
    return status;
}

int sheet_layout_make(const struct runs *runs, const struct axes *axes, struct sheet_layout *out,
                      struct error *err)
{
    int status;
    struct sheet_layout layout = {.cell = calloc(runs->count + 1, sizeof *layout.cell)};
    struct maker m = {.runs = runs,
                      .axes = axes,
                      .rows = axes->rows == AXIS_NONE ? NULL : &axes->list[axes->rows],
                      .columns = axes->columns == AXIS_NONE ? NULL : &axes->list[axes->columns],
                      .order = malloc((runs->count + 1) * sizeof *m.order),
                      .out = &layout,
                      .err = err};
    size_t values = m.columns ? m.columns->values.count : 0;
    m.place = calloc(values + 1, sizeof *m.place);
    if (!layout.cell || !m.order || !m.place) {
        status = fail(err, E_ENVIRONMENT, "not enough memory for a contact sheet");
        goto done;
    }
    for (size_t run = 0; run < runs->count; run++)
        m.order[run] = run;
    qsort_r(m.order, runs->count, sizeof *m.order, compare_runs, &m);
    TRY(fit(&m));
    *out = layout;
    layout = (struct sheet_layout){0};
done:
    free(m.order);
    free(m.place);
    sheet_layout_release(&layout);
    return status;
}

void sheet_layout_release(struct sheet_layout *layout)
{
    clear(layout);
    free(layout->labels);
    free(layout->cell);
    *layout = (struct sheet_layout){0};
}
