#include "report_data.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "json_file.h"

static int no_memory(struct error *err)
{
    return fail(err, E_ENVIRONMENT, "not enough memory for a report");
}

int report_put(json_t *object, const char *key, json_t *value, struct error *err)
{
    return json_object_set_new(object, key, value) == 0 ? 0 : no_memory(err);
}

int report_append(json_t *array, json_t *value, struct error *err)
{
    return json_array_append_new(array, value) == 0 ? 0 : no_memory(err);
}

json_t *report_number(double value)
{
    if (!isfinite(value))
        return json_null();
    if (value == rint(value) && fabs(value) < 1e15)
        return json_integer((json_int_t)value);
    return json_real(value);
}

json_t *report_value(const struct run_column *column, size_t run)
{
    if (!column)
        return json_null();
    return column->texts ? json_any_text(column->texts[run]) : report_number(column->numbers[run]);
}

size_t report_losses(const struct runs *runs, int *columns)
{
    static const int terms[] = {H_TOTAL, H_CONTENT, H_STYLE, H_TV};
    size_t count = 0;
    for (size_t i = 0; i < sizeof terms / sizeof *terms; i++)
        columns[count++] = terms[i];
    for (int column = H_FIXED; column < runs->loss_columns; column++)
        columns[count++] = column;
    return count;
}

/* Parameters ----------------------------------------------------------------------------------- */

static int put_values(const struct axis *axis, json_t *parameter, struct error *err)
{
    int status = 0;
    char text[NUMBER_TEXT];
    json_t *values = json_array(), *labels = json_array();
    json_t *numbers = axis->numeric ? json_array() : json_null();
    TRY(report_put(parameter, "values", values, err));
    TRY(report_put(parameter, "labels", labels, err));
    TRY(report_put(parameter, "numbers", numbers, err));
    for (size_t i = 0; i < axis->values.count; i++) {
        const char *value = runs_text(axis->column, axis->values.example[i], text);
        TRY(report_append(values, json_any_text(value), err));
        TRY(report_append(labels, json_any_text(axis->labels[i]), err));
        if (axis->numeric)
            TRY(report_append(numbers, report_number(axis->numbers[i]), err));
    }
done:
    return status;
}

/* The picture that each value is, so that it can be shown beside the value. */
static int put_value_pictures(const struct axis *axis, const struct name_index *paths,
                              json_t *parameter, struct error *err)
{
    int status = 0;
    if (param_table[axis->param].type != PARAM_PATH)
        return 0;
    json_t *pictures = json_array();
    TRY(report_put(parameter, "pictures", pictures, err));
    for (size_t i = 0; i < axis->values.count; i++) {
        size_t number;
        const char *path = axis->column->texts[axis->values.example[i]];
        bool known = name_index_find(paths, path, &number);
        TRY(report_append(pictures, known ? json_integer((json_int_t)number) : json_null(), err));
    }
done:
    return status;
}

static int put_parameters(const struct report *report, const struct name_index *paths, json_t *data,
                          struct error *err)
{
    int status = 0;
    json_t *list = json_array();
    TRY(report_put(data, "parameters", list, err));
    for (size_t i = 0; i < report->axes->count; i++) {
        const struct axis *axis = &report->axes->list[i];
        json_t *parameter = json_object();
        TRY(report_append(list, parameter, err));
        TRY(report_put(parameter, "name", json_any_text(axis->column->name), err));
        TRY(report_put(parameter, "unit", json_any_text(axis->column->unit), err));
        TRY(report_put(parameter, "help", json_any_text(axis->column->title), err));
        TRY(put_values(axis, parameter, err));
        TRY(put_value_pictures(axis, paths, parameter, err));
    }
done:
    return status;
}

static int put_axis(const struct axes *axes, json_t *object, const char *key, int axis,
                    struct error *err)
{
    json_t *name = axis == AXIS_NONE ? json_null() : json_string(axes->list[axis].column->name);
    return report_put(object, key, name, err);
}

static int put_axes(const struct axes *axes, json_t *data, struct error *err)
{
    int status = 0;
    json_t *object = json_object();
    TRY(report_put(data, "axes", object, err));
    TRY(put_axis(axes, object, "rows", axes->rows, err));
    TRY(put_axis(axes, object, "columns", axes->columns, err));
    TRY(put_axis(axes, object, "colour", axes->colour, err));
done:
    return status;
}

static bool is_axis(const struct axes *axes, enum param_id param)
{
    for (size_t i = 0; i < axes->count; i++)
        if (axes->list[i].param == param)
            return true;
    return false;
}

