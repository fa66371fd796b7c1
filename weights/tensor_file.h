/* Files of named tensors, as PyTorch and safetensors write them, one or several that belong
 * together: opened, searched for VGG-19's layers, and read. */
#ifndef ATELIER_TENSOR_FILE_H
#define ATELIER_TENSOR_FILE_H

#include "error.h"
#include "named.h"
#include "tensor.h"
#include "vgg19.h"

struct tensor_format {
    bool (*recognises)(const unsigned char *start, size_t count);
    /* Checks all but the values. The bytes outlive *file. Owned: close, which takes NULL. */
    int (*open)(struct region bytes, void **file, struct error *err);
    void (*close)(void *file);
    /* Appends the tensors; their names are valid until the file is closed. */
    int (*list)(const void *file, struct named_list *list, struct error *err);
    /* Tensor `id` of the list. Errors: E_INPUT. */
    int (*tensor)(const void *file, size_t id, struct tensor *out, struct error *err);
    /* Says why nothing in the list is VGG-19; NULL: the list says it. */
    int (*explain)(const void *file, struct error *err);
};
extern const struct tensor_format tensor_format_torch, tensor_format_safetensors;

/* Fills the weights out of the listed tensors (weights.h, weight_reader). Of several candidates
 * with the same numbers any is taken. Errors: E_INPUT naming the layer, or the candidates. */
int tensors_read(const struct tensor_format *format, const struct named_list *list,
                 struct vgg19_weights *weights, int *convention, struct error *err);

/* The same of one file. */
int tensor_file_read(const struct tensor_format *format, struct region bytes,
                     struct vgg19_weights *weights, int *convention, struct error *err);

#endif
