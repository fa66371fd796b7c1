#include "threads.h"

#include <omp.h>
#include <sched.h>

int threads_available(void)
{
    cpu_set_t mask;
    if (sched_getaffinity(0, sizeof mask, &mask) != 0)
        return 1;
    int count = CPU_COUNT(&mask);
    return count > 0 ? count : 1;
}

int threads_use(int count)
{
    if (count <= 0)
        count = threads_available();
    omp_set_dynamic(0);
    omp_set_num_threads(count);
    return count;
}

int threads_count(void) { return omp_get_max_threads(); }

int threads_index(void) { return omp_get_thread_num(); }
