/* The terminal a person looks at. */
#ifndef ATELIER_TERMINAL_H
#define ATELIER_TERMINAL_H

#include <stdbool.h>
#include <stdio.h>

/* Columns and rows of the terminal behind stdout or stderr; elsewhere $COLUMNS and $LINES, else 80
 * x 24. */
int terminal_width(FILE *file);
int terminal_height(FILE *file);

/* Whether the locale's characters are UTF-8's: else print ASCII alone. */
bool terminal_utf8(void);

/* Prints text in at most `width` columns, its middle left out where it is longer ("/a/lo...e.jpg").
 * Control characters become '?'. A character counts as one column. */
void terminal_cut(FILE *to, const char *text, int width);

/* The same, filled with blanks to exactly that width. */
void terminal_fit(FILE *to, const char *text, int width);

/* The live line of stderr, in place of what it was, and nothing in its place. The text is made of
 * numbers and words of our own: it passes as it is. */
void terminal_redraw(const char *text, int width);
void terminal_erase(void);

#endif
