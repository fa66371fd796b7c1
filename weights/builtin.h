/* The built-in network: a trained VGG-19 that is part of the program. */
#ifndef ATELIER_BUILTIN_H
#define ATELIER_BUILTIN_H

#include "tensor.h"
#include "vgg19.h"

/* What weights_digest gives of all its 16 layers. Checked by: builtin_has_the_known_digest. */
#define BUILTIN_DIGEST "5b54adceb2db56c7f08c0f82050322902c7a9ca5024e7d3a997e9fe0e6ae1207"

/* The safetensors file that was built in, whole. Borrowed for ever. */
struct region builtin_file(void);

/* What it was trained on and how well it does: lines of text, for people. Borrowed for ever. */
const char *builtin_facts(void);

/* Reads the first weights->convs convolutions into the kernels and biases that are allocated:
 * input channels BGR, for 0..255 minus the mean (caffe's convention). Touches no other layer.
 * Errors: E_BUG, when the file that was built in is damaged. */
int builtin_read(struct vgg19_weights *weights, struct error *err);

#endif
