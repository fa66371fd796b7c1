#include "checked_hdf5.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TEXTS = 4096, MOST_TEXT_BYTES = 4096, MOST_CHUNK_BYTES = 64 << 20 };

static herr_t innermost(unsigned n, const H5E_error2_t *record, void *text)
{
    if (n == 0)
        snprintf(text, 256, "%s", record->desc ? record->desc : "");
    return 0;
}

/* E_INPUT: what failed, and HDF5's innermost reason. Must follow the failed call directly. */
static int fail_hdf5(struct error *err, const char *what)
{
    char reason[256] = "";
    H5Ewalk2(H5E_DEFAULT, H5E_WALK_UPWARD, innermost, reason);
    if (strncmp(reason, "truncated file", 14) == 0)
        return fail(err, E_INPUT, "the file is truncated: it ends before its data does (%s)",
                    reason);
    return fail(err, E_INPUT, "damaged or truncated: %s%s%s", what, reason[0] ? ": " : "", reason);
}

int checked_open(const char *path, hid_t *file, struct error *err)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_fclose_degree(access, H5F_CLOSE_STRONG);
#if H5_VERSION_GE(1, 10, 7)
    H5Pset_file_locking(access, false, true);
#endif
    hid_t opened = H5Fopen(path, H5F_ACC_RDONLY, access);
    int status = 0;
    if (opened < 0)
        status = fail_hdf5(err, "cannot open it as HDF5");
    else
        *file = opened;
    checked_close(access);
    return status;
}

void checked_close(hid_t id)
{
    if (id >= 0)
        H5Idec_ref(id);
}

/* The object of one name in a group. */
static int open_child(hid_t group, const char *name, hid_t *child, struct error *err)
{
    H5L_info_t link;
    htri_t exists = H5Lexists(group, name, H5P_DEFAULT);
    if (exists < 0)
        return fail_hdf5(err, "cannot look up a name");
    if (!exists) {
        *child = H5I_INVALID_HID;
        return 0;
    }
    if (H5Lget_info(group, name, &link, H5P_DEFAULT) < 0)
        return fail_hdf5(err, "cannot look up a name");
    if (link.type != H5L_TYPE_HARD)
        return fail(err, E_INPUT,
                    "%s stands in its place, which is refused: data must lie in the "
                    "file itself",
                    link.type == H5L_TYPE_SOFT ? "a soft link" : "an external link");
    *child = H5Oopen(group, name, H5P_DEFAULT);
    return *child < 0 ? fail_hdf5(err, "cannot open an object") : 0;
}

int checked_object(hid_t from, const char *path, H5I_type_t kind, hid_t *object, struct error *err)
{
    int status = 0;
    char *rest = NULL;
    hid_t next = H5I_INVALID_HID, at = H5Oopen(from, ".", H5P_DEFAULT);
    char *names = strdup(path);
    if (at < 0 || !names) {
        status = names ? fail_hdf5(err, "cannot open a group")
                       : fail(err, E_ENVIRONMENT, "not enough memory");
        goto done;
    }
    for (char *name = strtok_r(names, "/", &rest); name; name = strtok_r(NULL, "/", &rest)) {
        if (H5Iget_type(at) != H5I_GROUP) {
            status = fail(err, E_INPUT, "there is a dataset where a group should be");
            goto done;
        }
        TRY(open_child(at, name, &next, err));
        checked_close(at);
        at = next;
        if (at < 0)
            break;
    }
    if (at >= 0 && H5Iget_type(at) != kind) {
        status = fail(err, E_INPUT, "expected a %s", kind == H5I_GROUP ? "group" : "dataset");
        goto done;
    }
    *object = at;
    at = H5I_INVALID_HID;
done:
    checked_close(at);
    free(names);
    return status;
}

int text_list_add(struct text_list *list, const char *text, size_t most, struct error *err)
{
    char **texts = realloc(list->texts, (list->count + 1) * sizeof *texts);
    if (texts)
        list->texts = texts;
    char *copy = texts ? strndup(text, most) : NULL;
    if (!copy)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    list->texts[list->count++] = copy;
    return 0;
}

