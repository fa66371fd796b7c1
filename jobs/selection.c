#include "selection.h"

#include "numbers.h"
#include <ctype.h>
#include <fnmatch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONDITION_TEXT = 512 };
enum subject { SUBJECT_PARAMETER, SUBJECT_ID, SUBJECT_NAME };
enum comparison { EQUAL, UNEQUAL, LESS, AT_MOST, MORE, NO_LESS, COMPARISONS };

/* Longer ones first: "<=" is no "<". */
static const struct {
    const char *sign;
    enum comparison comparison;
} signs[] = {{"!=", UNEQUAL}, {"<=", AT_MOST}, {">=", NO_LESS}, {"==", EQUAL},
             {"=", EQUAL},    {"<", LESS},     {">", MORE}};

struct condition {
    enum subject subject;
    enum param_id id;
    enum comparison comparison;
    double number;
    char text[CONDITION_TEXT];
};

static bool is_number(const struct condition *condition)
{
    enum param_type type = param_table[condition->id].type;
    return condition->subject == SUBJECT_PARAMETER && (type == PARAM_REAL || type == PARAM_WHOLE);
}

static char *trim(char *text)
{
    while (isspace((unsigned char)*text))
        text++;
    size_t length = strlen(text);
    while (length > 0 && isspace((unsigned char)text[length - 1]))
        text[--length] = 0;
    return text;
}

static int set_subject(const char *name, struct condition *out, struct error *err)
{
    out->subject = strcmp(name, "id") == 0     ? SUBJECT_ID
                   : strcmp(name, "name") == 0 ? SUBJECT_NAME
                                               : SUBJECT_PARAMETER;
    if (out->subject != SUBJECT_PARAMETER)
        return 0;
    int status = params_find(name, &out->id, err);
    if (status == 0 && param_table[out->id].scope != SCOPE_JOB)
        status = fail(err, E_INPUT, "'%s' is the same for all jobs", name);
    return status;
}

static int parse_condition(char *text, struct condition *out, struct error *err)
{
    char *at = text + strcspn(text, "=<>!");
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++) {
        size_t length = strlen(signs[i].sign);
        if (strncmp(at, signs[i].sign, length) != 0)
            continue;
        *at = 0;
        out->comparison = signs[i].comparison;
        snprintf(out->text, sizeof out->text, "%s", trim(at + length));
        int status = set_subject(trim(text), out, err);
        if (status != 0)
            return status;
        if (is_number(out) && !number_parse(out->text, &out->number))
            return fail(err, E_INPUT, "%s is compared with a number, not '%s'",
                        param_table[out->id].name, out->text);
        if (!is_number(out) && out->comparison != EQUAL && out->comparison != UNEQUAL)
            return fail(err, E_INPUT, "'%s' is a text: it can be compared by = and != only",
                        trim(text));
        return 0;
    }
    return fail(err, E_INPUT, "expected a condition such as style_weight>=1, got '%s'", trim(text));
}

static bool compare(enum comparison comparison, double a, double b)
{
    const bool results[COMPARISONS] = {[EQUAL] = a == b,
                                       [UNEQUAL] = a != b,
                                       [LESS] = a<b, [AT_MOST] = a <= b, [MORE] = a> b,
                                       [NO_LESS] = a >= b};
    return results[comparison];
}

static bool holds(const struct condition *condition, const struct job *job)
{
    if (is_number(condition))
        return compare(condition->comparison, params_number(&job->params, condition->id),
                       condition->number);
    char *formatted = NULL;
    const char *text = condition->subject == SUBJECT_ID ? job->id
                       : condition->subject == SUBJECT_NAME
                           ? job->name
                           : (formatted = params_format(&job->params, condition->id));
    bool equal = fnmatch(condition->text, text ? text : "", 0) == 0;
    free(formatted);
    return equal == (condition->comparison == EQUAL);
}

int selection_apply(const char *conditions, const struct job_list *list, bool *skip,
                    struct error *err)
{
    char *copy = strdup(conditions), *rest = copy;
    int status = copy ? 0 : fail(err, E_ENVIRONMENT, "not enough memory");
    for (char *text; status == 0 && (text = strsep(&rest, ","));) {
        struct condition condition = {0};
        status = parse_condition(text, &condition, err);
        for (size_t i = 0; status == 0 && i < list->count; i++)
            skip[i] |= !holds(&condition, &list->jobs[i]);
    }
    free(copy);
    return status;
}
