/* What a checkpoint holds beside a result: the part of result_write that checkpoint_read undoes. */
#ifndef ATELIER_CHECKPOINT_H
#define ATELIER_CHECKPOINT_H

#include "hdf5_util.h"
#include "result.h"

/* The values of the attribute schema_name. */
#define SCHEMA_RESULT     "atelier-result"
#define SCHEMA_CHECKPOINT "atelier-checkpoint"

/* A counter as a file stores it: -1 if it is no number, the largest if it is too large. */
int32_t history_counter(double value);

/* One column of a history as a file stores it: int32_t or double [rows]. Caller frees. NULL: no
 * memory. */
void *history_stored(const struct history *history, int column);

/* Reading files that may be damaged: every size is checked first. *out is written on success only.
 * Errors: E_INPUT, E_ENVIRONMENT.
 * schema_check: the file is what `wanted` says, SCHEMA_RESULT or SCHEMA_CHECKPOINT, in this
 * version; history_read: /history, owned: history_release; picture_read: /image, owned:
 * image_release. */
int schema_check(hid_t file, const char *wanted, struct error *err);
int history_read(hid_t file, struct history *out, struct error *err);
int picture_read(hid_t file, struct image *out, struct error *err);

/* What the codes of the column `precision` mean. */
#define PRECISIONS "float32 bfloat16"

/* Writes facts as attributes. */
int facts_write(hid_t file, const struct fact *facts, size_t count, struct error *err);

/* Writes a picture as a dataset with the attributes of HDF5's Image 1.2, compressed. */
int picture_write(hid_t group, const char *name, const struct image *image, struct error *err);

/* /state: its numbers alone; or all of it, as its checksum and that of what was read of the rest
 * say. Owned: render_state_release. */
int checkpoint_read_counters(hid_t file, struct render_state *out, struct error *err);
int checkpoint_read_state(hid_t file, const struct hdf5_attributes *attributes,
                          const struct history *history, struct render_state *out,
                          struct error *err);

/* Writes /state, with a SHA-256 over all that checkpoint_read takes from the file. Root attributes
 * and history are there already. */
int checkpoint_write_state(hid_t file, const struct history *history,
                           const struct render_state *state, struct error *err);

#endif
