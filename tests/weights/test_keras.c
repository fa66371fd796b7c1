/* Keras' HDF5 files: every layout as h5py writes it (write_keras.py, into the folder keras), and
 * files that are wrong, damaged or hostile, written here. */
#include "check.h"
#include "checked_hdf5.h"
#include "weights.h"

#include <hdf5.h>
#include <unistd.h>

/* As write_keras.py has it: convolution n's kernel, and with n + 16 its bias. */
static double value_at(int n, size_t i)
{
    uint64_t at = (uint64_t)i + 7919 * (uint64_t)n;
    return (double)(at * 2654435761 % 1000) / 1000 - .5;
}

static size_t kernel_count(int conv)
{
    return 9 * (size_t)vgg19_convs[conv].in * (size_t)vgg19_convs[conv].out;
}

/* Where a value of ours stands in the file: the first kernel's input channels are reversed. */
static size_t in_file(int conv, size_t i)
{
    if (conv > 0)
        return i;
    size_t tap = i / (3 * 64), channel = i / 64 % 3, out = i % 64;
    return (tap * 3 + 2 - channel) * 64 + out;
}

static void assert_values(const struct vgg19_weights *weights, double tolerance)
{
    for (int conv = 0; conv < weights->convs; conv++) {
        for (size_t i = 0; i < kernel_count(conv); i++) {
            double expected = (float)value_at(conv, in_file(conv, i));
            assert_true(fabs((double)weights->kernel[conv][i] - expected) <= tolerance);
        }
        for (size_t i = 0; i < (size_t)vgg19_convs[conv].out; i++) {
            double expected = (float)value_at(conv + 16, i);
            assert_true(fabs((double)weights->bias[conv][i] - expected) <= tolerance);
        }
    }
}

static void assert_loads(const char *path, int convs, double tolerance)
{
    struct vgg19_weights weights;
    struct error err = {0};
    int status = weights_load(path, CONVENTION_AUTO, convs, &weights, &err);
    print_message("%s: %s\n", path, err.message);
    assert_int_equal(status, 0);
    assert_int_equal(weights.convs, convs);
    assert_string_equal(weights.source, "Keras HDF5");
    assert_string_equal(weights.convention, "caffe");
    assert_true(weights.mean[0] == 123.68f && weights.mean[2] == 103.939f);
    assert_values(&weights, tolerance);
    vgg19_weights_release(&weights);
}

/* Refused with the file and both texts in the message, and without a word to the result. */
static void assert_refused(const char *path, int convs, const char *first, const char *second)
{
    struct vgg19_weights weights, before;
    struct error err = {0};
    memset(&weights, 0xA5, sizeof weights);
    memcpy(&before, &weights, sizeof before);
    int status = weights_load(path, CONVENTION_AUTO, convs, &weights, &err);
    print_message("%s\n", err.message);
    assert_int_equal(status, E_INPUT);
    assert_non_null(strstr(err.message, path));
    assert_non_null(strstr(err.message, first));
    assert_non_null(strstr(err.message, second));
    assert_null(strstr(err.message, "reading it crashes"));
    assert_memory_equal(&weights, &before, sizeof before);
}

static void keras_reads_every_layout(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        double tolerance;
    } files[] = {
        {"keras/published.h5", 0}, {"keras/keras2.h5", 0},         {"keras/model.h5", 0},
        {"keras/split.h5", 0},     {"keras/unnamed.h5", 0},        {"keras/keras3.h5", 0},
        {"keras/tf213.h5", 0},     {"keras/keras3-unnamed.h5", 0}, {"keras/packed.h5", 0},
        {"keras/latest.h5", 0},    {"keras/userblock.h5", 0},      {"keras/double.h5", 0},
        {"keras/half.h5", 2.5e-4}, /* half a last digit of 16 bits at 0.5 */
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        assert_loads(files[i].path, 4, files[i].tolerance);
        assert_loads(files[i].path, 1, files[i].tolerance);
        assert_refused(files[i].path, 5, "layer ", "is missing");
    }
}

