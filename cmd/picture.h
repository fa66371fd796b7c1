/* The picture that a render leaves, with its JOB parameters and the losses of the history's
 * last row as text. */
#ifndef ATELIER_PICTURE_H
#define ATELIER_PICTURE_H

#include "history.h"
#include "image.h"
#include "image_output.h"
#include "params.h"

/* As image_stage. */
int picture_stage(const char *path, const struct params *params, const struct history *history,
                  const struct image *image, struct publication *staged, struct error *err);

#endif
