#include "meanwhile.h"

#include "conduct.h"
#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

struct errand {
    int (*work)(void *context);
    void *context;
    int status;
    atomic_bool over;
};

static void *run_errand(void *argument)
{
    struct errand *errand = argument;
    errand->status = errand->work(errand->context);
    atomic_store(&errand->over, true);
    return NULL;
}

void meanwhile_answer(struct transport *transport)
{
    struct message message, pulse = message_new(MESSAGE_PULSE);
    int from;
    while (transport_receive(transport, &from, &message))
        if (message.kind == MESSAGE_STATUS) {
            pulse.stamp = message.stamp;
            transport_send(transport, from, &pulse, NULL);
        }
}

int conduct_meanwhile(struct transport *transport, int (*work)(void *context), void *context,
                      struct error *err)
{
    struct errand errand = {.work = work, .context = context};
    pthread_t thread;
    if (transport->size == 1)
        return work(context);
    if (pthread_create(&thread, NULL, run_errand, &errand) != 0)
        return fail(err, E_ENVIRONMENT, "cannot start a thread");
    while (!atomic_load(&errand.over)) {
        meanwhile_answer(transport);
        usleep(2000);
    }
    pthread_join(thread, NULL);
    return errand.status;
}

void conduct_dismiss(struct transport *transport)
{
    struct message leave = message_new(MESSAGE_LEAVE);
    leave.lease = 1;
    for (int i = 1; i < transport->size; i++)
        transport_send(transport, i, &leave, NULL);
}
