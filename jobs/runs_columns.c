#include "runs_columns.h"

#include "checkpoint.h"
#include "numbers.h"
#include "seal.h"
#include "vgg19.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* The tables ----------------------------------------------------------------------------------- */

struct known_column {
    const char *name, *title, *unit; /* no unit: texts */
    bool always;
};

static const struct known_column job_columns[] = {
    {"id", "identity of the job: 16 hex digits of a SHA-256", "", true},
    {"name", "the job's name in the manifest", "", true},
    {"status", "done, running, waiting, failed, unreadable", "", true},
    {"listed", "1: the job is in the manifest; 0: a result without one", "1", true},
    {"failure", "how the last attempt ended, where it failed", "", true},
    {"error", "why there is no result", "", true},
    {"picture", "the picture, relative to the store", "", true},
    {"rows", "rows of its loss history", "1", true},
};

static const struct known_column fact_columns[] = {
    {"stopped", "why the search ended", "", true},
    {"evaluations", "evaluations of loss and gradient", "1", true},
    {"picture_row", "row of the history that the picture is of, if not the last", "1", false},
    {"picture_total", "its total loss", "1", false},
    {"outer_iterations", "outer iterations", "1", false},
    {"seconds", "seconds of work, over interruptions too", "s", true},
    {"cpu_seconds", "processor time of the last attempt", "s", false},
    {"peak_memory_bytes", "peak memory of the render's process", "byte", true},
    {"predicted_seconds", "seconds of work as planned", "s", true},
    {"predicted_bytes", "peak memory as planned", "byte", true},
    {"attempts", "attempts it took", "1", true},
    {"host", "where it was rendered", "", true},
    {"rank", "rank of the agent that rendered it", "1", false},
    {"threads", "threads of the render", "1", true},
    {"width", "width of the picture", "px", false},
    {"height", "height of the picture", "px", false},
    {"date_started", "when the render started, UTC", "", false},
    {"date_finished", "when it ended, UTC", "", false},
    {"style_width", "width of the style image as used", "px", false},
    {"style_height", "height of the style image as used", "px", false},
    {"content_sha256", "SHA-256 of the content image", "", false},
    {"style_sha256", "SHA-256 of the style image", "", false},
    {"init_sha256", "SHA-256 of the image it started from", "", false},
    {"weights_sha256", "SHA-256 of the network's weights", "", false},
    {"weights_tensor_sha256", "SHA-256 of the kernels and biases in use", "", false},
    {"picture_sha256", "SHA-256 of the picture's file", "", false},
    {"weights_format", "format of the weight file", "", false},
    {"weights_input", "what input the weights expect", "", false},
    {"creator", "program that rendered it", "", false},
    {"creator_version", "its version", "", false},
    {"git_commit", "its commit", "", false},
    {"numerics", "what decides the last bits of the numbers", "", false},
    {"numerics_before", "the same of earlier parts of the search, where it differs", "", false},
    {"comment", "what a person should know of the result", "", false},
    {"instruction_set", "instruction set of the kernels", "", false},
    {"libraries", "libraries it ran on", "", false},
    {"command_line", "command that rendered it", "", false},
};

/* Root attributes that say what kind of file it is, or stand in a column of their own. */
static const char *const no_facts[] = {"schema_name", "schema_version", "Conventions", "title",
                                       "id",          "name",           SEAL_NAME};

#define COUNT(table) (sizeof(table) / sizeof *(table))

/* Columns -------------------------------------------------------------------------------------- */

static int no_memory(struct error *err)
{
    return fail(err, E_ENVIRONMENT, "not enough memory for the table of runs");
}

int runs_keep(struct runs *runs, const char *text, const char **kept, struct error *err)
{
    size_t number;
    bool is_new;
    int status = name_index_add(&runs->pool, text, &number, &is_new, err);
    if (status == 0)
        *kept = runs->pool.names[number];
    return status;
}

static struct run_column *find(const struct runs *runs, const char *name)
{
    size_t number;
    return name_index_find(&runs->names, name, &number) ? &runs->column[number] : NULL;
}

static int allocate_values(const struct runs *runs, struct run_column *column, bool is_text)
{
    if (is_text)
        column->texts = calloc(runs->count + 1, sizeof *column->texts);
    else
        column->numbers = malloc((runs->count + 1) * sizeof *column->numbers);
    for (size_t i = 0; column->numbers && i < runs->count; i++)
        column->numbers[i] = NAN;
    return column->texts || column->numbers;
}

/* Texts where there is no unit. */
static int add_column(struct runs *runs, const struct known_column *known,
                      enum run_column_group group, struct error *err)
{
    int status = 0;
    size_t number;
    bool is_new;
    struct run_column column = {.group = group, .always = known->always, .whole = true};
    TRY(runs_keep(runs, known->name, &column.name, err));
    TRY(runs_keep(runs, known->title, &column.title, err));
    TRY(runs_keep(runs, known->unit, &column.unit, err));
    struct run_column *grown = reallocarray(runs->column, runs->columns + 1, sizeof *grown);
    if (!grown)
        return no_memory(err);
    runs->column = grown;
    if (!allocate_values(runs, &column, !known->unit[0]))
        return no_memory(err);
    runs->column[runs->columns++] = column;
    TRY(name_index_add(&runs->names, known->name, &number, &is_new, err));
done:
    return status;
}

