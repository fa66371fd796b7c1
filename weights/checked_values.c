#include "checked_values.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_TEXTS = 4096, MOST_TEXT_BYTES = 4096, MOST_CHUNK_BYTES = 64 << 20 };

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
        status = checked_fail(err, "cannot read a list of names");
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
        status = checked_fail(err, "cannot read a list of names");
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
        status = checked_fail(err, "cannot read a list of names");
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
    return exists < 0 ? checked_fail(err, "cannot look up a list of names") : 0;
}

int checked_shape(hid_t dataset, int *rank, hsize_t dims[CHECKED_RANKS], struct error *err)
{
    int status = checked_storage(dataset, err);
    if (status)
        return status;
    hid_t space = H5Dget_space(dataset);
    int ranks = H5Sget_simple_extent_ndims(space);
    if (ranks < 0)
        status = checked_fail(err, "cannot read a dataset's size");
    else if (ranks > CHECKED_RANKS)
        status = fail(err, E_INPUT, "a dataset has %d dimensions", ranks);
    else {
        *rank = ranks;
        H5Sget_simple_extent_dims(space, dims, NULL);
    }
    checked_close(space);
    return status;
}

/* Every chunk is there and none is much larger than the dataset. */
static int check_chunks(hid_t dataset, hid_t properties, hid_t space, size_t type_bytes,
                        struct error *err)
{
    hsize_t dims[CHECKED_RANKS], chunk[CHECKED_RANKS], stored, needed = 1, bytes = type_bytes;
    int rank = H5Sget_simple_extent_dims(space, dims, NULL);
    if (H5Pget_chunk(properties, rank, chunk) != rank ||
        H5Dget_num_chunks(dataset, space, &stored) < 0)
        return checked_fail(err, "cannot read how a dataset is stored");
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
        status = checked_fail(err, "cannot read how a dataset is stored");
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
        status = checked_fail(err, "cannot read its values");
done:
    checked_close(space);
    checked_close(type);
    return status;
}
