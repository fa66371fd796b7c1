/* The coordinator's logic alone, in virtual time: rules one by one, then 1,000 agents that crash,
 * freeze, leave and run out of memory. */
#include "check.h"
#include "coordinator.h"

#include <stdbool.h>
#include <time.h>

enum { GB = 1 << 30 };
#define COST(seconds_, bytes_)                                                                     \
    {                                                                                              \
        .seconds = (seconds_), .bytes = (uint64_t)(bytes_)                                         \
    }

/* --- a few jobs and agents --- */

static bool stored[64]; /* the store: which jobs are done */

static bool is_stored(void *context, size_t job)
{
    (void)context;
    return stored[job];
}

static struct coordinator_settings settings(void)
{
    return (struct coordinator_settings){
        .lost_after = 60, .attempts = 3, .deadline = INFINITY, .is_done = is_stored};
}

static struct coordinator *begin(const struct coordinator_settings *s, const struct job_cost *costs,
                                 size_t jobs, int agents, const char *const *hosts, uint64_t bytes)
{
    struct coordinator *c;
    memset(stored, 0, sizeof stored);
    assert_int_equal(coordinator_new(s, costs, NULL, jobs, &c, NULL), 0);
    for (int i = 0; i < agents; i++)
        assert_int_equal(coordinator_agent_joined(c, 0, i, hosts[i], bytes, NULL), 0);
    return c;
}

static const char *const two_hosts[] = {"a", "b", "a", "b"};
static const char *const one_host[] = {"a", "a", "a", "a"};
static const struct job_cost equal[8] = {COST(1, 1), COST(1, 1), COST(1, 1), COST(1, 1),
                                         COST(1, 1), COST(1, 1), COST(1, 1), COST(1, 1)};

static struct decision next(struct coordinator *c, double now)
{
    struct decision d = {.agent = -2};
    assert_true(coordinator_decide(c, now, &d));
    return d;
}

static void assert_nothing(struct coordinator *c, double now)
{
    struct decision d;
    assert_false(coordinator_decide(c, now, &d));
}

static void assert_decision(struct decision d, enum decision_kind kind, size_t job)
{
    assert_int_equal(d.kind, kind);
    assert_int_equal(d.job, job);
}

static void ended(struct coordinator *c, double now, struct decision d, enum job_end end)
{
    assert_true(coordinator_job_ended(c, now, d.agent, d.lease, end));
}

static void longest_job_starts_first(void **state)
{
    (void)state;
    const struct job_cost costs[] = {COST(2, 1), COST(5, 1), COST(1, 1), COST(5, 1)};
    struct coordinator_settings s = settings();
    struct coordinator *c = begin(&s, costs, 4, 4, one_host, GB);
    assert_decision(next(c, 0), DECIDE_START, 1);
    assert_decision(next(c, 0), DECIDE_START, 3);
    assert_decision(next(c, 0), DECIDE_START, 0);
    assert_decision(next(c, 0), DECIDE_START, 2);
    assert_nothing(c, 0);
    coordinator_free(c);
}

static void few_jobs_spread_over_the_hosts(void **state)
{
    (void)state;
    static const char *const hosts[] = {"a", "a", "b", "b"};
    struct coordinator_settings s = settings();
    struct coordinator *c = begin(&s, equal, 2, 4, hosts, GB);
    assert_int_equal(next(c, 0).agent, 0);
    assert_int_equal(next(c, 0).agent, 2);
    coordinator_free(c);
}

static void done_is_what_the_store_says(void **state)
{
    (void)state;
    struct coordinator_settings s = settings();
    struct coordinator *c = begin(&s, equal, 1, 1, one_host, GB);
    struct decision d = next(c, 0);
    ended(c, 1, d, JOB_END_DONE);
    assert_nothing(c, 1); /* not there yet: another host's file may take a while to be seen */
    assert_false(coordinator_finished(c));
    stored[0] = true;
    coordinator_tick(c, 2);
    assert_decision(next(c, 2), DECIDE_DONE, 0);
    assert_true(coordinator_finished(c));
    assert_int_equal(coordinator_verdict(c), 0);
    coordinator_free(c);
}

