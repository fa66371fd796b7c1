/* PyTorch's files. Without arguments: files made here, byte by byte, good and hostile. With the
 * argument "saved": files that torch.save wrote (write_torch.py, into the folder torch), next to
 * Keras's of the same numbers (write_keras.py); ends with code 77 when there are none. */
#include "check.h"
#include "mapped.h"
#include "weights.h"

#include <sys/stat.h>
#include <unistd.h>

/* ---- the numbers: as write_keras.py has them, in the order of a Keras kernel ---- */

static double value_at(int n, size_t i)
{
    uint64_t at = (uint64_t)i + 7919 * (uint64_t)n;
    return (double)(at * 2654435761 % 1000) / 1000 - .5;
}

static size_t kernel_count(int conv)
{
    return 9 * (size_t)vgg19_convs[conv].in * (size_t)vgg19_convs[conv].out;
}

static void assert_values(const struct vgg19_weights *weights, double tolerance)
{
    for (int conv = 0; conv < weights->convs; conv++) {
        for (size_t i = 0; i < kernel_count(conv); i++)
            assert_true(fabs((double)weights->kernel[conv][i] - (double)(float)value_at(conv, i)) <=
                        tolerance);
        for (size_t i = 0; i < (size_t)vgg19_convs[conv].out; i++)
            assert_true(fabs((double)weights->bias[conv][i] -
                             (double)(float)value_at(conv + 16, i)) <= tolerance);
    }
}

/* ---- files made here ---- */

struct buffer {
    unsigned char *bytes;
    size_t count, room;
};

static void put(struct buffer *b, const void *bytes, size_t count)
{
    if (b->count + count > b->room) {
        b->room = 2 * (b->count + count);
        b->bytes = realloc(b->bytes, b->room);
        assert_non_null(b->bytes);
    }
    if (count)
        memcpy(b->bytes + b->count, bytes, count);
    b->count += count;
}

static void put_text(struct buffer *b, const char *text) { put(b, text, strlen(text)); }
#define PUT(b, literal) put(b, literal, sizeof literal - 1)

static void put_number(struct buffer *b, uint64_t value, int bytes)
{
    unsigned char out[8];
    for (int i = 0; i < bytes; i++)
        out[i] = (unsigned char)(value >> 8 * i);
    put(b, out, (size_t)bytes);
}

enum number { F32, F16, BF16, F64 };
enum container { ZIP, LEGACY };

/* What a file is made of; zeros are what torch.save does today. */
struct recipe {
    enum container container;
    int convs; /* 0: 1 */
    enum number type;
    const char *names; /* format of a layer's name; NULL: features.N */
    const char *nest;  /* key of the state dict in another */
    const char *shape; /* of the first kernel, as instructions; NULL: as it should be */
    bool python2, protocol4, big_endian, wide, bare, parameter, hwio;
    const char *extra;      /* instructions in front of the state dict's items */
    uint64_t offset, count; /* offset of the first kernel; numbers its storage claims to have */
    bool view, key_twice, short_storage, odd_name, packed, twice, script, no_object, bad_header,
        unknown_key;
};

static const char *const type_names[] = {"FloatStorage", "HalfStorage", "BFloat16Storage",
                                         "DoubleStorage"};
static const int type_bytes[] = {4, 2, 2, 8};

static int place_of(int conv)
{
    int place = 0;
    for (int i = 0; i < conv; i++)
        place += 2 + vgg19_convs[i].pooled;
    return place;
}

static void put_string(struct buffer *b, const struct recipe *r, const char *text)
{
    const bool brief = r->python2 || r->protocol4;
    PUT(b, "");
    put_text(b, r->python2 ? "U" : r->protocol4 ? "\x8c" : "X");
    put_number(b, strlen(text), brief ? 1 : 4);
    put_text(b, text);
    if (r->protocol4)
        PUT(b, "\x94");
}

static void put_global(struct buffer *b, const struct recipe *r, const char *module,
                       const char *name)
{
    if (r->protocol4) {
        put_string(b, r, module);
        put_string(b, r, name);
        PUT(b, "\x93\x94");
        return;
    }
    PUT(b, "c");
    put_text(b, module);
    PUT(b, "\n");
    put_text(b, name);
    PUT(b, "\n");
}

static void put_int(struct buffer *b, uint64_t value)
{
    if (value < 1 << 16) {
        PUT(b, "M");
        put_number(b, value, 2);
    } else {
        PUT(b, "\x8a\x09");
        put_number(b, value, 8);
        PUT(b, "\0");
        if (value < (uint64_t)1 << 63) { /* fits 8 bytes with its sign */
            b->bytes[b->count - 10] = 8;
            b->count--;
        }
    }
}

/* One tensor as it is pickled: the kernel (number 2 conv) or bias (2 conv + 1) of a convolution. */
static void put_tensor(struct buffer *b, const struct recipe *r, int conv, bool bias)
{
    const uint64_t in = (uint64_t)vgg19_convs[conv].in, out = (uint64_t)vgg19_convs[conv].out;
    const uint64_t shape[4] = {out, in, 3, 3};
    const uint64_t rows[4] = {in * 9, 9, 3, 1}, hwio[4] = {1, out, in * out * 3, in * out};
    const bool first = conv == 0 && !bias;
    char key[16];
    if (r->parameter) {
        put_global(b, r, "torch._utils", "_rebuild_parameter");
        PUT(b, "(");
    }
    put_global(b, r, "torch._utils", r->python2 ? "_rebuild_tensor" : "_rebuild_tensor_v2");
    PUT(b, "((");
    put_string(b, r, "storage");
    put_global(b, r, "torch", type_names[r->type]);
    snprintf(key, sizeof key, "%d", 2 * conv + bias);
    put_string(b, r, first && r->unknown_key ? "nine" : key);
    put_string(b, r, "cuda:0");
    put_int(b, first && r->count ? r->count : bias ? out : out * in * 9);
    if (r->container == LEGACY)
        put_text(b, r->view ? "(U\1vK\1K\1t" : "N");
    PUT(b, "tQ");
    put_int(b, first ? r->offset : 0);
    if (first && r->shape)
        put_text(b, r->shape);
    else {
        PUT(b, "(");
        for (int i = 0; i < (bias ? 1 : 4); i++)
            put_int(b, shape[i]);
        PUT(b, "t(");
        for (int i = 0; i < (bias ? 1 : 4); i++)
            put_int(b, bias ? 1 : r->hwio ? hwio[i] : rows[i]);
        PUT(b, "t");
    }
    if (!r->python2) {
        PUT(b, "\x89");
        put_global(b, r, "collections", "OrderedDict");
        PUT(b, ")R");
    }
    PUT(b, "tR");
    if (r->parameter) {
        PUT(b, "\x88");
        put_global(b, r, "collections", "OrderedDict");
        PUT(b, ")RtR");
    }
}

