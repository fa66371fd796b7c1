/* The jobs of a sweep file or a manifest: every picture that is to be made, checked and planned. */
#ifndef ATELIER_JOB_LIST_H
#define ATELIER_JOB_LIST_H

#include "complaint.h"
#include "identity.h"
#include "params.h"
#include "plan.h"

struct job {
    char id[JOB_ID_TEXT];
    char *name;           /* free text of the manifest, or NULL */
    struct params params; /* resolved; paths absolute; RUN parameters at their defaults */
    struct origin origin; /* the row of a manifest; what made it in a sweep */
    struct plan plan;     /* sizes, work and memory; each image's header was read once for all */
};

enum job_source { JOBS_FROM_SWEEP, JOBS_FROM_MANIFEST };
enum { JOBS_MAX = 1000000 };

/* At least one job, no two with the same id, in the order of the file. Owned: job_list_release. */
struct job_list {
    size_t count;
    struct job *jobs;
    char *output; /* the sweep file's `output`, made absolute, or NULL */
    char *file;   /* that was read, as the person named it */
    enum job_source source;
    bool varies[PARAM_COUNT]; /* job_list_varies */
};

/* Reads a sweep (YAML) or a manifest (CSV), told apart by content, and checks all of it: names,
 * values, files, sizes, given ids, duplicates. complaints, empty at first, gets all that is wrong
 * and may get notes when nothing is. Relative paths are relative to the file.
 * Errors: E_INPUT ("sweep.yaml: 3 errors") where there are complaints; E_ENVIRONMENT: the file
 * cannot be read, memory is out. On error *out is untouched.
 * Cost: linear in jobs. Memory: about 3 KB a job. */
int job_list_read(const char *path, struct job_list *out, struct complaints *complaints,
                  struct error *err);

/* Reads a store's own manifest as it stands: ids are believed, no file that it names is looked at,
 * and plans are empty. For those who read results, where the inputs may be gone. */
int job_list_read_recorded(const char *path, struct job_list *out, struct complaints *complaints,
                           struct error *err);

/* Whether two of the jobs have different values of a JOB parameter. */
bool job_list_varies(const struct job_list *list, enum param_id id);

/* Leaves out every job whose skip[] is set; what varies is found anew. */
void job_list_drop(struct job_list *list, const bool *skip);

void job_list_release(struct job_list *list);

#endif
