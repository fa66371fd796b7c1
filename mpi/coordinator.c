#include "coordinator.h"

#include "trouble.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum job_state {
    JOB_SKIPPED,
    JOB_WAITING,  /* in the queue */
    JOB_RETRYING, /* in the list of the host where it failed last */
    JOB_ALONE,    /* in the list of those that need a host for themselves */
    JOB_RUNNING,
    JOB_CONFIRMING,
    JOB_DONE,
    JOB_FAILED
};

/* A crash that only an interruption imitates would go on for ever. */
enum { INTERRUPTIONS_MAX = 10 };

struct list {
    ptrdiff_t first, last;
};
static const struct list list_empty = {JOB_NONE, JOB_NONE};

struct scheduled {
    enum job_state state;
    int attempts;                       /* started, without interrupted ones */
    int crashes, floods, interruptions; /* ends by crash or loss; out of memory; interrupted */
    int troubles;                       /* ends by trouble of agents that were well */
    int agent;                          /* the last one */
    double since;                       /* that it waits for a retry or a confirmation */
    ptrdiff_t next;                     /* in its list */
    bool told;                          /* news: on the list of what is still to be told */
    enum decision_kind news;
    enum job_end end;
    ptrdiff_t next_told;
};

struct host {
    char name[HOST_TEXT];
    uint64_t bytes, reserved;
    int agents, running; /* alive; jobs */
    bool taken;          /* by a job that runs alone */
    struct list retries; /* jobs that failed here last */
    struct trouble trouble;
};

struct agent {
    bool known, alive;
    int host, slot; /* slot: which of the host's agents */
    double heard;
    uint64_t lease; /* 0: idle */
    size_t job;
    struct trouble trouble;
    bool proven;                 /* it has done a job */
    bool blocked;                /* it gets none any more */
    bool interrupt, block, lost; /* still to be told */
};

struct coordinator {
    struct coordinator_settings settings;
    struct job_queue queue;
    const struct job_cost *costs; /* owned copy */
    struct scheduled *jobs;
    struct host *hosts;
    int host_count;
    struct agent *agents;
    int agent_room;
    int *idle; /* a stack of agents, may hold ones that are gone */
    int idle_count;
    bool idle_sorted;
    uint64_t leases;
    struct list alone, confirming, told;
    size_t late; /* jobs that wait, but for another batch: too long for the time that is left */
    size_t retrying;
    int agents_to_tell;
    int blocked;      /* of the agents that are alive */
    double last_done; /* when a job was done last, anywhere */
    bool held;
    enum stop_reason stop;
    bool settled; /* nothing can be started until something happens, or until the next tick */
    struct coordinator_counts counts;
};

/* --- lists through scheduled.next --- */

static void append(struct coordinator *c, struct list *list, size_t job)
{
    c->jobs[job].next = JOB_NONE;
    if (list->last == JOB_NONE)
        list->first = (ptrdiff_t)job;
    else
        c->jobs[list->last].next = (ptrdiff_t)job;
    list->last = (ptrdiff_t)job;
}

static size_t pop(struct coordinator *c, struct list *list)
{
    size_t job = (size_t)list->first;
    list->first = c->jobs[job].next;
    if (list->first == JOB_NONE)
        list->last = JOB_NONE;
    return job;
}

/* --- life --- */

static int allocate(struct coordinator *c, const struct job_cost *costs, size_t count,
                    struct error *err)
{
    struct job_cost *copy = malloc((count + 1) * sizeof *copy);
    c->costs = copy;
    c->jobs = calloc(count + 1, sizeof *c->jobs);
    if (!copy || !c->jobs)
        return fail(err, E_ENVIRONMENT, "not enough memory for %zu jobs", count);
    memcpy(copy, costs, count * sizeof *copy);
    return job_queue_init(&c->queue, costs, count, err);
}

int coordinator_new(const struct coordinator_settings *settings, const struct job_cost *costs,
                    const bool *skip, size_t count, struct coordinator **out, struct error *err)
{
    int status = 0;
    struct coordinator *c = calloc(1, sizeof *c);
    if (!c)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    c->settings = *settings;
    c->last_done = -INFINITY;
    c->alone = c->confirming = c->told = list_empty;
    TRY(allocate(c, costs, count, err));
    for (size_t i = 0; i < count; i++) {
        c->jobs[i] = (struct scheduled){.agent = -1, .next = JOB_NONE, .next_told = JOB_NONE};
        if (skip && skip[i])
            continue;
        c->jobs[i].state = JOB_WAITING;
        job_queue_put(&c->queue, i);
        c->counts.jobs++;
        c->counts.waiting++;
    }
    *out = c;
    return 0;
done:
    coordinator_free(c);
    return status;
}

