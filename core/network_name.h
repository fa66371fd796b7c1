/* What `weights` names, by its spelling alone. */
#ifndef ATELIER_NETWORK_NAME_H
#define ATELIER_NETWORK_NAME_H

#include "error.h"
#include <stdbool.h>
#include <stdint.h>

enum network_kind {
    NETWORK_FILE,    /* a weight file, or the name of a published one */
    NETWORK_BUILTIN, /* "builtin": the trained network that is part of the program */
    NETWORK_RANDOM   /* "random", "random:SEED": untrained filters; also "builtin:SEED", which is
                        what versions before the trained network called them */
};

/* seed is 0 unless given. A file of such a name is "./builtin", "./random:1".
 * Errors: E_INPUT where the seed is no whole number from 0 to 2^64 - 1.
 * Checked by: network_name_parses_its_seed. */
int network_name_parse(const char *name, enum network_kind *kind, uint64_t *seed,
                       struct error *err);

/* Whether `name` is that of untrained filters; false for a wrong seed and for NULL. */
bool network_is_random(const char *name);

#endif
