/* The attributes of an HDF5 object, for those who do not speak HDF5. */
#ifndef ATELIER_HDF5_ATTRIBUTES_H
#define ATELIER_HDF5_ATTRIBUTES_H

#include <stdbool.h>
#include <stddef.h>

/* In the order they were made; numbers as their shortest exact text. Zeroed by the caller at
 * first. */
struct hdf5_attributes {
    size_t count;
    struct hdf5_attribute {
        char *name, *text;
        bool is_number;
    } * list;
};

/* The text of that name (borrowed), or NULL. */
const char *hdf5_attributes_find(const struct hdf5_attributes *attributes, const char *name);
void hdf5_attributes_release(struct hdf5_attributes *attributes);

#endif
