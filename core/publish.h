/* Files that appear whole or not at all. */
#ifndef ATELIER_PUBLISH_H
#define ATELIER_PUBLISH_H

#include "error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <time.h>

/* A file being written under a temporary name in the folder of its final one. {0}: none. */
struct publication {
    char *path; /* final */
    char
        *temporary; /* `.<name>.tmp.<random>.<host>.<pid>` in the same folder; a long name is cut */
    int folder, file; /* open: that folder, and the temporary file for reading and writing */
};

/* Makes the temporary file, empty and ours alone: whatever stands there by that name is not used.
 * Errors: E_INPUT (`path` is empty, too long, a folder, a device or a FIFO, or its folder is not
 * there), E_ENVIRONMENT. */
int publish_begin(const char *path, struct publication *out, struct error *err);

/* One that was made otherwise, in the folder of `path`. Errors: E_INPUT (it is no regular file),
 * E_ENVIRONMENT. */
int publish_adopt(const char *path, const char *temporary, struct publication *out,
                  struct error *err);

/* Adds to the temporary file. Errors: E_ENVIRONMENT. */
int publish_write(const struct publication *publication, const void *bytes, size_t count,
                  struct error *err);

/* Another way to write it: a stream that the caller closes before the commit. NULL with errno. */
FILE *publish_as_stream(const struct publication *publication);

/* Makes what was written to the temporary file last: what gets a name by link or by another's hand
 * must be on the disk before. Errors: E_ENVIRONMENT. */
int publish_sync(const struct publication *publication, struct error *err);

/* After the temporary file was written: fsync, rename over the final name,
 * fsync of the folder. Releases the publication, always.
 * Errors: E_ENVIRONMENT; the temporary file is removed and an earlier file stands as it was, unless
 * it was the last step that failed: then the new one is there, but may not outlive a power cut. */
int publish_commit(struct publication *publication, struct error *err);

/* A temporary name beside `path` that nobody can guess and publish_clear knows. Caller frees; NULL:
 * no memory. */
char *publish_temporary(const char *path);

/* Removes the temporary file, if there is one, and releases the publication. Safe on {0}. */
void publish_abort(struct publication *publication);

/* Now, by the clock that a folder's files get their times from, which may be another host's: as a
 * file tells it that is made for this, without a name where the file system can, else removed at
 * once. -1 with errno where none can be made. */
int publish_clock(const char *folder, struct timespec *now);

/* Removes the temporary files in a folder that nobody will ever publish: of this host's processes
 * that are gone, and any that is older than age_s by the folder's clock; a process that lives and
 * loses its file fails.
 * *removed counts them up. No such folder is fine. Errors: E_ENVIRONMENT. */
int publish_clear(const char *folder, double age_s, uint64_t *removed, struct error *err);

/* Proves that `path` can be written, and removes what killed processes of this host left of it: its
 * folder exists and takes a new file with a byte in it (removed again), and `path` itself is no
 * folder or device. A file at `path` is not touched. Errors: E_INPUT (as publish_begin, or no such
 * folder), E_ENVIRONMENT. A limit on file sizes gives an error only where SIGXFSZ is ignored. */
int publish_probe(const char *path, struct error *err);

#endif
