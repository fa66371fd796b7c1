/* jobs/store and the small files of a store. */
#include "../core/temporary_folder.h"

#include "batch_progress.h"
#include "clock.h"
#include "events.h"
#include "failure.h"
#include "store.h"
#include "verdict.h"
#include <fcntl.h>
#include <math.h>

static const char first[] = "3fa9c1e0b2d47a15", second[] = "3f00000000000000",
                  third[] = "00000000000000ff";

/* --- set-up --- */

static struct store made;

static int store_make(void **state)
{
    return folder_make(state) || store_create(in_folder("store"), &made, NULL);
}

static int store_unmake(void **state)
{
    store_release(&made);
    return folder_remove(state);
}

/* A file that is an HDF5 file of `size` bytes by its superblock, of which `written` are there. */
static void put_hdf5(const char *path, uint64_t size, size_t written)
{
    uint8_t bytes[256] = "\x89HDF\r\n\x1a\n\x02\x08\x08";
    for (int i = 0; i < 8; i++)
        bytes[28 + i] = (uint8_t)(size >> 8 * i);
    file_put(path, bytes, written);
}

static void put_job_file(const char *id, enum job_file file, size_t size, size_t written)
{
    char *path = store_job_path(&made, id, file);
    assert_int_equal(store_make_room(&made, id, NULL), 0);
    put_hdf5(path, size, written);
    free(path);
}

/* --- the folder --- */

static void store_is_made_with_the_folders_above_it_and_opened_again(void **state)
{
    (void)state;
    struct store store, again;
    struct error err = {0};
    assert_int_equal(store_create(in_folder("new/runs/starry"), &store, &err), 0);
    assert_int_equal(store_create(in_folder("new/runs/starry"), &again, &err), 0);
    assert_string_equal(store.folder, again.folder);
    store_release(&again);
    assert_int_equal(store_open(in_folder("new/runs/starry/"), &again, &err), 0);
    assert_string_equal(store.folder, again.folder);
    store_release(&again);
    store_release(&store);
}

static void store_names_its_files(void **state)
{
    (void)state;
    static const struct {
        enum job_file file;
        const char *path;
    } cases[] = {{JOB_PICTURE, "/jobs/3f/3fa9c1e0b2d47a15.png"},
                 {JOB_LOG, "/jobs/3f/3fa9c1e0b2d47a15.log"},
                 {JOB_RESULT, "/jobs/3f/3fa9c1e0b2d47a15.h5"},
                 {JOB_CHECKPOINT, "/running/3fa9c1e0b2d47a15.h5"},
                 {JOB_RUNNING_LOG, "/running/3fa9c1e0b2d47a15.log"},
                 {JOB_FAILURE, "/failed/3fa9c1e0b2d47a15.json"}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *path = store_job_path(&made, first, cases[i].file);
        assert_string_equal(path + strlen(made.folder), cases[i].path);
        free(path);
    }
    char *path = store_path(&made, STORE_EXIT_STATUS);
    assert_string_equal(path + strlen(made.folder), "/exit_status");
    free(path);
}

static void store_refuses_what_is_no_store(void **state)
{
    (void)state;
    struct store store;
    struct error err;
    file_put(in_folder("file"), "x", 1);
    assert_int_equal(store_create(in_folder("file"), &store, &err), E_INPUT);
    assert_says(&err, "a file is in the way");
    assert_int_equal(store_create(in_folder("file/below"), &store, &err), E_INPUT);
    assert_says(&err, "a file is in the way");
    assert_int_equal(store_open(in_folder("file"), &store, &err), E_INPUT);
    assert_says(&err, "not a folder");
    assert_int_equal(store_open(in_folder("nothing"), &store, &err), E_INPUT);
    assert_says(&err, "there is no store");
    assert_int_equal(store_create("", &store, &err), E_INPUT);

    assert_int_equal(mkdir(in_folder("photos"), 0777), 0);
    file_put(in_folder("photos/a.jpg"), "x", 1);
    assert_int_equal(store_create(in_folder("photos"), &store, &err), E_INPUT);
    assert_says(&err, "a.jpg");
    assert_int_equal(store_open(in_folder("photos"), &store, &err), E_INPUT);
    assert_says(&err, "is no store");
}

