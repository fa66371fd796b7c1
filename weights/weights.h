/* Where VGG-19's weights come from: published files, read as they are, and the built-in network.
 * Nothing in a file is ever executed, and every length is checked before it is used. */
#ifndef ATELIER_WEIGHTS_H
#define ATELIER_WEIGHTS_H

#include "params.h"
#include "vgg19.h"

/* Loads the first `convs` (1..16) convolutions of `name`: "builtin", "random:SEED"
 * (network_name.h), a published file's name ("vgg19-keras", once fetched) or a file, whose format
 * is recognised by content. A file may hold more layers than that, or only these. convention is
 * CONVENTION_AUTO, _CAFFE or _TORCHVISION: the input a file's first convolution expects, needed
 * only where nothing tells. It wins over a guess (names of layers, the format), and is refused
 * where the file is known to be a published one of the other. builtin is caffe; so is random: its
 * mean is, and its kernels have no channel order. Errors: E_INPUT naming the file and the layer:
 * not a weight file, a missing layer, a wrong shape (expected and got), truncated, a value that is
 * not finite, a convention that is needed or wrong. E_ENVIRONMENT: not readable, no memory. All 16
 * layers of a file are read for a moment, for their digest. Threads: one at a time. Owned:
 * vgg19_weights_release. */
int weights_load(const char *name, int convention, int convs, struct vgg19_weights *out,
                 struct error *err);

/* What is found out about a file beside its numbers. */
struct weights_origin {
    const char *format;  /* "Keras HDF5" */
    int convention;      /* of the file, or of the published one it is; CONVENTION_AUTO: unknown */
    const char *guessed; /* as in vgg19_weights */
};

/* Reads the first `convs` convolutions of a file as they are: nothing is folded, input channels in
 * the order of the convention, mean 0; digest is of these. Errors and ownership: as weights_load.
 */
int weights_read(const char *path, int convs, struct vgg19_weights *out,
                 struct weights_origin *origin, struct error *err);

/* The file that `name` means: one in the cache for a published file's name (known.h), else itself.
 * Caller frees. Errors: E_INPUT for a known name that is not in the cache. */
int weights_path(const char *name, char **path, struct error *err);

/* A reader fills the kernels ([3][3][in][out]) and biases of the first weights->convs convolutions,
 * with the input channels in the order of the file. They arrive allocated, and are checked for
 * finite values afterwards. *convention is what the file seems to expect, CONVENTION_AUTO where
 * nothing tells. On error their content is undefined. Messages name the layer; the caller adds the
 * file. */
struct weight_reader {
    const char *format;  /* "Keras HDF5" */
    const char *guesses; /* what its conventions come from: "the layers' names" */
    bool turned;         /* it has reversed the input channels, as caffe wants them */
    bool (*recognises)(const unsigned char *start, size_t count); /* by the file's first bytes */
    int (*read)(const char *path, struct vgg19_weights *weights, int *convention,
                struct error *err);
};
extern const struct weight_reader weight_reader_keras, weight_reader_keras_archive;
extern const struct weight_reader weight_reader_torch;
extern const struct weight_reader weight_reader_safetensors, weight_reader_onnx,
    weight_reader_caffe, weight_reader_mat, weight_reader_shards;

/* What every recogniser is given of a file, unless the file is shorter. */
enum { WEIGHTS_START = 4096 };

/* The convention to read a file by, out of what was found and the given one, which wins where the
 * other is only guessed. Errors: E_INPUT when both are CONVENTION_AUTO (explains the two choices),
 * or when they differ and nothing was guessed. */
int weights_convention(const struct weights_origin *found, int given, int *convention,
                       struct error *err);

/* Turns a first kernel that expects the convention's input into one for RGB in 0..255 minus
 * weights->mean, and sets the mean and the convention's name. */
void weights_fold(int convention, struct vgg19_weights *weights);

/* Fills weights' kernels with He-normal values (variance 2 / (9 in)) and its biases with zeros,
 * from integer arithmetic: the same bits on every machine and for any weights->convs.
 * Source: He et al. 2015. Checked by: random_filters_have_the_known_digest. */
void weights_random(uint64_t seed, struct vgg19_weights *weights);

#endif