static void put_item(struct buffer *b, const struct recipe *r, int conv, bool bias)
{
    char layer[64], name[80];
    snprintf(layer, sizeof layer, r->names ? r->names : "features.%d", place_of(conv));
    snprintf(name, sizeof name, "%s.%s", layer, bias ? "bias" : "weight");
    if (r->python2)
        PUT(b, "]");
    put_string(b, r, name);
    if (r->python2)
        PUT(b, "a");
    put_tensor(b, r, conv, bias);
    if (r->python2)
        PUT(b, "aa");
}

/* The state dict's pickle. */
static void put_object(struct buffer *b, const struct recipe *r)
{
    const int convs = r->convs ? r->convs : 1;
    put(b, r->protocol4 ? "\x80\x04" : "\x80\x02", 2);
    if (r->protocol4)
        PUT(b, "\x95\x10\0\0\0\0\0\0\0");
    if (r->nest) {
        PUT(b, "}");
        put_string(b, r, r->nest);
    }
    if (r->bare)
        PUT(b, "}(");
    else {
        put_global(b, r, "collections", "OrderedDict");
        put_text(b, r->python2 ? "(]" : ")R(");
    }
    if (r->extra)
        put_text(b, r->extra);
    for (int conv = 0; conv < convs; conv++)
        for (int bias = 0; bias < 2; bias++)
            put_item(b, r, conv, bias);
    if (r->twice)
        put_item(b, r, 0, false);
    put_text(b, r->python2 ? "tR" : "u");
    if (!r->bare && !r->python2) { /* OrderedDict's attributes */
        PUT(b, "}");
        put_string(b, r, "_metadata");
        PUT(b, "}sb");
    }
    if (r->nest)
        PUT(b, "s");
    PUT(b, ".");
}

static void put_value(struct buffer *b, const struct recipe *r, float value)
{
    uint32_t bits;
    uint64_t wide;
    const double exact = (double)value;
    memcpy(&bits, &value, sizeof bits);
    memcpy(&wide, &exact, sizeof wide);
    if (r->type == BF16 || r->type == F16) { /* truncated: the test allows for that */
        uint32_t exponent = bits >> 23 & 255, half = bits >> 16 & 0x8000;
        if (exponent > 112)
            half |= (exponent - 112) << 10 | (bits >> 13 & 0x3ff);
        wide = r->type == BF16 ? bits >> 16 : half;
    } else if (r->type == F32)
        wide = bits;
    const int bytes = type_bytes[r->type];
    if (r->big_endian)
        wide = __builtin_bswap64(wide) >> (64 - 8 * bytes);
    put_number(b, wide, bytes);
}

static void put_storage(struct buffer *b, const struct recipe *r, int conv, bool bias)
{
    const size_t in = (size_t)vgg19_convs[conv].in, out = (size_t)vgg19_convs[conv].out;
    const size_t count = bias ? out : 9 * in * out;
    for (size_t i = 0; i < count; i++) {
        size_t tap = i % 9, channel = i / 9 % in, o = i / 9 / in;
        size_t at = bias || r->hwio ? i : (tap * in + channel) * out + o;
        put_value(b, r, (float)value_at(bias ? conv + 16 : conv, at));
    }
    if (r->short_storage && conv == 0 && !bias)
        b->count -= 8;
}

struct zip {
    struct buffer *file, directory;
    int members;
};

static void add_member(struct zip *z, const struct recipe *r, const char *name,
                       const struct buffer *data)
{
    char path[80];
    const size_t start = z->file->count, pad = (64 - (start + 30 + strlen(name) + 8 + 4) % 64) % 64;
    snprintf(path, sizeof path, "new/%s", name);
    PUT(z->file, "PK\3\4\0\0\x08\x08\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0");
    put_number(z->file, strlen(path), 2);
    put_number(z->file, 4 + pad, 2);
    put_text(z->file, path);
    if (r->bad_header && z->members > 0)
        z->file->bytes[z->file->count - 1] ^= 1;
    PUT(z->file, "FB");
    put_number(z->file, pad, 2);
    for (size_t i = 0; i < pad; i++)
        PUT(z->file, "Z");
    put(z->file, data->bytes, data->count);
    PUT(z->file, "PK\7\x08\0\0\0\0\0\0\0\0\0\0\0\0");
    struct buffer *d = &z->directory;
    PUT(d, "PK\1\2\0\0\0\0\x08\x08");
    put_number(d, r->packed ? 8 : 0, 2);
    PUT(d, "\0\0\0\0\0\0\0\0");
    put_number(d, r->wide ? 0xffffffff : data->count, 4);
    put_number(d, r->wide ? 0xffffffff : data->count, 4);
    put_number(d, strlen(path), 2);
    put_number(d, r->wide ? 33 : 0, 2);
    PUT(d, "\0\0\0\0\0\0\0\0\0\0");
    put_number(d, r->wide ? 0xffffffff : start, 4);
    put_text(d, path);
    if (r->wide) {
        PUT(d, "\7\0\1\0x\1\0\x18\0");
        put_number(d, data->count, 8);
        put_number(d, data->count, 8);
        put_number(d, start, 8);
    }
    z->members++;
}

