#include "hdf5_util.h"

#include "checked_hdf5.h"
#include "numbers.h"
#include "publish.h"
#include <errno.h>
#include <fcntl.h>
#include <hdf5_hl.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    IN_ORDER = H5P_CRT_ORDER_TRACKED | H5P_CRT_ORDER_INDEXED,
    MEMORY_STEP = 1 << 20, /* by which a file in memory grows */
    CHUNK_ROWS = 4096,     /* 32 kB of doubles */
    DEFLATE = 4,
    DEFLATE_FAST = 1, /* of noisy doubles: 1 % larger, twice as fast */
    SIDE_MAX_PX = 65535,
    ATTRIBUTES_MAX = 4096
};

/* Errors ------------------------------------------------------------------------------------- */

void hdf5_quiet(void) { H5Eset_auto2(H5E_DEFAULT, NULL, NULL); }

struct innermost {
    char text[512];
    bool environment; /* memory or the disk, not we */
};

/* Of "file write failed: time = ..., errno = 28, error message = 'No space left on device', buf =
 * 0x..." only what a person needs. */
static void keep_error_message(char *text)
{
    static const char key[] = "error message = '";
    char *start = strstr(text, key);
    if (!start)
        return;
    start += sizeof key - 1;
    size_t length = strcspn(start, "'");
    memmove(text, start, length);
    text[length] = 0;
}

static herr_t note_innermost(unsigned depth, const H5E_error2_t *entry, void *context)
{
    struct innermost *out = context;
    if (depth == 0) {
        snprintf(out->text, sizeof out->text, "%s", entry->desc ? entry->desc : "");
        keep_error_message(out->text);
        out->environment |= entry->min_num == H5E_NOSPACE || entry->min_num == H5E_CANTALLOC ||
                            entry->min_num == H5E_WRITEERROR;
    }
    return 0;
}

int hdf5_fail(struct error *err, int code, const char *format, ...)
{
    struct innermost cause = {"HDF5 gives no reason", errno == ENOMEM};
    char what[512];
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, note_innermost, &cause);
    va_list args;
    va_start(args, format);
    vsnprintf(what, sizeof what, format, args);
    va_end(args);
    return fail(err, code == E_BUG && cause.environment ? E_ENVIRONMENT : code, "%s: %s", what,
                cause.text);
}

/* Every call of HDF5's forgets the error before it; closing what is left over must not. */
void hdf5_close(hid_t id)
{
    if (id < 0)
        return;
    hid_t errors = H5Eget_current_stack();
    H5Idec_ref(id);
    H5Eset_current_stack(errors);
}

/* Files -------------------------------------------------------------------------------------- */

hid_t hdf5_new_list(hid_t class)
{
    hid_t list = H5Pcreate(class);
    H5Pset_attr_creation_order(list, IN_ORDER);
    H5Pset_obj_track_times(list, 0);
    if (class != H5P_DATASET_CREATE)
        H5Pset_link_creation_order(list, IN_ORDER);
    return list;
}

static hid_t new_access(void)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(access, H5F_LIBVER_V18, H5F_LIBVER_V18);
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
#if H5_VERSION_GE(1, 10, 7)
    H5Pset_file_locking(access, 0, 1);
#endif
    return access;
}

/* The bytes of a file that lives in memory. HDF5 has them complete only when the file is closed, so
 * they are caught where it gives them back. (H5Fget_file_image leaves a wrong checksum in files of
 * format 1.8: HDFGroup/hdf5#1915, there until 2.0.) */
static _Thread_local struct {
    unsigned char *bytes;
    size_t allocated;
    int keep;
} image;

static void *image_malloc(size_t size, H5FD_file_image_op_t op, void *context)
{
    (void)op, (void)context;
    image.allocated = size;
    return malloc(size);
}

static void *image_realloc(void *bytes, size_t size, H5FD_file_image_op_t op, void *context)
{
    (void)op, (void)context;
    void *grown = realloc(bytes, size);
    if (grown)
        image.allocated = size;
    return grown;
}

static herr_t image_free(void *bytes, H5FD_file_image_op_t op, void *context)
{
    (void)op, (void)context;
    if (image.keep)
        image.bytes = bytes;
    else
        free(bytes);
    return 0;
}

