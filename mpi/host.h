/* What an agent knows of the machine it is on. */
#ifndef ATELIER_HOST_H
#define ATELIER_HOST_H

#include "protocol.h"
#include "store.h"
#include <stdint.h>

/* This process's host. */
void host_name(char name[HOST_TEXT]);

/* The processors in this process's mask as hexadecimal digits, the highest first. */
void host_mask(char text[MASK_TEXT]);

/* Threads for each of several agents on one host: every processor is shared equally by those whose
 * mask has it, and an agent gets what its shares add up to, at least 1. */
void host_share_threads(const char (*masks)[MASK_TEXT], size_t count, int *threads);

/* How many processes the kernel has killed for memory: in this process's control group where there
 * is one, on the whole machine otherwise. Only differences mean anything. */
uint64_t host_memory_kills(void);

#endif
