/* A store as a table: one row a run, that is a job of its manifest, or a result that is in no
 * manifest any more. Columns are what is known of a run: its parameters, the facts of its result,
 * its losses. Whatever reads a sweep (tables, report) reads this.
 *
 * Inputs need not be there: ids are taken as they are written, no image is opened. */
#ifndef ATELIER_RUNS_H
#define ATELIER_RUNS_H

#include "error.h"
#include "history.h"
#include "job_id.h"
#include "name_index.h"
#include "numbers.h"
#include "params.h"
#include "result_stream.h"
#include "store_state.h"

struct run {
    const char *id; /* 16 hex digits; borrowed from runs */
    enum run_status status;
    bool listed;         /* in the manifest */
    size_t rows;         /* of its history; 0 unless DONE */
    const char *picture; /* "jobs/3f/ID.png", relative to the store; NULL: there is none */
    const char *error;   /* why FAILED or UNREADABLE; else NULL */
};

enum run_column_group {
    RUN_JOB,   /* id, name, status, ... */
    RUN_PARAM, /* a JOB parameter */
    RUN_FACT,  /* of the result: host, seconds, digests, ... */
    RUN_LOSS   /* final_total, start_style_relu1_1, ... */
};

/* A column: texts or numbers, never both. */
struct run_column {
    const char *name, *title, *unit; /* unit is empty for texts */
    enum run_column_group group;
    bool always;        /* belongs into every table, even where it is constant or empty */
    bool whole;         /* numbers: all of them are whole */
    const char **texts; /* [count]; NULL where there is none */
    double *numbers;    /* [count]; NaN where there is none */
};

/* Rows in the manifest's order, then unlisted results by id. Columns: job, parameters in the
 * table's order, facts, losses (start and final of every loss column). All texts live in `pool`.
 * Equal stores give equal tables. */
struct runs {
    size_t count;
    struct run *run;
    size_t columns;
    struct run_column *column;
    int loss_columns;            /* of all histories together: the fixed ones, then one for each */
    struct history_column *loss; /* loss layer of any run, content first, in network order */
    size_t done, unreadable;     /* runs with that status */
    struct store store;          /* its folder */
    struct store_state state;    /* what the batch is doing */
    struct name_index pool, names; /* of texts; of columns */
};

/* Reads a store: its manifest, what is done, failed and running, and every result, in children that
 * may die of one. An unreadable result is a row that says so.
 * Errors: E_INPUT: no store, a manifest that makes no sense; E_ENVIRONMENT.
 * Memory: some 2 kB a run. Threads: none may be inside HDF5. Owned: runs_release. */
int runs_read(const char *folder, struct runs *out, struct error *err);
void runs_release(struct runs *runs);

/* The column of that name, or NULL. */
const struct run_column *runs_column(const struct runs *runs, const char *name);

/* Whether all runs that have a value in it have the same one. True where none has any. */
bool runs_constant(const struct runs *runs, const struct run_column *column);

/* Whether a table has it as a column: it always has, or it is a loss, or not constant. */
bool runs_varies(const struct runs *runs, const struct run_column *column);

/* One value as text, "" where there is none: numbers as number_format does. */
const char *runs_text(const struct run_column *column, size_t run, char text[NUMBER_TEXT]);

/* Called run by run, in order. values: [rows][runs->loss_columns], NaN in columns the run does not
 * have; NULL, with the reason, where the result became unreadable since. Borrowed. */
typedef int runs_visitor(void *context, size_t run, size_t rows, const double *values,
                         const struct image *image, const struct error *why, struct error *err);

/* Visits the histories (and pictures, if asked for; else image is NULL) of the given runs that are
 * DONE; which = NULL: of all. Memory: a few histories at a time. Errors: the visitor's, those of
 * result_stream. */
int runs_visit(const struct runs *runs, const size_t *which, size_t count, bool images,
               runs_visitor *visit, void *context, struct error *err);

#endif
