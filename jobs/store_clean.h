/* What unfinished and killed processes leave in a store, and who may remove it. */
#ifndef ATELIER_STORE_CLEAN_H
#define ATELIER_STORE_CLEAN_H

#include "store.h"

/* Whether a job's result stands, as long as it should be. */
bool store_job_done(const struct store *store, const char *id);

/* Removes what a job needs no more once it is done: its checkpoint, what it said so far, the record
 * of its failures. Errors: E_ENVIRONMENT. */
int store_job_finish(const struct store *store, const char *id, struct error *err);

/* Removes a result that is cut short; one that is whole stays, even if it got there just now. */
int store_job_remove_truncated(const struct store *store, const char *id, struct error *err);

struct store_cleaning {
    uint64_t temporaries, finished; /* files removed; jobs that needed store_job_finish */
};

/* Removes temporary files whose process is gone: those of this host by their process number, others
 * when they are older than age_s. Removing that of a live process makes it fail, never publish
 * half a file. Goes on with publications that were begun (job_publish.h). Then finishes every job
 * that is done. *out may be NULL. Errors: E_ENVIRONMENT. */
int store_clean(const struct store *store, double age_s, struct store_cleaning *out,
                struct error *err);

#endif
