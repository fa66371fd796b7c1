#include "complaints_print.h"

#include <stdio.h>
#include <stdlib.h>

static int by_place(const void *a, const void *b)
{
    const struct complaint *one = *(const struct complaint *const *)a;
    const struct complaint *other = *(const struct complaint *const *)b;
    int difference = one->origin.line - other->origin.line;
    if (difference == 0)
        difference = one->origin.column - other->origin.column;
    return difference ? difference : one < other ? -1 : one > other;
}

void complaints_print(const struct complaints *complaints)
{
    const struct complaint *sorted[COMPLAINTS_MAX];
    size_t told = 0;
    for (size_t i = 0; i < complaints->count; i++) {
        sorted[i] = &complaints->list[i];
        told += 1 + complaints->list[i].repeats;
    }
    qsort(sorted, complaints->count, sizeof *sorted, by_place);
    for (size_t i = 0; i < complaints->count; i++) {
        char *text = complaint_text(sorted[i]);
        fprintf(stderr, "%s\n", text ? text : "not enough memory");
        free(text);
    }
    size_t all = complaints->errors + complaints->notes;
    if (all > told)
        fprintf(stderr, "%s: and %zu more\n", complaints->file, all - told);
}
