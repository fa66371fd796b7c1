/* Reading many results in one go. A torn HDF5 file can crash the HDF5 library or keep it busy for
 * ever, and a process a file is slow for thousands: so a few child processes read on and on, and
 * one that dies of a file is replaced by another that starts behind it. */
#ifndef ATELIER_RESULT_STREAM_H
#define ATELIER_RESULT_STREAM_H

#include "error.h"
#include "hdf5_attributes.h"
#include "history.h"
#include "image.h"
#include <stdbool.h>

/* What is read of each. */
enum result_part {
    RESULT_ENDS = 1,    /* the history's first and last row (one, if it has only one) */
    RESULT_HISTORY = 2, /* all of its rows */
    RESULT_IMAGE = 4,
    RESULT_ATTRIBUTES = 8,
    RESULT_UNFINISHED = 16 /* a checkpoint will do, too: it has no picture */
};

/* What one file says. */
struct result_contents {
    bool finished;
    struct hdf5_attributes attributes; /* of the root; empty unless asked for */
    size_t rows;                       /* of the history in the file */
    struct history history;            /* as many rows of it as were asked for */
    struct image image;                /* rgb = NULL unless asked for */
};

/* Called in order of the paths, one call each: with contents (borrowed until it returns), or with
 * NULL and the reason. What it returns unless 0 ends the stream. */
typedef int result_visitor(void *context, size_t index, const struct result_contents *contents,
                           const struct error *why, struct error *err);

/* Reads the results at the given paths. A NULL path is skipped without a call.
 * Errors: the visitor's; E_ENVIRONMENT: no child to be had, or one was killed from outside, or ran
 * out of memory. Threads: none may be inside HDF5. Memory: one file's contents a child. */
int result_stream(const char *const *paths, size_t count, unsigned parts, result_visitor *visit,
                  void *context, struct error *err);

#endif
