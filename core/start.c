#include "start.h"

#include "memory.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

bool init_is_file(const char *init)
{
    return strcmp(init, "content") != 0 && strcmp(init, "style") != 0 && strcmp(init, "noise") != 0;
}

/* Position i of an extent mirrored without repeating the edge: -1 -> 1, extent -> extent - 2. */
static int mirror(int i, int extent)
{
    if (i < 0)
        return -i;
    return i < extent ? i : 2 * (extent - 1) - i;
}

/* full [full_height][full_width][3] from picture [height][width][3]. */
static void extend(const struct plan *plan, const float *picture, float *full)
{
    for (int i = 0; i < plan->full_height; i++)
        for (int j = 0; j < plan->full_width; j++) {
            size_t row = (size_t)mirror(i - plan->margin, plan->height);
            size_t column = (size_t)mirror(j - plan->margin, plan->width);
            memcpy(full + ((size_t)i * (size_t)plan->full_width + (size_t)j) * 3,
                   picture + (row * (size_t)plan->width + column) * 3, 3 * sizeof *full);
        }
}

static int load(const char *path, int width, int height, float **picture, struct image_notes *notes,
                struct error *err)
{
    int status = 0;
    struct image image = {0};
    float *made = NULL;
    TRY(image_read(path, &image, notes, err));
    made = floats_new((size_t)width * (size_t)height * 3);
    if (!made) {
        status = fail(err, E_ENVIRONMENT, "not enough memory for '%s' at %d x %d px", path, width,
                      height);
        goto done;
    }
    TRY(image_resize(&image, width, height, made, err));
    *picture = made;
    made = NULL;
done:
    free(made);
    image_release(&image);
    return status;
}

static int load_extended(const char *path, const struct plan *plan, float **full,
                         struct image_notes *notes, struct error *err)
{
    int status = 0;
    float *picture = NULL, *made = NULL;
    TRY(load(path, plan->width, plan->height, &picture, notes, err));
    if (plan->margin == 0) {
        *full = picture;
        return 0;
    }
    made = floats_new((size_t)plan->full_width * (size_t)plan->full_height * 3);
    if (made)
        extend(plan, picture, made);
    else
        status = fail(err, E_ENVIRONMENT, "not enough memory for '%s'", path);
    *full = made;
done:
    free(picture);
    return status;
}

int start_content(const struct params *params, const struct plan *plan, float **content,
                  struct image_notes *notes, struct error *err)
{
    return load_extended(params->content, plan, content, notes, err);
}

int start_style(const struct params *params, const struct plan *plan, float **style,
                struct image_notes *notes, struct error *err)
{
    return load(params->style, plan->style_width, plan->style_height, style, notes, err);
}

/* splitmix64 of a counter. Source: Steele, Lea & Flood 2014. */
static uint64_t hash(uint64_t z)
{
    z += 0x9e3779b97f4a7c15u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return z ^ (z >> 31);
}

static void fill_noise(uint64_t seed, size_t count, double *x)
{
    uint64_t key = hash(seed);
    for (size_t i = 0; i < count; i++)
        x[i] = (double)(hash(key ^ i) >> 11) * 0x1p-53 * 255;
}

int start_picture(const struct params *params, const struct plan *plan, const float *content,
                  double *x, struct image_notes *notes, struct error *err)
{
    size_t count = (size_t)plan->full_width * (size_t)plan->full_height * 3;
    float *loaded = NULL;
    const float *from = content;
    if (strcmp(params->init, "noise") == 0) {
        fill_noise((uint64_t)params->seed, count, x);
        return 0;
    }
    if (strcmp(params->init, "content") != 0) {
        bool is_file = init_is_file(params->init); /* the style has had its notes */
        int status = load_extended(is_file ? params->init : params->style, plan, &loaded,
                                   is_file ? notes : NULL, err);
        if (status != 0)
            return status;
        from = loaded;
    }
    for (size_t i = 0; i < count; i++)
        x[i] = (double)from[i];
    free(loaded);
    return 0;
}

bool start_is_flat(const struct plan *plan, const double *x)
{
    const double most = 2;
    size_t count = (size_t)plan->full_width * (size_t)plan->full_height * 3;
    for (size_t i = 3; i < count; i++) /* within half of that of the first pixel */
        if (!(fabs(x[i] - x[i % 3]) <= most / 2))
            return false;
    return true;
}

int start_look(const struct params *params, struct start_notes *notes, struct error *err)
{
    const struct {
        const char *path;
        struct image_notes *notes;
    } pictures[] = {{params->content, &notes->content},
                    {params->style, &notes->style},
                    {init_is_file(params->init) ? params->init : NULL, &notes->init}};
    for (int i = 0; i < 3; i++) {
        struct image image = {0};
        bool seen = !pictures[i].path;
        for (int j = 0; j < i && !seen; j++)
            seen = strcmp(pictures[i].path, pictures[j].path) == 0;
        int status = seen ? 0 : image_read(pictures[i].path, &image, pictures[i].notes, err);
        image_release(&image);
        if (status != 0)
            return status;
    }
    return 0;
}

/* NaN becomes 0, too. */
static void quantise_deep(const double *values, size_t count, uint16_t *deep)
{
    for (size_t i = 0; i < count; i++) {
        double clamped = values[i] > 0 ? values[i] : 0;
        deep[i] = (uint16_t)rint(257 * (clamped < 255 ? clamped : 255));
    }
}

static const double *cropped_row(const struct plan *plan, const double *x, int row)
{
    size_t down = (size_t)(row + plan->margin) * (size_t)plan->full_width;
    return x + (down + (size_t)plan->margin) * 3;
}

int start_crop(const struct plan *plan, const double *x, bool deep, struct image *image,
               struct error *err)
{
    size_t row = (size_t)plan->width * 3, count = row * (size_t)plan->height;
    float *line = floats_new(row);
    struct image made = {.width = plan->width, .height = plan->height, .rgb = malloc(count)};
    if (deep)
        made.deep = malloc(count * sizeof *made.deep);
    if (!line || !made.rgb || (deep && !made.deep)) {
        free(line);
        image_release(&made);
        return fail(err, E_ENVIRONMENT, "not enough memory for the picture");
    }
    for (int i = 0; i < plan->height; i++) {
        const double *from = cropped_row(plan, x, i);
        for (size_t k = 0; k < row; k++)
            line[k] = (float)from[k];
        image_quantise(line, row, made.rgb + (size_t)i * row);
        if (deep)
            quantise_deep(from, row, made.deep + (size_t)i * row);
    }
    free(line);
    *image = made;
    return 0;
}
