/* How OpenMP's threads wait for each other, and where they may run. */
#ifndef ATELIER_OPENMP_SET_UP_H
#define ATELIER_OPENMP_SET_UP_H

/* Makes waiting threads go to sleep soon instead of spinning for milliseconds: on a machine that is
 * busy otherwise an evaluation takes half the time, on an idle one the same (measured at
 * 256 x 192). It leaves alone an environment that says already how to wait.
 *
 * And drops a wish to bind threads (OMP_PROC_BIND, OMP_PLACES, GOMP_CPU_AFFINITY), keeping to the
 * processors it names: libgomp binds this thread to one of them, and what is started from here,
 * agents and their renders, would take that one for all there are.
 *
 * libgomp reads its settings before main, so this starts the program again, once. */
void openmp_set_up(char **argv);

#endif
