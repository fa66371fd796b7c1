/* The coordinator under random sequences of events: agents join, die, leave and fall silent, jobs
 * end in every way there is, with a result or without, time passes, somebody stops it. Whatever
 * happened, the batch comes to its end, every job ends once, and none runs twice at a time.
 *
 * ATELIER_SEQUENCES=1000000 for a long run, ATELIER_TEST_SEED for the first of them. */
#include "check.h"
#include "coordinator.h"

#include <stdbool.h>
#include <time.h>

enum { JOBS = 10, AGENTS = 6, HOSTS = 3, EVENTS = 48, SEQUENCES = 50000, ROUNDS = 3000 };

static const double lost_after = 60;

struct job {
    bool skipped, stored, ended;
};

/* An agent as the world has it: the coordinator learns of its death by silence only. */
struct agent {
    bool joined, alive;
    int host;
    double heard;
    uint64_t lease; /* 0: idle */
    size_t job;
    bool alone, blocked;
};

struct world {
    uint64_t seed, draws;
    struct coordinator *c;
    double now;
    size_t job_count;
    struct job jobs[JOBS];
    struct job_cost costs[JOBS];
    struct agent agents[AGENTS];
    uint64_t host_bytes[HOSTS], leases;
    enum stop_reason stop;
    bool held;
};

static void demand(const struct world *w, bool good, const char *what)
{
    if (good)
        return;
    print_error("ATELIER_TEST_SEED=%llu ATELIER_SEQUENCES=1: %s\n", (unsigned long long)w->seed,
                what);
    assert_true(good);
}

static uint64_t draw(struct world *w, uint64_t below)
{
    uint64_t z = w->seed * 0x9e3779b97f4a7c15u + ++w->draws * 0xd1342543de82ef95u;
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (z ^ (z >> 31)) % below;
}

static bool is_stored(void *context, size_t job)
{
    return ((struct world *)context)->jobs[job].stored;
}

static void begin(struct world *w, uint64_t seed)
{
    bool skip[JOBS];
    *w = (struct world){.seed = seed, .now = 1000};
    w->job_count = 1 + draw(w, JOBS);
    for (size_t i = 0; i < w->job_count; i++) {
        skip[i] = w->jobs[i].skipped = draw(w, 12) == 0;
        w->costs[i] = (struct job_cost){.seconds = (double)draw(w, 7),
                                        .bytes = 10 * draw(w, 6),
                                        .first_state = (double)draw(w, 40)};
    }
    struct coordinator_settings s = {.lost_after = lost_after,
                                     .attempts = 1 + (int)draw(w, 3),
                                     .max_failures = draw(w, 4) ? 0 : 1 + (int)draw(w, 3),
                                     .deadline = draw(w, 4) ? (double)INFINITY
                                                            : 1100 + (double)draw(w, 600),
                                     .patience = draw(w, 3) ? 120 : (double)draw(w, 20),
                                     .is_done = is_stored,
                                     .context = w};
    for (int i = 0; i < HOSTS; i++)
        w->host_bytes[i] = UINT64_MAX;
    assert_int_equal(coordinator_new(&s, w->costs, skip, w->job_count, &w->c, NULL), 0);
}

/* --- what it decides --- */

/* A later agent may lower what its host has: what runs there by then stays. */
static void look_at_host(const struct world *w, int host, uint64_t added)
{
    uint64_t bytes = 0;
    int jobs = 0, alone = 0;
    for (int i = 0; i < AGENTS; i++) {
        const struct agent *a = &w->agents[i];
        if (!a->lease || a->host != host)
            continue;
        jobs++;
        alone += a->alone;
        bytes += w->costs[a->job].bytes;
    }
    demand(w, alone == 0 || jobs == 1, "a job is not alone on its host");
    demand(w, alone || added == 0 || bytes <= w->host_bytes[host],
           "a host has promised more than it has");
}

