/* What ties a render to the agent that started it, by the environment:
 *
 *   ATELIER_LEASH=IN:OUT:SECONDS   file descriptors of two pipes
 *
 * IN brings pulses, any bytes. When it ends, or brings none for SECONDS, this process ends at once
 * and publishes nothing: by then the job may have been given to another. A process that was frozen
 * finds the gap by the clock, before it looks at pulses that have piled up. OUT takes lines of
 * progress and is never waited for: a line that does not fit is dropped.
 *
 * Without that variable nobody holds the leash, and everything here does nothing. */
#ifndef ATELIER_LEASH_H
#define ATELIER_LEASH_H

#include "error.h"
#include <stdbool.h>

/* Starts a thread that watches IN, and has the kernel kill this process with its parent. To be
 * called early, and once. Errors: E_INPUT: the variable makes no sense; E_ENVIRONMENT. */
int leash_begin(struct error *err);

bool leash_held(void);

/* Ends the process if the lease has run out. To be called right before anything gets a name. */
void leash_check(void);

/* Sends a line, cut off after 500 bytes; line breaks in it become blanks. */
void leash_say(const char *format, ...) __attribute__((format(printf, 1, 2)));

#endif