void text_list_release(struct text_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        free(list->texts[i]);
    free(list->texts);
    *list = (struct text_list){0};
}

static int read_fixed_texts(hid_t attribute, hid_t type, size_t count, struct text_list *list,
                            struct error *err)
{
    size_t size = H5Tget_size(type);
    if (size == 0 || size > MOST_TEXT_BYTES)
        return fail(err, E_INPUT, "a list of names has names of %zu bytes", size);
    char *bytes = calloc(count, size);
    if (!bytes)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    int status = 0;
    if (H5Aread(attribute, type, bytes) < 0) {
        status = fail_hdf5(err, "cannot read a list of names");
        goto done;
    }
    for (size_t i = 0; i < count; i++) {
        const char *text = bytes + i * size;
        size_t length = strnlen(text, size);
        while (H5Tget_strpad(type) == H5T_STR_SPACEPAD && length > 0 && text[length - 1] == ' ')
            length--;
        TRY(text_list_add(list, text, length, err));
    }
done:
    free(bytes);
    return status;
}

static int read_variable_texts(hid_t attribute, hid_t type, hid_t space, size_t count,
                               struct text_list *list, struct error *err)
{
    char **texts = calloc(count, sizeof *texts);
    if (!texts)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    int status = 0;
    if (H5Aread(attribute, type, texts) < 0)
        status = fail_hdf5(err, "cannot read a list of names");
    for (size_t i = 0; i < count && !status; i++)
        status = texts[i] ? text_list_add(list, texts[i], MOST_TEXT_BYTES, err)
                          : text_list_add(list, "", 0, err);
    H5Dvlen_reclaim(type, space, H5P_DEFAULT, texts);
    free(texts);
    return status;
}

static int read_texts(hid_t object, const char *name, struct text_list *list, struct error *err)
{
    int status = 0;
    hid_t type = H5I_INVALID_HID, space = H5I_INVALID_HID;
    hid_t attribute = H5Aopen(object, name, H5P_DEFAULT);
    if (attribute < 0 || (type = H5Aget_type(attribute)) < 0 ||
        (space = H5Aget_space(attribute)) < 0) {
        status = fail_hdf5(err, "cannot read a list of names");
        goto done;
    }
    hssize_t count = H5Sget_simple_extent_npoints(space);
    if (count == 0) /* h5py stores an empty list as numbers */
        goto done;
    if (H5Tget_class(type) != H5T_STRING || count < 0) {
        status = fail(err, E_INPUT, "a list of names holds no names");
        goto done;
    }
    if (count > MOST_TEXTS) {
        status = fail(err, E_INPUT, "a list of names holds %lld", (long long)count);
        goto done;
    }
    TRY(H5Tis_variable_str(type) > 0
            ? read_variable_texts(attribute, type, space, (size_t)count, list, err)
            : read_fixed_texts(attribute, type, (size_t)count, list, err));
done:
    checked_close(space);
    checked_close(type);
    checked_close(attribute);
    return status;
}

int checked_texts(hid_t object, const char *name, struct text_list *list, bool *found,
                  struct error *err)
{
    char part[64];
    htri_t exists = H5Aexists(object, name);
    *found = exists > 0;
    if (exists > 0)
        return read_texts(object, name, list, err);
    for (int i = 0; exists >= 0 && i < MOST_TEXTS && list->count < MOST_TEXTS; i++) {
        snprintf(part, sizeof part, "%s%d", name, i);
        exists = H5Aexists(object, part);
        if (exists <= 0)
            break;
        *found = true;
        int status = read_texts(object, part, list, err);
        if (status)
            return status;
    }
    return exists < 0 ? fail_hdf5(err, "cannot look up a list of names") : 0;
}

