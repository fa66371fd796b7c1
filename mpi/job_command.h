/* The command that renders one job of a store: for the agent that runs it, and for the person who
 * wants to do so by hand. */
#ifndef ATELIER_JOB_COMMAND_H
#define ATELIER_JOB_COMMAND_H

#include "error.h"
#include "job_list.h"
#include "store.h"

enum { JOB_COMMAND_WORDS = PARAM_COUNT + 8 };

/* atelier render --into STORE --id ID --content=... Owned: job_command_release. */
struct job_command {
    int argc;
    char *argv[JOB_COMMAND_WORDS + 1];
};

/* Every JOB parameter that was given, in the table's order. Errors: E_ENVIRONMENT. */
int job_command_make(const struct store *store, const struct job *job, struct job_command *out,
                     struct error *err);
void job_command_release(struct job_command *command);

#endif
