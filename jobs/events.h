/* batch.log: one line an event, appended by whoever holds the claim.
 *
 *   2026-11-24T14:20:01Z job_done id=3fa9c1e0b2d47a15 rank=3 seconds=12.5
 *
 * A value with blanks, quotes, '=' or control characters in it stands in double quotes, with \" \\
 * \n \r \t as in JSON. Events: batch_start agent_joined agent_blocked agent_lost job_start job_done
 * job_failed job_retry job_note stop_requested batch_end. */
#ifndef ATELIER_EVENTS_H
#define ATELIER_EVENTS_H

#include "store.h"

/* A line that cannot be written is kept, and goes before the next one. */
struct events {
    const struct store *store; /* borrowed */
    int file;                  /* -1: not open just now */
    char *kept;
    size_t kept_bytes;
};

/* key=text, or key=number where text is NULL. */
struct event_field {
    const char *key;
    const char *text;
    double number;
};

/* Opens the log for appending. Life: events_open, events_append, events_close.
 * Errors: E_INPUT: what stands there is no log; one that cannot be opened is tried again later. */
int events_open(const struct store *store, struct events *out, struct error *err);

/* Appends one line, after those that were kept, with one write.
 * Errors: E_ENVIRONMENT: it is kept, as far as memory goes. Checked by:
 * lines_of_the_log_that_cannot_be_written_come_later */
int events_append(struct events *events, const char *event, const struct event_field *fields,
                  size_t count, struct error *err);
void events_close(struct events *events);

#endif
