/* The pictures of a report: small copies inside it. */
#include "report_data.h"

#include "base64.h"
#include "json_file.h"
#include "thumbnail.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* So many pixels in all; then a page of 500 runs stays below 10 MB. */
enum { PIXELS = 9000000, THUMB_MIN = 72, THUMB_MAX = 400, QUALITY = 82 };

int report_thumb_px(size_t count)
{
    double side = sqrt((double)PIXELS / ((double)count + 1) * 4 / 3);
    return side < THUMB_MIN ? THUMB_MIN : side > THUMB_MAX ? THUMB_MAX : (int)side;
}

int report_put_thumb(json_t *object, const struct image *image, int longer, struct error *err)
{
    int status = 0;
    struct image small = {0};
    unsigned char *jpeg = NULL;
    char *text = NULL;
    size_t bytes;
    TRY(thumbnail_make(image, longer, &small, err));
    TRY(thumbnail_jpeg(&small, QUALITY, &jpeg, &bytes, err));
    text = base64_encode(jpeg, bytes);
    TRY(report_put(object, "thumb", text ? json_string(text) : NULL, err));
    TRY(report_put(object, "thumb_width", json_integer(small.width), err));
    TRY(report_put(object, "thumb_height", json_integer(small.height), err));
done:
    free(text);
    free(jpeg);
    image_release(&small);
    return status;
}

static const struct {
    enum param_id param;
    const char *digest; /* the fact that tells it */
} inputs[] = {
    {PARAM_content, "content_sha256"}, {PARAM_style, "style_sha256"}, {PARAM_init, "init_sha256"}};
enum { INPUTS = sizeof inputs / sizeof *inputs };

/* The file that a run has for an input, or NULL: init may be a word. */
static const char *input_path(const struct runs *runs, int input, size_t run)
{
    const struct run_column *column = runs_column(runs, param_table[inputs[input].param].name);
    const char *path = column ? column->texts[run] : NULL;
    return path && *path == '/' ? path : NULL;
}

int report_list_pictures(const struct report *report, struct name_index *paths, struct error *err)
{
    int status = 0;
    for (int input = 0; input < INPUTS; input++)
        for (size_t run = 0; run < report->runs->count; run++) {
            size_t number;
            bool is_new;
            const char *path = input_path(report->runs, input, run);
            if (path)
                TRY(name_index_add(paths, path, &number, &is_new, err));
        }
done:
    return status;
}

/* The digest that some run recorded of the file, or NULL. */
static const char *digest_of(const struct runs *runs, const char *path)
{
    for (int input = 0; input < INPUTS; input++) {
        const struct run_column *digests = runs_column(runs, inputs[input].digest);
        for (size_t run = 0; digests && digests->texts && run < runs->count; run++) {
            const char *here = input_path(runs, input, run);
            if (here && digests->texts[run] && strcmp(here, path) == 0)
                return digests->texts[run];
        }
    }
    return NULL;
}

/* A file that is gone or damaged by now is a picture without a small copy. */
static int put_picture(const struct runs *runs, const char *path, int longer, json_t *list,
                       struct error *err)
{
    int status = 0;
    struct image image = {0};
    const char *slash = strrchr(path, '/');
    json_t *picture = json_object();
    TRY(report_append(list, picture, err));
    TRY(report_put(picture, "path", json_any_text(path), err));
    TRY(report_put(picture, "label", json_any_text(slash ? slash + 1 : path), err));
    TRY(report_put(picture, "sha256", json_any_text(digest_of(runs, path)), err));
    if (image_read(path, &image, NULL, NULL) == 0)
        TRY(report_put_thumb(picture, &image, longer, err));
done:
    image_release(&image);
    return status;
}

int report_pictures(const struct report *report, const struct name_index *paths, json_t **out,
                    struct error *err)
{
    int status = 0, longer = report_thumb_px(2 * paths->count);
    json_t *list = json_array();
    for (size_t i = 0; i < paths->count; i++)
        TRY(put_picture(report->runs, paths->names[i], longer, list, err));
    *out = list;
    list = NULL;
done:
    json_decref(list);
    return status;
}
