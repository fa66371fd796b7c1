#include "curves_draw.h"

#include "drawing.h"
#include "plot_scale.h"
#include "words.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WIDTH = 1000, PANEL_HEIGHT = 330, ALONE_HEIGHT = 520, LEGEND = 44 };
enum { LEFT = 72, RIGHT = 22, TOP = 34, BOTTOM = 46, PNG_SCALE = 2 };
enum { TICKS_MOST = 24, LEGEND_MOST = 10 };
enum { INK = 0x24211c, SOFT = 0x5d574d, GRID = 0xdcd6c9 };

struct plot {
    const struct runs *runs;
    const struct axis *colour; /* or NULL */
    const struct curves *curves;
    int *losses; /* [panels]: columns of a history */
    int panels, across;
    struct plot_scale x, *y; /* y [panels] */
    struct drawing drawing;
};

struct box {
    double left, top, right, bottom;
};

/* What is drawn ---------------------------------------------------------------------------------
 */

static bool is_layer(const char *name)
{
    return strncmp(name, "content_", 8) == 0 || strncmp(name, "style_", 6) == 0;
}

static bool is_asked(const char *asked, const char *name)
{
    if (strcmp(asked, "layers") == 0)
        return is_layer(name);
    if (strcmp(asked, "terms") == 0)
        return strcmp(name, "content") == 0 || strcmp(name, "style") == 0 ||
               strcmp(name, "tv") == 0;
    return strcmp(asked, name) == 0;
}

static int no_such_loss(const struct runs *runs, const char *asked, struct error *err)
{
    char nearest[128] = "";
    const char **names = calloc((size_t)runs->loss_columns + 2, sizeof *names);
    for (int i = 0; names && i < runs->loss_columns; i++)
        names[i] = runs->loss[i].name;
    if (names) {
        names[runs->loss_columns] = "terms";
        names[runs->loss_columns + 1] = "layers";
        words_nearest(asked, names, (size_t)runs->loss_columns + 2, nearest, sizeof nearest);
    }
    free(names);
    return fail(err, E_INPUT, "no run has a loss '%s'%s%s", asked, nearest[0] ? "; nearest: " : "",
                nearest);
}

static int choose_losses(struct plot *plot, struct error *err)
{
    const struct runs *runs = plot->runs;
    plot->losses = malloc(((size_t)runs->loss_columns + 1) * sizeof *plot->losses);
    plot->y = calloc((size_t)runs->loss_columns + 1, sizeof *plot->y);
    if (!plot->losses || !plot->y)
        return fail(err, E_ENVIRONMENT, "not enough memory for a plot");
    for (int column = H_TOTAL; column < runs->loss_columns; column++)
        if (is_asked(plot->curves->loss, runs->loss[column].name))
            plot->losses[plot->panels++] = column;
    if (plot->panels == 0)
        return no_such_loss(runs, plot->curves->loss, err);
    plot->across = plot->panels == 1 ? 1 : 2;
    return 0;
}

static double x_of(const struct plot *plot, const double *values, size_t row)
{
    static const int columns[] = {
        [CURVES_BY_EVALUATION] = H_EVALUATION, [CURVES_BY_SECONDS] = H_SECONDS};
    if (plot->curves->by == CURVES_BY_STEP)
        return (double)row;
    return values[row * (size_t)plot->runs->loss_columns + (size_t)columns[plot->curves->by]];
}

static double y_of(const struct plot *plot, const double *values, size_t row, int panel)
{
    return values[row * (size_t)plot->runs->loss_columns + (size_t)plot->losses[panel]];
}

static int see_history(void *context, size_t run, size_t rows, const double *values,
                       const struct image *image, const struct error *why, struct error *err)
{
    struct plot *plot = context;
    (void)run, (void)image, (void)why, (void)err;
    for (size_t row = 0; row < rows; row++) {
        plot_scale_see(&plot->x, x_of(plot, values, row));
        for (int panel = 0; panel < plot->panels; panel++)
            plot_scale_see(&plot->y[panel], y_of(plot, values, row, panel));
    }
    return 0;
}

