#include "finished.h"

#include "digest.h"
#include "result_stream.h"
#include <stdio.h>
#include <string.h>
#include <unistd.h>

struct look {
    const struct outputs *outputs;
    const struct params *params;
    const struct facts *facts;
    struct finished *out;
};

/* Whether the picture is the one that its result tells of; a result without its digest is believed.
 */
static int check_picture(const struct look *look, const char *expected, struct error *err)
{
    char digest[DIGEST_HEX];
    const char *picture = look->outputs->picture;
    int status = digest_file(picture, digest, err);
    if (status != 0)
        return status;
    look->out->state = FINISHED_SAME;
    if (expected && strcmp(expected, digest) != 0) {
        look->out->state = FINISHED_OTHER;
        snprintf(look->out->why, sizeof look->out->why,
                 "it has been changed since '%s' was written", look->outputs->result);
    }
    return 0;
}

static int compare(const struct look *look, const struct hdf5_attributes *there, struct error *err)
{
    int status = 0;
    struct finished *out = look->out;
    enum checkpoint_verdict verdict;
    const char *stopped = hdf5_attributes_find(there, "stopped");
    TRY(result_compare(there, look->params, look->facts->list, look->facts->count, &verdict,
                       out->why, sizeof out->why, err));
    if (verdict == CHECKPOINT_OTHER) {
        out->state = FINISHED_OTHER;
        goto done;
    }
    out->why[0] = 0;
    if (access(look->outputs->picture, F_OK) == 0 && !(stopped && strcmp(stopped, "diverged") == 0))
        TRY(check_picture(look, hdf5_attributes_find(there, "picture_sha256"), err));
done:
    return status;
}

static int visit(void *context, size_t index, const struct result_contents *contents,
                 const struct error *why, struct error *err)
{
    const struct look *look = context;
    (void)index;
    if (contents)
        return compare(look, &contents->attributes, err);
    look->out->state = FINISHED_OTHER;
    snprintf(look->out->why, sizeof look->out->why, "'%s' cannot be read: %.400s",
             look->outputs->result, why->message);
    return 0;
}

int finished_look(const struct outputs *outputs, const struct params *params,
                  const struct facts *facts, struct finished *out, struct error *err)
{
    const char *path = outputs->result;
    struct look look = {outputs, params, facts, out};
    *out = (struct finished){.state = FINISHED_NOT};
    if (access(path, F_OK) == 0)
        return result_stream(&path, 1, RESULT_ATTRIBUTES, visit, &look, err);
    if (access(outputs->picture, F_OK) == 0) {
        out->state = FINISHED_UNKNOWN;
        snprintf(out->why, sizeof out->why,
                 "what it was made from is not known, since '%s' is not there", path);
    }
    return 0;
}
