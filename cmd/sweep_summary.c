#include "sweep_summary.h"

#include "human.h"
#include "name_index.h"
#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SHOWN = 6 }; /* values in a line */

/* --- what varies --- */

/* The distinct values of a parameter, in the order they first come; files without their folder. */
static int find_values(const struct job_list *list, enum param_id id, struct name_index *values,
                       struct error *err)
{
    for (size_t i = 0; i < list->count; i++) {
        size_t number;
        bool is_new;
        char *text = params_format(&list->jobs[i].params, id);
        if (!text)
            return fail(err, E_ENVIRONMENT, "not enough memory");
        int status = name_index_add(values, text, &number, &is_new, err);
        free(text);
        if (status != 0)
            return status;
    }
    return 0;
}

static bool is_number(enum param_id id)
{
    return param_table[id].type == PARAM_REAL || param_table[id].type == PARAM_WHOLE;
}

static const char *short_text(enum param_id id, const char *text)
{
    const char *slash = param_table[id].type == PARAM_LAYERS ? NULL : strrchr(text, '/');
    return slash ? slash + 1 : text;
}

static int ascending(const void *a, const void *b)
{
    double one = *(const double *)a, other = *(const double *)b;
    return (one > other) - (one < other);
}

/* Few numbers one by one, of many the range. */
static int print_numbers(const struct name_index *values, struct error *err)
{
    double *numbers = malloc(values->count * sizeof *numbers);
    if (!numbers)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    for (size_t i = 0; i < values->count; i++)
        numbers[i] = strtod(values->names[i], NULL);
    qsort(numbers, values->count, sizeof *numbers, ascending);
    if (values->count > SHOWN)
        printf("%g ... %g", numbers[0], numbers[values->count - 1]);
    for (size_t i = 0; i < values->count && values->count <= SHOWN; i++)
        printf("%s%g", i ? ", " : "", numbers[i]);
    putchar('\n');
    free(numbers);
    return 0;
}

/* The first of them; layers hold commas themselves. */
static void print_texts(enum param_id id, const struct name_index *values)
{
    const char *separator = param_table[id].type == PARAM_LAYERS ? " | " : ", ";
    for (size_t i = 0; i < values->count && i < SHOWN; i++)
        printf("%s%s", i ? separator : "", short_text(id, values->names[i]));
    printf("%s\n", values->count > SHOWN ? ", ..." : "");
}

static int print_varying(const struct job_list *list, struct error *err)
{
    for (int i = 0; i < PARAM_COUNT; i++) {
        struct name_index values = {0};
        enum param_id id = (enum param_id)i;
        if (!job_list_varies(list, id))
            continue;
        int status = find_values(list, id, &values, err);
        if (status == 0) {
            printf("  %-16s %6zu  ", param_table[id].name, values.count);
            if (is_number(id))
                status = print_numbers(&values, err);
            else
                print_texts(id, &values);
        }
        name_index_release(&values);
        if (status != 0)
            return status;
    }
    return 0;
}

/* --- how much it is --- */

struct totals {
    int width_low, width_high, height_low, height_high;
    double evaluations, flop;
    uint64_t memory_most;
};

static double evaluations_of(const struct job *job)
{
    return 1 + (double)job->params.iterations * (double)job->params.maxfun;
}

static struct totals add_up(const struct job_list *list)
{
    const struct plan *first = &list->jobs[0].plan;
    struct totals t = {first->width, first->width, first->height, first->height, 0, 0, 0};
    for (size_t i = 0; i < list->count; i++) {
        const struct plan *plan = &list->jobs[i].plan;
        t.width_low = plan->width < t.width_low ? plan->width : t.width_low;
        t.width_high = plan->width > t.width_high ? plan->width : t.width_high;
        t.height_low = plan->height < t.height_low ? plan->height : t.height_low;
        t.height_high = plan->height > t.height_high ? plan->height : t.height_high;
        t.memory_most = plan->memory_bytes > t.memory_most ? plan->memory_bytes : t.memory_most;
        t.evaluations += evaluations_of(&list->jobs[i]);
        t.flop += plan->target_flop + evaluations_of(&list->jobs[i]) * plan->flop;
    }
    return t;
}

