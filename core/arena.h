/* One allocation laid out beforehand: the same code runs once to measure and once to hand out. */
#ifndef ATELIER_ARENA_H
#define ATELIER_ARENA_H

#include <stddef.h>

/* base is NULL while measuring; used counts up either way. */
struct arena {
    char *base;
    size_t used;
};

/* The next `bytes`, aligned to a cache line; NULL while measuring. */
static inline void *arena_take(struct arena *arena, size_t bytes)
{
    void *here = arena->base ? arena->base + arena->used : NULL;
    arena->used += (bytes + 63) / 64 * 64;
    return here;
}

#endif
