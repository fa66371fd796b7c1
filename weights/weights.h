/* Where VGG-19's weights come from: published files, read as they are, and the built-in network.
 * Nothing in a file is ever executed, and every length is checked before it is used. */
#ifndef ATELIER_WEIGHTS_H
#define ATELIER_WEIGHTS_H

#include "params.h"
#include "vgg19.h"

/* Loads the first `convs` (1..16) convolutions of `name`: "builtin", "builtin:SEED" or a file,
 * whose format is recognised by content. A file may hold more layers than that, or only these.
 * convention is CONVENTION_AUTO, _CAFFE or _TORCHVISION: the input a file's first convolution
 * expects, needed only where the file cannot tell, and refused where it contradicts the file.
 * builtin is caffe: its mean is, and its kernels have no channel order.
 * Errors: E_INPUT naming the file and the layer: not a weight file, a missing layer, a wrong shape
 * (expected and got), truncated, a value that is not finite, a convention that is needed or wrong.
 * E_ENVIRONMENT: not readable, no memory. Threads: one at a time. Owned: vgg19_weights_release. */
int weights_load(const char *name, int convention, int convs, struct vgg19_weights *out,
                 struct error *err);

/* Whether `name` means the built-in network; its seed (0 unless given). A file of that name is
 * "./builtin". Errors: E_INPUT on "builtin:x". */
int weights_is_builtin(const char *name, bool *builtin, uint64_t *seed, struct error *err);

/* A reader fills the kernels ([3][3][in][out]) and biases of the first weights->convs convolutions,
 * with the input channels in the order of the file. They arrive allocated, and are checked for
 * finite values afterwards. On error their content is undefined. Messages name the layer; the
 * caller adds the file. */
struct weight_reader {
    const char *format;                                           /* "Keras HDF5" */
    bool (*recognises)(const unsigned char *start, size_t count); /* by the file's first bytes */
    int convention; /* of every file of this format; CONVENTION_AUTO: the file cannot tell */
    int (*read)(const char *path, struct vgg19_weights *weights, struct error *err);
};
extern const struct weight_reader weight_reader_keras;

/* What every recogniser is given of a file, unless the file is shorter. */
enum { WEIGHTS_START = 4096 };

/* The convention to read a file by, out of the reader's and the given one.
 * Errors: E_INPUT when both are CONVENTION_AUTO (explains the two choices), or when they differ. */
int weights_convention(const struct weight_reader *reader, int given, int *convention,
                       struct error *err);

/* Turns a first kernel that expects the convention's input into one for RGB in 0..255 minus
 * weights->mean, and sets the mean and the convention's name. */
void weights_fold(int convention, struct vgg19_weights *weights);

/* Fills weights' kernels with He-normal values (variance 2 / (9 in)) and its biases with zeros,
 * from integer arithmetic: the same bits on every machine and for any weights->convs.
 * Source: He et al. 2015. Checked by: builtin_has_the_known_digest. */
void weights_builtin(uint64_t seed, struct vgg19_weights *weights);

#endif
