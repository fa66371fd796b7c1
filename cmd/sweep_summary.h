/* A list of jobs for people and programs: what varies, how much work it is. */
#ifndef ATELIER_SWEEP_SUMMARY_H
#define ATELIER_SWEEP_SUMMARY_H

#include "job_list.h"

/* How many jobs, a line for every parameter that varies, sizes and work, to stdout; as JSON with
 * every value if asked. Errors: E_ENVIRONMENT. */
int sweep_summary_print(const struct job_list *list, bool json, struct error *err);

/* The jobs as a JSON array, to stdout: id, name, every JOB parameter, width, height.
 * Errors: E_ENVIRONMENT. */
int sweep_jobs_json(const struct job_list *list, struct error *err);

#endif
