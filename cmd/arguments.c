#include "arguments.h"

#include "human.h"
#include "numbers.h"
#include "words.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_TEXT = 64 };

static bool same_name(const char *a, const char *b)
{
    return strlen(a) == strlen(b) && word_distance(a, b) == 0;
}

/* --- values --- */

static bool within(const struct argument *row, double value)
{
    return (row->low == 0 && row->high == 0) || (value >= row->low && value <= row->high);
}

static int refuse(const struct argument *row, const char *what, const char *unit, const char *text,
                  struct error *err)
{
    char low[NUMBER_TEXT], high[NUMBER_TEXT], range[96] = "";
    number_format(row->low, low);
    number_format(row->high, high);
    bool limits = row->low != 0 || row->high != 0;
    if (limits && isinf(row->high))
        snprintf(range, sizeof range, " >= %s", low);
    else if (limits)
        snprintf(range, sizeof range, " between %s and %s", low, high);
    return fail(err, E_INPUT, "--%s must be %s%s%s, got '%s'", row->name, what, range, unit, text);
}

static int set_flag(const struct argument *row, const char *text, struct error *err)
{
    if (strcmp(text, "yes") != 0 && strcmp(text, "no") != 0)
        return fail(err, E_INPUT, "--%s must be yes or no, got '%s'", row->name, text);
    *(bool *)row->value = text[0] == 'y';
    return 0;
}

static int set_whole(const struct argument *row, const char *text, struct error *err)
{
    double value;
    if (!number_parse(text, &value) || floor(value) != value || !(fabs(value) < 9e15) ||
        !within(row, value))
        return refuse(row, "a whole number", "", text, err);
    *(int64_t *)row->value = (int64_t)value;
    return 0;
}

static int set_real(const struct argument *row, const char *text, struct error *err)
{
    double value;
    if (!number_parse(text, &value) || !within(row, value))
        return refuse(row, "a number", "", text, err);
    *(double *)row->value = value;
    return 0;
}

static int set_duration(const struct argument *row, const char *text, struct error *err)
{
    double seconds;
    if (!human_parse_duration(text, &seconds) || !within(row, seconds))
        return refuse(row, "a time", " s, as 90, 15m, 1h30m or 01:30:00", text, err);
    *(double *)row->value = seconds;
    return 0;
}

static int set_bytes(const struct argument *row, const char *text, struct error *err)
{
    uint64_t bytes;
    if (!human_parse_bytes(text, &bytes) || !within(row, (double)bytes))
        return refuse(row, "a size", ", as 1500M or 2G", text, err);
    *(uint64_t *)row->value = bytes;
    return 0;
}

enum { CHOICES_MAX = 16, CHOICE_TEXT = 32 };

static int set_choice(const struct argument *row, const char *text, struct error *err)
{
    char words[CHOICES_MAX][CHOICE_TEXT], nearest[128];
    const char *list[CHOICES_MAX], *at = row->choices;
    int count = 0;
    for (; at && *at && count < CHOICES_MAX; count++) {
        size_t length = strcspn(at, " ");
        snprintf(words[count], CHOICE_TEXT, "%.*s", (int)length, at);
        list[count] = words[count];
        if (strcmp(text, words[count]) == 0) {
            *(int *)row->value = count;
            return 0;
        }
        at += length + (at[length] == ' ');
    }
    words_nearest(text, list, (size_t)count, nearest, sizeof nearest);
    return fail(err, E_INPUT, "--%s must be one of: %s; got '%s'%s%s%s", row->name, row->choices,
                text, nearest[0] ? " (did you mean " : "", nearest, nearest[0] ? "?)" : "");
}

static int set_text(const struct argument *row, const char *text, struct error *err)
{
    if (!*text && !row->optional)
        return fail(err, E_INPUT, "--%s must not be empty", row->name);
    *(const char **)row->value = text;
    return 0;
}

static int set_value(const struct argument *row, const char *text, struct error *err)
{
    switch (row->type) {
    case ARGUMENT_FLAG:
        return set_flag(row, text, err);
    case ARGUMENT_TEXT:
        return set_text(row, text, err);
    case ARGUMENT_WHOLE:
        return set_whole(row, text, err);
    case ARGUMENT_REAL:
        return set_real(row, text, err);
    case ARGUMENT_DURATION:
        return set_duration(row, text, err);
    case ARGUMENT_BYTES:
        return set_bytes(row, text, err);
    case ARGUMENT_CHOICE:
        return set_choice(row, text, err);
    case ARGUMENT_CUSTOM:
        return row->set(row, text, err);
    }
    return fail(err, E_BUG, "option '--%s' has no type", row->name);
}