static void done_without_a_result_is_a_crash(void **state)
{
    (void)state;
    struct coordinator_settings s = settings();
    struct coordinator *c = begin(&s, equal, 1, 1, one_host, GB);
    ended(c, 1, next(c, 0), JOB_END_DONE);
    for (double now = 2; now < 70; now += 5) {
        coordinator_agent_heard(c, now, 0);
        coordinator_tick(c, now);
    }
    struct decision d = next(c, 70);
    assert_decision(d, DECIDE_RETRY, 0);
    assert_int_equal(d.end, JOB_END_CRASHED);
    coordinator_free(c);
}

static void crashed_job_goes_to_another_host_and_is_given_up_after_three(void **state)
{
    (void)state;
    struct coordinator_settings s = settings();
    struct coordinator *c = begin(&s, equal, 3, 4, two_hosts, GB);
    struct decision first = next(c, 0), second = next(c, 0), third = next(c, 0);
    ended(c, 1, first, JOB_END_CRASHED);
    assert_decision(next(c, 1), DECIDE_RETRY, first.job);
    struct decision again = next(c, 1);
    assert_decision(again, DECIDE_START, first.job);
    assert_string_not_equal(two_hosts[again.agent], two_hosts[first.agent]);
    assert_int_equal(again.attempt, 2);
    ended(c, 2, again, JOB_END_CRASHED);
    assert_decision(next(c, 2), DECIDE_RETRY, first.job);
    again = next(c, 2);
    assert_int_equal(again.attempt, 3);
    ended(c, 3, again, JOB_END_CRASHED);
    assert_decision(next(c, 3), DECIDE_FAILED, first.job);
    stored[second.job] = stored[third.job] = true;
    ended(c, 4, second, JOB_END_DONE);
    ended(c, 4, third, JOB_END_DONE);
    next(c, 4), next(c, 4);
    assert_true(coordinator_finished(c));
    assert_int_equal(coordinator_verdict(c), E_FAILED);
    coordinator_free(c);
}

/* The only agent of the other host is busy: the crashed job waits for it, but not for ever. */
static void crashed_job_returns_when_no_other_host_takes_it(void **state)
{
    (void)state;
    struct coordinator_settings s = settings();
    struct coordinator *c = begin(&s, equal, 2, 2, two_hosts, GB);
    struct decision here = next(c, 0);
    next(c, 0);
    ended(c, 1, here, JOB_END_CRASHED);
    next(c, 1);
    assert_nothing(c, 1);
    coordinator_agent_heard(c, 40, 0);
    coordinator_agent_heard(c, 40, 1);
    coordinator_tick(c, 40);
    struct decision d = next(c, 40);
    assert_decision(d, DECIDE_START, here.job);
    assert_int_equal(d.agent, here.agent);
    coordinator_free(c);
}

static void out_of_memory_is_tried_once_more_alone(void **state)
{
    (void)state;
    struct coordinator_settings s = settings();
    struct coordinator *c = begin(&s, equal, 3, 2, one_host, GB);
    struct decision flood = next(c, 0), other = next(c, 0);
    ended(c, 1, flood, JOB_END_OUT_OF_MEMORY);
    assert_decision(next(c, 1), DECIDE_RETRY, flood.job);
    struct decision third = next(c, 1);
    assert_decision(third, DECIDE_START, 2); /* ordinary jobs come first */
    stored[other.job] = stored[2] = true;
    ended(c, 2, other, JOB_END_DONE);
    assert_decision(next(c, 2), DECIDE_DONE, other.job);
    assert_nothing(c, 2); /* one still runs here */
    ended(c, 3, third, JOB_END_DONE);
    assert_decision(next(c, 3), DECIDE_DONE, 2);
    struct decision alone = next(c, 3);
    assert_decision(alone, DECIDE_START, flood.job);
    assert_true(alone.alone);
    ended(c, 4, alone, JOB_END_OUT_OF_MEMORY);
    struct decision d = next(c, 4);
    assert_decision(d, DECIDE_FAILED, flood.job);
    assert_int_equal(d.end, JOB_END_OUT_OF_MEMORY);
    coordinator_free(c);
}