int hdf5_new_file(hid_t *file, struct error *err)
{
    int status = 0;
    H5FD_file_image_callbacks_t callbacks = {
        .image_malloc = image_malloc, .image_realloc = image_realloc, .image_free = image_free};
    hid_t access = new_access(), create = hdf5_new_list(H5P_FILE_CREATE);
    hid_t made = H5I_INVALID_HID;
    if (H5Pset_fapl_core(access, MEMORY_STEP, 0) >= 0 &&
        H5Pset_file_image_callbacks(access, &callbacks) >= 0)
        made = H5Fcreate("in memory", H5F_ACC_TRUNC, create, access);
    if (made < 0)
        status = hdf5_fail(err, E_BUG, "cannot make an HDF5 file");
    else
        *file = made;
    hdf5_close(create);
    hdf5_close(access);
    return status;
}

/* Closes the file and hands over its bytes, as many as its superblock (version 2, address of the
 * file's end at byte 28) says. */
static int close_into_memory(hid_t *file, unsigned char **bytes, size_t *size, struct error *err)
{
    int status = 0;
    uint64_t end = 0;
    image.keep = 1;
    image.bytes = NULL;
    if (H5Fclose(*file) < 0)
        status = hdf5_fail(err, E_BUG, "cannot close the file");
    image.keep = 0;
    if (status != 0)
        return status;
    *file = H5I_INVALID_HID;
    *bytes = image.bytes;
    for (int i = 7; image.bytes && i >= 0; i--)
        end = end << 8 | image.bytes[28 + i];
    if (end == 0 || end > image.allocated)
        return fail(err, E_BUG, "HDF5 has not written the file to memory");
    *size = (size_t)end;
    return 0;
}

int hdf5_new_large_file(const struct publication *publication, hid_t *file, struct error *err)
{
    char path[64]; /* the file that is open, whatever stands by its name now */
    snprintf(path, sizeof path, "/proc/self/fd/%d", publication->file);
    hid_t access = new_access(), create = hdf5_new_list(H5P_FILE_CREATE);
    hid_t made = H5Fcreate(path, H5F_ACC_TRUNC, create, access);
    hdf5_close(create);
    hdf5_close(access);
    if (made < 0)
        return hdf5_fail(err, E_ENVIRONMENT, "cannot make '%s'", publication->temporary);
    *file = made;
    return 0;
}

int hdf5_close_large_file(hid_t *file, struct error *err)
{
    hid_t closing = *file;
    *file = H5I_INVALID_HID;
    return H5Fclose(closing) < 0 ? hdf5_fail(err, E_ENVIRONMENT, "cannot write the file") : 0;
}

int hdf5_write_out(hid_t *file, int (*finish)(unsigned char *bytes, size_t size, struct error *err),
                   const struct publication *to, struct error *err)
{
    int status = 0;
    unsigned char *bytes = NULL;
    size_t size = 0;
    TRY(close_into_memory(file, &bytes, &size, err));
    if (finish)
        TRY(finish(bytes, size, err));
    TRY(publish_write(to, bytes, size, err));
done:
    free(bytes);
    return status;
}

static int open_contained(int status, hid_t opened, hid_t *file, struct error *err)
{
    if (status == 0)
        status = checked_contained(opened, err);
    if (status == 0)
        *file = opened;
    else
        hdf5_close(opened);
    return status;
}

int hdf5_open_file(const char *path, hid_t *file, struct error *err)
{
    hid_t opened = H5I_INVALID_HID;
    int status = checked_open(path, &opened, err);
    return open_contained(status, opened, file, err);
}

int hdf5_open_descriptor(int descriptor, hid_t *file, struct error *err)
{
    hid_t opened = H5I_INVALID_HID;
    int status = checked_open_descriptor(descriptor, &opened, err);
    return open_contained(status, opened, file, err);
}

int hdf5_new_group(hid_t parent, const char *name, hid_t *group, struct error *err)
{
    hid_t create = hdf5_new_list(H5P_GROUP_CREATE);
    hid_t made = H5Gcreate2(parent, name, H5P_DEFAULT, create, H5P_DEFAULT);
    hdf5_close(create);
    if (made < 0)
        return hdf5_fail(err, E_BUG, "cannot make the group '%s'", name);
    *group = made;
    return 0;
}

