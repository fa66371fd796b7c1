/* Keras' HDF5 files, in both of the layouts in use:
 *
 *   attribute  layer_names = input_1, block1_conv1, ...      (of /, or of
 * /model_weights) group      block1_conv1, attribute weight_names = the
 * datasets below it: "block1_conv1_W_1:0", "block1_conv1/kernel:0", ...
 *
 *   group      layers/conv2d, layers/conv2d_1, ...           (Keras 3,
 * *.weights.h5) datasets   vars/0, vars/1; the layer's own name is an attribute
 * of vars, or lost
 *
 * Of a layer's datasets the 4-D one is the kernel, [3][3][in][out] and a
 * cross-correlation as ours, and the 1-D one the bias. Layers are found by
 * name, or by their order where no name is known. Where the file's own layers
 * are others, VGG-19 may be inside one of them (hdf5_search.h). Source:
 * keras/src/legacy/saving and keras/src/saving/saving_lib.py. */
#include "keras.h"

#include "checked_image.h"
#include "checked_values.h"
#include "hdf5_search.h"
#include "weights.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_CONV2D = 1024, NAME = 64 };

/* The layers of a file, in its order. */
struct keras_file {
    hid_t file, root;
    bool counted;            /* Keras 3: groups are numbered, datasets are vars/0, vars/1 */
    struct text_list groups; /* below root */
    struct text_list names;  /* of the layers */
};

static void layer_of(int conv, char name[NAME])
{
    snprintf(name, NAME, "block%d_conv%d", vgg19_convs[conv].block, vgg19_convs[conv].index);
}

/* "block1_conv1" or "conv1_1". */
static bool names_conv(const char *name, int conv)
{
    char ours[NAME], other[NAME];
    layer_of(conv, ours);
    snprintf(other, sizeof other, "conv%d_%d", vgg19_convs[conv].block, vgg19_convs[conv].index);
    return strcmp(name, ours) == 0 || strcmp(name, other) == 0;
}

/* The name Keras 3 keeps with a layer's variables; its group's name where there
 * is none. */
static int list_counted_layer(struct keras_file *k, hid_t vars, const char *group,
                              struct error *err)
{
    struct text_list name = {0};
    bool found;
    int status;
    TRY(checked_texts(vars, "name", &name, &found, err));
    const char *text = name.count == 1 && name.texts[0][0] ? name.texts[0] : group;
    TRY(text_list_add(&k->names, text, strlen(text), err));
    TRY(text_list_add(&k->groups, group, strlen(group), err));
done:
    text_list_release(&name);
    return status;
}

static int list_counted_layers(struct keras_file *k, struct error *err)
{
    int status = 0;
    for (int i = 0; i < MOST_CONV2D && !status; i++) {
        char group[NAME], path[NAME + 8];
        hid_t vars;
        snprintf(group, sizeof group, i ? "conv2d_%d" : "conv2d", i);
        snprintf(path, sizeof path, "%s/vars", group);
        status = checked_object(k->root, path, H5I_GROUP, &vars, err);
        if (status || vars < 0)
            break;
        status = list_counted_layer(k, vars, group, err);
        checked_close(vars);
    }
    return status;
}

/* Finds the root that lists the layers, if there is one, and lists them. */
static int list_layers(struct keras_file *k, struct error *err)
{
    static const struct {
        const char *root;
        bool counted;
    } layouts[] = {
        {"/", false},
        {"/model_weights", false},
        {"/layers", true},
        {"/_layer_checkpoint_dependencies", true},
    };
    bool found = false;
    for (size_t i = 0; i < sizeof layouts / sizeof *layouts && !found; i++) {
        checked_close(k->root);
        k->root = H5I_INVALID_HID;
        int status = checked_object(k->file, layouts[i].root, H5I_GROUP, &k->root, err);
        k->counted = layouts[i].counted;
        if (!status && k->root >= 0) {
            if (k->counted) {
                status = list_counted_layers(k, err);
                found = k->groups.count > 0;
            } else
                status = checked_texts(k->root, "layer_names", &k->groups, &found, err);
        }
        if (status)
            return status;
    }
    return 0;
}

static const char *name_of(const struct keras_file *k, size_t layer)
{
    return k->counted ? k->names.texts[layer] : k->groups.texts[layer];
}

