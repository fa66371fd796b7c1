#include "estimate.h"

#include "commit.h"
#include "complaints_print.h"
#include "human.h"
#include "memory.h"
#include "sweep_file.h"
#include "threads.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

void estimate_rows(struct estimate_options *o, struct form *form)
{
    const struct argument rows[] = {
        OPTION("output", TEXT, &o->output, "DIR",
               "the store; default: what the sweep file says as `output`"),
        OPTION("nodes", WHOLE, &o->wish.nodes, "N", "machines; default 1", .low = 1,
               .high = 100000),
        OPTION("workers", WHOLE, &o->wish.workers, "N",
               "renders at once on each node; default: from the jobs and the node", .low = 1,
               .high = 4096),
        OPTION("threads", WHOLE, &o->wish.threads, "N", "of each render; default: likewise",
               .low = 1, .high = 4096),
        OPTION("node-cpus", REAL, &o->cpus, "N",
               "processors of a node; default: what Slurm says, else this machine's", .low = 1,
               .high = 65536),
        OPTION("node-memory", BYTES, &o->node_bytes, "BYTES",
               "memory of a node; default: likewise"),
        OPTION("calibrate", FLAG, &o->calibrate, NULL,
               "measure this machine again (some seconds), even if that was done before"),
        OPTION("calibration", TEXT, &o->calibration, "FILE",
               "take another machine's measurements, from its cache folder"),
    };
    form_add(form, rows, sizeof rows / sizeof *rows);
}

/* --- what there is to do --- */

static bool is_folder(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0 && S_ISDIR(info.st_mode);
}

/* The file to read, absolute: a batch script will name it. */
static int find_file(const char *path, char **file, struct error *err)
{
    bool is_store;
    char *found = NULL;
    int status = sweep_file_find(path, &found, &is_store, err);
    if (status != 0)
        return status;
    *file = realpath(found, NULL);
    if (!*file)
        status = fail_errno(err, "cannot read '%s'", found);
    free(found);
    return status;
}

static int absolute(const char *path, char **out, struct error *err)
{
    char *here = path[0] == '/' ? NULL : getcwd(NULL, 0);
    if (path[0] == '/' ? (*out = strdup(path)) == NULL : asprintf(out, "%s/%s", here, path) < 0)
        *out = NULL;
    free(here);
    return *out ? 0 : fail(err, E_ENVIRONMENT, "not enough memory");
}

static bool has_jobs(const char *folder)
{
    struct store store = {.folder = (char *)(uintptr_t)folder};
    char *jobs = store_path(&store, STORE_JOBS);
    bool there = jobs && is_folder(jobs);
    free(jobs);
    return there;
}

static int find_store(const char *path, const struct estimate_options *options,
                      struct estimate *estimate, struct error *err)
{
    const char *folder = options->output   ? options->output
                         : is_folder(path) ? path
                                           : estimate->list.output;
    if (!folder)
        return 0;
    int status = absolute(folder, &estimate->folder, err);
    if (status == 0)
        estimate->exists = has_jobs(folder);
    return status;
}

static int read_list(const char *file, struct job_list *list, struct error *err)
{
    struct complaints complaints = {0};
    int status = job_list_read(file, list, &complaints, err);
    complaints_print(&complaints);
    complaints_release(&complaints);
    return status;
}

/* --- calibration and experience --- */

static int calibrate(const struct estimate_options *options, struct estimate *estimate,
                     struct error *err)
{
    const struct layout *layout = &estimate->request.layout;
    struct calibration calibration;
    int available = threads_available();
    int threads = layout->threads < available ? layout->threads : available;
    int beside = available / threads, workers = layout->workers < beside ? layout->workers : beside;
    static const char version[] = ATELIER_VERSION " " ATELIER_COMMIT;
    int status = 0;
    threads_use(threads);
    if (options->calibration)
        status = calibration_read(options->calibration, &calibration, err);
    else if (options->calibrate || !calibration_kept(version, workers, &calibration)) {
        fprintf(stderr, "measuring this machine: some seconds, this once\n");
        status = calibration_renew(version, workers, &calibration, err);
    }
    if (status != 0)
        return status;
    cost_model_init(&estimate->model, &calibration);
    cost_model_threads(&estimate->model, layout->threads);
    return 0;
}

