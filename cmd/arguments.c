#include "arguments.h"

#include "human.h"
#include "numbers.h"
#include "shell.h"
#include "words.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_TEXT = 64 };

/* --- the table --- */

void form_part(struct form *form, const char *title)
{
    assert(form->part_count < FORM_PARTS);
    form->parts[form->part_count].first = form->count;
    form->parts[form->part_count++].title = title;
}

void form_add(struct form *form, const struct argument *rows, size_t count)
{
    assert(form->count + count <= FORM_ROWS);
    memcpy(form->rows + form->count, rows, count * sizeof *rows);
    form->count += count;
}

/* A letter means the same in every command. */
static const struct {
    char letter;
    const char *name;
} letters[] = {{'h', "help"}, {'n', "dry-run"}, {'o', "output"}, {'q', "quiet"}, {'v', "verbose"}};

char argument_letter(const char *name)
{
    for (size_t i = 0; i < sizeof letters / sizeof *letters; i++)
        if (strcmp(letters[i].name, name) == 0)
            return letters[i].letter;
    return 0;
}

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

/* --- the walk over argv --- */

/* What one walk over argv knows. */
struct walk {
    int argc, at;
    char **argv;
    struct form *form;
    bool *given; /* [form->count] */
    struct complaints *complaints;
};

/* The character of the command line, from 1, at which a word begins. */
static int column_of(const struct walk *walk, int word)
{
    int column = (int)strlen("atelier ") + 1;
    char *before = shell_command(word, walk->argv);
    for (const char *c = before; c && *c; c++)
        column += ((unsigned char)*c & 0xC0) != 0x80;
    free(before);
    return column + 1;
}

static void say(const struct walk *walk, int word, const struct error *error)
{
    complain(walk->complaints, (struct origin){.column = column_of(walk, word)}, "%s",
             error->message);
}

#define SAY(walk, word, ...)                                                                       \
    do {                                                                                           \
        struct error error_;                                                                       \
        fail(&error_, E_INPUT, __VA_ARGS__);                                                       \
        say(walk, word, &error_);                                                                  \
    } while (0)

static struct argument *find_row(struct form *form, const char *name)
{
    for (size_t i = 0; i < form->count; i++)
        if (same_name(name, form->rows[i].name))
            return &form->rows[i];
    return NULL;
}

static struct argument *find_letter(struct form *form, char letter)
{
    for (size_t i = 0; i < form->count; i++)
        if (argument_letter(form->rows[i].name) == letter)
            return &form->rows[i];
    return NULL;
}

/* "--style or --style-weight" of the options near a name; "" where there are none. Returns the only
 * one, or NULL. */
static struct argument *find_near(struct form *form, const char *name, char flags[256])
{
    const char *names[FORM_ROWS + 1] = {"help"};
    char nearest[192], only[NAME_TEXT], *to = flags;
    bool open = false;
    for (size_t i = 0; i < form->count; i++)
        names[i + 1] = form->rows[i].name;
    words_nearest(name, names, form->count + 1, nearest, sizeof nearest);
    for (const char *from = nearest; *from; from++) {
        if (*from == '\'' && !open)
            to = stpcpy(to, "--");
        if (*from == '\'')
            open = !open;
        else
            *to++ = *from;
    }
    *to = 0;
    return sscanf(flags, "--%63s", only) == 1 && !strchr(flags, ' ') ? find_row(form, only) : NULL;
}

/* Whether a word is an option by its looks: "--name", or a letter that this command knows. */
static bool is_option(const struct walk *walk, const char *word)
{
    return strncmp(word, "--", 2) == 0 ||
           (word[0] == '-' && word[1] && !word[2] && find_letter(walk->form, word[1]));
}

/* The text that belongs to a row: what is joined to the option, "yes" of a flag, the next word.
 * NULL: there is none. */
static const char *take_value(struct walk *walk, const struct argument *row, const char *joined)
{
    if (joined)
        return joined;
    if (!row->word)
        return "yes";
    if (walk->at + 1 < walk->argc && !is_option(walk, walk->argv[walk->at + 1]))
        return walk->argv[++walk->at];
    return row->optional ? "" : NULL;
}

static void take_option(struct walk *walk, const struct argument *row, const char *joined)
{
    struct error error;
    int word = walk->at;
    const char *value = take_value(walk, row, joined);
    size_t index = (size_t)(row - walk->form->rows);
    if (walk->given[index] && !row->repeated)
        SAY(walk, word, "--%s is given twice", row->name);
    walk->given[index] = true;
    if (!value)
        SAY(walk, word, "--%s needs a value: %s", row->name, row->help);
    else if (set_value(row, value, &error) != 0)
        say(walk, walk->at, &error);
}

