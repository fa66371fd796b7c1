/* What makes a job that job and no other: 16 hex digits that stay the same wherever its files lie.
 */
#ifndef ATELIER_IDENTITY_H
#define ATELIER_IDENTITY_H

#include "error.h"
#include "params.h"

#include "job_id.h"

/* SHA-256 as hex, borrowed. weights: the canonical digest of the convolutions that the job uses
 * (weights_digest of them, as loaded); init: NULL or empty where init names no file. */
struct input_digests {
    const char *content, *style, *init, *weights;
};

/* The text whose SHA-256 an id is the beginning of: "atelier job 1\n", then a line "name=value\n"
 * for each JOB parameter, by name. Numbers have 12 significant digits, layers their canonical names
 * and normalised weights (at 12 digits, too), files are "sha256:" and their digest.
 * Left out are weights_convention, since it says how to read a file and the digest is of what was
 * read, and parameters that were added later where they have the value that changes nothing, so
 * that old ids stay. All others are there, whether they matter to the picture or not: one row, one
 * job. Caller frees; NULL when memory is out. */
char *job_identity_text(const struct params *resolved, const struct input_digests *digests);

/* Errors: E_ENVIRONMENT. Checked by: test_identity, against ids computed by Python's hashlib. */
int job_identity(const struct params *resolved, const struct input_digests *digests,
                 char id[JOB_ID_TEXT], struct error *err);

/* The value at which a parameter changes nothing, as text; NULL for those of the first version. */
const char *job_neutral_value(enum param_id id);

#endif
