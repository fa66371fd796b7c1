#include "runs.h"

#include "failure.h"
#include "job_list.h"
#include "numbers.h"
#include "runs_columns.h"
#include "store_sweep.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int no_memory(struct error *err)
{
    return fail(err, E_ENVIRONMENT, "not enough memory for the table of runs");
}

/* The rows ------------------------------------------------------------------------------------- */

/* One row for each job, then one for each result that belongs to none. */
static int make_rows(struct runs *runs, const struct job_list *jobs, struct error *err)
{
    int status = 0;
    size_t number;
    bool is_new;
    struct name_index ids = {0};
    const struct store_scan *scan = &runs->state.scan;
    runs->run = calloc(jobs->count + scan->count + 1, sizeof *runs->run);
    if (!runs->run)
        return no_memory(err);
    for (size_t i = 0; i < jobs->count; i++) {
        TRY(name_index_add(&ids, jobs->jobs[i].id, &number, &is_new, err));
        struct run *run = &runs->run[runs->count++];
        run->listed = true;
        TRY(runs_keep(runs, jobs->jobs[i].id, &run->id, err));
    }
    for (size_t i = 0; i < scan->count; i++) {
        const struct store_entry *entry = &scan->entries[i];
        if (!store_entry_has(entry, JOB_RESULT) || name_index_find(&ids, entry->id, &number))
            continue;
        TRY(runs_keep(runs, entry->id, &runs->run[runs->count++].id, err));
    }
done:
    name_index_release(&ids);
    return status;
}

/* "jobs/3f/ID.png" */
static int set_picture(struct runs *runs, size_t run, struct error *err)
{
    int status;
    const char *id = runs->run[run].id;
    char *path = store_job_path(&runs->store, id, JOB_PICTURE);
    size_t folder = strlen(runs->store.folder);
    if (!path)
        return no_memory(err);
    TRY(runs_keep(runs, path + folder + strspn(path + folder, "/"), &runs->run[run].picture, err));
    TRY(runs_put_text(runs, "picture", run, runs->run[run].picture, err));
done:
    free(path);
    return status;
}

static int put_job(struct runs *runs, size_t run, const struct job *job, struct error *err)
{
    int status = 0;
    const struct store_entry *entry = store_scan_find(&runs->state.scan, runs->run[run].id);
    TRY(runs_put_text(runs, "id", run, runs->run[run].id, err));
    TRY(runs_put_number(runs, "listed", run, job != NULL, err));
    TRY(runs_put_number(runs, "rows", run, 0, err));
    if (job) {
        TRY(runs_put_text(runs, "name", run, job->name, err));
        TRY(runs_put_params(runs, run, &job->params, err));
    }
    if (store_entry_has(entry, JOB_PICTURE))
        TRY(set_picture(runs, run, err));
    runs->run[run].status = store_state_of(&runs->state, runs->run[run].id);
done:
    return status;
}

/* What the record of a failure says. */
static int put_failure(struct runs *runs, size_t run, struct error *err)
{
    int status = 0;
    struct failure failure = {0};
    const struct attempt *last = NULL;
    if (runs->run[run].status != RUN_FAILED)
        return 0;
    if (failure_read(&runs->store, runs->run[run].id, &failure, NULL) != 0 || !failure.id[0])
        return 0; /* gone by now, or makes no sense: that it failed is known */
    TRY(runs_put_text(runs, "failure", run, job_end_word(failure.end), err));
    TRY(runs_keep(runs, failure.message ? failure.message : "", &runs->run[run].error, err));
    TRY(runs_put_number(runs, "attempts", run, (double)failure.attempt_count, err));
    if (failure.attempt_count > 0)
        last = &failure.attempts[failure.attempt_count - 1];
    if (last) {
        TRY(runs_put_text(runs, "host", run, last->host, err));
        TRY(runs_put_text(runs, "date_started", run, last->started, err));
    }
done:
    failure_release(&failure);
    return status;
}

