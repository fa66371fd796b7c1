/* Caffe models and ONNX: files written by write_mapped.py into the folder mapped, messages written
 * here, and the walk over protobuf's wire format that both readers stand on. */
#include "compare.h"
#include "file_map.h"
#include "made_up.h"
#include "wire.h"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

/* ---- messages written here ---- */

/* Owned: bytes. Starts as {0}. */
struct message {
    unsigned char *bytes;
    size_t count;
};

static void put(struct message *m, const void *bytes, size_t count)
{
    m->bytes = realloc(m->bytes, m->count + count + 1);
    assert_non_null(m->bytes);
    if (count)
        memcpy(m->bytes + m->count, bytes, count);
    m->count += count;
}

static void put_varint(struct message *m, uint64_t value)
{
    unsigned char bytes[10];
    size_t count = 0;
    for (; value > 127; value >>= 7)
        bytes[count++] = (unsigned char)(value | 128);
    bytes[count++] = (unsigned char)value;
    put(m, bytes, count);
}

static void put_number(struct message *m, uint32_t field, uint64_t value)
{
    put_varint(m, (uint64_t)field << 3 | WIRE_VARINT);
    put_varint(m, value);
}

static void put_bytes(struct message *m, uint32_t field, const void *bytes, size_t count)
{
    put_varint(m, (uint64_t)field << 3 | WIRE_BYTES);
    put_varint(m, count);
    put(m, bytes, count);
}

static void put_text(struct message *m, uint32_t field, const char *text)
{
    put_bytes(m, field, text, strlen(text));
}

/* Puts the inner message and releases it. */
static void put_message(struct message *m, uint32_t field, struct message inner)
{
    put_bytes(m, field, inner.bytes, inner.count);
    free(inner.bytes);
}

static void put_zeros(struct message *m, uint32_t field, size_t count)
{
    void *zeros = calloc(count + 1, 1);
    assert_non_null(zeros);
    put_bytes(m, field, zeros, count);
    free(zeros);
}

/* Refused, with these words; releases the message. */
static void refuse(mapped_reader *read, struct message *m, const char *says)
{
    assert_bytes_refused(read, m->bytes, m->count, 1, says);
    free(m->bytes);
    *m = (struct message){0};
}

/* ---- the wire format ---- */

static void wire_next_takes_fields_one_by_one(void **state)
{
    (void)state;
    static const unsigned char bytes[] = {
        0x08, 0xac, 0x02,                                           /* 1: 300 */
        0x12, 2,    'h',  'i',                                      /* 2: "hi" */
        0x1d, 1,    2,    3,    4,                                  /* 3: 32 bits */
        0x21, 1,    2,    3,    4,    5,    6,    7,    8,          /* 4: 64 bits */
        0xf8, 0xff, 0xff, 0xff, 0x0f,                               /* 2^29 - 1: */
        0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x01, /* 2^64 - 1 */
        0x12, 0,
    };
    static const struct {
        uint32_t number;
        enum wire_type type;
        uint64_t value;
        size_t count;
    } fields[] = {
        {1, WIRE_VARINT, 300, 0},
        {2, WIRE_BYTES, 0, 2},
        {3, WIRE_FIXED32, 0, 4},
        {4, WIRE_FIXED64, 0, 8},
        {(1 << 29) - 1, WIRE_VARINT, UINT64_MAX, 0},
        {2, WIRE_BYTES, 0, 0},
    };
    struct region rest = {bytes, sizeof bytes};
    struct wire_field field;
    struct error err = {0};
    bool more;
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        assert_int_equal(wire_next(&rest, &field, &more, &err), 0);
        assert_true(more);
        assert_int_equal(field.number, fields[i].number);
        assert_int_equal(field.type, fields[i].type);
        assert_true(field.value == fields[i].value);
        assert_int_equal(field.bytes.count, fields[i].count);
    }
    assert_int_equal(wire_next(&rest, &field, &more, &err), 0);
    assert_false(more);
}

