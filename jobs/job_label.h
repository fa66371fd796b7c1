/* What tells a job of a list from the others, for people. */
#ifndef ATELIER_JOB_LABEL_H
#define ATELIER_JOB_LABEL_H

#include "job_list.h"

enum { JOB_LABEL = 256 };

/* The names of the parameters that vary: "style, style_weight". Fills and returns text. */
const char *job_list_label(const struct job_list *list, char text[JOB_LABEL]);

/* A job's values of them, files without their folders: "mosaic.jpg, 10"; or its own name. Empty
 * where the list has one job. Fills and returns text; what does not fit is cut. */
const char *job_label(const struct job_list *list, const struct job *job, char text[JOB_LABEL]);

#endif
