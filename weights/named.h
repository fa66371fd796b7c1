/* Which tensors of a file are VGG-19's, by their names:
 *
 *   features.0.weight, features.0.bias, features.2.weight, ...      torchvision's module
 *   0.weight, ...                                                   its `features` alone
 *   conv1_1.weight, block1_conv1.kernel, ...                        Caffe's and Keras' layers
 *
 * anything may stand before them and a dot ("module.", "model."), except before bare numbers. */
#ifndef ATELIER_NAMED_H
#define ATELIER_NAMED_H

#include "error.h"
#include "vgg19.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum named_part { NAMED_KERNEL, NAMED_BIAS, NAMED_PARTS };
extern const char *const named_parts[NAMED_PARTS]; /* "kernel", "bias" */

/* Starts as {0}. */
struct named_tensors {
    bool found[VGG19_CONVS][NAMED_PARTS];
    size_t tensor[VGG19_CONVS][NAMED_PARTS]; /* the caller's number of it */
    bool by_number, by_layer;                /* torchvision's names, layers' names */
    bool normalised;                         /* has statistics of batch normalisation */
    uint64_t strangers; /* numbers 0..63 of torch modules that are no convolution of VGG-19 */
};

/* The convolution a layer of this name is: 0..15, for "conv1_1" and "block1_conv1"; NAMED_OTHER for
 * other names, NAMED_STRANGER for a convolution VGG-19 has not ("conv1_3"). */
enum { NAMED_OTHER = -1, NAMED_STRANGER = -2 };
int named_conv(const char *name, size_t length);

/* Notes the tensor if its name is one of the above. Errors: E_INPUT on a second tensor for one
 * place, and on a convolution VGG-19 has not. */
int named_add(struct named_tensors *named, const char *name, size_t length, size_t tensor,
              struct error *err);

/* Notes part of a convolution. Errors: E_INPUT when there is one already. */
int named_set(struct named_tensors *named, int conv, enum named_part part, size_t tensor,
              struct error *err);

/* Whether the first `convs` convolutions, and all that deeper ones in the file stand on, are there
 * and nothing that makes it another network. *convention: caffe by layers' names, auto by numbers,
 * which torchvision's and Caffe's weights both come with.
 * Errors: E_INPUT naming the layer. */
int named_check(const struct named_tensors *named, int convs, int *convention, struct error *err);

/* A name out of a file, shortened and without control characters. */
enum { NAMED_TEXT = 80 };
void named_text(const char *name, size_t length, char text[NAMED_TEXT]);

#endif