void coordinator_free(struct coordinator *c)
{
    if (!c)
        return;
    job_queue_release(&c->queue);
    free((void *)(uintptr_t)c->costs);
    free(c->jobs);
    free(c->hosts);
    free(c->agents);
    free(c->idle);
    free(c);
}

/* --- news --- */

static void tell(struct coordinator *c, size_t job, enum decision_kind news, enum job_end end)
{
    struct scheduled *j = &c->jobs[job];
    assert(!j->told);
    j->told = true;
    j->news = news;
    j->end = end;
    j->next_told = JOB_NONE;
    if (c->told.last == JOB_NONE)
        c->told.first = (ptrdiff_t)job;
    else
        c->jobs[c->told.last].next_told = (ptrdiff_t)job;
    c->told.last = (ptrdiff_t)job;
}

static bool take_news(struct coordinator *c, struct decision *out)
{
    if (c->told.first == JOB_NONE)
        return false;
    size_t job = (size_t)c->told.first;
    struct scheduled *j = &c->jobs[job];
    c->told.first = j->next_told;
    if (c->told.first == JOB_NONE)
        c->told.last = JOB_NONE;
    j->told = false;
    *out = (struct decision){
        .kind = j->news, .job = job, .agent = j->agent, .attempt = j->attempts, .end = j->end};
    return true;
}

static void mark(struct coordinator *c, bool *flag)
{
    c->agents_to_tell += !*flag;
    *flag = true;
}

/* What is to be told of an agent first. NULL: nothing. */
static bool *first_mark(struct agent *a, enum decision_kind *kind)
{
    *kind = a->lost ? DECIDE_LOST : a->block ? DECIDE_BLOCKED : DECIDE_INTERRUPT;
    return a->lost ? &a->lost : a->block ? &a->block : a->interrupt ? &a->interrupt : NULL;
}

static bool take_agent_news(struct coordinator *c, struct decision *out)
{
    for (int i = 0; c->agents_to_tell > 0 && i < c->agent_room; i++) {
        struct agent *a = &c->agents[i];
        enum decision_kind kind;
        bool *told = first_mark(a, &kind);
        if (!told)
            continue;
        *out = (struct decision){.kind = kind, .agent = i, .job = a->job, .lease = a->lease};
        *told = false;
        c->agents_to_tell--;
        return true;
    }
    return false;
}

/* --- stopping --- */

static void unmark_interrupt(struct coordinator *c, struct agent *a)
{
    c->agents_to_tell -= a->interrupt;
    a->interrupt = false;
}

static void interrupt_all(struct coordinator *c)
{
    for (int i = 0; i < c->agent_room; i++)
        if (c->agents[i].alive && c->agents[i].lease)
            mark(c, &c->agents[i].interrupt);
}

void coordinator_hold(struct coordinator *c, bool held)
{
    if (held && !c->held && c->stop == STOP_NOT)
        interrupt_all(c);
    c->held = held;
    c->settled = false;
}

void coordinator_stop(struct coordinator *c, enum stop_reason reason)
{
    if (reason == STOP_NOT || (c->stop != STOP_NOT && c->stop != STOP_FAILURES))
        return;
    if (c->stop == STOP_FAILURES && reason == STOP_FAILURES)
        return;
    c->stop = reason;
    if (reason != STOP_FAILURES)
        interrupt_all(c);
}

enum stop_reason coordinator_stop_reason(const struct coordinator *c) { return c->stop; }

/* --- ends --- */

static void finish(struct coordinator *c, double now, size_t job)
{
    struct agent *a = &c->agents[c->jobs[job].agent];
    c->jobs[job].state = JOB_DONE;
    c->counts.done++;
    c->last_done = now;
    a->proven = true;
    a->trouble = c->hosts[a->host].trouble = (struct trouble){0};
    tell(c, job, DECIDE_DONE, JOB_END_DONE);
}

static void give_up(struct coordinator *c, size_t job, enum job_end end)
{
    c->jobs[job].state = JOB_FAILED;
    c->counts.failed++;
    tell(c, job, DECIDE_FAILED, end);
    if (c->settings.max_failures > 0 && c->counts.failed >= (size_t)c->settings.max_failures)
        coordinator_stop(c, STOP_FAILURES);
}

