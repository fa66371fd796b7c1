/* Safetensors, alone and as shards of a model: files written by write_mapped.py into the folder
 * mapped, and headers written here.
 */
#include "known.h"
#include "made_up.h"

#include <sys/stat.h>
#include <unistd.h>

static const char format[] = "safetensors";

static void safetensors_reads_every_naming_and_type(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        enum made_up_type type;
        bool ambiguous;
    } files[] = {
        {"mapped/torch.safetensors", MADE_UP_F32, true},
        {"mapped/prefixed.safetensors", MADE_UP_F32, true},
        {"mapped/bare.safetensors", MADE_UP_F32, true},
        {"mapped/spaced.safetensors", MADE_UP_F32, true},
        {"mapped/layers.safetensors", MADE_UP_F32, false},
        {"mapped/keras.safetensors", MADE_UP_F32, false},
        {"mapped/F16.safetensors", MADE_UP_F16, false},
        {"mapped/BF16.safetensors", MADE_UP_BF16, false},
        {"mapped/F64.safetensors", MADE_UP_F32, false},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        assert_file_loads(files[i].path, format, files[i].type, files[i].ambiguous, 4);
        assert_file_loads(files[i].path, format, files[i].type, files[i].ambiguous, 1);
        assert_file_refused(files[i].path, CONVENTION_CAFFE, 5, "layer conv3_1 is missing");
    }
}

static void safetensors_reads_all_sixteen_layers(void **state)
{
    (void)state;
    assert_file_loads("mapped/whole.safetensors", format, MADE_UP_F32, true, 16);
}

static void safetensors_takes_the_given_convention(void **state)
{
    (void)state;
    struct vgg19_weights weights;
    struct error err = {0};
    assert_int_equal(
        weights_load("mapped/torch.safetensors", CONVENTION_TORCHVISION, 2, &weights, &err), 0);
    assert_string_equal(weights.convention, "torchvision");
    float first = (float)((double)(float)made_up(0, 0) / (255 * .229));
    assert_memory_equal(weights.kernel[0], &first, sizeof first);
    vgg19_weights_release(&weights);
}

/* ---- files written here: a header and so many bytes of zeros ---- */

enum { MOST = 8192, DATA = 64 * 27 * 2 + 64 * 2 };
#define KERNEL                                                                                     \
    "\"conv1_1.weight\":{\"dtype\":\"F16\",\"shape\":[64,3,3,3],\"data_offsets\":[0,3456]}"
#define BIAS "\"conv1_1.bias\":{\"dtype\":\"F16\",\"shape\":[64],\"data_offsets\":[3456,3584]}"
#define GOOD "{" KERNEL "," BIAS "}"

static size_t build(unsigned char bytes[MOST], const char *header, size_t data)
{
    size_t length = strlen(header);
    assert_true(8 + length + data <= MOST);
    memset(bytes, 0, MOST);
    for (int i = 0; i < 8; i++)
        bytes[i] = (unsigned char)(length >> 8 * i);
    memcpy(bytes + 8, header, length);
    return 8 + length + data;
}

static void refuse(const char *header, size_t data, const char *says)
{
    unsigned char bytes[MOST];
    size_t count = build(bytes, header, data);
    assert_bytes_refused(safetensors_read, bytes, count, 1, says);
}

static void safetensors_survives_any_damage(void **state)
{
    (void)state;
    unsigned char bytes[MOST];
    size_t count = build(bytes, GOOD, DATA);
    assert_survives_damage(safetensors_read, bytes, count, count);
}