static void wire_next_refuses_what_is_no_field(void **state)
{
    (void)state;
#define BYTES(text) text, sizeof text - 1
    static const struct {
        const char *bytes;
        size_t count;
        const char *says;
    } cases[] = {
        {BYTES("\x08"), "truncated"},
        {BYTES("\x08\x80"), "truncated"},
        {BYTES("\x88"), "truncated"},
        {BYTES("\x12\5abcd"), "truncated"},
        {BYTES("\x12\x80\x80\x80\x80\x80\x80\x80\x80\x80\1"), "truncated"}, /* 2^63 bytes */
        {BYTES("\x12\xff\xff\xff\xff\xff\xff\xff\xff\xff\1"), "truncated"}, /* 2^64 - 1 */
        {BYTES("\x0d"
               "abc"),
         "truncated"},
        {BYTES("\x09"
               "abcdefg"),
         "truncated"},
        {BYTES("\x08\xff\xff\xff\xff\xff\xff\xff\xff\xff\2"), "exceeds 64 bits"},
        {BYTES("\x08\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\1"), "exceeds 64 bits"},
        {BYTES("\0\0"), "no field 0"},
        {BYTES("\x80\x80\x80\x80\x10\0"), "no field 536870912"},
        {BYTES("\x0b\x0c"), "wire type 3"},
        {BYTES("\x0c"), "wire type 4"},
        {BYTES("\x0e"), "wire type 6"},
        {BYTES("\x0f"), "wire type 7"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        unsigned char *bytes = malloc(cases[i].count);
        assert_non_null(bytes);
        memcpy(bytes, cases[i].bytes, cases[i].count);
        struct region rest = {bytes, cases[i].count};
        struct wire_field field;
        struct error err = {0};
        bool more;
        assert_int_equal(wire_next(&rest, &field, &more, &err), E_INPUT);
        assert_non_null(strstr(err.message, cases[i].says));
        assert_int_equal(wire_next(&(struct region){bytes, cases[i].count}, &field, &more, NULL),
                         E_INPUT);
        free(bytes);
    }
}

static void wire_values_gathers_runs(void **state)
{
    (void)state;
    static const unsigned char packed[] = {0x2a, 8, 1, 2, 3, 4, 5, 6, 7, 8};
    static const unsigned char runs[] = {0x2d, 1, 2, 3, 4, 0x2a, 0, 0x08, 9, 0x2a, 4, 5, 6, 7, 8};
    static const unsigned char odd[] = {0x2a, 7, 1, 2, 3, 4, 5, 6, 7};
    static const unsigned char number[] = {0x28, 7};
    struct region values;
    struct error err = {0};
    void *copy;
    assert_int_equal(wire_values((struct region){packed, 10}, 5, 4, 2, &values, &copy, &err), 0);
    assert_null(copy);
    assert_ptr_equal(values.bytes, packed + 2);
    assert_int_equal(values.count, 8);
    assert_int_equal(wire_values((struct region){runs, 15}, 5, 4, 2, &values, &copy, &err), 0);
    assert_non_null(copy);
    assert_int_equal(values.count, 8);
    assert_memory_equal(values.bytes, packed + 2, 8);
    free(copy);
    assert_int_equal(wire_values((struct region){runs, 15}, 6, 4, 2, &values, &copy, &err), 0);
    assert_int_equal(values.count, 0);
    assert_int_equal(wire_values((struct region){runs, 15}, 5, 4, 3, &values, &copy, &err),
                     E_INPUT);
    assert_non_null(strstr(err.message, "expected 3 values, got 2"));
    assert_int_equal(wire_values((struct region){odd, 9}, 5, 4, 1, &values, &copy, &err), E_INPUT);
    assert_int_equal(wire_values((struct region){number, 2}, 5, 4, 1, &values, &copy, &err),
                     E_INPUT);
    assert_non_null(strstr(err.message, "should hold 4-byte values"));
}

/* ---- files ---- */

static const struct {
    const char *path, *format;
    enum made_up_type type;
    bool ambiguous;
} files[] = {
    {"mapped/v1.caffemodel", "Caffe model", MADE_UP_F32, false},
    {"mapped/new.caffemodel", "Caffe model", MADE_UP_F32, false},
    {"mapped/v1-unpacked.caffemodel", "Caffe model", MADE_UP_F32, false},
    {"mapped/unpacked.caffemodel", "Caffe model", MADE_UP_F32, false},
    {"mapped/runs.caffemodel", "Caffe model", MADE_UP_F32, false},
    {"mapped/F64.caffemodel", "Caffe model", MADE_UP_F32, false},
    {"mapped/F64-unpacked.caffemodel", "Caffe model", MADE_UP_F32, false},
    {"mapped/torch.onnx", "ONNX", MADE_UP_F32, true},
    {"mapped/mxnet.onnx", "ONNX", MADE_UP_F32, true},
    {"mapped/caffe2.onnx", "ONNX", MADE_UP_F32, false},
    {"mapped/unpacked.onnx", "ONNX", MADE_UP_F32, false},
    {"mapped/runs.onnx", "ONNX", MADE_UP_F32, false},
    {"mapped/F16.onnx", "ONNX", MADE_UP_F16, false},
    {"mapped/BF16.onnx", "ONNX", MADE_UP_BF16, false},
    {"mapped/F64.onnx", "ONNX", MADE_UP_F32, false},
    {"mapped/F64-packed.onnx", "ONNX", MADE_UP_F32, false},
};
enum { FILES = sizeof files / sizeof *files };

static void wire_formats_read_every_encoding(void **state)
{
    (void)state;
    for (size_t i = 0; i < FILES; i++) {
        assert_file_loads(files[i].path, files[i].format, files[i].type, files[i].ambiguous, 4);
        assert_file_loads(files[i].path, files[i].format, files[i].type, files[i].ambiguous, 1);
        assert_file_refused(files[i].path, CONVENTION_CAFFE, 5, "layer conv3_1 is missing");
    }
}

static void wire_formats_read_all_sixteen_layers(void **state)
{
    (void)state;
    assert_file_loads("mapped/whole.caffemodel", "Caffe model", MADE_UP_F32, false, 16);
    assert_file_loads("mapped/whole.onnx", "ONNX", MADE_UP_F32, true, 16);
}

static void the_same_numbers_in_every_format_are_the_same_weights(void **state)
{
    (void)state;
    static const char *const others[] = {
        "mapped/torch.safetensors", "mapped/keras.safetensors", "mapped/v1.caffemodel",
        "mapped/new.caffemodel",    "mapped/torch.onnx",        "mapped/mxnet.onnx",
        "mapped/external.onnx",     "mapped/odd.onnx",          "mat/packed.mat",
    };
    struct vgg19_weights keras, other;
    struct error err = {0};
    assert_int_equal(weights_load("keras/published.h5", CONVENTION_AUTO, 4, &keras, &err), 0);
    for (size_t i = 0; i < sizeof others / sizeof *others; i++) {
        assert_int_equal(weights_load(others[i], CONVENTION_CAFFE, 4, &other, &err), 0);
        assert_memory_equal(other.mean, keras.mean, sizeof keras.mean);
        assert_string_equal(other.digest, keras.digest);
        for (int conv = 0; conv < 4; conv++) {
            assert_memory_equal(other.kernel[conv], keras.kernel[conv],
                                kernel_count(conv) * sizeof(float));
            assert_memory_equal(other.bias[conv], keras.bias[conv],
                                (size_t)vgg19_convs[conv].out * sizeof(float));
        }
        vgg19_weights_release(&other);
    }
    vgg19_weights_release(&keras);
}

/* However few layers are asked for, and however they are folded. */
static void the_digest_is_that_of_all_layers_as_they_were_read(void **state)
{
    (void)state;
    struct vgg19_weights whole, few;
    struct weights_origin origin;
    struct error err = {0};
    char hex[DIGEST_HEX];
    assert_int_equal(weights_read("mapped/whole.onnx", 16, &whole, &origin, &err), 0);
    assert_int_equal(origin.convention, CONVENTION_AUTO);
    assert_int_equal(weights_digest(&whole, hex, &err), 0);
    assert_string_equal(whole.digest, hex);
    for (int convs = 1; convs <= 16; convs += 5)
        for (int given = CONVENTION_CAFFE; given <= CONVENTION_TORCHVISION; given++) {
            assert_int_equal(weights_load("mapped/whole.onnx", given, convs, &few, &err), 0);
            assert_string_equal(few.digest, hex);
            assert_int_equal(few.convs, convs);
            assert_true(convs == 16 || (!few.kernel[convs] && !few.bias[convs]));
            vgg19_weights_release(&few);
        }
    *(unsigned *)whole.bias[15] ^= 1; /* the last bit of the last layer */
    assert_int_equal(weights_digest(&whole, whole.digest, &err), 0);
    assert_string_not_equal(whole.digest, hex);
    vgg19_weights_release(&whole);
}

/* The pages that hold nothing but zeros: the fully connected layers, which are made up of them. */
static struct region zeros_of(struct region file)
{
    const uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE);
    size_t start = 0, best = 0, best_start = 0;
    for (size_t i = 0; i < file.count; i++) {
        if (file.bytes[i] != 0)
            start = i + 1;
        else if (i + 1 - start > best) {
            best = i + 1 - start;
            best_start = start;
        }
    }
    best_start = (best_start + page - 1) / page * page; /* a map begins with a page */
    return (struct region){file.bytes + best_start, (best - page) / page * page};
}

