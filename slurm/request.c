#include "request.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

const double request_time_margin = 1.25, request_memory_margin = 1.15;
const double request_overhead_seconds = 300;

/* An agent, its log, files in flight. */
static const double worker_bytes = 150e6;
/* A partition's machine, where nobody says. */
static const int usual_cpus = 1;
/* Below this many operations an evaluation reads weights more than it computes. */
static const double small_flop = 6e10;
/* Of jobs to a worker: fewer leave workers idle at the end. */
static const size_t jobs_a_worker = 3;
/* Of threads that a render of usual size still uses well. */
enum { THREADS_MOST = 16 };
static const double minute = 60, mebibyte = 1048576;

/* --- layout --- */

static int at_least_1(int64_t value) { return value > 1 ? (int)value : 1; }

static int workers_that_fit(const struct node *node, int threads, uint64_t bytes)
{
    int cpus = node->cpus > 0 ? node->cpus : usual_cpus, workers = at_least_1(cpus / threads);
    double each = (double)bytes * request_memory_margin + worker_bytes;
    if (node->bytes > 0 && (double)workers * each > (double)node->bytes)
        workers = at_least_1((int64_t)((double)node->bytes / each));
    return workers;
}

/* Whether more threads and fewer workers would serve better: processors would idle. */
static bool too_many_workers(const struct node *node, int nodes, int threads, size_t jobs,
                             uint64_t bytes)
{
    int workers = node->cpus / threads;
    return workers_that_fit(node, threads, bytes) < workers ||
           (size_t)workers * (size_t)nodes * jobs_a_worker > jobs;
}

static int choose_threads(const struct node *node, int nodes, size_t jobs, uint64_t bytes,
                          double flop)
{
    int threads = flop < small_flop && node->cpus >= 2 ? 2 : 1;
    while (2 * threads <= node->cpus && 2 * threads <= THREADS_MOST &&
           too_many_workers(node, nodes, threads, jobs, bytes))
        threads *= 2;
    return threads;
}

static int check_layout(const struct node *node, const struct layout *layout, uint64_t bytes,
                        struct error *err)
{
    int cpus = layout->workers * layout->threads;
    if (node->cpus > 0 && cpus > node->cpus)
        return fail(
            err, E_INPUT,
            "%d workers of %d threads need %d processors, a node has %d: take more --nodes, "
            "or say how large they are with --node-cpus",
            layout->workers, layout->threads, cpus, node->cpus);
    if (node->bytes > 0 && bytes > node->bytes)
        return fail(err, E_INPUT, "the largest job needs %.1f GB of memory, a node has %.1f GB",
                    (double)bytes * 1e-9, (double)node->bytes * 1e-9);
    return 0;
}

int request_layout(const struct wish *wish, const struct node *node, size_t jobs, uint64_t bytes,
                   double flop, struct layout *layout, struct error *err)
{
    struct layout made = {.nodes = at_least_1(wish->nodes), .threads = (int)wish->threads};
    if (made.threads == 0 && wish->workers > 0)
        made.threads = at_least_1(node->cpus / wish->workers);
    if (made.threads == 0)
        made.threads = choose_threads(node, made.nodes, jobs, bytes, flop);
    made.workers = (int)wish->workers;
    if (made.workers == 0) {
        made.workers = workers_that_fit(node, made.threads, bytes);
        size_t enough = (jobs + (size_t)made.nodes - 1) / (size_t)made.nodes;
        if (jobs > 0 && (size_t)made.workers > enough)
            made.workers = (int)enough;
    }
    int status = check_layout(node, &made, bytes, err);
    if (status == 0)
        *layout = made;
    return status;
}

/* --- time and memory --- */

static int descending(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x < y) - (x > y);
}

/* Bytes for each of a node's processors. */
static double bytes_per_cpu(const struct layout *layout, uint64_t *bytes, size_t count)
{
    size_t workers = (size_t)layout->nodes * (size_t)layout->workers, first;
    double sum = 0, cpus = (double)layout->workers * layout->threads;
    qsort(bytes, count, sizeof *bytes, descending);
    for (first = 0; first < workers && first < count; first++)
        sum += (double)bytes[first];
    double mean = first > 0 ? sum / (double)first : 0;
    double node = layout->workers * mean, largest = count > 0 ? (double)bytes[0] : 0;
    return (fmax(node, largest) * request_memory_margin + layout->workers * worker_bytes) / cpus;
}

static double round_up(double value, double unit) { return ceil(value / unit) * unit; }

static double whole_minutes(double makespan)
{
    double seconds = makespan * request_time_margin + request_overhead_seconds;
    return round_up(seconds, seconds > 60 * minute ? 10 * minute : 5 * minute);
}

void request_fill(const struct wish *wish, const struct node *node, const struct layout *layout,
                  uint64_t *bytes, size_t count, double makespan, struct request *out)
{
    enum { MEGABYTES_UNIT = 50 };
    double wanted = whole_minutes(makespan);
    double per_cpu = wish->bytes_per_cpu > 0
                         ? (double)wish->bytes_per_cpu / mebibyte
                         : round_up(bytes_per_cpu(layout, bytes, count) / mebibyte, MEGABYTES_UNIT);
    *out = (struct request){.layout = *layout,
                            .megabytes_per_cpu = (uint64_t)ceil(per_cpu),
                            .seconds = wish->seconds > 0 ? round_up(wish->seconds, minute) : wanted,
                            .least_seconds = round_up(wish->least_seconds, minute)};
    if (wish->seconds <= 0 && node->limit_seconds > 0 && out->seconds > node->limit_seconds)
        out->seconds = floor(node->limit_seconds / minute) * minute;
    out->cut = out->seconds < makespan;
}

const char *request_time(double seconds, char text[REQUEST_TIME_TEXT])
{
    long whole = (long)ceil(seconds), days = whole / 86400, rest = whole % 86400;
    int used = days > 0 ? snprintf(text, REQUEST_TIME_TEXT, "%ld-", days) : 0;
    snprintf(text + used, (size_t)(REQUEST_TIME_TEXT - used), "%02ld:%02ld:%02ld", rest / 3600,
             rest % 3600 / 60, rest % 60);
    return text;
}
