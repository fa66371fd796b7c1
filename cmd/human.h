/* Quantities as people read them. Each fills and returns text. */
#ifndef ATELIER_HUMAN_H
#define ATELIER_HUMAN_H

#include <stdbool.h>
#include <stdint.h>

enum { HUMAN_TEXT = 32 };

/* "0.4 s", "12 s", "3 min 20 s", "5 h 04 min" */
const char *human_duration(double seconds, char text[HUMAN_TEXT]);
/* "12 kB", "850 MB", "1.2 GB" */
const char *human_bytes(uint64_t bytes, char text[HUMAN_TEXT]);

/* And as people write them; false where it is none. */
/* 90, 90s, 15m, 1h30m, 2d, 01:30:00, 1-12:00:00 (as Slurm's) */
bool human_parse_duration(const char *text, double *seconds);
/* 1048576, 1500M, 2G, 2.5GB (powers of 1000), 2GiB (of 1024) */
bool human_parse_bytes(const char *text, uint64_t *bytes);

#endif
