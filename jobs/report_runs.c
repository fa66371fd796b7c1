/* The runs of a report: one object each. */
#include "report_data.h"

#include "base64.h"
#include "decimate.h"
#include "failure.h"
#include "files.h"
#include "json_file.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* Columns that go into a run's object under their own names, where the run has a value. */
static const char *const members[] = {
    "name",
    "stopped",
    "comment",
    "evaluations",
    "seconds",
    "cpu_seconds",
    "peak_memory_bytes",
    "predicted_seconds",
    "predicted_bytes",
    "attempts",
    "host",
    "threads",
    "rank",
    "width",
    "height",
    "date_started",
    "date_finished",
    "command_line",
    "picture_sha256",
    "precision",
};

struct writer {
    const struct report *report;
    json_t *list;
    int thumb_px;
    size_t rows_most; /* of a history */
    int *losses;      /* [loss_count]: columns */
    size_t loss_count;
    size_t *kept; /* [rows_most] */
    double worst;
};

/* What is known without its result ------------------------------------------------------------- */

static int put_values(const struct axes *axes, size_t run, json_t *object, struct error *err)
{
    int status = 0;
    json_t *values = json_array();
    TRY(report_put(object, "values", values, err));
    for (size_t i = 0; i < axes->count; i++) {
        const struct distinct *all = &axes->list[i].values;
        json_int_t value = all->of_run[run] < all->count ? (json_int_t)all->of_run[run] : -1;
        TRY(report_append(values, json_integer(value), err));
    }
done:
    return status;
}

static int put_members(const struct runs *runs, size_t run, json_t *object, struct error *err)
{
    int status = 0;
    for (size_t i = 0; i < sizeof members / sizeof *members; i++) {
        const struct run_column *column = runs_column(runs, members[i]);
        if (column && distinct_has(column, run))
            TRY(report_put(object, members[i], report_value(column, run), err));
    }
done:
    return status;
}

static int put_inputs(const struct runs *runs, size_t run, const struct name_index *paths,
                      json_t *object, struct error *err)
{
    static const char *const inputs[] = {"content", "style"};
    int status = 0;
    for (int i = 0; i < 2; i++) {
        size_t number;
        const struct run_column *column = runs_column(runs, inputs[i]);
        if (column && column->texts[run] && name_index_find(paths, column->texts[run], &number))
            TRY(report_put(object, inputs[i], json_integer((json_int_t)number), err));
    }
done:
    return status;
}

static int put_attempt(const struct attempt *attempt, json_t *list, struct error *err)
{
    int status = 0;
    json_t *object = json_object();
    TRY(report_append(list, object, err));
    TRY(report_put(object, "host", json_any_text(attempt->host), err));
    TRY(report_put(object, "started", json_any_text(attempt->started), err));
    TRY(report_put(object, "seconds", report_number(attempt->seconds), err));
    TRY(report_put(object, "end", json_string(job_end_sentence(attempt->end)), err));
    TRY(report_put(object, "exit_code", json_integer(attempt->exit_code), err));
    TRY(report_put(object, "signal", json_integer(attempt->signal), err));
    TRY(report_put(object, "peak_memory_bytes", report_number((double)attempt->peak_memory_bytes),
                   err));
    TRY(report_put(object, "message", json_any_text(attempt->message), err));
done:
    return status;
}

static int put_failure(const struct failure *failure, json_t *object, json_t *why,
                       struct error *err)
{
    int status = 0;
    json_t *attempts = json_array();
    TRY(report_put(why, "attempts", attempts, err));
    TRY(report_put(why, "end", json_string(job_end_sentence(failure->end)), err));
    TRY(report_put(why, "final", json_boolean(failure->final), err));
    TRY(report_put(object, "command_line", json_any_text(failure->command), err));
    for (size_t i = 0; i < failure->attempt_count; i++)
        TRY(put_attempt(&failure->attempts[i], attempts, err));
done:
    return status;
}

