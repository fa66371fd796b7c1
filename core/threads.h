/* How many threads, and which one am I. The only file that asks OpenMP. */
#ifndef ATELIER_THREADS_H
#define ATELIER_THREADS_H

/* Processors in this process's affinity mask. */
int threads_available(void);

/* Sets the number of threads of every later parallel region (0: threads_available), and returns
 * the number. Call once, before any other thread runs. */
int threads_use(int count);

/* Threads a parallel region gets; the calling thread's number in it. */
int threads_count(void);
int threads_index(void);

#endif
