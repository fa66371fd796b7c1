/* atelier show: what one result says, and its loss curve. */
#include "command.h"

#include "chart.h"
#include "human.h"
#include "numbers.h"
#include "outlet.h"
#include "params.h"
#include "result_stream.h"
#include "terminal.h"
#include "words.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct request {
    const char *file, *curve;
    bool all;
};

enum { CHART_ROWS = 12, LABEL = 11, NAME = 21, WIDEST = 120 };

static void describe(struct request *request, struct form *form)
{
    const struct argument rows[] = {
        OPTION("curve", TEXT, &request->curve, "COLUMN",
               "what to draw: total (if not given), style, style_relu3_1, step, ..."),
        OPTION("all", FLAG, &request->all, NULL, "list every parameter, digest and library"),
    };
    *form = (struct form){
        .usage = "RESULT.h5 [options]",
        .text = "Prints what a result (or the checkpoint of an unfinished render) says: its "
                "parameters,\n"
                "what came of it, and a loss curve.",
        .operands =
            {.list = &request->file, .min = 1, .max = 1, .names = "RESULT.h5", .words = "FILE"},
    };
    form_add(form, rows, sizeof rows / sizeof *rows);
}

void describe_show(struct form *form)
{
    static struct request request;
    describe(&request, form);
}

/* Texts of the file ---------------------------------------------------------------------------- */

static const char *text_of(const struct result_contents *contents, const char *name)
{
    const char *text = hdf5_attributes_find(&contents->attributes, name);
    return text ? text : "";
}

static bool number_of(const struct result_contents *contents, const char *name, double *number)
{
    return number_parse(text_of(contents, name), number);
}

static void print_line(const char *label, const char *text)
{
    printf("%-*s", LABEL, label);
    terminal_cut(stdout, text, terminal_width(stdout) - LABEL);
    fputc('\n', stdout);
}