static void end_zip(struct zip *z, const struct recipe *r)
{
    const uint64_t start = z->file->count, size = z->directory.count;
    put(z->file, z->directory.bytes, z->directory.count);
    const uint64_t wide = z->file->count;
    PUT(z->file, "PK\6\6\x2c\0\0\0\0\0\0\0\x1e\3\x2d\0\0\0\0\0\0\0\0\0");
    put_number(z->file, (uint64_t)z->members, 8);
    put_number(z->file, (uint64_t)z->members, 8);
    put_number(z->file, size, 8);
    put_number(z->file, start, 8);
    PUT(z->file, "PK\6\7\0\0\0\0");
    put_number(z->file, wide, 8);
    PUT(z->file, "\1\0\0\0PK\5\6\0\0\0\0");
    put_number(z->file, r->wide ? 0xffff : (uint64_t)z->members, 2);
    put_number(z->file, r->wide ? 0xffff : (uint64_t)z->members, 2);
    put_number(z->file, r->wide ? 0xffffffff : size, 4);
    put_number(z->file, r->wide ? 0xffffffff : start, 4);
    PUT(z->file, "\0\0");
    free(z->directory.bytes);
}

static void add_text(struct zip *z, const struct recipe *r, const char *name, const char *text)
{
    struct buffer data = {0};
    put_text(&data, text);
    add_member(z, r, name, &data);
    free(data.bytes);
}

static void put_zip(struct buffer *file, const struct recipe *r, const struct buffer *object)
{
    struct zip z = {.file = file};
    if (!r->no_object)
        add_member(&z, r, "data.pkl", object);
    if (r->script)
        add_text(&z, r, "constants.pkl", "\x80\x02).");
    add_text(&z, r, "byteorder", r->odd_name ? "mixed" : r->big_endian ? "big" : "little");
    for (int i = 0; i < 2 * (r->convs ? r->convs : 1); i++) {
        char name[32];
        struct buffer data = {0};
        put_storage(&data, r, i / 2, i % 2);
        snprintf(name, sizeof name, "data/%d", i);
        add_member(&z, r, name, &data);
        if (r->twice && i == 0)
            add_member(&z, r, name, &data);
        free(data.bytes);
    }
    add_text(&z, r, "version", "3\n");
    end_zip(&z, r);
}

static const char legacy_front[] =
    "\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19.\x80\x02M\xe9\x03."
    "\x80\x02}(X\x0d\0\0\0little_endian\x88X\x0a\0\0\0type_sizes}(X\3\0\0\0intK\4uu.";

static void put_legacy(struct buffer *file, const struct recipe *r, const struct buffer *object)
{
    const int count = 2 * (r->convs ? r->convs : 1);
    put(file, legacy_front, sizeof legacy_front - 1);
    put(file, object->bytes, object->count);
    PUT(file, "\x80\x02](");
    if (r->key_twice)
        put_string(file, r, "1");
    for (int i = 0; i < count; i++) {
        char key[16];
        snprintf(key, sizeof key, "%d", i);
        put_string(file, r, key);
    }
    PUT(file, "e.");
    for (int i = r->key_twice ? -1 : 0; i < count; i++) {
        struct buffer data = {0};
        put_storage(&data, r, i < 0 ? 0 : i / 2, i < 0 || i % 2);
        put_number(file, data.count / (size_t)type_bytes[r->type], 8);
        put(file, data.bytes, data.count);
        free(data.bytes);
    }
}

static struct buffer make(const struct recipe *r)
{
    struct buffer file = {0}, object = {0};
    put_object(&object, r);
    if (r->container == ZIP)
        put_zip(&file, r, &object);
    else
        put_legacy(&file, r, &object);
    free(object.bytes);
    return file;
}

/* ---- reading them ---- */

/* From a copy that ends where its memory does. */
static int read_bytes(const unsigned char *bytes, size_t count, struct vgg19_weights *weights,
                      int *convention, struct error *err)
{
    unsigned char *copy = malloc(count);
    assert_non_null(copy);
    memcpy(copy, bytes, count);
    int status = torch_read((struct region){copy, count}, weights, convention, err);
    if (status != 0 && status != E_INPUT)
        print_error("%d: %s\n", status, err->message);
    assert_true(status == 0 || status == E_INPUT);
    assert_true(status == 0 || err->message[0]);
    free(copy);
    return status;
}

static void assert_made(const char *what, const struct recipe *r, double tolerance, int expected)
{
    struct buffer file = make(r);
    struct vgg19_weights weights;
    struct error err = {0};
    int convention = -1;
    assert_int_equal(vgg19_weights_init(&weights, r->convs ? r->convs : 1, &err), 0);
    int status = read_bytes(file.bytes, file.count, &weights, &convention, &err);
    print_message("%s: %zu bytes: %s\n", what, file.count, err.message);
    assert_int_equal(status, 0);
    assert_int_equal(convention, expected);
    assert_values(&weights, tolerance);
    vgg19_weights_release(&weights);
    free(file.bytes);
}

