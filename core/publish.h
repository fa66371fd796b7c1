/* Files that appear whole or not at all. */
#ifndef ATELIER_PUBLISH_H
#define ATELIER_PUBLISH_H

#include "error.h"

/* A file being written under a temporary name in the folder of its final one. */
struct publication {
    char *path;      /* final */
    char *temporary; /* `.<name>.tmp.<host>.<pid>` in the same folder */
};

/* Picks the temporary name. Nothing is created. */
int publish_begin(const char *path, struct publication *out, struct error *err);

/* After the temporary file was written and closed by its writer: fsync, rename over the final name,
 * fsync of the folder. On error the temporary file is removed. Releases the publication. */
int publish_commit(struct publication *publication, struct error *err);

/* Removes the temporary file, if there is one, and releases the publication. Safe on {0}. */
void publish_abort(struct publication *publication);

/* Proves that `path` can be written: its folder exists and takes a new file (removed again), and
 * `path` itself is no folder. Errors: E_INPUT (no such folder, is a folder), E_ENVIRONMENT. */
int publish_probe(const char *path, struct error *err);

#endif
