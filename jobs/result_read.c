#include "checkpoint.h"

#include "layer_list.h"
#include <stdlib.h>
#include <string.h>

enum { COLUMNS_MAX = H_FIXED + 2 * LAYERS_MAX };

int schema_check(hid_t file, const char *wanted, struct error *err)
{
    int status = 0;
    char *schema = NULL;
    int64_t version = 0;
    TRY(hdf5_read_text(file, "schema_name", &schema, err));
    TRY(hdf5_read_whole(file, "schema_version", &version, err));
    if (strcmp(schema, SCHEMA_RESULT) != 0 && strcmp(schema, SCHEMA_CHECKPOINT) != 0)
        status = fail(err, E_INPUT, "it is a file of another program's");
    else if (strcmp(schema, wanted) != 0)
        status = fail(err, E_INPUT, "it is a %s",
                      strcmp(schema, SCHEMA_RESULT) == 0 ? "finished result" : "checkpoint");
    else if (version != RESULT_SCHEMA_VERSION)
        status = fail(err, E_INPUT, "its schema has version %lld, this program's has %d",
                      (long long)version, RESULT_SCHEMA_VERSION);
done:
    free(schema);
    return status;
}

/* The loss history ----------------------------------------------------------------------------- */

/* Copies a text attribute into a member of limited size. */
static int read_label(hid_t dataset, const char *name, char *label, size_t size, struct error *err)
{
    char *text;
    int status = hdf5_read_text(dataset, name, &text, err);
    if (status != 0)
        return status;
    if (strlen(text) < size)
        memcpy(label, text, strlen(text) + 1);
    else
        status = fail(err, E_INPUT, "its attribute '%s' is too long", name);
    free(text);
    return status;
}

/* A column's header; the names of the fixed ones are known. */
static int read_header(hid_t group, hsize_t link, int fixed, struct history_column *column,
                       struct error *err)
{
    int status = 0;
    struct history_column read = {0};
    ssize_t length = H5Lget_name_by_idx(group, ".", H5_INDEX_CRT_ORDER, H5_ITER_INC, link,
                                        read.name, sizeof read.name, H5P_DEFAULT);
    hid_t dataset = H5I_INVALID_HID;
    if (length < 1 || (size_t)length >= sizeof read.name)
        return fail(err, E_INPUT, "its loss history has a column without a usable name");
    if (fixed && strcmp(read.name, column->name) != 0)
        return fail(err, E_INPUT, "its loss history has a column '%s' in place of '%s'", read.name,
                    column->name);
    dataset = H5Dopen2(group, read.name, H5P_DEFAULT);
    if (dataset < 0)
        return hdf5_fail(err, E_INPUT, "cannot open the column '%s'", read.name);
    TRY(read_label(dataset, "long_name", read.title, sizeof read.title, err));
    TRY(read_label(dataset, "units", read.unit, sizeof read.unit, err));
    *column = read;
done:
    hdf5_close(dataset);
    return status;
}

static int read_quantity(hid_t group, struct history *history, int index, struct error *err)
{
    int status = 0;
    struct history_column *column = &history->column[index];
    size_t rows, columns = (size_t)history->columns;
    void *values = malloc((history->rows + 1) * sizeof(double));
    if (!values)
        return fail(err, E_ENVIRONMENT, "not enough memory for a loss history");
    TRY(hdf5_column_shape(group, column->name, history->rows, &rows, &column->integer, err));
    if (rows != history->rows) {
        status = fail(err, E_INPUT, "its column '%s' has %zu rows, expected %zu", column->name,
                      rows, history->rows);
        goto done;
    }
    TRY(hdf5_read_column(group, column->name, column->integer, rows, values, err));
    for (size_t row = 0; row < rows; row++)
        history->values[row * columns + (size_t)index] =
            column->integer ? ((const int32_t *)values)[row] : ((const double *)values)[row];
done:
    free(values);
    return status;
}

/* Rows and columns of the table, both bounded: nothing has been allocated yet. */
static int read_extent(hid_t file, hid_t group, size_t *rows, int *columns, struct error *err)
{
    H5G_info_t info;
    hsize_t file_bytes;
    int integer;
    if (H5Gget_info(group, &info) < 0 || H5Fget_filesize(file, &file_bytes) < 0)
        return hdf5_fail(err, E_INPUT, "cannot read its loss history");
    if (info.nlinks < 1 + H_FIXED || info.nlinks > 1 + COLUMNS_MAX)
        return fail(err, E_INPUT, "its loss history has %llu columns",
                    (unsigned long long)info.nlinks);
    *columns = (int)info.nlinks - 1;
    size_t limit = (size_t)file_bytes * HDF5_UNPACKED_MAX / sizeof(double) / (size_t)*columns;
    return hdf5_column_shape(group, "row", limit, rows, &integer, err);
}

int history_read(hid_t file, struct history *out, struct error *err)
{
    int status = 0, columns = 0;
    size_t rows = 0;
    hid_t group = H5I_INVALID_HID;
    struct history read = {0};
    TRY(hdf5_open_group(file, "history", &group, err));
    TRY(read_extent(file, group, &rows, &columns, err));
    TRY(history_init(&read, columns - H_FIXED, err));
    read.values = malloc((rows + 1) * (size_t)columns * sizeof *read.values);
    if (!read.values) {
        status = fail(err, E_ENVIRONMENT, "not enough memory for a loss history");
        goto done;
    }
    read.rows = read.capacity = rows;
    for (int i = 0; i < columns; i++) {
        TRY(read_header(group, (hsize_t)i + 1, i < H_FIXED, &read.column[i], err));
        TRY(read_quantity(group, &read, i, err));
    }
    *out = read;
    read = (struct history){0};
done:
    history_release(&read);
    hdf5_close(group);
    return status;
}

/* The picture ---------------------------------------------------------------------------------- */

int picture_read(hid_t file, struct image *out, struct error *err)
{
    int status = 0;
    struct image read = {0};
    TRY(hdf5_picture_shape(file, "image", &read.height, &read.width, err));
    read.rgb = malloc((size_t)read.height * (size_t)read.width * 3);
    if (!read.rgb)
        return fail(err, E_ENVIRONMENT, "not enough memory for a picture");
    TRY(hdf5_read_picture(file, "image", read.rgb, err));
    *out = read;
    read = (struct image){0};
done:
    image_release(&read);
    return status;
}
