/* Reading many results in one go. A torn HDF5 file can crash the HDF5 library or keep it busy for
 * ever, and a process a file is slow for thousands: so a few child processes read on and on, and
 * one that dies of a file is replaced by another that starts behind it. */
#ifndef ATELIER_RESULT_STREAM_H
#define ATELIER_RESULT_STREAM_H

#include "error.h"
#include "hdf5_attributes.h"
#include "history.h"
#include "image.h"
#include "state.h"
#include <stdbool.h>

/* What is read of each. */
enum result_part {
    RESULT_ENDS = 1,    /* the history's first and last row (one, if it has only one) */
    RESULT_HISTORY = 2, /* all of its rows */
    RESULT_IMAGE = 4,
    RESULT_ATTRIBUTES = 8,
    RESULT_UNFINISHED = 16, /* a checkpoint will do, too: it has no picture */
    RESULT_COUNTERS = 32,   /* of a checkpoint's state; no pictures */
    RESULT_STATE = 64,  /* all of that state: nothing but a checkpoint will do. Takes the history
                         * and the attributes, too, which its checksum covers */
    RESULT_NAMED = 128, /* what a person names: may be a symbolic link */
    RESULT_SEAL = 256   /* whether its digest of itself is right */
};

/* What a result's digest of itself says (seal.h). */
enum seal {
    SEAL_NONE, /* not asked for, or there is none: it is an earlier version's */
    SEAL_GOOD,
    SEAL_BROKEN
};

/* What one file says. */
struct result_contents {
    bool finished;
    struct hdf5_attributes attributes; /* of the root; empty unless asked for */
    size_t rows;                       /* of the history in the file */
    struct history history;            /* as many rows of it as were asked for */
    struct image image;                /* rgb = NULL unless asked for */
    struct render_state state;         /* zeroed unless asked for */
    enum seal seal;                    /* SEAL_NONE unless asked for */
};
void result_contents_release(struct result_contents *contents);

/* Called in order of the paths, one call each: with contents (borrowed until it returns), or with
 * NULL and the reason. What it returns unless 0 ends the stream. */
typedef int result_visitor(void *context, size_t index, const struct result_contents *contents,
                           const struct error *why, struct error *err);

/* Reads the results at the given paths. A NULL path is skipped without a call. Nothing but what a
 * regular file itself holds is read (checked_hdf5.h), and each child has its limits (hdf5_probe.h).
 * Checked by: only_what_a_result_holds_is_read
 * Errors: the visitor's; E_ENVIRONMENT: no child to be had, or one was killed from outside, or ran
 * out of memory. Threads: none may be inside HDF5. Memory: one file's contents a child. */
int result_stream(const char *const *paths, size_t count, unsigned parts, result_visitor *visit,
                  void *context, struct error *err);

/* The same, asking while it waits. Errors: also E_INTERRUPTED: should_stop. Checked by:
 * a_request_to_stop_is_heard_while_a_child_reads */
int result_stream_until(const char *const *paths, size_t count, unsigned parts,
                        result_visitor *visit, bool (*should_stop)(void *context), void *context,
                        struct error *err);

/* One alone. *why is zeroed, or says why it cannot be read: then, and after an error, *out is
 * zeroed. Owned: result_contents_release. Errors: as result_stream. */
int result_read(const char *path, unsigned parts, struct result_contents *out, struct error *why,
                struct error *err);

#endif
