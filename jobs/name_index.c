/* Open addressing with linear probing over a power of two of slots, at most half of them taken.
 * A slot holds a number + 1; 0 is free. */
#include "name_index.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

/* FNV-1a, 64 bits, with a last mix: slots are the low bits. */
static uint64_t hash(const char *name)
{
    uint64_t h = UINT64_C(0xcbf29ce484222325);
    for (; *name; name++)
        h = (h ^ (unsigned char)*name) * UINT64_C(0x100000001b3);
    return h ^ (h >> 32);
}

/* The slot that holds the name, or the free one where it would go. */
static size_t slot_of(const struct name_index *index, const char *name)
{
    size_t mask = index->slot_count - 1, at = (size_t)hash(name) & mask;
    while (index->slots[at] && strcmp(index->names[index->slots[at] - 1], name) != 0)
        at = (at + 1) & mask;
    return at;
}

bool name_index_find(const struct name_index *index, const char *name, size_t *value)
{
    if (index->slot_count == 0)
        return false;
    size_t found = index->slots[slot_of(index, name)];
    if (found)
        *value = index->values[found - 1];
    return found != 0;
}

static int grow(struct name_index *index, struct error *err)
{
    size_t slot_count = index->slot_count ? 2 * index->slot_count : 64;
    size_t *slots = calloc(slot_count, sizeof *slots);
    char **names = realloc(index->names, slot_count / 2 * sizeof *names);
    if (names)
        index->names = names;
    size_t *values = realloc(index->values, slot_count / 2 * sizeof *values);
    if (values)
        index->values = values;
    if (!slots || !names || !values) {
        free(slots);
        return fail(err, E_ENVIRONMENT, "not enough memory");
    }
    free(index->slots);
    index->slots = slots;
    index->slot_count = slot_count;
    for (size_t i = 0; i < index->count; i++)
        slots[slot_of(index, names[i])] = i + 1;
    return 0;
}

int name_index_put(struct name_index *index, const char *name, size_t value, size_t *first,
                   bool *is_new, struct error *err)
{
    *is_new = false;
    if (name_index_find(index, name, first))
        return 0;
    if (index->count >= index->slot_count / 2) {
        int status = grow(index, err);
        if (status != 0)
            return status;
    }
    char *copy = strdup(name);
    if (!copy)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    size_t slot = slot_of(index, name);
    index->names[index->count] = copy;
    index->values[index->count++] = value;
    index->slots[slot] = index->count;
    *first = value;
    *is_new = true;
    return 0;
}

int name_index_add(struct name_index *index, const char *name, size_t *number, bool *is_new,
                   struct error *err)
{
    return name_index_put(index, name, index->count, number, is_new, err);
}

void name_index_release(struct name_index *index)
{
    for (size_t i = 0; i < index->count; i++)
        free(index->names[i]);
    free(index->names);
    free(index->values);
    free(index->slots);
    *index = (struct name_index){0};
}
