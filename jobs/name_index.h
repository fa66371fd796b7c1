/* Texts and a number for each, in the order they first come: a hash table. */
#ifndef ATELIER_NAME_INDEX_H
#define ATELIER_NAME_INDEX_H

#include "error.h"
#include <stdbool.h>
#include <stddef.h>

/* Zero-initialised. Owned: name_index_release. */
struct name_index {
    size_t count;
    char **names; /* in order */
    size_t *values;
    size_t *slots;
    size_t slot_count;
};

/* Keeps `value` for a text that is new (*is_new); *first is the value kept for it in any case.
 * Cost: constant on average. Errors: E_ENVIRONMENT. */
int name_index_put(struct name_index *index, const char *name, size_t value, size_t *first,
                   bool *is_new, struct error *err);

/* The same, with the number of earlier texts as the value: 0, 1, 2, ... */
int name_index_add(struct name_index *index, const char *name, size_t *number, bool *is_new,
                   struct error *err);

/* Whether a text is there, and its value. */
bool name_index_find(const struct name_index *index, const char *name, size_t *value);

void name_index_release(struct name_index *index);

#endif
