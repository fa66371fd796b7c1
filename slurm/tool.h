/* Slurm's own programs, run and listened to. */
#ifndef ATELIER_TOOL_H
#define ATELIER_TOOL_H

#include "error.h"
#include <stdbool.h>

struct tool_output {
    int code;        /* exit code; 128 + the signal's number */
    char *out, *err; /* all it said, without the last newline */
};

/* Runs argv (found in PATH) with `input` (or NULL) as its standard input, and waits.
 * Errors: E_ENVIRONMENT: it cannot be started ("sbatch is not installed here"). Owned:
 * tool_release. */
int tool_run(const char *const *argv, const char *input, struct tool_output *out,
             struct error *err);
void tool_release(struct tool_output *output);

/* Whether the program is in PATH. */
bool tool_present(const char *name);

#endif
