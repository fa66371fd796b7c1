/* The digest that a result holds of itself, so that a flipped bit anywhere in it is seen: HDF5 1.8
 * has no checksum on texts, on arrays that are not compressed and on much of what leads to them.
 *
 * The root attribute file_sha256 is the SHA-256 of the whole file with that attribute's own 64
 * digits as zeros. Results of earlier versions have none. */
#ifndef ATELIER_SEAL_H
#define ATELIER_SEAL_H

#include "result_stream.h"
#include <hdf5.h>
#include <stddef.h>

#define SEAL_NAME "file_sha256"

/* Makes the attribute, with something in the digest's place that seal_close finds. */
int seal_begin(hid_t file, struct error *err);

/* Puts the digest in its place in the bytes of the file that is closed. Errors: E_ENVIRONMENT;
 * E_BUG: its place is not found. */
int seal_close(unsigned char *bytes, size_t size, struct error *err);

/* Compares the digest in an open file with the bytes of that file. Errors: E_ENVIRONMENT, E_INPUT.
 * Checked by: a_flipped_bit_breaks_the_seal */
int seal_check(hid_t file, int descriptor, enum seal *seal, struct error *err);

#endif
