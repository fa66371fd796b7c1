/* Bytes as a plan of what is to be made: one choice after the other. */
#ifndef ATELIER_FUZZ_PLAN_H
#define ATELIER_FUZZ_PLAN_H

#include <stddef.h>
#include <stdint.h>

/* What is left of the plan; zeros follow it. */
struct plan {
    const uint8_t *at;
    size_t left;
};

static inline unsigned next(struct plan *plan, unsigned choices)
{
    if (plan->left == 0)
        return 0;
    plan->left--;
    return *plan->at++ % choices;
}

#endif
