/* The files a render leaves: its picture, its result and, while it is unfinished, its checkpoint.
 * With --output they are all beside it: NAME.png, NAME.h5, NAME.checkpoint.h5 while it is
 * unfinished, NAME-0010.png for each picture that --save-every keeps, and NAME.checkpoint-1.h5 for
 * a checkpoint that could not be gone on from. */
#ifndef ATELIER_OUTPUTS_H
#define ATELIER_OUTPUTS_H

#include "facts.h"
#include "history.h"
#include "image.h"
#include "params.h"
#include "plan.h"
#include "result.h"
#include "state.h"

struct outputs {
    char *picture, *result, *checkpoint;
    char *aside; /* where a checkpoint goes that cannot be gone on from */
};

/* Names them and proves that they can be written and replace nothing but a render's own: the
 * extension is one that is written, the folder takes a file, no name is that of an input, and what
 * stands there already was made by atelier. Errors: E_INPUT, E_ENVIRONMENT. Owned: outputs_release.
 */
int outputs_claim(const struct params *params, struct outputs *outputs, struct error *err);
void outputs_release(struct outputs *outputs);

/* The first file that stands where --save-every will keep a picture, or NULL. Caller frees. */
char *outputs_numbered_there(const struct params *params, const struct outputs *outputs);

/* Gives the checkpoint the name `aside`. Errors: E_ENVIRONMENT. */
int outputs_set_aside(const struct outputs *outputs, struct error *err);

/* A finished render's picture and result file under their temporary names. */
struct staged_outputs {
    struct publication picture, result;
};

/* Writes both, so that they are on the disk before the first gets its name: a full disk leaves an
 * earlier pair as it was. Adds the picture's digest to the facts and gives them to the result.
 * *staged is written on success only. */
int outputs_stage(const struct outputs *outputs, struct result *result, struct facts *facts,
                  struct staged_outputs *staged, struct error *err);
void staged_outputs_abort(struct staged_outputs *staged);

/* Gives them their names, in place of an earlier pair; then the checkpoint goes. Releases staged.
 */
int outputs_publish(const struct outputs *outputs, struct staged_outputs *staged,
                    struct error *err);

/* Writes the picture of an unfinished render under its numbered name. */
int outputs_write_numbered(const struct outputs *outputs, const struct params *params,
                           const struct plan *plan, const struct render_state *state,
                           const struct history *history, struct error *err);

#endif