int hdf5_open_group(hid_t parent, const char *name, hid_t *group, struct error *err)
{
    hid_t opened = H5Gopen2(parent, name, H5P_DEFAULT);
    if (opened < 0)
        return hdf5_fail(err, E_INPUT, "it has no group '%s'", name);
    *group = opened;
    return 0;
}

/* Attributes --------------------------------------------------------------------------------- */

static hid_t text_type(void)
{
    hid_t type = H5Tcopy(H5T_C_S1);
    if (type < 0) /* without memory; the next call would forget why */
        return type;
    H5Tset_size(type, H5T_VARIABLE);
    H5Tset_cset(type, H5T_CSET_UTF8);
    return type;
}

static int write_attribute(hid_t object, const char *name, hid_t type, hid_t memory_type,
                           const void *value, struct error *err)
{
    int status = 0;
    hid_t space = H5Screate(H5S_SCALAR);
    hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute < 0 || H5Awrite(attribute, memory_type, value) < 0)
        status = hdf5_fail(err, E_BUG, "cannot write the attribute '%s'", name);
    hdf5_close(attribute);
    hdf5_close(space);
    return status;
}

int hdf5_write_text(hid_t object, const char *name, const char *text, struct error *err)
{
    hid_t type = text_type();
    int status = type < 0 ? hdf5_fail(err, E_BUG, "cannot write the attribute '%s'", name)
                          : write_attribute(object, name, type, type, &text, err);
    hdf5_close(type);
    return status;
}

int hdf5_write_ascii(hid_t object, const char *name, const char *text, struct error *err)
{
    hid_t type = H5Tcopy(H5T_C_S1); /* ASCII, null-terminated */
    H5Tset_size(type, strlen(text) + 1);
    int status = write_attribute(object, name, type, type, text, err);
    hdf5_close(type);
    return status;
}

int hdf5_write_whole(hid_t object, const char *name, int64_t value, struct error *err)
{
    return write_attribute(object, name, H5T_STD_I64LE, H5T_NATIVE_INT64, &value, err);
}

int hdf5_write_real(hid_t object, const char *name, double value, struct error *err)
{
    return write_attribute(object, name, H5T_IEEE_F64LE, H5T_NATIVE_DOUBLE, &value, err);
}

/* The class of a scalar attribute (a text must be of variable length), or H5T_NO_CLASS. */
static H5T_class_t scalar_class(hid_t attribute)
{
    hid_t type = H5Aget_type(attribute), space = H5Aget_space(attribute);
    H5T_class_t class = H5Tget_class(type);
    if (H5Sget_simple_extent_type(space) != H5S_SCALAR ||
        (class == H5T_STRING && H5Tis_variable_str(type) <= 0))
        class = H5T_NO_CLASS;
    hdf5_close(space);
    hdf5_close(type);
    return class;
}

/* Caller frees. NULL: not readable. */
static char *attribute_text(hid_t attribute)
{
    char *read = NULL, *copy = NULL;
    hid_t type = text_type();
    if (H5Aread(attribute, type, &read) >= 0 && read)
        copy = strdup(read);
    if (read)
        H5free_memory(read);
    hdf5_close(type);
    return copy;
}

static int open_attribute(hid_t object, const char *name, H5T_class_t class, hid_t *attribute,
                          struct error *err)
{
    hid_t opened = H5Aexists(object, name) > 0 ? H5Aopen(object, name, H5P_DEFAULT) : -1;
    if (opened < 0)
        return fail(err, E_INPUT, "it has no attribute '%s'", name);
    if (scalar_class(opened) != class) {
        hdf5_close(opened);
        return fail(err, E_INPUT, "its attribute '%s' has another type", name);
    }
    *attribute = opened;
    return 0;
}

int hdf5_read_text(hid_t object, const char *name, char **text, struct error *err)
{
    hid_t attribute = H5I_INVALID_HID;
    int status = open_attribute(object, name, H5T_STRING, &attribute, err);
    if (status != 0)
        return status;
    char *read = attribute_text(attribute);
    if (read)
        *text = read;
    else
        status = hdf5_fail(err, E_INPUT, "cannot read the attribute '%s'", name);
    hdf5_close(attribute);
    return status;
}

