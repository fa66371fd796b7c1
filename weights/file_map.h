/* Files that are read in place. A file that gets shorter under its map, as when
 * it is downloaded again over itself, or whose disk fails, would end the
 * process with SIGBUS: here the missing bytes read as zeros, and who reads asks
 * afterwards. Threads: one at a time. */
#ifndef ATELIER_FILE_MAP_H
#define ATELIER_FILE_MAP_H

#include "error.h"
#include "tensor.h"

/* Maps the regular file of this name in a folder (AT_FDCWD: as open takes it)
 * for reading. Owned: file_unmap. Errors: E_INPUT when it is empty or not a
 * regular file, E_ENVIRONMENT when it cannot be read. */
int file_map(int folder, const char *name, struct region *out, struct error *err);
void file_unmap(struct region *region);

/* The folder that the file of this path is in, to open others beside it. Owned:
 * close. Errors: E_ENVIRONMENT. */
int file_folder(const char *path, int *folder, struct error *err);

/* Whether bytes of a mapped file were missing when they were read, since no
 * file was mapped. Errors: E_INPUT. Checked by:
 * a_file_that_shrinks_while_it_is_read_is_an_error. */
int file_map_whole(struct error *err);

#endif
