/* How a finished job gets its picture, log and result: all three of one render, or none.
 *
 * They are gathered in a folder, which takes the name jobs/3f/.ID.publishing: that is the decision,
 * since a folder is never renamed over one that holds anything. From then on whoever comes by goes
 * on with it: picture and log are moved to their places, then the result is linked to its own,
 * which makes the job done. Each of these is there once and can be moved once, so that it does not
 * matter how many do it at a time, who is killed, and when; and nobody can take away or replace
 * what another render of the same job has published. */
#ifndef ATELIER_JOB_PUBLISH_H
#define ATELIER_JOB_PUBLISH_H

#include "publish.h"
#include "store.h"

enum { JOB_PUBLISHED = 3 }; /* JOB_PICTURE, JOB_LOG, JOB_RESULT, in that order */

/* Publishes what was staged in the job's folder. `ready` (may be NULL) is called when all is on the
 * disk, each time before something gets a name there; it may end the process. Where another render
 * was faster, *elsewhere is true and its files stand. Releases all three, always. Errors:
 * E_ENVIRONMENT. Checked by: of_two_publications_one_stands_whole,
 * a_killed_publication_is_gone_on_with */
int job_publish(const struct store *store, const char *id, struct publication *files,
                void (*ready)(void), bool *elsewhere, struct error *err);

/* Goes on with a publication that somebody has begun, if there is one. Errors: E_ENVIRONMENT. */
int job_publish_resume(const struct store *store, const char *id, struct error *err);

/* The same for all jobs of one folder, jobs/3f. Errors: E_ENVIRONMENT. */
int job_publish_resume_all(const struct store *store, const char *shard, struct error *err);

#endif
