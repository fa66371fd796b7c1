/* The subcommands: main.c holds their table, <name>.c each one. */
#ifndef ATELIER_COMMAND_H
#define ATELIER_COMMAND_H

#include "arguments.h"
#include "error.h"

struct command {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the subcommand's name; returns the exit code */
    const char *summary;               /* one line for `atelier help` */
    /* What it takes, for help, manual page and completion; values go nowhere. */
    void (*describe)(struct form *form);
};
extern const struct command commands[];
extern const int command_count;

/* The command of that name, or NULL. */
const struct command *command_find(const char *name);

/* Parses argv, or helps, to stdout (*helped). Where several things are wrong, all of them are said
 * to stderr and the error is their number; one is the error itself.
 * Checked by: test_all_that_is_wrong_is_said_at_once in tests/cmd/test_hands.py */
int command_parse(int argc, char **argv, struct form *form, bool *helped, struct error *err);

/* What most commands do: parse, then help or act; what went wrong is said to stderr. Returns the
 * exit code. */
int command_perform(int argc, char **argv, struct form *form,
                    int (*act)(void *request, struct error *err), void *request);

int command_render(int argc, char **argv);
void describe_render(struct form *form);
int command_status(int argc, char **argv);
void describe_status(struct form *form);
int command_show(int argc, char **argv);
void describe_show(struct form *form);
int command_collect(int argc, char **argv);
void describe_collect(struct form *form);
int command_expand(int argc, char **argv);
void describe_expand(struct form *form);
int command_batch(int argc, char **argv);
void describe_batch(struct form *form);
int command_verify(int argc, char **argv);
void describe_verify(struct form *form);
int command_weights(int argc, char **argv);
void describe_weights(struct form *form);
int command_bench(int argc, char **argv);
void describe_bench(struct form *form);
int command_plan(int argc, char **argv);
void describe_plan(struct form *form);
int command_submit(int argc, char **argv);
void describe_submit(struct form *form);
int command_report(int argc, char **argv);
void describe_report(struct form *form);
int command_help(int argc, char **argv);
void describe_help(struct form *form);

/* What atelier is, for help and manual page. */
extern const char help_about[];
/* Every command, a line each, for a misuse. */
void help_overview(FILE *to);
/* Says so, with the nearest, to stderr. Returns the exit code. */
int unknown_command(const char *name);
/* The libraries it runs on, the engines, the instruction set. */
void print_version(void);

#endif
