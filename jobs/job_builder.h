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
    bool drawn; /* at random: left out where it comes out as an earlier job did */
};
void draft_release(struct draft *draft);

/* Life: zero-initialise, set folder and complaints, job_builder_add any number of times, once
 * job_builder_finish, job_builder_release. */
struct job_builder {
    bool recorded;      /* job_list_read_recorded */
    const char *folder; /* of the file: what relative paths are relative to */
    struct complaints *complaints;
    size_t limit;              /* of jobs, and of values in a list: JOBS_MAX */
    size_t patterns;           /* of file names that have been looked for, braces taken apart */
    struct origin draws_place; /* what to tell of draws that are left out */
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

/* Fills in list->varies. */
void job_list_find_varying(struct job_list *list);

/* Reads an image of a value at `origin`, the first time it is named, and complains where it is
 * none. *number is its number in inputs. Errors: E_ENVIRONMENT. */
int job_builder_look_at(struct job_builder *builder, enum param_id id, const char *path,
                        struct origin origin, size_t *number, struct error *err);

/* The JOB parameter of that name; else complains about an unknown `what`, with the nearest of the
 * parameters and of at most 8 other words that may stand there. */
bool job_find_param(struct complaints *complaints, const char *what, const char *const *words,
                    int word_count, const char *name, struct origin origin, enum param_id *id);

/* Makes a value that names a file absolute: content and style always, init and weights where they
 * are no word with a meaning. Others stay. *text is from malloc and replaced.
 * Errors: E_ENVIRONMENT. */
int job_absolute_value(const char *folder, enum param_id id, char **text, struct error *err);

/* A path in `folder` unless it is absolute; "~/" is the home folder, "./" and double slashes go.
 * Caller frees; NULL when memory is out. */
char *path_absolute(const char *folder, const char *path);

#endif
