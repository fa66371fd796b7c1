/* The subcommands: main.c holds their table, <name>.c each one. */
#ifndef ATELIER_COMMAND_H
#define ATELIER_COMMAND_H

#include "arguments.h"
#include "error.h"

struct command {
    const char *name;
    int (*run)(int argc, char **argv); /* argv[0] is the subcommand's name; returns the exit code */
    const char *summary;               /* one line for `atelier help` */
    void (*help)(void);                /* the whole help, to stdout */
};
extern const struct command commands[];
extern const int command_count;

/* What most commands are: a table of options, operands, and one thing to do. */
struct plain_command {
    const struct argument *rows; /* their values are in *request */
    size_t row_count;
    void (*help)(void);
    int (*act)(void *request, struct error *err);
    void *request;
};

/* Parses argv, then helps or acts; what went wrong is said to stderr. Returns the exit code. */
int command_perform(int argc, char **argv, struct operands *operands,
                    const struct plain_command *command);
/* The same with the one operand STORE. */
int command_on_store(int argc, char **argv, const char **store,
                     const struct plain_command *command);

int command_render(int argc, char **argv);
void help_render(void);
int command_status(int argc, char **argv);
void help_status(void);
int command_show(int argc, char **argv);
void help_show(void);
int command_collect(int argc, char **argv);
void help_collect(void);
int command_expand(int argc, char **argv);
void help_expand(void);
int command_batch(int argc, char **argv);
void help_batch(void);
int command_verify(int argc, char **argv);
void help_verify(void);
int command_weights(int argc, char **argv);
void help_weights(void);
int command_bench(int argc, char **argv);
void help_bench(void);
int command_plan(int argc, char **argv);
void help_plan(void);
int command_submit(int argc, char **argv);
void help_submit(void);
int command_report(int argc, char **argv);
void help_report(void);
int command_help(int argc, char **argv);
void help_help(void);

/* Prints every command, for `atelier help` and on a misuse; to: 1 stdout, 2 stderr. */
void help_overview(int to);
/* Says so, with the nearest, to stderr. Returns the exit code. */
int unknown_command(const char *name);
/* The libraries it runs on, the engines, the instruction set. */
void print_version(void);

#endif