static int find_scales(struct plot *plot, struct error *err)
{
    for (int panel = 0; panel < plot->panels; panel++)
        plot->y[panel].logarithmic = !plot->curves->linear;
    int status = runs_visit(plot->runs, NULL, 0, false, see_history, plot, err);
    if (status != 0)
        return status;
    if (!plot->x.seen)
        return fail(err, E_INPUT, "no run is done: there is no curve to draw");
    plot_scale_settle(&plot->x, 0);
    for (int panel = 0; panel < plot->panels; panel++)
        plot_scale_settle(&plot->y[panel], 0.04);
    return 0;
}

/* Drawing --------------------------------------------------------------------------------------
 */

static double panel_height(const struct plot *plot)
{
    return plot->panels == 1 ? ALONE_HEIGHT : PANEL_HEIGHT;
}

static double whole_height(const struct plot *plot)
{
    int down = (plot->panels + plot->across - 1) / plot->across;
    return down * panel_height(plot) + LEGEND;
}

static struct box box_of(const struct plot *plot, int panel)
{
    double width = (double)WIDTH / plot->across, height = panel_height(plot);
    double x = panel % plot->across * width, y = (double)(panel / plot->across) * height;
    return (struct box){x + LEFT, y + TOP, x + width - RIGHT, y + height - BOTTOM};
}

static double across_at(const struct plot *plot, const struct box *box, double value)
{
    return box->left + plot_scale_at(&plot->x, value) * (box->right - box->left);
}

static double up_at(const struct plot *plot, const struct box *box, int panel, double value)
{
    return box->bottom - plot_scale_at(&plot->y[panel], value) * (box->bottom - box->top);
}

static void draw_line(struct plot *plot, double x0, double y0, double x1, double y1)
{
    cairo_move_to(plot->drawing.cairo, x0, y0);
    cairo_line_to(plot->drawing.cairo, x1, y1);
    cairo_stroke(plot->drawing.cairo);
}

static void draw_y_axis(struct plot *plot, const struct box *box, int panel)
{
    double ticks[TICKS_MOST];
    char text[TICK_TEXT];
    size_t count =
        plot_scale_ticks(&plot->y[panel], (int)((box->bottom - box->top) / 50), ticks, TICKS_MOST);
    for (size_t i = 0; i < count; i++) {
        double y = up_at(plot, box, panel, ticks[i]);
        drawing_colour(&plot->drawing, colour_of_hex(GRID));
        draw_line(plot, box->left, y, box->right, y);
        drawing_colour(&plot->drawing, colour_of_hex(SOFT));
        drawing_text(&plot->drawing, box->left - 8, y + 4, 12, DRAW_NORMAL, 1, 0,
                     plot_tick_text(ticks[i], text));
    }
}

static void draw_x_axis(struct plot *plot, const struct box *box)
{
    static const char *const titles[] = {"evaluations", "seconds", "accepted steps"};
    double ticks[TICKS_MOST];
    char text[TICK_TEXT];
    size_t count =
        plot_scale_ticks(&plot->x, (int)((box->right - box->left) / 90), ticks, TICKS_MOST);
    drawing_colour(&plot->drawing, colour_of_hex(SOFT));
    draw_line(plot, box->left, box->bottom, box->right, box->bottom);
    for (size_t i = 0; i < count; i++) {
        double x = across_at(plot, box, ticks[i]);
        draw_line(plot, x, box->bottom, x, box->bottom + 4);
        drawing_text(&plot->drawing, x, box->bottom + 18, 12, DRAW_NORMAL, 0.5, 0,
                     plot_tick_text(ticks[i], text));
    }
    drawing_colour(&plot->drawing, colour_of_hex(INK));
    drawing_text(&plot->drawing, box->right, box->bottom + 36, 12, DRAW_NORMAL, 1, 0,
                 titles[plot->curves->by]);
}

static void draw_axes(struct plot *plot, int panel)
{
    struct box box = box_of(plot, panel);
    cairo_set_line_width(plot->drawing.cairo, 1);
    draw_y_axis(plot, &box, panel);
    draw_x_axis(plot, &box);
    drawing_text(&plot->drawing, box.left, box.top - 14, 14, DRAW_BOLD, 0, box.right - box.left,
                 plot->runs->loss[plot->losses[panel]].title);
}