bool estimate_render(const struct params *params, const struct plan *plan, double *seconds)
{
    static const char version[] = ATELIER_VERSION " " ATELIER_COMMIT;
    struct calibration calibration;
    struct cost_model model;
    if (!calibration_nearest(version, threads_count(), 1, &calibration))
        return false;
    cost_model_init(&model, &calibration);
    cost_model_threads(&model, threads_count());
    *seconds = cost_of(&model, params, plan).seconds;
    return true;
}

/* Which jobs are done, and what they took. */
static int look_into_store(struct estimate *estimate, struct error *err)
{
    int status = 0;
    struct store store = {0};
    struct store_scan scan = {0};
    if (!estimate->exists)
        return 0;
    TRY(store_open(estimate->folder, &store, err));
    TRY(store_scan(&store, &scan, err));
    for (size_t i = 0; i < estimate->list.count; i++)
        estimate->done[i] = store_entry_done(store_scan_find(&scan, estimate->list.jobs[i].id));
    TRY(experience_read(&store, &scan, &estimate->list, &estimate->model, &estimate->experience,
                        err));
    cost_model_learn(&estimate->model, estimate->experience.observations,
                     estimate->experience.count);
done:
    store_scan_release(&scan);
    store_release(&store);
    return status;
}

/* --- adding up --- */

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

/* Sorts values. */
static struct spread spread_of(double *values, size_t count)
{
    if (count == 0)
        return (struct spread){0};
    qsort(values, count, sizeof *values, ascending);
    return (struct spread){values[0], values[count / 2], values[count - 1]};
}

static int add_up(const struct estimate_options *options, struct estimate *e, struct error *err)
{
    size_t count = e->list.count, left = 0;
    double *seconds = calloc(count + 1, sizeof *seconds),
           *values = calloc(count + 1, sizeof *values);
    uint64_t *bytes = calloc(count + 1, sizeof *bytes);
    int status = seconds && values && bytes ? 0 : fail(err, E_ENVIRONMENT, "not enough memory");
    for (size_t i = 0; status == 0 && i < count; i++) {
        e->costs[i] = cost_predict(&e->model, &e->list.jobs[i]);
        if (e->done[i])
            continue;
        seconds[left] = e->costs[i].seconds;
        bytes[left] = e->costs[i].bytes;
        values[left++] = (double)e->costs[i].bytes;
        e->work_seconds += e->costs[i].seconds;
        e->may_stop_early += e->list.jobs[i].params.tolerance > 0;
    }
    if (status == 0) {
        struct layout layout = e->request.layout;
        e->left = left;
        e->bytes = spread_of(values, left);
        e->makespan = cost_makespan(seconds, left, (size_t)layout.nodes * (size_t)layout.workers);
        e->seconds = spread_of(seconds, left);
        request_fill(&options->wish, &e->node, &layout, bytes, left, e->makespan, &e->request);
    }
    free(seconds);
    free(values);
    free(bytes);
    return status;
}

/* The layout, from the largest job's memory and the median job's work. */
static int lay_out(const struct estimate_options *options, struct estimate *e, struct error *err)
{
    uint64_t bytes = 0;
    double *flop = calloc(e->list.count + 1, sizeof *flop);
    if (!flop)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    for (size_t i = 0; i < e->list.count; i++) {
        const struct plan *plan = &e->list.jobs[i].plan;
        flop[i] = plan->flop;
        bytes = plan->memory_bytes > bytes ? plan->memory_bytes : bytes;
    }
    double median = spread_of(flop, e->list.count).median;
    free(flop);
    return request_layout(&options->wish, &e->node, e->list.count, bytes, median,
                          &e->request.layout, err);
}

static void know_node(const struct estimate_options *options, const struct node *node,
                      struct node *out)
{
    *out = *node;
    if (options->cpus > 0)
        out->cpus = (int)options->cpus;
    if (options->node_bytes > 0)
        out->bytes = options->node_bytes;
    if (out->cpus == 0)
        out->cpus = threads_available();
    if (out->bytes == 0)
        out->bytes = memory_available();
}

