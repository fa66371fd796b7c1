/* HDF5 files in memory, read as those on disk are (checked_hdf5.h). */
#ifndef ATELIER_CHECKED_IMAGE_H
#define ATELIER_CHECKED_IMAGE_H

#include "checked_hdf5.h"
#include "tensor.h"

/* Opens a file's bytes, which stay where they are until it is closed, and are not written. */
int checked_open_image(struct region bytes, hid_t *file, struct error *err);

#endif
