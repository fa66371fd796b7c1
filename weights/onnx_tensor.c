/*   TensorProto   dims = 1, data_type = 2, float_data = 4, name = 8, raw_data = 9 (little-endian),
 *                 double_data = 10, data_location = 14
 *
 * Values may be in a file beside the model (external_data: location, offset, length), which PyTorch
 * does since 2.9. Only plain names in the model's folder are followed, and no links.
 * Source: onnx/onnx onnx/onnx.proto. */
#include "onnx_tensor.h"

#include "named.h"
#include "wire.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TENSOR_DIMS = 1, TENSOR_DATA_TYPE = 2, TENSOR_SEGMENT = 3, TENSOR_FLOATS = 4 };
enum { TENSOR_RAW = 9, TENSOR_DOUBLES = 10 };
enum { TENSOR_EXTERNAL = 13, TENSOR_LOCATION = 14, ENTRY_KEY = 1, ENTRY_VALUE = 2 };
enum { DATA_FLOAT = 1, DATA_FLOAT16 = 10, DATA_DOUBLE = 11, DATA_BFLOAT16 = 16 };

struct onnx_entry {
    struct region key, value;
};

static int add_to_entry(void *context, const struct wire_field *field, struct error *err)
{
    struct onnx_entry *entry = context;
    (void)err;
    if (wire_is(field, ENTRY_KEY, WIRE_BYTES))
        entry->key = field->bytes;
    else if (wire_is(field, ENTRY_VALUE, WIRE_BYTES))
        entry->value = field->bytes;
    return 0;
}

static int add_external(struct onnx_tensor *t, struct region message, struct error *err)
{
    struct onnx_entry entry = {0};
    int status = wire_each(message, add_to_entry, &entry, err);
    if (region_is(entry.key, "location"))
        t->location = entry.value;
    else if (region_is(entry.key, "offset"))
        t->from = entry.value;
    else if (region_is(entry.key, "length"))
        t->length = entry.value;
    return status;
}

static int add_to_tensor(void *context, const struct wire_field *field, struct error *err)
{
    struct onnx_tensor *t = context;
    t->external |= field->number == TENSOR_EXTERNAL ||
                   (wire_is(field, TENSOR_LOCATION, WIRE_VARINT) && field->value != 0);
    if (wire_is(field, TENSOR_EXTERNAL, WIRE_BYTES))
        return add_external(t, field->bytes, err);
    if (field->number == TENSOR_DIMS)
        return wire_integers(field, t->tensor.shape, TENSOR_RANKS, &t->rank, err);
    if (field->number == TENSOR_SEGMENT)
        return fail(err, E_INPUT, "it is stored in segments, which are not read");
    if (wire_is(field, TENSOR_DATA_TYPE, WIRE_VARINT))
        t->data_type = field->value;
    else if (wire_is(field, TENSOR_RAW, WIRE_BYTES)) {
        if (t->has_raw)
            return fail(err, E_INPUT, "it has raw_data twice");
        t->has_raw = true;
        t->raw = field->bytes;
    }
    return 0;
}

int onnx_tensor_parse(struct region message, struct onnx_tensor *t, struct error *err)
{
    *t = (struct onnx_tensor){0};
    int status = wire_each(message, add_to_tensor, t, err);
    t->tensor.rank = (int)t->rank;
    tensor_row_major(&t->tensor);
    return status;
}

/* Which number a tensor holds, and in which field if not raw; 0: only raw. */
static int set_type(struct onnx_tensor *t, uint32_t *field, struct error *err)
{
    static const struct {
        uint64_t data_type;
        enum tensor_type type;
        uint32_t field;
    } types[] = {
        {DATA_FLOAT, TENSOR_F32, TENSOR_FLOATS},
        {DATA_DOUBLE, TENSOR_F64, TENSOR_DOUBLES},
        {DATA_FLOAT16, TENSOR_F16, 0},
        {DATA_BFLOAT16, TENSOR_BF16, 0},
    };
    for (size_t i = 0; i < sizeof types / sizeof *types; i++)
        if (types[i].data_type == t->data_type) {
            t->tensor.type = types[i].type;
            *field = types[i].field;
            return 0;
        }
    return fail(err, E_INPUT,
                "its data_type %" PRIu64 " is none of FLOAT, DOUBLE, FLOAT16, BFLOAT16",
                t->data_type);
}

