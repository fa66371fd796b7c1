/* Texts numbered in the order they first come: a hash table. */
#ifndef ATELIER_NAME_INDEX_H
#define ATELIER_NAME_INDEX_H

#include "error.h"
#include <stdbool.h>
#include <stddef.h>

/* Zero-initialised. Owned: name_index_release. */
struct name_index {
    size_t count;
    char **names; /* in order */
    size_t *slots;
    size_t slot_count;
};

/* The number of a text; *is_new when it was not there before. Cost: constant on average.
 * Errors: E_ENVIRONMENT. */
int name_index_add(struct name_index *index, const char *name, size_t *number, bool *is_new,
                   struct error *err);

/* Whether a text is there, and its number. */
bool name_index_find(const struct name_index *index, const char *name, size_t *number);

void name_index_release(struct name_index *index);

#endif