static void torch_reads_both_containers(void **state)
{
    (void)state;
    enum { AUTO = CONVENTION_AUTO };
    /* a float, a set, a size, a device, a negative number, a list in a tuple, a parameter's state
     */
    static const char other_values[] =
        "U\1pG\1\1\1\1\1\1\1\1U\1q\x8f(K\1K\2\x90U\1rctorch\nSize\n((K\1ttRU\1sctorch\ndevice\n("
        "U\3cputR"
        "U\1tJ\xff\xff\xff\xffU\1u](K\1e\x85U\1vctorch.nn.parameter\nParameter\n)\x81(K\1Ntb";
    static const struct {
        const char *what;
        struct recipe recipe;
        double tolerance;
    } files[] = {
        {"plain", {.convs = 3}, 0},
        {"half", {.type = F16}, 4.9e-4}, /* a last digit of 11 bits below 0.5, truncated */
        {"bfloat16", {.type = BF16}, 2e-3},
        {"double", {.type = F64}, 0},
        {"double, big-endian", {.type = F64, .big_endian = true}, 0},
        {"big-endian", {.big_endian = true}, 0},
        {"half, big-endian", {.type = F16, .big_endian = true}, 4.9e-4},
        {"python 2", {.python2 = true, .convs = 2}, 0},
        {"protocol 4", {.protocol4 = true, .convs = 2}, 0},
        {"64-bit zip", {.wide = true}, 0},
        {"a dict", {.bare = true}, 0},
        {"parameters", {.parameter = true}, 0},
        {"other strides", {.hwio = true, .convs = 2}, 0},
        {"nested", {.nest = "state_dict"}, 0},
        {"nested", {.nest = "model"}, 0},
        {"nested", {.nest = "model_state_dict"}, 0},
        {"prefixed", {.names = "module.features.%d"}, 0},
        {"other values", {.extra = other_values}, 0},
        {"features alone", {.names = "%d"}, 0},
        {"features of a name", {.names = "vgg.%d"}, 0},
        {"compiled", {.names = "_orig_mod.module.features.%d", .convs = 2}, 0},
        {"under any key", {.nest = "weights"}, 0},
        {"under any key", {.nest = "params_ema", .names = "model.vgg.features.%d"}, 0},
        {"foreign objects",
         {.extra = "U\1pcos\nsystem\n(U\1xtRU\1qcargparse\nNamespace\n)\x81}U\1aK\1sbU\1r"
                   "cnumpy\nscalar\nC\2ab\x85RU\1sccollections\ndefaultdict\n"
                   "c__builtin__\nlist\n\x85R(K\1K\2uU\1tcx\ny\n)}\x92]2a0U\1u(K\1\x91"},
         0},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct recipe r = files[i].recipe;
        assert_made(files[i].what, &r, files[i].tolerance, AUTO);
        r.container = LEGACY;
        if (!r.big_endian) /* legacy storages are always little-endian */
            assert_made(files[i].what, &r, files[i].tolerance, AUTO);
    }
    static const struct recipe gatys = {.names = "conv1_1"},
                               prefixed = {.container = LEGACY, .names = "module.conv1_1"};
    assert_made("gatys", &gatys, 0, CONVENTION_CAFFE);
    assert_made("gatys, prefixed", &prefixed, 0, CONVENTION_CAFFE);
}

/* Every binary16 number, and that bfloat16's bits are float's upper half. */
static void torch_converts_every_half(void **state)
{
    (void)state;
    struct recipe r = {.type = F16};
    struct error err = {0};
    struct vgg19_weights weights;
    struct buffer file = make(&r);
    assert_int_equal(vgg19_weights_init(&weights, 1, &err), 0);
    unsigned char *bias = NULL; /* 64 numbers: the value at index 0 of the bias is unique here */
    struct buffer data = {0};
    put_storage(&data, &r, 0, true);
    bias = memmem(file.bytes, file.count, data.bytes, data.count);
    assert_non_null(bias);
    for (uint32_t half = 0; half < 1 << 16; half++) {
        int convention;
        bias[2 * (half % 64)] = (unsigned char)half;
        bias[2 * (half % 64) + 1] = (unsigned char)(half >> 8);
        if (half % 64 != 63)
            continue;
        assert_int_equal(
            torch_read((struct region){file.bytes, file.count}, &weights, &convention, &err), 0);
        for (uint32_t i = 0; i < 64; i++) {
            uint32_t h = half - 63 + i;
            double exponent = h >> 10 & 31, digits = h & 1023;
            double size =
                exponent > 0 ? ldexp(1024 + digits, (int)exponent - 25) : ldexp(digits, -24);
            double expected = h & 0x8000 ? -size : size, got = (double)weights.bias[0][i];
            if (exponent == 31 && digits > 0)
                assert_true(isnan(got));
            else if (exponent == 31)
                assert_true(isinf(got) && (got < 0) == (h >> 15));
            else
                assert_true(got == expected && !!signbit(got) == (h >> 15));
        }
    }
    free(data.bytes);
    free(file.bytes);
    vgg19_weights_release(&weights);
}

static void assert_bytes_refused(const struct buffer *file, const char *says)
{
    struct vgg19_weights weights;
    struct error err = {0};
    int convention;
    assert_int_equal(vgg19_weights_init(&weights, 1, &err), 0);
    int status = read_bytes(file->bytes, file->count, &weights, &convention, &err);
    print_message("%s\n", err.message);
    assert_int_equal(status, E_INPUT);
    assert_non_null(strstr(err.message, says));
    assert_int_equal(read_bytes(file->bytes, file->count, &weights, &convention, &err), E_INPUT);
    assert_int_equal(
        torch_read((struct region){file->bytes, file->count}, &weights, &convention, NULL),
        E_INPUT);
    vgg19_weights_release(&weights);
}