/* Puts it where it waits for its next attempt: what once ran out of memory stays alone, what failed
 * on a host keeps away from it, if it can. */
static void wait_again(struct coordinator *c, double now, size_t job, bool elsewhere)
{
    struct scheduled *j = &c->jobs[job];
    c->counts.waiting++;
    c->settled = false;
    j->since = now;
    if (j->floods > 0) {
        j->state = JOB_ALONE;
        append(c, &c->alone, job);
    } else if (elsewhere) {
        j->state = JOB_RETRYING;
        append(c, &c->hosts[c->agents[j->agent].host].retries, job);
        c->retrying++;
    } else {
        j->state = JOB_WAITING;
        job_queue_put(&c->queue, job);
    }
}

static void try_elsewhere(struct coordinator *c, double now, size_t job, enum job_end end)
{
    if (++c->jobs[job].crashes >= c->settings.attempts) {
        give_up(c, job, end);
        return;
    }
    wait_again(c, now, job, true);
    tell(c, job, DECIDE_RETRY, end);
}

static void block(struct coordinator *c, struct agent *a)
{
    if (a->blocked)
        return;
    a->blocked = true;
    c->blocked++;
    mark(c, &a->block);
}

/* It is the job's own trouble only where one fails with it that was well before. */
static void try_where_all_is_well(struct coordinator *c, double now, size_t job)
{
    struct scheduled *j = &c->jobs[job];
    struct agent *a = &c->agents[j->agent];
    j->troubles += a->proven && a->trouble.count == 0;
    trouble_grows(&c->hosts[a->host].trouble, now, c->settings.patience);
    if (trouble_grows(&a->trouble, now, c->settings.patience))
        block(c, a);
    if (j->troubles >= c->settings.attempts) {
        give_up(c, job, JOB_END_ENVIRONMENT);
        return;
    }
    wait_again(c, now, job, true);
    tell(c, job, DECIDE_RETRY, JOB_END_ENVIRONMENT);
}

static void try_alone(struct coordinator *c, double now, size_t job)
{
    if (c->jobs[job].floods++ > 0) {
        give_up(c, job, JOB_END_OUT_OF_MEMORY);
        return;
    }
    wait_again(c, now, job, false);
    tell(c, job, DECIDE_RETRY, JOB_END_OUT_OF_MEMORY);
}

static void put_back(struct coordinator *c, double now, size_t job)
{
    struct scheduled *j = &c->jobs[job];
    if (c->stop == STOP_NOT && !c->held && ++j->interruptions > INTERRUPTIONS_MAX) {
        try_elsewhere(c, now, job, JOB_END_CRASHED);
        return;
    }
    j->attempts--;
    wait_again(c, now, job, false);
    tell(c, job, DECIDE_RETRY, JOB_END_INTERRUPTED);
}

/* Frees the agent and its host's memory. */
static void release_lease(struct coordinator *c, struct agent *a)
{
    struct host *host = &c->hosts[a->host];
    host->running--;
    host->reserved -= c->costs[a->job].bytes;
    if (host->running == 0)
        host->taken = false;
    unmark_interrupt(c, a);
    a->lease = 0;
    c->counts.running--;
    c->settled = false;
}

static void settle_end(struct coordinator *c, double now, size_t job, enum job_end end)
{
    if (c->settings.is_done(c->settings.context, job)) {
        finish(c, now, job);
        return;
    }
    switch (end) {
    case JOB_END_DONE:
        c->jobs[job].state = JOB_CONFIRMING;
        c->jobs[job].since = now;
        append(c, &c->confirming, job);
        return;
    case JOB_END_CRASHED:
    case JOB_END_LOST:
        try_elsewhere(c, now, job, end);
        return;
    case JOB_END_OUT_OF_MEMORY:
        try_alone(c, now, job);
        return;
    case JOB_END_INTERRUPTED:
        put_back(c, now, job);
        return;
    case JOB_END_ENVIRONMENT:
        try_where_all_is_well(c, now, job);
        return;
    default:
        give_up(c, job, end);
    }
}

static bool known(const struct coordinator *c, int agent)
{
    return agent >= 0 && agent < c->agent_room && c->agents[agent].known;
}

bool coordinator_agent_alive(const struct coordinator *c, int agent)
{
    return known(c, agent) && c->agents[agent].alive;
}

