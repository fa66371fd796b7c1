#include "sheet_draw.h"

#include "drawing.h"
#include "failure.h"
#include "sheet_layout.h"
#include "thumbnail.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

struct sheet {
    const struct runs *runs;
    struct sheet_layout layout;
    struct drawing drawing;
};

enum { INK = 0x24211c, SOFT = 0x5d574d, PALE = 0xf1eee6, BAD = 0xa8381f };

/* Size of the letters, their colour and where the baseline lies. */
static const struct {
    double size, baseline;
    enum drawing_weight weight;
    unsigned colour;
} styles[SHEET_STYLES] = {
    [SHEET_TITLE] = {24, 24, DRAW_BOLD, INK},   [SHEET_HEADING] = {15, 17, DRAW_BOLD, INK},
    [SHEET_AXIS] = {12, 14, DRAW_NORMAL, SOFT}, [SHEET_COLUMN] = {13, 14, DRAW_NORMAL, INK},
    [SHEET_ROW] = {13, 14, DRAW_NORMAL, INK},
};

static void draw_label(struct sheet *sheet, const struct sheet_label *label)
{
    enum sheet_style s = label->style;
    bool row = s == SHEET_ROW; /* at the right edge of its box, half way down the pictures */
    double x = row ? label->x + label->width : label->x;
    double y = row ? label->y + sheet->layout.cell_height / 2 : label->y + styles[s].baseline;
    drawing_colour(&sheet->drawing, colour_of_hex(styles[s].colour));
    drawing_text(&sheet->drawing, x, y, styles[s].size, styles[s].weight, row ? 1 : 0, label->width,
                 label->text);
}

/* A place without a picture: its status, and the reason under it. */
static void draw_absent(struct sheet *sheet, size_t index, const char *status, const char *reason)
{
    const struct sheet_cell *cell = &sheet->layout.cell[index];
    double width = sheet->layout.cell_width, height = sheet->layout.cell_height;
    bool bad = sheet->runs->run[index].status == RUN_FAILED ||
               sheet->runs->run[index].status == RUN_UNREADABLE;
    cairo_t *cairo = sheet->drawing.cairo;
    cairo_rectangle(cairo, cell->x + 0.5, cell->y + 0.5, width - 1, height - 1);
    drawing_colour(&sheet->drawing, colour_of_hex(PALE));
    cairo_fill_preserve(cairo);
    drawing_colour(&sheet->drawing, colour_of_hex(bad ? BAD : SOFT));
    cairo_set_line_width(cairo, 1);
    cairo_stroke(cairo);
    drawing_text(&sheet->drawing, cell->x + 8, cell->y + 20, 13, DRAW_BOLD, 0, width - 16, status);
    if (height < 44)
        return;
    drawing_colour(&sheet->drawing, colour_of_hex(SOFT));
    drawing_text(&sheet->drawing, cell->x + 8, cell->y + 38, 11, DRAW_NORMAL, 0, width - 16,
                 reason);
}

static void draw_picture(struct sheet *sheet, size_t index, const struct image *small)
{
    const struct sheet_cell *cell = &sheet->layout.cell[index];
    double x = cell->x + floor((sheet->layout.cell_width - small->width) / 2);
    cairo_surface_t *surface =
        cairo_image_surface_create(CAIRO_FORMAT_RGB24, small->width, small->height);
    unsigned char *data = cairo_image_surface_get_data(surface);
    for (int row = 0; data && row < small->height; row++)
        for (int column = 0; column < small->width; column++) {
            const uint8_t *rgb =
                small->rgb + 3 * ((size_t)row * (size_t)small->width + (size_t)column);
            uint32_t pixel = (uint32_t)rgb[0] << 16 | (uint32_t)rgb[1] << 8 | rgb[2];
            memcpy(data + row * cairo_image_surface_get_stride(surface) + 4 * column, &pixel,
                   sizeof pixel);
        }
    cairo_surface_mark_dirty(surface);
    cairo_set_source_surface(sheet->drawing.cairo, surface, x, cell->y);
    cairo_paint(sheet->drawing.cairo);
    cairo_surface_destroy(surface);
}

static int take_picture(void *context, size_t run, size_t rows, const double *values,
                        const struct image *image, const struct error *why, struct error *err)
{
    int status = 0;
    struct sheet *sheet = context;
    struct image small = {0};
    (void)rows;
    (void)values;
    if (!image) {
        draw_absent(sheet, run, "no picture", why ? why->message : "its result holds none");
        return 0;
    }
    double high = sheet->layout.cell_height, wide = sheet->layout.cell_width;
    double scale = fmin(wide / image->width, high / image->height);
    int longer = (int)floor(fmax(image->width, image->height) * scale);
    TRY(thumbnail_make(image, longer < 1 ? 1 : longer, &small, err));
    draw_picture(sheet, run, &small);
done:
    image_release(&small);
    return status;
}

static void draw_absences(struct sheet *sheet)
{
    for (size_t i = 0; i < sheet->runs->count; i++) {
        const struct run *run = &sheet->runs->run[i];
        if (run->status != RUN_DONE)
            draw_absent(sheet, i,
                        run->status == RUN_WAITING ? "not rendered yet"
                                                   : run_status_word(run->status),
                        run->error ? run->error : "");
    }
}

int sheet_draw(const struct runs *runs, const struct axes *axes, const char *path,
               struct error *err)
{
    int status;
    struct sheet sheet = {.runs = runs};
    TRY(sheet_layout_make(runs, axes, &sheet.layout, err));
    TRY(drawing_begin(path, false, sheet.layout.width, sheet.layout.height, 1, &sheet.drawing,
                      err));
    for (size_t i = 0; i < sheet.layout.label_count; i++)
        draw_label(&sheet, &sheet.layout.labels[i]);
    draw_absences(&sheet);
    TRY(runs_visit(runs, NULL, 0, true, take_picture, &sheet, err));
    TRY(drawing_commit(&sheet.drawing, err));
done:
    drawing_abort(&sheet.drawing);
    sheet_layout_release(&sheet.layout);
    return status;
}