static void keras_finds_it_inside_a_larger_model(void **state)
{
    (void)state;
    static const char *const files[] = {"keras/nested.h5", "keras/nested3.h5",
                                        "keras/nested3-unnamed.h5", "keras/attribute3.h5",
                                        "keras/twins.h5"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        assert_loads(files[i], 4, 0);
        assert_loads(files[i], 1, 0);
        assert_refused(files[i], 5, "layer conv3_1 is missing", "");
    }
    assert_refused("keras/rivals.h5", 1, "it holds 2 networks like VGG-19 with different numbers",
                   "below 'model_weights/vgg19', 'model_weights/vgg19_1'");
}

/* Numbers of torch modules do not tell the convention, and their kernels are in another order. */
static void keras_reads_what_pytorch_users_store(void **state)
{
    (void)state;
    struct vgg19_weights weights;
    struct error err = {0};
    assert_refused("keras/torch.h5", 4, "does not tell which input it expects", "");
    assert_int_equal(weights_load("keras/torch.h5", CONVENTION_CAFFE, 4, &weights, &err), 0);
    assert_values(&weights, 0);
    vgg19_weights_release(&weights);
}

static void keras_reads_all_sixteen_layers(void **state)
{
    (void)state;
    assert_loads("keras/whole.h5", 16, 0);
}

static void keras_takes_the_given_convention(void **state)
{
    (void)state;
    struct vgg19_weights weights;
    struct error err = {0};
    assert_int_equal(weights_load("keras/keras2.h5", CONVENTION_TORCHVISION, 1, &weights, &err), 0);
    assert_string_equal(weights.convention, "torchvision");
    assert_null(weights.guessed);
    float first = (float)((double)(float)value_at(0, 0) / (255 * .229));
    assert_memory_equal(weights.kernel[0], &first, sizeof first);
    vgg19_weights_release(&weights);
    assert_int_equal(weights_load("keras/keras2.h5", CONVENTION_AUTO, 1, &weights, &err), 0);
    assert_string_equal(weights.guessed, "the layers' names");
    vgg19_weights_release(&weights);
}

/* ---- files written here: two layers in the published layout, of which the second is odd ---- */

static const char path[] = "odd.h5", other_path[] = "odd-other.h5";
static const hsize_t kernel_dims[4] = {3, 3, 64, 64}, bias_dims[1] = {64};
enum { KERNEL = 9 * 64 * 64 };

