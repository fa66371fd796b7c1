/* The sweep that a store belongs to: sweep.yaml (or, where a manifest was given, sweep.csv) as
 * given, manifest.csv as expanded. */
#ifndef ATELIER_STORE_SWEEP_H
#define ATELIER_STORE_SWEEP_H

#include "job_list.h"
#include "store.h"

/* Makes this sweep the store's, which must be claimed. One that lacks jobs of the sweep before is
 * refused, unless replace: a mistyped file would otherwise orphan what has been rendered. Results
 * stay in any case: those of jobs that are not in the new sweep are untouched, and unlisted from
 * then on. Files that stay the same are not written; others are replaced whole. A manifest that a
 * power cut has left empty says nothing: it is as good as none.
 * Errors: E_INPUT: how many jobs are missing, the first of them, and by parameter which values are
 * gone; E_ENVIRONMENT. */
int store_sweep_take(const struct store *store, const struct job_list *list, bool replace,
                     struct error *err);

/* The same, only asked: nothing is written. */
int store_sweep_check(const struct store *store, const struct job_list *list, struct error *err);

/* The jobs of the store's manifest as they were when it was written (job_list_read_recorded).
 * Errors: E_INPUT: there is none, or it makes no sense; E_ENVIRONMENT. */
int store_sweep_read(const struct store *store, struct job_list *out, struct error *err);

#endif
