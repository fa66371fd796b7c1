/* Buffers, and how much memory there is for them. */
#ifndef ATELIER_MEMORY_H
#define ATELIER_MEMORY_H

#include <stddef.h>
#include <stdint.h>

/* Aligned to a cache line, uninitialised. free() it. NULL when memory is out. Large ones ask for
 * huge pages: fewer faults when they are first touched, fewer misses in strided transforms. */
float *floats_new(size_t count);

/* Bytes this process may still take: the least of the machine's available memory, its control
 * group's limit, and RLIMIT_AS or RLIMIT_DATA. */
uint64_t memory_available(void);

/* The largest resident size this process has had, in bytes. */
uint64_t memory_peak(void);

#endif
