/* Whether a store holds what it should: every job of its manifest done, and every result what it
 * was when it was published. */
#ifndef ATELIER_STORE_VERIFY_H
#define ATELIER_STORE_VERIFY_H

#include "numerics_tally.h"
#include "store.h"

enum finding_kind {
    FOUND_DAMAGED, /* a result that is not what was published, or not all there */
    FOUND_STALE, /* sound, but one of its files has changed since: asked again, it is another job */
    FOUND_MISSING,  /* no result; the reason, if it failed */
    FOUND_UNLISTED, /* a sound result of no job of the manifest */
    FINDINGS
};
/* "damaged" */
const char *finding_word(enum finding_kind kind);

struct finding {
    enum finding_kind kind;
    char id[JOB_ID_TEXT];
    char *name;   /* the job's, or NULL */
    bool listed;  /* in the manifest */
    bool removed; /* by verify_repair */
    char why[320];
};

struct verification {
    size_t jobs;  /* in the manifest */
    size_t sound; /* of those */
    size_t count; /* by kind, then by id */
    struct finding *list;
    size_t kinds[FINDINGS];         /* how many of each */
    struct numerics_tally numerics; /* of the sound ones */
};

struct verify_hooks {
    void *context;
    void (*on_result)(void *context, size_t checked, size_t of);
    bool (*should_stop)(void *context);
};

/* Looks at everything; changes nothing, and does not disturb a batch. Of each result: that it is
 * whole (it is read in a child that may die of it) and as it was written, bit for bit (seal.h; of
 * an earlier version's nobody knows), that its parameters and digests make up its id, that it has a
 * history, that its picture is the PNG beside it, byte for byte what was published, and that its
 * log is there; then whether its input files still are what they were. Errors: E_INPUT: no
 * manifest, or it makes no sense; E_ENVIRONMENT; E_INTERRUPTED: should_stop. Threads: none may be
 * inside HDF5. Owned: verification_release. */
int verify_store(const struct store *store, const struct verify_hooks *hooks,
                 struct verification *out, struct error *err);
void verification_release(struct verification *verification);

/* Whether every job of the manifest has a sound result. */
bool verification_good(const struct verification *verification);

/* Removes what is damaged of the manifest's jobs, so that a new batch renders it again: the result
 * first, then picture and log. The store must be claimed. Errors: E_ENVIRONMENT. */
int verify_repair(const struct store *store, struct verification *verification, struct error *err);

#endif