/* Why there is no result: error = {message, end, final, attempts}. */
static int put_why(const struct runs *runs, size_t run, json_t *object, struct error *err)
{
    int status = 0;
    struct failure failure = {0};
    const struct run *r = &runs->run[run];
    if (r->status != RUN_FAILED && r->status != RUN_UNREADABLE)
        return 0;
    json_t *why = json_object();
    TRY(report_put(object, "error", why, err));
    TRY(report_put(why, "message", json_any_text(r->error), err));
    if (r->status == RUN_FAILED && failure_read(&runs->store, r->id, &failure, NULL) == 0 &&
        failure.id[0])
        TRY(put_failure(&failure, object, why, err));
done:
    failure_release(&failure);
    return status;
}

/* How far it is, where a batch is at work on it. */
static int put_progress(const struct runs *runs, size_t run, json_t *object, struct error *err)
{
    int status = 0;
    const struct job_progress *progress = store_state_running(&runs->state, runs->run[run].id);
    if (!progress)
        return 0;
    TRY(report_put(object, "evaluation", json_integer(progress->evaluation), err));
    TRY(report_put(object, "evaluations_most", json_integer(progress->evaluations), err));
    TRY(report_put(object, "seconds_left", report_number(progress->seconds_left), err));
done:
    return status;
}

/* The picture's bytes, whole. A file that is gone by now is no error. */
static int put_full(const struct runs *runs, size_t run, json_t *object, struct error *err)
{
    int status = 0;
    size_t size;
    char *text = NULL, *bytes = NULL;
    char *path = store_job_path(&runs->store, runs->run[run].id, JOB_PICTURE);
    if (!path)
        return fail(err, E_ENVIRONMENT, "not enough memory for a report");
    TRY(files_read(path, &bytes, &size, err));
    if (!bytes)
        goto done;
    text = base64_encode((const unsigned char *)bytes, size);
    status = report_put(object, "full", text ? json_string(text) : NULL, err);
done:
    free(text);
    free(bytes);
    free(path);
    return status;
}

static int put_run(struct writer *w, size_t run, const struct name_index *paths, struct error *err)
{
    int status = 0;
    const struct runs *runs = w->report->runs;
    const struct run *r = &runs->run[run];
    json_t *object = json_object();
    TRY(report_append(w->list, object, err));
    TRY(report_put(object, "id", json_string(r->id), err));
    TRY(report_put(object, "status", json_string(run_status_word(r->status)), err));
    TRY(put_values(w->report->axes, run, object, err));
    TRY(put_members(runs, run, object, err));
    TRY(put_inputs(runs, run, paths, object, err));
    TRY(put_why(runs, run, object, err));
    if (r->status == RUN_RUNNING)
        TRY(put_progress(runs, run, object, err));
    if (r->picture)
        TRY(report_put(object, "picture", json_any_text(r->picture), err));
    if (r->picture && w->report->embed)
        TRY(put_full(runs, run, object, err));
done:
    return status;
}

/* What its result holds ------------------------------------------------------------------------ */

/* At six digits: enough for a plot, and short. */
static double rounded(double value)
{
    if (value == 0 || !isfinite(value))
        return value;
    double scale = pow(10, 5 - floor(log10(fabs(value))));
    return isfinite(scale) && scale > 0 ? rint(value * scale) / scale : value;
}

/* A column's values at the kept rows; null if it has none. */
static json_t *column_values(const struct writer *w, const double *values, int column, size_t kept)
{
    size_t columns = (size_t)w->report->runs->loss_columns;
    bool any = false;
    json_t *list = json_array();
    for (size_t i = 0; i < kept; i++) {
        double value = values[w->kept[i] * columns + (size_t)column];
        any = any || isfinite(value);
        if (json_array_append_new(list, report_number(rounded(value))) != 0) {
            json_decref(list);
            return NULL;
        }
    }
    if (any)
        return list;
    json_decref(list);
    return json_null();
}

static int put_row_numbers(const struct writer *w, json_t *history, size_t kept, struct error *err)
{
    int status = 0;
    json_t *rows = json_array();
    TRY(report_append(history, rows, err));
    for (size_t i = 0; i < kept; i++)
        TRY(report_append(rows, json_integer((json_int_t)w->kept[i]), err));
done:
    return status;
}

