/* What a report says, as JSON (report/data.js reads it). */
#ifndef ATELIER_REPORT_DATA_H
#define ATELIER_REPORT_DATA_H

#include "name_index.h"
#include "report.h"
#include <jansson.h>

/* {title, store, made, creator, parameters, constants, axes, losses, pictures, facts, decimation,
 * runs}. Names of a run's members are the columns' in sweep.h5, where there is one. A new
 * reference. Errors: E_ENVIRONMENT. */
int report_data(const struct report *report, json_t **out, struct error *err);

/* Private to report_*.c from here on. */

/* Takes value over, like json_object_set_new; value = NULL (no memory) is an error. */
int report_put(json_t *object, const char *key, json_t *value, struct error *err);
int report_append(json_t *array, json_t *value, struct error *err);

/* null unless finite. */
json_t *report_number(double value);
/* The value of a run in a column: a text, a number, or null. */
json_t *report_value(const struct run_column *column, size_t run);

/* Picture files that went in, numbered. Errors: E_ENVIRONMENT. */
int report_list_pictures(const struct report *report, struct name_index *paths, struct error *err);
/* [{path, label, thumb, sha256}] */
int report_pictures(const struct report *report, const struct name_index *paths, json_t **out,
                    struct error *err);

/* The longer side of small pictures of which there are `count`. */
int report_thumb_px(size_t count);
/* A small copy as base64: sets `thumb`, `thumb_width`, `thumb_height`. */
int report_put_thumb(json_t *object, const struct image *image, int longer, struct error *err);

/* [{id, status, values, ...}]. *worst: the largest relative deviation of a curve. */
int report_runs(const struct report *report, const struct name_index *paths, json_t **out,
                double *worst, struct error *err);

/* The columns of runs->loss that are drawn, in order: total, content, style, tv, then the layers.
 * columns [runs->loss_columns]. Returns how many. */
size_t report_losses(const struct runs *runs, int *columns);

#endif
