/* Work on a file that nobody vouches for, in a child process: a damaged HDF5 file can crash the
 * HDF5 library (1.10) or keep it busy for ever, and that must not end a worker. */
#ifndef ATELIER_GUARDED_H
#define ATELIER_GUARDED_H

#include "error.h"
#include <stddef.h>

/* Zeroed memory that a child shares with its parent; NULL when there is none. */
void *guarded_memory(size_t bytes);
void guarded_free(void *memory, size_t bytes);

/* Memory the child may take on top of its parent's. */
enum { GUARDED_BYTES = 512 << 20 };

/* Runs work(context, err) in a child, which is stopped after so many seconds of processor time
 * (waiting for a slow disk does not count), and runs out of memory at GUARDED_BYTES. Returns what
 * work returned, with its message; of what it wrote only shared memory reaches the caller. Work
 * must not start threads. Errors: those of work; E_INPUT when it crashed or ran out of time;
 * E_ENVIRONMENT when there is no child to be had or it was killed from outside. Threads: none may
 * be inside HDF5. */
int guarded_run(int (*work)(void *context, struct error *err), void *context, unsigned cpu_seconds,
                struct error *err);

#endif
