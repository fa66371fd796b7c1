/* All that is wrong with a file, in one go: each complaint with its place, the line and a caret. */
#ifndef ATELIER_COMPLAINT_H
#define ATELIER_COMPLAINT_H

#include "error.h"
#include <stdbool.h>
#include <stddef.h>

/* Where something stands. line and column count from 1, columns in characters; 0: nowhere in
 * particular, but a column without a line is one of a source that is one line. file is borrowed
 * from the list of jobs or the complaints it came with. */
struct origin {
    const char *file;
    int line, column;
};

struct complaint {
    struct origin origin;
    char *message;  /* "style_weight must be a number >= 0, got '-1'" */
    char *line;     /* the source line, NULL where there is none */
    size_t repeats; /* how often the same was said of the same place again */
    bool note;      /* worth saying, but nothing is wrong */
};

enum { COMPLAINTS_MAX = 50 };

/* Zero-initialised. The first COMPLAINTS_MAX different ones are kept; errors and notes count them
 * all. Owned: complaints_release. */
struct complaints {
    struct complaint list[COMPLAINTS_MAX];
    size_t count;
    size_t errors, notes;
    char *file;   /* as the person named it */
    char *source; /* its whole text, NULL until it is read */
    size_t source_bytes;
};

/* The file that complaints are about; copied. Errors: E_ENVIRONMENT. */
int complaints_file(struct complaints *complaints, const char *file, struct error *err);

/* The file's text, taken over (from malloc). */
void complaints_source(struct complaints *complaints, char *source, size_t bytes);

/* Adds one about the file at line and column; a message already there at that place is only
 * counted. Memory that is out costs the words, never the count. */
void complain(struct complaints *complaints, struct origin origin, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* The same for what is no error. */
void complain_note(struct complaints *complaints, struct origin origin, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

/* As people read it: "sweep.yaml:12:18: message", the line, the caret. Control characters of the
 * file are shown as '?', a long line is cut around the caret. Caller frees; NULL: memory is out. */
char *complaint_text(const struct complaint *complaint);

/* "sweep.yaml: 3 errors" as an error, or 0 where there are only notes. */
int complaints_verdict(const struct complaints *complaints, struct error *err);

void complaints_release(struct complaints *complaints);

#endif
