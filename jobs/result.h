/* The result file of a render and its checkpoint: HDF5 1.8 format, creation order tracked, the
 * layout that h5py, pandas, xarray, MATLAB, R, Julia and HDFView all read:
 *
 *   root attributes  schema_name, schema_version, creator, creator_version, ..., the given facts in
 *                    order, and every JOB parameter under its own name; of a finished result last
 *                    file_sha256 (seal.h)
 *   /history/NAME    1-D column a quantity, one row per accepted step, dimension scale `row`;
 *                    attributes long_name, units (floats: _FillValue NaN). Counters are int32
 *                    (-1 where the value is no number), everything else float64
 *   /image           uint8 height x width x 3, HDF5 Image 1.2 attributes, compressed
 *   /state           checkpoints only: picture (float64 height x width x 3), moments, the best
 *                    picture if it is another, counters, and a SHA-256 over all that
 * checkpoint_read takes from the file
 *
 * Both are published whole or not at all (publish.h). */
#ifndef ATELIER_RESULT_H
#define ATELIER_RESULT_H

#include "error.h"
#include "hdf5_attributes.h"
#include "history.h"
#include "image.h"
#include "params.h"
#include "publish.h"
#include "state.h"

/* One more root attribute: a text (text != NULL) or a number, which is stored as float64. Its name
 * is none of the JOB parameters' and none of schema_name, schema_version, Conventions, title,
 * file_sha256.
 */
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
    const struct image *image;        /* best picture; NULL in a checkpoint */
    size_t picture_row;               /* of the history, that the image is of */
    const struct render_state *state; /* NULL in a finished result */
};

/* The file is made in the memory of a child, so that neither a full disk nor memory that runs out
 * under HDF5 can end this process: for a moment it takes memory of the file's size. Equal arguments
 * give equal bytes. Errors: E_ENVIRONMENT: an earlier file of that name is intact and no temporary
 * one is left. */
int result_write(const char *path, const struct result *result, struct error *err);

/* The first half of that: writes the temporary file alone. publish_commit of *staged gives it its
 * name, publish_abort removes it. *staged is written on success only. */
int result_stage(const char *path, const struct result *result, struct publication *staged,
                 struct error *err);

/* What a render goes on from. */
struct checkpoint {
    struct render_state state;
    struct history history;
    char *numerics_before; /* fingerprints, see checkpoint_read; NULL: all is as computed here */
};

/* The fact that says which fingerprints have computed a part, where not all is one's work. */
#define NUMERICS_BEFORE "numerics_before"

enum checkpoint_verdict {
    CHECKPOINT_NONE,    /* there is no such file */
    CHECKPOINT_GOOD,    /* out is filled */
    CHECKPOINT_DAMAGED, /* unreadable, truncated, changed, or no checkpoint of atelier's */
    CHECKPOINT_OTHER,   /* of another picture: other parameters or inputs */
    CHECKPOINT_NUMERICS /* out is filled; another version, processor or library computed it */
};

/* Reads the checkpoint at path and compares it with the render at hand: its resolved parameters
 * and its facts.
 *   OTHER     a JOB parameter differs, or a fact named *_sha256. A parameter with a digest
 *             (`content` has `content_sha256`) is compared by that alone, so a file may move; the
 *             fact of one that names no file (`init` = noise) is absent or empty.
 *   NUMERICS  else, the fact `numerics` differs: another version's, processor's or library's.
 * A parameter that the file lacks has the value that gives what there was before it
 * (job_neutral_value).
 * difference, of difference_size, says what differs or is wrong ("style_weight is 10 there, 100
 * here (and 2 more differ)", "it is truncated after 96 bytes"), empty when GOOD or NONE.
 * The file is first read by a child process with a time limit, so that a damaged one cannot crash
 * or hang this one; no other thread may be inside HDF5.
 * *out is zeroed unless GOOD or NUMERICS. Owned: checkpoint_release. out->numerics_before lists the
 * fingerprints that computed a part of it, each once, in order, joined by " | ": what the fact of
 * that name says there and, if that differs from here, `numerics` there.
 * Errors (negative findings are verdicts): E_ENVIRONMENT. */
int checkpoint_read(const char *path, const struct params *params, const struct fact *facts,
                    size_t fact_count, struct checkpoint *out, enum checkpoint_verdict *verdict,
                    char *difference, size_t difference_size, struct error *err);
void checkpoint_release(struct checkpoint *checkpoint);

/* Whether a render of that size with such a history's columns can go on from it; another version's
 * checkpoint may not. If not, difference says why. Checked by:
 * a_state_of_another_shape_does_not_fit */
bool checkpoint_fits(const struct checkpoint *checkpoint, int height, int width, bool adam,
                     const struct history *columns, char *difference, size_t difference_size);

/* Compares a finished result's root attributes with the render at hand, as checkpoint_read does:
 * GOOD, OTHER or NUMERICS. Errors: E_ENVIRONMENT. */
int result_compare(const struct hdf5_attributes *there, const struct params *params,
                   const struct fact *facts, size_t fact_count, enum checkpoint_verdict *verdict,
                   char *difference, size_t difference_size, struct error *err);

/* The version of the HDF5 library in use: "1.10.8". */
const char *result_hdf5_version(void);

/* Whether the file at path is a result or checkpoint of atelier's (by its root attributes). Looked
 * at in a child process, too. */
int result_is_ours(const char *path);

#endif
