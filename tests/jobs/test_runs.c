/* jobs/runs and jobs/result_stream: a store as a table, whatever its files look like. */
#include "store_fixture.h"

#include "batch_progress.h"
#include "clock.h"
#include "failure.h"
#include "runs.h"
#include <sys/wait.h>
#include <unistd.h>

static const char *const two_layers[] = {"content_relu4_2", "style_relu1_1"};
static const char *const other_layers[] = {"content_relu3_1", "content_relu4_2", "style_relu1_1"};

#define ID(digit) #digit "000000000000000"

static const struct made_result first = {ID(1), "1", NULL, 2, two_layers, 5, true};
static const struct made_result second = {ID(2), "2", "relu3_1,relu4_2", 3, other_layers, 3, true};
static const struct made_result unlisted = {ID(9), "7", NULL, 2, two_layers, 1, true};

static struct store store;

static int make(void **state)
{
    return folder_make(state) || store_create(in_folder("store"), &store, NULL);
}

static int unmake(void **state)
{
    store_release(&store);
    return folder_remove(state);
}

static void fill_store(void)
{
    static const char manifest[] =
        "id,name,content,style,style_weight,content_layers\n"
        "2000000000000000,second,/a.jpg,/caf\xc3\xa9.jpg,2,\"relu3_1,relu4_2\"\n"
        "1000000000000000,,/a.jpg,/caf\xc3\xa9.jpg,1,\n"
        "3000000000000000,failed,/a.jpg,/caf\xc3\xa9.jpg,3,\n"
        "4000000000000000,waiting,/a.jpg,/caf\xc3\xa9.jpg,4,\n";
    put_manifest(&store, manifest);
    put_result(&store, &first);
    put_result(&store, &second);
    put_result(&store, &unlisted);
    put_job_text(&store, ID(1), JOB_PICTURE, "png");
    struct attempt attempts[2] = {{.number = 1, .host = "one", .end = JOB_END_CRASHED},
                                  {.number = 2, .host = "two", .end = JOB_END_TIMED_OUT}};
    struct failure failure = {.id = ID(3),
                              .end = JOB_END_TIMED_OUT,
                              .message = "no end after 30 s",
                              .command = "atelier render",
                              .attempt_count = 2,
                              .attempts = attempts};
    assert_int_equal(failure_write(&store, &failure, NULL), 0);
}

static void must_read(struct runs *runs)
{
    struct error err = {0};
    if (runs_read(store.folder, runs, &err) != 0)
        print_error("%s\n", err.message);
    assert_int_equal(err.code, 0);
}

static const char *cell(const struct runs *runs, const char *name, size_t run)
{
    static char text[NUMBER_TEXT];
    const struct run_column *column = runs_column(runs, name);
    if (!column)
        print_error("no column '%s'\n", name);
    assert_non_null(column);
    return runs_text(column, run, text);
}

static void every_job_and_every_result_is_a_row(void **state)
{
    (void)state;
    static const char *const columns[] = {"id",   "name",    "status",  "listed",       "error",
                                          "host", "picture", "threads", "style_weight", "rows"};
    static const char *const expected[][10] = {
        {ID(2), "second", "done", "1", "", "two", "", "8", "2", "3"},
        {ID(1), "", "done", "1", "", "one", "jobs/10/" ID(1) ".png", "8", "1", "5"},
        {ID(3), "failed", "failed", "1", "no end after 30 s", "two", "", "", "3", "0"},
        {ID(4), "waiting", "waiting", "1", "", "", "", "", "4", "0"},
        {ID(9), "from the result", "done", "0", "", "two", "", "8", "7", "1"},
    };
    struct runs runs;
    fill_store();
    must_read(&runs);
    assert_int_equal(runs.count, 5);
    assert_int_equal(runs.done, 3);
    for (size_t run = 0; run < runs.count; run++)
        for (size_t i = 0; i < 10; i++)
            assert_string_equal(cell(&runs, columns[i], run), expected[run][i]);
    assert_string_equal(cell(&runs, "failure", 2), "timed_out");
    assert_string_equal(cell(&runs, "attempts", 2), "2");
    assert_string_equal(cell(&runs, "odd_fact", 0), "only a newer version writes it");
    assert_true(runs_constant(&runs, runs_column(&runs, "content")));
    assert_false(runs_constant(&runs, runs_column(&runs, "style_weight")));
    runs_release(&runs);
}

