/* The batch script of a sweep: readable, kept in the store, and runnable by hand. */
#ifndef ATELIER_SCRIPT_H
#define ATELIER_SCRIPT_H

#include "request.h"
#include <stdio.h>

struct script {
    const char *program, *sweep, *store, *path; /* absolute; path: where the script is kept */
    const char *setup;                          /* a file that the shell reads first; NULL: none */
    struct request request;
    const char *const *directives; /* more #SBATCH words, "--partition=short"; ended by NULL */
    const char *const *arguments;  /* more words for atelier batch; ended by NULL */
    const char *name;              /* of the job */
    int signal_seconds;            /* before the time limit */
    int restarts;                  /* the most */
    bool requeue;
    const char *note; /* one line: when and from what it was written */
};

/* Texts of paths are quoted for the shell. Errors: E_INPUT: a path with a newline; E_ENVIRONMENT.
 */
int script_write(FILE *to, const struct script *script, struct error *err);

/* How long before the limit to signal, by default: five minutes, a quarter of short limits. */
int script_signal_seconds(double limit_seconds);

#endif
