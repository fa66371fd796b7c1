/* atelier plan: what a sweep will take. */
#include "command.h"

#include "estimate.h"
#include "outlet.h"
#include "site.h"
#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

struct options {
    struct estimate_options estimate;
    bool json;
    const char *partition;
    const char *path;
};

static void describe(struct options *options, struct form *form)
{
    const struct argument rows[] = {
        OPTION("partition", TEXT, &options->partition, "NAME",
               "Slurm's, whose nodes and time limit count"),
        OPTION("json", FLAG, &options->json, NULL, "everything, every job included, as JSON"),
    };
    *form = (struct form){
        .usage = "FILE|STORE [options]",
        .text = "Predicts seconds and memory of every job that is not done yet, the whole work and "
                "the\n"
                "time until all is done, and what to ask of Slurm. The first time on a kind of "
                "machine\n"
                "it measures for some seconds; finished jobs of the store correct it.",
        .operands = OPERAND_SWEEP(&options->path),
    };
    estimate_rows(&options->estimate, form);
    form_add(form, rows, sizeof rows / sizeof *rows);
}

void describe_plan(struct form *form)
{
    static struct options options;
    describe(&options, form);
}

/* --- JSON --- */

static json_t *spread_json(const struct spread *spread)
{
    return json_pack("{sf sf sf}", "smallest", spread->least, "median", spread->median, "largest",
                     spread->most);
}

static json_t *job_json(const struct job *job, const struct cost *cost, bool done)
{
    return json_pack("{ss ss* sb sf sI sf}", "id", job->id, "name", job->name, "done", done,
                     "seconds", cost->seconds, "bytes", (json_int_t)cost->bytes, "evaluations",
                     cost->evaluations);
}

static json_t *request_json(const struct request *r)
{
    return json_pack("{si si si sI sf sb}", "nodes", r->layout.nodes, "ntasks_per_node",
                     r->layout.workers, "cpus_per_task", r->layout.threads, "mem_per_cpu_mib",
                     (json_int_t)r->megabytes_per_cpu, "seconds", r->seconds,
                     "shorter_than_the_work", r->cut);
}

static json_t *number_or_null(double value)
{
    return isfinite(value) ? json_real(value) : json_null();
}

static json_t *experience_json(const struct estimate *e)
{
    const struct experience *x = &e->experience;
    const double *f = e->model.seconds_factor;
    return json_pack("{sI sI sI so so s{sf sf sf} sf}", "jobs", (json_int_t)x->count, "early",
                     (json_int_t)x->early, "compared", (json_int_t)x->compared, "seconds_error",
                     number_or_null(x->compared ? x->seconds_error : (double)NAN), "bytes_error",
                     number_or_null(x->compared ? x->bytes_error : (double)NAN), "seconds_factor",
                     "f32", f[PRECISION_F32], "bf16", f[PRECISION_BF16], "auto", f[PRECISION_AUTO],
                     "bytes_factor", e->model.bytes_factor);
}

static int print_json(const struct estimate *e, struct error *err)
{
    json_t *jobs = json_array();
    for (size_t i = 0; i < e->list.count; i++)
        json_array_append_new(jobs, job_json(&e->list.jobs[i], &e->costs[i], e->done[i]));
    json_t *root = json_pack(
        "{ss ss* sI sI so so sf sf sI so so ss ss so}", "file", e->file, "store", e->folder, "jobs",
        (json_int_t)e->list.count, "left", (json_int_t)e->left, "seconds", spread_json(&e->seconds),
        "bytes", spread_json(&e->bytes), "core_hours",
        e->work_seconds * e->request.layout.threads / 3600, "makespan_seconds", e->makespan,
        "may_stop_early", (json_int_t)e->may_stop_early, "slurm", request_json(&e->request),
        "experience", experience_json(e), "machine", e->model.calibration.machine, "measured",
        e->model.calibration.date, "list", jobs);
    int bad = !root || json_dumpf(root, stdout, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) != 0;
    putchar('\n');
    json_decref(root);
    return bad ? fail(err, E_ENVIRONMENT, "cannot write JSON") : 0;
}

int command_plan(int argc, char **argv)
{
    int status = 0;
    bool helped;
    struct error error = {0};
    struct options options = {0};
    struct form form;
    struct estimate estimate = {0};
    struct node node = {0};
    describe(&options, &form);
    TRY(command_parse(argc, argv, &form, &helped, &error));
    if (helped)
        goto done;
    site_node(options.partition, &node);
    TRY(estimate_make(options.path, &options.estimate, &node, &estimate, &error));
    if (options.json)
        TRY(print_json(&estimate, &error));
    else
        estimate_print(&estimate);
done:
    if (status != 0)
        outlet_error("plan", &error);
    estimate_release(&estimate);
    return status;
}
