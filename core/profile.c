#include "profile.h"

#include "clock.h"

static double sums[PROFILE_STAGES];

const char *profile_name(enum profile_stage stage)
{
    static const char *const names[PROFILE_STAGES] = {
        [PROFILE_TRANSFORM] = "transform", [PROFILE_GEMM] = "gemm",     [PROFILE_GRAM] = "gram",
        [PROFILE_POOL] = "pooling",        [PROFILE_PIXELS] = "pixels",
    };
    return names[stage];
}

double profile_add(enum profile_stage stage, double start)
{
    double now = clock_seconds();
    sums[stage] += now - start;
    return now;
}

void profile_take(double seconds[PROFILE_STAGES])
{
    for (int i = 0; i < PROFILE_STAGES; i++) {
        seconds[i] = sums[i];
        sums[i] = 0;
    }
}
