/* MatConvNet's .mat: files that scipy.io.savemat wrote (write_mat.py, into the folder mat), and
 * hostile ones written here. */
#include "made_up.h"

#include <zlib.h>

static void mat_reads_every_layout(void **state)
{
    (void)state;
    static const char *const files[] = {"mat/packed.mat", "mat/plain.mat",  "mat/meta.mat",
                                        "mat/oldest.mat", "mat/beta16.mat", "mat/double.mat"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        assert_file_loads(files[i], "MatConvNet", MADE_UP_F32, false, 4);
        assert_file_loads(files[i], "MatConvNet", MADE_UP_F32, false, 1);
        assert_file_refused(files[i], CONVENTION_CAFFE, 5, "layer conv3_1 is missing");
    }
}

static void mat_reads_all_sixteen_layers(void **state)
{
    (void)state;
    assert_file_loads("mat/whole.mat", "MatConvNet", MADE_UP_F32, false, 16);
}

/* Its channels were reversed for caffe; torchvision has them as the file does. */
static void mat_takes_the_given_convention(void **state)
{
    (void)state;
    struct vgg19_weights weights;
    struct error err = {0};
    assert_int_equal(weights_load("mat/whole.mat", CONVENTION_TORCHVISION, 1, &weights, &err), 0);
    assert_string_equal(weights.convention, "torchvision");
    float first = (float)((double)(float)made_up(0, 2 * 64) / (255 * .229));
    assert_memory_equal(weights.kernel[0], &first, sizeof first);
    vgg19_weights_release(&weights);
}