static void only_what_fits_is_started(void **state)
{
    (void)state;
    const struct job_cost costs[] = {COST(9, 6), COST(8, 6), COST(7, 4), COST(6, 11)};
    struct coordinator_settings s = settings();
    struct coordinator *c = begin(&s, costs, 4, 4, one_host, 10);
    struct decision first = next(c, 0);
    assert_decision(first, DECIDE_START, 0);
    struct decision third = next(c, 0);
    assert_decision(third, DECIDE_START, 2); /* 6 + 4 bytes; job 1 would be too much */
    assert_nothing(c, 0);
    stored[0] = stored[2] = true;
    ended(c, 1, first, JOB_END_DONE);
    next(c, 1);
    struct decision second = next(c, 1);
    assert_decision(second, DECIDE_START, 1);
    ended(c, 2, third, JOB_END_DONE);
    next(c, 2);
    assert_nothing(c, 2);
    stored[1] = true;
    ended(c, 3, second, JOB_END_DONE);
    next(c, 3);
    struct decision giant = next(c, 3);
    assert_decision(giant, DECIDE_FAILED, 3); /* fits on no host */
    assert_int_equal(giant.end, JOB_END_OUT_OF_MEMORY);
    assert_int_equal(giant.agent, -1);
    assert_true(coordinator_finished(c));
    coordinator_free(c);
}

static void bad_input_timeout_and_divergence_are_not_retried(void **state)
{
    (void)state;
    static const enum job_end ends[] = {JOB_END_BAD_INPUT, JOB_END_TIMED_OUT, JOB_END_DIVERGED};
    struct coordinator_settings s = settings();
    struct coordinator *c = begin(&s, equal, 3, 1, one_host, GB);
    for (int i = 0; i < 3; i++) {
        struct decision d = next(c, i);
        ended(c, i, d, ends[i]);
        d = next(c, i);
        assert_decision(d, DECIDE_FAILED, (size_t)i);
        assert_int_equal(d.end, ends[i]);
    }
    assert_int_equal(coordinator_verdict(c), E_FAILED);
    coordinator_free(c);
}

static void stop_interrupts_and_starts_nothing(void **state)
{
    (void)state;
    struct coordinator_settings s = settings();
    struct coordinator *c = begin(&s, equal, 5, 2, one_host, GB);
    struct decision a = next(c, 0), b = next(c, 0);
    coordinator_stop(c, STOP_REQUESTED);
    struct decision d = next(c, 1);
    assert_int_equal(d.kind, DECIDE_INTERRUPT);
    assert_int_equal(d.lease, a.lease);
    assert_int_equal(next(c, 1).lease, b.lease);
    stored[a.job] = true;
    ended(c, 2, a, JOB_END_DONE); /* it was just ready */
    ended(c, 2, b, JOB_END_INTERRUPTED);
    assert_decision(next(c, 2), DECIDE_DONE, a.job);
    assert_decision(next(c, 2), DECIDE_RETRY, b.job);
    assert_nothing(c, 2);
    assert_true(coordinator_finished(c));
    assert_int_equal(coordinator_verdict(c), E_INTERRUPTED);
    coordinator_free(c);
}

