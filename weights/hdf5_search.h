/* VGG-19 among all datasets of an HDF5 file, wherever they lie: inside layers
 * of a larger Keras model, or in groups of somebody's own. */
#ifndef ATELIER_HDF5_SEARCH_H
#define ATELIER_HDF5_SEARCH_H

#include "error.h"
#include "vgg19.h"
#include <hdf5.h>
#include <stdbool.h>

/* Fills the weights out of the datasets that have VGG-19's names (named.h) and
 * shapes. In Keras 3's groups layers have their names in attributes, or are
 * counted (conv2d, conv2d_1, ...). *near: there is something like VGG-19, and
 * the error tells what is wrong with it; else the error tells what there is.
 * Errors: E_INPUT. */
int hdf5_search_read(hid_t file, struct vgg19_weights *weights, int *convention, bool *near,
                     struct error *err);

#endif
