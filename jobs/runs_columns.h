/* Private to jobs/: how the columns of runs.h are made and filled. */
#ifndef ATELIER_RUNS_COLUMNS_H
#define ATELIER_RUNS_COLUMNS_H

#include "runs.h"

/* A copy of text that lives as long as runs. Errors: E_ENVIRONMENT. */
int runs_keep(struct runs *runs, const char *text, const char **kept, struct error *err);

/* The columns every table has: job, parameters, facts. runs->count is known. */
int runs_add_columns(struct runs *runs, struct error *err);

/* Puts a value into a column, if it is one that runs_add_columns or an earlier call made. A number
 * in a column of texts becomes one. `text` may be NULL: then nothing happens. */
int runs_put_text(struct runs *runs, const char *column, size_t run, const char *text,
                  struct error *err);
int runs_put_number(struct runs *runs, const char *column, size_t run, double number,
                    struct error *err);

/* Every JOB parameter. */
int runs_put_params(struct runs *runs, size_t run, const struct params *params, struct error *err);

/* What a result says: facts (columns of unknown ones are made), losses, and, for a run that is not
 * listed, name and parameters. */
int runs_put_result(struct runs *runs, size_t run, const struct result_contents *contents,
                    struct error *err);

/* Puts the columns in their order, and the loss columns into network order. */
int runs_finish_columns(struct runs *runs, struct error *err);

#endif