/* Reading one of those pages would end the test. */
static void fully_connected_layers_are_never_touched(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        mapped_reader *read;
    } wholes[] = {
        {"mapped/whole.safetensors", safetensors_read},
        {"mapped/whole.caffemodel", caffe_read},
        {"mapped/whole.onnx", onnx_read},
        {"mat/whole.mat", mat_read},
    };
    struct vgg19_weights weights;
    struct error err = {0};
    assert_int_equal(vgg19_weights_init(&weights, VGG19_CONVS, &err), 0);
    for (size_t i = 0; i < sizeof wholes / sizeof *wholes; i++) {
        struct region file;
        int convention;
        assert_int_equal(file_map(AT_FDCWD, wholes[i].path, &file, &err), 0);
        struct region zeros = zeros_of(file);
        assert_true(zeros.count > 1500000);
        assert_int_equal(mprotect((void *)(uintptr_t)zeros.bytes, zeros.count, PROT_NONE), 0);
        assert_int_equal(wholes[i].read(file, &weights, &convention, &err), 0);
        file_unmap(&file);
    }
    vgg19_weights_release(&weights);
}

/* Not one line of text, however it begins. */
static void text_is_not_taken_for_protobuf(void **state)
{
    (void)state;
    static const struct weight_reader *const readers[] = {&weight_reader_caffe,
                                                          &weight_reader_onnx};
    static const unsigned char starts[] = {0x0a, 0x1a, 0x32, '\r', '\t', 'a'};
    unsigned char text[512];
    for (uint64_t seed = 0; seed < 20000; seed++) {
        for (size_t i = 0; i < sizeof text; i++)
            text[i] = (unsigned char)(' ' + (int)((noise_at(seed, i) + 1) * 47.4f));
        text[0] = starts[seed % sizeof starts];
        text[64] = '\n';
        for (size_t k = 0; k < 2; k++)
            assert_false(readers[k]->recognises(text, sizeof text));
    }
}

