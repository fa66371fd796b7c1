#include "layer_list.h"

#include "numbers.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "relu1_1:0.5" -> layer and weight; *weighted tells whether there was one. */
static int parse_entry(char *entry, struct layer *layer, double *weight, bool *weighted,
                       struct error *err)
{
    while (*entry == ' ')
        entry++;
    for (size_t n = strlen(entry); n > 0 && entry[n - 1] == ' '; n--)
        entry[n - 1] = 0;
    if (!*entry)
        return fail(err, E_INPUT, "a layer's name is missing between commas");
    char *colon = strchr(entry, ':');
    *weighted = colon != NULL;
    *weight = 1;
    if (colon) {
        *colon = 0;
        if (!number_parse(colon + 1, weight) || !(*weight > 0))
            return fail(err, E_INPUT, "the weight of layer '%s' must be a number > 0, got '%s'",
                        entry, colon + 1);
    }
    return layer_parse(entry, layer, err);
}

static int insert(struct layer_list *list, struct layer layer, double weight, struct error *err)
{
    int at = list->count;
    for (int i = 0; i < list->count; i++)
        if (layer_compare(list->layer[i], layer) == 0) {
            char name[LAYER_NAME];
            layer_name(layer, name);
            return fail(err, E_INPUT, "layer '%s' stands twice in the list", name);
        }
    for (; at > 0 && layer_compare(layer, list->layer[at - 1]) < 0; at--) {
        list->layer[at] = list->layer[at - 1];
        list->weight[at] = list->weight[at - 1];
    }
    list->layer[at] = layer;
    list->weight[at] = weight;
    list->count++;
    return 0;
}

/* Leaves weights alone that sum to 1 already, so that canonical text is stable. */
static int normalise(struct layer_list *list, struct error *err)
{
    double sum = 0;
    for (int i = 0; i < list->count; i++)
        sum += list->weight[i];
    if (fabs(sum - 1) > 1e-12)
        for (int i = 0; i < list->count; i++) {
            list->weight[i] /= sum;
            if (!(list->weight[i] > 0))
                return fail(err, E_INPUT,
                            "the weights of the layers are too large or too far apart");
        }
    return 0;
}

int layer_list_parse(const char *text, struct layer_list *out, struct error *err)
{
    int status = 0, weighted_count = 0;
    struct layer_list list = {0};
    char *copy = strdup(text), *rest = copy;
    if (!copy)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    if (copy[strspn(copy, " ")] == 0) {
        status = fail(err, E_INPUT, "the list is empty: a loss needs at least one layer");
        goto done;
    }
    for (char *entry; (entry = strsep(&rest, ","));) {
        struct layer layer;
        double weight;
        bool weighted = false;
        TRY(parse_entry(entry, &layer, &weight, &weighted, err));
        TRY(insert(&list, layer, weight, err));
        weighted_count += weighted;
    }
    if (weighted_count != 0 && weighted_count != list.count) {
        status = fail(err, E_INPUT, "give a weight to every layer or to none");
        goto done;
    }
    TRY(normalise(&list, err));
    *out = list;
done:
    free(copy);
    return status;
}

static bool equal_weights(const struct layer_list *list)
{
    for (int i = 1; i < list->count; i++)
        if (fabs(list->weight[i] - list->weight[0]) > 1e-12)
            return false;
    return true;
}

char *layer_list_format(const struct layer_list *list)
{
    size_t size = (size_t)list->count * (LAYER_NAME + NUMBER_TEXT + 2) + 1, used = 0;
    char *text = malloc(size);
    if (!text)
        return NULL;
    text[0] = 0;
    bool equal = equal_weights(list);
    for (int i = 0; i < list->count; i++) {
        char name[LAYER_NAME], number[NUMBER_TEXT] = "";
        layer_name(list->layer[i], name);
        if (!equal)
            number_format(list->weight[i], number);
        used += (size_t)snprintf(text + used, size - used, "%s%s%s%s", i ? "," : "", name,
                                 equal ? "" : ":", number);
    }
    return text;
}