static int add_columns(struct runs *runs, const struct known_column *list, size_t count,
                       enum run_column_group group, struct error *err)
{
    int status = 0;
    for (size_t i = 0; i < count; i++)
        TRY(add_column(runs, &list[i], group, err));
done:
    return status;
}

static bool is_number(enum param_id id)
{
    return param_table[id].type == PARAM_REAL || param_table[id].type == PARAM_WHOLE;
}

static int add_params(struct runs *runs, struct error *err)
{
    int status = 0;
    for (int id = 0; id < PARAM_COUNT; id++) {
        const struct param_info *info = &param_table[id];
        const char *unit = !is_number((enum param_id)id) ? "" : info->unit[0] ? info->unit : "1";
        if (info->scope == SCOPE_JOB)
            TRY(add_column(runs, &(struct known_column){info->name, info->help, unit, false},
                           RUN_PARAM, err));
    }
done:
    return status;
}

int runs_add_columns(struct runs *runs, struct error *err)
{
    int status = 0;
    TRY(add_columns(runs, job_columns, COUNT(job_columns), RUN_JOB, err));
    TRY(add_params(runs, err));
    TRY(add_columns(runs, fact_columns, COUNT(fact_columns), RUN_FACT, err));
done:
    return status;
}

/* Values --------------------------------------------------------------------------------------- */

int runs_put_number(struct runs *runs, const char *name, size_t run, double number,
                    struct error *err)
{
    struct run_column *column = find(runs, name);
    char text[NUMBER_TEXT];
    if (!column)
        return fail(err, E_BUG, "the table of runs has no column '%s'", name);
    if (column->texts) {
        number_format(number, text);
        return isnan(number) ? 0 : runs_put_text(runs, name, run, text, err);
    }
    column->numbers[run] = number;
    column->whole = column->whole && !(number != floor(number) && !isnan(number));
    return 0;
}

int runs_put_text(struct runs *runs, const char *name, size_t run, const char *text,
                  struct error *err)
{
    double number;
    struct run_column *column = find(runs, name);
    if (!column)
        return fail(err, E_BUG, "the table of runs has no column '%s'", name);
    if (!text)
        return 0;
    if (column->texts)
        return runs_keep(runs, text, &column->texts[run], err);
    return number_parse(text, &number) ? runs_put_number(runs, name, run, number, err) : 0;
}

int runs_put_params(struct runs *runs, size_t run, const struct params *params, struct error *err)
{
    int status = 0;
    for (int i = 0; i < PARAM_COUNT; i++) {
        enum param_id id = (enum param_id)i;
        if (param_table[id].scope != SCOPE_JOB)
            continue;
        if (is_number(id)) {
            TRY(runs_put_number(runs, param_table[id].name, run, params_number(params, id), err));
            continue;
        }
        char *text = params_format(params, id);
        if (!text)
            return no_memory(err);
        status = runs_put_text(runs, param_table[id].name, run, text, err);
        free(text);
        if (status != 0)
            return status;
    }
done:
    return status;
}

/* A result's values ---------------------------------------------------------------------------- */

static bool is_fact(const char *name)
{
    enum param_id id;
    for (size_t i = 0; i < COUNT(no_facts); i++)
        if (strcmp(name, no_facts[i]) == 0)
            return false;
    return params_find(name, &id, NULL) != 0 || param_table[id].scope != SCOPE_JOB;
}

static int put_attribute(struct runs *runs, size_t run, const struct hdf5_attribute *attribute,
                         struct error *err)
{
    int status = 0;
    bool fact = is_fact(attribute->name);
    const struct run_column *column = find(runs, attribute->name);
    if (!fact && (runs->run[run].listed || !column))
        return 0; /* the manifest has it, or nobody asks */
    if (!column)
        TRY(add_column(runs,
                       &(struct known_column){attribute->name, attribute->name,
                                              attribute->is_number ? "1" : "", false},
                       RUN_FACT, err));
    TRY(runs_put_text(runs, attribute->name, run, attribute->text, err));
done:
    return status;
}

static bool is_loss(const char *name)
{
    static const char *const others[] = {"iteration", "evaluation", "seconds", "step", "precision"};
    for (size_t i = 0; i < COUNT(others); i++)
        if (strcmp(name, others[i]) == 0)
            return false;
    return true;
}