static void take_start(struct world *w, const struct decision *d)
{
    struct agent *a = &w->agents[d->agent];
    demand(w, coordinator_agent_alive(w->c, d->agent) && a->joined, "a job for a lost agent");
    demand(w, !a->lease, "a job for a busy agent");
    demand(w, !a->blocked && !w->held, "a job for a blocked agent, or while all are held");
    demand(w, !w->jobs[d->job].ended && !w->jobs[d->job].skipped, "an ended job is started");
    demand(w, d->lease > w->leases, "a lease is used again");
    demand(w, w->stop == STOP_NOT, "a start after the stop");
    for (int i = 0; i < AGENTS; i++)
        demand(w, !w->agents[i].lease || w->agents[i].job != d->job, "a job runs twice");
    w->leases = a->lease = d->lease;
    a->job = d->job;
    a->alone = d->alone;
    look_at_host(w, a->host, w->costs[d->job].bytes);
}

static void take_end(struct world *w, const struct decision *d)
{
    struct job *job = &w->jobs[d->job];
    demand(w, !job->ended && !job->skipped, "a job ends twice");
    demand(w, d->kind != DECIDE_DONE || job->stored, "done without a result");
    job->ended = true;
}

static void take_block(const struct world *w, struct agent *a)
{
    demand(w, !a->blocked && !a->lease, "an agent is blocked twice, or at work");
    a->blocked = true;
}

static void obey(struct world *w)
{
    struct decision d;
    w->stop = coordinator_stop_reason(w->c);
    for (int i = 0; coordinator_decide(w->c, w->now, &d); i++) {
        demand(w, i < 1000, "it decides for ever");
        if (d.kind == DECIDE_START)
            take_start(w, &d);
        else if (d.kind == DECIDE_DONE || d.kind == DECIDE_FAILED)
            take_end(w, &d);
        else if (d.kind == DECIDE_BLOCKED)
            take_block(w, &w->agents[d.agent]);
        else if (d.kind == DECIDE_RETRY)
            demand(w, !w->jobs[d.job].ended, "a retry of an ended job");
        w->stop = coordinator_stop_reason(w->c);
    }
    w->stop = coordinator_stop_reason(w->c);
    struct coordinator_counts n = coordinator_counts(w->c);
    demand(w, n.done + n.failed + n.running + n.waiting <= n.jobs, "more jobs than there are");
}

/* --- what happens --- */

static void join(struct world *w, int i)
{
    struct agent *a = &w->agents[i];
    char name[8];
    if (a->joined)
        return;
    uint64_t bytes = 10 + draw(w, 40);
    *a =
        (struct agent){.joined = true, .alive = true, .host = (int)draw(w, HOSTS), .heard = w->now};
    if (bytes < w->host_bytes[a->host])
        w->host_bytes[a->host] = bytes;
    snprintf(name, sizeof name, "h%d", a->host);
    assert_int_equal(coordinator_agent_joined(w->c, w->now, i, name, bytes, NULL), 0);
}

static void hear(struct world *w, int i)
{
    struct agent *a = &w->agents[i];
    coordinator_agent_heard(w->c, w->now, i);
    if (a->alive)
        a->heard = w->now;
}

static void end_job(struct world *w, int i, enum job_end end, bool stored)
{
    struct agent *a = &w->agents[i];
    if (!a->lease)
        return;
    uint64_t lease = a->lease;
    w->jobs[a->job].stored |= stored;
    a->lease = 0;
    a->heard = w->now;
    demand(w, coordinator_job_ended(w->c, w->now, i, lease, end), "a word under its lease is lost");
    demand(w, !coordinator_job_ended(w->c, w->now, i, lease, end), "a stale lease counts");
}

static void forget(struct world *w, int i)
{
    w->agents[i].alive = false;
    w->agents[i].lease = 0;
}

static void part(struct world *w, int i)
{
    (draw(w, 2) ? coordinator_agent_left : coordinator_agent_lost)(w->c, w->now, i);
    forget(w, i);
}

static void pass_time(struct world *w, double seconds)
{
    w->now += seconds;
    coordinator_tick(w->c, w->now);
    for (int i = 0; i < AGENTS; i++) {
        struct agent *a = &w->agents[i];
        if (!a->alive || coordinator_agent_alive(w->c, i))
            continue;
        demand(w, w->now - a->heard > lost_after, "an agent is lost too early");
        forget(w, i);
    }
}

static void wake(struct world *w)
{
    coordinator_was_deaf(w->c, w->now);
    for (int i = 0; i < AGENTS; i++)
        w->agents[i].heard = w->now;
}