static void store_begun_by_a_killed_process_is_finished(void **state)
{
    (void)state;
    struct store store;
    assert_int_equal(mkdir(in_folder("begun"), 0777), 0);
    assert_int_equal(mkdir(in_folder("begun/running"), 0777), 0);
    assert_int_equal(store_open(in_folder("begun"), &store, NULL), E_INPUT);
    assert_int_equal(store_create(in_folder("begun"), &store, NULL), 0);
    store_release(&store);
    assert_int_equal(store_open(in_folder("begun"), &store, NULL), 0);
    store_release(&store);
}

static void store_in_a_read_only_folder_is_an_error_of_the_environment(void **state)
{
    (void)state;
    struct store store;
    struct error err;
    assert_int_equal(mkdir(in_folder("fixed"), 0555), 0);
    if (geteuid() == 0 && (chmod(fixture_folder, 0755) != 0 || seteuid(65534) != 0))
        skip();
    int status = store_create(in_folder("fixed/store"), &store, &err);
    assert_int_equal(seteuid(getuid()), 0);
    assert_int_equal(status, E_ENVIRONMENT);
    assert_says(&err, "Permission denied");
}

/* --- scanning --- */

static void scan_tells_done_failed_and_unfinished_jobs_apart(void **state)
{
    (void)state;
    struct store_scan scan;
    put_job_file(first, JOB_RESULT, 100, 100);
    put_job_file(first, JOB_PICTURE, 0, 50);
    put_job_file(second, JOB_CHECKPOINT, 64, 64);
    put_job_file(second, JOB_FAILURE, 0, 48);
    assert_int_equal(store_scan(&made, &scan, NULL), 0);
    assert_int_equal(scan.count, 2);
    const struct store_entry *done = store_scan_find(&scan, first);
    const struct store_entry *open = store_scan_find(&scan, second);
    assert_true(store_entry_done(done));
    assert_true(store_entry_has(done, JOB_PICTURE));
    assert_false(store_entry_has(done, JOB_LOG));
    assert_int_equal(done->bytes, 150);
    assert_true(fabs(done->result_written - clock_now()) < 100);
    assert_false(store_entry_done(open));
    assert_true(store_entry_has(open, JOB_CHECKPOINT));
    assert_true(store_entry_has(open, JOB_FAILURE));
    assert_null(store_scan_find(&scan, third));
    assert_false(store_entry_done(NULL));
    store_scan_release(&scan);
}

static void scan_tells_a_truncated_result_from_a_whole_one(void **state)
{
    (void)state;
    static const struct {
        size_t size, written;
        bool done;
    } cases[] = {{200, 200, true}, {200, 199, false}, {200, 48, false},
                 {200, 20, false}, {200, 0, false},   {200, 210, true}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct store_scan scan;
        put_job_file(first, JOB_RESULT, cases[i].size, cases[i].written);
        assert_int_equal(store_scan(&made, &scan, NULL), 0);
        assert_int_equal(scan.count, 1);
        assert_int_equal(store_entry_done(&scan.entries[0]), cases[i].done);
        assert_int_equal(scan.entries[0].truncated, !cases[i].done);
        store_scan_release(&scan);
    }
}

static void scan_passes_over_names_that_are_no_jobs(void **state)
{
    (void)state;
    static const char *const names[] = {"store/jobs/3f/.3fa9c1e0b2d47a15.h5.tmp.host.1",
                                        "store/jobs/3f/3FA9C1E0B2D47A15.h5",
                                        "store/jobs/3f/3fa9c1e0b2d47a1.h5",
                                        "store/jobs/3f/3fa9c1e0b2d47a155.h5",
                                        "store/jobs/3f/3fa9c1e0b2d47a15.h5x",
                                        "store/jobs/3f/3fa9c1e0b2d47a15",
                                        "store/jobs/3f/3fa9c1e0b2d47a15.json",
                                        "store/jobs/notes.txt",
                                        "store/jobs/3fa9c1e0b2d47a15.h5",
                                        "store/running/3fa9c1e0b2d47a15.json",
                                        "store/failed/3fa9c1e0b2d47a15.h5",
                                        "store/notes.txt"};
    struct store_scan scan;
    assert_int_equal(store_make_room(&made, first, NULL), 0);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        put_hdf5(in_folder(names[i]), 64, 64);
    assert_int_equal(mkdir(in_folder("store/jobs/3f/3f00000000000001.h5"), 0777), 0);
    assert_int_equal(store_scan(&made, &scan, NULL), 0);
    assert_int_equal(scan.count, 0);
    store_scan_release(&scan);
}