static int check_filters(hid_t properties, struct error *err)
{
    int filters = H5Pget_nfilters(properties);
    if (filters < 0)
        return fail_hdf5(err, "cannot read how a dataset is stored");
    for (int i = 0; i < filters; i++) {
        unsigned flags, config;
        size_t values = 0;
        H5Z_filter_t filter =
            H5Pget_filter2(properties, (unsigned)i, &flags, &values, NULL, 0, NULL, &config);
        if (filter < H5Z_FILTER_NONE || filter >= H5Z_FILTER_RESERVED)
            return fail(err, E_INPUT, "packed with filter %d, which needs a plug-in: refused",
                        (int)filter);
    }
    return 0;
}

int checked_storage(hid_t dataset, struct error *err)
{
    hid_t properties = H5Dget_create_plist(dataset);
    if (properties < 0)
        return fail_hdf5(err, "cannot read how a dataset is stored");
    H5D_layout_t layout = H5Pget_layout(properties);
    int status;
    if (layout == H5D_VIRTUAL)
        status = fail(err, E_INPUT,
                      "a virtual dataset is refused: data must lie in the file "
                      "itself");
    else if (H5Pget_external_count(properties) != 0)
        status = fail(err, E_INPUT,
                      "external storage is refused: data must lie in the file "
                      "itself");
    else if (layout < 0)
        status = fail_hdf5(err, "cannot read how a dataset is stored");
    else
        status = check_filters(properties, err);
    checked_close(properties);
    return status;
}

int checked_shape(hid_t dataset, int *rank, hsize_t dims[CHECKED_RANKS], struct error *err)
{
    int status = checked_storage(dataset, err);
    if (status)
        return status;
    hid_t space = H5Dget_space(dataset);
    int ranks = H5Sget_simple_extent_ndims(space);
    if (ranks < 0)
        status = fail_hdf5(err, "cannot read a dataset's size");
    else if (ranks > CHECKED_RANKS)
        status = fail(err, E_INPUT, "a dataset has %d dimensions", ranks);
    else {
        *rank = ranks;
        H5Sget_simple_extent_dims(space, dims, NULL);
    }
    checked_close(space);
    return status;
}

/* ---- all of a file ---- */

enum { MOST_DEPTH = 32, MOST_OBJECTS = 100000, MOST_PATH = 4096 };

struct walk {
    checked_visitor *visit;
    void *context;
    struct error *err;
    int status, depth, objects;
    char path[MOST_PATH];
};

static int walk_group(hid_t group, struct walk *walk);

/* What stands behind a hard link; its groups come with all they hold. */
static int walk_object(hid_t object, struct walk *walk)
{
    H5I_type_t kind = H5Iget_type(object);
    int status = walk->visit(walk->context, walk->path, object, kind, walk->err);
    if (status || kind != H5I_GROUP)
        return status;
    if (walk->depth == MOST_DEPTH)
        return fail(walk->err, E_INPUT, "its groups are more than %d deep", MOST_DEPTH);
    walk->depth++;
    status = walk_group(object, walk);
    walk->depth--;
    return status;
}

/* A link of another kind is named, and not followed. */
static int walk_link(hid_t group, const char *name, const H5L_info_t *link, struct walk *walk)
{
    if (++walk->objects > MOST_OBJECTS)
        return fail(walk->err, E_INPUT, "it holds more than %d objects", MOST_OBJECTS);
    if (link->type != H5L_TYPE_HARD)
        return walk->visit(walk->context, walk->path, H5I_INVALID_HID, H5I_BADID, walk->err);
    hid_t object = H5Oopen(group, name, H5P_DEFAULT);
    if (object < 0)
        return fail_hdf5(walk->err, "cannot open an object");
    int status = walk_object(object, walk);
    checked_close(object);
    return status;
}

static herr_t each_link(hid_t group, const char *name, const H5L_info_t *link, void *context)
{
    struct walk *walk = context;
    size_t before = strlen(walk->path);
    int length = snprintf(walk->path + before, MOST_PATH - before, "%s%s", before ? "/" : "", name);
    if (length < 0 || (size_t)length >= MOST_PATH - before)
        walk->status = fail(walk->err, E_INPUT, "the path of an object is too long");
    else
        walk->status = walk_link(group, name, link, walk);
    walk->path[before] = '\0';
    return walk->status ? -1 : 0;
}