bool coordinator_job_ended(struct coordinator *c, double now, int agent, uint64_t lease,
                           enum job_end end)
{
    if (!coordinator_agent_alive(c, agent) || lease == 0 || c->agents[agent].lease != lease)
        return false;
    struct agent *a = &c->agents[agent];
    a->heard = now;
    release_lease(c, a);
    c->idle[c->idle_count++] = agent;
    settle_end(c, now, a->job, end);
    return true;
}

/* --- agents --- */

static int find_host(struct coordinator *c, const char *name, struct error *err)
{
    for (int i = 0; i < c->host_count; i++)
        if (strncmp(c->hosts[i].name, name, HOST_TEXT - 1) == 0)
            return i;
    struct host *hosts = realloc(c->hosts, (size_t)(c->host_count + 1) * sizeof *hosts);
    if (!hosts) {
        fail(err, E_ENVIRONMENT, "not enough memory for another host");
        return -1;
    }
    c->hosts = hosts;
    hosts[c->host_count] = (struct host){.bytes = UINT64_MAX, .retries = list_empty};
    strncpy(hosts[c->host_count].name, name, HOST_TEXT - 1);
    return c->host_count++;
}

static int make_room(struct coordinator *c, int agent, struct error *err)
{
    if (agent < c->agent_room)
        return 0;
    int room = 2 * agent + 8;
    struct agent *agents = realloc(c->agents, (size_t)room * sizeof *agents);
    if (agents) {
        memset(agents + c->agent_room, 0, (size_t)(room - c->agent_room) * sizeof *agents);
        c->agents = agents;
        c->agent_room = room;
    }
    int *idle = realloc(c->idle, (size_t)room * sizeof *idle);
    if (idle)
        c->idle = idle;
    return agents && idle ? 0 : fail(err, E_ENVIRONMENT, "not enough memory for another agent");
}

int coordinator_agent_joined(struct coordinator *c, double now, int agent, const char *host,
                             uint64_t bytes, struct error *err)
{
    int status = make_room(c, agent, err);
    int at = status == 0 ? find_host(c, host, err) : -1;
    if (at < 0)
        return E_ENVIRONMENT;
    assert(!c->agents[agent].known);
    struct host *h = &c->hosts[at];
    c->agents[agent] =
        (struct agent){.known = true, .alive = true, .host = at, .slot = h->agents, .heard = now};
    h->agents++;
    h->bytes = bytes < h->bytes ? bytes : h->bytes;
    c->counts.agents++;
    c->idle[c->idle_count++] = agent;
    c->idle_sorted = false;
    c->settled = false;
    return 0;
}

void coordinator_agent_heard(struct coordinator *c, double now, int agent)
{
    if (coordinator_agent_alive(c, agent))
        c->agents[agent].heard = now;
}

void coordinator_was_deaf(struct coordinator *c, double now)
{
    for (int i = 0; i < c->agent_room; i++)
        coordinator_agent_heard(c, now, i);
}

static void remove_idle(struct coordinator *c, int agent)
{
    int kept = 0;
    for (int i = 0; i < c->idle_count; i++)
        if (c->idle[i] != agent)
            c->idle[kept++] = c->idle[i];
    c->idle_count = kept;
}

static void part(struct coordinator *c, double now, int agent, enum job_end end)
{
    struct agent *a = &c->agents[agent];
    bool busy = a->lease != 0;
    a->alive = false;
    c->blocked -= a->blocked;
    c->hosts[a->host].agents--;
    c->counts.agents--;
    c->settled = false;
    if (busy) {
        release_lease(c, a);
        settle_end(c, now, a->job, end);
    } else {
        remove_idle(c, agent);
    }
}

void coordinator_agent_left(struct coordinator *c, double now, int agent)
{
    if (coordinator_agent_alive(c, agent))
        part(c, now, agent, JOB_END_INTERRUPTED);
}

void coordinator_agent_lost(struct coordinator *c, double now, int agent)
{
    if (!coordinator_agent_alive(c, agent))
        return;
    part(c, now, agent, JOB_END_LOST);
    mark(c, &c->agents[agent].lost);
}

/* --- time --- */

static void confirm(struct coordinator *c, double now)
{
    struct list open = c->confirming;
    c->confirming = list_empty;
    while (open.first != JOB_NONE) {
        size_t job = pop(c, &open);
        if (c->settings.is_done(c->settings.context, job))
            finish(c, now, job);
        else if (now - c->jobs[job].since > c->settings.lost_after)
            try_elsewhere(c, now, job, JOB_END_CRASHED);
        else
            append(c, &c->confirming, job);
    }
}