static void scan_of_ten_thousand_jobs_finds_each_in_order(void **state)
{
    (void)state;
    enum { JOBS = 10000 };
    struct store_scan scan;
    for (int i = 0; i < JOBS; i++) {
        char id[JOB_ID_TEXT];
        snprintf(id, sizeof id, "%016llx", (unsigned long long)i * 0x9e3779b97f4a7c15u);
        put_job_file(id, JOB_RESULT, 64, i % 100 ? 64 : 60);
        put_job_file(id, JOB_PICTURE, 0, 48);
        put_job_file(id, JOB_LOG, 0, 48);
    }
    double start = clock_seconds();
    assert_int_equal(store_scan(&made, &scan, NULL), 0);
    double took = clock_seconds() - start;
    print_message("%d jobs, %d files: %.3f s\n", JOBS, 3 * JOBS, took);
    assert_int_equal(scan.count, JOBS);
    size_t done = 0;
    for (size_t i = 0; i < scan.count; i++) {
        done += store_entry_done(&scan.entries[i]);
        assert_true(i == 0 || strcmp(scan.entries[i - 1].id, scan.entries[i].id) < 0);
    }
    assert_int_equal(done, JOBS - JOBS / 100);
    store_scan_release(&scan);
}

/* --- failures, verdicts, progress, events --- */

static void assert_same_attempt(const struct attempt *a, const struct attempt *b)
{
    assert_int_equal(a->number, b->number);
    assert_string_equal(a->host, b->host);
    assert_int_equal(a->rank, b->rank);
    assert_string_equal(a->started, b->started);
    assert_true(a->seconds == b->seconds && a->cpu_seconds == b->cpu_seconds);
    assert_int_equal(a->end, b->end);
    assert_int_equal(a->exit_code, b->exit_code);
    assert_int_equal(a->signal, b->signal);
    assert_int_equal(a->peak_memory_bytes, b->peak_memory_bytes);
    assert_string_equal(a->message, b->message);
}

static void failure_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct attempt attempts[] = {{.number = 1,
                                  .host = "node1",
                                  .rank = 3,
                                  .started = "2026-11-24T14:20:01Z",
                                  .seconds = 12.25,
                                  .end = JOB_END_CRASHED,
                                  .exit_code = -1,
                                  .signal = 11,
                                  .peak_memory_bytes = 5000000000u,
                                  .cpu_seconds = 20.5,
                                  .message = "said \"no\"\n\xc3\xa9"},
                                 {.number = 2, .end = JOB_END_DIVERGED, .exit_code = 1}};
    struct failure written = {.end = JOB_END_DIVERGED,
                              .final = true,
                              .message = (char[]){"the loss is not finite"},
                              .command = (char[]){"atelier render --into 'a b'"},
                              .attempt_count = 2,
                              .attempts = attempts};
    struct failure read;
    memcpy(written.id, first, sizeof first);
    assert_int_equal(failure_write(&made, &written, NULL), 0);
    assert_int_equal(failure_read(&made, first, &read, NULL), 0);
    assert_string_equal(read.id, first);
    assert_int_equal(read.end, JOB_END_DIVERGED);
    assert_true(read.final);
    assert_string_equal(read.message, written.message);
    assert_string_equal(read.command, written.command);
    assert_int_equal(read.attempt_count, 2);
    for (int i = 0; i < 2; i++)
        assert_same_attempt(&read.attempts[i], &attempts[i]);
    failure_release(&read);

    assert_int_equal(failure_remove(&made, first, NULL), 0);
    assert_int_equal(failure_remove(&made, first, NULL), 0);
    assert_int_equal(failure_read(&made, first, &read, NULL), 0);
    assert_string_equal(read.id, "");
}