/* The datasets of a layer, as paths below its group. */
static int list_datasets(const struct keras_file *k, hid_t group, struct text_list *list,
                         struct error *err)
{
    bool found;
    if (!k->counted)
        return checked_texts(group, "weight_names", list, &found, err);
    int status = text_list_add(list, "vars/0", 6, err);
    return status ? status : text_list_add(list, "vars/1", 6, err);
}

/* A layer's kernel and bias; negative where there is none. */
struct datasets {
    hid_t kernel, bias;
};

static int sort_dataset(hid_t dataset, struct datasets *out, struct error *err)
{
    hsize_t dims[CHECKED_RANKS];
    int rank;
    int status = checked_shape(dataset, &rank, dims, err);
    if (status)
        return status;
    hid_t *place = rank == 4 ? &out->kernel : rank == 1 ? &out->bias : NULL;
    if (place && *place >= 0)
        return fail(err, E_INPUT, "it has more than one %s",
                    place == &out->kernel ? "kernel" : "bias");
    if (place) {
        H5Iinc_ref(dataset);
        *place = dataset;
    }
    return 0;
}

static int open_layer(const struct keras_file *k, size_t layer, struct datasets *out,
                      struct error *err)
{
    struct text_list paths = {0};
    hid_t group = H5I_INVALID_HID;
    int status;
    TRY(checked_object(k->root, k->groups.texts[layer], H5I_GROUP, &group, err));
    if (group < 0)
        goto done;
    TRY(list_datasets(k, group, &paths, err));
    for (size_t i = 0; i < paths.count; i++) {
        hid_t dataset;
        TRY(checked_object(group, paths.texts[i], H5I_DATASET, &dataset, err));
        if (dataset < 0)
            continue;
        status = sort_dataset(dataset, out, err);
        checked_close(dataset);
        if (status)
            goto done;
    }
done:
    checked_close(group);
    text_list_release(&paths);
    return status;
}

static void close_layer(struct datasets *layer)
{
    checked_close(layer->kernel);
    checked_close(layer->bias);
}

static int missing(int conv, const char *hint, struct error *err)
{
    char name[NAME];
    layer_of(conv, name);
    return fail(err, E_INPUT, "layer %s is missing%s", name, hint);
}

/* Layers without known names: those with a kernel are the convolutions, in
 * their order. *sure: there are some, and none that is no convolution's, so
 * that the error tells what is wrong. */
static int find_in_order(const struct keras_file *k, int convs, size_t layers[VGG19_CONVS],
                         bool *sure, struct error *err)
{
    int found = 0;
    *sure = false;
    for (size_t i = 0; i < k->groups.count && found < convs; i++) {
        struct datasets layer = {H5I_INVALID_HID, H5I_INVALID_HID};
        int status = open_layer(k, i, &layer, err);
        if (!status && layer.kernel >= 0)
            layers[found++] = i;
        close_layer(&layer);
        if (status)
            return fail_context(err, "the layer at place %zu of the file: ", i), status;
    }
    *sure = found > 0;
    return found < convs ? missing(found, "", err) : 0;
}

/* Which of the file's layers each convolution is, by name; *named: some are. A
 * layer that a deeper one stands on must be there even if nobody asked for
 * either: without it the network is another. */
static int find_layers(const struct keras_file *k, int convs, size_t layers[VGG19_CONVS],
                       bool *named, struct error *err)
{
    bool found[VGG19_CONVS] = {false};
    int needed = 0;
    for (int conv = 0; conv < VGG19_CONVS; conv++)
        for (size_t i = 0; i < k->groups.count && !found[conv]; i++)
            if (names_conv(name_of(k, i), conv)) {
                layers[conv] = i;
                found[conv] = true;
                needed = conv + 1;
            }
    *named = needed > 0;
    if (needed < convs)
        needed = convs;
    for (int conv = 0; conv < needed; conv++)
        if (!found[conv]) {
            bool vgg16 = vgg19_convs[conv].index == 4 && conv + 1 < VGG19_CONVS && found[conv + 1];
            return missing(conv, vgg16 ? ": it looks like VGG-16, but VGG-19 is needed" : "", err);
        }
    return 0;
}

static void shape_text(int rank, const hsize_t *dims, char *text, size_t size)
{
    size_t used = 0;
    for (int i = 0; i < rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%llu", i ? ", " : "",
                                 (unsigned long long)dims[i]);
}

