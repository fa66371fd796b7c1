/* mpi/coordinator: what it starts when the end of the batch is known. */
#include "check.h"

#include "coordinator.h"

static bool always_done(void *context, size_t job)
{
    (void)context, (void)job;
    return true;
}

static struct coordinator *coordinator_of(const struct job_cost *costs, size_t count,
                                          double deadline)
{
    struct coordinator_settings settings = {
        .lost_after = 1e6, .attempts = 3, .deadline = deadline, .is_done = always_done};
    struct coordinator *c;
    struct error err = {0};
    assert_int_equal(coordinator_new(&settings, costs, NULL, count, &c, &err), 0);
    assert_int_equal(coordinator_agent_joined(c, 0, 0, "a", (uint64_t)1 << 40, &err), 0);
    return c;
}

static const struct job_cost jobs[] = {
    {.seconds = 100, .bytes = 1, .predicted = true, .first_state = 10},
    {.seconds = 90, .bytes = 1, .predicted = true, .first_state = 40},
    {.seconds = 80, .bytes = 1, .predicted = true, .first_state = 5},
};

static void assert_start(struct coordinator *c, double now, size_t job, struct decision *out)
{
    assert_true(coordinator_decide(c, now, out));
    assert_int_equal(out->kind, DECIDE_START);
    assert_int_equal(out->job, job);
}

static void jobs_that_cannot_keep_anything_are_not_started(void **state)
{
    (void)state;
    struct coordinator *c = coordinator_of(jobs, 3, 60);
    struct decision decision, again;
    assert_start(c, 0, 0, &decision);
    assert_false(coordinator_decide(c, 0, &again));
    /* at 30 s the job of 40 s is too late, the shorter one is not */
    assert_true(coordinator_job_ended(c, 30, 0, decision.lease, JOB_END_DONE));
    assert_true(coordinator_decide(c, 30, &decision) && decision.kind == DECIDE_DONE);
    assert_start(c, 30, 2, &decision);
    coordinator_free(c);
}

static void a_batch_of_late_jobs_ends_before_its_deadline(void **state)
{
    (void)state;
    struct coordinator *c = coordinator_of(jobs + 1, 1, 30);
    struct decision decision;
    assert_false(coordinator_decide(c, 0, &decision));
    assert_true(coordinator_finished(c));
    assert_int_equal(coordinator_stop_reason(c), STOP_DEADLINE);
    assert_int_equal(coordinator_verdict(c), E_INTERRUPTED);
    assert_int_equal(coordinator_counts(c).waiting, 1);
    coordinator_free(c);
}

static void late_jobs_wait_while_others_run(void **state)
{
    (void)state;
    struct coordinator *c = coordinator_of(jobs + 1, 2, 30);
    struct decision decision, again;
    assert_start(c, 0, 1, &decision);
    assert_false(coordinator_decide(c, 0, &again));
    assert_false(coordinator_finished(c));
    assert_int_equal(coordinator_stop_reason(c), STOP_NOT);
    coordinator_free(c);
}

static void without_a_deadline_nothing_is_late(void **state)
{
    (void)state;
    struct coordinator *c = coordinator_of(jobs + 1, 1, HUGE_VAL);
    struct decision decision;
    assert_start(c, 1e9, 0, &decision);
    coordinator_free(c);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(jobs_that_cannot_keep_anything_are_not_started),
        cmocka_unit_test(a_batch_of_late_jobs_ends_before_its_deadline),
        cmocka_unit_test(late_jobs_wait_while_others_run),
        cmocka_unit_test(without_a_deadline_nothing_is_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