static void torch_refuses_odd_files_and_says_why(void **state)
{
    (void)state;
    enum { both, zip, legacy };
    static const struct {
        int where;
        struct recipe recipe;
        const char *says;
    } cases[] = {
        {both, {.names = "conv1_2"}, "layer conv1_1 is missing"},
        {both,
         {.names = "layer%d"},
         "among its 2 tensors: 'layer0.weight' (64, 3, 3, 3), 'layer0.b"},
        {both, {.nest = "weights", .names = "n%d"}, "'weights.n0.weight' (64, 3, 3, 3)"},
        {both, {.shape = "(M\x40\1K\3K\3K\3t(K\x1bK\x09K\3K\1t"}, "got (320, 3, 3, 3)"},
        {both, {.shape = "(K\x40K\3K\3t(K\x1bK\x09K\3t"}, "expected shape (64, 3, 3, 3), got (64"},
        {both, {.shape = "(K\x40K\3K\3K\3t(K\x1bK\x09K\3t"}, "not described as PyTorch does"},
        {both, {.shape = "(K\x40K\3K\3K\3t(K\x1cK\x09K\3K\1t"}, "reach beyond the 1728"},
        {both,
         {.shape = "(K\x40K\3K\3K\3t(\x8a\x08\1\1\1\1\1\1\1\x7fK\x09K\3K\1t"},
         "layer conv1_1: kernel: its values reach beyond"},
        {both, {.shape = "(K\x40K\3K\3K\3t(J\xff\xff\xff\xffK\x09K\3K\1t"}, "not described as"},
        {both, {.shape = "(K\x40K\3K\3K\3K\1K\1K\1K\1K\1t)"}, "not described as PyTorch does"},
        {both, {.shape = "K\x40K\3"}, "not described as PyTorch does"},
        {both, {.offset = 1}, "layer conv1_1: kernel: its values reach beyond the 1728"},
        {both, {.offset = INT64_MAX}, "layer conv1_1: kernel: its values reach beyond"},
        {both, {.offset = (uint64_t)1 << 63}, "not described as PyTorch does"},
        {zip, {.count = 1727}, "its 1727 numbers need 4 bytes each, but 'data/0' has 6912"},
        {zip, {.count = INT64_MAX}, "layer conv1_1: kernel: its 9223372036854775807 numbers"},
        {zip, {.count = ((uint64_t)1 << 62) + 1728}, "numbers need 4 bytes each"},
        {zip, {.short_storage = true}, "'data/0' has 6904 bytes in all"},
        {legacy, {.count = 1727}, "a storage has 1728 numbers, but its tensors say 1727"},
        {legacy, {.count = INT64_MAX}, "but its tensors say 9223372036854775807"},
        {legacy, {.short_storage = true}, "a storage has 1726 numbers"},
        {both, {.count = (uint64_t)1 << 63}, "not described as PyTorch does"},
        {both, {.bare = true, .twice = true}, "layer conv1_1 has more than one kernel"},
        {zip, {.twice = true}, "two of its zip members have the same name"},
        {zip, {.packed = true}, "is compressed or encrypted"},
        {zip, {.bad_header = true}, "has another name in front of its data"},
        {zip, {.no_object = true}, "without a 'data.pkl'"},
        {zip, {.script = true}, "a TorchScript archive"},
        {zip, {.odd_name = true}, "neither little nor big"},
        {zip, {.unknown_key = true}, "kernel: its zip member 'data/nine' is missing"},
        {legacy, {.key_twice = true}, "its list of storages names one twice"},
        {both, {.extra = "]q\1h\2"}, "it uses value 2, which it has not named"},
        {both,
         {.extra = "U\1p(U\7storagectorch\nSize\nU\1kU\3cpuK\1NtQ"},
         "one of its storages is not described as PyTorch does"},
        {legacy, {.view = true}, "one of its storages is a view of another"},
        {legacy, {.unknown_key = true}, "names one that no tensor uses"},
        {both, {.extra = "X\1"}, "at byte"},
        {both, {.extra = "cos\nsystem\n"}, "it fills what is no such container"},
        {both, {.extra = "cos\nsystem\nK\1R"}, "it calls what is no function"},
        {both, {.extra = "cos\nsystem\n)b"}, "it gives a state to what has none"},
        {both, {.extra = "00000000000000"}, "it lacks a value"},
        {both, {.extra = "B\xff\xff\xff\xff"}, "it is truncated"},
        {both, {.extra = "iposix\nsystem\n"}, "instruction 0x69 is refused"},
        {both, {.extra = "K\1R"}, "it lacks a value"},
        {both, {.extra = "K\1K\2R"}, "it calls what is no function"},
        {both, {.extra = "K\1K\2Q"}, "not described as PyTorch does"},
        {both, {.extra = "h\x09"}, "it uses value 9, which it has not named"},
        {both, {.extra = "j\xff\xff\xff\xff"}, "which it has not named"},
        {both, {.extra = "K\1r\xff\xff\xff\x7f"}, "more than 1048576 values"},
        {both, {.extra = "tt"}, "it lacks a mark"},
        {both, {.extra = "K\1"}, "it fills what is no such container"},
        {both, {.extra = "K\1K\1b"}, "it gives a state to what has none"},
        {both, {.extra = "X\xff\xff\xff\xff"}, "it is truncated"},
        {both, {.extra = "\x8d\1\1\1\1\1\1\1\x80"}, "it is truncated"},
        {both, {.extra = "\x8a\xff"}, "at byte"},
        {both, {.extra = "\x80\x09"}, "protocol 9 is not known"},
        {both, {.extra = "."}, "it lacks a value"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        for (int container = ZIP; container <= LEGACY; container++) {
            struct recipe r = cases[i].recipe;
            if (cases[i].where != both && (cases[i].where == zip) != (container == ZIP))
                continue;
            if (cases[i].recipe.bare && cases[i].recipe.twice && container == ZIP)
                continue; /* its members are doubled too */
            r.container = (enum container)container;
            struct buffer file = make(&r);
            assert_bytes_refused(&file, cases[i].says);
            free(file.bytes);
        }
}

/* An older file whose object is these instructions. */
static struct buffer with_object(const struct buffer *object)
{
    struct buffer file = {0};
    put(&file, legacy_front, sizeof legacy_front - 1);
    put(&file, object->bytes, object->count);
    PUT(&file, "\x80\x02].");
    return file;
}

static void repeat(struct buffer *b, const char *text, size_t times)
{
    for (size_t i = 0; i < times; i++)
        put_text(b, text);
}

static void torch_survives_hostile_pickles(void **state)
{
    (void)state;
    enum { DEEP = 1000000 };
    static const struct {
        const char *front, *repeated;
        size_t times;
        const char *back, *says;
    } cases[] = {
        {"]q\1", "h\1a", 2, ".", "it holds no tensors by name"}, /* a list in itself */
        {"]q\1", "h\1a", 300000, ".", "it holds no tensors by name"},
        {"}q\1", "U\5modelh\1s", 1, ".", "it holds no tensors by name"},
        {"}q\1", "U\5modelh\1s", 2, ".", "it holds no tensors by name"},
        {"", "]", DEEP, ".", "values too many"},
        {"", "]", DEEP + 100000, ".", "more than 1048576 values"},
        {"", "(", DEEP + 100000, ".", "more than 1048576 values"},
        {"", "(", DEEP, "t.", "values too many"},
        {")", "\x85", DEEP, ".", "it holds no tensors by name"}, /* a tuple in a tuple in a tuple */
        {")", "\x85", DEEP + 100000, ".", "more than 1048576 values"},
        {"", "N", DEEP, ".", "values too many"},
        {"", "K\1\x94", DEEP, ".", "values too many"},
        {"]q\1", "(h\1h\1h\1h\1h\1h\1h\1h\1e", 300000, ".", "more than 1048576 values"},
        {"ccollections\nOrderedDict\nq\1(]", "]q\2h\2ah\2aa", 10, "tR.",
         "it holds no tensors by name"},
        {"", "ccollections\nOrderedDict\n)R", 200000, ".", "values too many"},
        {"", "}U\5model", 200000, "N.", "values too many"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct buffer object = {0};
        PUT(&object, "\x80\x02");
        put_text(&object, cases[i].front);
        repeat(&object, cases[i].repeated, cases[i].times);
        put_text(&object, cases[i].back);
        struct buffer file = with_object(&object);
        print_message("%s ...: ", cases[i].repeated);
        assert_bytes_refused(&file, cases[i].says);
        free(object.bytes);
        free(file.bytes);
    }
}

/* {'model': {'model': {'model': ... None}}} */
static void torch_survives_nested_dicts(void **state)
{
    (void)state;
    enum { DEEP = 200000 };
    struct buffer object = {0};
    PUT(&object, "\x80\x02");
    repeat(&object, "}U\5model", DEEP);
    PUT(&object, "N");
    repeat(&object, "s", DEEP);
    PUT(&object, ".");
    struct buffer file = with_object(&object);
    assert_bytes_refused(&file, "it holds no tensors by name");
    free(object.bytes);
    free(file.bytes);
}

/* A million copies of a list by its name: the values they stand for would fill any memory. */
static void torch_survives_memo_bombs(void **state)
{
    (void)state;
    struct buffer object = {0};
    PUT(&object, "\x80\x02"
                 "ccollections\nOrderedDict\nq\1](");
    repeat(&object, "]K\1aK\2a", 1000);
    PUT(&object, "e\x85q\2");
    for (int i = 0; i < 2000; i++)
        PUT(&object, "h\1h\2R");
    struct buffer file = with_object(&object);
    assert_bytes_refused(&file, "more than 1048576 values");
    free(object.bytes);
    free(file.bytes);
}

/* Zip directories that lie, by the offset of a field from the last "PK\1\2" or the end. */
static void torch_refuses_lying_zip_directories(void **state)
{
    (void)state;
    static const struct {
        const char *record;
        size_t field;
        int bytes;
        uint64_t value;
        bool wide;
    } lies[] = {
        {"PK\5\6", 16, 4, 0xfffffffe, false},    {"PK\5\6", 12, 4, 0xfffffff0, false},
        {"PK\5\6", 10, 2, 0xfffe, false},        {"PK\5\6", 16, 4, 0, false},
        {"PK\6\6", 48, 8, UINT64_MAX, true},     {"PK\6\6", 40, 8, (uint64_t)1 << 63, true},
        {"PK\6\6", 32, 8, UINT64_MAX, true},     {"PK\6\7", 8, 8, UINT64_MAX, true},
        {"PK\6\7", 8, 8, UINT64_MAX - 55, true},
    };
    for (size_t i = 0; i < sizeof lies / sizeof *lies; i++) {
        const struct recipe r = {.wide = lies[i].wide};
        struct buffer file = make(&r), number = {0};
        unsigned char *at = memmem(file.bytes, file.count, lies[i].record, 4);
        assert_non_null(at);
        put_number(&number, lies[i].value, lies[i].bytes);
        memcpy(at + lies[i].field, number.bytes, (size_t)lies[i].bytes);
        assert_bytes_refused(&file, "zip directory is damaged");
        free(file.bytes);
        free(number.bytes);
    }
    /* members: where their headers are, and how long they are */
    for (int member = 0; member < 3; member++)
        for (int field = 0; field < 6; field++) {
            static const size_t fields[] = {20, 24, 42, 28, 30, 10};
            const struct recipe r = {0};
            struct buffer file = make(&r);
            unsigned char *at = file.bytes;
            for (int i = 0; i <= member; i++, at += 4)
                at = memmem(at, file.count - (size_t)(at - file.bytes), "PK\1\2", 4);
            memset(at - 4 + fields[field], 0xf0, 2);
            assert_bytes_refused(&file, "zip");
            free(file.bytes);
        }
}

/* ---- damage ---- */

/* Loads only what is whole: numbers that it could not know are damaged may differ. */
static void assert_cut_anywhere_is_refused(const struct recipe *r)
{
    struct buffer file = make(r);
    struct vgg19_weights weights;
    struct error err = {0};
    int convention;
    assert_int_equal(vgg19_weights_init(&weights, 1, &err), 0);
    for (size_t cut = 1; cut < file.count; cut++) {
        if (read_bytes(file.bytes, cut, &weights, &convention, &err) != E_INPUT)
            print_error("loads when cut at %zu of %zu\n", cut, file.count);
        assert_int_equal(read_bytes(file.bytes, cut, &weights, &convention, &err), E_INPUT);
    }
    vgg19_weights_release(&weights);
    free(file.bytes);
}

static void torch_refuses_a_file_cut_anywhere(void **state)
{
    (void)state;
    static const struct recipe recipes[] = {{.type = F16},
                                            {.type = F16, .wide = true},
                                            {.type = F16, .container = LEGACY},
                                            {.container = LEGACY, .type = F16, .python2 = true}};
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++)
        assert_cut_anywhere_is_refused(&recipes[i]);
}

static void torch_survives_every_flipped_byte(void **state)
{
    (void)state;
    static const struct recipe recipes[] = {{.type = F16},
                                            {.type = F16, .protocol4 = true, .wide = true},
                                            {.container = LEGACY, .type = F16},
                                            {.container = LEGACY, .type = F16, .python2 = true}};
    static const unsigned char flips[] = {1, 2, 4, 8, 16, 32, 64, 128, 255, 0};
    size_t tries = 0, loaded = 0;
    for (size_t i = 0; i < sizeof recipes / sizeof *recipes; i++) {
        struct buffer file = make(&recipes[i]), object = {0};
        struct vgg19_weights weights;
        struct error err = {0};
        put_object(&object, &recipes[i]);
        const unsigned char *pickle = memmem(file.bytes, file.count, object.bytes, object.count);
        assert_int_equal(vgg19_weights_init(&weights, 1, &err), 0);
        for (size_t at = 0; at < file.count; at++)
            for (size_t flip = 0; flip < sizeof flips; flip++) {
                const unsigned char before = file.bytes[at];
                const bool inside =
                    file.bytes + at >= pickle && file.bytes + at < pickle + object.count;
                int convention;
                if (!inside && at > 200 && at + 1500 < file.count)
                    continue; /* numbers and padding */
                file.bytes[at] = flips[flip] ? before ^ flips[flip] : (unsigned char)~at;
                loaded += !read_bytes(file.bytes, file.count, &weights, &convention, &err);
                tries++;
                file.bytes[at] = before;
            }
        vgg19_weights_release(&weights);
        free(file.bytes);
        free(object.bytes);
    }
    print_message("%zu of %zu damaged files still load\n", loaded, tries);
}

/* ---- through weights_load ---- */

static void write_file(const char *path, const struct buffer *file)
{
    FILE *out = fopen(path, "wb");
    assert_non_null(out);
    assert_int_equal(fwrite(file->bytes, 1, file->count, out), file->count);
    assert_int_equal(fclose(out), 0);
}

static void torch_files_need_a_convention_unless_names_tell(void **state)
{
    (void)state;
    static const char path[] = "convention.pth";
    static const struct {
        const char *names;
        int given, status;
        const char *says;
    } cases[] = {
        {NULL, CONVENTION_AUTO, E_INPUT, "this PyTorch file does not tell which input it expects"},
        {NULL, CONVENTION_CAFFE, 0, "caffe"},
        {NULL, CONVENTION_TORCHVISION, 0, "torchvision"},
        {"conv1_1", CONVENTION_AUTO, 0, "caffe"},
        {"conv1_1", CONVENTION_CAFFE, 0, "caffe"},
        {"conv1_1", CONVENTION_TORCHVISION, 0, "torchvision"},
    };
    for (size_t i = 0; i < 2 * sizeof cases / sizeof *cases; i++) {
        const struct recipe r = {.names = cases[i / 2].names, .container = i % 2 ? LEGACY : ZIP};
        struct buffer file = make(&r);
        struct vgg19_weights weights;
        struct error err = {0};
        write_file(path, &file);
        int status = weights_load(path, cases[i / 2].given, 1, &weights, &err);
        print_message("%s\n", err.message);
        assert_int_equal(status, cases[i / 2].status);
        assert_non_null(strstr(status ? err.message : weights.convention, cases[i / 2].says));
        assert_true(status == 0 || strstr(err.message, path));
        if (!status) {
            assert_string_equal(weights.source, "PyTorch");
            if (cases[i / 2].given == CONVENTION_AUTO)
                assert_string_equal(weights.guessed, "the layers' names");
            else
                assert_null(weights.guessed);
            vgg19_weights_release(&weights);
        }
        free(file.bytes);
    }
    unlink(path);
}

static void torch_refuses_numbers_that_are_not_finite(void **state)
{
    (void)state;
    const struct recipe r = {.names = "conv1_1"};
    struct buffer file = make(&r), data = {0};
    struct vgg19_weights weights;
    struct error err = {0};
    put_storage(&data, &r, 0, true);
    unsigned char *bias = memmem(file.bytes, file.count, data.bytes, data.count);
    assert_non_null(bias);
    memset(bias + 63 * 4, 0xff, 4);
    write_file("nan.pth", &file);
    assert_int_equal(weights_load("nan.pth", CONVENTION_AUTO, 1, &weights, &err), E_INPUT);
    assert_non_null(strstr(err.message, "'nan.pth': layer conv1_1: value 63 of the bias is NaN"));
    unlink("nan.pth");
    free(file.bytes);
    free(data.bytes);
}

static void torch_refuses_bare_pickles_and_old_tars(void **state)
{
    (void)state;
    struct buffer tar = {0}, pickle = {0};
    struct vgg19_weights weights;
    struct error err = {0};
    PUT(&tar, "sys_info");
    while (tar.count < 257)
        PUT(&tar, "\0");
    PUT(&tar, "ustar\00000");
    write_file("old.pth", &tar);
    assert_int_equal(weights_load("old.pth", CONVENTION_AUTO, 1, &weights, &err), E_INPUT);
    assert_non_null(strstr(err.message, "'old.pth' is a tar archive of a PyTorch before 0.1.10"));
    PUT(&pickle, "\x80\x02}.");
    write_file("old.pth", &pickle);
    assert_int_equal(weights_load("old.pth", CONVENTION_AUTO, 1, &weights, &err), E_INPUT);
    assert_non_null(strstr(err.message, "'old.pth' is a Python pickle, but not as torch.save"));
    unlink("old.pth");
    free(tar.bytes);
    free(pickle.bytes);
}

/* ---- files that PyTorch saved ---- */

static void assert_same(const struct vgg19_weights *a, const struct vgg19_weights *b)
{
    assert_int_equal(a->convs, b->convs);
    for (int conv = 0; conv < a->convs; conv++) {
        assert_memory_equal(a->kernel[conv], b->kernel[conv], kernel_count(conv) * sizeof(float));
        assert_memory_equal(a->bias[conv], b->bias[conv],
                            (size_t)vgg19_convs[conv].out * sizeof(float));
    }
}

static void saved_files_give_the_numbers_of_keras(void **state)
{
    (void)state;
    static const char *const same[] = {
        "zip",
        "legacy",
        "protocol4",
        "protocol4-legacy",
        "double",
        "double-legacy",
        "nested",
        "parallel",
        "features",
        "strided",
        "sliced",
        "strided-legacy",
        "shared",
        "dict",
        "parameters",
        "gatys",
        "gatys-zip",
        "checkpoint",
        "checkpoint-legacy",
        "scalars",
        "lightning",
        "copies",
        "module",
        "module-legacy",
    };
    struct vgg19_weights keras, torch;
    struct error err = {0};
    assert_int_equal(weights_load("keras/published.h5", CONVENTION_AUTO, 4, &keras, &err), 0);
    for (size_t i = 0; i < sizeof same / sizeof *same; i++) {
        char path[80];
        snprintf(path, sizeof path, "torch/%s.pth", same[i]);
        int status = weights_load(path, CONVENTION_CAFFE, 4, &torch, &err);
        print_message("%s: %s\n", path, status ? err.message : "");
        assert_int_equal(status, 0);
        assert_same(&keras, &torch);
        vgg19_weights_release(&torch);
    }
    vgg19_weights_release(&keras);
}

static void saved_files_of_few_digits_are_near(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        float tolerance; /* half a last digit at 0.5 */
    } files[] = {{"torch/half.pth", 2.5e-4f}, {"torch/bfloat16.pth", 1e-3f}};
    struct vgg19_weights keras, torch;
    struct error err = {0};
    assert_int_equal(weights_load("keras/published.h5", CONVENTION_AUTO, 4, &keras, &err), 0);
    for (size_t f = 0; f < sizeof files / sizeof *files; f++) {
        assert_int_equal(weights_load(files[f].path, CONVENTION_CAFFE, 4, &torch, &err), 0);
        for (int conv = 0; conv < 4; conv++)
            for (size_t i = 0; i < kernel_count(conv); i++)
                assert_true(fabsf(torch.kernel[conv][i] - keras.kernel[conv][i]) <=
                            files[f].tolerance);
        vgg19_weights_release(&torch);
    }
    vgg19_weights_release(&keras);
}

static void saved_files_of_other_networks_are_refused_by_name(void **state)
{
    (void)state;
    static const struct {
        const char *path, *says;
    } files[] = {
        {"torch/vgg19_bn.pth", "a network with batch normalisation (vgg19_bn)"},
        {"torch/vgg16.pth", "it looks like VGG-16"},
        {"torch/adain.pth", "it looks like AdaIN's normalised VGG-19"},
        {"torch/script.pth", "it is a TorchScript archive"},
        {"torch/integers.pth", "layer conv1_1: kernel: its type is not floating-point"},
        {"torch/list.pth", "layer conv1_1 is missing: neither 'features.0.weight'"},
        {"torch/list.pth", "among its 8 tensors: '0' (64, 3, 3, 3), '1' (64), "},
        {"torch/nothing.pth", "it holds no tensors by name"},
        {"torch/nothing.pth", "its keys are 'epoch', 'args'"},
        {"torch/two.pth", "it holds 2 networks like VGG-19 with different numbers"},
        {"torch/two.pth", "below 'params.features', 'params_ema.features'"},
    };
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        struct vgg19_weights weights;
        struct error err = {0};
        int status = weights_load(files[i].path, CONVENTION_CAFFE, 1, &weights, &err);
        print_message("%s\n", err.message);
        assert_int_equal(status, E_INPUT);
        assert_non_null(strstr(err.message, files[i].path));
        assert_non_null(strstr(err.message, files[i].says));
    }
}