void coordinator_tick(struct coordinator *c, double now)
{
    for (int i = 0; i < c->agent_room; i++)
        if (c->agents[i].alive && now - c->agents[i].heard > c->settings.lost_after)
            coordinator_agent_lost(c, now, i);
    confirm(c, now);
    if (now >= c->settings.deadline)
        coordinator_stop(c, STOP_DEADLINE);
    c->settled = false;
}

/* --- choosing --- */

/* Whether a job that failed on this host last may be started on it again: there is no other host,
 * or none has taken it for a while, or none will. */
static bool may_return(const struct coordinator *c, double now, const struct host *host, size_t job)
{
    return (int)c->counts.agents == host->agents || c->counts.running == 0 ||
           now - c->jobs[job].since > c->settings.lost_after / 2;
}

/* The list whose head is the longest job that may be retried on this host. */
static struct list *choose_retry(struct coordinator *c, double now, const struct host *host,
                                 uint64_t room)
{
    struct list *best = NULL;
    for (int i = 0; c->retrying > 0 && i < c->host_count; i++) {
        struct list *list = &c->hosts[i].retries;
        if (list->first == JOB_NONE)
            continue;
        size_t job = (size_t)list->first;
        if (c->costs[job].bytes > room || (&c->hosts[i] == host && !may_return(c, now, host, job)))
            continue;
        if (!best || c->costs[job].seconds > c->costs[best->first].seconds)
            best = list;
    }
    return best;
}

/* A job that needs the host for itself has to wait until nothing else wants it. */
static bool alone_now(const struct coordinator *c, const struct host *host, bool others)
{
    return c->alone.first != JOB_NONE && host->running == 0 && (!others || host->agents == 1);
}

static bool is_late(const struct coordinator *c, double now, size_t job)
{
    return now + c->costs[job].first_state > c->settings.deadline;
}

/* The longest fresh job that fits and is in time; what is late once is late for ever. */
static ptrdiff_t longest_in_time(struct coordinator *c, double now, uint64_t room)
{
    ptrdiff_t job;
    while ((job = job_queue_longest(&c->queue, room)) != JOB_NONE && is_late(c, now, (size_t)job)) {
        job_queue_take(&c->queue, (size_t)job);
        c->late++;
    }
    return job;
}

/* With nothing running and nothing else waiting, late jobs are all there is. */
static void stop_when_late(struct coordinator *c)
{
    if (c->late > 0 && c->late == c->counts.waiting && c->counts.running == 0)
        coordinator_stop(c, STOP_DEADLINE);
}

/* Takes the job to start on this host from where it waits; JOB_NONE: none. */
static ptrdiff_t choose(struct coordinator *c, double now, struct host *host)
{
    if (host->taken)
        return JOB_NONE;
    uint64_t room = host->bytes > host->reserved ? host->bytes - host->reserved : 0;
    ptrdiff_t fresh = longest_in_time(c, now, room);
    struct list *retry = choose_retry(c, now, host, room);
    if (alone_now(c, host, fresh != JOB_NONE || retry)) {
        host->taken = true;
        return (ptrdiff_t)pop(c, &c->alone);
    }
    if (retry && (fresh == JOB_NONE || c->costs[retry->first].seconds >= c->costs[fresh].seconds)) {
        c->retrying--;
        return (ptrdiff_t)pop(c, retry);
    }
    if (fresh != JOB_NONE)
        job_queue_take(&c->queue, (size_t)fresh);
    return fresh;
}

static void start(struct coordinator *c, int agent, size_t job, struct decision *out)
{
    struct agent *a = &c->agents[agent];
    struct host *host = &c->hosts[a->host];
    struct scheduled *j = &c->jobs[job];
    a->lease = ++c->leases;
    a->job = job;
    host->running++;
    host->reserved += c->costs[job].bytes;
    j->state = JOB_RUNNING;
    j->agent = agent;
    j->attempts++;
    c->counts.running++;
    c->counts.waiting--;
    *out = (struct decision){.kind = DECIDE_START,
                             .job = job,
                             .agent = agent,
                             .lease = a->lease,
                             .attempt = j->attempts,
                             .alone = host->taken};
}

/* An agent that could go on, but for its trouble. */
static bool is_resting(const struct agent *a, double now)
{
    return a->alive && !a->blocked && now < a->trouble.rests;
}

static bool may_serve(struct coordinator *c, double now, struct agent *a)
{
    if (!a->blocked && (trouble_is_its_own(&a->trouble, c->last_done) ||
                        trouble_is_its_own(&c->hosts[a->host].trouble, c->last_done)))
        block(c, a);
    return !a->blocked && !is_resting(a, now);
}

