/* How many threads, and which one am I. The only file that asks OpenMP. */
#ifndef ATELIER_THREADS_H
#define ATELIER_THREADS_H

/* Processors in this process's affinity mask. */
int threads_available(void);

/* Lets the calling thread run again on all the processors that OpenMP's places name, if any: where
 * OMP_PROC_BIND, OMP_PLACES or GOMP_CPU_AFFINITY is set it was bound to one of them before main. */
void threads_unbind(void);

/* Sets the number of threads of every later parallel region (0: threads_available), and returns
 * the number. Call once, before any other thread runs. */
int threads_use(int count);

/* Threads a parallel region gets; the calling thread's number in it. */
int threads_count(void);
int threads_index(void);

#endif