static void formats_are_recognised_by_their_first_fields(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t count;
        bool caffe, onnx;
    } cases[] = {
        {BYTES("\x0a\3net\xa2\6\x09\x0a\7conv1_1"), true, false},
        {BYTES("\x0a\3net\xa2\6\x7f\x0a\7conv1_1"), true, false}, /* goes on behind the start */
        {BYTES("\x0a\3net\x12\x09\x22\7conv1_1"), true, false},
        {BYTES("\x12\x09\x22\7conv1_1"), true, false},
        {BYTES("\x0a\3net"), false, false},
        {BYTES("\x0a\3n\1t\x12\x09\x22\7conv1_1"), false, false}, /* a name is printable */
        {BYTES("\x12\x09\x22\7conv\1_1"), false, false},
        {BYTES("\x4a\3net\x12\x09\x22\7conv1_1"), false, false}, /* there is no field 9 */
        {BYTES("\x18\3\x12\x09\x22\7conv1_1"), false, false},    /* 3 is no number */
        {BYTES("\x12\2\x0d"), false, false},
        {BYTES("\x12\0"), false, false},
        {BYTES("\x12"), false, false},
        {BYTES("\x08\7\x12\7pytorch\x3a\2\x0a\0"), false, true},
        {BYTES("\x08\7\x12\7pytorch\x3a\x7f\x0a\0"), false, true},
        {BYTES("\x08\7\x12\7pytorch"), false, false},
        {BYTES("\x08\x41\x3a\2\x0a\0"), false, false},
        {BYTES("\x08\7\x4a\1 \x3a\2\x0a\0"), false, false}, /* there is no field 9 */
        {BYTES("\x08\7\x3a\x7f\x12\0"), false, false},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const unsigned char *bytes = (const unsigned char *)cases[i].bytes;
        print_message("case %zu\n", i);
        assert_int_equal(weight_reader_caffe.recognises(bytes, cases[i].count), cases[i].caffe);
        assert_int_equal(weight_reader_onnx.recognises(bytes, cases[i].count), cases[i].onnx);
    }
}

static void wire_formats_survive_any_damage(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        mapped_reader *read;
    } seeds[] = {
        {"seeds/caffe/v1", caffe_read},
        {"seeds/caffe/unpacked", caffe_read},
        {"seeds/onnx/torch", onnx_read},
        {"seeds/onnx/caffe2", onnx_read},
    };
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        size_t count;
        unsigned char *bytes = file_bytes(seeds[i].path, &count);
        print_message("%s\n", seeds[i].path);
        /* What follows the last layer is not missed. */
        assert_survives_damage(seeds[i].read, bytes, count, count - 64);
        free(bytes);
    }
}

/* ---- Caffe ---- */

enum { KERNEL_BYTES = 64 * 27 * 4, BIAS_BYTES = 64 * 4 };

/* A blob of the given sizes (up to the first 0) and so many bytes of zeros. */
static struct message blob(const uint64_t sizes[5], size_t bytes)
{
    struct message shape = {0}, m = {0};
    for (int i = 0; i < 5 && sizes[i]; i++)
        put_number(&shape, 1, sizes[i]);
    put_message(&m, 7, shape);
    put_zeros(&m, 5, bytes);
    return m;
}

static const uint64_t kernel_sizes[5] = {64, 3, 3, 3}, bias_sizes[5] = {64};

