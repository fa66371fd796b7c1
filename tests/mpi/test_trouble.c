/* The coordinator where agents' surroundings are in trouble: one that is alone with it is blocked,
 * all of them together wait until it is over, or their patience. */
#include "check.h"
#include "coordinator.h"
#include "trouble.h"

enum { JOBS = 40, AGENTS = 6 };

static const double patience = 300;

struct batch {
    struct coordinator *c;
    double now;
    bool stored[JOBS], ended[JOBS];
    enum job_end how[JOBS];
    struct decision runs[AGENTS]; /* lease 0: nothing */
    int starts[AGENTS], blocked;
};

static bool is_stored(void *context, size_t job) { return ((struct batch *)context)->stored[job]; }

static void begin(struct batch *b, size_t jobs, int agents, const char *const *hosts)
{
    static struct job_cost costs[JOBS];
    struct coordinator_settings s = {.lost_after = 60,
                                     .attempts = 3,
                                     .deadline = INFINITY,
                                     .patience = patience,
                                     .is_done = is_stored,
                                     .context = b};
    memset(b, 0, sizeof *b);
    assert_int_equal(coordinator_new(&s, costs, NULL, jobs, &b->c, NULL), 0);
    for (int i = 0; i < agents; i++)
        assert_int_equal(coordinator_agent_joined(b->c, 0, i, hosts[i], 1, NULL), 0);
}

static void obey(struct batch *b)
{
    struct decision d;
    while (coordinator_decide(b->c, b->now, &d)) {
        if (d.kind == DECIDE_START) {
            b->runs[d.agent] = d;
            b->starts[d.agent]++;
        } else if (d.kind == DECIDE_BLOCKED) {
            b->blocked++;
        } else if (d.kind == DECIDE_DONE || d.kind == DECIDE_FAILED) {
            assert_false(b->ended[d.job]);
            b->ended[d.job] = true;
            b->how[d.job] = d.end;
        }
    }
}

static void end(struct batch *b, int agent, enum job_end how)
{
    struct decision d = b->runs[agent];
    if (!d.lease)
        return;
    b->runs[agent].lease = 0;
    b->stored[d.job] |= how == JOB_END_DONE;
    assert_true(coordinator_job_ended(b->c, b->now, agent, d.lease, how));
    obey(b);
}

/* A second in which every agent ends what it runs, as the test says. */
static void pass_a_second(struct batch *b, enum job_end (*how)(const struct batch *, int agent))
{
    b->now += 1;
    for (int i = 0; i < AGENTS; i++) {
        coordinator_agent_heard(b->c, b->now, i);
        end(b, i, how(b, i));
    }
    coordinator_tick(b->c, b->now);
    obey(b);
}

/* Returns the verdict. */
static int run(struct batch *b, enum job_end (*how)(const struct batch *, int agent))
{
    obey(b);
    while (!coordinator_finished(b->c)) {
        assert_true(b->now < 10000);
        pass_a_second(b, how);
    }
    int verdict = coordinator_verdict(b->c);
    coordinator_free(b->c);
    return verdict;
}

static const char *const own_hosts[] = {"a", "b", "c", "d", "e", "f"};
static const char *const one_host[] = {"a", "a", "a", "a", "a", "a"};
static const char *const three_and_three[] = {"a", "a", "a", "b", "b", "b"};

static enum job_end second_fails(const struct batch *b, int agent)
{
    (void)b;
    return agent == 1 ? JOB_END_ENVIRONMENT : JOB_END_DONE;
}

static void one_that_fails_where_others_do_not_is_blocked(void **state)
{
    (void)state;
    static const char *const *const hosts[] = {own_hosts, one_host};
    for (int i = 0; i < 2; i++) {
        struct batch b;
        begin(&b, JOBS, 3, hosts[i]);
        assert_int_equal(run(&b, second_fails), 0);
        assert_int_equal(b.blocked, 1);
        assert_int_equal(b.starts[1], TROUBLES_MOST);
    }
}

static enum job_end first_three_fail(const struct batch *b, int agent)
{
    (void)b;
    return agent < 3 ? JOB_END_ENVIRONMENT : JOB_END_DONE;
}

