/* Messages between ranks: over MPI, or within one process that is alone. Nothing here waits. */
#ifndef ATELIER_TRANSPORT_H
#define ATELIER_TRANSPORT_H

#include "error.h"
#include "protocol.h"

struct transport {
    int rank, size;
    struct mailbox *own; /* what this rank says to itself */
    struct outbox *sent; /* MPI: sends under way */
    bool mpi;
};

/* Whether an mpirun or srun has started this process as one of its ranks. */
bool transport_is_rank(void);

/* Takes this process's rank where there is one, else it is rank 0 of 1.
 * Errors: E_ENVIRONMENT. */
int transport_open(struct transport *transport, struct error *err);

/* Sends a copy. A rank that is gone swallows it. Errors: E_ENVIRONMENT: memory. */
int transport_send(struct transport *transport, int to, const struct message *message,
                   struct error *err);

/* The next message, if one is there. What is not as long as it says is given as a message of kind
 * 0; whether it means something is the receiver's to ask (message_valid). */
bool transport_receive(struct transport *transport, int *from, struct message *message);

/* Ends MPI. complete: every rank does the same now; otherwise some may be gone, no collective call
 * is made, and the process must end by _exit. A rank that died unnoticed makes the collective end
 * hang: after a few seconds the process ends itself with exit code `code`. */
void transport_close(struct transport *transport, bool complete, int code);

#endif
