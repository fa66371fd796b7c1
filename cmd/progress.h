/* What a person sees while a render runs: a live line on a terminal, a line an outer iteration
 * elsewhere, nothing if quiet. All to stderr. */
#ifndef ATELIER_PROGRESS_H
#define ATELIER_PROGRESS_H

#include "history.h"
#include "params.h"
#include <stdbool.h>
#include <stdio.h>

struct progress {
    bool quiet, live;
    bool mute; /* stderr is the log: what goes there goes nowhere else */
    FILE *log; /* is told what a terminal is not needed for; borrowed; NULL: none */
    int64_t iterations, maxfun;
    double started;             /* clock at the first evaluation of this run */
    int64_t started_evaluation; /* evaluations done before this run */
    double last_drawn;
    bool drawn; /* a live line stands on the terminal */
};

void progress_init(struct progress *progress, const struct params *params);

/* Prints a line of chatter above the live line. */
void progress_say(struct progress *progress, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* A line that a person needs even where no chatter is wanted: to stderr and to the log. */
void progress_warn(struct progress *progress, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* The optimiser starts; so many evaluations are behind it. */
void progress_start(struct progress *progress, int64_t evaluations);

/* A row was appended: redraws the live line. */
void progress_row(struct progress *progress, const struct history *history);

/* An outer iteration ended. */
void progress_outer(struct progress *progress, const struct history *history);

/* Removes the live line. */
void progress_end(struct progress *progress);

#endif
