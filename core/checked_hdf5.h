/* Opening HDF5 files that nobody vouches for: weights, results, checkpoints. Only what the file
 * itself holds is ever reached: soft, external and user-defined links, external storage, virtual
 * datasets and filters from plug-ins are refused. HDF5's own printing must be off.
 * Every function: 0 or E_INPUT (E_ENVIRONMENT without memory); messages name neither file nor
 * object, the caller does. Ids are closed with checked_close. */
#ifndef ATELIER_CHECKED_HDF5_H
#define ATELIER_CHECKED_HDF5_H

#include "error.h"
#include <hdf5.h>
#include <stdbool.h>
#include <stddef.h>

/* E_INPUT: what failed, and HDF5's innermost reason. Must follow the failed call directly. */
int checked_fail(struct error *err, const char *what);

/* Opens a regular file for reading, over links, and never waits for a FIFO. Without a lock: such
 * files do not change, and a thousand readers on a cluster's file system should not queue. Closing
 * it closes whatever is still open inside. */
int checked_open(const char *path, hid_t *file, struct error *err);

/* The same of a file that is open already, whatever stands by its name now. The descriptor remains
 * the caller's. */
int checked_open_descriptor(int descriptor, hid_t *file, struct error *err);

/* The same of a name that HDF5 opens by an access property list, which is closed. */
int checked_open_access(const char *name, hid_t access, hid_t *file, struct error *err);

/* Any id; negative ones are ignored. */
void checked_close(hid_t id);

/* Opens the group (H5I_GROUP) or dataset (H5I_DATASET) that stands at `path` below `from`, over
 * hard links only. *object is negative when there is none. */
int checked_object(hid_t from, const char *path, H5I_type_t kind, hid_t *object, struct error *err);

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

#endif
