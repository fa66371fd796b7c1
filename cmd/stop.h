/* Being asked to stop: SIGINT, SIGTERM and SIGUSR1 let the render finish its evaluation and leave
 * its state; a second SIGINT ends it at once. */
#ifndef ATELIER_STOP_H
#define ATELIER_STOP_H

#include <stdbool.h>

void stop_install(void);
bool stop_requested(void);
/* "SIGINT", or NULL while nobody asked. */
const char *stop_signal(void);

#endif