static void saved_files_lack_layers_that_were_not_saved(void **state)
{
    (void)state;
    struct vgg19_weights weights;
    struct error err = {0};
    assert_int_equal(weights_load("torch/zip.pth", CONVENTION_CAFFE, 5, &weights, &err), E_INPUT);
    assert_non_null(strstr(err.message, "layer conv3_1 is missing"));
}

/* ---- seeds for the fuzzer ---- */

static int write_seeds(const char *folder)
{
    static const struct {
        const char *name;
        struct recipe recipe;
    } seeds[] = {
        {"zip", {.type = F16}},
        {"zip-wide", {.type = F16, .wide = true, .protocol4 = true}},
        {"zip-big", {.type = BF16, .big_endian = true, .nest = "state_dict"}},
        {"zip-parameter", {.type = F16, .parameter = true, .names = "conv1_1"}},
        {"legacy", {.type = F16, .container = LEGACY}},
        {"legacy-python2", {.type = BF16, .container = LEGACY, .python2 = true}},
        {"legacy-strides",
         {.type = F16, .container = LEGACY, .hwio = true, .names = "module.features.%d"}},
        {"legacy-dict", {.type = F16, .container = LEGACY, .bare = true, .nest = "model"}},
        {"script", {.type = F16, .script = true}},
        {"stranger", {.type = F16, .container = LEGACY, .extra = "cos\nsystem\n"}},
    };
    for (size_t i = 0; i < sizeof seeds / sizeof *seeds; i++) {
        char path[512];
        struct buffer file = make(&seeds[i].recipe);
        snprintf(path, sizeof path, "%s/%s", folder, seeds[i].name);
        write_file(path, &file);
        free(file.bytes);
    }
    return 0;
}

