/* Results and checkpoints, read in this process. HDF5 1.10 itself crashes on a file with any byte
 * wrong, which is why they are read in children; so that what is ours can be fuzzed, the bytes are
 * a plan: HDF5 changes a sound file step by step into one that is as odd as its format allows. */
#include "checkpoint.h"
#include "fuzz_folder.h"
#include "fuzz_plan.h"
#include "hdf5_attributes.h"

enum { SIDE = 5, STEPS = 12, LAYERS = 1 };

static void must(int status)
{
    if (status != 0)
        abort();
}

/* --- the sound files --- */

static void make_history(struct history *history)
{
    must(history_init(history, LAYERS, NULL));
    struct history_column *column = &history->column[H_FIXED];
    strcpy(column->name, "style_relu1_1");
    strcpy(column->title, "weighted style loss at relu1_1");
    strcpy(column->unit, "1");
    for (int row = 0; row < 3; row++) {
        double values[H_FIXED + LAYERS];
        for (int i = 0; i < H_FIXED + LAYERS; i++)
            values[i] = row + i;
        must(history_append(history, values, NULL));
    }
}

static void make_sound(const char *path, bool finished)
{
    static uint8_t pixels[SIDE * SIDE * 3];
    static const struct fact facts[] = {{.name = "content_sha256", .text = "aa"},
                                        {.name = "style_sha256", .text = "bb"},
                                        {.name = "seconds", .number = 1.5}};
    struct params params;
    struct history history = {0};
    struct render_state state = {0};
    struct image image = {.width = SIDE, .height = SIDE, .rgb = pixels};
    params_init(&params);
    must(params_set(&params, PARAM_content, "a.jpg", NULL));
    must(params_set(&params, PARAM_style, "b.jpg", NULL));
    must(params_resolve_job(&params, NULL));
    make_history(&history);
    must(render_state_init(&state, SIDE, SIDE, 1, NULL));
    struct result result = {.params = &params,
                            .facts = facts,
                            .fact_count = sizeof facts / sizeof *facts,
                            .history = &history,
                            .image = finished ? &image : NULL,
                            .state = finished ? NULL : &state};
    must(result_write(path, &result, NULL));
    history_release(&history);
    render_state_release(&state);
    params_release(&params);
}

/* The bytes of a sound file, made once. */
static const void *sound(bool finished, size_t *bytes)
{
    static void *made[2];
    static size_t sizes[2];
    if (!made[finished]) {
        char path[128];
        snprintf(path, sizeof path, "%s/sound", in_fuzz_folder());
        make_sound(path, finished);
        FILE *file = fopen(path, "rb");
        made[finished] = malloc(1 << 20);
        if (!file || !made[finished])
            abort();
        sizes[finished] = fread(made[finished], 1, 1 << 20, file);
        fclose(file);
        unlink(path);
    }
    *bytes = sizes[finished];
    return made[finished];
}

/* --- making it odd --- */

static const char *const objects[] = {"/",
                                      "/history",
                                      "/history/row",
                                      "/history/iteration",
                                      "/history/total",
                                      "/history/style_relu1_1",
                                      "/image",
                                      "/state",
                                      "/state/picture",
                                      "/state/moment1",
                                      "/state/best",
                                      "/history/odd"};
static const char *const names[] = {
    "schema_name",    "schema_version", "content",        "long_name", "units",
    "content_sha256", "DIMENSION_LIST", "IMAGE_SUBCLASS", "iteration", "evaluations",
    "precision",      "seconds",        "name",           "odd\x1b",   "_FillValue"};
#define COUNT(list) (unsigned)(sizeof(list) / sizeof *(list))

static hid_t odd_type(struct plan *plan)
{
    static const size_t sizes[] = {1, 8, 200, 70000};
    hid_t type;
    switch (next(plan, 8)) {
    case 0:
        type = H5Tcopy(H5T_C_S1);
        H5Tset_size(type, sizes[next(plan, 4)]);
        H5Tset_strpad(type, next(plan, 2) ? H5T_STR_NULLPAD : H5T_STR_NULLTERM);
        return type;
    case 1:
        type = H5Tcopy(H5T_C_S1);
        H5Tset_size(type, H5T_VARIABLE);
        return type;
    case 2:
        return H5Tcopy(H5T_IEEE_F64LE);
    case 3:
        return H5Tcopy(H5T_STD_I64BE);
    case 4:
        return H5Tcopy(H5T_STD_U8LE);
    case 5:
        return H5Tcopy(H5T_IEEE_F32BE);
    case 6:
        return H5Tcreate(H5T_OPAQUE, 16);
    default:
        return H5Tcopy(H5T_STD_I32LE);
    }
}

