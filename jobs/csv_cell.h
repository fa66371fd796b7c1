/* Writing CSV (RFC 4180). */
#ifndef ATELIER_CSV_CELL_H
#define ATELIER_CSV_CELL_H

#include <stdio.h>

/* Writes one cell, in quotes where it would be misread without, whatever separates cells. */
void csv_write_cell(FILE *to, const char *text);

#endif
