/* Options and operands of a subcommand, from a table: one row an option, parsed, checked and
 * explained by the same code in every command. */
#ifndef ATELIER_ARGUMENTS_H
#define ATELIER_ARGUMENTS_H

#include "error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

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
    const char
        *word; /* of its value in the help: "N"; NULL: it stands without one, and means yes */
    const char *help; /* one line; says the default */
    double low, high;
    const char *choices; /* space separated */
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
    const char *names; /* for messages: "FILE", "STORE [NAME]"; may be NULL when max is 0 */
};

/* Parses argv[1] on: `--name value`, `--name=value`, `--flag`. *help is set by --help or -h, and
 * nothing else is looked at. A value that starts with "--" needs the "=".
 * operands may be NULL: none are taken.
 * Errors: E_INPUT, naming the option: unknown (with the nearest), given twice, without its value,
 * out of range; too few or too many operands. */
int arguments_parse(int argc, char **argv, const struct argument *rows, size_t count,
                    struct operands *operands, bool *help, struct error *err);

/* The table for people, to stdout: "  --ranks N\n      help". */
void arguments_print(const struct argument *rows, size_t count);

#endif
