/* A list of layers with weights, as content_layers and style_layers hold it. */
#ifndef ATELIER_LAYER_LIST_H
#define ATELIER_LAYER_LIST_H

#include "error.h"
#include "vgg19.h"

enum { LAYERS_MAX = 2 * VGG19_CONVS + VGG19_BLOCKS };

/* In network order, each layer at most once, weights above 0 that sum to 1. */
struct layer_list {
    int count;
    struct layer layer[LAYERS_MAX];
    double weight[LAYERS_MAX];
};

/* "relu4_2", "relu1_1:0.5, block2_conv1:1.5": weights for all layers or for none (then equal).
 * Errors: E_INPUT: no layer, an unknown one (with the nearest names), one named twice, a weight
 * that is not a number above 0. */
int layer_list_parse(const char *text, struct layer_list *out, struct error *err);

/* Canonical text, "relu1_1:0.25,relu2_1:0.75", without weights where all are equal; parsing it
 * gives the same list. Caller frees; NULL when memory is out. */
char *layer_list_format(const struct layer_list *list);

#endif
