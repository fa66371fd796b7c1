/* Which convolutions of an ONNX graph are VGG-19's. Only onnx.c uses this. */
#ifndef ATELIER_ONNX_CHOICE_H
#define ATELIER_ONNX_CHOICE_H

#include "onnx_graph.h"

/* VGG-19's convolutions, first to last, by their numbers in the graph. */
struct onnx_chain {
    int conv[VGG19_CONVS];
};

/* All chains of at least `convs` convolutions with VGG-19's shapes each of which takes what the one
 * before it has made, one of each set of tensors; else the convolutions in the order of the graph,
 * if all there are fit; else, as a guess (*by_shape), the only 16 after one another that fit. Fewer
 * than eight are only taken where there are no others: VGG-16 begins like that.
 * *count is 1 or more; the chains are the caller's to free. Errors: E_INPUT with what is there
 * instead, E_ENVIRONMENT. */
int onnx_choose(const struct onnx_graph *graph, int convs, struct onnx_chain **chains, int *count,
                bool *by_shape, struct error *err);

#endif
