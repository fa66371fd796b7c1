/* Every rank but the coordinator's. */
#include "conduct.h"

#include "clock.h"
#include <unistd.h>

/* s; see where it is used. */
static const double linger_s = 0.7;

int serve(struct transport *transport, const struct agent_settings *settings,
          const struct conduct_hooks *hooks, bool *complete, struct error *err)
{
    int status = 0, from;
    bool told = false;
    struct agent agent;
    struct message message;
    *complete = false;
    TRY(agent_init(&agent, settings, transport, clock_seconds(), err));
    while (!agent.finished) {
        double now = clock_seconds();
        bool busy = false, received = false;
        told = hooks->urge(hooks->context) == URGE_HURRY;
        if (told)
            agent_quit(&agent, now, "it was told to end");
        while (transport_receive(transport, &from, &message)) {
            received = true;
            *complete |= message.kind == MESSAGE_LEAVE && message.lease == 1;
            TRY(agent_hear(&agent, now, &message, err));
        }
        TRY(agent_step(&agent, now, &busy, err));
        agent_wait(&agent, busy || received);
    }
    if (told) /* when the first ranks go, mpirun kills the others, rank 0 with its verdict */
        usleep((useconds_t)(linger_s * 1e6));
done:
    *complete = *complete && !agent.reason[0];
    agent_release(&agent);
    return status;
}
