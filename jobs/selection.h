/* Choosing some of a sweep's jobs by their parameters: "style_weight>=1, style~starry". */
#ifndef ATELIER_SELECTION_H
#define ATELIER_SELECTION_H

#include "job_list.h"

/* skip[job] is set for every job for which some condition does not hold; others stay. Conditions
 * are joined by commas or "and", each NAME OPERATOR VALUE; NAME is a JOB parameter, `id` or `name`.
 *   = != < <= > >=   of numbers; equal is equal to 9 digits, as they are shown
 *   = !=             of texts, with * ? and [...] as in file names; of files their last part will
 *                    do (style=starry.jpg); of layers any spelling and order
 *   ~ !~             of anything: the value's text holds, or does not hold, these characters
 * A comma in a list of layers joins nothing: style_layers=relu1_1,relu2_1 is one condition.
 * Errors: E_INPUT: no such name (with the nearest), no operator, no number, no such choice.
 * Checked by: test_selection */
int selection_apply(const char *conditions, const struct job_list *list, bool *skip,
                    struct error *err);

#endif
