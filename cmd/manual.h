/* Manual pages, in roff's man macros, made from the same tables as the help.
 * Checked by: test_have_a_page_for_every_command in tests/cmd/test_hands.py */
#ifndef ATELIER_MANUAL_H
#define ATELIER_MANUAL_H

#include "command.h"
#include "topics.h"
#include <stdio.h>

/* atelier-NAME(1); NULL: atelier(1). */
void manual_write(FILE *to, const struct command *command);

/* atelier-NAME(7). */
void manual_write_topic(FILE *to, const struct topic *topic);

#endif
