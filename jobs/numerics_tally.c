#include "numerics_tally.h"

#include "hdf5_util.h"
#include "result.h"
#include <stdlib.h>
#include <string.h>

static struct numerics_kind *find_kind(const struct numerics_tally *tally, const char *precision,
                                       const char *numerics)
{
    for (size_t i = 0; i < tally->count; i++)
        if (strcmp(tally->kinds[i].precision, precision) == 0 &&
            strcmp(tally->kinds[i].numerics, numerics) == 0)
            return &tally->kinds[i];
    return NULL;
}

static int add_kind(struct numerics_tally *tally, const char *precision, const char *numerics,
                    struct error *err)
{
    struct numerics_kind kind = {strdup(precision), strdup(numerics), 1};
    struct numerics_kind *kinds =
        reallocarray(tally->kinds, tally->count + 1, sizeof *tally->kinds);
    if (kinds)
        tally->kinds = kinds;
    if (!kinds || !kind.precision || !kind.numerics) {
        free(kind.precision);
        free(kind.numerics);
        return fail(err, E_ENVIRONMENT, "not enough memory");
    }
    tally->kinds[tally->count++] = kind;
    return 0;
}

int numerics_tally_add(struct numerics_tally *tally, const struct hdf5_attributes *attributes,
                       struct error *err)
{
    const char *precision = hdf5_attributes_find(attributes, "precision");
    const char *numerics = hdf5_attributes_find(attributes, "numerics");
    precision = precision ? precision : "";
    numerics = numerics ? numerics : "";
    tally->continued += hdf5_attributes_find(attributes, NUMERICS_BEFORE) != NULL;
    struct numerics_kind *kind = find_kind(tally, precision, numerics);
    if (!kind)
        return add_kind(tally, precision, numerics, err);
    kind->results++;
    return 0;
}

void numerics_tally_release(struct numerics_tally *tally)
{
    for (size_t i = 0; i < tally->count; i++) {
        free(tally->kinds[i].precision);
        free(tally->kinds[i].numerics);
    }
    free(tally->kinds);
    *tally = (struct numerics_tally){0};
}

bool numerics_tally_mixed(const struct numerics_tally *tally)
{
    for (size_t i = 0; i < tally->count; i++)
        for (size_t j = 0; j < i; j++)
            if (strcmp(tally->kinds[i].precision, tally->kinds[j].precision) == 0)
                return true;
    return tally->continued > 0;
}