int main(int count, char **words)
{
    const struct CMUnitTest made[] = {
        cmocka_unit_test(torch_reads_both_containers),
        cmocka_unit_test(torch_converts_every_half),
        cmocka_unit_test(torch_refuses_odd_files_and_says_why),
        cmocka_unit_test(torch_survives_hostile_pickles),
        cmocka_unit_test(torch_survives_nested_dicts),
        cmocka_unit_test(torch_survives_memo_bombs),
        cmocka_unit_test(torch_refuses_lying_zip_directories),
        cmocka_unit_test(torch_refuses_a_file_cut_anywhere),
        cmocka_unit_test(torch_survives_every_flipped_byte),
        cmocka_unit_test(torch_files_need_a_convention_unless_names_tell),
        cmocka_unit_test(torch_refuses_numbers_that_are_not_finite),
        cmocka_unit_test(torch_refuses_bare_pickles_and_old_tars),
    };
    const struct CMUnitTest saved[] = {
        cmocka_unit_test(saved_files_give_the_numbers_of_keras),
        cmocka_unit_test(saved_files_of_few_digits_are_near),
        cmocka_unit_test(saved_files_of_other_networks_are_refused_by_name),
        cmocka_unit_test(saved_files_lack_layers_that_were_not_saved),
    };
    if (count == 3 && strcmp(words[1], "seeds") == 0)
        return write_seeds(words[2]);
    if (count < 2)
        return cmocka_run_group_tests(made, NULL, NULL);
    return access("torch", F_OK) == 0 ? cmocka_run_group_tests(saved, NULL, NULL) : 77;
}