static void failure_with_bytes_that_are_no_utf8_is_written_all_the_same(void **state)
{
    (void)state;
    struct failure written = {.end = JOB_END_CRASHED, .message = (char[]){"caf\xe9"}}, read;
    memcpy(written.id, first, sizeof first);
    assert_int_equal(failure_write(&made, &written, NULL), 0);
    assert_int_equal(failure_read(&made, first, &read, NULL), 0);
    assert_string_equal(read.message, "caf?");
    failure_release(&read);
}

static void failure_that_makes_no_sense_is_refused(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "",
        "{",
        "[]",
        "{\"id\": \"3f00000000000000\", \"end\": \"crashed\"}",
        "{\"id\": \"3fa9c1e0b2d47a15\", \"end\": \"bored\"}",
        "{\"id\": \"3fa9c1e0b2d47a15\", \"end\": \"crashed\", \"attempts\": [{}]}"};
    char *path = store_job_path(&made, first, JOB_FAILURE);
    for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
        struct failure read;
        struct error err = {0};
        file_put(path, texts[i], strlen(texts[i]));
        assert_int_equal(failure_read(&made, first, &read, &err), E_INPUT);
        assert_says(&err, path);
    }
    free(path);
}

static void ends_and_their_words_belong_together(void **state)
{
    (void)state;
    for (int end = 0; end < JOB_ENDS; end++) {
        assert_int_equal(job_end_find(job_end_word((enum job_end)end)), end);
        assert_true(strlen(job_end_sentence((enum job_end)end)) > 0);
    }
    assert_int_equal(job_end_find("bored"), JOB_ENDS);
}

static void verdict_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct verdict written, read;
    memset(&written, 0, sizeof written);
    assert_int_equal(verdict_read(&made, &read, NULL), 0);
    assert_string_equal(read.nonce, "");
    strcpy(written.nonce, "0123456789abcdef0123456789abcdef");
    strcpy(written.finished, "2026-11-24T14:20:01Z");
    written.code = 75;
    written.jobs = 10;
    written.done = 7;
    written.failed = 1;
    written.left = 2;
    assert_int_equal(verdict_write(&made, &written, NULL), 0);
    assert_int_equal(verdict_read(&made, &read, NULL), 0);
    assert_string_equal(read.nonce, written.nonce);
    assert_string_equal(read.finished, written.finished);
    assert_int_equal(read.code, 75);
    assert_int_equal(read.jobs * 1000 + read.done * 100 + read.failed * 10 + read.left, 10712);
}

static void progress_is_read_as_it_was_written(void **state)
{
    (void)state;
    struct agent_progress agents[] = {{0, 2, "node1", "idle"}, {1, 4, "node2", "running"}};
    struct job_progress running[] = {{.id = "3fa9c1e0b2d47a15",
                                      .host = "node2",
                                      .started = "2026-11-24T14:20:01Z",
                                      .rank = 1,
                                      .attempt = 2,
                                      .evaluation = 30,
                                      .evaluations = 400,
                                      .total = (double)NAN,
                                      .seconds_left = 12.5}};
    struct batch_progress read, written = {.nonce = "0123456789abcdef0123456789abcdef",
                                           .time = "2026-11-24T14:20:02Z",
                                           .host = "node1",
                                           .pid = 4711,
                                           .jobs = 5,
                                           .done = 1,
                                           .failed = 2,
                                           .waiting = 1,
                                           .seconds_left = (double)NAN,
                                           .agent_count = 2,
                                           .running_count = 1,
                                           .agents = agents,
                                           .running = running};
    assert_int_equal(batch_progress_write(&made, &written, NULL), 0);
    assert_int_equal(batch_progress_read(&made, &read, NULL), 0);
    assert_string_equal(read.nonce, written.nonce);
    assert_int_equal(read.pid, 4711);
    assert_int_equal(read.jobs * 1000 + read.done * 100 + read.failed * 10 + read.waiting, 5121);
    assert_true(isnan(read.seconds_left));
    assert_int_equal(read.agent_count, 2);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(read.agents[i].rank, agents[i].rank);
        assert_int_equal(read.agents[i].threads, agents[i].threads);
        assert_string_equal(read.agents[i].host, agents[i].host);
        assert_string_equal(read.agents[i].state, agents[i].state);
    }
    assert_int_equal(read.running_count, 1);
    assert_true(isnan(read.running[0].total));
    assert_true(read.running[0].seconds_left == 12.5);
    assert_string_equal(read.running[0].id, first);
    assert_int_equal(read.running[0].evaluations, 400);
    batch_progress_release(&read);
    batch_progress_remove(&made);
    assert_int_equal(batch_progress_read(&made, &read, NULL), 0);
    assert_string_equal(read.nonce, "");
}

