/* The store's batch.log, also where it cannot be written for a while. */
#include "../core/temporary_folder.h"
#include "events.h"

#include <signal.h>
#include <sys/resource.h>

static void limit_file_sizes(rlim_t bytes)
{
    struct rlimit limit;
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &limit), 0);
    limit.rlim_cur = bytes;
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &limit), 0);
}

/* Reads the log without the times that its lines begin with. */
static void read_log(char *text, size_t room)
{
    char line[256];
    FILE *file = fopen(in_folder("store/batch.log"), "r");
    assert_non_null(file);
    *text = 0;
    while (fgets(line, sizeof line, file))
        snprintf(text + strlen(text), room - strlen(text), "%s", strchr(line, ' ') + 1);
    fclose(file);
}

static void lines_of_the_log_that_cannot_be_written_come_later(void **state)
{
    (void)state;
    char text[512];
    struct store store;
    struct events events;
    struct error err = {0};
    const struct event_field number = {"n", NULL, 1}, words = {"why", "two words", 0};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(store_create(in_folder("store"), &store, &err), 0);
    assert_int_equal(events_open(&store, &events, &err), 0);
    assert_int_equal(events_append(&events, "first", &number, 1, &err), 0);
    limit_file_sizes(40); /* the next line would be cut */
    assert_int_equal(events_append(&events, "second", &words, 1, &err), E_ENVIRONMENT);
    assert_int_equal(events_append(&events, "third", NULL, 0, &err), E_ENVIRONMENT);
    read_log(text, sizeof text);
    assert_string_equal(text, "first n=1\n");
    limit_file_sizes(RLIM_INFINITY);
    assert_int_equal(events_append(&events, "fourth", NULL, 0, &err), 0);
    events_close(&events);
    read_log(text, sizeof text);
    assert_string_equal(text, "first n=1\nsecond why=\"two words\"\nthird\nfourth\n");
    store_release(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(lines_of_the_log_that_cannot_be_written_come_later,
                                        folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
