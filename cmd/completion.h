/* Completion for shells, made from the same tables as the help: commands, options, the words that
 * values may be, files and folders.
 * Checked by: test_bash_completes and test_zsh_completes in tests/cmd/test_hands.py */
#ifndef ATELIER_COMPLETION_H
#define ATELIER_COMPLETION_H

#include <stdio.h>

void completion_write_bash(FILE *to);
void completion_write_zsh(FILE *to);

#endif
