/* Private to mpi/: what rank 0 writes into the store while a batch runs: why jobs failed, a line an
 * event, how everything stands. */
#ifndef ATELIER_RECORDS_H
#define ATELIER_RECORDS_H

#include "batch_progress.h"
#include "claim.h"
#include "conduct.h"
#include "events.h"
#include "job_list.h"

enum seat_state { SEAT_EXPECTED, SEAT_TAKEN, SEAT_GONE };

/* A rank as seen from rank 0, and what it does. */
struct seat {
    enum seat_state state;
    char host[HOST_TEXT], mask[MASK_TEXT];
    uint64_t bytes;
    int threads;
    double stamp; /* of its last status */
    bool running, blocked;
    size_t job;
    int attempt;
    double started, started_utc; /* clock_seconds, clock_now */
    int64_t evaluation;
    double total;
    char trouble[256]; /* of its surroundings, when a job ended with it last */
};

struct records {
    const struct store *store;
    const struct job_list *list;
    const struct job_cost *costs;
    struct events events;
    struct failure *failures; /* [list->count]; without attempts: none */
    bool *unwritten;          /* [list->count]: what stands in failed/ is not what it should be */
    size_t unwritten_count;
    double cost_done, cost_all; /* of the jobs of this batch */
    double started;             /* clock_seconds */
};

int records_open(struct records *records, const struct store *store, const struct job_list *list,
                 const struct job_cost *costs, struct error *err);
void records_close(struct records *records);

/* Adds a failed attempt of a job to its record. Errors: E_ENVIRONMENT. */
int records_add_attempt(struct records *records, size_t job, const struct attempt *attempt,
                        struct error *err);
/* Writes failed/ID.json. end is the last attempt's. Errors: E_ENVIRONMENT: records_catch_up will.
 */
int records_write_failure(struct records *records, size_t job, enum job_end end, bool final,
                          struct error *err);
/* Reads the record of an earlier batch. */
int records_read_failure(struct records *records, size_t job, struct error *err);
/* The job is done. Errors: as records_write_failure. */
int records_forget(struct records *records, size_t job, struct error *err);

/* Writes and removes in failed/ what could not be. Errors: E_ENVIRONMENT: it still cannot. */
int records_catch_up(struct records *records, struct error *err);

/* progress.json, and the same for a person. */
int records_show(struct records *records, const struct claim *claim, const struct seat *seats,
                 int seat_count, const struct coordinator_counts *counts,
                 const struct outcome *before, const struct conduct_hooks *hooks,
                 struct error *err);

#endif