static bool anyone_rests(const struct coordinator *c, double now)
{
    for (int i = 0; i < c->idle_count; i++)
        if (is_resting(&c->agents[c->idle[i]], now))
            return true;
    return false;
}

/* Nothing runs or will ever be started: at best what waits fits on the blocked ones alone. */
static void stop_when_blocked(struct coordinator *c)
{
    if (c->blocked > 0 && c->counts.running == 0 && c->confirming.first == JOB_NONE)
        coordinator_stop(c, STOP_ENVIRONMENT);
}

/* With nothing running anywhere, what fits on no host never will. */
static bool give_up_on_giants(struct coordinator *c)
{
    if (c->counts.running > 0 || c->counts.agents == 0 || c->counts.waiting == c->late ||
        c->stop != STOP_NOT)
        return false;
    for (ptrdiff_t job; (job = job_queue_longest(&c->queue, UINT64_MAX)) != JOB_NONE;) {
        job_queue_take(&c->queue, (size_t)job);
        c->counts.waiting--;
        give_up(c, (size_t)job, JOB_END_OUT_OF_MEMORY);
    }
    for (int i = 0; i < c->host_count; i++)
        while (c->hosts[i].retries.first != JOB_NONE) {
            size_t job = pop(c, &c->hosts[i].retries);
            c->retrying--;
            c->counts.waiting--;
            give_up(c, job, JOB_END_OUT_OF_MEMORY);
        }
    return true;
}

/* First one agent of each host, then the second of each: few jobs spread over many hosts. */
static const struct agent *sorted_agents;
static int by_slot(const void *a, const void *b)
{
    const struct agent *x = &sorted_agents[*(const int *)a], *y = &sorted_agents[*(const int *)b];
    if (x->slot != y->slot)
        return x->slot < y->slot ? -1 : 1;
    return x->host < y->host ? -1 : x->host > y->host;
}

static bool decide_start(struct coordinator *c, double now, struct decision *out)
{
    if (c->settled || c->held || c->stop != STOP_NOT || c->counts.waiting == 0)
        return false;
    if (!c->idle_sorted && c->idle_count > 0) {
        sorted_agents = c->agents;
        qsort(c->idle, (size_t)c->idle_count, sizeof *c->idle, by_slot);
        c->idle_sorted = true;
    }
    for (int i = 0; i < c->idle_count; i++) {
        int agent = c->idle[i];
        ptrdiff_t job = may_serve(c, now, &c->agents[agent])
                            ? choose(c, now, &c->hosts[c->agents[agent].host])
                            : JOB_NONE;
        if (job == JOB_NONE)
            continue;
        memmove(c->idle + i, c->idle + i + 1, (size_t)(--c->idle_count - i) * sizeof *c->idle);
        start(c, agent, (size_t)job, out);
        return true;
    }
    c->settled = true;
    if (anyone_rests(c, now))
        return take_agent_news(c, out);
    stop_when_late(c);
    stop_when_blocked(c);
    return give_up_on_giants(c) ? take_news(c, out) : take_agent_news(c, out);
}

bool coordinator_decide(struct coordinator *c, double now, struct decision *out)
{
    return take_agent_news(c, out) || take_news(c, out) || decide_start(c, now, out);
}

/* --- how it stands --- */

struct coordinator_counts coordinator_counts(const struct coordinator *c) { return c->counts; }

bool coordinator_running(const struct coordinator *c, int agent, size_t *job, uint64_t *lease,
                         int *attempt)
{
    if (!coordinator_agent_alive(c, agent) || c->agents[agent].lease == 0)
        return false;
    *job = c->agents[agent].job;
    *lease = c->agents[agent].lease;
    *attempt = c->jobs[*job].attempts;
    return true;
}

bool coordinator_finished(const struct coordinator *c)
{
    if (c->counts.running > 0 || c->confirming.first != JOB_NONE || c->told.first != JOB_NONE)
        return false;
    return c->counts.waiting == 0 || c->stop != STOP_NOT || c->counts.agents == 0;
}

int coordinator_verdict(const struct coordinator *c)
{
    if (c->stop == STOP_ENVIRONMENT)
        return E_ENVIRONMENT;
    if (c->counts.done + c->counts.failed < c->counts.jobs)
        return c->stop == STOP_FAILURES ? E_FAILED : E_INTERRUPTED;
    return c->counts.failed > 0 ? E_FAILED : 0;
}
