/* Safetensors: a 64-bit little-endian number, so many bytes of JSON, then the values of all tensors
 * without holes:
 *
 *   {"__metadata__": {"format": "pt"},
 *    "features.0.weight": {"dtype": "F32", "shape": [64, 3, 3, 3], "data_offsets": [0, 6912]}, ...}
 *
 * The JSON is read by the parser below rather than by a library: the format allows one shape of it,
 * names are used where they stand, and a hostile header of 100 MB costs no tree of values.
 * What the reference refuses is refused. Source: safetensors/src/tensor.rs. */
#include "mapped.h"
#include "named.h"
#include "shards.h"
#include "tensor_file.h"
#include "weights.h"

#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

enum { MOST_HEADER = 100000000 };

/* ---- JSON, as much as a header may hold ---- */

struct text {
    const char *at;
    size_t length;
};

struct json {
    const char *start, *at, *end;
};

static int unexpected(const struct json *json, const char *expected, struct error *err)
{
    return fail(err, E_INPUT, "the header is damaged at byte %td: expected %s",
                json->at - json->start + 8, expected);
}

static void skip_space(struct json *json)
{
    while (json->at < json->end && *json->at && strchr(" \t\r\n", *json->at))
        json->at++;
}

/* Whether `mark` comes next; if so, goes past it. */
static bool accept(struct json *json, char mark)
{
    skip_space(json);
    if (json->at == json->end || *json->at != mark)
        return false;
    json->at++;
    return true;
}

static int expect(struct json *json, char mark, struct error *err)
{
    const char expected[4] = {'\'', mark, '\''};
    return accept(json, mark) ? 0 : unexpected(json, expected, err);
}

/* The text between the quotes, as it stands there; *escaped if it holds a backslash. */
static int take_text(struct json *json, struct text *text, bool *escaped, struct error *err)
{
    if (!accept(json, '"'))
        return unexpected(json, "a text", err);
    *escaped = false;
    const char *start = json->at;
    for (; json->at < json->end && *json->at != '"'; json->at++) {
        if ((unsigned char)*json->at < ' ')
            return unexpected(json, "no control character in a text", err);
        if (*json->at == '\\') {
            *escaped = true;
            if (++json->at == json->end)
                break;
        }
    }
    if (json->at == json->end)
        return unexpected(json, "the end of a text", err);
    *text = (struct text){start, (size_t)(json->at++ - start)};
    return 0;
}

/* A text that is a name: without escapes, so that equal names have equal bytes. */
static int take_name(struct json *json, struct text *text, struct error *err)
{
    bool escaped;
    int status = take_text(json, text, &escaped, err);
    if (!status && escaped)
        return fail(err, E_INPUT, "the header has a name with an escape sequence");
    return status;
}

static int take_number(struct json *json, uint64_t *number, struct error *err)
{
    skip_space(json);
    const char *start = json->at;
    uint64_t value = 0;
    for (; json->at < json->end && *json->at >= '0' && *json->at <= '9'; json->at++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*json->at - '0'), &value))
            return unexpected(json, "a number below 2^64", err);
    if (json->at == start || (*start == '0' && json->at > start + 1))
        return unexpected(json, "a whole number", err);
    *number = value;
    return 0;
}

static bool is(struct text text, const char *other)
{
    return text.length == strlen(other) && memcmp(text.at, other, text.length) == 0;
}

/* ---- tensors ---- */

/* Sizes are in bits: some types of 2025 have no whole bytes. Only the first four are read. */
static const struct {
    const char *name;
    unsigned bits;
} types[] = {
    [TENSOR_F32] = {"F32", 32},
    [TENSOR_F64] = {"F64", 64},
    [TENSOR_F16] = {"F16", 16},
    [TENSOR_BF16] = {"BF16", 16},
    {"BOOL", 8},
    {"U8", 8},
    {"I8", 8},
    {"F8_E5M2", 8},
    {"F8_E4M3", 8},
    {"F8_E8M0", 8},
    {"F8_E4M3FNUZ", 8},
    {"F8_E5M2FNUZ", 8},
    {"I16", 16},
    {"U16", 16},
    {"I32", 32},
    {"U32", 32},
    {"I64", 64},
    {"U64", 64},
    {"C64", 64},
    {"F4", 4},
    {"F6_E2M3", 6},
    {"F6_E3M2", 6},
};
enum { TYPES = sizeof types / sizeof *types, TYPES_READ = TENSOR_BF16 + 1 };

