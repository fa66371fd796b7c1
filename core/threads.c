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

void threads_unbind(void)
{
    cpu_set_t mask;
    CPU_ZERO(&mask);
    for (int place = 0; place < omp_get_num_places(); place++) {
        int processors[CPU_SETSIZE], count = omp_get_place_num_procs(place);
        if (count > CPU_SETSIZE)
            return;
        omp_get_place_proc_ids(place, processors);
        for (int i = 0; i < count; i++)
            CPU_SET((size_t)processors[i], &mask);
    }
    if (CPU_COUNT(&mask) > 0)
        sched_setaffinity(0, sizeof mask, &mask);
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
