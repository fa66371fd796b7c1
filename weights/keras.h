/* The reader of Keras' HDF5 files without the process that guards it (guarded.h): for that process,
 * and for fuzzing. */
#ifndef ATELIER_KERAS_H
#define ATELIER_KERAS_H

#include "error.h"
#include "vgg19.h"

/* Fills kernels and biases of the first weights->convs convolutions, and guesses the convention.
 * HDF5 1.10 itself may crash on a damaged file, or not come to an end. Its printing must be off.
 * Errors: as weight_reader.read.
 */
int keras_read(const char *path, struct vgg19_weights *weights, int *convention, struct error *err);

#endif
