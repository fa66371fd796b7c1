#include "trouble.h"

#include <math.h>

static const double shortest_rest_s = 1, longest_rest_s = 30;

bool trouble_grows(struct trouble *trouble, double now, double patience_s)
{
    if (trouble->count++ == 0)
        trouble->since = now;
    trouble->rests = now + fmin(ldexp(shortest_rest_s, trouble->count - 1), longest_rest_s);
    return now - trouble->since >= patience_s;
}

bool trouble_is_its_own(const struct trouble *trouble, double last_done)
{
    return trouble->count >= TROUBLES_MOST && last_done > trouble->since;
}
