/* The way out: all that is printed to stdout and stderr passes here.
 *
 * Names, hosts and messages come out of files that others may have written. What of them would do
 * something to a terminal, or mislead about what stands where, is shown instead: "\u001b" for a
 * character, "\xff" for a byte that is no UTF-8. Line breaks and tabs pass. JSON stays the same
 * JSON: such characters stand in its strings alone. */
#ifndef ATELIER_OUTLET_H
#define ATELIER_OUTLET_H

#include "error.h"
#include <stddef.h>
#include <stdio.h>

/* Puts stdout and stderr behind it; once, before anything is printed. */
void outlet_open(void);

/* Prints bytes as they are: control sequences of our own, what another process of ours printed. */
void outlet_raw(FILE *to, const char *bytes, size_t length);

/* From here on stdout is a file for programs: it passes as it is, but to a terminal. */
void outlet_pass_data(void);

/* Prints text as part of one line: line breaks and tabs are shown, too. To any file. */
void outlet_line(FILE *to, const char *text);

/* "atelier COMMAND: message" to stderr, a line; nothing where there is no error. */
void outlet_error(const char *command, const struct error *error);

/* What is left is written. Returns the exit code: `code`; E_ENVIRONMENT, said to stderr, where that
 * is 0 and not all of stdout could be written. A reader that went away ("| head") had enough: that
 * is no error. */
int outlet_close(int code);

#endif