static void deadline_stops(void **state)
{
    (void)state;
    struct coordinator_settings s = settings();
    s.deadline = 100;
    struct coordinator *c = begin(&s, equal, 2, 1, one_host, GB);
    struct decision d = next(c, 99);
    coordinator_agent_heard(c, 99, 0);
    coordinator_tick(c, 99);
    assert_nothing(c, 99);
    coordinator_tick(c, 100);
    assert_int_equal(next(c, 100).kind, DECIDE_INTERRUPT);
    ended(c, 101, d, JOB_END_INTERRUPTED);
    next(c, 101);
    assert_int_equal(coordinator_verdict(c), E_INTERRUPTED);
    coordinator_free(c);
}

static void enough_failures_start_nothing_more(void **state)
{
    (void)state;
    struct coordinator_settings s = settings();
    s.max_failures = 1;
    struct coordinator *c = begin(&s, equal, 5, 2, one_host, GB);
    struct decision a = next(c, 0), b = next(c, 0);
    ended(c, 1, a, JOB_END_DIVERGED);
    assert_decision(next(c, 1), DECIDE_FAILED, a.job);
    assert_nothing(c, 1); /* the other one may finish */
    assert_false(coordinator_finished(c));
    stored[b.job] = true;
    ended(c, 2, b, JOB_END_DONE);
    assert_decision(next(c, 2), DECIDE_DONE, b.job);
    assert_true(coordinator_finished(c));
    assert_int_equal(coordinator_verdict(c), E_FAILED);
    coordinator_free(c);
}

static void interruption_does_not_count(void **state)
{
    (void)state;
    struct coordinator_settings s = settings();
    s.attempts = 1;
    struct coordinator *c = begin(&s, equal, 1, 1, one_host, GB);
    for (int i = 0; i < 5; i++) {
        struct decision d = next(c, i);
        assert_decision(d, DECIDE_START, 0);
        assert_int_equal(d.attempt, 1);
        ended(c, i, d, JOB_END_INTERRUPTED);
        assert_decision(next(c, i), DECIDE_RETRY, 0);
    }
    coordinator_free(c);
}

static void silent_agent_is_lost_and_its_words_are_stale(void **state)
{
    (void)state;
    struct coordinator_settings s = settings();
    struct coordinator *c = begin(&s, equal, 2, 2, two_hosts, GB);
    struct decision a = next(c, 0), b = next(c, 0);
    coordinator_agent_heard(c, 50, b.agent);
    coordinator_tick(c, 60);
    assert_nothing(c, 60);
    coordinator_tick(c, 61);
    struct decision d = next(c, 61);
    assert_int_equal(d.kind, DECIDE_LOST);
    assert_int_equal(d.agent, a.agent);
    d = next(c, 61);
    assert_decision(d, DECIDE_RETRY, a.job);
    assert_int_equal(d.end, JOB_END_LOST);
    assert_false(coordinator_job_ended(c, 62, a.agent, a.lease, JOB_END_CRASHED));
    assert_false(coordinator_job_ended(c, 62, b.agent, a.lease, JOB_END_CRASHED));
    assert_false(coordinator_job_ended(c, 62, 99, 1, JOB_END_CRASHED));
    coordinator_agent_heard(c, 62, a.agent);
    assert_nothing(c, 62); /* nothing is given to it any more */
    coordinator_free(c);
}

static void silence_does_not_count_while_nobody_listens(void **state)
{
    (void)state;
    struct coordinator_settings s = settings();
    struct coordinator *c = begin(&s, equal, 1, 1, one_host, GB);
    next(c, 0);
    coordinator_was_deaf(c, 500);
    coordinator_tick(c, 501);
    assert_nothing(c, 501);
    coordinator_tick(c, 561);
    assert_int_equal(next(c, 561).kind, DECIDE_LOST);
    coordinator_free(c);
}

static void lost_job_that_the_store_has_is_done(void **state)
{
    (void)state;
    struct coordinator_settings s = settings();
    struct coordinator *c = begin(&s, equal, 1, 1, one_host, GB);
    next(c, 0);
    stored[0] = true;
    coordinator_tick(c, 61);
    assert_int_equal(next(c, 61).kind, DECIDE_LOST);
    assert_decision(next(c, 61), DECIDE_DONE, 0);
    assert_true(coordinator_finished(c));
    assert_int_equal(coordinator_verdict(c), 0);
    coordinator_free(c);
}