/* A layer of the new form with up to two blobs; those without bytes are left out. */
static void put_layer(struct message *net, const char *name, const char *type,
                      struct message kernel, struct message bias)
{
    struct message layer = {0};
    put_text(&layer, 1, name);
    put_text(&layer, 2, type);
    if (kernel.count)
        put_message(&layer, 7, kernel);
    if (bias.count)
        put_message(&layer, 7, bias);
    put_message(net, 100, layer);
}

static void put_conv(struct message *net, const char *name)
{
    put_layer(net, name, "Convolution", blob(kernel_sizes, KERNEL_BYTES),
              blob(bias_sizes, BIAS_BYTES));
}

static void caffe_refuses_other_networks(void **state)
{
    (void)state;
    static const char *const vgg16[] = {"conv1_1", "conv1_2", "conv2_1", "conv2_2", "conv3_1",
                                        "conv3_2", "conv3_3", "conv4_1", "conv4_2"};
    const struct message none = {0};
    struct message net = {0}, layer = {0}, oldest = {0}, damaged = {0};
    put_text(&net, 1, "net");
    refuse(caffe_read, &net, "layer conv1_1 is missing");
    for (size_t i = 0; i < sizeof vgg16 / sizeof *vgg16; i++)
        put_conv(&net, vgg16[i]);
    refuse(caffe_read, &net, "layer conv3_4 is missing: it looks like VGG-16");
    put_conv(&net, "conv1_1");
    put_conv(&net, "conv1_1");
    refuse(caffe_read, &net, "layer conv1_1 has more than one kernel");
    put_conv(&net, "conv1_3");
    refuse(caffe_read, &net, "layer conv1_3 is not one of VGG-19");
    put_conv(&net, "conv1_1");
    put_layer(&net, "conv1_1/bn", "BatchNorm", none, none);
    refuse(caffe_read, &net, "layer conv1_1/bn is a batch normalisation");
    put_layer(&net, "conv1_1", "Convolution", blob(kernel_sizes, KERNEL_BYTES), none);
    refuse(caffe_read, &net, "layer conv1_1: its bias is missing");
    put_text(&oldest, 1, "conv1_1");
    put_message(&layer, 1, oldest);
    put_message(&net, 2, layer);
    refuse(caffe_read, &net, "Caffe's oldest form");
    put_text(&damaged, 1, "conv\n1\377");
    put_varint(&damaged, 7);
    put_message(&net, 100, damaged);
    refuse(caffe_read, &net, "layer conv?1?: it is damaged: there is no field 0");
}

