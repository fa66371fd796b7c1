#include "profile.h"

#include "clock.h"
#include <string.h>

static double sums[PROFILE_STAGES], conv_sums[2][VGG19_CONVS];

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

void profile_add_conv(int conv, bool backward, double start)
{
    conv_sums[backward][conv] += clock_seconds() - start;
}

void profile_take_convs(double forward[VGG19_CONVS], double backward[VGG19_CONVS])
{
    memcpy(forward, conv_sums[false], sizeof conv_sums[false]);
    memcpy(backward, conv_sums[true], sizeof conv_sums[true]);
    memset(conv_sums, 0, sizeof conv_sums);
}