static void without_agents_it_ends_resumable(void **state)
{
    (void)state;
    struct coordinator_settings s = settings();
    struct coordinator *c = begin(&s, equal, 2, 1, one_host, GB);
    next(c, 0);
    coordinator_agent_left(c, 1, 0);
    assert_decision(next(c, 1), DECIDE_RETRY, 0);
    assert_true(coordinator_finished(c));
    assert_int_equal(coordinator_verdict(c), E_INTERRUPTED);
    coordinator_free(c);
}

static void nothing_to_do_is_done(void **state)
{
    (void)state;
    const bool skip[] = {true, true};
    struct coordinator_settings s = settings();
    struct coordinator *c;
    assert_int_equal(coordinator_new(&s, equal, skip, 2, &c, NULL), 0);
    assert_int_equal(coordinator_agent_joined(c, 0, 0, "a", GB, NULL), 0);
    assert_nothing(c, 0);
    assert_true(coordinator_finished(c));
    assert_int_equal(coordinator_verdict(c), 0);
    coordinator_free(c);
}

/* --- a cluster in virtual time --- */

enum { AGENTS = 1000, HOSTS = 250, JOBS = 12000, STEP_LIMIT = 2000000 };
static const double lost_after = 60, silence = 40, heartbeat = 5, host_bytes = 10e9;

/* What is going to become of a job, whoever renders it. */
enum fate {
    FATE_DONE,
    FATE_BAD,
    FATE_CRASH,
    FATE_CRASH_ONCE,
    FATE_FLOOD,
    FATE_FLOOD_ONCE,
    FATE_SLOW,
    FATE_DIVERGE,
    FATES
};
/* What an agent is: well; silent with a child that goes on as long as its leash lets it; gone. */
enum health { WELL, FROZEN, DEAD };

struct simulated_job {
    enum fate fate;
    double seconds;
    bool stored;
    int starts, dones, failures, published;
    enum job_end end;
    double holder_until; /* no child of an earlier lease can be alive after this */
};

struct simulated_agent {
    enum health health;
    double ill_at, heard; /* last heartbeat that got through */
    bool told_lost, busy, alone;
    uint64_t lease;
    size_t job;
    double ends; /* of its child */
    int attempt;
};

struct cluster {
    struct coordinator *c;
    struct simulated_job jobs[JOBS];
    struct simulated_agent agents[AGENTS];
    struct job_cost costs[JOBS];
    double bytes_on[HOSTS];
    int running_on[HOSTS], alone_on[HOSTS];
    double now;
    size_t starts, lost;
};
static struct cluster cluster;

static int host_of(int agent) { return agent / (AGENTS / HOSTS); }
static double random_at(uint64_t seed, uint64_t i) { return ((double)noise_at(seed, i) + 1) / 2; }

static bool in_cluster_store(void *context, size_t job)
{
    return ((struct cluster *)context)->jobs[job].stored;
}

static void make_jobs(struct cluster *k, uint64_t seed)
{
    for (size_t i = 0; i < JOBS; i++) {
        double draw = random_at(seed, i);
        enum fate fate = draw < 0.02 ? (enum fate)(1 + (int)(draw * 349)) : FATE_DONE;
        k->jobs[i] =
            (struct simulated_job){.fate = fate, .seconds = 20 + 100 * random_at(seed + 1, i)};
        k->costs[i] = (struct job_cost)COST(k->jobs[i].seconds, 4e9 * random_at(seed + 2, i));
    }
}