static void caffe_refuses_wrong_blobs(void **state)
{
    (void)state;
    static const struct {
        uint64_t sizes[5];
        size_t bytes;
        const char *says;
    } cases[] = {
        {{64, 3, 3, 3}, 0, "kernel: its values reach beyond the 0 that are stored"},
        {{64, 3, 3, 3}, KERNEL_BYTES - 4, "kernel: expected 1728 values, got 1727"},
        {{64, 3, 3, 3}, KERNEL_BYTES + 4, "kernel: expected 1728 values, got 1729"},
        {{64, 3, 3, 3}, KERNEL_BYTES - 1, "kernel: it is damaged: 6911 bytes are no whole 4-byte"},
        {{3, 64, 3, 3}, KERNEL_BYTES, "expected shape (64, 3, 3, 3), got (3, 64, 3, 3)"},
        {{64, 27}, KERNEL_BYTES, "expected shape (64, 3, 3, 3), got (64, 27)"},
        {{64, 3, 3, UINT64_MAX}, KERNEL_BYTES, "got (64, 3, 3, 18446744073709551615)"},
        {{0}, KERNEL_BYTES, "expected shape (64, 3, 3, 3), got ()"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct message net = {0};
        put_layer(&net, "conv1_1", "Convolution", blob(cases[i].sizes, cases[i].bytes),
                  blob(bias_sizes, BIAS_BYTES));
        char says[128];
        snprintf(says, sizeof says, "%s", cases[i].says);
        struct message again = {0};
        put(&again, net.bytes, net.count);
        refuse(caffe_read, &again, "layer conv1_1: kernel: ");
        refuse(caffe_read, &net, says);
    }
    struct message net = {0}, odd = blob(kernel_sizes, KERNEL_BYTES);
    put_zeros(&odd, 8, 2 * KERNEL_BYTES);
    put_layer(&net, "conv1_1", "Convolution", odd, blob(bias_sizes, BIAS_BYTES));
    refuse(caffe_read, &net, "layer conv1_1: kernel: it has both data and double_data");
    struct message three = {0}, layer = {0};
    put_text(&layer, 1, "conv1_1");
    for (int i = 0; i < 3; i++)
        put_message(&layer, 7, blob(bias_sizes, BIAS_BYTES));
    put_message(&three, 100, layer);
    refuse(caffe_read, &three, "layer conv1_1 has 3 blobs, expected a kernel and a bias");
    struct message many = {0}, shape = {0};
    put_zeros(&shape, 1, 1000);
    put_message(&many, 7, shape);
    put_layer(&net, "conv1_1", "Convolution", many, blob(bias_sizes, BIAS_BYTES));
    refuse(caffe_read, &net, "layer conv1_1: kernel: it has more than 8 dimensions");
}

/* Fields nobody knows are skipped, however deep they go. */
static void caffe_skips_unknown_fields(void **state)
{
    (void)state;
    struct message net = {0}, nested = {0};
    struct error err = {0};
    int convention = -1;
    for (int depth = 0; depth < 1000; depth++) {
        struct message outer = {0};
        put_message(&outer, 100, nested);
        nested = outer;
    }
    put_conv(&net, "conv1_1");
    put_message(&net, 77, nested);
    assert_int_equal(read_bytes(caffe_read, net.bytes, net.count, 1, &convention, &err), 0);
    assert_int_equal(convention, CONVENTION_CAFFE);
    free(net.bytes);
}

static void caffe_refuses_values_that_are_not_finite(void **state)
{
    (void)state;
    size_t count;
    unsigned char *bytes = file_bytes("seeds/caffe/new", &count);
    static const float nan = NAN;
    memcpy(bytes + 1000, &nan, 4);
    memset(bytes + 1000, 0xff, 8); /* a NaN wherever a value begins */
    FILE *file = fopen("odd.caffemodel", "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    fclose(file);
    free(bytes);
    assert_file_refused("odd.caffemodel", CONVENTION_AUTO, 1, "layer conv1_1: value ");
    assert_int_equal(truncate("odd.caffemodel", 3000), 0);
    assert_file_refused("odd.caffemodel", CONVENTION_AUTO, 1, "it is truncated or damaged");
    unlink("odd.caffemodel");
}

/* ---- ONNX ---- */

static struct message onnx_tensor(const char *name, const uint64_t sizes[5], uint64_t type,
                                  size_t raw)
{
    struct message m = {0};
    for (int i = 0; i < 5 && sizes[i]; i++)
        put_number(&m, 1, sizes[i]);
    put_number(&m, 2, type);
    put_text(&m, 8, name);
    if (raw)
        put_zeros(&m, 9, raw);
    return m;
}

static struct message onnx_node(const char *type, const char *kernel, const char *bias)
{
    struct message m = {0};
    put_text(&m, 1, "x");
    if (kernel)
        put_text(&m, 1, kernel);
    if (bias)
        put_text(&m, 1, bias);
    put_text(&m, 4, type);
    return m;
}

/* A model of one graph; takes the graph. */
static struct message onnx_model(struct message graph)
{
    struct message m = {0};
    put_number(&m, 1, 7);
    put_message(&m, 7, graph);
    return m;
}

static void refuse_graph(struct message *graph, const char *says)
{
    struct message model = onnx_model(*graph);
    *graph = (struct message){0};
    refuse(onnx_read, &model, says);
}

static void put_good_conv(struct message *graph)
{
    put_message(graph, 1, onnx_node("Conv", "k", "b"));
    put_message(graph, 5, onnx_tensor("b", bias_sizes, 1, BIAS_BYTES));
    put_message(graph, 5, onnx_tensor("k", kernel_sizes, 1, KERNEL_BYTES));
}

static void onnx_refuses_other_networks(void **state)
{
    (void)state;
    struct message graph = {0}, model = {0};
    refuse_graph(&graph, "layer conv1_1 is missing: there are only 0 convolutions");
    put_number(&model, 1, 7);
    refuse(onnx_read, &model, "layer conv1_1 is missing");
    put_message(&graph, 1, onnx_node("Conv", "k", NULL));
    put_message(&graph, 5, onnx_tensor("k", kernel_sizes, 1, KERNEL_BYTES));
    refuse_graph(&graph, "layer conv1_1: expected a kernel and a bias, got no bias");
    put_message(&graph, 1, onnx_node("Conv", NULL, NULL));
    refuse_graph(&graph, "layer conv1_1: expected a kernel and a bias");
    put_message(&graph, 1, onnx_node("Conv", "k", "b"));
    refuse_graph(&graph, "layer conv1_1: there is no initializer for its kernel");
    put_good_conv(&graph);
    put_message(&graph, 5, onnx_tensor("k", kernel_sizes, 1, KERNEL_BYTES));
    refuse_graph(&graph, "layer conv1_1: there are two initializers for its kernel");
    put_good_conv(&graph);
    put_message(&graph, 1, onnx_node("BatchNormalization", "k", "b"));
    refuse_graph(&graph, "batch normalisation after layer 1");
    for (int i = 0; i < 17; i++)
        put_message(&graph, 1, onnx_node("Conv", "k", "b"));
    refuse_graph(&graph, "none of its 17 convolutions begins VGG-19's 16");
    put_good_conv(&graph);
    put_message(&graph, 1, onnx_node("Conv", "k", "b"));
    refuse_graph(&graph,
                 "layer conv1_2: expected a kernel of shape (64, 64, 3, 3), got (64, 3, 3, 3)");
    put_good_conv(&graph);
    model = onnx_model(graph);
    put_message(&model, 7, onnx_node("Conv", "k", "b"));
    refuse(onnx_read, &model, "more than one graph");
}

/* VGG-16's eighth convolution is conv4_1. */
static void onnx_names_vgg16(void **state)
{
    (void)state;
    struct message graph = {0};
    for (int i = 0; i < 13; i++) {
        const struct vgg19_conv *c = &vgg19_convs[i < 7 ? i : i < 10 ? i + 1 : i + 2];
        const uint64_t sizes[5] = {(uint64_t)c->out, (uint64_t)c->in, 3, 3};
        char kernel[16], bias[16];
        snprintf(kernel, sizeof kernel, "k%d", i);
        snprintf(bias, sizeof bias, "b%d", i);
        put_message(&graph, 1, onnx_node("Conv", kernel, bias));
        put_message(&graph, 5, onnx_tensor(kernel, sizes, 1, 4));
        put_message(&graph, 5, onnx_tensor(bias, bias_sizes, 1, 4));
    }
    refuse_graph(&graph, "layer conv3_4: expected a kernel of shape (256, 256, 3, 3), got (512, "
                         "256, 3, 3): it looks like VGG-16");
}

static void onnx_refuses_wrong_tensors(void **state)
{
    (void)state;
    static const struct {
        uint64_t type;
        size_t raw;
        const char *says;
    } cases[] = {
        {1, KERNEL_BYTES - 1, "expected 6912 bytes of raw_data, got 6911"},
        {1, KERNEL_BYTES + 4, "expected 6912 bytes of raw_data, got 6916"},
        {10, KERNEL_BYTES, "expected 3456 bytes of raw_data, got 6912"},
        {1, 0, "its values reach beyond the 0 that are stored"},
        {10, 0, "half-precision values are only read from raw_data"},
        {7, KERNEL_BYTES, "data_type 7 is none of FLOAT"},
        {0, KERNEL_BYTES, "data_type 0 is none of FLOAT"},
        {UINT64_MAX, KERNEL_BYTES, "data_type 18446744073709551615 is none of FLOAT"},
    };
    struct message graph = {0}, tensor;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        put_message(&graph, 1, onnx_node("Conv", "k", "b"));
        put_message(&graph, 5, onnx_tensor("b", bias_sizes, 1, BIAS_BYTES));
        put_message(&graph, 5, onnx_tensor("k", kernel_sizes, cases[i].type, cases[i].raw));
        char says[160];
        snprintf(says, sizeof says, "layer conv1_1: kernel: %s%s",
                 strncmp(cases[i].says, "data_type", 9) == 0 ? "its " : "", cases[i].says);
        refuse_graph(&graph, says);
    }
    for (int odd = 0; odd < 4; odd++) {
        static const char *const says[] = {"external data", "external data", "stored in segments",
                                           "raw_data twice"};
        put_message(&graph, 1, onnx_node("Conv", "k", "b"));
        put_message(&graph, 5, onnx_tensor("b", bias_sizes, 1, BIAS_BYTES));
        tensor = onnx_tensor("k", kernel_sizes, 1, odd < 2 ? 0 : KERNEL_BYTES);
        if (odd == 0)
            put_number(&tensor, 14, 1);
        else if (odd == 1)
            put_text(&tensor, 13, "");
        else if (odd == 2)
            put_text(&tensor, 3, "");
        else
            put_zeros(&tensor, 9, KERNEL_BYTES);
        put_message(&graph, 5, tensor);
        refuse_graph(&graph, says[odd]);
    }
}

/* One convolution whose kernel's values are where the entries say. */
static void write_external(const char *path, const char *location, const char *offset,
                           const char *length)
{
    struct message graph = {0}, tensor = onnx_tensor("k", kernel_sizes, 1, 0), entry = {0};
    const char *const entries[][2] = {
        {"location", location}, {"offset", offset}, {"length", length}};
    for (int i = 0; i < 3; i++) {
        if (!entries[i][1])
            continue;
        put_text(&entry, 1, entries[i][0]);
        put_text(&entry, 2, entries[i][1]);
        put_message(&tensor, 13, entry);
        entry = (struct message){0};
    }
    put_number(&tensor, 14, 1);
    put_message(&graph, 1, onnx_node("Conv", "k", "b"));
    put_message(&graph, 5, onnx_tensor("b", bias_sizes, 1, BIAS_BYTES));
    put_message(&graph, 5, tensor);
    struct message model = onnx_model(graph);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(model.bytes, 1, model.count, file), model.count);
    assert_int_equal(fclose(file), 0);
    free(model.bytes);
}

