#include "chart.h"

#include <math.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { LABEL_COLUMNS = 9 };

/* The dots of the plot, bits of a byte each character. */
struct canvas {
    int columns, rows;  /* characters */
    int across, down;   /* dots in one */
    uint8_t *cells;     /* [rows][columns] */
    double left, right; /* what x spans */
    double bottom, top; /* what y spans */
    bool logarithmic;
};

/* Bit of a dot in a braille character, [row][column]. Source: Unicode, block 2800. */
static const uint8_t braille[4][2] = {{0x01, 0x08}, {0x02, 0x10}, {0x04, 0x20}, {0x40, 0x80}};
static const char ascii[] = " '.|"; /* upper, lower, both */

static double height_of(const struct canvas *canvas, double y)
{
    return canvas->logarithmic ? log(y) : y;
}

static bool usable(const struct chart *chart, size_t i)
{
    return isfinite(chart->x[i]) && isfinite(chart->y[i]);
}

/* false: there is no point. */
static bool find_spans(const struct chart *chart, struct canvas *canvas)
{
    canvas->left = canvas->bottom = INFINITY;
    canvas->right = canvas->top = -INFINITY;
    for (size_t i = 0; i < chart->count; i++) {
        if (!usable(chart, i))
            continue;
        canvas->left = fmin(canvas->left, chart->x[i]);
        canvas->right = fmax(canvas->right, chart->x[i]);
        canvas->bottom = fmin(canvas->bottom, chart->y[i]);
        canvas->top = fmax(canvas->top, chart->y[i]);
    }
    canvas->logarithmic = canvas->bottom > 0 && canvas->top / canvas->bottom > 4;
    return canvas->left <= canvas->right;
}

static void set_dot(struct canvas *canvas, int x, int y)
{
    uint8_t *cell = &canvas->cells[y / canvas->down * canvas->columns + x / canvas->across];
    *cell |= canvas->down == 4 ? braille[y % 4][x % 2] : (uint8_t)(1 << y % 2);
}

static int position(double value, double from, double to, int dots)
{
    double share = to != from ? (value - from) / (to - from) : 0.5;
    int at = (int)(share * (dots - 1) + 0.5);
    return at < 0 ? 0 : at >= dots ? dots - 1 : at;
}

/* A line between two dots, one dot a step of the longer direction. */
static void draw_line(struct canvas *canvas, int x0, int y0, int x1, int y1)
{
    int steps = abs(x1 - x0) > abs(y1 - y0) ? abs(x1 - x0) : abs(y1 - y0);
    for (int i = 0; i <= steps; i++) {
        double share = steps ? (double)i / steps : 0;
        set_dot(canvas, x0 + (int)lround(share * (x1 - x0)), y0 + (int)lround(share * (y1 - y0)));
    }
}

static void draw(const struct chart *chart, struct canvas *canvas)
{
    int x0 = -1, y0 = -1;
    double bottom = height_of(canvas, canvas->bottom), top = height_of(canvas, canvas->top);
    for (size_t i = 0; i < chart->count; i++) {
        if (!usable(chart, i))
            continue;
        int x =
            position(chart->x[i], canvas->left, canvas->right, canvas->columns * canvas->across);
        int y = position(height_of(canvas, chart->y[i]), top, bottom, canvas->rows * canvas->down);
        draw_line(canvas, x0 < 0 ? x : x0, x0 < 0 ? y : y0, x, y);
        x0 = x;
        y0 = y;
    }
}

static void print_cell(FILE *to, const struct canvas *canvas, uint8_t cell)
{
    if (canvas->down != 4 || cell == 0)
        fputc(cell == 0 ? ' ' : ascii[cell], to);
    else /* U+2800 + cell in UTF-8 */
        fprintf(to, "\xe2%c%c", 0xa0 | cell >> 6, 0x80 | (cell & 0x3f));
}

static void print_rows(FILE *to, const struct chart *chart, const struct canvas *canvas)
{
    for (int row = 0; row < canvas->rows; row++) {
        if (row == 0 || row == canvas->rows - 1)
            fprintf(to, "%*.4g ", LABEL_COLUMNS, row == 0 ? canvas->top : canvas->bottom);
        else
            fprintf(to, "%*s ", LABEL_COLUMNS,
                    canvas->logarithmic && row == canvas->rows / 2 ? "log" : "");
        fputs(chart->utf8 ? "\xe2\x94\x82" : "|", to); /* a vertical line */
        int last = canvas->columns;
        while (last > 0 && canvas->cells[row * canvas->columns + last - 1] == 0)
            last--;
        for (int column = 0; column < last; column++)
            print_cell(to, canvas, canvas->cells[row * canvas->columns + column]);
        fputc('\n', to);
    }
}

/* "          1              evaluation              251" */
static void print_scale(FILE *to, const struct chart *chart, const struct canvas *canvas)
{
    char left[32], right[32];
    snprintf(left, sizeof left, "%.6g", canvas->left);
    snprintf(right, sizeof right, "%.6g", canvas->right);
    int name = (int)strlen(chart->x_name);
    int room = canvas->columns - (int)strlen(left) - (int)strlen(right) - name;
    if (room < 2)
        return;
    fprintf(to, "%*s%s%*s%s%*s%s\n", LABEL_COLUMNS + 2, "", left, room / 2, "", chart->x_name,
            room - room / 2, "", right);
}

void chart_print(FILE *to, const struct chart *chart)
{
    struct canvas canvas = {.columns = chart->width - LABEL_COLUMNS - 2,
                            .rows = chart->height - 1,
                            .across = chart->utf8 ? 2 : 1,
                            .down = chart->utf8 ? 4 : 2};
    if (canvas.columns < 10 || canvas.rows < 2 || !find_spans(chart, &canvas))
        return;
    canvas.cells = calloc((size_t)canvas.rows, (size_t)canvas.columns);
    if (!canvas.cells)
        return;
    draw(chart, &canvas);
    print_rows(to, chart, &canvas);
    print_scale(to, chart, &canvas);
    free(canvas.cells);
}