static void safetensors_refuses_values_that_do_not_fill_the_file(void **state)
{
    (void)state;
#define TENSOR(name, type, shape, offsets)                                                         \
    "\"" name "\":{\"dtype\":\"" type "\",\"shape\":" shape ",\"data_offsets\":" offsets "}"
    static const struct {
        const char *header;
        size_t data;
        const char *says;
    } cases[] = {
        {GOOD, DATA - 1, "promises 3584 bytes of values, the file has 3583"},
        {GOOD, DATA + 1, "promises 3584 bytes of values, the file has 3585"},
        {"{}", 1, "promises 0 bytes of values, the file has 1"},
        {"{}", 0, "layer conv1_1 is missing"},
        {"{" KERNEL "," TENSOR("conv1_1.bias", "F16", "[64]", "[3457,3585]") "}", 3585,
         "tensor 'conv1_1.bias': its values begin at byte 3457 where those before end at 3456"},
        {"{" KERNEL "," TENSOR("conv1_1.bias", "F16", "[64]", "[3455,3583]") "}", 3583,
         "tensor 'conv1_1.bias': its values begin at byte 3455 where those before end at 3456"},
        {"{" TENSOR("a", "U8", "[1]", "[1,2]") "}", 2, "tensor 'a': its values begin at byte 1"},
        {"{" TENSOR("a", "U8", "[4]", "[0,3]") "}", 3, "tensor 'a': 4 values of type U8"},
        {"{" TENSOR("a", "U8", "[1]", "[0,18446744073709551615]") "}", 1, "tensor 'a': 1 values"},
        {"{" TENSOR("a", "U8", "[9223372036854775808]", "[0,9223372036854775808]") "}", 1,
         "tensor 'a': 9223372036854775808 values"},
        {"{" TENSOR("a", "F32", "[4611686018427387904]", "[0,0]") "}", 0,
         "tensor 'a': 4611686018427387904 values"},
        {"{" TENSOR("a", "U8", "[4294967296,4294967296]", "[0,0]") "}", 0, "more than 2^64 values"},
        {"{" TENSOR("a", "U8", "[0,18446744073709551616]", "[0,0]") "}", 0, "number below 2^64"},
        {"{" TENSOR("a", "U8", "[2]", "[2,0]") "}", 2, "tensor 'a': its values begin at byte 2"},
        {"{" TENSOR("a", "U8", "[0]", "[0,0]") "," TENSOR("b", "F4", "[3]", "[0,1]") "}", 1,
         "tensor 'b': 3 values of type F4"},
        {"{" TENSOR("a", "F128", "[0]", "[0,0]") "}", 0, "tensor 'a': unknown dtype 'F128'"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse(cases[i].header, cases[i].data, cases[i].says);
}

static void safetensors_refuses_wrong_layers(void **state)
{
    (void)state;
#define EMPTY(name)     TENSOR(name, "F32", "[0]", "[0,0]")
#define EMPTY_AT(name)  TENSOR(name, "F32", "[0]", "[3584,3584]")
#define EMPTY_AT7(name) TENSOR(name, "F32", "[0]", "[7168,7168]")
    static const char first[] = "{" KERNEL "," BIAS ",";
    static const struct {
        const char *more;
        const char *says;
    } cases[] = {
        {KERNEL, "tensor 'conv1_1.weight': it is there twice"},
        {TENSOR("conv1_1/kernel:0", "F32", "[0]", "[3584,3584]"),
         "conv1_1 has more than one kernel"},
        {TENSOR("conv1_3.weight", "F32", "[0]", "[3584,3584]"),
         "layer conv1_3 is not one of VGG-19"},
        {TENSOR("conv1_2.bias", "F32", "[0]", "[3584,3584]"), "conv1_2: its kernel is missing"},
        {TENSOR("conv2_1.bias", "F32", "[0]", "[3584,3584]"), "layer conv1_2 is missing"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char header[2048];
        snprintf(header, sizeof header, "%s%s}", first, cases[i].more);
        refuse(header, DATA, cases[i].says);
    }
    refuse("{" EMPTY("features.0.weight") "," EMPTY("features.1.weight") "," EMPTY(
               "features.1.running_mean") "," EMPTY("features.3.weight") "}",
           0,
           "layer features.1 is not a convolution of VGG-19: it looks like a network with batch");
    refuse("{" EMPTY("features.17.weight") "," EMPTY("features.24.weight") "," EMPTY(
               "features.26.weight") "}",
           0, "layer features.17 is not a convolution of VGG-19: it looks like VGG-16");
    refuse("{" TENSOR("conv1_1.weight", "F16", "[3,64,3,3]", "[0,3456]") "," BIAS "}", DATA,
           "layer conv1_1: kernel: expected shape (64, 3, 3, 3), got (3, 64, 3, 3)");
    refuse("{" TENSOR("conv1_1.weight", "F16", "[1,1,1,1,64,3,3,3]", "[0,3456]") "," BIAS "}", DATA,
           "layer conv1_1: kernel: expected shape");
    refuse("{" TENSOR("conv1_1.weight", "I16", "[64,3,3,3]", "[0,3456]") "," BIAS "}", DATA,
           "tensor 'conv1_1.weight': dtype I16 is none of F32");
    refuse("{" KERNEL "," TENSOR("conv1_1.bias", "F16", "[32,2]", "[3456,3584]") "}", DATA,
           "layer conv1_1: bias: expected shape (64), got (32, 2)");
}

/* Other tensors, other networks and copies beside it do not matter. */
static void safetensors_finds_it_among_others(void **state)
{
    (void)state;
#define NET(prefix, first, second, third)                                                          \
    TENSOR(prefix ".weight", "F16", "[64,3,3,3]", "[" first "," second "]")                        \
    "," TENSOR(prefix ".bias", "F16", "[64]", "[" second "," third "]")
    static const struct {
        const char *more;
        size_t data;
        const char *says;
    } cases[] = {
        {EMPTY_AT("features.17.bias"), DATA, NULL},
        {EMPTY_AT("other.0.weight") "," EMPTY_AT("other.1.weight"), DATA, NULL},
        {EMPTY_AT("m.conv1_1.weight"), DATA, NULL},
        {NET("ema.conv1_1", "3584", "7040", "7168"), 2 * DATA, NULL},
        {NET("vgg.features.0", "3584", "7040", "7168"), 2 * DATA, NULL},
        {NET("vgg.0", "3584", "7040", "7168") "," EMPTY_AT7("vgg.1.weight"), 2 * DATA, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char header[2048];
        unsigned char bytes[MOST];
        struct error err = {0};
        int convention;
        snprintf(header, sizeof header, "{" KERNEL "," BIAS ",%s}", cases[i].more);
        size_t count = build(bytes, header, cases[i].data);
        int status = read_bytes(safetensors_read, bytes, count, 1, &convention, &err);
        print_message("%s\n", err.message);
        assert_int_equal(status, 0);
        assert_int_equal(convention, CONVENTION_CAFFE);
        if (cases[i].data == DATA || i == 5)
            continue;
        bytes[count - 1] = 1; /* the copy's last number */
        assert_int_equal(read_bytes(safetensors_read, bytes, count, 1, &convention, &err), E_INPUT);
        print_message("%s\n", err.message);
        assert_non_null(strstr(err.message, "it holds 2 networks like VGG-19 with different"));
        assert_non_null(strstr(err.message, i == 3 ? "'ema'" : "'vgg.features'"));
    }
    refuse("{" EMPTY("a.1.weight") "," TENSOR("b", "F32", "[2,0]", "[0,0]") "}", 0,
           "among its 2 tensors: ");
    refuse("{" EMPTY("a.1.weight") "," TENSOR("b", "F32", "[2,0]", "[0,0]") "}", 0, "'b' (2, 0)");
}

static void safetensors_refuses_what_is_not_its_json(void **state)
{
    (void)state;
    static const struct {
        const char *header, *says;
    } cases[] = {
        {"{ ", "expected a text"},
        {"{\"", "expected the end of a text"},
        {"{\"a\\", "expected the end of a text"},
        {"{\"a\n\":{}}", "control character"},
        {"{\"a\":[]}", "tensor 'a': the header is damaged at byte 13: expected '{'"},
        {"{\"\\u0061\":{}}", "an escape sequence"},
        {"{\"a\":{\"dtype\":\"U8\",\"dtype\":\"U8\",\"shape\":[0]}}", "each once"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[0]}}", "expected ','"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0,0],\"x\":1}}", "expected '}'"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[-1],\"data_offsets\":[0,0]}}", "a whole number"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[01],\"data_offsets\":[0,0]}}", "a whole number"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[1e3],\"data_offsets\":[0,0]}}", "expected ']'"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[0],\"data_offsets\":[0]}}", "expected ','"},
        {"{\"a\":{\"dtype\":\"U8\",\"shape\":[0,],\"data_offsets\":[0,0]}}", "a whole number"},
        {"{\"__metadata__\":{\"a\":1}}", "expected a text"},
        {"{\"__metadata__\":{},\"__metadata__\":{}}", "__metadata__ twice"},
        {"{\"__metadata__\":{}} x", "expected nothing more"},
        {"{\"__metadata__\":{}},", "expected nothing more"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        refuse(cases[i].header, 0, cases[i].says);
}

/* ---- several files ---- */

static void write_text(const char *path, const char *text, size_t count)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, count, file), count);
    assert_int_equal(fclose(file), 0);
}

#define SHARD_1 "part-00001-of-00002.safetensors"
#define SHARD_2 "part-00002-of-00002.safetensors"
static const char index_path[] = "part.safetensors.index.json";

static void write_shards(const char *first, const char *second)
{
    unsigned char bytes[MOST];
    size_t count = build(bytes, "{" KERNEL "}", 3456);
    write_text(first, (const char *)bytes, count);
    count = build(bytes, "{" TENSOR("conv1_1.bias", "F16", "[64]", "[0,128]") "}", 128);
    write_text(second, (const char *)bytes, count);
}

#define INDEX(first, second)                                                                       \
    "{\"metadata\": {}, \"weight_map\": {\"conv1_1.weight\": " first ", \"conv1_1.bias\": " second \
    ", \"head.weight\": \"not-there.safetensors\"}}"

static void shards_are_read_together(void **state)
{
    (void)state;
    static const char good[] = INDEX("\"" SHARD_1 "\"", "\"" SHARD_2 "\"");
    struct vgg19_weights weights;
    struct error err = {0};
    write_shards(SHARD_1, SHARD_2);
    write_text(index_path, good, sizeof good - 1);
    int status = weights_load(index_path, CONVENTION_TORCHVISION, 1, &weights, &err);
    print_message("%s\n", err.message);
    assert_int_equal(status, 0);
    assert_string_equal(weights.source, "sharded model");
    vgg19_weights_release(&weights);
    assert_int_equal(truncate(SHARD_2, 100), 0);
    assert_file_refused(index_path, CONVENTION_AUTO, 1, "its file '" SHARD_2 "': it is truncated");
    unlink(SHARD_2);
    assert_file_refused(index_path, CONVENTION_AUTO, 1,
                        "its file '" SHARD_2 "': it is not beside the index");
    assert_int_equal(mkfifo(SHARD_2, 0600), 0);
    assert_file_refused(index_path, CONVENTION_AUTO, 1, "it is not a regular file");
    unlink(SHARD_2);
    unlink(SHARD_1);
    unlink(index_path);
}

static void shards_refuses_odd_indices_and_says_why(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {
        {INDEX("\"../x\"", "\"x\""), "not beside it, which is refused: '../x'"},
        {INDEX("\"/etc/passwd\"", "\"x\""), "not beside it, which is refused: '/etc/passwd'"},
        {INDEX("\"..\"", "\"x\""), "not beside it, which is refused: '..'"},
        {INDEX("\"\"", "\"x\""), "not beside it, which is refused: ''"},
        {INDEX("1", "\"x\""), "the index names no file for 'conv1_1.weight'"},
        {INDEX("\"" SHARD_1 "\"", "\"part.txt\""), "it is neither safetensors nor PyTorch's"},
        {INDEX("\"" SHARD_1 "\"", "\"" SHARD_1 "\""), "layer conv1_1: its bias is missing"},
        {"{\"weight_map\": {\"a.b\": \"x\"}}", "layer conv1_1 is missing: neither"},
        {"{\"weight_map\": {\"a.b\": \"x\"}}", "among its 1 tensors: 'a.b'"},
        {"{\"weight_map\": 1}", "no object 'weight_map'"},
        {"{\"weight_map\": {}", "the index is damaged in line 1, column "},
    };
    write_shards(SHARD_1, "part.txt");
    write_text("part.txt", "text", 4);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_text(index_path, cases[i].text, strlen(cases[i].text));
        assert_file_refused(index_path, CONVENTION_AUTO, 1, cases[i].says);
    }
    unlink("part.txt");
    unlink(SHARD_1);
    unlink(index_path);
}

