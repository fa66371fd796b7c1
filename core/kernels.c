#include "kernels.h"

#include <stdlib.h>
#include <string.h>

extern const struct kernels kernels_baseline, kernels_avx2, kernels_avx512, kernels_avx512_bf16;

static const struct kernels *choose(void)
{
    const struct kernels *best = &kernels_baseline;
#ifdef __x86_64__
    const char *wanted = getenv("ATELIER_ISA");
    if (wanted && strcmp(wanted, "baseline") == 0)
        return best;
    if (__builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
        __builtin_cpu_supports("bmi2"))
        best = &kernels_avx2;
    if (wanted && strcmp(wanted, "avx2") == 0)
        return best;
    if (__builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") &&
        __builtin_cpu_supports("avx512cd") && __builtin_cpu_supports("avx512dq") &&
        __builtin_cpu_supports("avx512vl"))
        best = &kernels_avx512;
    if (wanted && strcmp(wanted, "avx512") == 0)
        return best;
    if (best == &kernels_avx512 && __builtin_cpu_supports("avx512bf16"))
        best = &kernels_avx512_bf16;
#endif
    return best;
}

const struct kernels *kernels_get(void)
{
    static const struct kernels *chosen;
    const struct kernels *table = __atomic_load_n(&chosen, __ATOMIC_ACQUIRE);
    if (!table) {
        table = choose();
        __atomic_store_n(&chosen, table, __ATOMIC_RELEASE);
    }
    return table;
}