static int walk_group(hid_t group, struct walk *walk)
{
    hsize_t at = 0;
    if (H5Literate(group, H5_INDEX_NAME, H5_ITER_NATIVE, &at, each_link, walk) < 0)
        return walk->status ? walk->status : fail_hdf5(walk->err, "cannot list a group");
    return 0;
}

int checked_walk(hid_t group, checked_visitor *visit, void *context, struct error *err)
{
    struct walk *walk = malloc(sizeof *walk);
    if (!walk)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    *walk = (struct walk){.visit = visit, .context = context, .err = err};
    int status = walk_group(group, walk);
    free(walk);
    return status;
}

static int visit_contained(void *context, const char *path, hid_t object, H5I_type_t kind,
                           struct error *err)
{
    (void)context;
    int status = 0;
    if (kind == H5I_BADID)
        status = fail(err, E_INPUT, "a link is refused: data must lie in the file itself");
    else if (kind == H5I_DATASET)
        status = checked_storage(object, err);
    if (status)
        fail_context(err, "'%.200s': ", path);
    return status;
}

int checked_contained(hid_t file, struct error *err)
{
    return checked_walk(file, visit_contained, NULL, err);
}

/* ---- values ---- */

/* Every chunk is there and none is much larger than the dataset. */
static int check_chunks(hid_t dataset, hid_t properties, hid_t space, size_t type_bytes,
                        struct error *err)
{
    hsize_t dims[CHECKED_RANKS], chunk[CHECKED_RANKS], stored, needed = 1, bytes = type_bytes;
    int rank = H5Sget_simple_extent_dims(space, dims, NULL);
    if (H5Pget_chunk(properties, rank, chunk) != rank ||
        H5Dget_num_chunks(dataset, space, &stored) < 0)
        return fail_hdf5(err, "cannot read how a dataset is stored");
    for (int i = 0; i < rank; i++) {
        if (chunk[i] == 0 || chunk[i] > MOST_CHUNK_BYTES / bytes)
            return fail(err, E_INPUT, "its chunks are too large");
        needed *= (dims[i] + chunk[i] - 1) / chunk[i];
        bytes *= chunk[i];
    }
    if (stored != needed)
        return fail(err, E_INPUT, "only %llu of its %llu pieces were written",
                    (unsigned long long)stored, (unsigned long long)needed);
    return 0;
}

/* Values that were never written would read as zeros. */
static int check_written(hid_t dataset, hid_t space, size_t count, size_t type_bytes,
                         struct error *err)
{
    hid_t properties = H5Dget_create_plist(dataset);
    hsize_t stored = H5Dget_storage_size(dataset);
    int status = 0;
    if (properties < 0)
        status = fail_hdf5(err, "cannot read how a dataset is stored");
    else if (H5Pget_layout(properties) == H5D_CHUNKED)
        status = check_chunks(dataset, properties, space, type_bytes, err);
    else if (stored != count * type_bytes)
        status = fail(err, E_INPUT, "its %zu values need %zu bytes, but %llu are stored", count,
                      count * type_bytes, (unsigned long long)stored);
    checked_close(properties);
    return status;
}

int checked_floats(hid_t dataset, size_t count, float *values, struct error *err)
{
    int status = 0;
    hid_t type = H5Dget_type(dataset), space = H5Dget_space(dataset);
    if (type < 0 || space < 0 || H5Sget_simple_extent_npoints(space) != (hssize_t)count) {
        status = fail(err, E_INPUT, "damaged or truncated: a dataset's size cannot be read");
        goto done;
    }
    size_t bytes = H5Tget_size(type);
    if (H5Tget_class(type) != H5T_FLOAT || (bytes != 2 && bytes != 4 && bytes != 8)) {
        status = fail(err, E_INPUT, "its type is not floating-point of 16, 32 or 64 bits");
        goto done;
    }
    TRY(check_written(dataset, space, count, bytes, err));
    if (H5Dread(dataset, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) < 0)
        status = fail_hdf5(err, "cannot read its values");
done:
    checked_close(space);
    checked_close(type);
    return status;
}
