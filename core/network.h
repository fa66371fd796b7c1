/* VGG-19's convolutions as a function of a picture, forward and backward.
 *
 * A `struct network` is the weights, prepared once; it knows no picture size and is shared by
 * passes. A `struct network_pass` is the buffers and the convolutions' plans for pictures of one
 * size.
 *
 * Memory: forward-only passes hold two working buffers and a strip of the first block. A pass that
 * goes backward also keeps, per convolution, a bit an element of ReLU mask, two bits an element of
 * max-pooling choices, and the features of tapped layers but a large relu1_1; nothing else. */
#ifndef ATELIER_NETWORK_H
#define ATELIER_NETWORK_H

#include "conv.h"
#include "error.h"
#include "vgg19.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct network;

/* Convolutions to prepare so that every listed layer is reached. */
int network_convs(const struct layer *layers, int count);

/* Prepares the first weights->convs convolutions. pooling is POOLING_MAX or POOLING_AVG.
 * arithmetic must not be missing (conv_missing).
 * weights may be released afterwards. Owned: network_free. */
int network_new(const struct vgg19_weights *weights, int pooling, enum arithmetic arithmetic,
                enum saving saving, struct network **network, struct error *err);
void network_free(struct network *network);
size_t network_bytes(int convs, enum arithmetic arithmetic, enum saving saving);
/* What is better saved where pictures of that size are optimised: memory beyond SMALL_SIDE px
 * square. Whoever counts bytes and who makes the network must agree. */
enum { SMALL_SIDE = 448 };
enum saving network_saving(int height, int width);

/* Called for each tapped layer as soon as its features are there, in network order.
 * f [positions][channels], borrowed until it returns (or, in a backward pass, until the pass's next
 * forward). */
typedef void network_features(void *context, int tap, const float *f, size_t positions,
                              int channels);
/* Called for each tapped layer on the way back, deepest first: add the gradient of the loss by f to
 * df, both [positions][channels], of the layer's positions from `first` on. The first block's
 * layers come in several such calls, in which a position may be met more than once, each time with
 * another df. */
typedef void network_gradient(void *context, int tap, const float *f, size_t first,
                              size_t positions, int channels, float *df);

struct network_pass;

/* taps: layers in network order, each once. Owned: network_pass_free; the network is borrowed. */
int network_pass_new(const struct network *network, int height, int width, const struct layer *taps,
                     int tap_count, bool backward, struct network_pass **pass, struct error *err);
void network_pass_free(struct network_pass *pass);

/* Bytes a pass allocates; without a network, from the shapes alone. */
uint64_t network_pass_bytes(int pooling, enum arithmetic arithmetic, int height, int width,
                            const struct layer *taps, int tap_count, bool backward);

/* picture [height][width][3], RGB in 0..255; the mean is subtracted here. Borrowed until
 * network_backward is done. */
void network_forward(struct network_pass *pass, const float *picture, network_features *features,
                     void *context);
/* After network_forward on a pass made to go backward: dpicture [height][width][3], overwritten. */
void network_backward(struct network_pass *pass, network_gradient *gradient, void *context,
                      float *dpicture);

/* "direct: conv1_1; winograd-bf16: conv1_2 ... conv4_2": the engine of each convolution. */
void network_engines(int convs, enum arithmetic arithmetic, char *text, size_t size);

enum arithmetic network_arithmetic(const struct network *network);

#endif