static void onnx_reads_values_beside_it_and_nowhere_else(void **state)
{
    (void)state;
    static const struct {
        const char *location, *offset, *length, *says;
    } cases[] = {
        {"beside.data", "0", "6912", NULL},
        {"beside.data", "88", NULL, NULL},
        {"beside.data", NULL, NULL, NULL},
        {"beside.data", "89", "6912", "bytes 89 to 7001 are needed, but it has only 7000"},
        {"beside.data", "7001", NULL, "it has only 7000"},
        {"beside.data", "18446744073709551615", NULL, "from byte 18446744073709551615 on"},
        {"beside.data", "18446744073709551616", NULL, "should be 6912 bytes"},
        {"beside.data", "-1", NULL, "should be 6912 bytes"},
        {"beside.data", "0", "6911", "should be 6912 bytes, and is said to be 6911 from"},
        {"missing.data", "0", "6912", "in the file 'missing.data': it is not beside the model"},
        {"link.data", "0", "6912", "in the file 'link.data': it is a link, which is refused"},
        {"pipe.data", "0", "6912", "in the file 'pipe.data': it is not a regular file"},
        {"folder.data", "0", "6912", "in the file 'folder.data': it is not a regular file"},
        {"../weights/beside.data", "0", "6912", "is refused: '../weights/beside.data'"},
        {"./beside.data", "0", "6912", "is refused: './beside.data'"},
        {"/etc/passwd", "0", "6912", "is refused: '/etc/passwd'"},
        {"..", "0", "6912", "is refused: '..'"},
        {"", "0", "6912", "is refused: ''"},
        {NULL, "0", "6912", "is refused: ''"},
    };
    struct vgg19_weights weights;
    struct error err = {0};
    static const char zeros[7000];
    FILE *file = fopen("beside.data", "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(zeros, 1, sizeof zeros, file), sizeof zeros);
    assert_int_equal(fclose(file), 0);
    unlink("link.data"), unlink("pipe.data"), rmdir("folder.data");
    assert_int_equal(symlink("beside.data", "link.data"), 0);
    assert_int_equal(mkfifo("pipe.data", 0600), 0);
    assert_int_equal(mkdir("folder.data", 0700), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_external("x.onnx", cases[i].location, cases[i].offset, cases[i].length);
        if (cases[i].says) {
            assert_file_refused("x.onnx", CONVENTION_CAFFE, 1, cases[i].says);
            continue;
        }
        int status = weights_load("x.onnx", CONVENTION_CAFFE, 1, &weights, &err);
        print_message("%s\n", err.message);
        assert_int_equal(status, 0);
        vgg19_weights_release(&weights);
    }
    unlink("x.onnx"), unlink("beside.data"), unlink("link.data"), unlink("pipe.data");
    rmdir("folder.data");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(wire_next_takes_fields_one_by_one),
        cmocka_unit_test(wire_next_refuses_what_is_no_field),
        cmocka_unit_test(wire_values_gathers_runs),
        cmocka_unit_test(wire_formats_read_every_encoding),
        cmocka_unit_test(wire_formats_read_all_sixteen_layers),
        cmocka_unit_test(the_same_numbers_in_every_format_are_the_same_weights),
        cmocka_unit_test(the_digest_is_that_of_all_layers_as_they_were_read),
        cmocka_unit_test(fully_connected_layers_are_never_touched),
        cmocka_unit_test(text_is_not_taken_for_protobuf),
        cmocka_unit_test(formats_are_recognised_by_their_first_fields),
        cmocka_unit_test(wire_formats_survive_any_damage),
        cmocka_unit_test(caffe_refuses_other_networks),
        cmocka_unit_test(caffe_refuses_wrong_blobs),
        cmocka_unit_test(caffe_skips_unknown_fields),
        cmocka_unit_test(caffe_refuses_values_that_are_not_finite),
        cmocka_unit_test(onnx_refuses_other_networks),
        cmocka_unit_test(onnx_names_vgg16),
        cmocka_unit_test(onnx_refuses_wrong_tensors),
        cmocka_unit_test(onnx_reads_values_beside_it_and_nowhere_else),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
