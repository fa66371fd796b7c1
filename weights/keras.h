/* The reader of Keras' HDF5 files, in the process that guards it (guarded.h), and without for that
 * process itself and for fuzzing. */
#ifndef ATELIER_KERAS_H
#define ATELIER_KERAS_H

#include "error.h"
#include "tensor.h"
#include "vgg19.h"

/* A file, or where there is no path its bytes. */
struct keras_source {
    const char *path;
    struct region image;
};

/* Fills kernels and biases of the first weights->convs convolutions, and guesses the convention.
 * HDF5 1.10 itself may crash on a damaged file, or not come to an end. Its printing must be off.
 * Errors: as weight_reader.read.
 */
int keras_read(const struct keras_source *source, struct vgg19_weights *weights, int *convention,
               struct error *err);

/* The same in a child. Errors: also those of guarded_run. */
int keras_read_guarded(const struct keras_source *source, struct vgg19_weights *weights,
                       int *convention, struct error *err);

#endif