static void write_floats(hid_t group, const char *name, int rank, const hsize_t *dims, int n)
{
    hsize_t count = 1;
    for (int i = 0; i < rank; i++)
        count *= dims[i];
    float *values = junk_new(count * sizeof *values);
    for (size_t i = 0; i < count; i++)
        values[i] = (float)value_at(n, i);
    hid_t space = H5Screate_simple(rank, dims, NULL);
    hid_t data =
        H5Dcreate2(group, name, H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Dwrite(data, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(data);
    H5Sclose(space);
    free(values);
}

/* A dataset of the kernel's shape in any type and storage; not written where values is NULL. */
static void write_kernel(hid_t group, hid_t type, const void *values, hid_t memory, hid_t storage)
{
    hid_t space = H5Screate_simple(4, kernel_dims, NULL);
    hid_t data = H5Dcreate2(group, "kernel", type, space, H5P_DEFAULT, storage, H5P_DEFAULT);
    assert_true(data >= 0);
    if (values)
        assert_true(H5Dwrite(data, memory, H5S_ALL, H5S_ALL, H5P_DEFAULT, values) >= 0);
    H5Dclose(data);
    H5Sclose(space);
}

static void write_good(hid_t group) { write_floats(group, "kernel", 4, kernel_dims, 1); }

static void write_nothing(hid_t group) { (void)group; }

static void write_narrow(hid_t group)
{
    write_floats(group, "kernel", 4, (const hsize_t[]){3, 3, 64, 63}, 1);
}

static void write_flat(hid_t group)
{
    write_floats(group, "kernel", 2, (const hsize_t[]){9, 64 * 64}, 1);
}

static void write_theano(hid_t group)
{
    write_floats(group, "kernel", 4, (const hsize_t[]){64, 64, 3, 3}, 1);
}

static void write_with(hid_t group, double odd)
{
    double *values = junk_new(KERNEL * sizeof *values);
    for (size_t i = 0; i < KERNEL; i++)
        values[i] = i == 777 ? odd : value_at(1, i);
    write_kernel(group, H5T_IEEE_F64LE, values, H5T_NATIVE_DOUBLE, H5P_DEFAULT);
    free(values);
}

static void write_nan(hid_t group) { write_with(group, (double)NAN); }

static void write_infinity(hid_t group) { write_with(group, -HUGE_VAL); }

static void write_overflow(hid_t group) { write_with(group, 1e39); }

static void write_integers(hid_t group)
{
    int32_t *values = calloc(KERNEL, sizeof *values);
    write_kernel(group, H5T_STD_I32LE, values, H5T_NATIVE_INT32, H5P_DEFAULT);
    free(values);
}

static void write_texts(hid_t group)
{
    char *values = calloc(KERNEL, 4);
    hid_t type = H5Tcopy(H5T_C_S1);
    H5Tset_size(type, 4);
    write_kernel(group, type, values, type, H5P_DEFAULT);
    H5Tclose(type);
    free(values);
}

static void write_records(hid_t group)
{
    hid_t type = H5Tcreate(H5T_COMPOUND, 4);
    H5Tinsert(type, "x", 0, H5T_IEEE_F32LE);
    write_kernel(group, type, NULL, type, H5P_DEFAULT);
    H5Tclose(type);
}

static void write_unwritten(hid_t group)
{
    write_kernel(group, H5T_IEEE_F32LE, NULL, H5T_NATIVE_FLOAT, H5P_DEFAULT);
}

static hid_t chunked(void)
{
    hid_t storage = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_chunk(storage, 4, (const hsize_t[]){1, 3, 64, 64});
    H5Pset_deflate(storage, 1);
    return storage;
}

/* Two of three chunks. */
static void write_in_part(hid_t group)
{
    hid_t storage = chunked(), space = H5Screate_simple(4, kernel_dims, NULL);
    const hsize_t start[4] = {0}, count[4] = {2, 3, 64, 64};
    float *values = calloc(KERNEL, sizeof *values);
    hid_t data =
        H5Dcreate2(group, "kernel", H5T_IEEE_F32LE, space, H5P_DEFAULT, storage, H5P_DEFAULT);
    H5Sselect_hyperslab(space, H5S_SELECT_SET, start, NULL, count, NULL);
    assert_true(H5Dwrite(data, H5T_NATIVE_FLOAT, space, space, H5P_DEFAULT, values) >= 0);
    H5Dclose(data);
    H5Sclose(space);
    H5Pclose(storage);
    free(values);
}

/* A tiny file that claims 10^15 values. */
static void write_vast(hid_t group)
{
    const hsize_t dims[4] = {3, 3, 64, UINT64_C(1) << 40}, chunk[4] = {1, 1, 1, 1024};
    hid_t storage = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(4, dims, NULL);
    H5Pset_chunk(storage, 4, chunk);
    hid_t data =
        H5Dcreate2(group, "kernel", H5T_IEEE_F32LE, space, H5P_DEFAULT, storage, H5P_DEFAULT);
    assert_true(data >= 0);
    H5Dclose(data);
    H5Sclose(space);
    H5Pclose(storage);
}

/* The right size, but a chunk of 4 GB that can be grown into. */
static void write_vast_chunk(hid_t group)
{
    const hsize_t most[4] = {3, 3, 64, H5S_UNLIMITED}, chunk[4] = {3, 3, 64, 1 << 20};
    hid_t storage = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(4, kernel_dims, most);
    H5Pset_chunk(storage, 4, chunk);
    hid_t data =
        H5Dcreate2(group, "kernel", H5T_IEEE_F32LE, space, H5P_DEFAULT, storage, H5P_DEFAULT);
    assert_true(data >= 0);
    H5Dclose(data);
    H5Sclose(space);
    H5Pclose(storage);
}

static size_t pass_through(unsigned flags, size_t values, const unsigned *list, size_t bytes,
                           size_t *size, void **buffer)
{
    (void)flags, (void)values, (void)list, (void)size, (void)buffer;
    return bytes;
}

static void write_filtered(hid_t group)
{
    static const H5Z_class2_t filter = {.version = H5Z_CLASS_T_VERS,
                                        .id = 30000,
                                        .encoder_present = 1,
                                        .decoder_present = 1,
                                        .name = "plug-in",
                                        .filter = pass_through};
    float *values = calloc(KERNEL, sizeof *values);
    hid_t storage = chunked();
    assert_true(H5Zregister(&filter) >= 0);
    H5Pset_filter(storage, filter.id, 0, 0, NULL);
    write_kernel(group, H5T_IEEE_F32LE, values, H5T_NATIVE_FLOAT, storage);
    H5Pclose(storage);
    free(values);
}

static void write_soft_link(hid_t group)
{
    write_floats(group, "hidden", 4, kernel_dims, 1);
    H5Lcreate_soft("hidden", group, "kernel", H5P_DEFAULT, H5P_DEFAULT);
}

static void write_external_link(hid_t group)
{
    H5Lcreate_external(other_path, "/kernel", group, "kernel", H5P_DEFAULT, H5P_DEFAULT);
}

static void write_external_storage(hid_t group)
{
    hid_t storage = H5Pcreate(H5P_DATASET_CREATE);
    H5Pset_external(storage, other_path, 0, KERNEL * sizeof(float));
    write_kernel(group, H5T_IEEE_F32LE, NULL, H5T_NATIVE_FLOAT, storage);
    H5Pclose(storage);
}

static void write_virtual(hid_t group)
{
    hid_t storage = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(4, kernel_dims, NULL);
    assert_true(H5Pset_virtual(storage, space, other_path, "/kernel", space) >= 0);
    write_kernel(group, H5T_IEEE_F32LE, NULL, H5T_NATIVE_FLOAT, storage);
    H5Sclose(space);
    H5Pclose(storage);
}

static void write_group(hid_t group)
{
    H5Gclose(H5Gcreate2(group, "kernel", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
}

static void write_second_kernel(hid_t group)
{
    hid_t inner = H5Gcreate2(group, "more", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    write_good(group);
    write_good(inner);
    H5Gclose(inner);
}

static void write_fixed_texts(hid_t object, const char *name, size_t size, size_t count,
                              const char *texts)
{
    const hsize_t dims[1] = {count};
    hid_t type = H5Tcopy(H5T_C_S1), space = H5Screate_simple(1, dims, NULL);
    H5Tset_size(type, size);
    H5Tset_strpad(type, H5T_STR_NULLPAD);
    hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    assert_true(H5Awrite(attribute, type, texts) >= 0);
    H5Aclose(attribute);
    H5Sclose(space);
    H5Tclose(type);
}

static hid_t new_layer(hid_t file, const char *name)
{
    hid_t group = H5Gcreate2(file, name, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    write_fixed_texts(group, "weight_names", 12, 3,
                      "kernel\0\0\0\0\0\0bias\0\0\0\0\0\0\0\0more/"
                      "kernel\0");
    return group;
}

static hid_t new_file(void)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS);
    H5Pset_libver_bounds(access, H5F_LIBVER_EARLIEST, H5F_LIBVER_LATEST);
    hid_t file = H5Fcreate(path, H5F_ACC_TRUNC, H5P_DEFAULT, access);
    assert_true(file >= 0);
    H5Pclose(access);
    return file;
}

/* block1_conv1 as it should be, and block1_conv2 with whatever the writers make of it. */
static void write_file(void (*kernel)(hid_t), void (*bias)(hid_t))
{
    hid_t file = new_file();
    write_fixed_texts(file, "layer_names", 12, 2, "block1_conv1block1_conv2");
    hid_t group = new_layer(file, "block1_conv1");
    write_floats(group, "kernel", 4, (const hsize_t[]){3, 3, 3, 64}, 0);
    write_floats(group, "bias", 1, bias_dims, 16);
    H5Gclose(group);
    group = new_layer(file, "block1_conv2");
    kernel(group);
    bias(group);
    H5Gclose(group);
    assert_true(H5Fclose(file) >= 0);
}

static void write_bias(hid_t group) { write_floats(group, "bias", 1, bias_dims, 17); }

static void write_long_bias(hid_t group)
{
    write_floats(group, "bias", 1, (const hsize_t[]){65}, 17);
}

static void write_nan_bias(hid_t group)
{
    float values[64] = {[63] = NAN};
    hid_t space = H5Screate_simple(1, bias_dims, NULL);
    hid_t data =
        H5Dcreate2(group, "bias", H5T_IEEE_F32LE, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    H5Dwrite(data, H5T_NATIVE_FLOAT, H5S_ALL, H5S_ALL, H5P_DEFAULT, values);
    H5Dclose(data);
    H5Sclose(space);
}

/* What external links and virtual datasets of the hostile files point to: all there, all good. */
static void write_other(void)
{
    hid_t file = H5Fcreate(other_path, H5F_ACC_TRUNC, H5P_DEFAULT, H5P_DEFAULT);
    hid_t group = new_layer(file, "block1_conv2");
    write_good(file);
    write_good(group);
    write_bias(group);
    H5Gclose(group);
    H5Fclose(file);
}

static void keras_refuses_odd_datasets_and_names_the_layer(void **state)
{
    (void)state;
    static const struct {
        void (*kernel)(hid_t), (*bias)(hid_t);
        const char *says;
    } cases[] = {
        {write_nothing, write_bias, "layer block1_conv2: kernel: missing"},
        {write_good, write_nothing, "layer block1_conv2: bias: missing"},
        {write_narrow, write_bias, "kernel: expected shape (3, 3, 64, 64), got (3, 3, 64, 63)"},
        {write_flat, write_bias, "layer block1_conv2: kernel: missing"},
        {write_theano, write_bias, "got (64, 64, 3, 3): this is Theano's layout"},
        {write_vast, write_bias, "expected shape (3, 3, 64, 64), got (3, 3, 64, 1099511627776)"},
        {write_good, write_long_bias, "bias: expected shape (64), got (65)"},
        {write_nan, write_bias, "layer conv1_2: value 777 of the kernel is NaN"},
        {write_infinity, write_bias, "layer conv1_2: value 777 of the kernel is infinite"},
        {write_overflow, write_bias, "layer conv1_2: value 777 of the kernel is infinite"},
        {write_good, write_nan_bias, "layer conv1_2: value 63 of the bias is NaN"},
        {write_integers, write_bias, "kernel: its type is not floating-point"},
        {write_texts, write_bias, "kernel: its type is not floating-point"},
        {write_records, write_bias, "kernel: its type is not floating-point"},
        {write_unwritten, write_bias, "its 36864 values need 147456 bytes, but 0 are stored"},
        {write_in_part, write_bias, "kernel: only 2 of its 3 pieces were written"},
        {write_vast_chunk, write_bias, "kernel: its chunks are too large"},
        {write_filtered, write_bias, "packed with filter 30000, which needs a plug-in: refused"},
        {write_soft_link, write_bias, "layer block1_conv2: a soft link stands in its place"},
        {write_external_link, write_bias, "layer block1_conv2: an external link stands in its"},
        {write_external_storage, write_bias, "layer block1_conv2: external storage is refused"},
        {write_virtual, write_bias, "layer block1_conv2: a virtual dataset is refused"},
        {write_group, write_bias, "layer block1_conv2: expected a dataset"},
        {write_second_kernel, write_bias, "layer block1_conv2: it has more than one kernel"},
    };
    write_other();
    write_file(write_good, write_bias);
    assert_loads(path, 2, 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file(cases[i].kernel, cases[i].bias);
        assert_refused(path, 2, cases[i].says, "conv");
        assert_loads(path, 1, 0);
    }
    unlink(other_path);
}

/* The same ones in a group of a layer that is called otherwise. */
static void keras_refuses_odd_datasets_inside_a_larger_model(void **state)
{
    (void)state;
    static const struct {
        void (*kernel)(hid_t);
        const char *says;
    } cases[] = {
        {write_nothing, "layer conv1_2: its kernel is missing"},
        {write_narrow, "kernel: expected shape (3, 3, 64, 64), got (3, 3, 64, 63)"},
        {write_theano, "layer conv1_2: kernel: this is Theano's layout"},
        {write_soft_link, "layer conv1_2 has more than one kernel or bias"},
        {write_external_link, "layer conv1_2: kernel: an external link stands in its place"},
        {write_external_storage, "layer conv1_2: kernel: external storage is refused"},
        {write_virtual, "layer conv1_2: kernel: a virtual dataset is refused"},
        {write_integers, "layer conv1_2: kernel: its type is not floating-point"},
        {write_unwritten, "layer conv1_2: kernel: its 36864 values need 147456 bytes"},
    };
    write_other();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hid_t file = new_file(), group;
        write_fixed_texts(file, "layer_names", 12, 1, "vgg19\0\0\0\0\0\0");
        H5Gclose(H5Gcreate2(file, "vgg19", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
        group = new_layer(file, "vgg19/block1_conv1");
        write_floats(group, "kernel", 4, (const hsize_t[]){3, 3, 3, 64}, 0);
        write_floats(group, "bias", 1, bias_dims, 16);
        H5Gclose(group);
        group = new_layer(file, "vgg19/block1_conv2");
        cases[i].kernel(group);
        write_bias(group);
        H5Gclose(group);
        assert_true(H5Fclose(file) >= 0);
        assert_refused(path, 2, cases[i].says, "conv");
        /* What tells of a second layer has to be whole. */
        if (cases[i].kernel != write_nothing && cases[i].kernel != write_soft_link)
            assert_loads(path, 1, 0);
    }
    unlink(other_path);
}

/* ---- files whose layers are odd ---- */

static void list_vgg16(hid_t file)
{
    static const int blocks[5] = {2, 2, 3, 3, 3};
    char names[13][32] = {""};
    int count = 0;
    for (int block = 1; block <= 5; block++)
        for (int i = 1; i <= blocks[block - 1]; i++)
            snprintf(names[count++], sizeof *names, "block%d_conv%d", block, i);
    write_fixed_texts(file, "layer_names", sizeof *names, 13, names[0]);
}

static void list_nothing(hid_t file) { (void)file; }

static void list_numbers(hid_t file)
{
    const hsize_t dims[1] = {2};
    hid_t space = H5Screate_simple(1, dims, NULL);
    H5Aclose(H5Acreate2(file, "layer_names", H5T_STD_I32LE, space, H5P_DEFAULT, H5P_DEFAULT));
    H5Sclose(space);
}

static void list_second(hid_t file)
{
    write_fixed_texts(file, "layer_names", 12, 1, "block1_conv2");
}

static void list_strangers(hid_t file)
{
    write_fixed_texts(file, "layer_names", 8, 2, "one\0\0\0\0\0two\0\0\0\0");
}

static void list_group_that_is_a_dataset(hid_t file)
{
    write_floats(file, "block1_conv1", 1, bias_dims, 0);
    write_fixed_texts(file, "layer_names", 12, 1, "block1_conv1");
}

static void list_soft_group(hid_t file)
{
    H5Gclose(H5Gcreate2(file, "hidden", H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT));
    H5Lcreate_soft("/hidden", file, "block1_conv1", H5P_DEFAULT, H5P_DEFAULT);
    write_fixed_texts(file, "layer_names", 12, 1, "block1_conv1");
}

static void list_external_group(hid_t file)
{
    H5Lcreate_external(other_path, "/block1_conv2", file, "block1_conv1", H5P_DEFAULT, H5P_DEFAULT);
    write_fixed_texts(file, "layer_names", 12, 1, "block1_conv1");
}

static void list_external_model(hid_t file)
{
    H5Lcreate_external(other_path, "/", file, "model_weights", H5P_DEFAULT, H5P_DEFAULT);
}

static void list_itself(hid_t file)
{
    H5Lcreate_hard(file, "/", file, "block1_conv1", H5P_DEFAULT, H5P_DEFAULT);
    write_fixed_texts(file, "layer_names", 12, 1, "block1_conv1");
    write_fixed_texts(file, "weight_names", 26, 1, "block1_conv1/block1_conv1/");
}

static void list_long_names(hid_t file)
{
    char *names = calloc(2, 5000);
    write_fixed_texts(file, "layer_names", 5000, 2, names);
    free(names);
}

static void list_crowd(hid_t file)
{
    char *names = calloc(5000, 1);
    write_fixed_texts(file, "layer_names", 1, 5000, names);
    free(names);
}

static void keras_refuses_odd_lists_of_layers(void **state)
{
    (void)state;
    static const struct {
        void (*list)(hid_t);
        const char *says;
    } cases[] = {
        {list_vgg16, "layer block3_conv4 is missing: it looks like VGG-16, but VGG-19 is needed"},
        {list_nothing, "an HDF5 file without Keras layers"},
        {list_numbers, "a list of names holds no names"},
        {list_second, "layer block1_conv1 is missing"},
        {list_strangers, "layer conv1_1 is missing: neither 'features.0.weight' nor"},
        {list_group_that_is_a_dataset, "layer block1_conv1: expected a group"},
        {list_soft_group, "layer block1_conv1: a soft link stands in its place"},
        {list_external_group, "layer block1_conv1: an external link stands in its place"},
        {list_external_model, "an external link stands in its place"},
        {list_itself, "layer block1_conv1: expected a dataset"},
        {list_crowd, "a list of names holds 5000"},
        {list_long_names, "names of 5000 bytes"},
    };
    write_other();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        hid_t file = new_file();
        cases[i].list(file);
        assert_true(H5Fclose(file) >= 0);
        assert_refused(path, 1, cases[i].says, "");
    }
    unlink(other_path);
}

static void write_loop(hid_t group) { H5Lcreate_hard(group, ".", group, "kernel", 0, 0); }

/* For whoever reads files of another layout: before anything is asked of a dataset. */
static void checked_contained_names_what_lies_elsewhere(void **state)
{
    (void)state;
    static const struct {
        void (*kernel)(hid_t);
        const char *says;
    } cases[] = {
        {write_good, NULL},
        {write_texts, NULL},
        {write_group, NULL},
        {write_second_kernel, NULL},
        {write_soft_link, "'block1_conv2/kernel': a link is refused"},
        {write_external_link, "'block1_conv2/kernel': a link is refused"},
        {write_external_storage, "'block1_conv2/kernel': external storage is refused"},
        {write_virtual, "'block1_conv2/kernel': a virtual dataset is refused"},
        {write_filtered, "'block1_conv2/kernel': packed with filter 30000"},
        {write_loop, "its groups are more than 32 deep"},
    };
    write_other();
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        hid_t file;
        write_file(cases[i].kernel, write_bias);
        assert_int_equal(checked_open(path, &file, &err), 0);
        int status = checked_contained(file, &err);
        print_message("%s\n", err.message);
        assert_int_equal(status, cases[i].says ? E_INPUT : 0);
        assert_non_null(strstr(err.message, cases[i].says ? cases[i].says : ""));
        assert_int_equal(H5Fget_obj_count(file, H5F_OBJ_ALL), 1);
        checked_close(file);
    }
    unlink(other_path);
    unlink(path);
}

/* ---- damage ---- */

static unsigned char *read_whole(const char *name, size_t *count)
{
    FILE *file = fopen(name, "rb");
    assert_non_null(file);
    fseek(file, 0, SEEK_END);
    *count = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = junk_new(*count);
    assert_int_equal(fread(bytes, 1, *count, file), *count);
    fclose(file);
    return bytes;
}

static void write_bytes(const unsigned char *bytes, size_t count)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    assert_int_equal(fclose(file), 0);
}

static void keras_refuses_a_file_cut_anywhere(void **state)
{
    (void)state;
    static const char *const files[] = {"keras/published.h5", "keras/keras3.h5", "keras/latest.h5"};
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        size_t count;
        unsigned char *bytes = read_whole(files[f], &count);
        const size_t steps[] = {1, 7, 8, 9, 48, 95, 96, 512, 800, 2048, count - 8, count - 1};
        for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
            write_bytes(bytes, steps[i]);
            assert_refused(path, 1, "", "");
        }
        for (size_t cut = 96; cut < count; cut += count / 23) {
            write_bytes(bytes, cut);
            assert_refused(path, 1, "the file is truncated: it ends before its data does", "");
        }
        free(bytes);
    }
}

/* Loads, then with finite numbers, or is refused; nothing else. */
static void keras_survives_damage(void **state)
{
    (void)state;
    static const char *const files[] = {"keras/tiny.h5", "keras/tiny3.h5"};
    enum { TRIES = 200, DAMAGES = 3 };
    int loaded = 0;
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        size_t count;
        unsigned char *bytes = read_whole(files[f], &count), *damaged = junk_new(count);
        for (uint64_t t = 0; t < TRIES; t++) {
            struct vgg19_weights weights;
            struct error err = {0};
            memcpy(damaged, bytes, count);
            for (uint64_t d = 0; d < DAMAGES; d++) {
                double where = ((double)noise_at(f + 10, 2 * (DAMAGES * t + d)) + 1) / 2;
                double what = ((double)noise_at(f + 10, 2 * (DAMAGES * t + d) + 1) + 1) / 2;
                damaged[(size_t)(where * (double)count)] = (unsigned char)(what * 256);
            }
            write_bytes(damaged, count);
            int status = weights_load(path, CONVENTION_AUTO, 1, &weights, &err);
            if (status != 0 && status != E_INPUT)
                print_error("%s, try %d: %d %s\n", files[f], (int)t, status, err.message);
            assert_true(status == 0 || status == E_INPUT);
            loaded += status == 0;
            for (size_t i = 0; status == 0 && i < kernel_count(0); i++)
                assert_true(isfinite(weights.kernel[0][i]));
            if (status == 0)
                vgg19_weights_release(&weights);
        }
        free(bytes);
        free(damaged);
    }
    print_message("%d of %d damaged files still load\n", loaded, 2 * TRIES);
    unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(keras_reads_every_layout),
        cmocka_unit_test(keras_finds_it_inside_a_larger_model),
        cmocka_unit_test(keras_reads_what_pytorch_users_store),
        cmocka_unit_test(keras_refuses_odd_datasets_inside_a_larger_model),
        cmocka_unit_test(keras_reads_all_sixteen_layers),
        cmocka_unit_test(keras_takes_the_given_convention),
        cmocka_unit_test(keras_refuses_odd_datasets_and_names_the_layer),
        cmocka_unit_test(keras_refuses_odd_lists_of_layers),
        cmocka_unit_test(checked_contained_names_what_lies_elsewhere),
        cmocka_unit_test(keras_refuses_a_file_cut_anywhere),
        cmocka_unit_test(keras_survives_damage),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
