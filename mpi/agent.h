/* An agent: renders one job at a time in a child process, on the word of the coordinator, and only
 * while the coordinator is heard.
 *
 * Life: agent_init, agent_step again and again, agent_wait between, until `finished`; then
 * agent_release. One thread; SIGPIPE must be ignored. */
#ifndef ATELIER_AGENT_H
#define ATELIER_AGENT_H

#include "child.h"
#include "failure.h"
#include "store.h"
#include "transport.h"

/* s, all derived from heartbeat and lost_after. */
struct agent_settings {
    double heartbeat; /* between two words to the coordinator */
    double silence;   /* without a pulse until it kills its child and leaves: 2/3 of lost_after */
    double stale;     /* age of a pulse that is not passed on any more: 1/4 of lost_after */
    double grace;     /* between asking a child to end and killing it */
    uint64_t job_memory; /* 0: no limit */
    const char *version;
};

/* Why the child was told to end: it decides what its end means. */
enum agent_order { ORDER_NONE, ORDER_INTERRUPT, ORDER_TIMEOUT, ORDER_MEMORY, ORDER_SILENCE };

struct agent {
    struct agent_settings settings;
    struct transport *transport;
    struct store store; /* folder NULL until the coordinator was heard */
    char host[HOST_TEXT];

    double last_step, last_status, last_sample;
    double heard; /* when was said what the coordinator has answered last */
    double pause; /* of the next agent_wait, s */

    struct child child;
    uint64_t lease; /* 0: idle */
    char id[JOB_ID_TEXT];
    double started, ordered;
    double timeout, stuck; /* of the job, s: in all, without a new row; 0: none */
    double moved;          /* when its last row came, or it started */
    bool killed;
    enum agent_order order;
    uint64_t kills_before, room_before; /* host's memory kills; free memory at the start */
    int64_t evaluation;
    double total;
    char last_words[CHILD_LINE];

    char *command; /* words of the next job, each with its final 0, while parts arrive */
    size_t command_bytes;

    bool leaving; /* no new job; finished when the child has ended */
    bool finished;
    char reason[128]; /* why it left, if the coordinator did not say so */
};

int agent_init(struct agent *agent, const struct agent_settings *settings,
               struct transport *transport, double now, struct error *err);
void agent_release(struct agent *agent);

/* A message from the coordinator (transport_receive); one that is none makes the agent leave. */
int agent_hear(struct agent *agent, double now, const struct message *message, struct error *err);

/* Looks after the child and the time. *busy: something happened. */
int agent_step(struct agent *agent, double now, bool *busy, struct error *err);

/* The process was told to end: the child is asked to keep its state, then the agent leaves. */
void agent_quit(struct agent *agent, double now, const char *reason);

/* Sleeps until the child ends or writes, or a little while, the longer the less happens. */
void agent_wait(struct agent *agent, bool busy);

#endif
