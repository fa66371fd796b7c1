#include "drawing.h"

#include "files.h"
#include "image.h"
#include "utf8.h"
#include <cairo-svg.h>
#include <fontconfig/fontconfig.h>
#include <stdlib.h>
#include <string.h>

static bool ends_in(const char *path, const char *extension)
{
    size_t length = strlen(path), tail = strlen(extension);
    return length > tail && strcasecmp(path + length - tail, extension) == 0;
}

static void select_font(cairo_t *cairo, double size, enum drawing_weight weight)
{
    cairo_select_font_face(cairo, "sans-serif", CAIRO_FONT_SLANT_NORMAL,
                           weight == DRAW_BOLD ? CAIRO_FONT_WEIGHT_BOLD : CAIRO_FONT_WEIGHT_NORMAL);
    cairo_set_font_size(cairo, size);
}

/* The drawing moves in memory while it is begun: its file does not. */
static cairo_status_t put(void *file, const unsigned char *bytes, unsigned count)
{
    return files_write((int)(intptr_t)file, bytes, count) == 0 ? CAIRO_STATUS_SUCCESS
                                                               : CAIRO_STATUS_WRITE_ERROR;
}

static cairo_surface_t *make_surface(struct drawing *drawing, double scale)
{
    if (drawing->is_svg)
        return cairo_svg_surface_create_for_stream(put, (void *)(intptr_t)drawing->staged.file,
                                                   drawing->width, drawing->height);
    return cairo_image_surface_create(CAIRO_FORMAT_RGB24, (int)(drawing->width * scale),
                                      (int)(drawing->height * scale));
}

static int start(struct drawing *drawing, const char *path, double scale, struct error *err)
{
    cairo_surface_t *surface = make_surface(drawing, scale);
    drawing->cairo = cairo_create(surface);
    cairo_surface_destroy(surface);
    cairo_status_t status = cairo_status(drawing->cairo);
    if (status != CAIRO_STATUS_SUCCESS)
        return fail(err, E_ENVIRONMENT, "cannot draw '%s': %s", path,
                    cairo_status_to_string(status));
    if (!drawing->is_svg)
        cairo_scale(drawing->cairo, scale, scale);
    cairo_set_source_rgb(drawing->cairo, 1, 1, 1);
    cairo_paint(drawing->cairo);
    return 0;
}

bool drawing_has_font(void)
{
    cairo_surface_t *surface = cairo_image_surface_create(CAIRO_FORMAT_RGB24, 1, 1);
    cairo_t *cairo = cairo_create(surface);
    select_font(cairo, 12, DRAW_NORMAL);
    bool found = cairo_scaled_font_get_type(cairo_get_scaled_font(cairo)) != CAIRO_FONT_TYPE_USER;
    cairo_destroy(cairo);
    cairo_surface_destroy(surface);
    return found;
}

void drawing_forget_fonts(void)
{
    cairo_debug_reset_static_data();
    FcFini();
}

int drawing_begin(const char *path, bool svg, double width, double height, double scale,
                  struct drawing *out, struct error *err)
{
    int status;
    struct drawing drawing = {.width = width, .height = height, .is_svg = ends_in(path, ".svg")};
    if (!ends_in(path, ".png") && !(svg && drawing.is_svg))
        return fail(err, E_INPUT, "'%s' must end in .png%s", path, svg ? " or .svg" : "");
    TRY(publish_begin(path, &drawing.staged, err));
    TRY(start(&drawing, path, scale, err));
    *out = drawing;
    drawing = (struct drawing){0};
done:
    drawing_abort(&drawing);
    return status;
}

