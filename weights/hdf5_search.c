#include "hdf5_search.h"

#include "checked_values.h"
#include "tensor_file.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME = 64, MOST_PATH = 1024, MOST_VALUES = 9 * 512 * 512 };

/* The datasets, by their place in `paths`; `names` are what they are called as
 * VGG-19's. */
struct found {
    hid_t file;
    struct text_list paths, names;
    struct named_list list;
    char vars[MOST_PATH], layer[NAME]; /* the last group of Keras 3's variables, and its layer */
    float *values;                     /* of the dataset that was asked for last */
};

/* ---- names ---- */

/* The layer of Keras 3's group "conv2d", "conv2d_1", ...: they count in the
 * order of the model. */
static void counted_name(const char *group, char layer[NAME])
{
    int number = 0, length = 0;
    if (strcmp(group, "conv2d") != 0 &&
        (sscanf(group, "conv2d_%4d%n", &number, &length) != 1 || group[length] != '\0'))
        return;
    if (number >= 0 && number < VGG19_CONVS)
        snprintf(layer, NAME, "conv%d_%d", vgg19_convs[number].block, vgg19_convs[number].index);
}

static const char *last_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* "layers/functional/layers/conv2d_1/vars" has its layer's name as an
 * attribute, or in front. */
static int note_vars(struct found *found, const char *path, hid_t group, struct error *err)
{
    struct text_list name = {0};
    bool there;
    char parent[MOST_PATH];
    if (strcmp(last_of(path), "vars") != 0 || strlen(path) >= MOST_PATH)
        return 0;
    int status = checked_texts(group, "name", &name, &there, err);
    if (status)
        return status;
    snprintf(found->vars, sizeof found->vars, "%s", path);
    snprintf(parent, sizeof parent, "%.*s", (int)(last_of(path) - path), path);
    if (parent[0])
        parent[strlen(parent) - 1] = '\0';
    found->layer[0] = '\0';
    if (name.count == 1 && named_conv(name.texts[0], strlen(name.texts[0])) != NAMED_OTHER)
        snprintf(found->layer, NAME, "%s", name.texts[0]);
    else
        counted_name(last_of(parent), found->layer);
    text_list_release(&name);
    return 0;
}

/* The path with the layer's name in it and its part behind: of a layer's
 * datasets the 4-D one is the kernel, whatever its name, and the 1-D one the
 * bias. */
static void name_dataset(const struct found *found, const char *path, int rank, char *name,
                         size_t size)
{
    const char *part = rank == 4 ? "kernel" : rank == 1 ? "bias" : NULL;
    int length = (int)(last_of(path) - path) - (path != last_of(path));
    const char *layer = path + length;
    while (layer > path && layer[-1] != '/')
        layer--;
    const char *vars = found->vars + strlen(found->vars) - (found->vars[0] ? 4 : 0);
    if (part && found->layer[0] && (size_t)length == strlen(found->vars) &&
        strncmp(path, found->vars, (size_t)length) == 0) {
        int before = (int)(vars - found->vars) - 1; /* ".../conv2d_1" */
        while (before > 0 && path[before - 1] != '/')
            before--;
        snprintf(name, size, "%.*s%s/%s", before, path, found->layer, part);
    } else if (part && named_conv(layer, (size_t)(path + length - layer)) != NAMED_OTHER)
        snprintf(name, size, "%.*s/%s", length, path, part);
    else
        snprintf(name, size, "%s", path);
}

/* ---- the walk ---- */

static int add(struct found *found, const char *path, int rank, const hsize_t *dims,
               struct error *err)
{
    char name[MOST_PATH + NAME];
    struct named_entry entry = {.rank = rank, .file = found, .id = found->paths.count};
    int status;
    name_dataset(found, path, rank, name, sizeof name);
    for (int i = 0; i < rank; i++)
        entry.shape[i] = dims[i];
    TRY(text_list_add(&found->names, name, sizeof name, err));
    TRY(text_list_add(&found->paths, path, MOST_PATH, err));
    entry.name = found->names.texts[entry.id];
    entry.length = strlen(entry.name);
    status = named_list_add(&found->list, &entry, err);
done:
    return status;
}

