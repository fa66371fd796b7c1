/* A rank that answers as an agent does, then sends its coordinator so many bytes of nonsense and
 * waits until it is told to leave: nonsense_rank BYTES. */
#include "protocol.h"

#include <mpi.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { TAG = 7, BYTES_MOST = 1 << 20 };

static void wait_for(enum message_kind kind)
{
    struct message message = {0};
    while (message.kind != kind)
        MPI_Recv(&message, sizeof message, MPI_BYTE, 0, TAG, MPI_COMM_WORLD, MPI_STATUS_IGNORE);
}

static void introduce(void)
{
    struct message hello = message_new(MESSAGE_HELLO);
    strcpy(hello.hello.host, "elsewhere");
    strcpy(hello.hello.mask, "1");
    hello.hello.bytes = (uint64_t)1 << 40;
    message_say(&hello, "");
    MPI_Send(&hello, (int)message_bytes(&hello), MPI_BYTE, 0, TAG, MPI_COMM_WORLD);
}

int main(int argc, char **argv)
{
    static char nonsense[BYTES_MOST];
    int bytes = argc > 1 ? atoi(argv[1]) : 0;
    memset(nonsense, 'x', sizeof nonsense);
    MPI_Init(NULL, NULL);
    wait_for(MESSAGE_HAIL);
    introduce();
    MPI_Send(nonsense, bytes, MPI_BYTE, 0, TAG, MPI_COMM_WORLD);
    wait_for(MESSAGE_LEAVE);
    _exit(0);
}
