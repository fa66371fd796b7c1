/* A first look at an HDF5 file that may be damaged. A torn one can make the HDF5 library crash, or
 * loop for ever (on a global heap that is all zeros), so the look is taken in a child process. */
#ifndef ATELIER_HDF5_PROBE_H
#define ATELIER_HDF5_PROBE_H

#include "error.h"
#include <stdbool.h>
#include <stdint.h>

/* Runs look(path) in a child and returns what it returned, with its message, after proving from
 * the superblock (format version 0 to 3) that the file is not truncated.
 * Errors: E_INPUT: no HDF5 file, truncated, or the look crashed or took more than 2 seconds of
 * processor time (one more for every 50 MB); E_ENVIRONMENT: no such file, not readable, no child to
 * be had, or it was killed from outside. Threads: none may be inside HDF5. */
int hdf5_probe(const char *path, int (*look)(const char *path, struct error *err),
               struct error *err);

/* The first half of that: opens a regular file, and none other, that is as long as its superblock
 * says, which is all that its first bytes can tell. Links are followed where over_links says so,
 * for what a person names; else as files_open does. *size is its length in bytes. Caller closes
 * *file. Errors: E_INPUT: no HDF5 file, truncated, a link; E_ENVIRONMENT: no such file, not
 * readable. Checked by: only_whole_regular_files_are_opened */
int hdf5_open_whole(const char *path, bool over_links, int *file, uint64_t *size,
                    struct error *err);

/* Whether that would open. path is relative to the open folder, or that is AT_FDCWD; a link is not
 * followed. */
int hdf5_check_length(int folder, const char *path, struct error *err);

/* Seconds of processor time that a look at a file of that size may take. */
unsigned hdf5_seconds(uint64_t size);

#endif