static void print_totals(const struct totals *t)
{
    char memory[HUMAN_TEXT];
    printf("pictures  ");
    if (t->width_low == t->width_high && t->height_low == t->height_high)
        printf("%d x %d px\n", t->width_low, t->height_low);
    else
        printf("%d to %d px wide, %d to %d px high\n", t->width_low, t->width_high, t->height_low,
               t->height_high);
    printf("work      at most %.4g evaluations, %.4g TFLOP of convolutions and Gram matrices\n",
           t->evaluations, t->flop * 1e-12);
    printf("memory    about %s for the largest job\n", human_bytes(t->memory_most, memory));
}

/* --- JSON --- */

static json_t *value_json(const struct params *params, enum param_id id)
{
    if (is_number(id)) {
        double number = params_number(params, id);
        return param_table[id].type == PARAM_WHOLE ? json_integer((json_int_t)number)
                                                   : json_real(number);
    }
    char *text = params_format(params, id);
    json_t *json = text ? json_string(text) : NULL;
    free(text);
    return json;
}

/* Each value once, in the order they first come. */
static int varying_json(const struct job_list *list, json_t *varying, struct error *err)
{
    int status = 0;
    for (int i = 0; i < PARAM_COUNT && status == 0; i++) {
        struct name_index seen = {0};
        enum param_id id = (enum param_id)i;
        if (!job_list_varies(list, id))
            continue;
        json_t *values = json_array();
        json_object_set_new(varying, param_table[id].name, values);
        for (size_t j = 0; j < list->count && status == 0; j++) {
            size_t number;
            bool is_new = false;
            char *text = params_format(&list->jobs[j].params, id);
            status = text ? name_index_add(&seen, text, &number, &is_new, err)
                          : fail(err, E_ENVIRONMENT, "not enough memory");
            free(text);
            if (is_new)
                json_array_append_new(values, value_json(&list->jobs[j].params, id));
        }
        name_index_release(&seen);
    }
    return status;
}

/* Takes over json. */
static int print_json(json_t *json, struct error *err)
{
    int status = json && json_dumpf(json, stdout, JSON_INDENT(1)) == 0 && putchar('\n') != EOF
                     ? 0
                     : fail(err, E_ENVIRONMENT, "cannot write the JSON");
    json_decref(json);
    return status;
}

static int summary_json(const struct job_list *list, struct error *err)
{
    struct totals t = add_up(list);
    json_t *json = json_pack("{s:I, s:{}, s:[i,i], s:[i,i], s:f, s:f, s:I}", "jobs",
                             (json_int_t)list->count, "varies", "width", t.width_low, t.width_high,
                             "height", t.height_low, t.height_high, "evaluations", t.evaluations,
                             "tflop", t.flop * 1e-12, "memory_bytes", (json_int_t)t.memory_most);
    int status = json ? varying_json(list, json_object_get(json, "varies"), err) : 0;
    if (status != 0) {
        json_decref(json);
        return status;
    }
    return print_json(json, err);
}

int sweep_summary_print(const struct job_list *list, bool json, struct error *err)
{
    if (json)
        return summary_json(list, err);
    struct totals totals = add_up(list);
    printf("%zu job%s\n", list->count, list->count == 1 ? "" : "s");
    int status = print_varying(list, err);
    if (status == 0)
        print_totals(&totals);
    return status;
}

int sweep_jobs_json(const struct job_list *list, struct error *err)
{
    json_t *jobs = json_array();
    for (size_t i = 0; jobs && i < list->count; i++) {
        const struct job *job = &list->jobs[i];
        json_t *row = json_pack("{s:s, s:s?}", "id", job->id, "name", job->name);
        for (int id = 0; id < PARAM_COUNT; id++)
            if (param_table[id].scope == SCOPE_JOB)
                json_object_set_new(row, param_table[id].name,
                                    value_json(&job->params, (enum param_id)id));
        json_object_set_new(row, "width", json_integer(job->plan.width));
        json_object_set_new(row, "height", json_integer(job->plan.height));
        json_array_append_new(jobs, row);
    }
    return print_json(jobs, err);
}