static int put_loss(struct runs *runs, size_t run, const struct history_column *loss,
                    const char *when, double value, struct error *err)
{
    int status = 0;
    char name[sizeof loss->name + 16], title[sizeof loss->title + 32];
    snprintf(name, sizeof name, "%s_%s", when, loss->name);
    snprintf(title, sizeof title, "%s, %s", loss->title,
             strcmp(when, "final") == 0 ? "at the end" : "at the start");
    if (!find(runs, name))
        TRY(add_column(runs, &(struct known_column){name, title, "1", false}, RUN_LOSS, err));
    TRY(runs_put_number(runs, name, run, value, err));
done:
    return status;
}

/* Notes a column of a history, where no run has had it before. */
static int note_loss(struct runs *runs, const struct history_column *loss, struct error *err)
{
    for (int i = 0; i < runs->loss_columns; i++)
        if (strcmp(runs->loss[i].name, loss->name) == 0)
            return 0;
    struct history_column *grown =
        reallocarray(runs->loss, (size_t)runs->loss_columns + 1, sizeof *grown);
    if (!grown)
        return no_memory(err);
    runs->loss = grown;
    runs->loss[runs->loss_columns++] = *loss;
    return 0;
}

static int put_losses(struct runs *runs, size_t run, const struct history *history,
                      struct error *err)
{
    int status = 0;
    for (int i = 0; i < history->columns; i++) {
        const struct history_column *loss = &history->column[i];
        TRY(note_loss(runs, loss, err));
        if (!is_loss(loss->name) || history->rows == 0)
            continue;
        TRY(put_loss(runs, run, loss, "start", history_get(history, 0, i), err));
        TRY(put_loss(runs, run, loss, "final", history_get(history, history->rows - 1, i), err));
    }
done:
    return status;
}

int runs_put_result(struct runs *runs, size_t run, const struct result_contents *contents,
                    struct error *err)
{
    int status = 0;
    for (size_t i = 0; i < contents->attributes.count; i++)
        TRY(put_attribute(runs, run, &contents->attributes.list[i], err));
    TRY(put_losses(runs, run, &contents->history, err));
    TRY(runs_put_number(runs, "rows", run, (double)contents->rows, err));
    runs->run[run].rows = contents->rows;
done:
    return status;
}

/* Order ---------------------------------------------------------------------------------------- */

enum { LAYER_RANKS = 3 * VGG19_CONVS, AFTER_LAYERS = 1000, STARTS = 100000 };

/* Where a loss column stands among the others: total, content, style, tv, layers of the content
 * loss, of the style loss, the rest. */
static int loss_rank(const char *name)
{
    static const char *const first[] = {"total", "content", "style", "tv"};
    struct layer layer;
    for (size_t i = 0; i < COUNT(first); i++)
        if (strcmp(name, first[i]) == 0)
            return (int)i;
    const char *low_bar = strchr(name, '_');
    if (!low_bar || layer_parse(low_bar + 1, &layer, NULL) != 0)
        return AFTER_LAYERS;
    int base = (int)COUNT(first) + (strncmp(name, "style_", 6) == 0 ? LAYER_RANKS : 0);
    return base + 3 * layer.conv + (int)layer.kind;
}

/* Facts nobody knows beforehand, by name: which came first depends on which run is done. */
static int column_rank(const struct run_column *column)
{
    if (column->group == RUN_LOSS)
        return strncmp(column->name, "final_", 6) == 0 ? loss_rank(column->name + 6)
                                                       : STARTS + loss_rank(column->name + 6);
    for (size_t i = 0; column->group == RUN_FACT && i < COUNT(fact_columns); i++)
        if (strcmp(column->name, fact_columns[i].name) == 0)
            return (int)i;
    return column->group == RUN_FACT ? (int)COUNT(fact_columns) : 0;
}

static int compare_columns(const void *left, const void *right)
{
    const struct run_column *a = left, *b = right;
    if (a->group != b->group)
        return a->group < b->group ? -1 : 1;
    int ranks = column_rank(a) - column_rank(b);
    return ranks ? ranks : strcmp(a->name, b->name);
}

static int compare_losses(const void *left, const void *right)
{
    const struct history_column *a = left, *b = right;
    int ranks = loss_rank(a->name) - loss_rank(b->name);
    return ranks ? ranks : strcmp(a->name, b->name);
}

int runs_finish_columns(struct runs *runs, struct error *err)
{
    int status = 0;
    size_t number, fixed = 0;
    bool is_new;
    while (fixed < runs->columns && runs->column[fixed].group < RUN_FACT)
        fixed++; /* those stand as they were made */
    qsort(runs->column + fixed, runs->columns - fixed, sizeof *runs->column, compare_columns);
    if (runs->loss_columns > H_FIXED)
        qsort(runs->loss + H_FIXED, (size_t)runs->loss_columns - H_FIXED, sizeof *runs->loss,
              compare_losses);
    name_index_release(&runs->names);
    for (size_t i = 0; i < runs->columns; i++)
        TRY(name_index_add(&runs->names, runs->column[i].name, &number, &is_new, err));
done:
    return status;
}
