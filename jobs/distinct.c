#include "distinct.h"

#include <math.h>
#include <stdlib.h>

bool distinct_has(const struct run_column *column, size_t run)
{
    return column->texts ? column->texts[run] != NULL : !isnan(column->numbers[run]);
}

/* Texts are kept once each, so equal ones have one address. */
bool distinct_same(const struct run_column *column, size_t a, size_t b)
{
    return column->texts ? column->texts[a] == column->texts[b]
                         : column->numbers[a] == column->numbers[b];
}

struct entry {
    double number;
    const char *text;
    size_t run;
};

static int by_value(const void *a, const void *b)
{
    const struct entry *x = a, *y = b;
    if (x->number != y->number)
        return x->number < y->number ? -1 : 1;
    if (x->text != y->text)
        return (uintptr_t)x->text < (uintptr_t)y->text ? -1 : 1;
    return (x->run > y->run) - (x->run < y->run);
}

static int by_run(const void *a, const void *b)
{
    size_t x = *(const size_t *)a, y = *(const size_t *)b;
    return (x > y) - (x < y);
}

/* Runs that have a value, equal values side by side, each group's first run first. */
static size_t sort_entries(const struct runs *runs, const struct run_column *column,
                           struct entry *entries)
{
    size_t count = 0;
    for (size_t run = 0; run < runs->count; run++)
        if (distinct_has(column, run))
            entries[count++] = (struct entry){column->numbers ? column->numbers[run] : 0,
                                              column->texts ? column->texts[run] : NULL, run};
    qsort(entries, count, sizeof *entries, by_value);
    return count;
}

static void find_examples(const struct run_column *column, const struct entry *entries,
                          size_t count, struct distinct *out)
{
    for (size_t i = 0; i < count; i++)
        if (i == 0 || !distinct_same(column, entries[i - 1].run, entries[i].run))
            out->example[out->count++] = entries[i].run;
    if (column->texts)
        qsort(out->example, out->count, sizeof *out->example, by_run);
}

/* Gives each run the number of its value; of_run serves to find an example's number first. */
static void number_runs(const struct run_column *column, const struct entry *entries, size_t count,
                        struct distinct *out)
{
    for (size_t value = 0; value < out->count; value++)
        out->of_run[out->example[value]] = value;
    for (size_t i = 0, first = 0; i < count; i++) {
        if (!distinct_same(column, entries[first].run, entries[i].run))
            first = i;
        size_t value = out->of_run[entries[first].run];
        out->of_run[entries[i].run] = value;
        out->runs[value]++;
    }
}

int distinct_find(const struct runs *runs, const struct run_column *column, struct distinct *out,
                  struct error *err)
{
    struct entry *entries = malloc((runs->count + 1) * sizeof *entries);
    *out = (struct distinct){.of_run = malloc((runs->count + 1) * sizeof *out->of_run),
                             .example = malloc((runs->count + 1) * sizeof *out->example),
                             .runs = calloc(runs->count + 1, sizeof *out->runs)};
    if (!entries || !out->of_run || !out->example || !out->runs) {
        free(entries);
        distinct_release(out);
        return fail(err, E_ENVIRONMENT, "not enough memory for the values of '%s'", column->name);
    }
    size_t count = sort_entries(runs, column, entries);
    find_examples(column, entries, count, out);
    for (size_t run = 0; run < runs->count; run++)
        out->of_run[run] = out->count;
    number_runs(column, entries, count, out);
    free(entries);
    return 0;
}

void distinct_release(struct distinct *distinct)
{
    free(distinct->of_run);
    free(distinct->example);
    free(distinct->runs);
    *distinct = (struct distinct){0};
}
