/* A manifest: one job a row, in CSV (RFC 4180), with a header. Columns are `id`, `name` and the JOB
 * parameters, in any order; an empty cell is the default. */
#ifndef ATELIER_MANIFEST_H
#define ATELIER_MANIFEST_H

#include "job_list.h"
#include <stdio.h>

struct job_builder;

/* Adds a manifest's rows to the builder. Comma, semicolon or tab separates, whichever the header
 * does; empty lines and rows of empty cells are skipped; CRLF, LF and CR end a line.
 * What is wrong becomes a complaint. Errors: E_ENVIRONMENT. */
int manifest_read(const char *text, size_t bytes, struct job_builder *builder, struct error *err);

/* Writes the list: id, name, then content, style and every JOB parameter that is not at its default
 * (the table's, or that of the job's preset) in some job, in the table's order; absolute paths,
 * numbers in full. Reading it gives the same jobs with the same ids. The bytes depend on the list
 * alone. Errors: E_ENVIRONMENT. */
int manifest_write(FILE *to, const struct job_list *list, struct error *err);

#endif
