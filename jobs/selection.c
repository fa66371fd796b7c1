#include "selection.h"

#include "numbers.h"
#include <ctype.h>
#include <fnmatch.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { CONDITION_TEXT = 1200 };
enum subject { SUBJECT_PARAMETER, SUBJECT_ID, SUBJECT_NAME };
enum comparison { EQUAL, UNEQUAL, LESS, AT_MOST, MORE, NO_LESS, HOLDS, HOLDS_NOT };

/* Longer ones first: "<=" is no "<". */
static const struct {
    const char *sign;
    enum comparison comparison;
} signs[] = {
    {"!=", UNEQUAL}, {"!~", HOLDS_NOT}, {"<=", AT_MOST}, {">=", NO_LESS}, {"==", EQUAL},
    {"=", EQUAL},    {"~", HOLDS},      {"<", LESS},     {">", MORE},
};
enum { SIGNS = sizeof signs / sizeof *signs };
static const char sign_characters[] = "=<>!~";

struct condition {
    enum subject subject;
    enum param_id id;
    enum comparison comparison;
    double number;
    char text[CONDITION_TEXT];
};

/* --- parsing --- */

static bool has_type(const struct condition *condition, enum param_type type)
{
    return condition->subject == SUBJECT_PARAMETER && param_table[condition->id].type == type;
}

/* Whether numbers are compared, rather than texts. */
static bool is_numeric(const struct condition *condition)
{
    return (has_type(condition, PARAM_REAL) || has_type(condition, PARAM_WHOLE)) &&
           condition->comparison < HOLDS;
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

/* Layers as a job has them; a choice must be one. Patterns stay as they are. */
static int set_canonical(struct condition *out, struct error *err)
{
    bool exact = out->comparison <= UNEQUAL && !strpbrk(out->text, "*?[");
    if (!exact || !(has_type(out, PARAM_LAYERS) || has_type(out, PARAM_CHOICE)))
        return 0;
    struct params scratch;
    params_init(&scratch);
    int status = params_set(&scratch, out->id, out->text, err);
    char *text = status == 0 ? params_format(&scratch, out->id) : NULL;
    if (text)
        snprintf(out->text, sizeof out->text, "%s", text);
    else if (status == 0)
        status = fail(err, E_ENVIRONMENT, "not enough memory");
    free(text);
    params_release(&scratch);
    return status;
}

static int check_value(struct condition *out, const char *name, struct error *err)
{
    if (is_numeric(out))
        return number_parse(out->text, &out->number)
                   ? 0
                   : fail(err, E_INPUT, "%s is compared with a number, not '%s'", name, out->text);
    if (out->comparison >= LESS && out->comparison < HOLDS)
        return fail(err, E_INPUT, "'%s' is a text: it can be compared by =, != and ~ only", name);
    return set_canonical(out, err);
}

static int parse_condition(char *text, struct condition *out, struct error *err)
{
    char *at = text + strcspn(text, sign_characters);
    for (size_t i = 0; i < SIGNS; i++) {
        size_t length = strlen(signs[i].sign);
        if (strncmp(at, signs[i].sign, length) != 0)
            continue;
        *at = 0;
        char *name = trim(text), *value = trim(at + length);
        out->comparison = signs[i].comparison;
        if (strlen(value) >= sizeof out->text)
            return fail(err, E_INPUT, "the value of '%s' is too long", name);
        snprintf(out->text, sizeof out->text, "%s", value);
        int status = set_subject(name, out, err);
        return status != 0 ? status : check_value(out, name, err);
    }
    return fail(err, E_INPUT, "expected a condition such as style_weight>=1, got '%s'", trim(text));
}

static size_t joint_length(const char *at)
{
    return *at == ',' ? 1 : strncmp(at, " and ", 5) == 0 ? 5 : 0;
}

/* Whether a condition stands here, rather than the next layer of a list. */
static bool is_condition(const char *text)
{
    size_t length = 0;
    while (text[length] && joint_length(text + length) == 0 &&
           !strchr(sign_characters, text[length]))
        length++;
    return text[length] && strchr(sign_characters, text[length]);
}

/* Up to what joins the next one; *joint is its length. */
static size_t condition_length(const char *text, size_t *joint)
{
    size_t length = 0;
    for (; text[length]; length++) {
        *joint = joint_length(text + length);
        if (*joint > 0 && is_condition(text + length + *joint))
            return length;
    }
    *joint = 0;
    return length;
}

/* --- applying --- */

static bool compare(enum comparison comparison, double a, double b)
{
    bool equal = fabs(a - b) <= 1e-9 * fabs(b);
    switch (comparison) {
    case EQUAL:
        return equal;
    case UNEQUAL:
        return !equal;
    case LESS:
        return a < b && !equal;
    case AT_MOST:
        return a <= b || equal;
    case MORE:
        return a > b && !equal;
    default:
        return a >= b || equal;
    }
}

static bool matches(const struct condition *condition, const char *text)
{
    bool wanted = condition->comparison == EQUAL || condition->comparison == HOLDS;
    if (condition->comparison >= HOLDS)
        return (strstr(text, condition->text) != NULL) == wanted;
    const char *slash = strrchr(text, '/');
    bool is_file = condition->subject == SUBJECT_PARAMETER && slash;
    bool equal = strcmp(condition->text, text) == 0 || fnmatch(condition->text, text, 0) == 0 ||
                 (is_file && fnmatch(condition->text, slash + 1, 0) == 0);
    return equal == wanted;
}

static bool holds(const struct condition *condition, const struct job *job)
{
    if (is_numeric(condition))
        return compare(condition->comparison, params_number(&job->params, condition->id),
                       condition->number);
    char *formatted = NULL;
    const char *text = condition->subject == SUBJECT_ID ? job->id
                       : condition->subject == SUBJECT_NAME
                           ? job->name
                           : (formatted = params_format(&job->params, condition->id));
    bool result = matches(condition, text ? text : "");
    free(formatted);
    return result;
}

int selection_apply(const char *conditions, const struct job_list *list, bool *skip,
                    struct error *err)
{
    char *copy = strdup(conditions), *at = copy;
    int status = copy ? 0 : fail(err, E_ENVIRONMENT, "not enough memory");
    bool more = true;
    while (status == 0 && more) {
        size_t joint, length = condition_length(at, &joint);
        struct condition condition = {0};
        more = at[length] != 0;
        at[length] = 0;
        status = parse_condition(at, &condition, err);
        for (size_t i = 0; status == 0 && i < list->count; i++)
            skip[i] |= !holds(&condition, &list->jobs[i]);
        at += length + joint;
    }
    free(copy);
    return status;
}
