#include "transport.h"

#include <mpi.h>
#include <signal.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TAG = 7, CLOSE_SECONDS = 5 };

/* --- what a rank says to itself --- */

struct letter {
    struct letter *next;
    struct message message;
};

struct mailbox {
    struct letter *first, *last;
};

static int post(struct mailbox *box, const struct message *message, struct error *err)
{
    struct letter *letter = malloc(sizeof *letter);
    if (!letter)
        return fail(err, E_ENVIRONMENT, "not enough memory for a message");
    letter->next = NULL;
    letter->message = *message;
    *(box->last ? &box->last->next : &box->first) = letter;
    box->last = letter;
    return 0;
}

static bool take(struct mailbox *box, struct message *message)
{
    struct letter *letter = box->first;
    if (!letter)
        return false;
    box->first = letter->next;
    if (!box->first)
        box->last = NULL;
    *message = letter->message;
    free(letter);
    return true;
}

/* --- sends under way --- */

struct dispatch {
    struct dispatch *next;
    MPI_Request request;
    struct message message;
};

/* Those to a rank that is gone may stay for ever. */
struct outbox {
    struct dispatch *first;
};

static void collect_sent(struct outbox *outbox)
{
    for (struct dispatch **at = &outbox->first; *at;) {
        struct dispatch *dispatch = *at;
        int complete = 0;
        MPI_Test(&dispatch->request, &complete, MPI_STATUS_IGNORE);
        if (!complete) {
            at = &dispatch->next;
            continue;
        }
        *at = dispatch->next;
        free(dispatch);
    }
}

static int send_over_mpi(struct outbox *outbox, int to, const struct message *message,
                         struct error *err)
{
    struct dispatch *dispatch = malloc(sizeof *dispatch);
    if (!dispatch)
        return fail(err, E_ENVIRONMENT, "not enough memory for a message");
    dispatch->message = *message;
    MPI_Isend(&dispatch->message, (int)message_bytes(message), MPI_BYTE, to, TAG, MPI_COMM_WORLD,
              &dispatch->request);
    dispatch->next = outbox->first;
    outbox->first = dispatch;
    collect_sent(outbox);
    return 0;
}

/* --- life --- */

/* Slurm's variables are there without MPI, too: only with PMIx is this a rank. */
bool transport_is_rank(void) { return getenv("OMPI_COMM_WORLD_SIZE") || getenv("PMIX_RANK"); }

static int open_mpi(struct transport *transport, struct error *err)
{
    int provided;
    if (MPI_Init_thread(NULL, NULL, MPI_THREAD_FUNNELED, &provided) != MPI_SUCCESS)
        return fail(err, E_ENVIRONMENT, "MPI does not start");
    MPI_Comm_set_errhandler(MPI_COMM_WORLD, MPI_ERRORS_RETURN);
    MPI_Comm_rank(MPI_COMM_WORLD, &transport->rank);
    MPI_Comm_size(MPI_COMM_WORLD, &transport->size);
    transport->mpi = true;
    return 0;
}

int transport_open(struct transport *transport, struct error *err)
{
    *transport = (struct transport){.rank = 0, .size = 1};
    transport->own = calloc(1, sizeof *transport->own);
    transport->sent = calloc(1, sizeof *transport->sent);
    if (!transport->own || !transport->sent)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    return transport_is_rank() ? open_mpi(transport, err) : 0;
}

int transport_send(struct transport *transport, int to, const struct message *message,
                   struct error *err)
{
    if (to == transport->rank)
        return post(transport->own, message, err);
    return send_over_mpi(transport->sent, to, message, err);
}

/* What is longer than a message has to be taken all the same: whatever comes after it waits. */
static void take_bytes(int from, int bytes, struct message *message)
{
    bool fits = bytes >= (int)offsetof(struct message, text) && bytes <= (int)sizeof *message;
    void *room = fits ? message : malloc((size_t)(bytes > 0 ? bytes : 1));
    if (room)
        MPI_Recv(room, bytes > 0 ? bytes : 0, MPI_BYTE, from, TAG, MPI_COMM_WORLD,
                 MPI_STATUS_IGNORE);
    if (!fits)
        free(room);
    if (!fits || (size_t)bytes != message_bytes(message))
        *message = message_new((enum message_kind)0);
}

static bool receive_over_mpi(struct transport *transport, int *from, struct message *message)
{
    MPI_Status status;
    int there = 0, bytes = 0;
    collect_sent(transport->sent);
    MPI_Iprobe(MPI_ANY_SOURCE, TAG, MPI_COMM_WORLD, &there, &status);
    if (!there)
        return false;
    MPI_Get_count(&status, MPI_BYTE, &bytes);
    *from = status.MPI_SOURCE;
    take_bytes(status.MPI_SOURCE, bytes, message);
    return true;
}

bool transport_receive(struct transport *transport, int *from, struct message *message)
{
    *from = transport->rank;
    return take(transport->own, message) ||
           (transport->mpi && receive_over_mpi(transport, from, message));
}

static volatile sig_atomic_t closing_code;

static void give_up_closing(int number)
{
    (void)number;
    _exit(closing_code);
}

void transport_close(struct transport *transport, bool complete, int code)
{
    struct message message;
    while (transport->own && take(transport->own, &message))
        ;
    if (transport->mpi && complete) {
        closing_code = code;
        signal(SIGALRM, give_up_closing);
        alarm(CLOSE_SECONDS);
        MPI_Finalize();
        alarm(0);
    }
    free(transport->own);
    free(transport->sent);
    transport->own = NULL;
    transport->sent = NULL;
}