static void event_is_a_line_with_quotes_only_where_needed(void **state)
{
    (void)state;
    const struct event_field fields[] = {{"id", first, 0},   {"seconds", NULL, 12.5},
                                         {"rank", NULL, 3},  {"message", "disk \"full\"\n=\\", 0},
                                         {"name", "", 0},    {"host", "caf\xc3\xa9", 0},
                                         {"odd", "\x01", 0}, {"tie", "a=b", 0}};
    static const char line[] = " job_done id=3fa9c1e0b2d47a15 seconds=12.5 rank=3 "
                               "message=\"disk \\\"full\\\"\\n=\\\\\" name=\"\" host=caf\xc3\xa9 "
                               "odd=\"\\u0001\" tie=\"a=b\"\n";
    struct events events;
    for (int i = 0; i < 2; i++) {
        assert_int_equal(events_open(&made, &events, NULL), 0);
        assert_int_equal(events_append(&events, "job_done", fields, 8, NULL), 0);
        events_close(&events);
    }
    size_t count;
    char *text = (char *)file_get(in_folder("store/batch.log"), &count);
    size_t each = strlen("2026-11-24T14:20:01Z") + strlen(line);
    assert_int_equal(count, 2 * each);
    for (int i = 0; i < 2; i++) {
        char *stamp = text + (size_t)i * each;
        assert_memory_equal(stamp + 20, line, strlen(line));
        stamp[20] = 0;
        assert_true(fabs(clock_parse_utc(stamp) - clock_now()) < 100);
    }
    free(text);
}

static void times_are_read_as_they_were_written(void **state)
{
    (void)state;
    char text[CLOCK_TEXT];
    assert_string_equal(clock_utc(951782399.75, text), "2000-02-28T23:59:59Z");
    assert_true(clock_parse_utc(text) == 951782399);
    assert_true(isnan(clock_parse_utc("yesterday")));
    assert_true(isnan(clock_parse_utc("2000-02-28T23:59:59Z and more")));
}

int main(void)
{
#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, store_make, store_unmake)
    const struct CMUnitTest tests[] = {
        WITH_STORE(store_is_made_with_the_folders_above_it_and_opened_again),
        WITH_STORE(store_names_its_files),
        WITH_STORE(store_refuses_what_is_no_store),
        WITH_STORE(store_begun_by_a_killed_process_is_finished),
        WITH_STORE(store_in_a_read_only_folder_is_an_error_of_the_environment),
        WITH_STORE(scan_tells_done_failed_and_unfinished_jobs_apart),
        WITH_STORE(scan_tells_a_truncated_result_from_a_whole_one),
        WITH_STORE(scan_passes_over_names_that_are_no_jobs),
        WITH_STORE(scan_of_ten_thousand_jobs_finds_each_in_order),
        WITH_STORE(failure_is_read_as_it_was_written),
        WITH_STORE(failure_with_bytes_that_are_no_utf8_is_written_all_the_same),
        WITH_STORE(failure_that_makes_no_sense_is_refused),
        cmocka_unit_test(ends_and_their_words_belong_together),
        WITH_STORE(verdict_is_read_as_it_was_written),
        WITH_STORE(progress_is_read_as_it_was_written),
        WITH_STORE(event_is_a_line_with_quotes_only_where_needed),
        cmocka_unit_test(times_are_read_as_they_were_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