/* What is refused or cannot be read has no shape: it matters only if it is
 * needed, and then reading it says why not. */
static int visit(void *context, const char *path, hid_t object, H5I_type_t kind, struct error *err)
{
    struct found *found = context;
    hsize_t dims[CHECKED_RANKS];
    int rank = 0;
    if (strlen(path) >= MOST_PATH)
        return 0;
    if (kind == H5I_GROUP)
        return note_vars(found, path, object, err);
    if (kind != H5I_DATASET && kind != H5I_BADID)
        return 0;
    if (kind == H5I_BADID || checked_shape(object, &rank, dims, NULL) != 0)
        rank = 0;
    return add(found, path, rank, dims, err);
}

/* ---- as a file of tensors ---- */

static int read_values(struct found *found, hid_t dataset, struct tensor *out, struct error *err)
{
    hsize_t dims[CHECKED_RANKS];
    size_t count = 1;
    int status = checked_shape(dataset, &out->rank, dims, err);
    if (status)
        return status;
    for (int i = 0; i < out->rank; i++) {
        if (dims[i] == 0 || dims[i] > MOST_VALUES / count)
            return fail(err, E_INPUT, "it has none or too many values for a layer of VGG-19");
        out->shape[i] = dims[i];
        count *= (size_t)dims[i];
    }
    tensor_row_major(out);
    free(found->values);
    found->values = malloc(count * sizeof *found->values);
    if (!found->values)
        return fail_errno(err, "not enough memory");
    out->data =
        (struct region){(const unsigned char *)found->values, count * sizeof *found->values};
    return checked_floats(dataset, count, found->values, err);
}

/* Theano's kernels are turned by 180 degrees, PyTorch's are not. */
static int check_order(const struct found *found, size_t id, const struct tensor *tensor,
                       struct error *err)
{
    const char *name = found->names.texts[id];
    const char *end = strrchr(name, '/'), *layer = end;
    while (layer && layer > name && layer[-1] != '/')
        layer--;
    bool keras = layer && named_conv(layer, (size_t)(end - layer)) != NAMED_OTHER;
    if (keras && tensor->rank == 4 && tensor->shape[0] != 3)
        return fail(err, E_INPUT,
                    "this is Theano's layout; take the file with 'tf_kernels' in its name");
    return 0;
}

/* Its values are those of the file's last tensor: they are gone with the next
 * one. */
static int tensor_found(const void *file, size_t id, struct tensor *out, struct error *err)
{
    struct found *found = (void *)(uintptr_t)file;
    hid_t dataset;
    *out = (struct tensor){.type = TENSOR_F32};
    int status = checked_object(found->file, found->paths.texts[id], H5I_DATASET, &dataset, err);
    if (status)
        return status;
    if (dataset < 0)
        return fail(err, E_INPUT, "it is missing");
    status = read_values(found, dataset, out, err);
    if (!status)
        status = check_order(found, id, out, err);
    checked_close(dataset);
    return status;
}

static const struct tensor_format format = {.tensor = tensor_found};

static void release(struct found *found)
{
    text_list_release(&found->paths);
    text_list_release(&found->names);
    named_list_release(&found->list);
    free(found->values);
    free(found);
}

int hdf5_search_read(hid_t file, struct vgg19_weights *weights, int *convention, bool *near,
                     struct error *err)
{
    struct found *found = calloc(1, sizeof *found);
    struct named_choice choice;
    int status;
    *near = false;
    if (!found)
        return fail_errno(err, "not enough memory");
    found->file = file;
    TRY(checked_walk(file, visit, found, err));
    TRY(named_choose(&found->list, weights->convs, &choice, err));
    *near = true;
    TRY(tensors_read(&format, &found->list, weights, convention, err));
done:
    release(found);
    return status;
}
