/* mpi/protocol: what is taken for a message, and what becomes of a rank that sends something else.
 */
#include "check.h"

#include "agent.h"
#include "protocol.h"

/* One of each kind, as they are sent. */
static struct message good(enum message_kind kind)
{
    struct message m = message_new(kind);
    if (kind == MESSAGE_HELLO || kind == MESSAGE_ENDED || kind == MESSAGE_BYE ||
        kind == MESSAGE_NOTE)
        message_say(&m, kind == MESSAGE_HELLO ? "" : "words");
    if (kind == MESSAGE_HAIL || kind == MESSAGE_RUN) {
        message_add(&m, "one");
        message_add(&m, "");
        message_add(&m, "three");
        m.run.attempt = kind == MESSAGE_RUN;
    }
    return m;
}

static bool valid(const struct message *m) { return message_valid(m, message_bytes(m)); }

static void messages_of_every_kind_are_valid(void **state)
{
    (void)state;
    for (int kind = MESSAGE_HAIL; kind <= MESSAGE_NOTE; kind++) {
        struct message m = good((enum message_kind)kind);
        assert_true(valid(&m));
        assert_false(message_valid(&m, message_bytes(&m) - 1));
        assert_false(message_valid(&m, message_bytes(&m) + 1));
        assert_false(message_valid(&m, 7));
        m.protocol++;
        assert_false(valid(&m));
    }
}

static void other_kinds_are_not(void **state)
{
    (void)state;
    static const uint32_t kinds[] = {0, MESSAGE_NOTE + 1, UINT32_MAX};
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        struct message m = message_new((enum message_kind)kinds[i]);
        assert_false(valid(&m));
    }
}

static void texts_have_their_ends(void **state)
{
    (void)state;
    for (int kind = MESSAGE_HAIL; kind <= MESSAGE_NOTE; kind++) {
        struct message m = good((enum message_kind)kind);
        if (m.text_bytes == 0) {
            m.text_bytes = 24;
            assert_false(valid(&m));
            continue;
        }
        m.text[m.text_bytes - 1] = 'x';
        assert_false(valid(&m));
        m = good((enum message_kind)kind);
        m.text_bytes = 0;
        assert_false(valid(&m));
        m.text_bytes = MESSAGE_TEXT + 1;
        assert_false(message_valid(&m, sizeof m));
    }
}

static void a_hail_has_three_texts(void **state)
{
    (void)state;
    struct message m = good(MESSAGE_HAIL);
    message_add(&m, "four");
    assert_false(valid(&m));
    m = message_new(MESSAGE_HAIL);
    message_add(&m, "one");
    message_add(&m, "two");
    assert_false(valid(&m));
}

static void only_a_part_of_a_command_ends_within_a_word(void **state)
{
    (void)state;
    struct message m = good(MESSAGE_RUN);
    m.text_bytes--;
    assert_false(valid(&m));
    m.run.more = 1;
    assert_true(valid(&m));
}

static void names_of_hosts_have_their_ends(void **state)
{
    (void)state;
    struct message m = good(MESSAGE_HELLO);
    memset(m.hello.host, 'h', sizeof m.hello.host);
    assert_false(valid(&m));
    m = good(MESSAGE_HELLO);
    memset(m.hello.mask, 'f', sizeof m.hello.mask);
    assert_false(valid(&m));
}

static void numbers_mean_something(void **state)
{
    (void)state;
    static const int32_t ends[] = {-1, JOB_ENDS, INT32_MIN, INT32_MAX};
    static const double no_times[] = {-1, (double)NAN, (double)INFINITY};
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct message m = good(MESSAGE_ENDED);
        m.ended.end = ends[i];
        assert_false(valid(&m));
    }
    for (size_t i = 0; i < sizeof no_times / sizeof *no_times; i++) {
        struct message m = good(MESSAGE_ENDED);
        m.ended.seconds = no_times[i];
        assert_false(valid(&m));
        m = good(MESSAGE_ENDED);
        m.ended.cpu_seconds = no_times[i];
        assert_false(valid(&m));
    }
    struct message m = good(MESSAGE_STATUS);
    m.status.total = (double)NAN; /* not known yet */
    assert_true(valid(&m));
    m.stamp = (double)NAN;
    assert_false(valid(&m));
    m = good(MESSAGE_RUN);
    m.run.attempt = 0;
    assert_false(valid(&m));
    m = good(MESSAGE_RUN);
    m.run.timeout = (double)NAN;
    assert_false(valid(&m));
}

/* Its coordinator is itself here, so that what it says can be read. */
static void an_agent_leaves_a_coordinator_that_makes_no_sense(void **state)
{
    (void)state;
    for (int kind = 0; kind <= MESSAGE_NOTE; kind++) {
        const struct agent_settings settings = {.heartbeat = 1, .silence = 40, .version = "v"};
        struct transport transport;
        struct agent agent;
        struct message m = good((enum message_kind)kind), said;
        bool busy;
        int from;
        m.text_bytes = 24;
        memset(m.text, 'x', sizeof m.text);
        assert_int_equal(transport_open(&transport, NULL), 0);
        assert_int_equal(agent_init(&agent, &settings, &transport, 0, NULL), 0);
        assert_int_equal(agent_hear(&agent, 1, &m, NULL), 0);
        assert_int_equal(agent_step(&agent, 1, &busy, NULL), 0);
        assert_true(agent.finished);
        do
            assert_true(transport_receive(&transport, &from, &said));
        while (said.kind != MESSAGE_BYE);
        assert_non_null(strstr(said.text, "no message of this version"));
        agent_release(&agent);
        transport_close(&transport, true, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(messages_of_every_kind_are_valid),
        cmocka_unit_test(other_kinds_are_not),
        cmocka_unit_test(texts_have_their_ends),
        cmocka_unit_test(a_hail_has_three_texts),
        cmocka_unit_test(only_a_part_of_a_command_ends_within_a_word),
        cmocka_unit_test(names_of_hosts_have_their_ends),
        cmocka_unit_test(numbers_mean_something),
        cmocka_unit_test(an_agent_leaves_a_coordinator_that_makes_no_sense),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