/* What follows an unknown option may be its value. */
static void doubt_next(struct walk *walk)
{
    if (walk->at + 1 == walk->argc || walk->argv[walk->at + 1][0] == '-')
        return;
    walk->at++;
    walk->form->operands.doubtful++;
}

static void parse_long(struct walk *walk)
{
    char name[NAME_TEXT], near[256];
    const char *word = walk->argv[walk->at] + 2, *equals = strchr(word, '=');
    size_t length = equals ? (size_t)(equals - word) : strlen(word);
    snprintf(name, sizeof name, "%.*s", (int)length, word);
    const struct argument *row = find_row(walk->form, name);
    if (!row) {
        const char *owner = walk->form->owner ? walk->form->owner(name) : NULL;
        row = owner ? NULL : find_near(walk->form, name, near);
        if (owner)
            SAY(walk, walk->at, "--%s is %s", name, owner);
        else
            SAY(walk, walk->at, "unknown option '--%s'%s%s%s", name, *near ? "; did you mean " : "",
                near, *near ? "?" : "");
    }
    if (row)
        take_option(walk, row, equals ? equals + 1 : NULL);
    else if (!equals)
        doubt_next(walk);
}

/* "-o" "FILE", "-oFILE", "-o=FILE"; flags may share a word: "-qn". */
static void parse_letters(struct walk *walk)
{
    const char *word = walk->argv[walk->at];
    for (const char *letter = word + 1; *letter; letter++) {
        const struct argument *row = find_letter(walk->form, *letter);
        if (!row) {
            SAY(walk, walk->at, "unknown option '%s'", word);
            doubt_next(walk);
            return;
        }
        if (row->word) {
            const char *joined = letter[1] == '=' ? letter + 2 : letter + 1;
            take_option(walk, row, letter[1] ? joined : NULL);
            return;
        }
        take_option(walk, row, NULL);
    }
}

static void take_operand(struct walk *walk)
{
    struct operands *operands = &walk->form->operands;
    const char *word = walk->argv[walk->at];
    if (operands->max == 0)
        SAY(walk, walk->at, "unexpected argument '%s': options are given as --name value", word);
    else if (operands->count == operands->max)
        SAY(walk, walk->at, "unexpected argument '%s': expected %s", word, operands->names);
    else
        operands->list[operands->count++] = word;
}

static void walk_all(struct walk *walk)
{
    bool options = true;
    struct operands *operands = &walk->form->operands;
    for (walk->at = 1; walk->at < walk->argc; walk->at++) {
        const char *word = walk->argv[walk->at];
        if (options && strcmp(word, "--") == 0 && operands->max > 0)
            options = false;
        else if (options && strncmp(word, "--", 2) == 0 && word[2])
            parse_long(walk);
        else if (options && word[0] == '-' && word[1] && word[1] != '-')
            parse_letters(walk);
        else
            take_operand(walk);
    }
    if (operands->count + operands->doubtful < operands->min)
        complain(walk->complaints, (struct origin){0}, "expected %s", operands->names);
}

static bool asks_for_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0)
            return true;
    return false;
}

/* What complaints are about: the whole command line. */
static int name_source(int argc, char **argv, struct complaints *complaints, struct error *err)
{
    char name[NAME_TEXT], *line = NULL, *words = shell_command(argc, argv);
    snprintf(name, sizeof name, "atelier %s", argv[0]);
    int length = words ? asprintf(&line, "atelier %s", words) : -1;
    free(words);
    if (length < 0)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    complaints_source(complaints, line, (size_t)length);
    return complaints_file(complaints, name, err);
}

int arguments_parse(int argc, char **argv, struct form *form, bool *help,
                    struct complaints *complaints, struct error *err)
{
    *help = asks_for_help(argc, argv);
    if (*help)
        return 0;
    int status = name_source(argc, argv, complaints, err);
    if (status != 0)
        return status;
    struct walk walk = {.argc = argc, .argv = argv, .form = form, .complaints = complaints};
    walk.given = calloc(form->count + 1, sizeof *walk.given);
    if (!walk.given)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    walk_all(&walk);
    free(walk.given);
    if (form->check)
        form->check(form->context, form, complaints);
    return 0;
}