static int read_number(hid_t object, const char *name, H5T_class_t class, hid_t memory_type,
                       void *value, struct error *err)
{
    hid_t attribute = H5I_INVALID_HID;
    int status = open_attribute(object, name, class, &attribute, err);
    if (status != 0)
        return status;
    if (H5Aread(attribute, memory_type, value) < 0)
        status = hdf5_fail(err, E_INPUT, "cannot read the attribute '%s'", name);
    hdf5_close(attribute);
    return status;
}

int hdf5_read_whole(hid_t object, const char *name, int64_t *value, struct error *err)
{
    return read_number(object, name, H5T_INTEGER, H5T_NATIVE_INT64, value, err);
}

int hdf5_read_real(hid_t object, const char *name, double *value, struct error *err)
{
    return read_number(object, name, H5T_FLOAT, H5T_NATIVE_DOUBLE, value, err);
}

/* Caller frees. NULL: of another type, or not readable. */
static char *attribute_as_text(hid_t attribute, bool *is_number)
{
    int64_t whole;
    double real;
    char text[NUMBER_TEXT];
    H5T_class_t class = scalar_class(attribute);
    *is_number = class != H5T_STRING;
    switch (class) {
    case H5T_STRING:
        return attribute_text(attribute);
    case H5T_INTEGER:
        if (H5Aread(attribute, H5T_NATIVE_INT64, &whole) < 0)
            return NULL;
        snprintf(text, sizeof text, "%lld", (long long)whole);
        return strdup(text);
    case H5T_FLOAT:
        if (H5Aread(attribute, H5T_NATIVE_DOUBLE, &real) < 0)
            return NULL;
        number_format(real, text);
        return strdup(text);
    default:
        return NULL;
    }
}

/* The walk over an object's attributes. */
struct attribute_walk {
    struct hdf5_attributes read;
    size_t room; /* in its list: a damaged file may hold more than it says */
    struct error *err;
    int status;
};

/* HDF5 calls it for each, in the order they were made: to ask for the nth anew takes quadratic
 * time. */
static herr_t note_attribute(hid_t object, const char *name, const H5A_info_t *info, void *context)
{
    (void)info;
    struct attribute_walk *walk = context;
    if (walk->read.count == walk->room)
        return -1;
    struct hdf5_attribute *out = &walk->read.list[walk->read.count++];
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    out->name = strdup(name);
    out->text = attribute < 0 ? NULL : attribute_as_text(attribute, &out->is_number);
    hdf5_close(attribute);
    if (out->name && out->text)
        return 0;
    walk->status = fail(walk->err, E_INPUT, "cannot read the attribute '%s'", name);
    return -1;
}

int hdf5_attributes_read(hid_t object, struct hdf5_attributes *out, struct error *err)
{
    H5O_info_t info;
    struct attribute_walk walk = {.err = err};
    hsize_t at = 0;
    if (H5Oget_info2(object, &info, H5O_INFO_NUM_ATTRS) < 0 || info.num_attrs > ATTRIBUTES_MAX)
        return hdf5_fail(err, E_INPUT, "cannot read its attributes");
    walk.room = (size_t)info.num_attrs;
    walk.read.list = calloc(walk.room + 1, sizeof *walk.read.list);
    if (!walk.read.list)
        return fail(err, E_ENVIRONMENT, "not enough memory for its attributes");
    if (H5Aiterate2(object, H5_INDEX_CRT_ORDER, H5_ITER_INC, &at, note_attribute, &walk) < 0 &&
        walk.status == 0)
        walk.status = hdf5_fail(err, E_INPUT, "cannot read its attributes");
    if (walk.status == 0)
        *out = walk.read;
    else
        hdf5_attributes_release(&walk.read);
    return walk.status;
}

const char *hdf5_attributes_find(const struct hdf5_attributes *attributes, const char *name)
{
    for (size_t i = 0; i < attributes->count; i++)
        if (strcmp(attributes->list[i].name, name) == 0)
            return attributes->list[i].text;
    return NULL;
}

