/* What a command takes, for people: help on a terminal, and what manual pages and completion share.
 */
#ifndef ATELIER_FORM_PRINT_H
#define ATELIER_FORM_PRINT_H

#include "arguments.h"

/* The whole help of a command. Checked by: test_lists_every_choice_layer_and_preset in
 * tests/cmd/test_hands.py */
void form_print(FILE *to, const char *command, const struct form *form);

/* What exit codes mean where a command says nothing else. */
extern const char form_exit_codes[];

/* What a row's value may be, as "a|b|c" or "1 to 64"; "" where there is nothing to say. */
enum { VALUES_TEXT = 512 };
void argument_values(const struct argument *row, char text[VALUES_TEXT]);

/* Words of a space-separated list, wrapped at 96 columns, each line indented by two. */
void print_wrapped(FILE *to, const char *indent, const char *text);

#endif