/* A whole number in digits; no text at all leaves it as it is. */
static bool whole_number(struct region text, uint64_t *number)
{
    uint64_t value = 0;
    for (size_t i = 0; i < text.count; i++)
        if (text.bytes[i] < '0' || text.bytes[i] > '9' ||
            __builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(text.bytes[i] - '0'), &value))
            return false;
    if (text.count)
        *number = value;
    return true;
}

static bool is_plain(struct region name)
{
    return name.count > 0 && name.count < 256 && !memchr(name.bytes, '/', name.count) &&
           !memchr(name.bytes, '\\', name.count) && !memchr(name.bytes, '\0', name.count) &&
           !region_is(name, ".") && !region_is(name, "..");
}

static int read_all(int file, unsigned char *bytes, size_t count, uint64_t from, struct error *err)
{
    struct stat info;
    if (fstat(file, &info) != 0)
        return fail_errno(err, "cannot read it");
    if (!S_ISREG(info.st_mode))
        return fail(err, E_INPUT, "it is not a regular file");
    if (from > (uint64_t)info.st_size || count > (uint64_t)info.st_size - from)
        return fail(err, E_INPUT,
                    "bytes %" PRIu64 " to %" PRIu64 " are needed, but it has only %lld", from,
                    from + count, (long long)info.st_size);
    for (size_t have = 0; have < count;) {
        ssize_t got = pread(file, bytes + have, count - have, (off_t)(from + have));
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0)
            return got ? fail_errno(err, "cannot read it")
                       : fail(err, E_INPUT, "it got shorter while it was read");
        have += (size_t)got;
    }
    return 0;
}

/* `count` bytes at `from` of the file of that name beside the model, into
 * memory of their own. */
static int read_beside(int folder, const char *name, size_t count, uint64_t from, void **copy,
                       struct error *err)
{
    int file = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOFOLLOW);
    if (file < 0)
        return errno == ENOENT ? fail(err, E_INPUT, "it is not beside the model: it belongs there")
               : errno == ELOOP
                   ? fail(err, E_INPUT, "it is a link, which is refused: copy the file")
                   : fail_errno(err, "cannot open it");
    *copy = malloc(count);
    int status =
        *copy ? read_all(file, *copy, count, from, err) : fail_errno(err, "not enough memory");
    close(file);
    return status;
}

static int read_external(int folder, struct onnx_tensor *t, uint64_t expected, void **copy,
                         struct error *err)
{
    char name[256], text[NAMED_TEXT];
    const uint64_t bytes = expected * tensor_type_bytes(t->tensor.type);
    uint64_t from = 0, length = bytes;
    named_text((const char *)t->location.bytes, t->location.count, text);
    if (!is_plain(t->location))
        return fail(err, E_INPUT,
                    "its values (external data) are in a file that is not beside "
                    "the model, which "
                    "is refused: '%s'",
                    text);
    if (!whole_number(t->from, &from) || !whole_number(t->length, &length) || length != bytes ||
        from > INT64_MAX - bytes)
        return fail(err, E_INPUT,
                    "its external data in '%s' should be %" PRIu64 " bytes, and is said to be "
                    "%" PRIu64 " from byte %" PRIu64 " on",
                    text, bytes, length, from);
    if (folder < 0)
        return fail(err, E_INPUT, "its values are in the file '%s' (external data)", text);
    memcpy(name, t->location.bytes, t->location.count);
    name[t->location.count] = '\0';
    int status = read_beside(folder, name, (size_t)bytes, from, copy, err);
    if (status)
        fail_context(err, "its values are in the file '%s': ", text);
    t->tensor.data = (struct region){*copy, (size_t)bytes};
    return status;
}

int onnx_tensor_find(int folder, struct region message, struct onnx_tensor *t, uint64_t expected,
                     void **copy, struct error *err)
{
    uint32_t field = 0;
    int status;
    TRY(set_type(t, &field, err));
    if (t->external)
        return read_external(folder, t, expected, copy, err);
    if (t->has_raw) {
        size_t width = tensor_type_bytes(t->tensor.type);
        if (t->raw.count % width != 0 || t->raw.count / width != expected)
            return fail(err, E_INPUT, "expected %" PRIu64 " bytes of raw_data, got %zu",
                        expected * width, t->raw.count);
        t->tensor.data = t->raw;
    } else if (field)
        return wire_values(message, field, tensor_type_bytes(t->tensor.type), expected,
                           &t->tensor.data, copy, err);
    else
        return fail(err, E_INPUT, "half-precision values are only read from raw_data");
done:
    return status;
}