/* The results ---------------------------------------------------------------------------------- */

static int take_result(void *context, size_t index, const struct result_contents *contents,
                       const struct error *why, struct error *err)
{
    struct runs *runs = context;
    struct run *run = &runs->run[index];
    if (contents) {
        run->status = RUN_DONE;
        runs->done++;
        return runs_put_result(runs, index, contents, err);
    }
    run->status = RUN_UNREADABLE;
    runs->unreadable++;
    return runs_keep(runs, why->message, &run->error, err);
}

static void free_paths(char **paths, size_t count)
{
    for (size_t i = 0; paths && i < count; i++)
        free(paths[i]);
    free(paths);
}

/* The results of the given runs (NULL: of all) that have one of the two statuses; NULL for others.
 * Released with free_paths. */
static int result_paths(const struct runs *runs, const size_t *which, size_t count,
                        enum run_status one, enum run_status other, char ***out, struct error *err)
{
    char **paths = calloc(count + 1, sizeof *paths);
    for (size_t i = 0; paths && i < count; i++) {
        const struct run *run = &runs->run[which ? which[i] : i];
        if (run->status != one && run->status != other)
            continue;
        paths[i] = store_job_path(&runs->store, run->id, JOB_RESULT);
        if (!paths[i]) {
            free_paths(paths, count);
            paths = NULL;
        }
    }
    *out = paths;
    return paths ? 0 : no_memory(err);
}

static int read_results(struct runs *runs, struct error *err)
{
    char **paths;
    int status = result_paths(runs, NULL, runs->count, RUN_DONE, RUN_UNREADABLE, &paths, err);
    if (status != 0)
        return status;
    status = result_stream((const char *const *)paths, runs->count, RESULT_ATTRIBUTES | RESULT_ENDS,
                           take_result, runs, err);
    free_paths(paths, runs->count);
    return status;
}

/* All together --------------------------------------------------------------------------------- */

static int take_fixed_losses(struct runs *runs, struct error *err)
{
    struct history history;
    int status = history_init(&history, 0, err);
    if (status != 0)
        return status;
    runs->loss = history.column;
    runs->loss_columns = history.columns;
    return 0;
}

/* Texts that the table takes from the rows once all is known. */
static int put_statuses(struct runs *runs, struct error *err)
{
    int status = 0;
    for (size_t i = 0; i < runs->count; i++) {
        TRY(runs_put_text(runs, "status", i, run_status_word(runs->run[i].status), err));
        TRY(runs_put_text(runs, "error", i, runs->run[i].error, err));
    }
done:
    return status;
}

static int fill(struct runs *runs, const struct job_list *jobs, struct error *err)
{
    int status = 0;
    TRY(make_rows(runs, jobs, err));
    TRY(take_fixed_losses(runs, err));
    TRY(runs_add_columns(runs, err));
    for (size_t i = 0; i < runs->count; i++) {
        TRY(put_job(runs, i, i < jobs->count ? &jobs->jobs[i] : NULL, err));
        TRY(put_failure(runs, i, err));
    }
    TRY(read_results(runs, err));
    TRY(put_statuses(runs, err));
    TRY(runs_finish_columns(runs, err));
done:
    return status;
}

int runs_read(const char *folder, struct runs *out, struct error *err)
{
    int status;
    struct job_list jobs = {0};
    struct runs *runs = out;
    *runs = (struct runs){0};
    TRY(store_open(folder, &runs->store, err));
    TRY(store_state_read(&runs->store, &runs->state, err));
    TRY(store_sweep_read(&runs->store, &jobs, err));
    TRY(fill(runs, &jobs, err));
done:
    job_list_release(&jobs);
    if (status != 0)
        runs_release(out);
    return status;
}

