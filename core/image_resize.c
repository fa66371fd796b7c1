/* Resampling by zimg: separable Lanczos with three lobes, stretched by the ratio when shrinking
 * (that is its antialiasing), the picture mirrored at its edges.
 * Rows stream through callbacks, a few at a time, so memory does not grow with the height.
 * At the same size zimg builds a graph that copies.
 * zimg's portable code (ZIMG_CPU_NONE) gives the same bits on every instruction set. */
#include "image.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <zimg.h>

enum { LANCZOS_LOBES = 3, ALIGNMENT_BYTES = 64, PLANES = 3 };

/* Three planes of some rows, used in turn: row y is at y & mask. */
struct rows {
    zimg_image_buffer buffer;
    float *memory;
};

struct resizer {
    const struct image *from;
    int width; /* of the result */
    float *to;
    struct rows in, out;
    void *scratch;
    zimg_filter_graph *graph;
};

static float *row_of(const struct rows *rows, int plane, unsigned y)
{
    char *data = rows->buffer.plane[plane].data;
    ptrdiff_t row = (ptrdiff_t)(y & rows->buffer.plane[plane].mask);
    return (float *)(data + row * rows->buffer.plane[plane].stride);
}

static int unpack(void *user, unsigned y, unsigned left, unsigned right)
{
    const struct resizer *r = user;
    const uint8_t *from = r->from->rgb + 3 * (size_t)r->from->width * y;
    for (int c = 0; c < PLANES; c++) {
        float *to = row_of(&r->in, c, y);
        for (size_t x = left; x < right; x++)
            to[x] = from[3 * x + (size_t)c];
    }
    return 0;
}

static int pack(void *user, unsigned y, unsigned left, unsigned right)
{
    const struct resizer *r = user;
    float *to = r->to + 3 * (size_t)r->width * y;
    for (int c = 0; c < PLANES; c++) {
        const float *from = row_of(&r->out, c, y);
        for (size_t x = left; x < right; x++)
            to[3 * x + (size_t)c] = fminf(fmaxf(from[x], 0), 255);
    }
    return 0;
}

static int fail_memory(const struct resizer *r, struct error *err)
{
    return fail(err, E_ENVIRONMENT, "not enough memory to resize a picture of %d x %d px",
                r->from->width, r->from->height);
}

static int fail_zimg(struct error *err)
{
    char words[256] = "";
    int code = (int)zimg_get_last_error(words, sizeof words);
    zimg_clear_last_error();
    return code == ZIMG_ERROR_OUT_OF_MEMORY
               ? fail(err, E_ENVIRONMENT, "not enough memory to resize a picture")
               : fail(err, E_BUG, "zimg cannot resize: %s (%d)", words, code);
}

static zimg_image_format format_of(int width, int height)
{
    zimg_image_format format;
    zimg_image_format_default(&format, ZIMG_API_VERSION);
    format.width = (unsigned)width;
    format.height = (unsigned)height;
    format.pixel_type = ZIMG_PIXEL_FLOAT;
    format.color_family = ZIMG_COLOR_RGB;
    format.matrix_coefficients = ZIMG_MATRIX_RGB;
    return format;
}

static int build_graph(struct resizer *r, int height, struct error *err)
{
    zimg_image_format from = format_of(r->from->width, r->from->height);
    zimg_image_format to = format_of(r->width, height);
    zimg_graph_builder_params params;
    zimg_graph_builder_params_default(&params, ZIMG_API_VERSION);
    params.resample_filter = ZIMG_RESIZE_LANCZOS;
    params.filter_param_a = LANCZOS_LOBES;
    params.cpu_type = ZIMG_CPU_NONE;
    r->graph = zimg_filter_graph_build(&from, &to, &params);
    return r->graph ? 0 : fail_zimg(err);
}

