/* Private to mpi/: rank 0 while it does what takes time and is not the batch itself. */
#ifndef ATELIER_MEANWHILE_H
#define ATELIER_MEANWHILE_H

#include "transport.h"

/* Tells agents that have spoken that they were heard: they would take silence for death. */
void meanwhile_answer(struct transport *transport);

#endif
