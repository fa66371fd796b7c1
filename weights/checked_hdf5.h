/* Reading HDF5 files that nobody vouches for. Only what the file itself holds is ever reached: soft
 * and external links, external storage, virtual datasets and filters from plug-ins are refused, and
 * sizes are checked before memory or data is asked for. HDF5's own printing must be off.
 * Every function: 0 or E_INPUT (E_ENVIRONMENT without memory); messages name neither file nor
 * object, the caller does. Ids are closed with checked_close. */
#ifndef ATELIER_CHECKED_HDF5_H
#define ATELIER_CHECKED_HDF5_H

#include "error.h"
#include <hdf5.h>
#include <stdbool.h>
#include <stddef.h>

enum { CHECKED_RANKS = 8 };

/* Opens a file for reading, without a lock: weight files do not change, and a thousand readers on a
 * cluster's file system should not queue. Closing it closes whatever is still open inside. */
int checked_open(const char *path, hid_t *file, struct error *err);

/* Any id; negative ones are ignored. */
void checked_close(hid_t id);

/* Opens the group (H5I_GROUP) or dataset (H5I_DATASET) that stands at `path` below `from`, over
 * hard links only. *object is negative when there is none. */
int checked_object(hid_t from, const char *path, H5I_type_t kind, hid_t *object, struct error *err);

/* A list of owned texts. Starts as {0}; released by text_list_release. text_list_add copies at most
 * `most` bytes. */
struct text_list {
    char **texts;
    size_t count;
};
int text_list_add(struct text_list *list, const char *text, size_t most, struct error *err);
void text_list_release(struct text_list *list);

/* Appends the strings of an attribute, fixed or variable in length; one that was too large for a
 * single attribute is in NAME0, NAME1, ... *found: there is such an attribute. */
int checked_texts(hid_t object, const char *name, struct text_list *list, bool *found,
                  struct error *err);

/* Whether a dataset lies wholly in this file: no external storage, no virtual dataset, no filter
 * from a plug-in. Ask before its size, let alone its data: the size of a virtual one opens the
 * files it is made of. */
int checked_storage(hid_t dataset, struct error *err);

/* Visits all that hard links lead to from a group, at most 32 groups deep, in no order, until one
 * call fails; the path is relative to the group. Other links are visited as H5I_BADID, without an
 * object, and not followed. Nothing is remembered: what two links lead to is visited twice.
 * Errors: also E_INPUT when there is too much. */
typedef int checked_visitor(void *context, const char *path, hid_t object, H5I_type_t kind,
                            struct error *err);
int checked_walk(hid_t group, checked_visitor *visit, void *context, struct error *err);

/* Whether all of a file lies in the file itself: checked_storage of every dataset, and only hard
 * links. Names what does not. Checked by: checked_contained_names_what_lies_elsewhere. */
int checked_contained(hid_t file, struct error *err);

/* The rank and size of a dataset that lies wholly in this file. */
int checked_shape(hid_t dataset, int *rank, hsize_t dims[CHECKED_RANKS], struct error *err);

/* Reads a dataset of `count` floating-point numbers of 16, 32 or 64 bits whose every value is
 * stored. `count` is that of checked_shape. */
int checked_floats(hid_t dataset, size_t count, float *values, struct error *err);

#endif
