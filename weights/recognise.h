/* Which published file a file is, where it cannot tell by itself what input it expects: by the
 * SHA-256 of the whole file, 575 MB. That is taken only where the size allows for a published one,
 * and once: the cache folder's `recognised` keeps what came of it, under the digest of the
 * numbers, which every loading computes anyway. */
#ifndef ATELIER_RECOGNISE_H
#define ATELIER_RECOGNISE_H

#include "known.h"

/* A file that was read. */
struct candidate {
    const char *path;
    const struct weight_reader *reader;
    const char *numbers; /* of its 16 convolutions: weights_digest */
};

/* *found: the published file among files[0 .. count) that it is, or NULL. `thorough`: sizes that
 * were not published are taken to be those of all of VGG-19, as they are; else only the very size
 * of a published file leads to a digest. Errors: E_INPUT, E_ENVIRONMENT when it cannot be read. A
 * cache folder that cannot be read or written is none: it takes longer, and the answer is the same.
 */
int recognise(const struct known_file *files, int count, const struct candidate *candidate,
              bool thorough, const struct known_file **found, struct error *err);

#endif