static void a_shard_alone_is_called_one(void **state)
{
    (void)state;
    write_shards(SHARD_1, SHARD_2);
    assert_file_refused(SHARD_1, CONVENTION_AUTO, 1,
                        "it is one of the 2 files (shards) of a model");
    assert_file_refused(SHARD_2, CONVENTION_AUTO, 1, "instead, 'part.safetensors.index.json'");
    assert_file_refused(SHARD_2, CONVENTION_AUTO, 1, "layer conv1_1: its kernel is missing");
    unlink(SHARD_1);
    unlink(SHARD_2);
}

static void safetensors_bounds_its_header(void **state)
{
    (void)state;
    static const struct {
        unsigned char bytes[12];
        const char *says;
    } cases[] = {
        {{0, 0, 0, 0, 0, 0, 0, 0, '{', '}'}, "a header of 0 bytes"},
        {{5, 0, 0, 0, 0, 0, 0, 0, '{', '}', ' ', ' '}, "a header of 5 bytes in a file of 12"},
        {{0, 0, 0, 0, 0, 0, 0, 0x80, '{', '}'}, "a header of 9223372036854775808 bytes"},
        {{255, 255, 255, 255, 255, 255, 255, 255, '{'}, "a header of 18446744073709551615 bytes"},
        {{4, 0, 0, 0, 0, 0, 0, 0, ' ', '{', '}', ' '}, "a header of 4 bytes"},
        {{0, 0xe1, 0xf5, 5, 0, 0, 0, 0, '{', '}'}, "a header of 100000000 bytes in a file of 12"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        assert_bytes_refused(safetensors_read, cases[i].bytes, 12, 1, cases[i].says);
    enum { LARGE = 100000020 };
    unsigned char *bytes = calloc(LARGE, 1);
    assert_non_null(bytes);
    memcpy(bytes, (const unsigned char[]){1, 0xe1, 0xf5, 5, 0, 0, 0, 0, '{'}, 9);
    assert_bytes_refused(safetensors_read, bytes, LARGE, 1, "a header of 100000001 bytes");
    assert_false(weight_reader_safetensors.recognises(bytes, WEIGHTS_START));
    bytes[0] = 0;
    assert_bytes_refused(safetensors_read, bytes, LARGE, 1, "the header is damaged at byte 9");
    assert_true(weight_reader_safetensors.recognises(bytes, WEIGHTS_START));
    free(bytes);
}

/* A million brackets are one unexpected mark; a large header is only slow in proportion. */
static void safetensors_takes_huge_headers(void **state)
{
    (void)state;
    static const char *const starts[] = {"{\"a\":{\"shape\":", "{\"a\":", "{\"__metadata__\":"};
    enum { HUGE = 1 << 20 };
    unsigned char *bytes = junk_new(HUGE);
    for (size_t i = 0; i < sizeof starts / sizeof *starts; i++) {
        memset(bytes, i == 0 ? '[' : '{', HUGE);
        uint64_t length = HUGE - 8;
        memcpy(bytes, &length, 8);
        memcpy(bytes + 8, starts[i], strlen(starts[i]));
        assert_bytes_refused(safetensors_read, bytes, HUGE, 1, "the header is damaged at byte");
    }
    size_t used = 8;
    bytes[used++] = '{';
    for (int i = 0; used < HUGE - 200; i++)
        used += (size_t)snprintf((char *)bytes + used, HUGE - used, "%s" EMPTY("%07x"),
                                 i ? "," : "", (unsigned)i * 2654435761u >> 4);
    bytes[used++] = '}';
    uint64_t length = used - 8;
    memcpy(bytes, &length, 8);
    assert_bytes_refused(safetensors_read, bytes, used, 1, "layer conv1_1 is missing");
    free(bytes);
}

static void safetensors_refuses_values_that_are_not_finite(void **state)
{
    (void)state;
    unsigned char bytes[MOST];
    size_t count = build(bytes, GOOD, DATA);
    bytes[count - 1] = 0x7e; /* NaN in 16 bits, the last of the bias */
    FILE *file = fopen("odd.safetensors", "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    fclose(file);
    assert_file_refused("odd.safetensors", CONVENTION_AUTO, 1,
                        "layer conv1_1: value 63 of the bias is NaN");
    assert_int_equal(truncate("odd.safetensors", (off_t)count - 1), 0);
    assert_file_refused("odd.safetensors", CONVENTION_AUTO, 1, "it is truncated or damaged");
    assert_int_equal(truncate("odd.safetensors", 40), 0);
    assert_file_refused("odd.safetensors", CONVENTION_AUTO, 1, "it is truncated or damaged");
    unlink("odd.safetensors");
}

/* It is none, but the record of recognised files says so. */
static void a_recognised_file_needs_no_convention(void **state)
{
    (void)state;
    static const char path[] = "mapped/whole.safetensors";
    char folder[] = "safetensors-XXXXXX", record[64], line[256];
    struct vgg19_weights weights;
    struct weights_origin origin;
    struct error err = {0};
    struct stat info;
    const struct known_file *published;
    assert_non_null(mkdtemp(folder));
    assert_int_equal(setenv("ATELIER_CACHE", folder, 1), 0);
    assert_int_equal(stat(path, &info), 0);
    assert_int_equal(known_find("vgg19-safetensors", &published, &err), 0);
    assert_int_equal(weights_read(path, 16, &weights, &origin, &err), 0);
    assert_int_equal(origin.convention, CONVENTION_AUTO);
    snprintf(record, sizeof record, "%s/recognised", folder);
    snprintf(line, sizeof line, "%s %lld %s\n", weights.digest, (long long)info.st_size,
             published->sha256);
    vgg19_weights_release(&weights);
    assert_file_refused(path, CONVENTION_AUTO, 2, "caffe (Oxford's weights");

    FILE *file = fopen(record, "w");
    assert_true(file && fputs(line, file) >= 0 && fclose(file) == 0);
    assert_int_equal(weights_load(path, CONVENTION_AUTO, 2, &weights, &err), 0);
    assert_string_equal(weights.convention, "torchvision");
    vgg19_weights_release(&weights);
    assert_int_equal(weights_read(path, 16, &weights, &origin, &err), 0);
    assert_int_equal(origin.convention, CONVENTION_TORCHVISION);
    vgg19_weights_release(&weights);
    assert_int_equal(unlink(record) | rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(safetensors_reads_every_naming_and_type),
        cmocka_unit_test(safetensors_reads_all_sixteen_layers),
        cmocka_unit_test(safetensors_takes_the_given_convention),
        cmocka_unit_test(a_recognised_file_needs_no_convention),
        cmocka_unit_test(safetensors_survives_any_damage),
        cmocka_unit_test(safetensors_refuses_values_that_do_not_fill_the_file),
        cmocka_unit_test(safetensors_refuses_wrong_layers),
        cmocka_unit_test(safetensors_finds_it_among_others),
        cmocka_unit_test(shards_are_read_together),
        cmocka_unit_test(shards_refuses_odd_indices_and_says_why),
        cmocka_unit_test(a_shard_alone_is_called_one),
        cmocka_unit_test(safetensors_refuses_what_is_not_its_json),
        cmocka_unit_test(safetensors_bounds_its_header),
        cmocka_unit_test(safetensors_takes_huge_headers),
        cmocka_unit_test(safetensors_refuses_values_that_are_not_finite),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