static void losses_are_those_of_first_and_last_row_in_network_order(void **state)
{
    (void)state;
    static const char *const order[] = {"final_total",
                                        "final_content",
                                        "final_style",
                                        "final_tv",
                                        "final_content_relu3_1",
                                        "final_content_relu4_2",
                                        "final_style_relu1_1",
                                        "final_gradient_norm",
                                        "start_total"};
    struct runs runs;
    fill_store();
    must_read(&runs);
    const struct run_column *column = runs_column(&runs, order[0]);
    for (size_t i = 0; i < sizeof order / sizeof *order; i++)
        assert_string_equal(column[i].name, order[i]);
    const struct run_column *last = runs_column(&runs, "final_total"),
                            *start = runs_column(&runs, "start_style_relu1_1");
    assert_true(last->numbers[1] == made_loss(ID(1), 4, H_TOTAL));
    assert_true(start->numbers[1] == made_loss(ID(1), 0, H_FIXED + 1));
    assert_true(start->numbers[0] == made_loss(ID(2), 0, H_FIXED + 2));
    assert_true(start->numbers[4] == made_loss(ID(9), 0, H_FIXED + 1));
    assert_true(isnan(last->numbers[2]));
    assert_true(isnan(runs_column(&runs, "final_content_relu3_1")->numbers[1]));
    runs_release(&runs);
}

static void put_progress(const char *nonce)
{
    struct job_progress running = {.id = ID(4), .host = "one"};
    struct batch_progress progress = {.running_count = 1, .running = &running};
    snprintf(progress.nonce, sizeof progress.nonce, "%s", nonce);
    clock_utc(clock_now(), progress.time);
    clock_utc(clock_now(), running.started);
    assert_int_equal(batch_progress_write(&store, &progress, NULL), 0);
}

static void expect_batch(enum batch_presence batch, enum run_status status)
{
    struct runs runs;
    must_read(&runs);
    assert_int_equal(runs.state.batch, batch);
    assert_int_equal(runs.run[3].status, status);
    runs_release(&runs);
}

static void running_jobs_are_those_of_a_batch_that_is_alive(void **state)
{
    (void)state;
    struct claim claim;
    fill_store();
    expect_batch(BATCH_NONE, RUN_WAITING);
    put_progress("0123456789abcdef"); /* left behind by a batch of long ago */
    expect_batch(BATCH_GONE, RUN_WAITING);
    assert_int_equal(claim_take(&store, 60, NULL, &claim, NULL), 0);
    expect_batch(BATCH_ALIVE, RUN_WAITING);
    put_progress(claim.nonce);
    expect_batch(BATCH_ALIVE, RUN_RUNNING);
    assert_int_equal(claim_release(&store, &claim, NULL), 0);
    expect_batch(BATCH_GONE, RUN_WAITING);
}

