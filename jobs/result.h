/* The result file of a render and its checkpoint: HDF5 1.8 format, creation order tracked, the
 * layout that h5py, pandas, xarray, MATLAB, R, Julia and HDFView all read:
 *
 *   root attributes  schema_name, schema_version, creator, creator_version, ..., the given facts in
 *                    order, and every JOB parameter under its own name
 *   /history/NAME    1-D column a quantity, one row per accepted step, dimension scale `row`;
 *                    attributes long_name, units (floats: _FillValue NaN)
 *   /image           uint8 height x width x 3, HDF5 Image 1.2 attributes, compressed
 *   /state           checkpoints only: picture (float64 height x width x 3), moments, counters
 *
 * Both are published whole or not at all (publish.h). */
#ifndef ATELIER_RESULT_H
#define ATELIER_RESULT_H

#include "error.h"
#include "history.h"
#include "image.h"
#include "params.h"
#include "state.h"

/* One more root attribute: a text (text != NULL) or a number. */
struct fact {
    const char *name;
    const char *text;
    double number;
};

enum { RESULT_SCHEMA_VERSION = 1 };

/* What a file says. All borrowed. */
struct result {
    const struct params *params; /* resolved */
    const struct fact *facts;    /* command_line, host, dates, versions, numerics, digests, ... */
    size_t fact_count;
    const struct history *history;
    const struct image *image;         /* final picture; NULL in a checkpoint */
    const struct render_state *state;  /* NULL in a finished result */
};

int result_write(const char *path, const struct result *result, struct error *err);

/* What a checkpoint is compared by, beside the JOB parameters: these facts must be equal. */
struct checkpoint {
    struct render_state state;
    struct history history;
};

enum checkpoint_verdict {
    CHECKPOINT_NONE,    /* there is no such file */
    CHECKPOINT_GOOD,    /* out is filled */
    CHECKPOINT_DAMAGED, /* unreadable, truncated, or no checkpoint of atelier's */
    CHECKPOINT_OTHER,   /* of another picture: other parameters or inputs */
    CHECKPOINT_NUMERICS /* same picture, but another version, processor or library computed it */
};

/* Reads the checkpoint at path, which belongs to a render with these JOB parameters (PATH and TEXT
 * values that name files are not compared: their digests are) and these facts: those named
 * `*_sha256` must be equal, else OTHER; `numerics` must be equal, else NUMERICS.
 * difference, of difference_size, says what differs or is wrong ("style_weight is 10 there, 100
 * here"), empty when GOOD or NONE.
 * The file is first looked at in a child process, so that a damaged one cannot crash this one.
 * Owned: checkpoint_release. Errors (negative findings are verdicts): E_ENVIRONMENT. */
int checkpoint_read(const char *path, const struct params *params, const struct fact *facts,
                    size_t fact_count, struct checkpoint *out, enum checkpoint_verdict *verdict,
                    char *difference, size_t difference_size, struct error *err);
void checkpoint_release(struct checkpoint *checkpoint);

/* Whether the file at path is a result or checkpoint of atelier's (by its root attributes). */
int result_is_ours(const char *path);

#endif
