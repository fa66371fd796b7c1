/* What a subcommand takes, as one table: its line is parsed and checked by it, and help, manual
 * page and completion are made from it. */
#ifndef ATELIER_ARGUMENTS_H
#define ATELIER_ARGUMENTS_H

#include "complaint.h"
#include "error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

enum argument_type {
    ARGUMENT_FLAG,     /* bool: --quiet; --quiet=no */
    ARGUMENT_TEXT,     /* const char *, borrowed from argv; not empty */
    ARGUMENT_WHOLE,    /* int64_t */
    ARGUMENT_REAL,     /* double */
    ARGUMENT_DURATION, /* double, seconds: 90, 90s, 15m, 1h30m, 01:30:00 */
    ARGUMENT_BYTES,    /* uint64_t: 1500M, 2G, 2.5GB, 1048576 */
    ARGUMENT_CHOICE,   /* int: the position in `choices` */
    ARGUMENT_CUSTOM    /* whatever `set` makes of it */
};

/* A row. Numbers are refused outside [low, high]; both 0: no limits. */
struct argument {
    const char *name; /* "max-failures" for --max-failures; --max_failures is the same */
    enum argument_type type;
    void *value; /* written only when the option is given: what is there before is the default */
    const char *word; /* of its value in the help: "N"; NULL: it stands without one, and means yes.
                       * FILE, DIR, STORE, LAYERS, joined by |, are what completion offers, too */
    const char *help; /* one line; says the default */
    double low, high;
    const char *choices; /* space separated: what a CHOICE may be, and what is offered of others */
    const char *note;    /* a second line of help, in place of the one that the type gives */
    bool optional;       /* ARGUMENT_TEXT: may stand without a value, which then is "" */
    bool repeated;       /* ARGUMENT_CUSTOM: may be given several times */
    int (*set)(const struct argument *row, const char *text, struct error *err);
};

/* OPTION("ranks", WHOLE, &ranks, "N", "help", .low = 1, .high = 64) */
#define OPTION(name_, type_, value_, word_, help_, ...)                                            \
    {                                                                                              \
        .name = (name_), .type = ARGUMENT_##type_, .value = (value_), .word = (word_),             \
        .help = (help_), __VA_ARGS__                                                               \
    }

/* Words that are no options, in order; "--" ends the options. Texts are borrowed from argv. */
struct operands {
    const char **list; /* room for max */
    size_t count, min, max;
    size_t doubtful;     /* words behind unknown options that may be theirs or operands */
    const char *names;   /* for messages: "FILE", "STORE [NAME]"; may be NULL when max is 0 */
    const char *words;   /* for completion, as an argument's: "FILE|STORE" */
    const char *choices; /* likewise; NULL: none */
};

/* The operand of most commands. */
#define OPERAND_STORE(store_)                                                                      \
    {                                                                                              \
        .list = (store_), .min = 1, .max = 1, .names = "STORE", .words = "STORE"                   \
    }
#define OPERAND_SWEEP(file_)                                                                       \
    {                                                                                              \
        .list = (file_), .min = 1, .max = 1, .names = "a sweep file, a manifest or a store",       \
        .words = "FILE|STORE"                                                                      \
    }

enum { FORM_ROWS = 72, FORM_PARTS = 4 };

/* All that a command takes. */
struct form {
    const char *usage; /* what comes after its name, a line a form: "STORE [options]" */
    const char *text;  /* what it does, at most 96 columns; an empty line ends a paragraph, lines
                        * that begin with a blank stay as they are */
    struct argument rows[FORM_ROWS];
    size_t count;
    struct {
        size_t first; /* row */
        const char *title;
    } parts[FORM_PARTS]; /* of the options, in order; none: "options" */
    size_t part_count;
    struct operands operands;
    /* Complains of what does not go together, whatever else is wrong; NULL: nothing to check. */
    void (*check)(void *context, const struct form *form, struct complaints *complaints);
    void *context;
    void (*tables)(FILE *to); /* what comes after the options; NULL: nothing */
    const char *exit_codes;   /* "0 done; 2 wrong input"; NULL: these */
    /* Whose an option is that this form lacks: "an option of 'atelier render'"; NULL: nobody's. */
    const char *(*owner)(const char *name);
};

void form_part(struct form *form, const char *title);
void form_add(struct form *form, const struct argument *rows, size_t count);

/* The letter by which an option is known, too, in every command that has it; 0: none. */
char argument_letter(const char *name);

/* Parses argv[1] on: `--name value`, `--name=value`, `--flag`, `-o value`, `-ovalue`, `-qn`.
 * *help is set by --help or -h, and nothing else is looked at. A value that starts with "--" needs
 * the "=". Complains of everything that is wrong, at the word: unknown options (with the nearest,
 * whose value is then checked, too), given twice, without their values, out of range; too few or
 * too many operands; and what form->check has to say. Errors: E_ENVIRONMENT. Checked by:
 * misuse_names_the_option, all_that_is_wrong_is_told_with_its_place */
int arguments_parse(int argc, char **argv, struct form *form, bool *help,
                    struct complaints *complaints, struct error *err);

#endif