static void mat_refuses_other_networks(void **state)
{
    (void)state;
    static const struct {
        const char *path, *says;
    } cases[] = {
        {"mat/vgg16.mat", "it looks like VGG-16, but VGG-19 is needed: layer conv3_4"},
        {"mat/bnorm.mat", "it has batch normalisation"},
        {"mat/unbiased.mat", "layer conv1_1: its bias is missing"},
        {"mat/integers.mat", "layer conv1_1: kernel: it is no matrix of real numbers"},
        {"mat/complex.mat", "layer conv1_1: kernel: it is no matrix of real numbers"},
        {"mat/narrow.mat", "kernel: expected shape (3, 3, 3, 64), got (3, 3, 3, 63)"},
        {"mat/twice.mat", "layer conv1_1 has more than one kernel"},
        {"mat/not-a-list.mat", "'layers' is not a list"},
        {"mat/other.mat", "it has no variable 'layers'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_file_refused(cases[i].path, CONVENTION_AUTO, 1, cases[i].says);
}

/* Layers nobody asked for are looked at all the same: a VGG-16 begins like a VGG-19. */
static void mat_checks_shapes_beyond_what_is_asked_for(void **state)
{
    (void)state;
    for (int convs = 1; convs <= 8; convs++)
        assert_file_refused("mat/vgg16.mat", CONVENTION_AUTO, convs, "it looks like VGG-16");
}

static void mat_survives_any_damage(void **state)
{
    (void)state;
    static const char *const files[] = {"mat/tiny.mat", "mat/tiny-plain.mat"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        size_t count;
        uint32_t layers;
        unsigned char *bytes = file_bytes(files[i], &count);
        memcpy(&layers, bytes + 132, sizeof layers); /* its first variable */
        assert_survives_damage(mat_read, bytes, count, 136 + layers);
        free(bytes);
    }
}

/* ---- files written here ---- */

/* Starts as {0}. */
struct bytes {
    unsigned char at[4096];
    size_t count;
};

static void put(struct bytes *b, const void *bytes, size_t count)
{
    assert_true(b->count + count <= sizeof b->at);
    memcpy(b->at + b->count, bytes, count);
    b->count += count;
}

static void put32(struct bytes *b, uint32_t value) { put(b, &value, sizeof value); }

/* Of `claimed` bytes, as it says. */
static void put_element(struct bytes *b, uint32_t type, const void *bytes, size_t count,
                        uint32_t claimed)
{
    put32(b, type);
    put32(b, claimed);
    put(b, bytes, count);
    put(b, (unsigned char[8]){0}, (8 - count % 8) % 8);
}

enum { CELL = 1, STRUCT = 2, DOUBLE = 6 };

/* A matrix up to its content, which would make it `claimed` bytes long. */
static void put_matrix(struct bytes *b, unsigned char class, const char *name, int rank,
                       const uint32_t *dims, uint32_t claimed)
{
    put32(b, 14);
    put32(b, claimed);
    put_element(b, 6, (unsigned char[8]){class}, 8, 8);
    put_element(b, 5, dims, (size_t)rank * 4, (uint32_t)rank * 4);
    put_element(b, 1, name, strlen(name), (uint32_t)strlen(name));
}

static struct bytes header(const char *version)
{
    struct bytes b = {0};
    put(&b, "MATLAB 5.0 MAT-file", 19);
    b.count = 124;
    put(&b, version, 4);
    return b;
}

/* Wraps what follows the header as one packed variable. */
static struct bytes packed(const struct bytes *plain)
{
    struct bytes b = header("\0\1IM");
    uLongf size = sizeof b.at - 136;
    assert_int_equal(compress(b.at + 136, &size, plain->at + 128, plain->count - 128), Z_OK);
    put32(&b, 15);
    put32(&b, (uint32_t)size);
    b.count += size;
    return b;
}

static void refuse(const struct bytes *b, const char *says)
{
    assert_bytes_refused(mat_read, b->at, b->count, 1, says);
}

static void refuse_both(const struct bytes *b, const char *says)
{
    struct bytes other = packed(b);
    refuse(b, says);
    refuse(&other, says);
}

static void mat_refuses_headers_and_variables_that_are_wrong(void **state)
{
    (void)state;
    struct bytes b = header("\0\1IM");
    refuse(&b, "it has no variable 'layers'");
    b.count--;
    refuse(&b, "within its header");
    b = header("\1\0MI");
    refuse(&b, "only little-endian");
    b = header("\0\1IM");
    put_element(&b, 15, "not zlib", 8, 8);
    refuse(&b, "it cannot be unpacked");
    b = header("\0\1IM");
    put_element(&b, 14, "", 0, UINT32_MAX);
    refuse(&b, "a variable reaches beyond the end");
    b = header("\0\1IM");
    put_element(&b, 14, "", 0, 0);
    refuse(&b, "it has no variable 'layers'");
}

static void mat_refuses_sizes_that_cannot_be(void **state)
{
    (void)state;
    static const uint32_t one[2] = {1, 1}, vast[4] = {INT32_MAX, INT32_MAX, INT32_MAX, 2};
    static const uint32_t nine[9] = {1, 1, 1, 1, 1, 1, 1, 1, 1};
    struct bytes b;
    const struct {
        int rank;
        const uint32_t *dims;
        const char *says;
    } shapes[] = {
        {1, one, "a matrix has 1 dimensions"},
        {9, nine, "a matrix has 9 dimensions"},
        {4, vast, "beyond the end"},
        {2, one, "beyond the end"},
    };
    for (size_t i = 0; i < sizeof shapes / sizeof *shapes; i++) {
        b = header("\0\1IM");
        put_matrix(&b, CELL, "layers", shapes[i].rank, shapes[i].dims, 0);
        uint32_t whole = (uint32_t)b.count - 136;
        memcpy(b.at + 132, &whole, sizeof whole);
        refuse_both(&b, shapes[i].says);
    }
    b = header("\0\1IM"); /* larger than what it stands in, all there */
    put_matrix(&b, CELL, "layers", 2, one, 200);
    put_matrix(&b, DOUBLE, "", 2, one, 3000);
    b.count += 3000;
    struct bytes other = packed(&b);
    refuse(&other, "beyond the end");
    b = header("\0\1IM"); /* four gigabytes in a hundred bytes */
    put_matrix(&b, CELL, "layers", 2, one, UINT32_MAX);
    put_matrix(&b, DOUBLE, "", 2, one, UINT32_MAX - 1000);
    refuse_both(&b, "beyond the end");
}

static void mat_refuses_fields_that_cannot_be(void **state)
{
    (void)state;
    static const uint32_t one[2] = {1, 1};
    static const struct {
        uint32_t width, bytes;
        const char *says;
    } cases[] = {
        {0, 8, "field names of 8 bytes"},          {65, 65, "field names of 65 bytes"},
        {3, 8, "field names of 8 bytes"},          {UINT32_MAX, 8, "field names of 8 bytes"},
        {8, 8 * 600, "field names of 4800 bytes"}, {8, 8, "beyond the end"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct bytes b = header("\0\1IM");
        put_matrix(&b, CELL, "layers", 2, one, 100000);
        put_matrix(&b, STRUCT, "", 2, one, 90000);
        put32(&b, 4 << 16 | 5); /* a small element */
        put32(&b, cases[i].width);
        put_element(&b, 1, "weights", 8, cases[i].bytes);
        struct bytes other = packed(&b);
        refuse(&other, cases[i].says);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(mat_reads_every_layout),
        cmocka_unit_test(mat_reads_all_sixteen_layers),
        cmocka_unit_test(mat_takes_the_given_convention),
        cmocka_unit_test(mat_refuses_other_networks),
        cmocka_unit_test(mat_checks_shapes_beyond_what_is_asked_for),
        cmocka_unit_test(mat_survives_any_damage),
        cmocka_unit_test(mat_refuses_headers_and_variables_that_are_wrong),
        cmocka_unit_test(mat_refuses_sizes_that_cannot_be),
        cmocka_unit_test(mat_refuses_fields_that_cannot_be),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
