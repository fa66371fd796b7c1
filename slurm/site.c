#include "site.h"

#include "tool.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* "30:00", "2:30:00", "2-00:00:00", "30"; anything else ("infinite", "n/a") is no limit. */
static double parse_limit(const char *text)
{
    long days = 0, part[3] = {0};
    int count = 0;
    const char *dash = strchr(text, '-');
    if (dash)
        days = atol(text);
    for (const char *at = dash ? dash + 1 : text; count < 3 && *at >= '0' && *at <= '9';) {
        part[count++] = strtol(at, (char **)&at, 10);
        at += *at == ':';
    }
    if (count == 0)
        return 0;
    double seconds = count == 3   ? (double)(part[0] * 3600 + part[1] * 60 + part[2])
                     : count == 2 ? (double)(part[0] * 60 + part[1])
                                  : (double)(part[0] * 60);
    return (double)days * 86400 + seconds;
}

bool site_parse(const char *line, char name[64], struct node *node, bool *is_default)
{
    char limit[64];
    int cpus;
    double megabytes;
    if (sscanf(line, "%63s %d%*[+] %lf%*[+] %63s", name, &cpus, &megabytes, limit) != 4 &&
        sscanf(line, "%63s %d%*[+] %lf %63s", name, &cpus, &megabytes, limit) != 4 &&
        sscanf(line, "%63s %d %lf%*[+] %63s", name, &cpus, &megabytes, limit) != 4 &&
        sscanf(line, "%63s %d %lf %63s", name, &cpus, &megabytes, limit) != 4)
        return false;
    size_t length = strlen(name);
    *is_default = length > 0 && name[length - 1] == '*';
    if (*is_default)
        name[length - 1] = 0;
    *node = (struct node){.cpus = cpus,
                          .bytes = (uint64_t)(megabytes * 1048576),
                          .limit_seconds = parse_limit(limit)};
    return cpus > 0;
}

void site_node(const char *partition, struct node *node)
{
    const char *const argv[] = {"sinfo", "-h", "-o", "%P %c %m %l", NULL};
    struct tool_output said = {0};
    struct node found = {0};
    if (!tool_present("sinfo") || tool_run(argv, NULL, &said, NULL) != 0)
        return;
    for (char *rest = said.out, *line; (line = strsep(&rest, "\n"));) {
        char name[64];
        struct node one;
        bool is_default;
        if (!site_parse(line, name, &one, &is_default) ||
            (partition ? strcmp(name, partition) != 0 : !is_default))
            continue;
        if (found.cpus == 0 || one.cpus < found.cpus)
            found.cpus = one.cpus;
        if (found.bytes == 0 || one.bytes < found.bytes)
            found.bytes = one.bytes;
        found.limit_seconds = one.limit_seconds;
    }
    tool_release(&said);
    if (found.cpus > 0)
        *node = found;
}