/* Reads the kernel or bias of exactly the expected shape. */
static int read_shaped(hid_t dataset, int rank, const hsize_t *expected, float *values,
                       struct error *err)
{
    hsize_t dims[CHECKED_RANKS];
    int got;
    if (dataset < 0)
        return fail(err, E_INPUT, "missing");
    int status = checked_shape(dataset, &got, dims, err);
    if (status)
        return status;
    if (got != rank || memcmp(dims, expected, (size_t)rank * sizeof *dims) != 0) {
        char is[192], should[192];
        shape_text(got, dims, is, sizeof is);
        shape_text(rank, expected, should, sizeof should);
        bool theano = rank == 4 && got == 4 && dims[0] == expected[3] && dims[1] == expected[2] &&
                      dims[2] == 3 && dims[3] == 3;
        return fail(err, E_INPUT, "expected shape (%s), got (%s)%s", should, is,
                    theano ? ": this is Theano's layout; take the file with "
                             "'tf_kernels' in its "
                             "name"
                           : "");
    }
    size_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= (size_t)expected[i];
    return checked_floats(dataset, count, values, err);
}

static int read_conv(const struct keras_file *k, size_t layer, int conv,
                     struct vgg19_weights *weights, struct error *err)
{
    const struct vgg19_conv *c = &vgg19_convs[conv];
    const hsize_t kernel[4] = {3, 3, (hsize_t)c->in, (hsize_t)c->out};
    const hsize_t bias[1] = {(hsize_t)c->out};
    struct datasets opened = {H5I_INVALID_HID, H5I_INVALID_HID};
    const char *what = "";
    int status;
    TRY(open_layer(k, layer, &opened, err));
    what = "kernel: ";
    TRY(read_shaped(opened.kernel, 4, kernel, weights->kernel[conv], err));
    what = "bias: ";
    TRY(read_shaped(opened.bias, 1, bias, weights->bias[conv], err));
done:
    close_layer(&opened);
    if (status) {
        char name[NAME];
        layer_of(conv, name);
        fail_context(err, "layer %s: %s", name, what);
    }
    return status;
}

static int read_convs(const struct keras_file *k, const size_t layers[VGG19_CONVS],
                      struct vgg19_weights *weights, struct error *err)
{
    int status = 0;
    for (int conv = 0; conv < weights->convs && !status; conv++)
        status = read_conv(k, layers[conv], conv, weights, err);
    return status;
}

/* No layer of the file has a name of VGG-19's: it is inside one of them, or
 * they are in its order. */
static int read_unnamed(const struct keras_file *k, struct vgg19_weights *weights, int *convention,
                        struct error *err)
{
    size_t layers[VGG19_CONVS];
    bool near, sure;
    struct error why = {0};
    int status = hdf5_search_read(k->file, weights, convention, &near, err);
    if (!status && weights->by_shape && k->groups.count > 0)
        *convention = CONVENTION_CAFFE;
    if (status != E_INPUT || near)
        return status;
    int ordered = find_in_order(k, weights->convs, layers, &sure, &why);
    weights->by_shape = !ordered;
    if (!ordered)
        return read_convs(k, layers, weights, err);
    if (k->groups.count == 0)
        return fail_context(err, "it is an HDF5 file without Keras layers, and ");
    return sure ? fail(err, E_INPUT, "%s", why.message) : status;
}

int keras_read(const struct keras_source *source, struct vgg19_weights *weights, int *convention,
               struct error *err)
{
    struct keras_file k = {.file = H5I_INVALID_HID, .root = H5I_INVALID_HID};
    size_t layers[VGG19_CONVS];
    bool named = false;
    int status;
    *convention = CONVENTION_CAFFE;
    if (source->path)
        TRY(checked_open(source->path, &k.file, err));
    else
        TRY(checked_open_image(source->image, &k.file, err));
    TRY(list_layers(&k, err));
    status = find_layers(&k, weights->convs, layers, &named, err);
    if (!named)
        status = read_unnamed(&k, weights, convention, err);
    else if (!status)
        status = read_convs(&k, layers, weights, err);
done:
    text_list_release(&k.groups);
    text_list_release(&k.names);
    checked_close(k.root);
    checked_close(k.file);
    return status;
}
