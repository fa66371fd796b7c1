/* The bytes are no HDF5 file but the plan of one: HDF5 1.10 itself crashes on a file with any byte
 * wrong, which is why its reader works in a child process. So that what is ours can be fuzzed in
 * this one, HDF5 writes every file: sound, and as odd as its format allows (names, types, shapes,
 * storage, links). One plan in many goes on with a second part: then the file is damaged, and read
 * in the child. */
#include "fuzz_plan.h"
#include "keras.h"
#include "weights.h"

#include <hdf5.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

enum { NAME = 24 };

/* One of the names that mean something, or any. */
static void next_name(struct plan *plan, char name[NAME])
{
    static const char *const names[] = {
        "block1_conv1",
        "kernel",
        "bias",
        "vars",
        "conv1_1",
        "block1_conv2",
        "conv2d",
        "conv2d_1",
        "0",
        "1",
        "kernel:0",
        "a/kernel",
        "block1_conv5",
        "block2_conv1",
        "layers",
        "input_1",
        "",
        ".",
        "..",
        "/",
        "a//b",
        "vars/0",
        "vars/1",
        "conv2d/vars",
    };
    enum { NAMES = sizeof names / sizeof *names };
    unsigned choice = next(plan, NAMES + 4);
    memset(name, 0, NAME);
    if (choice < NAMES)
        snprintf(name, NAME, "%s", names[choice]);
    else
        for (unsigned i = 0, length = next(plan, NAME - 1); i < length; i++)
            name[i] = (char)next(plan, 256);
}

/* ---- lists of names ---- */

static void write_attribute(hid_t object, const char *name, hid_t type, hid_t space,
                            const void *values)
{
    if (H5Aexists(object, name) != 0)
        return;
    hid_t attribute = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    if (attribute >= 0 && values)
        H5Awrite(attribute, type, values);
    H5Aclose(attribute);
}

/* Names as texts of any width and padding, of no fixed width, or as what are no names. */
static void write_names(struct plan *plan, hid_t object, const char *attribute,
                        const char (*names)[NAME], hsize_t count)
{
    static const H5T_str_t padding[] = {H5T_STR_NULLPAD, H5T_STR_SPACEPAD, H5T_STR_NULLTERM};
    const char *pointers[8];
    char bytes[8 * NAME] = "";
    for (size_t i = 0; i < count; i++)
        pointers[i] = names[i];
    unsigned form = next(plan, 8);
    hid_t type = form == 1 ? H5Tcopy(H5T_NATIVE_INT32) : H5Tcopy(H5T_C_S1);
    hid_t space = form == 2   ? H5Screate(H5S_NULL)
                  : form == 3 ? H5Screate(H5S_SCALAR)
                              : H5Screate_simple(1, &count, NULL);
    if (form == 4 || form == 5)
        H5Tset_size(type, H5T_VARIABLE);
    else if (form != 1) {
        unsigned width = form == 6 ? 1 + next(plan, NAME) : NAME;
        H5Tset_size(type, width);
        H5Tset_strpad(type, padding[next(plan, 3)]);
        for (size_t i = 0; i < count; i++)
            memcpy(bytes + i * width, names[i], width);
    }
    write_attribute(object, attribute, type, space,
                    form == 5                ? NULL
                    : form == 4 && count > 0 ? (const void *)pointers
                                             : bytes);
    H5Sclose(space);
    H5Tclose(type);
}

/* ---- datasets ---- */

static hid_t next_type(struct plan *plan)
{
    const hid_t types[] = {H5T_IEEE_F32LE, H5T_IEEE_F64BE,     H5T_IEEE_F64LE,
                           H5T_STD_I32LE,  H5T_NATIVE_LDOUBLE, H5T_STD_U8LE};
    unsigned choice = next(plan, 9);
    if (choice < 6)
        return H5Tcopy(types[choice]);
    if (choice == 6) { /* half precision */
        hid_t half = H5Tcopy(H5T_IEEE_F32LE);
        H5Tset_fields(half, 15, 10, 5, 0, 10);
        H5Tset_size(half, 2);
        H5Tset_ebias(half, 15);
        return half;
    }
    hid_t type = choice == 7 ? H5Tcopy(H5T_C_S1) : H5Tcreate(H5T_COMPOUND, 4);
    if (choice == 7)
        H5Tset_size(type, 4);
    else
        H5Tinsert(type, "x", 0, H5T_IEEE_F32LE);
    return type;
}