void hdf5_attributes_release(struct hdf5_attributes *attributes)
{
    for (size_t i = 0; i < attributes->count; i++) {
        free(attributes->list[i].name);
        free(attributes->list[i].text);
    }
    free(attributes->list);
    *attributes = (struct hdf5_attributes){0};
}

/* Columns ------------------------------------------------------------------------------------ */

/* The type of a column in the file, or in memory. Closed with hdf5_close. */
static hid_t kind_type(enum hdf5_kind kind, bool in_file)
{
    switch (kind) {
    case HDF5_REAL:
        return H5Tcopy(in_file ? H5T_IEEE_F64LE : H5T_NATIVE_DOUBLE);
    case HDF5_WHOLE:
        return H5Tcopy(in_file ? H5T_STD_I32LE : H5T_NATIVE_INT32);
    case HDF5_LONG:
        return H5Tcopy(in_file ? H5T_STD_I64LE : H5T_NATIVE_INT64);
    case HDF5_CODE:
        return H5Tcopy(in_file ? H5T_STD_I8LE : H5T_NATIVE_INT8);
    case HDF5_TEXT:
        return text_type();
    }
    return H5I_INVALID_HID;
}

/* Small chunks for a render's history, large ones for a sweep's: fewer of them, faster, a little
 * larger. */
static hsize_t chunk_rows(size_t rows)
{
    if (rows >= 4 * HDF5_CHUNK_ROWS)
        return HDF5_CHUNK_ROWS;
    return rows >= CHUNK_ROWS ? CHUNK_ROWS : rows > 0 ? rows : 1;
}

static hid_t new_column(hid_t group, const struct hdf5_column *column)
{
    hsize_t rows = column->rows, limit = H5S_UNLIMITED, chunk = chunk_rows(column->rows);
    hid_t create = hdf5_new_list(H5P_DATASET_CREATE);
    H5Pset_chunk(create, 1, &chunk);
    if (column->kind != HDF5_TEXT) { /* the texts themselves lie elsewhere, not compressed */
        H5Pset_shuffle(create);
        H5Pset_deflate(create, chunk == HDF5_CHUNK_ROWS ? DEFLATE_FAST : DEFLATE);
    }
    double missing = NAN;
    if (column->kind == HDF5_REAL)
        H5Pset_fill_value(create, H5T_NATIVE_DOUBLE, &missing);
    hid_t space = H5Screate_simple(1, &rows, &limit), type = kind_type(column->kind, true);
    hid_t dataset = H5Dcreate2(group, column->name, type, space, H5P_DEFAULT, create, H5P_DEFAULT);
    hdf5_close(type);
    hdf5_close(space);
    hdf5_close(create);
    return dataset;
}

/* CF's way to name the codes of a column: flag_values, of the column's own type, and their words.
 */
static int describe_codes(hid_t dataset, const struct hdf5_column *column, struct error *err)
{
    int status = 0;
    int8_t codes[INT8_MAX];
    hsize_t count = 1;
    for (const char *c = column->meanings; *c; c++)
        count += *c == ' ';
    for (int i = 0; i < INT8_MAX; i++)
        codes[i] = (int8_t)i;
    hid_t type = kind_type(column->kind, true), space = H5Screate_simple(1, &count, NULL);
    hid_t attribute = H5Acreate2(dataset, "flag_values", type, space, H5P_DEFAULT, H5P_DEFAULT);
    if (count > INT8_MAX || attribute < 0 || H5Awrite(attribute, H5T_NATIVE_INT8, codes) < 0)
        status = hdf5_fail(err, E_BUG, "cannot write the attribute 'flag_values'");
    hdf5_close(attribute);
    hdf5_close(space);
    hdf5_close(type);
    return status ? status : hdf5_write_text(dataset, "flag_meanings", column->meanings, err);
}

static int describe_missing(hid_t dataset, const struct hdf5_column *column)
{
    static const double nan = NAN;
    static const int none = -1;
    if (column->kind == HDF5_REAL)
        return H5LTset_attribute_double(dataset, ".", "_FillValue", &nan, 1);
    if (column->kind == HDF5_WHOLE && column->lacking)
        return H5LTset_attribute_int(dataset, ".", "_FillValue", &none, 1);
    return 0;
}

