/* What to ask of Slurm for a list of renders: how many workers with how many threads each, memory
 * and time. Plain numbers in, plain numbers out: no program is run here. */
#ifndef ATELIER_REQUEST_H
#define ATELIER_REQUEST_H

#include "error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* A machine of the partition. 0: unknown. */
struct node {
    int cpus;
    uint64_t bytes;       /* of memory */
    double limit_seconds; /* of a job in the partition; 0: none or unknown */
};

/* What a person wants; 0: choose. */
struct wish {
    int64_t nodes, workers, threads; /* workers: on each node */
    uint64_t bytes_per_cpu;
    double seconds, least_seconds;
};

struct layout {
    int nodes, workers, threads;
};

struct request {
    struct layout layout;
    uint64_t megabytes_per_cpu; /* of 2^20, as Slurm counts */
    double seconds;             /* whole minutes */
    double least_seconds;       /* 0: not asked for */
    bool cut; /* the partition's limit is shorter than the work: it will be resumed */
};

/* Workers and threads for `jobs` renders of at most `bytes` each, whose median one has `flop` in an
 * evaluation: one thread a worker unless memory, few jobs or small pictures (which share weights
 * and bandwidth badly) speak for more, and never more workers than jobs.
 * Errors: E_INPUT: what was wished for needs more processors or memory than a node has. */
int request_layout(const struct wish *wish, const struct node *node, size_t jobs, uint64_t bytes,
                   double flop, struct layout *layout, struct error *err);

/* Time and memory. bytes[count] of the jobs, any order (sorted on the way); makespan as predicted
 * for the layout. Memory is that of the largest jobs side by side, since the longest start first,
 * with a margin of request_memory_margin; time has one of request_time_margin, and request_overhead
 * for starting and ending. */
extern const double request_time_margin, request_memory_margin, request_overhead_seconds;
void request_fill(const struct wish *wish, const struct node *node, const struct layout *layout,
                  uint64_t *bytes, size_t count, double makespan, struct request *out);

/* "1-02:30:00" or "02:30:00" */
enum { REQUEST_TIME_TEXT = 32 };
const char *request_time(double seconds, char text[REQUEST_TIME_TEXT]);

#endif
