/* How OpenMP's threads wait for each other. */
#ifndef ATELIER_WAITING_H
#define ATELIER_WAITING_H

/* Makes waiting threads go to sleep soon instead of spinning for milliseconds: on a machine that is
 * busy otherwise an evaluation takes half the time, on an idle one the same (measured at
 * 256 x 192). libgomp reads its settings before main, so this starts the program again, once,
 * unless the environment says already how to wait. */
void waiting_set_up(char **argv);

#endif
