/* Results that a table, a page or a picture of a store had to do without. */
#ifndef ATELIER_LEFT_OUT_H
#define ATELIER_LEFT_OUT_H

#include "error.h"
#include "runs.h"

/* Lists the first of them, and why, on stderr. `lost` have become unreadable since runs_read.
 * Errors: E_FAILED where there is any, saying what to do. */
int left_out_list(const struct runs *runs, size_t lost, struct error *err);

#endif
