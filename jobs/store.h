/* A result store: the folder of a sweep.
 *
 *   sweep.yaml manifest.csv   what was asked, as given (a manifest: sweep.csv) and as expanded
 *   jobs/3f/ID.h5             a finished job's result: the mark that it is done, whole or not there
 *   jobs/3f/ID.png ID.log     its picture; what its render said, first the command that reruns it
 *   running/ID.h5 ID.log      checkpoint of an unfinished job, and what it said so far
 *   running/ID.aside.h5       a checkpoint of it that could not be gone on from
 *   failed/ID.json            why it failed, attempt by attempt (failure.h)
 *   claim                     who is at work here (claim.h)
 *   batch.log                 a line an event (events.h)
 *   progress.json             what the batch at work is doing (batch_progress.h)
 *   exit_status               the verdict of the last batch (verdict.h)
 *   sweep.h5 report.html      derived, rebuilt at any time
 *   slurm/                    batch scripts and their output
 *
 * Every file appears whole, by rename or link, and no result is ever replaced: any process may be
 * killed at any instant. A name that starts with a dot is a file being written, or a publication
 * that was begun (job_publish.h). No link is followed: neither the folders nor what is in them. */
#ifndef ATELIER_STORE_H
#define ATELIER_STORE_H

#include "error.h"
#include "job_id.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { HOST_TEXT = 65 }; /* of a host's name: HOST_NAME_MAX and the final 0 */

/* Life: store_create or store_open, use, store_release. */
struct store {
    char *folder; /* absolute */
};

enum store_file {
    STORE_JOBS,
    STORE_RUNNING,
    STORE_FAILED,
    STORE_SWEEP,
    STORE_SWEEP_ROWS, /* sweep.csv */
    STORE_MANIFEST,
    STORE_CLAIM,
    STORE_LOG,
    STORE_PROGRESS,
    STORE_EXIT_STATUS,
    STORE_TABLE, /* sweep.h5 */
    STORE_REPORT,
    STORE_SLURM,
    STORE_FILES
};

/* A job's. */
enum job_file {
    JOB_PICTURE,
    JOB_LOG,
    JOB_RESULT,
    JOB_CHECKPOINT,
    JOB_RUNNING_LOG,
    JOB_FAILURE,
    JOB_ASIDE, /* a checkpoint that could not be gone on from */
    JOB_FILES
};

/* Makes the folder and those around it, or finds them made.
 * Errors: E_INPUT: something else stands there, or a folder that holds other things and is no
 * store; E_ENVIRONMENT. */
int store_create(const char *folder, struct store *out, struct error *err);

/* Errors: E_INPUT: no such folder, or it is no store; E_ENVIRONMENT. */
int store_open(const char *folder, struct store *out, struct error *err);
void store_release(struct store *store);

/* Paths. Caller frees; NULL: no memory. */
char *store_path(const struct store *store, enum store_file file);
char *store_job_path(const struct store *store, const char *id, enum job_file file);

/* Makes jobs/3f, which is there only once a job of it is done. Errors: E_ENVIRONMENT. */
int store_make_room(const struct store *store, const char *id, struct error *err);

/* What is there of one job. */
struct store_entry {
    char id[JOB_ID_TEXT];
    unsigned files;        /* 1 << enum job_file, each file that is there */
    bool truncated;        /* its result is cut short or no HDF5 file at all: as good as none */
    uint64_t bytes;        /* of all its files */
    double result_written; /* seconds since 1970, of the result file; 0 without one */
};

struct store_scan {
    size_t count;
    struct store_entry *entries; /* ascending by id */
};

/* Looks through jobs/, running/ and failed/: one pass over each folder, no result is opened beyond
 * its first bytes. What appears meanwhile may be seen or not. Names that are no job's are passed
 * over. Errors: E_ENVIRONMENT. Owned: store_scan_release. */
int store_scan(const struct store *store, struct store_scan *out, struct error *err);
void store_scan_release(struct store_scan *scan);

/* The entry of a job, or NULL where there is nothing of it. */
const struct store_entry *store_scan_find(const struct store_scan *scan, const char *id);

/* NULL is none. */
bool store_entry_has(const struct store_entry *entry, enum job_file file);
/* Whether its result stands, whole as far as its length tells. */
bool store_entry_done(const struct store_entry *entry);

#endif