/* --- finding the row --- */

static int fail_unknown(const char *name, const struct argument *rows, size_t count,
                        struct error *err)
{
    char nearest[256], flag[NAME_TEXT] = "";
    if (word_distance(name, "help") <= 1)
        return fail(err, E_INPUT, "unknown option '--%s'; did you mean --help?", name);
    const char **names = calloc(count + 1, sizeof *names);
    if (!names)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    for (size_t i = 0; i < count; i++)
        names[i] = rows[i].name;
    words_nearest(name, names, count, nearest, sizeof nearest);
    free(names);
    if (sscanf(nearest, "'%63[^']", flag) != 1)
        return fail(err, E_INPUT, "unknown option '--%s'", name);
    return fail(err, E_INPUT, "unknown option '--%s'; did you mean --%s?", name, flag);
}

static const struct argument *find_row(const char *name, const struct argument *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (same_name(name, rows[i].name))
            return &rows[i];
    return NULL;
}

/* --- the walk over argv --- */

/* What one walk over argv knows. */
struct walk {
    int argc, at;
    char **argv;
    const struct argument *rows;
    size_t count;
    bool *given; /* [count] */
};

/* The text that belongs to a row: after "=", "yes" of a flag, the next word. NULL: there is none.
 */
static const char *take_value(struct walk *walk, const struct argument *row, const char *equals)
{
    if (equals)
        return equals + 1;
    if (!row->word)
        return "yes";
    if (walk->at + 1 < walk->argc && strncmp(walk->argv[walk->at + 1], "--", 2) != 0)
        return walk->argv[++walk->at];
    return row->optional ? "" : NULL;
}

static int parse_option(struct walk *walk, struct error *err)
{
    char name[NAME_TEXT];
    const char *word = walk->argv[walk->at] + 2, *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    snprintf(name, sizeof name, "%.*s", (int)length, word);
    const struct argument *row = find_row(name, walk->rows, walk->count);
    if (!row)
        return fail_unknown(name, walk->rows, walk->count, err);
    const char *value = take_value(walk, row, equals);
    if (!value)
        return fail(err, E_INPUT, "--%s needs a value: %s", row->name, row->help);
    if (walk->given[row - walk->rows] && !row->repeated)
        return fail(err, E_INPUT, "--%s is given twice", row->name);
    walk->given[row - walk->rows] = true;
    return set_value(row, value, err);
}

static int take_operand(struct operands *operands, const char *word, struct error *err)
{
    if (!operands || operands->max == 0)
        return fail(err, E_INPUT, "unexpected argument '%s': parameters are given as --name value",
                    word);
    if (operands->count == operands->max)
        return fail(err, E_INPUT, "unexpected argument '%s': expected %s", word, operands->names);
    operands->list[operands->count++] = word;
    return 0;
}

static int walk_all(struct walk *walk, struct operands *operands, struct error *err)
{
    bool options = true;
    for (walk->at = 1; walk->at < walk->argc; walk->at++) {
        const char *word = walk->argv[walk->at];
        int status = 0;
        if (options && strcmp(word, "--") == 0 && operands && operands->max > 0)
            options = false;
        else if (options && strncmp(word, "--", 2) == 0 && word[2])
            status = parse_option(walk, err);
        else
            status = take_operand(operands, word, err);
        if (status != 0)
            return status;
    }
    if (operands && operands->count < operands->min)
        return fail(err, E_INPUT, "expected %s", operands->names);
    return 0;
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

int arguments_parse(int argc, char **argv, const struct argument *rows, size_t count,
                    struct operands *operands, bool *help, struct error *err)
{
    *help = asks_for_help(argc, argv);
    if (*help)
        return 0;
    struct walk walk = {.argc = argc, .argv = argv, .rows = rows, .count = count};
    walk.given = calloc(count + 1, sizeof *walk.given);
    if (!walk.given)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    int status = walk_all(&walk, operands, err);
    free(walk.given);
    return status;
}

void arguments_print(const struct argument *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        printf("  --%s%s%s\n      %s\n", rows[i].name, rows[i].word ? " " : "",
               rows[i].word ? rows[i].word : "", rows[i].help);
}
