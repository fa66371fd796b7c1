/* Writing CSV (RFC 4180). */
#ifndef ATELIER_CSV_CELL_H
#define ATELIER_CSV_CELL_H

#include <stdio.h>

/* Writes one cell, in quotes where it would be misread without, whatever separates cells. */
void csv_write_cell(FILE *to, const char *text);

/* The same for a text that somebody else chose: one that a spreadsheet would run as a formula
 * (=, +, -, @, a tab or a line's end first) has a ' before it, and so has one that would read as
 * such a one. Source: OWASP, CSV injection. */
void csv_write_text(FILE *to, const char *text);

/* What csv_write_text was given, of what it wrote. */
const char *csv_read_text(const char *cell);

#endif