static hid_t next_space(struct plan *plan, int *rank, hsize_t dims[9])
{
    static const hsize_t kernel[4] = {3, 3, 3, 64}, odd[8] = {64, 3, 3, 1, 0, 65, 2, 63};
    unsigned choice = next(plan, 5);
    *rank = choice == 0 ? 4 : choice == 1 ? 1 : (int)next(plan, 10);
    for (int i = 0; i < *rank; i++)
        dims[i] = choice == 0 ? kernel[i] : choice == 1 ? 64 : odd[next(plan, 8)];
    if (choice == 3)
        *rank = 0;
    return choice == 4 ? H5Screate(H5S_NULL) : H5Screate_simple(*rank, dims, NULL);
}

static void next_chunks(struct plan *plan, hid_t storage, int rank, const hsize_t *dims)
{
    hsize_t chunk[9];
    for (int i = 0; i < rank; i++)
        chunk[i] = next(plan, 4) ? (dims[i] ? dims[i] : 1) : 1 + next(plan, 200);
    if (rank == 0 || H5Pset_chunk(storage, rank, chunk) < 0)
        return;
    unsigned filters = next(plan, 8);
    if (filters & 1)
        H5Pset_shuffle(storage);
    if (filters & 2)
        H5Pset_deflate(storage, 1);
    if (filters & 4)
        H5Pset_fletcher32(storage);
}

static hid_t next_storage(struct plan *plan, int rank, const hsize_t *dims, hid_t space)
{
    hid_t storage = H5Pcreate(H5P_DATASET_CREATE);
    switch (next(plan, 6)) {
    case 1:
        next_chunks(plan, storage, rank, dims);
        break;
    case 2:
        H5Pset_layout(storage, H5D_COMPACT);
        break;
    case 3:
        H5Pset_external(storage, "elsewhere", 0, H5F_UNLIMITED);
        break;
    case 4:
        H5Pset_virtual(storage, space, "elsewhere", "x", space);
        break;
    case 5:
        H5Pset_alloc_time(storage, H5D_ALLOC_TIME_EARLY);
        break;
    }
    return storage;
}

static void write_dataset(struct plan *plan, hid_t group, const char *name, hid_t linking)
{
    static const char zeros[1 << 22];
    hsize_t dims[9] = {0};
    int rank;
    hid_t type = next_type(plan), space = next_space(plan, &rank, dims);
    hid_t storage = next_storage(plan, rank, dims, space);
    hssize_t values = H5Sget_simple_extent_npoints(space);
    hid_t data = -1;
    if (values >= 0 && values <= (hssize_t)(sizeof zeros / 16))
        data = H5Dcreate2(group, name, type, space, linking, storage, H5P_DEFAULT);
    if (data >= 0 && next(plan, 8) && H5Pget_layout(storage) != H5D_VIRTUAL &&
        H5Pget_external_count(storage) == 0)
        H5Dwrite(data, type, H5S_ALL, H5S_ALL, H5P_DEFAULT, zeros);
    if (data >= 0)
        H5Dclose(data);
    H5Pclose(storage);
    H5Sclose(space);
    H5Tclose(type);
}

/* ---- files ---- */

/* An object of that name: mostly a dataset. */
static void write_object(struct plan *plan, hid_t group, const char *name)
{
    hid_t linking = H5Pcreate(H5P_LINK_CREATE), other = -1;
    H5Pset_create_intermediate_group(linking, 1);
    switch (next(plan, 16)) {
    case 1:
        H5Lcreate_soft("elsewhere", group, name, linking, H5P_DEFAULT);
        break;
    case 2:
        H5Lcreate_external("elsewhere", "/x", group, name, linking, H5P_DEFAULT);
        break;
    case 3:
        other = H5Gcreate2(group, name, linking, H5P_DEFAULT, H5P_DEFAULT);
        break;
    case 4:
        H5Lcreate_hard(group, ".", group, name, linking, H5P_DEFAULT); /* a circle */
        break;
    default:
        write_dataset(plan, group, name, linking);
    }
    if (other >= 0)
        H5Gclose(other);
    H5Pclose(linking);
}

