/* Command-line flags, all of them from the parameter table. */
#ifndef ATELIER_OPTIONS_H
#define ATELIER_OPTIONS_H

#include "params.h"

/* Parses `--style-weight 10`, `--style-weight=10`, `--style_weight 10` and `--fresh` (yes) from
 * argv[1] on. *help is set by --help or -h, and nothing else is looked at.
 * Errors: E_INPUT, naming the flag: unknown (with the nearest), without its value, out of range. */
int options_parse(int argc, char **argv, struct params *params, bool *help, struct error *err);

/* Makes an error about a parameter one about its flag: "style_weight must be ..." becomes
 * "--style-weight must be ...". */
void options_rephrase(struct error *err);

/* The flags as a table for people: names, values, ranges, defaults, help; to stdout. */
void options_print(void);

#endif