static void make_agents(struct cluster *k, uint64_t seed)
{
    for (int i = 0; i < AGENTS; i++) {
        char host[16];
        double draw = random_at(seed + 3, (uint64_t)i);
        bool whole_host = random_at(seed + 4, (uint64_t)host_of(i)) < 0.04;
        snprintf(host, sizeof host, "node%d", host_of(i));
        k->agents[i] = (struct simulated_agent){.health = WELL, .ill_at = INFINITY};
        if (draw < 0.05 || whole_host)
            k->agents[i].ill_at =
                50 + 900 * random_at(seed + 5, (uint64_t)(whole_host ? host_of(i) : i));
        assert_int_equal(coordinator_agent_joined(k->c, 0, i, host, (uint64_t)host_bytes, NULL), 0);
    }
}

static enum job_end fated_end(const struct simulated_job *job, const struct simulated_agent *agent)
{
    switch (job->fate) {
    case FATE_BAD:
        return JOB_END_BAD_INPUT;
    case FATE_CRASH:
        return JOB_END_CRASHED;
    case FATE_CRASH_ONCE:
        return agent->attempt == 1 ? JOB_END_CRASHED : JOB_END_DONE;
    case FATE_FLOOD:
        return JOB_END_OUT_OF_MEMORY;
    case FATE_FLOOD_ONCE:
        return agent->alone ? JOB_END_DONE : JOB_END_OUT_OF_MEMORY;
    case FATE_SLOW:
        return JOB_END_TIMED_OUT;
    case FATE_DIVERGE:
        return JOB_END_DIVERGED;
    default:
        return JOB_END_DONE;
    }
}

static void simulate_start(struct cluster *k, const struct decision *d)
{
    struct simulated_agent *a = &k->agents[d->agent];
    struct simulated_job *job = &k->jobs[d->job];
    int host = host_of(d->agent);
    assert_false(a->told_lost);
    assert_false(a->busy && a->lease);
    assert_true(job->dones == 0 && job->failures == 0);
    assert_true(k->now >= job->holder_until); /* no two live leases on one job */
    assert_int_equal(k->alone_on[host], 0);
    if (d->alone)
        assert_int_equal(k->running_on[host], 0);
    k->bytes_on[host] += (double)k->costs[d->job].bytes;
    assert_true(d->alone || k->bytes_on[host] <= host_bytes);
    k->running_on[host]++;
    k->alone_on[host] += d->alone;
    job->starts++;
    k->starts++;
    bool hears = a->health == WELL; /* else the word never reaches it */
    job->holder_until = hears ? (double)INFINITY : k->now;
    *a = (struct simulated_agent){.health = a->health,
                                  .ill_at = a->ill_at,
                                  .heard = a->heard,
                                  .busy = true,
                                  .alone = d->alone,
                                  .lease = d->lease,
                                  .job = d->job,
                                  .ends = hears ? k->now + job->seconds : (double)INFINITY,
                                  .attempt = d->attempt};
}

static void leave_host(struct cluster *k, int agent)
{
    struct simulated_agent *a = &k->agents[agent];
    k->bytes_on[host_of(agent)] -= (double)k->costs[a->job].bytes;
    k->running_on[host_of(agent)]--;
    k->alone_on[host_of(agent)] -= a->alone;
    a->busy = false;
}

static void simulate_lost(struct cluster *k, int agent)
{
    struct simulated_agent *a = &k->agents[agent];
    assert_int_not_equal(a->health, WELL);
    assert_false(a->told_lost);
    a->told_lost = true;
    k->lost++;
    if (a->busy)
        leave_host(k, agent);
}

static void obey(struct cluster *k)
{
    struct decision d;
    while (coordinator_decide(k->c, k->now, &d)) {
        struct simulated_job *job = &k->jobs[d.kind == DECIDE_LOST ? 0 : d.job];
        switch (d.kind) {
        case DECIDE_START:
            simulate_start(k, &d);
            break;
        case DECIDE_DONE:
            assert_true(job->stored);
            job->dones++;
            break;
        case DECIDE_FAILED:
            job->failures++;
            job->end = d.end;
            break;
        case DECIDE_LOST:
            simulate_lost(k, d.agent);
            break;
        default:
            break;
        }
    }
}

