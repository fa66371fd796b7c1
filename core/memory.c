#include "memory.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>

enum { CACHE_LINE = 64, HUGE_PAGE = 2 << 20, HUGE_LEAST = 2 * HUGE_PAGE };

float *floats_new(size_t count)
{
    void *memory = NULL;
    if (count > SIZE_MAX / sizeof(float))
        return NULL;
    size_t bytes = count * sizeof(float);
    bool huge = bytes >= HUGE_LEAST;
    if (posix_memalign(&memory, huge ? HUGE_PAGE : CACHE_LINE, bytes) != 0)
        return NULL;
    if (huge)
        madvise(memory, bytes / HUGE_PAGE * HUGE_PAGE, MADV_HUGEPAGE); /* a wish: may be refused */
    return memory;
}

/* The number after `key` in a file of lines "key   number ..."; an empty key means the first. */
static uint64_t number_in_file(const char *path, const char *key, uint64_t otherwise)
{
    uint64_t value = otherwise;
    char line[256];
    FILE *file = fopen(path, "re");
    if (!file)
        return otherwise;
    while (fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0) {
            unsigned long long number;
            if (sscanf(line + strlen(key), "%llu", &number) == 1)
                value = number;
            break;
        }
    fclose(file);
    return value;
}

static uint64_t least(uint64_t a, uint64_t b) { return a < b ? a : b; }

static uint64_t left_of(uint64_t limit, uint64_t used)
{
    return limit == UINT64_MAX ? UINT64_MAX : limit > used ? limit - used : 0;
}

/* Control groups, version 2 and then 1, as a container or a batch system mounts them. */
static uint64_t control_group_left(void)
{
    uint64_t v2 = left_of(number_in_file("/sys/fs/cgroup/memory.max", "", UINT64_MAX),
                          number_in_file("/sys/fs/cgroup/memory.current", "", 0));
    uint64_t v1 =
        left_of(number_in_file("/sys/fs/cgroup/memory/memory.limit_in_bytes", "", UINT64_MAX),
                number_in_file("/sys/fs/cgroup/memory/memory.usage_in_bytes", "", 0));
    return least(v1, v2);
}

static uint64_t resource_left(int resource, const char *status_key)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY)
        return UINT64_MAX;
    return left_of(limit.rlim_cur, 1024 * number_in_file("/proc/self/status", status_key, 0));
}

static uint64_t address_space_left(void)
{
    return least(resource_left(RLIMIT_AS, "VmSize:"), resource_left(RLIMIT_DATA, "VmData:"));
}

uint64_t memory_available(void)
{
    uint64_t kib = number_in_file("/proc/meminfo", "MemAvailable:", UINT64_MAX / 1024);
    return least(least(kib * 1024, control_group_left()), address_space_left());
}

uint64_t memory_peak(void) { return 1024 * number_in_file("/proc/self/status", "VmHWM:", 0); }
