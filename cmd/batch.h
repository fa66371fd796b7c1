/* Private to atelier batch: its options, and what its files share. */
#ifndef ATELIER_BATCH_H
#define ATELIER_BATCH_H

#include "arguments.h"
#include "conduct.h"
#include <stdbool.h>
#include <stdint.h>

struct batch_options {
    const char *file;   /* sweep or manifest */
    const char *output; /* NULL: the sweep's own */
    int64_t ranks;      /* 0: not given */
    const char *hosts, *mpirun_args;
    double timeout, heartbeat, lost_after, patience, checkpoint_seconds;
    int64_t retries, max_failures, threads;
    uint64_t job_memory;
    double deadline; /* clock_seconds; INFINITY: none */
    const char *only;
    const char *renderer; /* NULL: this program */
    bool dry_run, coordinator_only, replace, quiet;
};

void batch_options_init(struct batch_options *options);
/* What atelier batch takes. */
void batch_options_describe(struct batch_options *options, struct form *form);

/* The path of this program. Caller frees; NULL: unknown. */
char *program_path(void);

/* --- batch_report.c: what a person sees --- */

struct batch_report {
    bool quiet, live, drawn;
    int columns;
};
void batch_report_init(struct batch_report *report, bool quiet);
void batch_report_say(struct batch_report *report, bool trouble, const char *line);
/* Quiet or not. */
void batch_report_warn(struct batch_report *report, const char *line);
void batch_report_show(struct batch_report *report, const struct batch_progress *progress);
/* Removes the live line. */
void batch_report_end(struct batch_report *report);
/* The summary, to stdout; the command that goes on, if there is something to go on with. */
void batch_report_outcome(const struct batch_report *report, const struct outcome *outcome,
                          const char *store, const char *command);

/* --- launch.c: mpirun --- */

/* Whether the options ask for more than this process. */
bool launch_wanted(const struct batch_options *options);
/* Starts mpirun with this command line, looks after it, ends it, and returns the verdict.
 * store: of the batch; NULL while it does not exist yet, then `folder` says where it will be. */
int launch(int argc, char **argv, const struct batch_options *options, const char *folder,
           struct error *err);
/* --- launched.c: rank 0 under such an mpirun tells the launcher what mpirun does not --- */

/* By lines on stdout that start so and are not passed on. */
#define LAUNCHED_LINE "\001atelier "
/* Whether this process is a rank that launch started. */
bool launched(void);
/* A sign of life every so many seconds until launched_rest, from a thread of its own. */
void launched_live(double every);
void launched_rest(void);
/* The nonce of its claim; its exit code, if it ends without one. */
void launched_tell_nonce(const char *nonce);
void launched_tell_code(int code);

#endif
