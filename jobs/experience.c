#include "experience.h"

#include "hdf5_attributes.h"
#include "numbers.h"
#include "result_stream.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

/* --- reading --- */

/* What a visit fills in. */
struct reading {
    const struct job_list *list;
    const struct cost_model *model;
    const size_t *which; /* the job of each path */
    struct experience *out;
    double *seconds_errors, *bytes_errors;
    size_t seconds_count, bytes_count;
};

static double attribute(const struct hdf5_attributes *attributes, const char *name)
{
    double value;
    const char *text = hdf5_attributes_find(attributes, name);
    return text && number_parse(text, &value) ? value : (double)NAN;
}

static double relative_error(double predicted, double measured)
{
    return fabs(predicted / measured - 1);
}

static void compare(struct reading *reading, const struct job *job,
                    const struct hdf5_attributes *attributes,
                    const struct cost_observation *observation)
{
    struct cost cost = cost_of(reading->model, &job->params, &job->plan);
    double seconds = attribute(attributes, "predicted_seconds");
    double bytes = attribute(attributes, "predicted_bytes");
    double error = relative_error(seconds > 0 ? seconds : cost.seconds,
                                  observation->seconds + cost.start_seconds);
    if (isfinite(error))
        reading->seconds_errors[reading->seconds_count++] = error;
    error = relative_error(bytes > 0 ? bytes : (double)cost.bytes, observation->peak_bytes);
    if (isfinite(error))
        reading->bytes_errors[reading->bytes_count++] = error;
    reading->out->compared++;
}

static int visit(void *context, size_t index, const struct result_contents *contents,
                 const struct error *why, struct error *err)
{
    struct reading *reading = context;
    (void)why, (void)err;
    if (!contents)
        return 0;
    const struct job *job = &reading->list->jobs[reading->which[index]];
    const struct hdf5_attributes *attributes = &contents->attributes;
    const char *stopped = hdf5_attributes_find(attributes, "stopped");
    double evaluations = attribute(attributes, "evaluations");
    struct cost_observation observation = {
        .precision = job->params.precision,
        .evaluations = evaluations,
        .seconds = attribute(attributes, "seconds"),
        .predicted = cost_of_evaluations(reading->model, &job->params, &job->plan, evaluations),
        .peak_bytes = attribute(attributes, "peak_memory_bytes"),
        .predicted_bytes = (double)job->plan.memory_bytes * reading->model->bytes_factor};
    reading->out->observations[reading->out->count++] = observation;
    if (stopped && strcmp(stopped, "iterations") == 0)
        compare(reading, job, attributes, &observation);
    else
        reading->out->early++;
    return 0;
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(double *values, size_t count)
{
    if (count == 0)
        return NAN;
    qsort(values, count, sizeof *values, ascending);
    return (values[(count - 1) / 2] + values[count / 2]) / 2;
}

/* Paths of at most EXPERIENCE_MOST done jobs, evenly spread. */
static int choose(const struct store *store, const struct store_scan *scan,
                  const struct job_list *list, char **paths, size_t *which, size_t *count,
                  struct error *err)
{
    size_t done = 0, seen = 0;
    *count = 0;
    for (size_t i = 0; i < list->count; i++)
        done += store_entry_done(store_scan_find(scan, list->jobs[i].id));
    size_t step = done / EXPERIENCE_MOST + 1;
    for (size_t i = 0; i < list->count; i++) {
        if (!store_entry_done(store_scan_find(scan, list->jobs[i].id)) || seen++ % step != 0)
            continue;
        which[*count] = i;
        paths[*count] = store_job_path(store, list->jobs[i].id, JOB_RESULT);
        if (!paths[*count])
            return fail(err, E_ENVIRONMENT, "not enough memory");
        ++*count;
    }
    return 0;
}

int experience_read(const struct store *store, const struct store_scan *scan,
                    const struct job_list *list, const struct cost_model *model,
                    struct experience *out, struct error *err)
{
    int status = 0;
    char *paths[EXPERIENCE_MOST + 1] = {0};
    size_t which[EXPERIENCE_MOST + 1], count;
    double seconds_errors[EXPERIENCE_MOST + 1], bytes_errors[EXPERIENCE_MOST + 1];
    struct experience made = {0};
    struct reading reading = {.list = list,
                              .model = model,
                              .which = which,
                              .out = &made,
                              .seconds_errors = seconds_errors,
                              .bytes_errors = bytes_errors};
    made.observations = calloc(EXPERIENCE_MOST + 1, sizeof *made.observations);
    if (!made.observations)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    TRY(choose(store, scan, list, paths, which, &count, err));
    TRY(result_stream((const char *const *)paths, count, RESULT_ATTRIBUTES, visit, &reading, err));
    made.seconds_error = median(seconds_errors, reading.seconds_count);
    made.bytes_error = median(bytes_errors, reading.bytes_count);
    *out = made;
    made = (struct experience){0};
done:
    for (size_t i = 0; i < EXPERIENCE_MOST; i++)
        free(paths[i]);
    experience_release(&made);
    return status;
}

void experience_release(struct experience *experience)
{
    free(experience->observations);
    experience->observations = NULL;
}

/* --- advance --- */

static int add_evaluations(void *context, size_t index, const struct result_contents *contents,
                           const struct error *why, struct error *err)
{
    struct advance *advance = context;
    (void)index, (void)why, (void)err;
    if (contents && !contents->finished)
        advance->evaluations += (uint64_t)contents->state.evaluations;
    return 0;
}

/* The checkpoints of unfinished jobs, at their place in the scan. */
static int checkpoint_paths(const struct store *store, const struct store_scan *scan, char **paths,
                            struct error *err)
{
    for (size_t i = 0; i < scan->count; i++) {
        const struct store_entry *entry = &scan->entries[i];
        if (store_entry_done(entry) || !store_entry_has(entry, JOB_CHECKPOINT))
            continue;
        paths[i] = store_job_path(store, entry->id, JOB_CHECKPOINT);
        if (!paths[i])
            return fail(err, E_ENVIRONMENT, "not enough memory");
    }
    return 0;
}

int store_advance(const struct store *store, struct advance *out, struct error *err)
{
    struct advance made = {0};
    struct store_scan scan;
    char **paths = NULL;
    int status = store_scan(store, &scan, err);
    if (status != 0)
        return status;
    for (size_t i = 0; i < scan.count; i++)
        made.results += store_entry_done(&scan.entries[i]);
    paths = calloc(scan.count + 1, sizeof *paths);
    if (!paths) {
        status = fail(err, E_ENVIRONMENT, "not enough memory");
        goto done;
    }
    TRY(checkpoint_paths(store, &scan, paths, err));
    TRY(result_stream((const char *const *)paths, scan.count, RESULT_UNFINISHED | RESULT_COUNTERS,
                      add_evaluations, &made, err));
    *out = made;
done:
    for (size_t i = 0; paths && i < scan.count; i++)
        free(paths[i]);
    free(paths);
    store_scan_release(&scan);
    return status;
}
