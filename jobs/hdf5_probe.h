/* A first look at an HDF5 file that may be damaged. A torn one can make the HDF5 library crash, or
 * loop for ever (on a global heap that is all zeros), so the look is taken in a child process. */
#ifndef ATELIER_HDF5_PROBE_H
#define ATELIER_HDF5_PROBE_H

#include "error.h"
#include <stdint.h>

/* Runs look(path) in a child and returns what it returned, with its message, after proving from
 * the superblock (format version 0 to 3) that the file is not truncated.
 * Errors: E_INPUT: no HDF5 file, truncated, or the look crashed or took more than 2 seconds of
 * processor time (one more for every 50 MB); E_ENVIRONMENT: no such file, not readable, no child to
 * be had, or it was killed from outside. Threads: none may be inside HDF5. */
int hdf5_probe(const char *path, int (*look)(const char *path, struct error *err),
               struct error *err);

/* The first half of that: whether the file is as long as its superblock says, which is all that its
 * first bytes can tell. path is relative to the open folder, or that is AT_FDCWD. *size, unless
 * size is NULL, is its length in bytes.
 * Errors: E_INPUT: no HDF5 file, or truncated; E_ENVIRONMENT: no such file, not readable. */
int hdf5_check_length(int folder, const char *path, uint64_t *size, struct error *err);

/* Seconds of processor time that a look at a file of that size may take. */
unsigned hdf5_seconds(uint64_t size);

#endif
