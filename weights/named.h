/* Which tensors of a file are VGG-19's, by their names and shapes:
 *
 *   features.0.weight, features.0.bias, features.2.weight, ...      torchvision's module
 *   0.weight, ...                                                   its `features` alone
 *   conv1_1.weight, block1_conv1/kernel:0, ...                      Caffe's and Keras' layers
 *
 * Anything may stand before them and a dot or a slash ("module.", "params_ema.", "model.vgg."): the
 * tensors with one such prefix are a candidate, and a file may hold several. */
#ifndef ATELIER_NAMED_H
#define ATELIER_NAMED_H

#include "error.h"
#include "tensor.h"
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
    bool by_number;                          /* torchvision's names, not layers' names */
    bool normalised;                         /* has statistics of batch normalisation */
    bool by_shape;                           /* a guess: named_by_order */
    uint64_t strangers; /* numbers 0..63 of torch modules that are no convolution of VGG-19 */
};

/* The convolution a layer of this name is: 0..15, for "conv1_1" and "block1_conv1"; NAMED_OTHER for
 * other names, NAMED_STRANGER for a convolution VGG-19 has not ("conv1_3"). */
enum { NAMED_OTHER = -1, NAMED_STRANGER = -2 };
int named_conv(const char *name, size_t length);

/* Notes part of a convolution. Errors: E_INPUT when there is one already. */
int named_set(struct named_tensors *named, int conv, enum named_part part, size_t tensor,
              struct error *err);

/* Whether the first `convs` convolutions, and all that deeper ones in the file stand on, are there
 * and nothing that makes it another network. *convention: caffe by layers' names, auto by numbers,
 * which torchvision's and Caffe's weights both come with.
 * Errors: E_INPUT naming the layer. */
int named_check(const struct named_tensors *named, int convs, int *convention, struct error *err);

/* A tensor of a file, as far as its header tells. */
struct named_entry {
    const char *name; /* not terminated; borrowed */
    size_t length;
    int rank; /* may exceed TENSOR_RANKS; then it is none of ours */
    uint64_t shape[TENSOR_RANKS];
    const void *file; /* the caller's: where it is, */
    size_t id;        /* and which there */
};

/* Owned: entries. Starts as {0}; released by named_list_release. */
struct named_list {
    struct named_entry *entries;
    size_t count, room;
};
int named_list_add(struct named_list *list, const struct named_entry *entry, struct error *err);
void named_list_release(struct named_list *list);

/* The candidates that have the first `convs` convolutions and more of them than all others, by the
 * numbers of the entries. Where none has them that of named_by_order, else the nearest one, which
 * named_check or its shapes then refuse. `count` may exceed NAMED_MOST. prefix: shortened, for
 * messages. Errors: E_INPUT when there is no convolution of VGG-19 at all, with what there is
 * instead. */
enum { NAMED_MOST = 8, NAMED_TEXT = 80 };
struct named_choice {
    size_t count;
    struct named_tensors candidate[NAMED_MOST];
    char prefix[NAMED_MOST][NAMED_TEXT];
};
int named_choose(const struct named_list *list, int convs, struct named_choice *choice,
                 struct error *err);

/* Whether the list's tensors are VGG-19's by shapes and order, whatever their names, and which. */
bool named_by_order(const struct named_list *list, struct named_tensors *named);

/* Whether a tensor has the shape of that convolution's kernel, in either order of indices. */
bool named_is_kernel(const struct named_entry *entry, int conv);

/* Whether a tensor of this name may be VGG-19's. */
bool named_is_ours(const struct named_entry *entry);

/* Where two candidates hold different numbers. Fails with E_INPUT, naming them. */
int named_ambiguous(const struct named_choice *choice, struct error *err);

/* A name out of a file, shortened and without control characters. */
void named_text(const char *name, size_t length, char text[NAMED_TEXT]);

/* The first names and shapes of the list, shortened. */
void named_describe(const struct named_list *list, char *text, size_t size);

#endif
