/* The function that is minimised: content, style and total-variation losses of a picture, and their
 * gradient. DESIGN: losses; formulas per preset in objective.c. */
#ifndef ATELIER_OBJECTIVE_H
#define ATELIER_OBJECTIVE_H

#include "history.h"
#include "network.h"
#include "plan.h"

struct objective;

/* The losses at one picture, all weighted: content + style + tv = total. layer[] holds one value a
 * loss layer, content layers first, as the history's columns have them. */
struct losses {
    double total, content, style, tv;
    double gradient_norm; /* L2 */
    double layer[2 * LAYERS_MAX];
};

/* Captures the targets: Gram matrices of style [plan->style_height][style_width][3] and features of
 * content [full_height][full_width][3], both RGB in 0..255; then makes ready to evaluate pictures
 * of that size. plan and network are borrowed.
 * Errors: E_INPUT where the balanced preset would divide by 0, naming the layer; E_ENVIRONMENT.
 * Owned: objective_free. */
int objective_new(const struct params *params, const struct plan *plan,
                  const struct network *network, const float *content, const float *style,
                  struct objective **objective, struct error *err);
void objective_free(struct objective *objective);

/* x [full_height][full_width][3] in; gradient, same shape, overwritten.
 * Threads: OpenMP inside; one evaluation at a time an objective. */
void objective_evaluate(struct objective *objective, const double *x, struct losses *losses,
                        double *gradient);

/* Names the layer columns of a history made for this plan. */
int objective_history(const struct plan *plan, struct history *history, struct error *err);

/* Bytes of an objective in that arithmetic while it evaluates, and the most while it captures its
 * targets. */
uint64_t objective_bytes(const struct params *params, const struct plan *plan,
                         enum arithmetic arithmetic);
uint64_t objective_capture_bytes(const struct params *params, const struct plan *plan,
                                 enum arithmetic arithmetic);

#endif