/* `lines` is what zimg asks for; it may be ZIMG_BUFFER_MAX, the whole picture. */
static int rows_init(struct rows *rows, int width, int height, unsigned lines)
{
    unsigned mask = zimg_select_buffer_mask(lines);
    size_t count = mask < (unsigned)height ? mask + 1 : (size_t)height;
    if (mask >= (unsigned)height)
        mask = ZIMG_BUFFER_MAX;
    size_t pitch =
        ((size_t)width * sizeof(float) + ALIGNMENT_BYTES - 1) & ~(size_t)(ALIGNMENT_BYTES - 1);
    size_t plane, bytes;
    if (__builtin_mul_overflow(pitch, count, &plane) ||
        __builtin_mul_overflow(plane, (size_t)PLANES, &bytes) ||
        !(rows->memory = aligned_alloc(ALIGNMENT_BYTES, bytes)))
        return -1;
    rows->buffer.version = ZIMG_API_VERSION;
    for (size_t c = 0; c < PLANES; c++) {
        rows->buffer.plane[c].data = (char *)rows->memory + c * plane;
        rows->buffer.plane[c].stride = (ptrdiff_t)pitch;
        rows->buffer.plane[c].mask = mask;
    }
    return 0;
}

static int make_buffers(struct resizer *r, int height, struct error *err)
{
    unsigned in_lines, out_lines;
    size_t scratch_bytes;
    if (zimg_filter_graph_get_input_buffering(r->graph, &in_lines) ||
        zimg_filter_graph_get_output_buffering(r->graph, &out_lines) ||
        zimg_filter_graph_get_tmp_size(r->graph, &scratch_bytes))
        return fail_zimg(err);
    scratch_bytes = (scratch_bytes / ALIGNMENT_BYTES + 1) * ALIGNMENT_BYTES;
    r->scratch = aligned_alloc(ALIGNMENT_BYTES, scratch_bytes);
    if (!r->scratch || rows_init(&r->in, r->from->width, r->from->height, in_lines) ||
        rows_init(&r->out, r->width, height, out_lines))
        return fail_memory(r, err);
    return 0;
}

static int run(struct resizer *r, struct error *err)
{
    zimg_image_buffer_const in = {.version = ZIMG_API_VERSION};
    for (int c = 0; c < PLANES; c++) {
        in.plane[c].data = r->in.buffer.plane[c].data;
        in.plane[c].stride = r->in.buffer.plane[c].stride;
        in.plane[c].mask = r->in.buffer.plane[c].mask;
    }
    if (zimg_filter_graph_process(r->graph, &in, &r->out.buffer, r->scratch, unpack, r, pack, r))
        return fail_zimg(err);
    return 0;
}

int image_resize(const struct image *image, int width, int height, float *rgb, struct error *err)
{
    assert(image->width >= 1 && image->height >= 1 && width >= 1 && height >= 1);
    int status;
    struct resizer r = {.from = image, .width = width, .to = rgb};
    TRY(build_graph(&r, height, err));
    TRY(make_buffers(&r, height, err));
    TRY(run(&r, err));
done:
    zimg_filter_graph_free(r.graph);
    free(r.in.memory);
    free(r.out.memory);
    free(r.scratch);
    return status;
}

/* zimg asks for rows in powers of two, as many as its filter is high, and some of scratch. */
uint64_t image_resize_bytes(int width, int height, int to_width, int to_height)
{
    const uint64_t scratch_rows = 8;
    double ratio = height > to_height ? (double)height / to_height : 1;
    uint64_t high = (uint64_t)ceil(2 * LANCZOS_LOBES * ratio) + 2, rows = 8;
    uint64_t wide = (uint64_t)(width > to_width ? width : to_width);
    while (rows < high && rows < (uint64_t)height)
        rows *= 2;
    rows = rows < (uint64_t)height ? rows : (uint64_t)height;
    uint64_t scratch = scratch_rows * wide + high * (uint64_t)to_width;
    return sizeof(float) * (PLANES * rows * (uint64_t)width + scratch);
}

static int scale_side(int side, int longer, int longest)
{
    int64_t scaled = (2 * (int64_t)side * longer + longest) / (2 * (int64_t)longest);
    return scaled < 1 ? 1 : (int)scaled;
}

void image_fit(int width, int height, int longer, int *fit_width, int *fit_height)
{
    assert(width >= 1 && height >= 1 && longer >= 1);
    int longest = width > height ? width : height;
    *fit_width = scale_side(width, longer, longest);
    *fit_height = scale_side(height, longer, longest);
}

void image_quantise(const float *values, size_t count, uint8_t *bytes)
{
    for (size_t i = 0; i < count; i++) {
        float clamped = values[i] > 0 ? values[i] : 0; /* NaN too */
        bytes[i] = (uint8_t)rintf(clamped < 255 ? clamped : 255);
    }
}