static int describe_column(hid_t dataset, const struct hdf5_column *column, struct error *err)
{
    int status = 0;
    TRY(hdf5_write_text(dataset, "long_name", column->title, err));
    if (column->unit && column->unit[0])
        TRY(hdf5_write_text(dataset, "units", column->unit, err));
    if (describe_missing(dataset, column) < 0)
        status = hdf5_fail(err, E_BUG, "cannot write the attribute '_FillValue'");
    else if (column->meanings)
        status = describe_codes(dataset, column, err);
done:
    return status;
}

int hdf5_write_rows(hid_t dataset, enum hdf5_kind kind, size_t first, size_t count,
                    const void *values, struct error *err)
{
    int status = 0;
    hsize_t start = first, size = count;
    if (count == 0)
        return 0;
    hid_t type = kind_type(kind, false), memory = H5Screate_simple(1, &size, NULL);
    hid_t space = H5Dget_space(dataset);
    if (H5Sselect_hyperslab(space, H5S_SELECT_SET, &start, NULL, &size, NULL) < 0 ||
        H5Dwrite(dataset, type, memory, space, H5P_DEFAULT, values) < 0)
        status = hdf5_fail(err, E_BUG, "cannot write a column");
    hdf5_close(space);
    hdf5_close(memory);
    hdf5_close(type);
    return status;
}

int hdf5_cut_rows(hid_t dataset, size_t rows, struct error *err)
{
    hsize_t size = rows;
    return H5Dset_extent(dataset, &size) < 0 ? hdf5_fail(err, E_BUG, "cannot cut a column") : 0;
}

int hdf5_write_column(hid_t group, const struct hdf5_column *column, hid_t scale, hid_t *dataset,
                      struct error *err)
{
    int status = 0;
    hid_t made = new_column(group, column);
    if (made < 0) {
        status = hdf5_fail(err, E_BUG, "cannot make the column '%s'", column->name);
        goto done;
    }
    if (column->values)
        TRY(hdf5_write_rows(made, column->kind, 0, column->rows, column->values, err));
    TRY(describe_column(made, column, err));
    if ((scale < 0 ? H5DSset_scale(made, column->name) : H5DSattach_scale(made, scale, 0)) < 0) {
        status = hdf5_fail(err, E_BUG, "cannot give the column '%s' its scale", column->name);
        goto done;
    }
    if (dataset) {
        *dataset = made;
        made = H5I_INVALID_HID;
    }
done:
    hdf5_close(made);
    return status;
}

static int open_dataset(hid_t group, const char *name, hid_t *dataset, struct error *err)
{
    hid_t opened = H5Dopen2(group, name, H5P_DEFAULT);
    if (opened < 0)
        return hdf5_fail(err, E_INPUT, "it has no dataset '%s'", name);
    *dataset = opened;
    return 0;
}

/* The class of the values and the dimensions; *rank is -1 if there are more than `limit`. */
static H5T_class_t dataset_shape(hid_t dataset, int limit, int *rank, hsize_t *sizes)
{
    hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
    H5T_class_t class = H5Tget_class(type);
    *rank = H5Sget_simple_extent_ndims(space);
    if (*rank > limit || H5Sget_simple_extent_dims(space, sizes, NULL) < 0)
        *rank = -1;
    hdf5_close(space);
    hdf5_close(type);
    return class;
}

int hdf5_open_column_shape(hid_t dataset, const char *name, size_t limit, size_t *rows,
                           int *integer, struct error *err)
{
    int rank;
    hsize_t size = 0;
    H5T_class_t class = dataset_shape(dataset, 1, &rank, &size);
    if (rank != 1 || (class != H5T_INTEGER && class != H5T_FLOAT))
        return fail(err, E_INPUT, "its dataset '%s' is no column of numbers", name);
    if (size > limit)
        return fail(err, E_INPUT, "its column '%s' has %llu rows, expected at most %zu", name,
                    (unsigned long long)size, limit);
    *rows = (size_t)size;
    *integer = class == H5T_INTEGER;
    return 0;
}

int hdf5_column_shape(hid_t group, const char *name, size_t limit, size_t *rows, int *integer,
                      struct error *err)
{
    hid_t dataset = H5I_INVALID_HID;
    int status = open_dataset(group, name, &dataset, err);
    if (status == 0)
        status = hdf5_open_column_shape(dataset, name, limit, rows, integer, err);
    hdf5_close(dataset);
    return status;
}

