/* Texts and numbers of HDF5 files that nobody vouches for (checked_hdf5.h): sizes are checked
 * before memory or data is asked for. Every function: 0 or E_INPUT (E_ENVIRONMENT without memory);
 * messages name neither file nor object, the caller does. */
#ifndef ATELIER_CHECKED_VALUES_H
#define ATELIER_CHECKED_VALUES_H

#include "checked_hdf5.h"

enum { CHECKED_RANKS = 8 };

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

/* The rank and size of a dataset that lies wholly in this file. */
int checked_shape(hid_t dataset, int *rank, hsize_t dims[CHECKED_RANKS], struct error *err);

/* Reads a dataset of `count` floating-point numbers of 16, 32 or 64 bits whose every value is
 * stored. `count` is that of checked_shape. */
int checked_floats(hid_t dataset, size_t count, float *values, struct error *err);

#endif
