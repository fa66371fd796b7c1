/* What stands at a render's output already: nothing, this very picture, or somebody's work. */
#ifndef ATELIER_FINISHED_H
#define ATELIER_FINISHED_H

#include "facts.h"
#include "outputs.h"

enum finished_state {
    FINISHED_NOT,     /* nothing that could be lost: no picture and no result, or this render's own
                       * result whose picture is gone or whose search failed */
    FINISHED_SAME,    /* the picture of these parameters and files */
    FINISHED_OTHER,   /* one of others, or changed since, or of a result that cannot be read */
    FINISHED_UNKNOWN, /* a picture without its result */
};

struct finished {
    enum finished_state state;
    char why[640]; /* what differs or is missing, of OTHER and UNKNOWN */
};

/* Looks at the result beside the picture first: it says what the picture was made from, and its
 * digest. Errors: E_ENVIRONMENT. */
int finished_look(const struct outputs *outputs, const struct params *params,
                  const struct facts *facts, struct finished *out, struct error *err);

#endif
