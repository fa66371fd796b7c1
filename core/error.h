/* Errors travel as values: what can fail returns 0 or one of these codes and explains itself in a
 * `struct error`. Only cmd/ prints them. Messages: lower case, no full stop, the subject quoted. */
#ifndef ATELIER_ERROR_H
#define ATELIER_ERROR_H

#include <stdbool.h>

/* The values are the exit codes of the command. */
enum error_code {
    E_OK = 0,
    E_FAILED = 1,       /* the render itself went wrong: its numbers are not finite */
    E_INPUT = 2,        /* a parameter, a file's content, a size that cannot work here */
    E_ENVIRONMENT = 3,  /* disk full, read-only folder, out of memory */
    E_BUG = 70,         /* ours */
    E_INTERRUPTED = 75, /* stopped on request; the same command goes on */
};

struct error {
    int code;
    int cause; /* the errno behind it; 0: none */
    char message[1024];
};

/* Fills err (which may be NULL) and returns code. */
int fail(struct error *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As fail(E_ENVIRONMENT), followed by ": " and strerror(errno). */
int fail_errno(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Puts text in front of err's message: "reading 'x': " + what was there. Returns err's code. */
int fail_context(struct error *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* What may pass without anybody's doing here: a file system that is not to be reached (a stale
 * handle, a disk or a network that fails). */
bool error_is_out_of_reach(const struct error *err);
/* Likewise, or that has no room just now, or may not be written. */
bool error_may_heal(const struct error *err);

/* For functions with one `done:` label and an `int status`. */
#define TRY(call)                                                                                  \
    do {                                                                                           \
        if ((status = (call)) != 0)                                                                \
            goto done;                                                                             \
    } while (0)

#endif
