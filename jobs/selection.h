/* Choosing some of a sweep's jobs by their parameters: "style_weight>=1, style=*starry*". */
#ifndef ATELIER_SELECTION_H
#define ATELIER_SELECTION_H

#include "job_list.h"

/* skip[job] is set for every job for which some condition does not hold; others stay. Conditions
 * are separated by commas, each NAME OPERATOR VALUE; NAME is a JOB parameter, `id` or `name`.
 * Numbers take = != < <= > >=, texts = and != with * and ? as in file names. Errors: E_INPUT: no
 * such name (with the nearest), no operator, no number. */
int selection_apply(const char *conditions, const struct job_list *list, bool *skip,
                    struct error *err);

#endif