/* JOB parameters that are the same for every run, or follow its preset. */
static int put_constants(const struct report *report, json_t *data, struct error *err)
{
    int status = 0;
    json_t *list = json_array();
    TRY(report_put(data, "constants", list, err));
    for (int id = 0; id < PARAM_COUNT; id++) {
        enum param_id param = (enum param_id)id;
        const struct run_column *column = runs_column(report->runs, param_table[id].name);
        if (param_table[id].scope != SCOPE_JOB || !column || is_axis(report->axes, param))
            continue;
        size_t run = 0;
        char text[NUMBER_TEXT];
        while (run < report->runs->count && !distinct_has(column, run))
            run++;
        if (run == report->runs->count)
            continue;
        const char *value = axes_follows_preset(report->runs, param) ? "as the preset has it"
                                                                     : runs_text(column, run, text);
        json_t *constant = json_object();
        TRY(report_append(list, constant, err));
        TRY(report_put(constant, "name", json_string(param_table[id].name), err));
        TRY(report_put(constant, "value", json_any_text(value), err));
    }
done:
    return status;
}

/* Where and with what ----------------------------------------------------------------------------
 */

static const char *const facts[] = {
    "host",           "threads",     "creator_version", "git_commit",     "instruction_set",
    "libraries",      "numerics",    "numerics_before", "weights_format", "weights_input",
    "weights_sha256", "init_sha256",
};

/* {name, values: [{value, runs}]} */
static int put_fact(const struct report *report, const struct run_column *column, json_t *list,
                    struct error *err)
{
    int status = 0;
    struct distinct distinct = {0};
    json_t *fact = json_object(), *values = json_array();
    TRY(report_append(list, fact, err));
    TRY(report_put(fact, "name", json_any_text(column->name), err));
    TRY(report_put(fact, "values", values, err));
    TRY(distinct_find(report->runs, column, &distinct, err));
    for (size_t i = 0; i < distinct.count; i++) {
        char text[NUMBER_TEXT];
        json_t *value = json_object();
        TRY(report_append(values, value, err));
        const char *words = runs_text(column, distinct.example[i], text);
        TRY(report_put(value, "value", json_any_text(words), err));
        TRY(report_put(value, "runs", json_integer((json_int_t)distinct.runs[i]), err));
    }
done:
    distinct_release(&distinct);
    return status;
}

static int put_facts(const struct report *report, json_t *data, struct error *err)
{
    int status = 0;
    json_t *list = json_array();
    TRY(report_put(data, "facts", list, err));
    for (size_t i = 0; i < sizeof facts / sizeof *facts; i++) {
        const struct run_column *column = runs_column(report->runs, facts[i]);
        if (column)
            TRY(put_fact(report, column, list, err));
    }
done:
    return status;
}

static int put_losses(const struct runs *runs, json_t *data, struct error *err)
{
    int status = 0;
    json_t *list = json_array();
    int *columns = malloc(((size_t)runs->loss_columns + 1) * sizeof *columns);
    if (!columns)
        return no_memory(err);
    TRY(report_put(data, "losses", list, err));
    size_t count = report_losses(runs, columns);
    for (size_t i = 0; i < count; i++)
        TRY(report_append(list, json_string(runs->loss[columns[i]].name), err));
done:
    free(columns);
    return status;
}

static int put_heading(const struct report *report, json_t *data, struct error *err)
{
    int status = 0;
    const char *folder = report->runs->store.folder;
    const char *slash = strrchr(folder, '/');
    TRY(report_put(data, "title", json_any_text(slash && slash[1] ? slash + 1 : folder), err));
    TRY(report_put(data, "store", json_any_text(folder), err));
    TRY(report_put(data, "base", json_any_text(report->beside ? "" : folder), err));
    TRY(report_put(data, "made", json_string(report->made), err));
    TRY(report_put(data, "creator", json_string(report->creator), err));
done:
    return status;
}

static int put_decimation(double worst, json_t *data, struct error *err)
{
    char text[256];
    snprintf(text, sizeof text,
             "Curves hold the first and the last row of each history and, between them, the rows "
             "it takes to stay within %.2g %% of all others, at 6 digits; sweep.h5 has every row.",
             100 * fmax(worst, REPORT_TOLERANCE));
    return report_put(data, "decimation", json_string(text), err);
}

static int fill(const struct report *report, const struct name_index *paths, json_t *data,
                struct error *err)
{
    int status = 0;
    double worst;
    json_t *pictures, *list;
    TRY(put_heading(report, data, err));
    TRY(put_parameters(report, paths, data, err));
    TRY(put_constants(report, data, err));
    TRY(put_axes(report->axes, data, err));
    TRY(put_losses(report->runs, data, err));
    TRY(put_facts(report, data, err));
    TRY(report_pictures(report, paths, &pictures, err));
    TRY(report_put(data, "pictures", pictures, err));
    TRY(report_runs(report, paths, &list, &worst, err));
    TRY(report_put(data, "runs", list, err));
    TRY(put_decimation(worst, data, err));
done:
    return status;
}

int report_data(const struct report *report, json_t **out, struct error *err)
{
    int status;
    struct name_index paths = {0};
    json_t *data = json_object();
    TRY(report_list_pictures(report, &paths, err));
    TRY(fill(report, &paths, data, err));
    *out = data;
    data = NULL;
done:
    json_decref(data);
    name_index_release(&paths);
    return status;
}
