/* Files that appear whole or not at all. */
#ifndef ATELIER_PUBLISH_H
#define ATELIER_PUBLISH_H

#include "error.h"
#include <stdbool.h>
#include <stdint.h>

/* A file being written under a temporary name in the folder of its final one. */
struct publication {
    char *path;      /* final */
    char *temporary; /* `.<name>.tmp.<host>.<pid>` in the same folder; a long name is cut to fit */
};

/* Picks the temporary name. Nothing is created. One publication of a path at a time in a process:
 * they would share the name.
 * Errors: E_INPUT (`path` is empty, too long, a folder, a device or a FIFO), E_ENVIRONMENT. */
int publish_begin(const char *path, struct publication *out, struct error *err);

/* Makes what was written to the temporary file last: what gets a name by link or by another's hand
 * must be on the disk before. Errors: E_ENVIRONMENT. */
int publish_sync(const struct publication *publication, struct error *err);

/* After the temporary file was written and closed by its writer: fsync, rename over the final name,
 * fsync of the folder. Releases the publication, always.
 * Errors: E_ENVIRONMENT; the temporary file is removed and an earlier file stands as it was, unless
 * it was the last step that failed: then the new one is there, but may not outlive a power cut. */
int publish_commit(struct publication *publication, struct error *err);

/* As publish_commit, but never replaces: where a file of that name stands, *stands is true, nothing
 * has happened, and the publication goes on: call again once that file is gone, or abort. */
int publish_new(struct publication *publication, bool *stands, struct error *err);

/* link(2) as NFS needs it: a link that was made is a success, whatever the server's second answer
 * says. File systems without links get a rename that does not replace. -1 with errno. */
int publish_link(const char *from, const char *to);

/* Removes the temporary file, if there is one, and releases the publication. Safe on {0}. */
void publish_abort(struct publication *publication);

/* Removes the temporary files in a folder that nobody will ever publish: of this host's processes
 * that are gone, and any that is older than age_s; a process that lives and loses its file fails.
 * *removed counts them up. No such folder is fine. Errors: E_ENVIRONMENT. */
int publish_clear(const char *folder, double age_s, uint64_t *removed, struct error *err);

/* Proves that `path` can be written, and removes what killed processes of this host left of it: its
 * folder exists and takes a new file with a byte in it (removed again), and `path` itself is no
 * folder or device. A file at `path` is not touched. Errors: E_INPUT (as publish_begin, or no such
 * folder), E_ENVIRONMENT. A limit on file sizes gives an error only where SIGXFSZ is ignored. */
int publish_probe(const char *path, struct error *err);

#endif
