#include "shards.h"

#include "file_map.h"
#include "tensor_file.h"
#include "weights.h"

#include <errno.h>
#include <fcntl.h>
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MOST_SHARDS = 512, MOST_INDEX = 64 << 20 };

/* A file with tensors that may be ours. */
struct shard {
    const char *name; /* borrowed from the index */
    struct region bytes;
    void *file;
};

struct index {
    json_t *json;
    int folder;
    const struct tensor_format *format; /* of all shards */
    struct shard shards[MOST_SHARDS];
    size_t count;
    struct named_list list;
};

static void release(struct index *index)
{
    named_list_release(&index->list);
    for (size_t i = 0; i < index->count; i++) {
        if (index->shards[i].file)
            index->format->close(index->shards[i].file);
        file_unmap(&index->shards[i].bytes);
    }
    if (index->folder >= 0)
        close(index->folder);
    json_decref(index->json);
    free(index);
}

/* ---- the index ---- */

static int parse_index(struct region text, json_t **json, struct error *err)
{
    json_error_t wrong;
    if (text.count > MOST_INDEX)
        return fail(err, E_INPUT, "an index of %zu bytes is too large", text.count);
    *json = json_loadb((const char *)text.bytes, text.count, JSON_REJECT_DUPLICATES, &wrong);
    if (!*json)
        return fail(err, E_INPUT, "the index is damaged in line %d, column %d: %s", wrong.line,
                    wrong.column, wrong.text);
    if (!json_is_object(json_object_get(*json, "weight_map")))
        return fail(err, E_INPUT, "the index has no object 'weight_map'");
    return 0;
}

static int add_shard(struct index *index, const char *name, struct error *err)
{
    for (size_t i = 0; i < index->count; i++)
        if (strcmp(index->shards[i].name, name) == 0)
            return 0;
    if (!name[0] || strchr(name, '/') || strcmp(name, ".") == 0 || strcmp(name, "..") == 0)
        return fail(err, E_INPUT,
                    "the index names a file that is not beside it, which is "
                    "refused: '%.200s'",
                    name);
    if (index->count == MOST_SHARDS)
        return fail(err, E_INPUT, "the index names more than %d files", MOST_SHARDS);
    index->shards[index->count++].name = name;
    return 0;
}

/* The shards in question; without any, what is in the index instead. */
static int list_shards(struct index *index, struct error *err)
{
    const char *name;
    json_t *value;
    int status = 0;
    json_object_foreach(json_object_get(index->json, "weight_map"), name, value)
    {
        struct named_entry entry = {.name = name, .length = strlen(name)};
        if (!json_is_string(value))
            return fail(err, E_INPUT, "the index names no file for '%.200s'", name);
        if (named_is_ours(&entry))
            TRY(add_shard(index, json_string_value(value), err));
        else
            TRY(named_list_add(&index->list, &entry, err));
    }
    struct named_choice choice;
    if (index->count == 0)
        TRY(named_choose(&index->list, 1, &choice, err));
    index->list.count = 0;
done:
    return status;
}

/* ---- the shards ---- */

static int open_shard(struct index *index, struct shard *shard, struct error *err)
{
    static const struct tensor_format *const formats[] = {&tensor_format_safetensors,
                                                          &tensor_format_torch};
    const struct tensor_format *found = NULL;
    int status;
    if (faccessat(index->folder, shard->name, F_OK, 0) != 0 && errno == ENOENT)
        return fail(err, E_INPUT, "it is not beside the index: it belongs there");
    TRY(file_map(index->folder, shard->name, &shard->bytes, err));
    const size_t start = shard->bytes.count < WEIGHTS_START ? shard->bytes.count : WEIGHTS_START;
    for (size_t i = 0; i < sizeof formats / sizeof *formats && !found; i++)
        if (formats[i]->recognises(shard->bytes.bytes, start))
            found = formats[i];
    if (!found || (index->format && index->format != found))
        return fail(err, E_INPUT, "it is neither safetensors nor PyTorch's, as all shards must be");
    index->format = found;
    TRY(found->open(shard->bytes, &shard->file, err));
    TRY(found->list(shard->file, &index->list, err));
done:
    return status;
}

static int open_shards(struct index *index, struct error *err)
{
    for (size_t i = 0; i < index->count; i++) {
        int status = open_shard(index, &index->shards[i], err);
        if (status) {
            fail_context(err, "its file '%.200s': ", index->shards[i].name);
            return status;
        }
    }
    return 0;
}

int shards_read(const char *path, struct vgg19_weights *weights, int *convention, struct error *err)
{
    struct region text = {0};
    struct index *index = calloc(1, sizeof *index);
    int status, lost;
    if (!index)
        return fail_errno(err, "not enough memory");
    index->folder = -1;
    TRY(file_map(AT_FDCWD, path, &text, err));
    TRY(parse_index(text, &index->json, err));
    TRY(list_shards(index, err));
    TRY(file_folder(path, &index->folder, err));
    TRY(open_shards(index, err));
    TRY(tensors_read(index->format, &index->list, weights, convention, err));
done:
    lost = text.count ? file_map_whole(err) : 0;
    file_unmap(&text);
    release(index);
    return lost ? lost : status;
}

static bool recognises(const unsigned char *start, size_t count)
{
    static const char key[] = "\"weight_map\"";
    size_t at = 0;
    while (at < count && start[at] && strchr(" \t\r\n", start[at]))
        at++;
    return at < count && start[at] == '{' && memmem(start, count, key, sizeof key - 1);
}

const struct weight_reader weight_reader_shards = {
    .format = "sharded model",
    .guesses = "the layers' names",
    .recognises = recognises,
    .read = shards_read,
};

/* ---- one shard by itself ---- */

/* Where "-00001-of-00002" stands in a name; NULL: nowhere. */
static const char *number_in(const char *name, int *shards, const char **rest)
{
    for (const char *at = strchr(name, '-'); at; at = strchr(at + 1, '-')) {
        int shard, length = 0;
        if (sscanf(at, "-%5d-of-%5d%n", &shard, shards, &length) == 2 && length == 15) {
            *rest = at + length;
            return at;
        }
    }
    return NULL;
}

int shard_hint(const char *path, struct error *err)
{
    const char *slash = strrchr(path, '/'), *name = slash ? slash + 1 : path, *rest;
    int shards;
    const char *number = number_in(name, &shards, &rest);
    char why[sizeof err->message];
    if (!number || !err)
        return E_INPUT;
    snprintf(why, sizeof why, "%s", err->message);
    return fail(err, E_INPUT,
                "it is one of the %d files (shards) of a model: name the index "
                "beside them instead, "
                "'%.*s%s.index.json' (this one: %.300s)",
                shards, (int)(number - name), name, rest, why);
}