struct entry {
    struct text name;
    unsigned type; /* of types; TYPES: unknown */
    int rank;
    uint64_t shape[TENSOR_RANKS], values; /* values: the product of all sizes */
    uint64_t begin, end;
};

/* Owned: entries. */
struct header {
    struct entry *entries;
    size_t count, room;
};

static int take_shape(struct json *json, struct entry *entry, struct error *err)
{
    int status;
    bool overflow = false;
    TRY(expect(json, '[', err));
    entry->values = 1;
    if (accept(json, ']'))
        return 0;
    do {
        uint64_t size;
        TRY(take_number(json, &size, err));
        if (entry->rank < TENSOR_RANKS)
            entry->shape[entry->rank] = size;
        if (++entry->rank > 64)
            return fail(err, E_INPUT, "it has more than 64 dimensions");
        overflow |= __builtin_mul_overflow(entry->values, size, &entry->values);
    } while (accept(json, ','));
    TRY(expect(json, ']', err));
    if (overflow)
        return fail(err, E_INPUT, "its shape has more than 2^64 values");
done:
    return status;
}

static int take_type(struct json *json, struct entry *entry, struct error *err)
{
    struct text name;
    char text[NAMED_TEXT];
    int status = take_name(json, &name, err);
    if (status)
        return status;
    for (entry->type = 0; entry->type < TYPES; entry->type++)
        if (is(name, types[entry->type].name))
            return 0;
    named_text(name.at, name.length, text);
    return fail(err, E_INPUT, "unknown dtype '%s'", text);
}

static int take_offsets(struct json *json, struct entry *entry, struct error *err)
{
    int status;
    TRY(expect(json, '[', err));
    TRY(take_number(json, &entry->begin, err));
    TRY(expect(json, ',', err));
    TRY(take_number(json, &entry->end, err));
    TRY(expect(json, ']', err));
done:
    return status;
}

/* {"dtype": ..., "shape": ..., "data_offsets": ...}, each once, in any order. */
static int take_entry(struct json *json, struct entry *entry, struct error *err)
{
    static const struct {
        const char *key;
        int (*take)(struct json *json, struct entry *entry, struct error *err);
    } keys[] = {{"dtype", take_type}, {"shape", take_shape}, {"data_offsets", take_offsets}};
    enum { KEYS = sizeof keys / sizeof *keys };
    bool seen[KEYS] = {false};
    int status;
    TRY(expect(json, '{', err));
    for (int i = 0; i < KEYS; i++) {
        struct text key;
        size_t k = 0;
        if (i > 0)
            TRY(expect(json, ',', err));
        TRY(take_name(json, &key, err));
        TRY(expect(json, ':', err));
        while (k < KEYS && !is(key, keys[k].key))
            k++;
        if (k == KEYS || seen[k])
            return fail(err, E_INPUT, "expected a dtype, a shape and data_offsets, each once");
        seen[k] = true;
        TRY(keys[k].take(json, entry, err));
    }
    TRY(expect(json, '}', err));
done:
    return status;
}

/* {"key": "value", ...}: of no interest, but well-formed. */
static int skip_metadata(struct json *json, struct error *err)
{
    int status;
    TRY(expect(json, '{', err));
    if (accept(json, '}'))
        return 0;
    do {
        struct text text;
        bool escaped;
        TRY(take_text(json, &text, &escaped, err));
        TRY(expect(json, ':', err));
        TRY(take_text(json, &text, &escaped, err));
    } while (accept(json, ','));
    TRY(expect(json, '}', err));
done:
    return status;
}