/* A child ends by itself: it publishes, if it is fated to and its leash lets it. */
static void end_child(struct cluster *k, int agent)
{
    struct simulated_agent *a = &k->agents[agent];
    struct simulated_job *job = &k->jobs[a->job];
    enum job_end end = fated_end(job, a);
    uint64_t lease = a->lease;
    if (end == JOB_END_DONE) {
        job->published += !job->stored;
        job->stored = true;
    }
    job->holder_until = k->now;
    a->lease = 0;
    if (a->health == WELL) {
        leave_host(k, agent);
        assert_true(coordinator_job_ended(k->c, k->now, agent, lease, end));
    }
}

static void fall_ill(struct cluster *k, int agent)
{
    struct simulated_agent *a = &k->agents[agent];
    a->health = agent % 2 ? FROZEN : DEAD;
    a->ill_at = INFINITY;
    if (!a->busy || !a->lease)
        return;
    /* A dead agent's child dies with it; a frozen one's has as long as its leash. */
    double until = a->health == DEAD ? k->now : a->heard + silence;
    k->jobs[a->job].holder_until = fmax(k->now, until);
    if (a->ends > until)
        a->ends = INFINITY;
}

static void advance_agent(struct cluster *k, int agent)
{
    struct simulated_agent *a = &k->agents[agent];
    if (a->health == WELL && k->now >= a->ill_at)
        fall_ill(k, agent);
    if (a->busy && a->lease && k->now >= a->ends && !a->told_lost)
        end_child(k, agent);
    if (a->health == WELL && k->now - a->heard >= heartbeat) {
        a->heard = k->now;
        coordinator_agent_heard(k->c, k->now, agent);
    }
}

static void assert_ends_reached(const struct cluster *k)
{
    static const enum job_end expected[FATES] = {
        [FATE_BAD] = JOB_END_BAD_INPUT,       [FATE_CRASH] = JOB_END_CRASHED,
        [FATE_FLOOD] = JOB_END_OUT_OF_MEMORY, [FATE_SLOW] = JOB_END_TIMED_OUT,
        [FATE_DIVERGE] = JOB_END_DIVERGED,
    };
    size_t of_fate[FATES] = {0}, lost_for_good = 0;
    for (size_t i = 0; i < JOBS; i++) {
        const struct simulated_job *job = &k->jobs[i];
        of_fate[job->fate]++;
        assert_int_equal(job->dones + job->failures, 1);
        assert_true(job->published <= 1);
        if (job->failures && job->end == JOB_END_LOST) {
            lost_for_good++;
            continue;
        }
        assert_int_equal(job->failures, expected[job->fate] != 0);
        if (job->failures)
            assert_int_equal(job->end, expected[job->fate]);
    }
    for (int i = 0; i < FATES; i++)
        assert_true(of_fate[i] > 0);
    assert_true(lost_for_good < JOBS / 1000); /* three losses in a row are rare */
}

