/* Command-line flags, all of them from the parameter table. */
#ifndef ATELIER_OPTIONS_H
#define ATELIER_OPTIONS_H

#include "arguments.h"
#include "params.h"

enum { OPTION_TEXT = 40 };

/* What a row of the parameter table is as an option. */
struct option {
    struct params *params;
    enum param_id id;
    char flag[OPTION_TEXT]; /* --style-weight */
};

/* The parameter table as rows for arguments_parse, which a command may put beside its own. They set
 * params and borrow options. */
void options_rows(struct params *params, struct option options[PARAM_COUNT],
                  struct argument rows[PARAM_COUNT]);

/* Parses `--style-weight 10`, `--style-weight=10`, `--style_weight 10` and `--fresh` (yes) from
 * argv[1] on: arguments_parse with these rows.
 * Errors: E_INPUT, naming the flag: unknown (with the nearest), without its value, out of range. */
int options_parse(int argc, char **argv, struct params *params, bool *help, struct error *err);

/* Makes an error about a parameter one about its flag: "style_weight must be ..." becomes
 * "--style-weight must be ...". */
void options_rephrase(struct error *err);

/* The flags as a table for people: names, values, ranges, defaults, help; to stdout. */
void options_print(void);

#endif