static int in_tensor(struct text name, struct error *err)
{
    char text[NAMED_TEXT];
    named_text(name.at, name.length, text);
    return fail_context(err, "tensor '%s': ", text);
}

static int add_entry(struct header *header, const struct entry *entry, struct error *err)
{
    if (header->count == header->room) {
        size_t room = header->room ? 2 * header->room : 64;
        struct entry *entries = reallocarray(header->entries, room, sizeof *entries);
        if (!entries)
            return fail_errno(err, "not enough memory for %zu tensors", room);
        header->entries = entries;
        header->room = room;
    }
    header->entries[header->count++] = *entry;
    return 0;
}

static int take_header(struct json *json, struct header *header, struct error *err)
{
    int status;
    bool metadata = false;
    TRY(expect(json, '{', err));
    bool empty = accept(json, '}');
    while (!empty) {
        struct entry entry = {.type = TYPES};
        TRY(take_name(json, &entry.name, err));
        TRY(expect(json, ':', err));
        if (is(entry.name, "__metadata__")) {
            if (metadata)
                return fail(err, E_INPUT, "the header has __metadata__ twice");
            metadata = true;
            TRY(skip_metadata(json, err));
        } else {
            status = take_entry(json, &entry, err);
            if (status) {
                in_tensor(entry.name, err);
                return status;
            }
            TRY(add_entry(header, &entry, err));
        }
        if (!accept(json, ','))
            break;
    }
    if (!empty)
        TRY(expect(json, '}', err));
    skip_space(json);
    if (json->at < json->end)
        return unexpected(json, "nothing more", err);
done:
    return status;
}

/* ---- what the header promises ---- */

static int by_name(const void *a, const void *b)
{
    const struct text *x = &((const struct entry *)a)->name, *y = &((const struct entry *)b)->name;
    if (x->length != y->length)
        return x->length < y->length ? -1 : 1;
    return x->length ? memcmp(x->at, y->at, x->length) : 0;
}

static int by_offset(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->begin != y->begin)
        return x->begin < y->begin ? -1 : 1;
    return (x->end > y->end) - (x->end < y->end);
}

static int check_size(const struct entry *entry, struct error *err)
{
    uint64_t bits;
    if (__builtin_mul_overflow(entry->values, (uint64_t)types[entry->type].bits, &bits) ||
        bits % 8 != 0 || entry->end < entry->begin || entry->end - entry->begin != bits / 8)
        return fail(err, E_INPUT,
                    "%" PRIu64 " values of type %s do not fill bytes %" PRIu64 " to %" PRIu64,
                    entry->values, types[entry->type].name, entry->begin, entry->end);
    return 0;
}

/* The tensors fill the rest of the file, `bytes`, one after another. Sorts them. */
static int check_entries(struct header *header, size_t bytes, struct error *err)
{
    uint64_t at = 0;
    struct entry *const entries = header->entries;
    if (header->count > 1)
        qsort(entries, header->count, sizeof *entries, by_name);
    for (size_t i = 1; i < header->count; i++)
        if (by_name(&entries[i - 1], &entries[i]) == 0) {
            fail(err, E_INPUT, "it is there twice");
            return in_tensor(entries[i].name, err);
        }
    if (header->count > 1)
        qsort(entries, header->count, sizeof *entries, by_offset);
    for (size_t i = 0; i < header->count; i++) {
        int status = 0;
        if (entries[i].begin != at)
            status = fail(err, E_INPUT,
                          "its values begin at byte %" PRIu64 " where those before end at %" PRIu64,
                          entries[i].begin, at);
        else
            status = check_size(&entries[i], err);
        if (status)
            return in_tensor(entries[i].name, err);
        at = entries[i].end;
    }
    if (at != bytes)
        return fail(err, E_INPUT,
                    "it is truncated or damaged: the header promises %" PRIu64
                    " bytes of values, the file has %zu",
                    at, bytes);
    return 0;
}

/* ---- reading ---- */

static uint64_t little_endian(const unsigned char bytes[8])
{
    uint64_t value = 0;
    for (int i = 7; i >= 0; i--)
        value = value << 8 | bytes[i];
    return value;
}