static void a_thousand_agents_finish_every_job_once(void **state)
{
    (void)state;
    const char *given = getenv("ATELIER_TEST_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    struct cluster *k = &cluster;
    struct coordinator_settings s = {.lost_after = lost_after,
                                     .attempts = 3,
                                     .deadline = INFINITY,
                                     .is_done = in_cluster_store,
                                     .context = k};
    print_message("ATELIER_TEST_SEED=%llu\n", (unsigned long long)seed);
    memset(k, 0, sizeof *k);
    make_jobs(k, seed);
    assert_int_equal(coordinator_new(&s, k->costs, NULL, JOBS, &k->c, NULL), 0);
    make_agents(k, seed);
    obey(k);
    for (int step = 0; !coordinator_finished(k->c); step++) {
        assert_true(step < STEP_LIMIT);
        k->now += 1;
        for (int i = 0; i < AGENTS; i++)
            advance_agent(k, i);
        coordinator_tick(k->c, k->now);
        obey(k);
    }
    assert_ends_reached(k);
    assert_int_equal(coordinator_verdict(k->c), E_FAILED);
    print_message("%d jobs, %d agents, %zu lost, %zu starts, %.0f s of virtual time\n", JOBS,
                  AGENTS, k->lost, k->starts, k->now);
    assert_true(k->lost > 20);
    coordinator_free(k->c);
}

/* --- cost --- */

static bool all_stored(void *context, size_t job)
{
    (void)context, (void)job;
    return true;
}

static double seconds_for(size_t jobs, int agents)
{
    struct coordinator_settings s = {
        .lost_after = 60, .attempts = 3, .deadline = INFINITY, .is_done = all_stored};
    struct coordinator *c;
    struct decision d;
    struct job_cost *costs = calloc(jobs, sizeof *costs);
    struct timespec begin_time, end_time;
    for (size_t i = 0; i < jobs; i++)
        costs[i] = (struct job_cost)COST(random_at(1, i), 1e9 * random_at(2, i));
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &begin_time);
    assert_int_equal(coordinator_new(&s, costs, NULL, jobs, &c, NULL), 0);
    for (int i = 0; i < agents; i++) {
        char host[16];
        snprintf(host, sizeof host, "node%d", i / 4);
        assert_int_equal(coordinator_agent_joined(c, 0, i, host, (uint64_t)4e9, NULL), 0);
    }
    while (coordinator_decide(c, 1, &d))
        if (d.kind == DECIDE_START)
            coordinator_job_ended(c, 1, d.agent, d.lease, JOB_END_DONE);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &end_time);
    assert_true(coordinator_finished(c));
    assert_int_equal(coordinator_counts(c).done, jobs);
    coordinator_free(c);
    free(costs);
    return (double)(end_time.tv_sec - begin_time.tv_sec) +
           1e-9 * (double)(end_time.tv_nsec - begin_time.tv_nsec);
}

static void cost_grows_with_the_number_of_jobs_only(void **state)
{
    (void)state;
    double small = seconds_for(20000, 1000), large = seconds_for(160000, 1000);
    print_message("20,000 jobs: %.0f ms; 160,000 jobs: %.0f ms\n", small * 1e3, large * 1e3);
    assert_true(large <= 8 * small * 2.5 + 0.5); /* of processor time, in ticks on some kernels */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(longest_job_starts_first),
        cmocka_unit_test(few_jobs_spread_over_the_hosts),
        cmocka_unit_test(done_is_what_the_store_says),
        cmocka_unit_test(done_without_a_result_is_a_crash),
        cmocka_unit_test(crashed_job_goes_to_another_host_and_is_given_up_after_three),
        cmocka_unit_test(crashed_job_returns_when_no_other_host_takes_it),
        cmocka_unit_test(out_of_memory_is_tried_once_more_alone),
        cmocka_unit_test(only_what_fits_is_started),
        cmocka_unit_test(bad_input_timeout_and_divergence_are_not_retried),
        cmocka_unit_test(stop_interrupts_and_starts_nothing),
        cmocka_unit_test(deadline_stops),
        cmocka_unit_test(enough_failures_start_nothing_more),
        cmocka_unit_test(interruption_does_not_count),
        cmocka_unit_test(silent_agent_is_lost_and_its_words_are_stale),
        cmocka_unit_test(silence_does_not_count_while_nobody_listens),
        cmocka_unit_test(lost_job_that_the_store_has_is_done),
        cmocka_unit_test(without_agents_it_ends_resumable),
        cmocka_unit_test(nothing_to_do_is_done),
        cmocka_unit_test(a_thousand_agents_finish_every_job_once),
        cmocka_unit_test(cost_grows_with_the_number_of_jobs_only),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
