/* Pictures as a render needs them at its start: resized, and with the margin around them. */
#ifndef ATELIER_START_H
#define ATELIER_START_H

#include "error.h"
#include "image.h"
#include "params.h"
#include "plan.h"

/* The content image at the picture's full size (mirrored into the margin) and the style image at
 * its own: floats [height][width][3], RGB in 0..255. Caller frees. Adds to notes as image_read. */
int start_content(const struct params *params, const struct plan *plan, float **content,
                  struct image_notes *notes, struct error *err);
int start_style(const struct params *params, const struct plan *plan, float **style,
                struct image_notes *notes, struct error *err);

/* Fills x [full_height][full_width][3] with the start that params->init asks for. content is what
 * start_content gave; notes are of init's file. Noise depends on the seed and the position alone.
 */
int start_picture(const struct params *params, const struct plan *plan, const float *content,
                  double *x, struct image_notes *notes, struct error *err);

/* What there is to say of the pictures that a render reads. */
struct start_notes {
    struct image_notes content, style, init;
};

/* Reads each of them once and keeps nothing: finds what is wrong with their pixels, too. */
int start_look(const struct params *params, struct start_notes *notes, struct error *err);

/* The picture without its margin, rounded to 8 bits, and to 16 beside if those are asked for.
 * Owned: image_release. */
int start_crop(const struct plan *plan, const double *x, bool deep, struct image *image,
               struct error *err);

/* Whether no channel of such a picture spans more than two levels. */
bool start_is_flat(const struct plan *plan, const double *x);

/* Whether `init` names a file. */
bool init_is_file(const char *init);

#endif
