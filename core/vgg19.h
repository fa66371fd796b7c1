/* VGG-19's shape and layer names, and the weights that fill it.
 * Source: Simonyan & Zisserman 2014, configuration E. */
#ifndef ATELIER_VGG19_H
#define ATELIER_VGG19_H

#include "digest.h"
#include "error.h"
#include <stdbool.h>
#include <stddef.h>

enum { VGG19_CONVS = 16, VGG19_BLOCKS = 5 };

struct vgg19_conv {
    int block, index; /* both from 1: conv4_2 is block 4, index 2 */
    int in, out;      /* channels */
    bool pooled;      /* a 2x2 pooling follows */
};
extern const struct vgg19_conv vgg19_convs[VGG19_CONVS];

/* A place in the network a loss can look at. */
enum layer_kind { LAYER_CONV, LAYER_RELU, LAYER_POOL };
struct layer {
    int conv; /* 0..15: the convolution it belongs to */
    enum layer_kind kind;
};

/* "relu4_2", "block4_conv2" (the same tensor), "conv4_2" (before ReLU), "pool4", "block4_pool".
 * Errors: E_INPUT with the nearest names. */
int layer_parse(const char *name, struct layer *out, struct error *err);

/* The canonical name: relu4_2, conv4_2, pool4. */
enum { LAYER_NAME = 16 };
void layer_name(struct layer layer, char name[LAYER_NAME]);

/* Every spelling of the layers' names in turn: of the layer that belongs to a convolution, false
 * where it has none, as only five are pooled. */
enum { LAYER_SPELLINGS = 5 };
bool layer_spelling(int spelling, int conv, char name[LAYER_NAME]);

/* < 0, 0, > 0: a comes before, is, or comes after b in the network. */
int layer_compare(struct layer a, struct layer b);

/* Channels of the layer. */
int layer_channels(struct layer layer);

/* Size of the layer's feature map for a picture of height x width: poolings floor. */
void layer_size(struct layer layer, int height, int width, int *layer_height, int *layer_width);

/* Weights of the first `convs` convolutions, for RGB input in 0..255 minus `mean`: whatever else
 * a file's convention asks for (channel order, scale) is folded into the first kernel.
 * kernel[i] is [3][3][in][out], a cross-correlation; bias[i] is [out].
 * digest is the SHA-256 of the numbers as they were read, before anything is folded: kernels and
 * biases in turn, little-endian float32, of all 16 convolutions whatever `convs` is (of those
 * loaded, where a file has not all 16). With `convention` it says which network this is. That
 * of untrained filters is of the text "builtin:SEED", the name they had first.
 * Owned: everything is freed by vgg19_weights_release. */
struct vgg19_weights {
    int convs;
    float *kernel[VGG19_CONVS];
    float *bias[VGG19_CONVS];
    float mean[3];           /* R, G, B */
    char source[64];         /* what it is: "builtin", "random:0", "Keras HDF5" */
    char convention[16];     /* "caffe", "torchvision" */
    const char *guessed;     /* what told it, if only a guess: "the layers' names"; else NULL */
    bool by_shape;           /* which tensor is which layer, too, is a guess: by shapes and order */
    char digest[DIGEST_HEX]; /* of the numbers of all 16 layers: the same in every container */
};

/* Allocates kernels and biases of the first `convs` convolutions, uninitialised. */
int vgg19_weights_init(struct vgg19_weights *weights, int convs, struct error *err);
void vgg19_weights_release(struct vgg19_weights *weights);

#endif
