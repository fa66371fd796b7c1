/* Work with the HDF5 library in a child process: a damaged file can crash it (1.10) or keep it busy
 * for ever, and so can memory that runs out while it writes. That must not end a worker. */
#ifndef ATELIER_GUARDED_H
#define ATELIER_GUARDED_H

#include "error.h"
#include <stddef.h>
#include <sys/types.h>

/* Zeroed memory that a child shares with its parent; NULL when there is none. */
void *guarded_memory(size_t bytes);
void guarded_free(void *memory, size_t bytes);

/* Memory the child may take on top of its parent's, and how many times its seconds of processor
 * time may pass on the wall: a slow disk gets its time, one that never answers does not. */
enum { GUARDED_BYTES = 512 << 20, GUARDED_PATIENCE = 30 };

/* Runs work(context, err) in a child, which is stopped after so many seconds of processor time
 * or GUARDED_PATIENCE times as many in all, and runs out of memory at GUARDED_BYTES. Returns what
 * work returned, with its message; of what it wrote only shared memory reaches the caller. Work
 * must not start threads. Errors: those of work; E_INPUT when it crashed or ran out of time;
 * E_ENVIRONMENT when there is no child to be had or it was killed from outside. Threads: none may
 * be inside HDF5. */
int guarded_run(int (*work)(void *context, struct error *err), void *context, unsigned cpu_seconds,
                struct error *err);

/* Writes a file of our own in a child, `path` for messages: without limits, since nothing in it is
 * foreign. As guarded_run else; the files that are open are the caller's, too. Where there is no
 * child to be had (its memory would have to be promised a second time) work is done here: a result
 * is worth the risk. Errors: those of work; E_ENVIRONMENT: it crashed or was killed. Checked by:
 * a_library_that_dies_while_it_writes_is_an_error */
int guarded_write(int (*work)(void *context, struct error *err), void *context, const char *path,
                  struct error *err);

/* The pieces of it, for a child that goes from file to file. */
/* In the child, first of all: a crash ends it, and so does its parent's end; requests to stop are
 * its parent's to answer; nothing it says on stderr is heard. */
void guarded_enter(void);
/* In the child: from here on so many seconds of processor time (GUARDED_PATIENCE times as many in
 * all), and GUARDED_BYTES and so many bytes of memory on top of what was in use at guarded_enter.
 */
void guarded_allow(unsigned cpu_seconds, size_t bytes);
/* In the child: what it does until the next guarded_allow may take any time. */
void guarded_rest(void);
/* In the parent: waits for the child's end and returns the signal that ended it; 0: an exit. */
int guarded_await(pid_t child);
/* Says what an end without a report means. Returns an error code. */
int guarded_verdict(int ended_by, struct error *err);

#endif