int estimate_make(const char *path, const struct estimate_options *options, const struct node *node,
                  struct estimate *out, struct error *err)
{
    int status = 0;
    struct estimate made = {0};
    threads_use(0);
    TRY(find_file(path, &made.file, err));
    TRY(read_list(made.file, &made.list, err));
    TRY(find_store(path, options, &made, err));
    made.costs = calloc(made.list.count + 1, sizeof *made.costs);
    made.done = calloc(made.list.count + 1, sizeof *made.done);
    if (!made.costs || !made.done) {
        status = fail(err, E_ENVIRONMENT, "not enough memory for %zu jobs", made.list.count);
        goto done;
    }
    know_node(options, node, &made.node);
    TRY(lay_out(options, &made, err));
    TRY(calibrate(options, &made, err));
    TRY(look_into_store(&made, err));
    TRY(add_up(options, &made, err));
    *out = made;
    return 0;
done:
    estimate_release(&made);
    return status;
}

void estimate_release(struct estimate *estimate)
{
    job_list_release(&estimate->list);
    experience_release(&estimate->experience);
    free(estimate->file);
    free(estimate->folder);
    free(estimate->costs);
    free(estimate->done);
    *estimate = (struct estimate){0};
}

/* --- for people --- */

static void print_jobs(const struct estimate *e)
{
    char a[HUMAN_TEXT], b[HUMAN_TEXT], c[HUMAN_TEXT];
    printf("jobs      %zu", e->list.count);
    if (e->left < e->list.count)
        printf(", %zu done, %zu left", e->list.count - e->left, e->left);
    putchar('\n');
    if (e->left == 0)
        return;
    printf("seconds   smallest %s, median %s, largest %s\n", human_duration(e->seconds.least, a),
           human_duration(e->seconds.median, b), human_duration(e->seconds.most, c));
    printf("memory    smallest %s, median %s, largest %s\n",
           human_bytes((uint64_t)e->bytes.least, a), human_bytes((uint64_t)e->bytes.median, b),
           human_bytes((uint64_t)e->bytes.most, c));
}

static void print_request(const struct estimate *e)
{
    const struct request *r = &e->request;
    char duration[HUMAN_TEXT], time[REQUEST_TIME_TEXT];
    printf("work      %.3g core-hours\n", e->work_seconds * r->layout.threads / 3600);
    printf("makespan  %s with %d node%s x %d worker%s x %d thread%s, the longest first\n",
           human_duration(e->makespan, duration), r->layout.nodes, r->layout.nodes == 1 ? "" : "s",
           r->layout.workers, r->layout.workers == 1 ? "" : "s", r->layout.threads,
           r->layout.threads == 1 ? "" : "s");
    printf("slurm     --nodes=%d --ntasks-per-node=%d --cpus-per-task=%d --mem-per-cpu=%lluM "
           "--time=%s\n",
           r->layout.nodes, r->layout.workers, r->layout.threads,
           (unsigned long long)r->megabytes_per_cpu, request_time(r->seconds, time));
    printf("          time: %.0f %% margin and %.0f min; memory: %.0f %%%s\n",
           (request_time_margin - 1) * 100, request_overhead_seconds / 60,
           (request_memory_margin - 1) * 100,
           r->cut ? "; less time than the work takes: it will be interrupted and go on" : "");
}

static void print_sources(const struct estimate *e)
{
    const struct experience *x = &e->experience;
    const struct calibration *c = &e->model.calibration;
    printf("machine   %.*s, measured %s\n", (int)strcspn(c->machine, ";"), c->machine, c->date);
    if (x->count > 0)
        printf("seen      %zu finished jobs: predictions scaled by %.2f (f32), %.2f (bf16), %.2f "
               "(auto); memory by %.2f\n",
               x->count, e->model.seconds_factor[PRECISION_F32],
               e->model.seconds_factor[PRECISION_BF16], e->model.seconds_factor[PRECISION_AUTO],
               e->model.bytes_factor);
    if (x->compared > 0)
        printf("error     median %.0f %% of seconds, %.0f %% of memory, over %zu jobs that used up "
               "their budget\n",
               x->seconds_error * 100, x->bytes_error * 100, x->compared);
    if (x->early > 0)
        printf("early     %zu of them stopped before their budget was used up\n", x->early);
    if (e->may_stop_early > 0)
        printf("note      %zu job%s may stop early by `tolerance`; predicted at the whole budget\n",
               e->may_stop_early, e->may_stop_early == 1 ? "" : "s");
}

void estimate_print(const struct estimate *e)
{
    print_jobs(e);
    if (e->left > 0)
        print_request(e);
    print_sources(e);
}