static void batch_that_was_killed_is_gone(void **state)
{
    (void)state;
    struct claim claim;
    fill_store();
    pid_t child = fork();
    if (child == 0) {
        if (claim_take(&store, 60, NULL, &claim, NULL) == 0)
            put_progress(claim.nonce);
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    expect_batch(BATCH_GONE, RUN_WAITING);
}

/* --- damage --- */

static uint8_t *result_bytes(const char *id, size_t *count, char **path)
{
    *path = store_job_path(&store, id, JOB_RESULT);
    return file_get(*path, count);
}

static void truncate_result(const char *id)
{
    size_t count;
    char *path;
    uint8_t *bytes = result_bytes(id, &count, &path);
    file_put(path, bytes, count / 2);
    free(bytes);
    free(path);
}

/* A global heap that is all zeros: HDF5 1.10 reads it for ever. */
static void zero_heap(const char *id)
{
    size_t count;
    char *path;
    uint8_t *bytes = result_bytes(id, &count, &path);
    uint8_t *heap = memmem(bytes, count, "GCOL", 4);
    assert_non_null(heap);
    memset(heap + 16, 0, 1024);
    file_put(path, bytes, count);
    free(bytes);
    free(path);
}

enum { MANY = 40, TRUNCATED = 7, ENDLESS = 12, FOREIGN = 33 };

static void make_many(void)
{
    char manifest[MANY * 64] = "id,content,style\n";
    for (int i = 0; i < MANY; i++) {
        char id[JOB_ID_TEXT];
        snprintf(id, sizeof id, "%016x", 0xabc000 + i);
        struct made_result made = {id, NULL, NULL, 2, two_layers, 1 + i, false};
        put_result(&store, &made);
        snprintf(manifest + strlen(manifest), 64, "%s,/photos/a.jpg,/styles/b.jpg\n", id);
    }
    put_manifest(&store, manifest);
    truncate_result("0000000000abc007");
    zero_heap("0000000000abc00c");
    put_job_text(&store, "0000000000abc021", JOB_RESULT, "not HDF5 at all, but a text long enough");
}

static void damaged_results_are_rows_that_say_so(void **state)
{
    (void)state;
    static const struct {
        size_t run;
        const char *error;
    } damaged[] = {{TRUNCATED, "it is truncated"},
                   {ENDLESS, "damaged: reading it does not come to an end"},
                   {FOREIGN, "it is not an HDF5 file"}};
    struct runs runs;
    make_many();
    must_read(&runs);
    assert_int_equal(runs.count, MANY);
    assert_int_equal(runs.unreadable, 3);
    for (size_t run = 0, next = 0; run < MANY; run++) {
        bool bad = next < 3 && damaged[next].run == run;
        assert_int_equal(runs.run[run].status, bad ? RUN_UNREADABLE : RUN_DONE);
        assert_int_equal(runs.run[run].rows, bad ? 0 : run + 1);
        if (bad)
            assert_non_null(strstr(cell(&runs, "error", run), damaged[next++].error));
    }
    runs_release(&runs);
}

/* --- histories --- */

struct seen {
    const struct runs *runs;
    size_t visits, rows, failures;
};

static int look(void *context, size_t run, size_t rows, const double *values,
                const struct image *image, const struct error *why, struct error *err)
{
    struct seen *seen = context;
    (void)err;
    seen->visits++;
    if (!values) {
        assert_int_not_equal(why->code, 0);
        seen->failures++;
        return 0;
    }
    seen->rows += rows;
    const struct runs *runs = seen->runs;
    assert_int_equal(rows, runs->run[run].rows);
    const double *last = values + (rows - 1) * (size_t)runs->loss_columns;
    for (int i = 0; i < runs->loss_columns; i++) {
        char name[64];
        snprintf(name, sizeof name, "final_%s", runs->loss[i].name);
        const struct run_column *column = runs_column(runs, name);
        if (column)
            assert_memory_equal(&last[i], &column->numbers[run], sizeof *last);
    }
    assert_true(!image || (image->width == 5 && image->height == 4 &&
                           image->rgb[0] == (uint8_t)runs->run[run].id[1]));
    return 0;
}

static void visits_bring_every_row_and_picture_under_common_columns(void **state)
{
    (void)state;
    struct runs runs;
    struct error err = {0};
    const size_t some[] = {4, 2, 1}; /* one of them is not done */
    fill_store();
    must_read(&runs);
    assert_int_equal(runs.loss_columns, H_FIXED + 3);
    for (int images = 0; images < 2; images++) {
        struct seen all = {&runs, 0, 0, 0}, few = all;
        assert_int_equal(runs_visit(&runs, NULL, 0, images, look, &all, &err), 0);
        assert_int_equal(all.visits, 3);
        assert_int_equal(all.rows, 5 + 3 + 1);
        assert_int_equal(runs_visit(&runs, some, 3, images, look, &few, &err), 0);
        assert_int_equal(few.visits, 2);
        assert_int_equal(few.rows, 5 + 1);
    }
    runs_release(&runs);
}

static void result_that_vanishes_between_visits_is_told(void **state)
{
    (void)state;
    struct runs runs;
    struct error err = {0};
    fill_store();
    must_read(&runs);
    truncate_result(ID(1));
    struct seen seen = {&runs, 0, 0, 0};
    assert_int_equal(runs_visit(&runs, NULL, 0, false, look, &seen, &err), 0);
    assert_int_equal(seen.failures, 1);
    assert_int_equal(seen.rows, 3 + 1);
    runs_release(&runs);
}

static int stop_at_once(void *context, size_t run, size_t rows, const double *values,
                        const struct image *image, const struct error *why, struct error *err)
{
    (void)run, (void)rows, (void)values, (void)image, (void)why;
    ++*(int *)context;
    return fail(err, E_INTERRUPTED, "enough");
}

static void visitor_that_fails_ends_the_visit(void **state)
{
    (void)state;
    struct runs runs;
    struct error err = {0};
    int calls = 0;
    make_many();
    must_read(&runs);
    assert_int_equal(runs_visit(&runs, NULL, 0, false, stop_at_once, &calls, &err), E_INTERRUPTED);
    assert_string_equal(err.message, "enough");
    assert_int_equal(calls, 1);
    runs_release(&runs);
}

static void store_without_a_manifest_is_refused(void **state)
{
    (void)state;
    struct runs runs;
    struct error err = {0};
    assert_int_not_equal(runs_read(store.folder, &runs, &err), 0);
    assert_non_null(strstr(err.message, "manifest.csv"));
    put_manifest(&store, "id,content,style\n123,a,b\n");
    assert_int_equal(runs_read(store.folder, &runs, &err), E_INPUT);
    assert_non_null(strstr(err.message, "no id of 16 hex digits"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(every_job_and_every_result_is_a_row, make, unmake),
        cmocka_unit_test_setup_teardown(losses_are_those_of_first_and_last_row_in_network_order,
                                        make, unmake),
        cmocka_unit_test_setup_teardown(running_jobs_are_those_of_a_batch_that_is_alive, make,
                                        unmake),
        cmocka_unit_test_setup_teardown(batch_that_was_killed_is_gone, make, unmake),
        cmocka_unit_test_setup_teardown(damaged_results_are_rows_that_say_so, make, unmake),
        cmocka_unit_test_setup_teardown(visits_bring_every_row_and_picture_under_common_columns,
                                        make, unmake),
        cmocka_unit_test_setup_teardown(result_that_vanishes_between_visits_is_told, make, unmake),
        cmocka_unit_test_setup_teardown(visitor_that_fails_ends_the_visit, make, unmake),
        cmocka_unit_test_setup_teardown(store_without_a_manifest_is_refused, make, unmake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
