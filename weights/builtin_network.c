/* Compiled with the data it hands out: builtin_data.S. */
#include "builtin.h"

extern const unsigned char builtin_network_start[], builtin_network_end[];
extern const char builtin_facts_start[];

struct region builtin_file(void)
{
    size_t bytes = (size_t)(builtin_network_end - builtin_network_start);
    return (struct region){builtin_network_start, bytes};
}

const char *builtin_facts(void) { return builtin_facts_start; }
