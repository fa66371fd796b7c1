#include "checkpoint.h"

#include "layer_list.h"
#include <stdio.h>
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

/* The walk over the columns of a history, in the order they were made: the scale `row`, then those
 * of the table. */
struct walk {
    struct history *history;
    int next; /* column; -1: the scale */
    void *stored;
    struct error *err;
    int status;
};

static int fail_name(const char *name, const struct walk *walk)
{
    const struct history *history = walk->history;
    if (walk->next >= history->columns)
        return fail(walk->err, E_INPUT, "its loss history has more columns than it says");
    if (strlen(name) >= sizeof history->column->name)
        return fail(walk->err, E_INPUT, "its loss history has a column without a usable name");
    if (walk->next < H_FIXED && strcmp(name, history->column[walk->next].name) != 0)
        return fail(walk->err, E_INPUT, "its loss history has a column '%s' in place of '%s'", name,
                    history->column[walk->next].name);
    return 0;
}

/* stored: room for rows of doubles. */
static int read_values(hid_t dataset, const char *name, struct history *history, int index,
                       void *stored, struct error *err)
{
    int status = 0;
    size_t rows, columns = (size_t)history->columns;
    struct history_column *column = &history->column[index];
    double *to = history->values + index;
    TRY(hdf5_open_column_shape(dataset, name, history->rows, &rows, &column->integer, err));
    if (rows != history->rows)
        return fail(err, E_INPUT, "its column '%s' has %zu rows, expected %zu", name, rows,
                    history->rows);
    TRY(hdf5_read_open_column(dataset, name, column->integer, rows, stored, err));
    for (size_t row = 0; row < rows; row++, to += columns)
        *to = column->integer ? ((const int32_t *)stored)[row] : ((const double *)stored)[row];
done:
    return status;
}

static int read_column(hid_t group, const char *name, struct walk *walk)
{
    int status = 0;
    struct history_column *column = &walk->history->column[walk->next];
    hid_t dataset = H5Dopen2(group, name, H5P_DEFAULT);
    if (dataset < 0)
        return hdf5_fail(walk->err, E_INPUT, "cannot open the column '%s'", name);
    snprintf(column->name, sizeof column->name, "%s", name);
    TRY(read_label(dataset, "long_name", column->title, sizeof column->title, walk->err));
    TRY(read_label(dataset, "units", column->unit, sizeof column->unit, walk->err));
    TRY(read_values(dataset, name, walk->history, walk->next, walk->stored, walk->err));
done:
    hdf5_close(dataset);
    return status;
}

static herr_t visit_column(hid_t group, const char *name, const H5L_info_t *info, void *context)
{
    (void)info;
    struct walk *walk = context;
    if (walk->next >= 0)
        walk->status = fail_name(name, walk);
    if (walk->next >= 0 && walk->status == 0)
        walk->status = read_column(group, name, walk);
    walk->next++;
    return walk->status ? -1 : 0;
}

static int read_columns(hid_t group, struct history *history, struct error *err)
{
    hsize_t at = 0;
    struct walk walk = {.history = history, .next = -1, .err = err};
    walk.stored = malloc((history->rows + 1) * sizeof(double));
    if (!walk.stored)
        return fail(err, E_ENVIRONMENT, "not enough memory for a loss history");
    herr_t done = H5Literate(group, H5_INDEX_CRT_ORDER, H5_ITER_INC, &at, visit_column, &walk);
    free(walk.stored);
    if (walk.status == 0 && (done < 0 || walk.next != history->columns))
        return hdf5_fail(err, E_INPUT, "cannot read its loss history");
    return walk.status;
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
    TRY(read_columns(group, &read, err));
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