void runs_release(struct runs *runs)
{
    for (size_t i = 0; i < runs->columns; i++) {
        free(runs->column[i].texts);
        free(runs->column[i].numbers);
    }
    free(runs->column);
    free(runs->run);
    free(runs->loss);
    store_release(&runs->store);
    store_state_release(&runs->state);
    name_index_release(&runs->pool);
    name_index_release(&runs->names);
    *runs = (struct runs){0};
}

/* Asking --------------------------------------------------------------------------------------- */

const struct run_column *runs_column(const struct runs *runs, const char *name)
{
    size_t number;
    return name_index_find(&runs->names, name, &number) ? &runs->column[number] : NULL;
}

bool runs_constant(const struct runs *runs, const struct run_column *column)
{
    size_t first = runs->count;
    for (size_t i = 0; i < runs->count; i++) {
        if (column->texts ? !column->texts[i] : isnan(column->numbers[i]))
            continue;
        if (first == runs->count)
            first = i;
        if (column->texts ? column->texts[i] != column->texts[first] /* each text is kept once */
                          : column->numbers[i] != column->numbers[first])
            return false;
    }
    return true;
}

bool runs_varies(const struct runs *runs, const struct run_column *column)
{
    return column->always || column->group == RUN_LOSS || !runs_constant(runs, column);
}

const char *runs_text(const struct run_column *column, size_t run, char text[NUMBER_TEXT])
{
    if (column->texts)
        return column->texts[run] ? column->texts[run] : "";
    if (isnan(column->numbers[run]))
        return "";
    number_format(column->numbers[run], text);
    return text;
}

/* Histories ------------------------------------------------------------------------------------ */

struct visit {
    const struct runs *runs;
    const size_t *which; /* or NULL */
    runs_visitor *visit;
    void *context;
    double *values;
    size_t capacity; /* of values */
};

static int column_of(const struct runs *runs, const char *name)
{
    for (int i = 0; i < runs->loss_columns; i++)
        if (strcmp(runs->loss[i].name, name) == 0)
            return i;
    return -1;
}

/* The history with the columns of all runs. Errors: E_ENVIRONMENT. */
static int widen(struct visit *visit, const struct history *history, struct error *err)
{
    size_t columns = (size_t)visit->runs->loss_columns, count = history->rows * columns;
    if (count > visit->capacity) {
        double *grown = reallocarray(visit->values, count, sizeof *grown);
        if (!grown)
            return no_memory(err);
        visit->values = grown;
        visit->capacity = count;
    }
    for (size_t i = 0; i < count; i++)
        visit->values[i] = NAN;
    for (int from = 0; from < history->columns; from++) {
        int to = column_of(visit->runs, history->column[from].name);
        for (size_t row = 0; to >= 0 && row < history->rows; row++)
            visit->values[row * columns + (size_t)to] = history_get(history, row, from);
    }
    return 0;
}

static int visit_one(void *context, size_t index, const struct result_contents *contents,
                     const struct error *why, struct error *err)
{
    struct visit *visit = context;
    size_t run = visit->which ? visit->which[index] : index;
    if (!contents)
        return visit->visit(visit->context, run, 0, NULL, NULL, why, err);
    int status = widen(visit, &contents->history, err);
    if (status != 0)
        return status;
    return visit->visit(visit->context, run, contents->history.rows, visit->values,
                        contents->image.rgb ? &contents->image : NULL, NULL, err);
}

int runs_visit(const struct runs *runs, const size_t *which, size_t count, bool images,
               runs_visitor *visit, void *context, struct error *err)
{
    char **paths;
    if (!which)
        count = runs->count;
    struct visit all = {.runs = runs, .which = which, .visit = visit, .context = context};
    int status = result_paths(runs, which, count, RUN_DONE, RUN_DONE, &paths, err);
    if (status != 0)
        return status;
    status = result_stream((const char *const *)paths, count,
                           RESULT_HISTORY | (images ? RESULT_IMAGE : 0), visit_one, &all, err);
    free_paths(paths, count);
    free(all.values);
    return status;
}
