#include "result.h"

#include "checkpoint.h"
#include "guarded.h"
#include "hdf5_probe.h"
#include "hdf5_util.h"
#include "seal.h"
#include <errno.h>
#include <hdf5_hl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { IMAGE_CHUNK_ROWS = 64, IMAGE_DEFLATE = 4 };

static const char *file_name(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int write_heading(hid_t file, const struct result *result, struct error *err)
{
    int status = 0;
    char *title = NULL;
    const char *content = params_text(result->params, PARAM_content);
    const char *style = params_text(result->params, PARAM_style);
    if (asprintf(&title, "%s%s in the style of %s", result->state ? "unfinished: " : "",
                 content ? file_name(content) : "?", style ? file_name(style) : "?") < 0)
        return fail(err, E_ENVIRONMENT, "not enough memory to write a result");
    TRY(hdf5_write_text(file, "schema_name", result->state ? SCHEMA_CHECKPOINT : SCHEMA_RESULT,
                        err));
    TRY(hdf5_write_whole(file, "schema_version", RESULT_SCHEMA_VERSION, err));
    TRY(hdf5_write_text(file, "Conventions", "CF-1.8", err));
    TRY(hdf5_write_text(file, "title", title, err));
done:
    free(title);
    return status;
}

int facts_write(hid_t file, const struct fact *facts, size_t count, struct error *err)
{
    int status = 0;
    for (size_t i = 0; i < count; i++) {
        if (facts[i].text)
            TRY(hdf5_write_text(file, facts[i].name, facts[i].text, err));
        else
            TRY(hdf5_write_real(file, facts[i].name, facts[i].number, err));
    }
done:
    return status;
}

static int write_param(hid_t file, const struct params *params, enum param_id id, struct error *err)
{
    const char *name = param_table[id].name;
    if (param_table[id].type == PARAM_REAL)
        return hdf5_write_real(file, name, params_number(params, id), err);
    if (param_table[id].type == PARAM_WHOLE)
        return hdf5_write_whole(file, name, (int64_t)params_number(params, id), err);
    char *text = params_format(params, id);
    if (!text)
        return fail(err, E_ENVIRONMENT, "not enough memory to write '%s'", name);
    int status = hdf5_write_text(file, name, text, err);
    free(text);
    return status;
}

static int write_params(hid_t file, const struct params *params, struct error *err)
{
    int status = 0;
    for (int id = 0; id < PARAM_COUNT; id++)
        if (param_table[id].scope == SCOPE_JOB)
            TRY(write_param(file, params, (enum param_id)id, err));
done:
    return status;
}

/* The history ---------------------------------------------------------------------------------- */

int32_t history_counter(double value)
{
    if (!(value > -1)) /* NaN, too */
        return -1;
    return value < INT32_MAX ? (int32_t)value : INT32_MAX;
}

void *history_stored(const struct history *history, int column)
{
    int integer = history->column[column].integer;
    void *stored = malloc((history->rows + 1) * (integer ? sizeof(int32_t) : sizeof(double)));
    for (size_t row = 0; stored && row < history->rows; row++) {
        double value = history_get(history, row, column);
        if (integer)
            ((int32_t *)stored)[row] = history_counter(value);
        else
            ((double *)stored)[row] = value;
    }
    return stored;
}

static int write_quantity(hid_t group, const struct history *history, int column, hid_t scale,
                          struct error *err)
{
    const struct history_column *c = &history->column[column];
    void *values = history_stored(history, column);
    if (!values)
        return fail(err, E_ENVIRONMENT, "not enough memory to write the loss history");
    const struct hdf5_column stored = {.name = c->name,
                                       .title = c->title,
                                       .unit = c->unit,
                                       .kind = c->integer ? HDF5_WHOLE : HDF5_REAL,
                                       .rows = history->rows,
                                       .values = values,
                                       .meanings = column == H_PRECISION ? PRECISIONS : NULL};
    int status = hdf5_write_column(group, &stored, scale, NULL, err);
    free(values);
    return status;
}

static int write_row_scale(hid_t group, size_t rows, hid_t *scale, struct error *err)
{
    int32_t *numbers = malloc((rows + 1) * sizeof *numbers);
    if (!numbers)
        return fail(err, E_ENVIRONMENT, "not enough memory to write the loss history");
    for (size_t row = 0; row < rows; row++)
        numbers[row] = history_counter((double)row);
    const struct hdf5_column column = {.name = "row",
                                       .title = "accepted optimiser step; 0 is the start",
                                       .unit = "1",
                                       .kind = HDF5_WHOLE,
                                       .rows = rows,
                                       .values = numbers};
    int status = hdf5_write_column(group, &column, H5I_INVALID_HID, scale, err);
    free(numbers);
    return status;
}

static int write_history(hid_t file, const struct history *history, struct error *err)
{
    int status = 0;
    hid_t group = H5I_INVALID_HID, scale = H5I_INVALID_HID;
    TRY(hdf5_new_group(file, "history", &group, err));
    TRY(write_row_scale(group, history->rows, &scale, err));
    for (int column = 0; column < history->columns; column++)
        TRY(write_quantity(group, history, column, scale, err));
done:
    hdf5_close(scale);
    hdf5_close(group);
    return status;
}

/* The picture ---------------------------------------------------------------------------------- */

/* HDF5 Image and Palette Specification 1.2, true colour. */
static int describe_image(hid_t dataset, struct error *err)
{
    static const char *const attributes[][2] = {
        {"CLASS", "IMAGE"},
        {"IMAGE_VERSION", "1.2"},
        {"IMAGE_SUBCLASS", "IMAGE_TRUECOLOR"},
        {"INTERLACE_MODE", "INTERLACE_PIXEL"},
        {"DISPLAY_ORIGIN", "UL"},
    };
    int status = 0;
    for (size_t i = 0; i < sizeof attributes / sizeof *attributes; i++)
        TRY(hdf5_write_ascii(dataset, attributes[i][0], attributes[i][1], err));
done:
    return status;
}

int picture_write(hid_t group, const char *name, const struct image *image, struct error *err)
{
    int status = 0;
    hsize_t sizes[] = {(hsize_t)image->height, (hsize_t)image->width, 3};
    hsize_t chunk[] = {sizes[0] < IMAGE_CHUNK_ROWS ? sizes[0] : IMAGE_CHUNK_ROWS, sizes[1], 3};
    hid_t space = H5Screate_simple(3, sizes, NULL);
    hid_t create = hdf5_new_list(H5P_DATASET_CREATE);
    H5Pset_chunk(create, 3, chunk);
    H5Pset_deflate(create, IMAGE_DEFLATE);
    hid_t dataset = H5Dcreate2(group, name, H5T_STD_U8LE, space, H5P_DEFAULT, create, H5P_DEFAULT);
    if (dataset < 0 ||
        H5Dwrite(dataset, H5T_NATIVE_UINT8, H5S_ALL, H5S_ALL, H5P_DEFAULT, image->rgb) < 0) {
        status = hdf5_fail(err, E_BUG, "cannot write the picture");
        goto done;
    }
    TRY(describe_image(dataset, err));
done:
    hdf5_close(dataset);
    hdf5_close(create);
    hdf5_close(space);
    return status;
}

/* ------------------------------------------------------------------------------------------------
 */

struct order {
    const struct result *result;
    const struct publication *to;
};

/* In a child: what HDF5 holds is released with it. */
static int write_out(void *context, struct error *err)
{
    int status = 0;
    const struct order *order = context;
    const struct result *result = order->result;
    hid_t file = H5I_INVALID_HID;
    errno = 0; /* hdf5_fail looks at it */
    hdf5_quiet();
    TRY(hdf5_new_file(&file, err));
    TRY(write_heading(file, result, err));
    TRY(facts_write(file, result->facts, result->fact_count, err));
    TRY(write_params(file, result->params, err));
    TRY(write_history(file, result->history, err));
    if (result->image)
        TRY(picture_write(file, "image", result->image, err));
    if (result->state)
        TRY(checkpoint_write_state(file, result->history, result->state, err));
    else
        TRY(seal_begin(file, err));
    TRY(hdf5_write_out(&file, result->state ? NULL : seal_close, order->to, err));
done:
    hdf5_close(file);
    return status;
}

int result_stage(const char *path, const struct result *result, struct publication *staged,
                 struct error *err)
{
    int status = 0;
    struct publication made = {0};
    struct order order = {result, &made};
    TRY(publish_begin(path, &made, err));
    TRY(guarded_write(write_out, &order, path, err));
    *staged = made;
    made = (struct publication){0};
done:
    publish_abort(&made);
    return status;
}

int result_write(const char *path, const struct result *result, struct error *err)
{
    struct publication staged;
    int status = result_stage(path, result, &staged, err);
    return status != 0 ? status : publish_commit(&staged, err);
}

static int look_for_schema(const char *path, struct error *err)
{
    int status = 0;
    hid_t file = H5I_INVALID_HID;
    char *schema = NULL;
    hdf5_quiet();
    TRY(hdf5_open_file(path, &file, err));
    TRY(hdf5_read_text(file, "schema_name", &schema, err));
    if (strcmp(schema, SCHEMA_RESULT) != 0 && strcmp(schema, SCHEMA_CHECKPOINT) != 0)
        status = fail(err, E_INPUT, "it is a file of another program's");
done:
    free(schema);
    hdf5_close(file);
    return status;
}

int result_is_ours(const char *path) { return hdf5_probe(path, look_for_schema, NULL) == 0; }
