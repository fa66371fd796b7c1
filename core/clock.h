/* Monotonic wall time in seconds. */
#ifndef ATELIER_CLOCK_H
#define ATELIER_CLOCK_H

double clock_seconds(void);

#endif
