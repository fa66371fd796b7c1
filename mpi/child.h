/* One child process on its leash: `atelier render --into STORE --id ID ...`, or whatever speaks as
 * it does. It has a process group, a clean environment and two pipes of its own; it dies with the
 * thread that started it.
 *
 * ATELIER_LEASH=IN:OUT:SECONDS in its environment: IN brings pulses and ends when the agent does; a
 * child that has had none for SECONDS ends without publishing. OUT takes its lines of progress. */
#ifndef ATELIER_CHILD_H
#define ATELIER_CHILD_H

#include "error.h"
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { CHILD_LINE = 512, CHILD_WORDS = 256 };

/* Text that comes in pieces: the last line is kept until it is whole. */
struct child_text {
    char bytes[2 * CHILD_LINE];
    size_t used;
};

/* Zero-initialised; pid is 0 while there is none. */
struct child {
    pid_t pid;
    int process; /* pidfd, readable when it ends; -1 where the kernel has none */
    int pulses, lines, errors;
    struct child_text progress;
    char words[CHILD_WORDS];           /* the end of what it wrote to stderr */
    uint64_t peak_bytes, before_bytes; /* seen so far; this process's own when it started */
};

struct child_end {
    int exit_code; /* -1: by a signal */
    int signal;    /* 0: by itself */
    double cpu_seconds;
    uint64_t peak_bytes;
};

/* argv[0] is the program's path. leash_seconds: how long it goes on without a pulse. facts: for
 * ATELIER_FACTS. Errors: E_ENVIRONMENT. */
int child_start(struct child *child, char *const argv[], double leash_seconds, const char *facts,
                struct error *err);

/* Whether it has ended; then its group is killed, it is collected, and pid is 0. What it wrote can
 * still be read. */
bool child_ended(struct child *child, struct child_end *end);

/* The next whole line of progress, without its end. */
bool child_line(struct child *child, char line[CHILD_LINE]);

void child_pulse(struct child *child);
/* group: with all it has started. Nothing happens after its end. */
void child_signal(const struct child *child, int signal, bool group);
/* Its resident memory now, in bytes; 0: unknown. Remembers the peak. */
uint64_t child_memory(struct child *child);

/* Closes the pipes; a child that still runs is killed and collected. */
void child_release(struct child *child);

#endif