static void happen(struct world *w)
{
    int i = (int)draw(w, AGENTS);
    switch (draw(w, 18)) {
    case 0:
    case 1:
    case 2:
        join(w, i);
        break;
    case 3:
        hear(w, i);
        break;
    case 4:
    case 5:
        end_job(w, i, JOB_END_DONE, true);
        break;
    case 6:
        end_job(w, i, JOB_END_DONE, false);
        break;
    case 7:
        end_job(w, i, JOB_END_OUT_OF_MEMORY, false);
        break;
    case 8:
    case 9:
        end_job(w, i, (enum job_end)draw(w, JOB_ENDS), draw(w, 8) == 0);
        break;
    case 10:
        if (draw(w, 3) == 0)
            part(w, i);
        break;
    case 11:
        pass_time(w, (double)draw(w, 100));
        break;
    case 12:
        if (draw(w, 30) == 0)
            coordinator_stop(w->c, (enum stop_reason)draw(w, STOP_FAILURES + 1));
        break;
    case 13:
        wake(w);
        break;
    case 16:
        end_job(w, i, JOB_END_ENVIRONMENT, false);
        break;
    case 17:
        w->held = draw(w, 4) == 0;
        coordinator_hold(w->c, w->held);
        break;
    case 14: /* published, but its agent has not said so yet */
        if (w->agents[i].lease)
            w->jobs[w->agents[i].job].stored |= draw(w, 4) == 0;
        break;
    default:
        w->now += 0.1 * (double)draw(w, 20);
    }
    obey(w);
}

/* --- and how it ends --- */

static enum job_end any_end(struct world *w, bool friendly)
{
    if (w->stop != STOP_NOT && w->stop != STOP_FAILURES)
        return JOB_END_INTERRUPTED;
    return friendly ? JOB_END_DONE : (enum job_end)draw(w, JOB_ENDS);
}

/* From here on no agent is lost, and every job that runs ends, well or not. */
static void come_to_the_end(struct world *w)
{
    bool friendly = draw(w, 2);
    w->held = false;
    coordinator_hold(w->c, false);
    obey(w);
    for (int round = 0; !coordinator_finished(w->c); round++) {
        demand(w, round < ROUNDS, "it never ends");
        for (int i = 0; i < AGENTS; i++) {
            enum job_end end = any_end(w, friendly);
            hear(w, i);
            end_job(w, i, end, end == JOB_END_DONE && (friendly || draw(w, 2)));
            obey(w);
        }
        pass_time(w, 10);
        obey(w);
    }
}

static void look_at_ends(const struct world *w)
{
    int verdict = coordinator_verdict(w->c);
    size_t agents = coordinator_counts(w->c).agents;
    for (size_t i = 0; i < w->job_count; i++) {
        const struct job *job = &w->jobs[i];
        demand(w, job->skipped || job->ended || w->stop != STOP_NOT || agents == 0,
               "a job is left over");
        demand(w, verdict != 0 || job->skipped || job->stored, "all well, but for a job");
    }
    for (int i = 0; i < AGENTS; i++)
        demand(w, !w->agents[i].lease, "it ends while a job runs");
}

static void run_sequence(uint64_t seed)
{
    struct world w;
    begin(&w, seed);
    size_t events = draw(&w, EVENTS);
    for (size_t i = 0; i < events; i++)
        happen(&w);
    come_to_the_end(&w);
    look_at_ends(&w);
    coordinator_free(w.c);
}

static uint64_t from_environment(const char *name, uint64_t otherwise)
{
    const char *text = getenv(name);
    return text ? strtoull(text, NULL, 10) : otherwise;
}

static void whatever_happens_every_job_ends_once(void **state)
{
    (void)state;
    uint64_t count = from_environment("ATELIER_SEQUENCES", SEQUENCES);
    uint64_t seed = from_environment("ATELIER_TEST_SEED", (uint64_t)time(NULL) << 20);
    print_message("ATELIER_TEST_SEED=%llu\n", (unsigned long long)seed);
    for (uint64_t i = 0; i < count; i++)
        run_sequence(seed + i);
    print_message("%llu sequences\n", (unsigned long long)count);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(whatever_happens_every_job_ends_once)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
