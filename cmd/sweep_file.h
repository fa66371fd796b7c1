/* What a command that wants a sweep was given: a sweep file, a manifest, or the store of one. */
#ifndef ATELIER_SWEEP_FILE_H
#define ATELIER_SWEEP_FILE_H

#include "error.h"
#include <stdbool.h>

/* What to read in place of `path`: a store's folder stands for the manifest that it keeps, a file
 * for itself. Caller frees *file. *is_store: it was a folder, where the results belong, too.
 * Errors: E_INPUT: nothing is there, the folder is no store, or it has no manifest yet;
 * E_ENVIRONMENT. Checked by: test_a_store_stands_for_its_sweep in tests/cmd/test_hands.py */
int sweep_file_find(const char *path, char **file, bool *is_store, struct error *err);

#endif