static int put_history(struct writer *w, json_t *object, size_t rows, const double *values,
                       struct error *err)
{
    int status = 0;
    size_t kept;
    double worst;
    struct decimation plan = {.rows = rows,
                              .columns = (size_t)w->report->runs->loss_columns,
                              .values = values,
                              .x = H_EVALUATION,
                              .drawn = w->losses,
                              .drawn_count = w->loss_count,
                              .tolerance = REPORT_TOLERANCE,
                              .limit = w->rows_most};
    TRY(decimate(&plan, w->kept, &kept, &worst, err));
    w->worst = fmax(w->worst, fmin(worst, 1)); /* infinite beside a gap */
    json_t *history = json_array();
    TRY(report_put(object, "history", history, err));
    TRY(put_row_numbers(w, history, kept, err));
    TRY(report_append(history, column_values(w, values, H_EVALUATION, kept), err));
    TRY(report_append(history, column_values(w, values, H_SECONDS, kept), err));
    for (size_t i = 0; i < w->loss_count; i++)
        TRY(report_append(history, column_values(w, values, w->losses[i], kept), err));
done:
    return status;
}

/* One row's losses, at all the digits JSON gets. */
static int put_losses(const struct writer *w, json_t *object, const char *key, const double *row,
                      struct error *err)
{
    int status = 0;
    json_t *list = json_array();
    TRY(report_put(object, key, list, err));
    for (size_t i = 0; i < w->loss_count; i++)
        TRY(report_append(list, report_number(row[w->losses[i]]), err));
done:
    return status;
}

static int take_result(void *context, size_t run, size_t rows, const double *values,
                       const struct image *image, const struct error *why, struct error *err)
{
    int status = 0;
    struct writer *w = context;
    json_t *object = json_array_get(w->list, run);
    (void)why; /* it became unreadable this moment: a run without curve and picture */
    if (rows > 0) {
        size_t columns = (size_t)w->report->runs->loss_columns;
        TRY(put_losses(w, object, "start", values, err));
        TRY(put_losses(w, object, "final", values + (rows - 1) * columns, err));
        TRY(put_history(w, object, rows, values, err));
    }
    if (image)
        TRY(report_put_thumb(object, image, w->thumb_px, err));
done:
    return status;
}

/* As many rows a run as the page can bear. */
static size_t most_rows(const struct runs *runs, size_t losses)
{
    size_t rows = REPORT_NUMBERS / ((runs->done + 1) * (losses + 3));
    return rows < REPORT_ROWS_MIN   ? REPORT_ROWS_MIN
           : rows > REPORT_ROWS_MAX ? REPORT_ROWS_MAX
                                    : rows;
}

static int writer_init(struct writer *w, const struct report *report, struct error *err)
{
    const struct runs *runs = report->runs;
    *w = (struct writer){.report = report,
                         .list = json_array(),
                         .thumb_px = report_thumb_px(runs->done),
                         .losses = malloc(((size_t)runs->loss_columns + 1) * sizeof *w->losses)};
    if (w->losses) {
        w->loss_count = report_losses(runs, w->losses);
        w->rows_most = most_rows(runs, w->loss_count);
        w->kept = malloc(w->rows_most * sizeof *w->kept);
    }
    return w->kept && w->list ? 0 : fail(err, E_ENVIRONMENT, "not enough memory for a report");
}

int report_runs(const struct report *report, const struct name_index *paths, json_t **out,
                double *worst, struct error *err)
{
    int status;
    struct writer w;
    TRY(writer_init(&w, report, err));
    for (size_t run = 0; run < report->runs->count; run++)
        TRY(put_run(&w, run, paths, err));
    TRY(runs_visit(report->runs, NULL, 0, true, take_result, &w, err));
    *out = w.list;
    *worst = w.worst;
    w.list = NULL;
done:
    json_decref(w.list);
    free(w.losses);
    free(w.kept);
    return status;
}
