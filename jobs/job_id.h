/* A job's id as text: 16 lower-case hex digits (what they mean: identity.h). */
#ifndef ATELIER_JOB_ID_H
#define ATELIER_JOB_ID_H

#include <stdbool.h>

enum { JOB_ID_TEXT = 17 }; /* the digits and the final 0 */

/* Whether text is an id, no more and no less. */
bool job_id_valid(const char *text);

#endif