/* Its agents share what they fail by: three failures of them all are enough. */
static void a_host_that_fails_is_blocked_with_all_its_agents(void **state)
{
    (void)state;
    struct batch b;
    begin(&b, JOBS, 6, three_and_three);
    assert_int_equal(run(&b, first_three_fail), 0);
    assert_int_equal(b.blocked, 3);
    assert_int_equal(b.starts[0] + b.starts[1] + b.starts[2], TROUBLES_MOST);
}

static enum job_end all_fail_for_a_while(const struct batch *b, int agent)
{
    (void)agent;
    return b->now > 5 && b->now < 5 + patience / 2 ? JOB_END_ENVIRONMENT : JOB_END_DONE;
}

static void trouble_of_all_is_waited_out(void **state)
{
    (void)state;
    for (int agents = 1; agents <= 3; agents++) {
        struct batch b;
        begin(&b, JOBS, agents, own_hosts);
        assert_int_equal(run(&b, all_fail_for_a_while), 0);
        assert_int_equal(b.blocked, 0);
        assert_true(b.now > patience / 2);
    }
}

static enum job_end all_fail(const struct batch *b, int agent)
{
    (void)agent;
    return b->now > 5 ? JOB_END_ENVIRONMENT : JOB_END_DONE;
}

static void trouble_that_stays_ends_the_batch(void **state)
{
    (void)state;
    for (int agents = 1; agents <= 3; agents++) {
        struct batch b;
        begin(&b, JOBS, agents, own_hosts);
        assert_int_equal(run(&b, all_fail), E_ENVIRONMENT);
        assert_true(b.now > 5 + patience && b.now < 5 + 2 * patience);
        for (size_t i = 0; i < JOBS; i++)
            assert_true(!b.ended[i] || b.how[i] == JOB_END_DONE);
        assert_true(b.starts[0] < JOBS); /* it rests between */
    }
}

static enum job_end job_seven_fails(const struct batch *b, int agent)
{
    return b->runs[agent].job == 7 ? JOB_END_ENVIRONMENT : JOB_END_DONE;
}

static void a_job_that_fails_where_all_is_well_is_given_up(void **state)
{
    (void)state;
    struct batch b;
    begin(&b, JOBS, 4, own_hosts);
    assert_int_equal(run(&b, job_seven_fails), E_FAILED);
    assert_int_equal(b.how[7], JOB_END_ENVIRONMENT);
    assert_int_equal(b.blocked, 0);
}

/* A long job that goes well may take longer than anybody's patience. */
static void who_still_works_is_waited_for(void **state)
{
    (void)state;
    struct batch b;
    begin(&b, 4, 2, own_hosts);
    obey(&b);
    while (b.now < 2 * patience) {
        b.now += 1;
        coordinator_agent_heard(b.c, b.now, 0);
        coordinator_agent_heard(b.c, b.now, 1);
        end(&b, 1, JOB_END_ENVIRONMENT);
        coordinator_tick(b.c, b.now);
        obey(&b);
        assert_false(coordinator_finished(b.c));
    }
    assert_int_equal(b.blocked, 1);
    assert_int_equal(run(&b, second_fails), 0);
}

static void what_is_held_is_interrupted_and_goes_on_when_let_go(void **state)
{
    (void)state;
    struct batch b;
    struct decision d;
    begin(&b, 3, 1, own_hosts);
    obey(&b);
    for (int i = 0; i < 20; i++) { /* as often as it takes */
        coordinator_hold(b.c, true);
        assert_true(coordinator_decide(b.c, b.now, &d));
        assert_int_equal(d.kind, DECIDE_INTERRUPT);
        end(&b, 0, JOB_END_INTERRUPTED);
        coordinator_tick(b.c, b.now);
        obey(&b);
        assert_int_equal(b.runs[0].lease, 0);
        assert_false(coordinator_finished(b.c));
        coordinator_hold(b.c, false);
        obey(&b);
        assert_true(b.runs[0].lease > 0);
    }
    assert_int_equal(run(&b, second_fails), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_that_fails_where_others_do_not_is_blocked),
        cmocka_unit_test(a_host_that_fails_is_blocked_with_all_its_agents),
        cmocka_unit_test(trouble_of_all_is_waited_out),
        cmocka_unit_test(trouble_that_stays_ends_the_batch),
        cmocka_unit_test(a_job_that_fails_where_all_is_well_is_given_up),
        cmocka_unit_test(who_still_works_is_waited_for),
        cmocka_unit_test(what_is_held_is_interrupted_and_goes_on_when_let_go),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
