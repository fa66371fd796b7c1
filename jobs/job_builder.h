/* Private to jobs/: how the readers of manifests and sweeps make a list of jobs. They hand over one
 * draft after the other, and then ask for the list. */
#ifndef ATELIER_JOB_BUILDER_H
#define ATELIER_JOB_BUILDER_H

#include "inputs.h"
#include "job_list.h"

/* A job as it is written: what is given, and where. */
struct draft {
    struct params params; /* params_set of what is given */
    char *name;           /* or NULL */
    char *id;             /* given id, or NULL */
    struct origin origin, id_origin;
    struct origin places[PARAM_COUNT]; /* of given values */
};
void draft_release(struct draft *draft);

/* Life: zero-initialise, set folder and complaints, job_builder_add any number of times, once
 * job_builder_finish, job_builder_release. */
struct job_builder {
    bool recorded;      /* job_list_read_recorded */
    const char *folder; /* of the file: what relative paths are relative to */
    struct complaints *complaints;
    struct job_list list;
    struct inputs inputs;
    struct pending *pending;
    size_t capacity;
};

/* Takes over the draft's params and name and leaves it empty. Whatever is wrong with it becomes a
 * complaint. Errors: E_ENVIRONMENT. */
int job_builder_add(struct job_builder *builder, struct draft *draft, struct error *err);

/* Identities, given ids, duplicates. Where there is no complaint, *out gets the list.
 * Errors: E_INPUT where there are complaints; E_ENVIRONMENT. */
int job_builder_finish(struct job_builder *builder, struct job_list *out, struct error *err);

void job_builder_release(struct job_builder *builder);

/* Makes a value that names a file absolute: content and style always, init and weights where they
 * are no word with a meaning. Others stay. *text is from malloc and replaced.
 * Errors: E_ENVIRONMENT. */
int job_absolute_value(const char *folder, enum param_id id, char **text, struct error *err);

/* A path in `folder` unless it is absolute; "~/" is the home folder, "./" and double slashes go.
 * Caller frees; NULL when memory is out. */
char *path_absolute(const char *folder, const char *path);

#endif
