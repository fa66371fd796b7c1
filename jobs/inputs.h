/* The files that jobs name, each read once however many jobs name it: an image's size and digest,
 * the digest of the weights' first convolutions. */
#ifndef ATELIER_INPUTS_H
#define ATELIER_INPUTS_H

#include "digest.h"
#include "name_index.h"
#include "plan.h"
#include "vgg19.h"

struct input_image {
    bool good;
    struct image_size size;
    char digest[DIGEST_HEX];
};

/* Weights as jobs use them: digests of the first n convolutions, for every n asked for. */
struct input_weights {
    int convention;
    bool asked[VGG19_CONVS + 1], good[VGG19_CONVS + 1];
    char digest[VGG19_CONVS + 1][DIGEST_HEX];
};

/* Zero-initialised. Owned: inputs_release. */
struct inputs {
    struct name_index image_names, weights_names;
    struct input_image *images;
    struct input_weights *weights;
};

/* The number of the image at an absolute path. The first time, its header and its bytes are read;
 * if that fails, *fresh_failure is set, `why` says so (E_INPUT) and images[number].good is false,
 * silently every other time. Errors: E_ENVIRONMENT. */
int inputs_image(struct inputs *inputs, const char *path, size_t *number, bool *fresh_failure,
                 struct error *why, struct error *err);

/* Notes that somebody needs the first `convs` convolutions of weights. Errors: E_ENVIRONMENT. */
int inputs_weights(struct inputs *inputs, const char *name, int convention, int convs,
                   size_t *number, struct error *err);

/* Loads weights number `number` once, as deep as was asked for, and fills in its digests. Where a
 * file holds less, what it does hold is filled in and `why` says what is wrong with the rest.
 * Errors: as weights_load; E_INPUT goes to `why` and *failed. */
int inputs_digest_weights(struct inputs *inputs, size_t number, bool *failed, struct error *why,
                          struct error *err);

void inputs_release(struct inputs *inputs);

#endif