static const char *name_in(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* What it is ----------------------------------------------------------------------------------- */

static void print_title(const struct result_contents *contents)
{
    char title[512], job[128] = "";
    const char *id = text_of(contents, "id"), *name = text_of(contents, "name");
    if (*id)
        snprintf(job, sizeof job, "%s%s%s", id, *name ? " " : "", name);
    snprintf(title, sizeof title, "%s in the style of %s%s", name_in(text_of(contents, "content")),
             name_in(text_of(contents, "style")), contents->finished ? "" : ", unfinished");
    outlet_line(stdout, title);
    putchar('\n');
    if (*job)
        print_line("job", job);
}

static void print_losses(const struct result_contents *contents)
{
    const struct history *h = &contents->history;
    char text[256];
    double evaluations;
    if (h->rows == 0)
        return;
    size_t last = h->rows - 1;
    int used = snprintf(text, sizeof text, "%.4g -> %.4g (content %.3g, style %.3g, tv %.3g)",
                        history_get(h, 0, H_TOTAL), history_get(h, last, H_TOTAL),
                        history_get(h, last, H_CONTENT), history_get(h, last, H_STYLE),
                        history_get(h, last, H_TV));
    print_line("loss", text);
    if (!number_of(contents, "evaluations", &evaluations))
        evaluations = history_get(h, last, H_EVALUATION);
    used = snprintf(text, sizeof text, "%.0f evaluations, %.0f outer iterations, %zu rows",
                    evaluations, history_get(h, last, H_ITERATION), contents->rows);
    const char *stopped = text_of(contents, "stopped");
    if (*stopped)
        snprintf(text + used, sizeof text - (size_t)used, "; stopped: %s", stopped);
    print_line("search", text);
}

static void print_cost(const struct result_contents *contents)
{
    double seconds, predicted, bytes, threads;
    char text[256] = "", number[HUMAN_TEXT];
    size_t used = 0;
    if (!number_of(contents, "seconds", &seconds))
        seconds = history_get(&contents->history, contents->history.rows - 1, H_SECONDS);
    used = (size_t)snprintf(text, sizeof text, "%s", human_duration(seconds, number));
    if (number_of(contents, "predicted_seconds", &predicted))
        used += (size_t)snprintf(text + used, sizeof text - used, " (planned %s)",
                                 human_duration(predicted, number));
    if (number_of(contents, "threads", &threads))
        used += (size_t)snprintf(text + used, sizeof text - used, ", %.0f thread%s", threads,
                                 threads == 1 ? "" : "s");
    used += (size_t)snprintf(text + used, sizeof text - used, ", %.64s", text_of(contents, "host"));
    if (number_of(contents, "peak_memory_bytes", &bytes))
        snprintf(text + used, sizeof text - used, ", %s at most",
                 human_bytes((uint64_t)bytes, number));
    print_line("took", text);
}

static void print_picture(const struct result_contents *contents)
{
    double width, height;
    char text[64];
    if (!number_of(contents, "width", &width) || !number_of(contents, "height", &height))
        return;
    snprintf(text, sizeof text, "%.0f x %.0f px", width, height);
    print_line("picture", text);
}

/* Its parameters ------------------------------------------------------------------------------- */

/* What a parameter would be if only the preset and the files were given. */
static int usual_params(const struct result_contents *contents, struct params *usual)
{
    int status = 0;
    static const enum param_id given[] = {PARAM_content, PARAM_style, PARAM_preset};
    params_init(usual);
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        TRY(params_set(usual, given[i], text_of(contents, param_table[given[i]].name), NULL));
    status = params_resolve_job(usual, NULL);
done:
    return status;
}

/* Whether a parameter's value goes without saying. */
static bool is_usual(const struct params *usual, enum param_id id, const char *text)
{
    char *expected = params_format(usual, id);
    bool same = expected && strcmp(expected, text) == 0;
    free(expected);
    return same;
}

static void print_param(enum param_id id, const char *text)
{
    printf("  %-*s", NAME, param_table[id].name);
    terminal_cut(stdout, text, terminal_width(stdout) - NAME - 2);
    fputc('\n', stdout);
}

static void print_params(const struct result_contents *contents, bool all)
{
    struct params usual;
    bool known = usual_params(contents, &usual) == 0;
    int hidden = 0;
    printf("\nparameters\n");
    for (int i = 0; i < PARAM_COUNT; i++) {
        enum param_id id = (enum param_id)i;
        const char *text = hdf5_attributes_find(&contents->attributes, param_table[id].name);
        if (!text || param_table[id].scope != SCOPE_JOB)
            continue;
        bool asked = id == PARAM_content || id == PARAM_style || id == PARAM_preset;
        if (!all && !asked && known && is_usual(&usual, id, text))
            hidden++;
        else
            print_param(id, text);
    }
    if (hidden)
        printf("  and %d at the preset's default (--all lists them)\n", hidden);
    params_release(&usual);
}

static void print_fact(const struct hdf5_attribute *attribute)
{
    fputs("  ", stdout);
    terminal_fit(stdout, attribute->name, 20);
    putchar(' ');
    outlet_line(stdout, attribute->text);
    putchar('\n');
}

static void print_facts(const struct result_contents *contents)
{
    printf("\nfacts\n");
    for (size_t i = 0; i < contents->attributes.count; i++) {
        const struct hdf5_attribute *attribute = &contents->attributes.list[i];
        enum param_id id;
        if (params_find(attribute->name, &id, NULL) != 0 || param_table[id].scope != SCOPE_JOB)
            print_fact(attribute);
    }
}

/* The curve ------------------------------------------------------------------------------------ */

static int find_curve(const struct history *history, const char *name, int *column,
                      struct error *err)
{
    char nearest[256];
    const char **names = calloc((size_t)history->columns + 1, sizeof *names);
    if (!names)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    for (int i = 0; i < history->columns; i++) {
        names[i] = history->column[i].name;
        if (strcmp(names[i], name) == 0) {
            *column = i;
            free(names);
            return 0;
        }
    }
    words_nearest(name, names, (size_t)history->columns, nearest, sizeof nearest);
    free(names);
    return fail(err, E_INPUT, "its history has no column '%s'%s%s", name,
                *nearest ? "; nearest: " : "", nearest);
}

static int print_curve(const struct history *history, int column, struct error *err)
{
    double *values = malloc((2 * history->rows + 1) * sizeof *values);
    if (!values)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    for (size_t row = 0; row < history->rows; row++) {
        values[row] = history_get(history, row, H_EVALUATION);
        values[history->rows + row] = history_get(history, row, column);
    }
    int width = terminal_width(stdout);
    struct chart chart = {.x = values,
                          .y = values + history->rows,
                          .count = history->rows,
                          .x_name = "evaluation",
                          .width = width < WIDEST ? width : WIDEST,
                          .height = CHART_ROWS,
                          .utf8 = terminal_utf8()};
    putchar('\n');
    outlet_line(stdout, history->column[column].title);
    putchar('\n');
    chart_print(stdout, &chart);
    free(values);
    return 0;
}

/* ------------------------------------------------------------------------------------------------
 */

static int show(void *context, size_t index, const struct result_contents *contents,
                const struct error *why, struct error *err)
{
    const struct request *request = context;
    int column = 0, status = 0;
    (void)index;
    if (!contents)
        return fail(err, why->code, "'%s': %s", request->file, why->message);
    TRY(find_curve(&contents->history, request->curve, &column, err));
    print_title(contents);
    print_picture(contents);
    print_losses(contents);
    if (*text_of(contents, "comment"))
        print_line("note", text_of(contents, "comment"));
    if (contents->history.rows > 0)
        print_cost(contents);
    print_params(contents, request->all);
    if (request->all)
        print_facts(contents);
    TRY(print_curve(&contents->history, column, err));
done:
    return status;
}

static int act(void *request, struct error *err)
{
    const char *const *file = &((const struct request *)request)->file;
    return result_stream(file, 1,
                         RESULT_ATTRIBUTES | RESULT_HISTORY | RESULT_UNFINISHED | RESULT_NAMED,
                         show, request, err);
}

int command_show(int argc, char **argv)
{
    struct request request = {.curve = "total"};
    struct form form;
    describe(&request, &form);
    return command_perform(argc, argv, &form, act, &request);
}