static hid_t odd_space(struct plan *plan)
{
    static const hsize_t sides[] = {3, 0, 1, 5, 4096};
    hsize_t shape[3];
    int rank = (int)next(plan, 4);
    for (int i = 0; i < rank; i++)
        shape[i] = sides[next(plan, i == 0 ? 5 : 4)];
    return rank ? H5Screate_simple(rank, shape, NULL)
                : H5Screate(next(plan, 2) ? H5S_NULL : H5S_SCALAR);
}

/* Values that are left out are zeros, or no text at all. */
static void put_attribute(struct plan *plan, hid_t object)
{
    const char *name = names[next(plan, COUNT(names))];
    hid_t type = odd_type(plan), space = odd_space(plan);
    H5Adelete(object, name);
    hid_t made = H5Acreate2(object, name, type, space, H5P_DEFAULT, H5P_DEFAULT);
    if (made >= 0)
        H5Aclose(made);
    H5Sclose(space);
    H5Tclose(type);
}

static void put_dataset(struct plan *plan, hid_t file)
{
    const char *path = objects[1 + next(plan, COUNT(objects) - 1)];
    hid_t type = odd_type(plan), space = odd_space(plan);
    H5Ldelete(file, path, H5P_DEFAULT);
    hid_t made = H5Dcreate2(file, path, type, space, H5P_DEFAULT, H5P_DEFAULT, H5P_DEFAULT);
    if (made >= 0)
        H5Dclose(made);
    H5Sclose(space);
    H5Tclose(type);
}

static void change(struct plan *plan, hid_t file)
{
    const char *from = objects[next(plan, COUNT(objects))];
    const char *to = objects[1 + next(plan, COUNT(objects) - 1)];
    hid_t object;
    switch (next(plan, 5)) {
    case 0:
        H5Ldelete(file, to, H5P_DEFAULT);
        break;
    case 1:
        H5Ldelete(file, to, H5P_DEFAULT);
        H5Lcreate_hard(file, from, file, to, H5P_DEFAULT, H5P_DEFAULT);
        break;
    case 2:
        put_dataset(plan, file);
        break;
    case 3:
        H5Ldelete(file, to, H5P_DEFAULT);
        H5Lcreate_soft(from, file, to, H5P_DEFAULT, H5P_DEFAULT);
        break;
    default:
        object = H5Oopen(file, from, H5P_DEFAULT);
        if (object >= 0) {
            put_attribute(plan, object);
            H5Oclose(object);
        }
    }
}

/* --- reading it --- */

static void check(int status, const struct error *err)
{
    if (status != 0 && (status != E_INPUT || !err->message[0]))
        abort();
}

static void read_all(hid_t file)
{
    struct hdf5_attributes attributes = {0};
    struct history history = {0};
    struct image image = {0};
    struct render_state state = {0};
    struct error err = {0};
    check(schema_check(file, SCHEMA_RESULT, &err), &err);
    check(hdf5_attributes_read(file, &attributes, &err), &err);
    check(history_read(file, &history, &err), &err);
    check(picture_read(file, &image, &err), &err);
    check(checkpoint_read_counters(file, &state, &err), &err);
    render_state_release(&state);
    if (history.rows > 0)
        check(checkpoint_read_state(file, &attributes, &history, &state, &err), &err);
    render_state_release(&state);
    image_release(&image);
    history_release(&history);
    hdf5_attributes_release(&attributes);
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct plan plan = {bytes, count};
    struct error err = {0};
    char path[128];
    size_t size;
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    const void *from = sound(next(&plan, 2), &size);
    snprintf(path, sizeof path, "%s/result.h5", in_fuzz_folder());
    fuzz_write(path, from, size);
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    if (file < 0)
        abort();
    for (int step = 0; step < STEPS && plan.left > 0; step++)
        change(&plan, file);
    H5Fclose(file);
    int status = hdf5_open_file(path, &file, &err);
    check(status, &err);
    if (status == 0)
        read_all(file);
    if (status == 0)
        hdf5_close(file);
    return 0;
}
