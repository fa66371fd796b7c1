/* The published files with VGG-19's weights, and where fetched ones are kept. */
#ifndef ATELIER_KNOWN_H
#define ATELIER_KNOWN_H

#include "digest.h"
#include "weights.h"
#include <stdbool.h>
#include <stdint.h>

/* NULL and 0 mean unknown: not published, or not found. */
struct known_file {
    const char *name;    /* by which --weights knows it: "vgg19-keras" */
    const char *file;    /* its published name, and its name in the cache folder */
    const char *address; /* of the file itself; NULL: see page */
    const char *page;    /* where people find it; NULL: the address says it all */
    uint64_t bytes;
    const char *md5;    /* 32 lower-case hex digits */
    const char *sha256; /* 64 of them, or only the first, where just those are known */
    const struct weight_reader *reader; /* of its format; NULL: no reader takes it, see note */
    int convention;                     /* CONVENTION_AUTO: neither, see note */
    const char *licence;
    const char *note; /* a line for people */
};
extern const struct known_file known_files[];
extern const int known_file_count;

/* The file of this name. Errors: E_INPUT with the nearest names, or all. */
int known_find(const char *name, const struct known_file **file, struct error *err);

/* The file that has one of these digests, or NULL. */
const struct known_file *known_by_digests(const struct digests *digests);

/* Whether a file is the published one: its size and all digests that are known of it agree.
 * `path` is for the message. Errors: E_INPUT, expected and got; E_ENVIRONMENT when only an MD5 is
 * known and libcrypto has none. */
int known_check(const struct known_file *file, const char *path, const struct digests *digests,
                struct error *err);

/* Where fetched files are: $ATELIER_CACHE, else $XDG_CACHE_HOME/atelier, else ~/.cache/atelier. It
 * need not exist. Caller frees. Errors: E_ENVIRONMENT when the environment names none of them. */
int known_cache_folder(char **folder, struct error *err);

/* Makes it, as mkdir -p. Errors: E_ENVIRONMENT. */
int known_make_folder(const char *folder, struct error *err);

/* *is_known: `name` is a known file's. Then *path is where it lies in the cache, else NULL; its
 * content is not read. Caller frees. Errors: E_INPUT when it is known but not in the cache (says
 * how to fetch it), of the wrong size, or of a format that no reader takes; *is_known is set then,
 * too. E_ENVIRONMENT as known_cache_folder. */
int known_path(const char *name, char **path, bool *is_known, struct error *err);

#endif