/* cairo's pixels, 0x00rrggbb, as ours. Errors: E_ENVIRONMENT. */
static int write_png(struct drawing *drawing, struct error *err)
{
    static const struct image_text made_by = {IMAGE_SOFTWARE_KEY, IMAGE_SOFTWARE};
    cairo_surface_t *surface = cairo_get_target(drawing->cairo);
    cairo_surface_flush(surface);
    struct image image = {cairo_image_surface_get_width(surface),
                          cairo_image_surface_get_height(surface), NULL, NULL};
    image.rgb = malloc(3 * (size_t)image.width * (size_t)image.height);
    if (!image.rgb)
        return fail(err, E_ENVIRONMENT, "not enough memory to write '%s'", drawing->staged.path);
    for (int y = 0; y < image.height; y++) {
        const unsigned char *row = cairo_image_surface_get_data(surface) +
                                   (size_t)y * (size_t)cairo_image_surface_get_stride(surface);
        uint8_t *to = image.rgb + 3 * (size_t)y * (size_t)image.width;
        for (int x = 0; x < image.width; x++) {
            uint32_t pixel;
            memcpy(&pixel, row + 4 * x, sizeof pixel);
            to[3 * x] = (uint8_t)(pixel >> 16);
            to[3 * x + 1] = (uint8_t)(pixel >> 8);
            to[3 * x + 2] = (uint8_t)pixel;
        }
    }
    int status = image_write_png(drawing->staged.path, &image, &made_by, 1, err);
    image_release(&image);
    return status;
}

static int finish_svg(struct drawing *drawing, struct error *err)
{
    cairo_surface_t *surface = cairo_get_target(drawing->cairo);
    cairo_surface_finish(surface);
    cairo_status_t status = cairo_surface_status(surface);
    if (status != CAIRO_STATUS_SUCCESS)
        return fail(err, E_ENVIRONMENT, "cannot write '%s': %s", drawing->staged.path,
                    cairo_status_to_string(status));
    return publish_commit(&drawing->staged, err);
}

int drawing_commit(struct drawing *drawing, struct error *err)
{
    int status;
    cairo_status_t drawn = cairo_status(drawing->cairo);
    if (drawn != CAIRO_STATUS_SUCCESS)
        status = fail(err, E_ENVIRONMENT, "cannot draw '%s': %s", drawing->staged.path,
                      cairo_status_to_string(drawn));
    else
        status = drawing->is_svg ? finish_svg(drawing, err) : write_png(drawing, err);
    drawing_abort(drawing);
    return status;
}

void drawing_abort(struct drawing *drawing)
{
    if (drawing->cairo)
        cairo_destroy(drawing->cairo);
    drawing->cairo = NULL;
    publish_abort(&drawing->staged);
}

void drawing_colour(struct drawing *drawing, struct colour colour)
{
    cairo_set_source_rgb(drawing->cairo, colour.red, colour.green, colour.blue);
}

/* A copy that is UTF-8 without control characters. */
static char *clean_copy(const char *text)
{
    size_t left = strlen(text), length;
    char *copy = malloc(left + 1), *to = copy;
    for (; copy && left > 0; text += length, left -= length) {
        length = utf8_length(text, left);
        bool odd = length == 0 || (unsigned char)*text < ' ' || utf8_is_control(text, length);
        length = length ? length : 1;
        if (odd)
            *to++ = length == 1 && (*text == '\n' || *text == '\t') ? ' ' : '?';
        else
            to = mempcpy(to, text, length);
    }
    if (copy)
        *to = '\0';
    return copy;
}

static double advance(cairo_t *cairo, const char *text)
{
    cairo_text_extents_t extents;
    cairo_text_extents(cairo, text, &extents);
    return extents.x_advance;
}

/* Takes characters off the end of copy, which has room for the ellipsis, until it fits. */
static void cut(cairo_t *cairo, char *copy, double width)
{
    static const char ellipsis[] = "…";
    size_t length = strlen(copy);
    while (length > 0) {
        while (--length > 0 && ((unsigned char)copy[length] & 0xc0) == 0x80)
            continue;
        memcpy(copy + length, ellipsis, sizeof ellipsis);
        if (advance(cairo, copy) <= width)
            return;
    }
}

double drawing_text(struct drawing *drawing, double x, double y, double size,
                    enum drawing_weight weight, double align, double width, const char *text)
{
    cairo_t *cairo = drawing->cairo;
    char *clean = clean_copy(text);
    char *copy = clean ? realloc(clean, strlen(clean) + 4) : NULL;
    if (!copy) {
        free(clean);
        return 0;
    }
    select_font(cairo, size, weight);
    double wide = advance(cairo, copy);
    if (width > 0 && wide > width) {
        cut(cairo, copy, width);
        wide = advance(cairo, copy);
    }
    cairo_move_to(cairo, x - align * wide, y);
    cairo_show_text(cairo, copy);
    free(copy);
    return wide;
}
