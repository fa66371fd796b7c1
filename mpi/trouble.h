/* Trouble that is not a job's own: a mount that is stale, a disk that is full, a program that
 * cannot be run. It is an agent's, its host's, or the store's, and which of them shows only in
 * time:
 *
 *   one that keeps failing while others finish jobs   its own: it gets none any more (blocked)
 *   everybody fails                                   the store's: all rest, longer each time, and
 *                                                     try again until their patience is over */
#ifndef ATELIER_TROUBLE_H
#define ATELIER_TROUBLE_H

#include <stdbool.h>

/* Failures in a row, while others finish jobs, after which an agent or a host gets no job any more.
 */
enum { TROUBLES_MOST = 3 };

/* Of an agent or a host; {0}: none. */
struct trouble {
    int count;    /* failures since the last job that was done there */
    double since; /* the first of them */
    double rests; /* until then nothing is started there */
};

/* It has failed once more. True: for longer than patience_s. */
bool trouble_grows(struct trouble *trouble, double now, double patience_s);

/* Whether it is alone with it, given when a job was last done anywhere. */
bool trouble_is_its_own(const struct trouble *trouble, double last_done);

#endif
