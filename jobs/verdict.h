/* The verdict of a batch: exit_status, written last by the owner of the nonce. Whoever started the
 * batch waits for it, since mpirun's own exit code says nothing after a loss.
 *
 *   {"nonce", "code", "finished", "counts": {"jobs", "done", "failed", "left"}} */
#ifndef ATELIER_VERDICT_H
#define ATELIER_VERDICT_H

#include "clock.h"
#include "store.h"

enum { NONCE_TEXT = 33 }; /* 32 hex digits and the final 0 */

struct verdict {
    char nonce[NONCE_TEXT]; /* of the claim; empty: there is no verdict */
    int code;               /* exit code of the batch */
    char finished[CLOCK_TEXT];
    uint64_t jobs, done, failed, left; /* of the store's sweep, after the batch */
};

/* Replaces an earlier one. Errors: E_ENVIRONMENT. */
int verdict_write(const struct store *store, const struct verdict *verdict, struct error *err);

/* *out is zeroed if there is none. Errors: E_INPUT: no JSON; E_ENVIRONMENT. */
int verdict_read(const struct store *store, struct verdict *out, struct error *err);

#endif