static bool recognises(const unsigned char *start, size_t count)
{
    if (count < 9 || start[8] != '{')
        return false;
    uint64_t length = little_endian(start);
    return length >= 2 && length <= MOST_HEADER;
}

static int tensor_of(const struct entry *entry, struct region values, struct tensor *tensor,
                     struct error *err)
{
    if (entry->type >= TYPES_READ) {
        fail(err, E_INPUT, "dtype %s is none of F32, F16, BF16, F64", types[entry->type].name);
        return in_tensor(entry->name, err);
    }
    *tensor = (struct tensor){.type = (enum tensor_type)entry->type,
                              .rank = entry->rank < TENSOR_RANKS ? entry->rank : TENSOR_RANKS};
    for (int i = 0; i < entry->rank && i < TENSOR_RANKS; i++)
        tensor->shape[i] = entry->shape[i];
    tensor_row_major(tensor);
    if (!region_part(values, entry->begin, entry->end - entry->begin, &tensor->data))
        return fail(err, E_BUG, "a tensor that was checked lies outside its file");
    return 0;
}

struct safetensors {
    struct header header;
    struct region values;
};

static void close_file(void *file)
{
    struct safetensors *f = file;
    if (f)
        free(f->header.entries);
    free(f);
}

static int parse_file(struct region bytes, struct safetensors *f, struct error *err)
{
    struct region text;
    int status;
    uint64_t length = bytes.count >= 8 ? little_endian(bytes.bytes) : 0;
    if (length < 2 || length > MOST_HEADER || !region_part(bytes, 8, length, &text) ||
        text.bytes[0] != '{')
        return fail(err, E_INPUT,
                    "it is truncated or damaged: a header of %" PRIu64 " bytes in a file of %zu",
                    length, bytes.count);
    region_part(bytes, 8 + length, bytes.count - 8 - (size_t)length, &f->values);
    const char *start = (const char *)text.bytes;
    struct json json = {start, start, start + text.count};
    TRY(take_header(&json, &f->header, err));
    TRY(check_entries(&f->header, f->values.count, err));
done:
    return status;
}

static int open_file(struct region bytes, void **file, struct error *err)
{
    struct safetensors *f = calloc(1, sizeof *f);
    if (!f)
        return fail_errno(err, "not enough memory");
    int status = parse_file(bytes, f, err);
    if (status)
        close_file(f);
    else
        *file = f;
    return status;
}

static int list_file(const void *file, struct named_list *list, struct error *err)
{
    const struct safetensors *f = file;
    int status = 0;
    for (size_t i = 0; i < f->header.count && !status; i++) {
        const struct entry *e = &f->header.entries[i];
        struct named_entry entry = {
            .name = e->name.at, .length = e->name.length, .rank = e->rank, .file = file, .id = i};
        memcpy(entry.shape, e->shape, sizeof entry.shape);
        status = named_list_add(list, &entry, err);
    }
    return status;
}

static int tensor_of_file(const void *file, size_t id, struct tensor *out, struct error *err)
{
    const struct safetensors *f = file;
    return tensor_of(&f->header.entries[id], f->values, out, err);
}

const struct tensor_format tensor_format_safetensors = {
    .recognises = recognises,
    .open = open_file,
    .close = close_file,
    .list = list_file,
    .tensor = tensor_of_file,
};

int safetensors_read(struct region file, struct vgg19_weights *weights, int *convention,
                     struct error *err)
{
    return tensor_file_read(&tensor_format_safetensors, file, weights, convention, err);
}

static int read_safetensors(const char *path, struct vgg19_weights *weights, int *convention,
                            struct error *err)
{
    int status = mapped_read(path, safetensors_read, weights, convention, err);
    return status == E_INPUT ? shard_hint(path, err) : status;
}

const struct weight_reader weight_reader_safetensors = {
    .format = "safetensors",
    .guesses = "the layers' names",
    .recognises = recognises,
    .read = read_safetensors,
};
