/* From a file's samples to the picture: colours to sRGB, over white, 8 bits, upright. */
#include "image_file.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

enum { FULL = 65535 /* white, or opaque, in 16 bits */ };

void image_note(struct image_notes *notes, const char *format, ...)
{
    char note[256];
    va_list args;
    if (!notes)
        return;
    va_start(args, format);
    vsnprintf(note, sizeof note, format, args);
    va_end(args);
    size_t used = strlen(notes->text);
    if (!strstr(notes->text, note))
        snprintf(notes->text + used, sizeof notes->text - used, "%s%s", used ? "; " : "", note);
}

size_t image_form_pixel_bytes(const struct image_form *form)
{
    return (form->channels + form->alpha) * (size_t)form->sample_bytes;
}

struct image_size image_form_size(const struct image_form *form, uint64_t extra)
{
    bool turned = form->orientation >= 5;
    return (struct image_size){
        .width = (int)(turned ? form->height : form->width),
        .height = (int)(turned ? form->width : form->height),
        .read_bytes = 3 * (uint64_t)form->width * form->height + extra,
    };
}

int image_fail_memory(const struct image_file *file, struct error *err)
{
    return fail(err, E_ENVIRONMENT, "not enough memory to read '%s'", file->path);
}

int image_allocate(const struct image_file *file, unsigned width, unsigned height, size_t bytes,
                   uint8_t **pixels, struct error *err)
{
    size_t all;
    uint8_t *memory = NULL;
    if (!__builtin_mul_overflow((size_t)width, (size_t)height, &all) &&
        !__builtin_mul_overflow(all, bytes, &all))
        memory = malloc(all);
    if (!memory)
        return fail(err, E_ENVIRONMENT, "not enough memory for '%s' (%u x %u px)", file->path,
                    width, height);
    *pixels = memory;
    return 0;
}

int image_canvas_begin(const struct image_file *file, const struct image_form *form,
                       const struct image_colour *colour, struct image_canvas *canvas,
                       struct error *err)
{
    int status = 0;
    struct image_size size = image_form_size(form, 0);
    struct image_canvas made = {.form = *form, .image = {size.width, size.height, NULL}};
    TRY(colour_transform_new(colour, form->channels, form->alpha, form->sample_bytes, file->notes,
                             &made.transform, err));
    made.row = malloc(3 * (size_t)form->width);
    if (made.transform)
        made.wide = malloc(3 * (size_t)form->width * sizeof *made.wide);
    if (!made.row || (made.transform && !made.wide)) {
        status = image_fail_memory(file, err);
        goto done;
    }
    TRY(image_allocate(file, form->width, form->height, 3, &made.image.rgb, err));
    *canvas = made;
    made = (struct image_canvas){0};
done:
    image_canvas_release(&made);
    return status;
}

static unsigned sample_at(const struct image_form *form, const uint8_t *pixel, size_t channel)
{
    if (form->sample_bytes == 1)
        return pixel[channel] * 257u;
    uint16_t sample;
    memcpy(&sample, pixel + 2 * channel, sizeof sample);
    return sample;
}

/* Over white in sRGB space, c a + white (1 - a), then 8 bits, rounded once. */
static void blend(struct image_canvas *canvas, const uint8_t *pixels, size_t count)
{
    const struct image_form *form = &canvas->form;
    const uint64_t scale = (uint64_t)FULL * (FULL / 255);
    size_t bytes = image_form_pixel_bytes(form);
    for (size_t i = 0; i < count; i++) {
        const uint8_t *pixel = pixels + i * bytes;
        uint64_t alpha = form->alpha ? sample_at(form, pixel, form->channels) : FULL;
        for (size_t c = 0; c < 3; c++) {
            uint64_t sample = canvas->transform
                                  ? canvas->wide[3 * i + c]
                                  : sample_at(form, pixel, form->channels == 1 ? 0 : c);
            uint64_t over_white = sample * alpha + FULL * (FULL - alpha);
            canvas->row[3 * i + c] = (uint8_t)((over_white + scale / 2) / scale);
        }
    }
}

/* Puts count pixels from x on of the file's row y where they are shown.
 * Orientations 2 3 6 7 have the first pixel at the right, 3 4 7 8 at the bottom; from 5 on the
 * file's rows are the picture's columns. */
static void place(struct image_canvas *canvas, size_t x, size_t y, size_t count, const uint8_t *rgb)
{
    int orientation = canvas->form.orientation;
    ptrdiff_t right = 3, down = right * canvas->image.width;
    ptrdiff_t start = 0;
    if (orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7) {
        start += down - right;
        right = -right;
    }
    if (orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8) {
        start += down * (canvas->image.height - 1);
        down = -down;
    }
    ptrdiff_t by_x = orientation >= 5 ? down : right, by_y = orientation >= 5 ? right : down;
    uint8_t *to = canvas->image.rgb + start + (ptrdiff_t)y * by_y + (ptrdiff_t)x * by_x;
    if (by_x == 3) {
        memcpy(to, rgb, 3 * count);
        return;
    }
    for (size_t i = 0; i < count; i++)
        memcpy(to + (ptrdiff_t)i * by_x, rgb + 3 * i, 3);
}

void image_canvas_put(struct image_canvas *canvas, unsigned x, unsigned y, unsigned count,
                      const void *pixels)
{
    const struct image_form *form = &canvas->form;
    if (!canvas->transform && form->channels == 3 && !form->alpha && form->sample_bytes == 1) {
        place(canvas, x, y, count, pixels);
        return;
    }
    if (canvas->transform)
        colour_transform_run(canvas->transform, pixels, canvas->wide, count);
    blend(canvas, pixels, count);
    place(canvas, x, y, count, canvas->row);
}

void image_canvas_end(struct image_canvas *canvas, struct image *out)
{
    *out = canvas->image;
    canvas->image.rgb = NULL;
    image_canvas_release(canvas);
}

void image_canvas_release(struct image_canvas *canvas)
{
    colour_transform_free(canvas->transform);
    free(canvas->wide);
    free(canvas->row);
    free(canvas->image.rgb);
    *canvas = (struct image_canvas){0};
}
