/* The convolutions of an ONNX graph: where their values come from, and which one takes what another
 * has made. Only onnx*.c use this.
 * Errors: E_INPUT; E_ENVIRONMENT without memory. Source: onnx/onnx onnx/onnx.proto. */
#ifndef ATELIER_ONNX_GRAPH_H
#define ATELIER_ONNX_GRAPH_H

#include "named.h"
#include "wire.h"

/* In the order of the graph, which is that of computation. All is borrowed from the file. */
struct onnx_conv {
    struct region name[NAMED_PARTS];   /* of kernel and bias; empty: it has none */
    struct region tensor[NAMED_PARTS]; /* their TensorProtos; NULL: there is none of that name */
    bool twice[NAMED_PARTS];           /* there are two */
    struct region input, output;
    bool added; /* the bias is, behind the node */
    bool odd;   /* the node has no kernel, or too many inputs */
    int from;   /* the convolution that its input comes from, with no batch normalisation between;
                 * -1: none */
};

struct onnx_graph {
    struct onnx_conv *convs;
    int count;
    int normalised_after; /* so many convolutions a batch normalisation stands; -1: there is none */
};

/* `model`: the file. *graph is {0} where it has no graph. Owned: onnx_graph_release. */
int onnx_graph_read(struct region model, struct onnx_graph *graph, struct error *err);
void onnx_graph_release(struct onnx_graph *graph);

#endif
