/* Where VGG-19's weights come from: published files, read as they are, and the built-in network.
 * Nothing in a file is ever executed, and every length is checked before it is used. */
#ifndef ATELIER_WEIGHTS_H
#define ATELIER_WEIGHTS_H

#include "params.h"
#include "vgg19.h"

/* Loads the first `convs` convolutions of `name`: "builtin", "builtin:SEED" or a file, whose format
 * is recognised by content. convention is CONVENTION_AUTO, _CAFFE or _TORCHVISION: the input a
 * file's first convolution expects, needed only where the file cannot tell; with builtin it must be
 * auto or caffe.
 * Errors: E_INPUT naming the file and the layer: not a weight file, a missing layer, a wrong shape
 * (expected and got), truncated, a value that is not finite. Owned: vgg19_weights_release. */
int weights_load(const char *name, int convention, int convs, struct vgg19_weights *out,
                 struct error *err);

/* Whether `name` means the built-in network; its seed (0 unless given). E_INPUT on "builtin:x". */
int weights_is_builtin(const char *name, bool *builtin, uint64_t *seed, struct error *err);

/* A reader fills weights' kernels and biases in file order of input channels and says which
 * convention they follow. The kernels arrive allocated. */
struct weight_reader {
    const char *format;                                   /* "Keras HDF5" */
    bool (*recognises)(const unsigned char *start, size_t count); /* by the file's first bytes */
    int convention;                                       /* CONVENTION_AUTO: files cannot tell */
    int (*read)(const char *path, struct vgg19_weights *weights, struct error *err);
};
extern const struct weight_reader weight_reader_keras;

/* Fills weights with He-normal kernels (variance 2 / (9 in)) and zero biases from integer
 * arithmetic: the same bits on every machine. Source: He et al. 2015. */
void weights_builtin(uint64_t seed, struct vgg19_weights *weights);

#endif