int hdf5_read_open_column(hid_t dataset, const char *name, int integer, size_t rows, void *values,
                          struct error *err)
{
    hid_t type = integer ? H5T_NATIVE_INT32 : H5T_NATIVE_DOUBLE;
    if (rows > 0 && H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
        return hdf5_fail(err, E_INPUT, "cannot read its dataset '%s'", name);
    return 0;
}

static int read_values(hid_t group, const char *name, hid_t type, void *values, struct error *err)
{
    hid_t dataset = H5I_INVALID_HID;
    int status = open_dataset(group, name, &dataset, err);
    if (status != 0)
        return status;
    if (H5Dread(dataset, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
        status = hdf5_fail(err, E_INPUT, "cannot read its dataset '%s'", name);
    hdf5_close(dataset);
    return status;
}

/* Pictures of doubles ------------------------------------------------------------------------ */

int hdf5_write_field(hid_t group, const char *name, int height, int width, const double *values,
                     struct error *err)
{
    int status = 0;
    hid_t create = hdf5_new_list(H5P_DATASET_CREATE);
    hid_t space = H5Screate_simple(3, (hsize_t[]){(hsize_t)height, (hsize_t)width, 3}, NULL);
    hid_t dataset =
        H5Dcreate2(group, name, H5T_IEEE_F64LE, space, H5P_DEFAULT, create, H5P_DEFAULT);
    if (dataset < 0 ||
        H5Dwrite(dataset, H5T_NATIVE_DOUBLE, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
        status = hdf5_fail(err, E_BUG, "cannot write the dataset '%s'", name);
    hdf5_close(dataset);
    hdf5_close(space);
    hdf5_close(create);
    return status;
}

/* The sides of a dataset [height][width][3] of that class, whose values unpack from the file. */
static int three_sides(hid_t group, const char *name, H5T_class_t wanted, size_t most_from_a_byte,
                       int *height, int *width, struct error *err)
{
    int rank, status;
    hid_t dataset = H5I_INVALID_HID;
    hsize_t size[3] = {0}, file_bytes = 0;
    if ((status = open_dataset(group, name, &dataset, err)) != 0)
        return status;
    H5T_class_t class = dataset_shape(dataset, 3, &rank, size);
    hid_t file = H5Iget_file_id(dataset);
    H5Fget_filesize(file, &file_bytes);
    hdf5_close(file);
    hdf5_close(dataset);
    size_t bytes = wanted == H5T_FLOAT ? sizeof(double) : 1;
    if (rank != 3 || class != wanted || size[0] < 1 || size[0] > SIDE_MAX_PX || size[1] < 1 ||
        size[1] > SIDE_MAX_PX || size[2] != 3 ||
        size[0] * size[1] * 3 * bytes / most_from_a_byte > file_bytes)
        return fail(err, E_INPUT, "its dataset '%s' is no picture", name);
    *height = (int)size[0];
    *width = (int)size[1];
    return 0;
}

int hdf5_field_shape(hid_t group, const char *name, int *height, int *width, struct error *err)
{
    return three_sides(group, name, H5T_FLOAT, 1, height, width, err);
}

int hdf5_picture_shape(hid_t group, const char *name, int *height, int *width, struct error *err)
{
    return three_sides(group, name, H5T_INTEGER, HDF5_UNPACKED_MAX, height, width, err);
}

int hdf5_read_picture(hid_t group, const char *name, uint8_t *rgb, struct error *err)
{
    return read_values(group, name, H5T_NATIVE_UINT8, rgb, err);
}

int hdf5_read_field(hid_t group, const char *name, int height, int width, double *values,
                    struct error *err)
{
    int h = 0, w = 0, status = hdf5_field_shape(group, name, &h, &w, err);
    if (status != 0)
        return status;
    if (h != height || w != width)
        return fail(err, E_INPUT, "its dataset '%s' has %d x %d px, expected %d x %d", name, w, h,
                    width, height);
    return read_values(group, name, H5T_NATIVE_DOUBLE, values, err);
}