static void write_layer(struct plan *plan, hid_t root, const char *name)
{
    hid_t linking = H5Pcreate(H5P_LINK_CREATE);
    H5Pset_create_intermediate_group(linking, 1);
    hid_t group = H5Gcreate2(root, name, linking, H5P_DEFAULT, H5P_DEFAULT);
    H5Pclose(linking);
    if (group < 0)
        return;
    char names[3][NAME];
    hsize_t count = next(plan, 4);
    for (size_t i = 0; i < count; i++) {
        next_name(plan, names[i]);
        write_object(plan, group, names[i]);
    }
    unsigned attribute = next(plan, 4);
    write_names(plan, group,
                attribute == 1   ? "weight_names0"
                : attribute == 2 ? "name"
                                 : "weight_names",
                (const char(*)[NAME])names, count);
    H5Gclose(group);
}

static void write_root(struct plan *plan, hid_t file)
{
    static const char *const roots[] = {"/", "/model_weights", "/layers",
                                        "/_layer_checkpoint_dependencies"};
    const char *root = roots[next(plan, 4)];
    hid_t group = root[1] ? H5Gcreate2(file, root, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT)
                          : H5Gopen2(file, root, H5P_DEFAULT);
    if (group < 0)
        return;
    char names[4][NAME];
    hsize_t count = next(plan, 5);
    for (size_t i = 0; i < count; i++) {
        next_name(plan, names[i]);
        write_layer(plan, group, names[i]);
    }
    write_names(plan, group, next(plan, 4) == 1 ? "layer_names0" : "layer_names",
                (const char(*)[NAME])names, count);
    H5Gclose(group);
}

static void write_file(struct plan *plan, const char *name)
{
    hid_t access = H5Pcreate(H5P_FILE_ACCESS), creation = H5Pcreate(H5P_FILE_CREATE);
    if (next(plan, 4) == 1)
        H5Pset_libver_bounds(access, H5F_LIBVER_LATEST, H5F_LIBVER_LATEST);
    if (next(plan, 8) == 1)
        H5Pset_userblock(creation, 512);
    hid_t file = H5Fcreate(name, H5F_ACC_TRUNC, creation, access);
    if (file < 0)
        abort();
    for (unsigned i = 0, roots = 1 + next(plan, 2); i < roots; i++)
        write_root(plan, file);
    H5Fclose(file);
    H5Pclose(creation);
    H5Pclose(access);
}

/* A few bytes of the file become others, or its end goes. */
static void damage(struct plan *plan, int file)
{
    off_t size = lseek(file, 0, SEEK_END);
    while (plan->left > 0 && size > 0) {
        off_t at = (off_t)(next(plan, 256) << 16 | next(plan, 256) << 8 | next(plan, 256)) % size;
        uint8_t byte = (uint8_t)next(plan, 256);
        if (byte == 1 && ftruncate(file, at) == 0)
            size = at;
        else if (pwrite(file, &byte, 1, at) != 1)
            abort();
    }
}

static void check(int status, const struct error *err)
{
    if (status != 0 && (status != E_INPUT || err->code != E_INPUT || !err->message[0]))
        abort();
}

/* In memory where there is such a folder; HDF5 needs a name, and wants none of memfd_create's. */
static char path[] = "/dev/shm/fuzz_keras.XXXXXX";

static void remove_file(void) { unlink(path); }

/* What HDF5 does wrong in the child is no find of libFuzzer's. */
extern void __sanitizer_set_death_callback(void (*)(void)) __attribute__((weak));

static void crash_quietly(void)
{
    if (__sanitizer_set_death_callback)
        __sanitizer_set_death_callback(NULL);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static float kernel[9 * 3 * 64], bias[64];
    static int file = -1;
    struct vgg19_weights weights = {.convs = 1, .kernel = {kernel}, .bias = {bias}};
    struct error err = {0};
    int convention;
    if (file < 0) {
        file = mkstemp(path);
        atexit(remove_file);
        pthread_atfork(NULL, NULL, crash_quietly);
    }
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);

    /* "plan" or "plan \xff\xff damage" */
    const uint8_t *second = count ? memmem(bytes, count, "\xff\xff", 2) : NULL;
    struct plan plan = {bytes, second ? (size_t)(second - bytes) : count};
    if (file < 0 || ftruncate(file, 0) != 0)
        abort();
    write_file(&plan, path);
    if (second && count % 32 == 0) { /* a child takes as long as fifty files */
        struct plan rest = {second + 2, count - (size_t)(second - bytes) - 2};
        damage(&rest, file);
        check(weight_reader_keras.read(path, &weights, &convention, &err), &err);
    } else {
        check(keras_read(&(struct keras_source){.path = path}, &weights, &convention, &err), &err);
        if (H5Fget_obj_count(H5F_OBJ_ALL, H5F_OBJ_ALL) != 0)
            abort(); /* something was left open */
    }
    return 0;
}
