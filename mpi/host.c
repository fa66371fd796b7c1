#include "host.h"

#include <ctype.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

enum { PROCESSORS_MAX = 4 * (MASK_TEXT - 1) };

void host_name(char name[HOST_TEXT])
{
    memset(name, 0, HOST_TEXT);
    gethostname(name, HOST_TEXT - 1);
}

void host_mask(char text[MASK_TEXT])
{
    cpu_set_t mask;
    size_t used = 0;
    CPU_ZERO(&mask);
    if (sched_getaffinity(0, sizeof mask, &mask) != 0)
        CPU_SET(0, &mask);
    for (int digit = PROCESSORS_MAX / 4 - 1; digit >= 0; digit--) {
        int value = 0;
        for (int bit = 0; bit < 4; bit++)
            value |= CPU_ISSET((size_t)(4 * digit + bit), &mask) ? 1 << bit : 0;
        if (value || used || digit == 0)
            text[used++] = "0123456789abcdef"[value];
    }
    text[used] = 0;
}

static bool has_processor(const char *mask, int processor)
{
    size_t length = strnlen(mask, MASK_TEXT), digit = (size_t)processor / 4;
    if (digit >= length)
        return false;
    int c = mask[length - 1 - digit];
    int value = isdigit(c) ? c - '0' : c - 'a' + 10;
    return value >> processor % 4 & 1;
}

/* Every processor counts for each of its sharers by its part: 1 / sharers. */
static double share_of(const char (*masks)[MASK_TEXT], size_t count, size_t agent)
{
    double share = 0;
    for (int p = 0; p < PROCESSORS_MAX; p++) {
        int sharers = 0;
        if (!has_processor(masks[agent], p))
            continue;
        for (size_t i = 0; i < count; i++)
            sharers += has_processor(masks[i], p);
        share += 1.0 / sharers;
    }
    return share;
}

void host_share_threads(const char (*masks)[MASK_TEXT], size_t count, int *threads)
{
    const double rounding = 1e-6;
    for (size_t i = 0; i < count; i++) {
        int share = (int)(share_of(masks, count, i) + rounding);
        threads[i] = share > 1 ? share : 1;
    }
}

/* The number after `key` at the start of a line; -1: no such file or line. */
static long long counter(const char *path, const char *key)
{
    char line[256];
    long long value = -1;
    FILE *file = fopen(path, "re");
    while (file && value < 0 && fgets(line, sizeof line, file))
        if (strncmp(line, key, strlen(key)) == 0)
            sscanf(line + strlen(key), "%lld", &value);
    if (file)
        fclose(file);
    return value;
}

/* The path of this process's group in the given hierarchy of /proc/self/cgroup. */
static bool own_group(const char *hierarchy, char *path, size_t size)
{
    char line[512];
    bool found = false;
    FILE *file = fopen("/proc/self/cgroup", "re");
    while (file && !found && fgets(line, sizeof line, file)) {
        char *name = strchr(line, ':'), *group = name ? strchr(name + 1, ':') : NULL;
        if (!group)
            continue;
        *group = 0;
        group[strcspn(group + 1, "\n") + 1] = 0;
        found = strcmp(name + 1, hierarchy) == 0;
        if (found)
            snprintf(path, size, "%s", group + 1);
    }
    if (file)
        fclose(file);
    return found;
}

uint64_t host_memory_kills(void)
{
    char group[512], path[640];
    long long kills = -1;
    if (own_group("", group, sizeof group)) {
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.events", group);
        kills = counter(path, "oom_kill ");
    }
    if (kills < 0)
        kills = counter("/sys/fs/cgroup/memory.events", "oom_kill ");
    if (kills < 0 && own_group("memory", group, sizeof group)) {
        snprintf(path, sizeof path, "/sys/fs/cgroup/memory%s/memory.oom_control", group);
        kills = counter(path, "oom_kill ");
    }
    if (kills < 0)
        kills = counter("/proc/vmstat", "oom_kill ");
    return kills < 0 ? 0 : (uint64_t)kills;
}
