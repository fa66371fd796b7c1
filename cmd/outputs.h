/* The files a render leaves, all beside --output: NAME.png, NAME.h5, NAME.checkpoint.h5 while it is
 * unfinished, and NAME-0010.png for each picture that --save-every keeps. */
#ifndef ATELIER_OUTPUTS_H
#define ATELIER_OUTPUTS_H

#include "history.h"
#include "image.h"
#include "params.h"
#include "plan.h"
#include "result.h"
#include "state.h"

struct outputs {
    char *picture, *result, *checkpoint;
};

/* Names them and proves that they can be written and replace nothing but a render's own: the
 * extension is .png, the folder takes a file, no name is that of an input, and what stands there
 * already was made by atelier. Errors: E_INPUT, E_ENVIRONMENT. Owned: outputs_release. */
int outputs_claim(const struct params *params, struct outputs *outputs, struct error *err);
void outputs_release(struct outputs *outputs);

/* Publishes the finished render: the picture, with its JOB parameters and the losses of the
 * history's last row as text, and the result file. Both are on the disk before the first gets its
 * name, so that a full disk leaves an earlier pair as it was. Then the checkpoint goes. */
int outputs_publish(const struct outputs *outputs, const struct result *result, struct error *err);

/* Writes the picture of an unfinished render under its numbered name. */
int outputs_write_numbered(const struct outputs *outputs, const struct params *params,
                           const struct plan *plan, const struct render_state *state,
                           const struct history *history, struct error *err);

#endif