/* Values that are not drawn are gaps. */
static void draw_curve(struct plot *plot, int panel, size_t rows, const double *values)
{
    struct box box = box_of(plot, panel);
    bool pen = false;
    for (size_t row = 0; row < rows; row++) {
        double x = across_at(plot, &box, x_of(plot, values, row));
        double y = up_at(plot, &box, panel, y_of(plot, values, row, panel));
        if (isnan(x) || isnan(y))
            pen = false;
        else if (pen)
            cairo_line_to(plot->drawing.cairo, x, y);
        else {
            cairo_move_to(plot->drawing.cairo, x, y);
            cairo_line_to(plot->drawing.cairo, x, y); /* a point where it stands alone */
            pen = true;
        }
    }
    cairo_stroke(plot->drawing.cairo);
}

static int draw_history(void *context, size_t run, size_t rows, const double *values,
                        const struct image *image, const struct error *why, struct error *err)
{
    struct plot *plot = context;
    (void)image, (void)why, (void)err;
    size_t value = plot->colour ? plot->colour->values.of_run[run] : 0;
    drawing_colour(&plot->drawing, palette_colour(plot->colour, value));
    for (int panel = 0; panel < plot->panels; panel++)
        draw_curve(plot, panel, rows, values);
    return 0;
}

static void draw_key(struct plot *plot, double *x, double y, size_t value, const char *label)
{
    cairo_set_line_width(plot->drawing.cairo, 3);
    drawing_colour(&plot->drawing, palette_colour(plot->colour, value));
    draw_line(plot, *x, y - 4, *x + 22, y - 4);
    drawing_colour(&plot->drawing, colour_of_hex(INK));
    *x += 28 + drawing_text(&plot->drawing, *x + 28, y, 12, DRAW_NORMAL, 0, 200, label) + 18;
}

/* All values, or where they are too many some of them. */
static void draw_legend(struct plot *plot)
{
    if (!plot->colour)
        return;
    size_t count = plot->colour->values.count;
    size_t step = (count + LEGEND_MOST - 1) / LEGEND_MOST;
    double x = LEFT, y = whole_height(plot) - 16;
    drawing_colour(&plot->drawing, colour_of_hex(SOFT));
    x += 18 +
         drawing_text(&plot->drawing, x, y, 12, DRAW_NORMAL, 0, 200, plot->colour->column->name);
    for (size_t value = 0; value < count && x < WIDTH - 60; value += step)
        draw_key(plot, &x, y, value, plot->colour->labels[value]);
}

static int draw(struct plot *plot, const char *path, struct error *err)
{
    int status;
    TRY(drawing_begin(path, true, WIDTH, whole_height(plot), PNG_SCALE, &plot->drawing, err));
    for (int panel = 0; panel < plot->panels; panel++)
        draw_axes(plot, panel);
    cairo_set_line_width(plot->drawing.cairo, plot->runs->done > 40 ? 1 : 1.6);
    cairo_set_line_join(plot->drawing.cairo, CAIRO_LINE_JOIN_ROUND);
    cairo_set_line_cap(plot->drawing.cairo, CAIRO_LINE_CAP_ROUND);
    TRY(runs_visit(plot->runs, NULL, 0, false, draw_history, plot, err));
    draw_legend(plot);
    TRY(drawing_commit(&plot->drawing, err));
done:
    drawing_abort(&plot->drawing);
    return status;
}

int curves_draw(const struct runs *runs, const struct axes *axes, const struct curves *curves,
                const char *path, struct error *err)
{
    int status;
    struct plot plot = {.runs = runs,
                        .colour = axes->colour == AXIS_NONE ? NULL : &axes->list[axes->colour],
                        .curves = curves};
    TRY(choose_losses(&plot, err));
    TRY(find_scales(&plot, err));
    TRY(draw(&plot, path, err));
done:
    free(plot.losses);
    free(plot.y);
    return status;
}
