/* jobs/collect: the tables of a sweep, byte for byte the same each time, whole or not there; CSV
 * and TensorBoard's format against vectors. test_collect --write STORE makes the store that
 * read_sweep.py reads with other programs. */
#include "store_fixture.h"

#include "collect.h"
#include "crc32c.h"
#include "hdf5_util.h"
#include "tensorboard.h"
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static const char *const two_layers[] = {"content_relu4_2", "style_relu1_1"};
static const char *const three_layers[] = {"content_relu3_1", "content_relu4_2", "style_relu1_1"};

static const struct made_result results[] = {
    {"1000000000000000", "0.5", NULL, 2, two_layers, 5, true},
    {"2000000000000000", "2", "relu3_1,relu4_2", 3, three_layers, 3, true},
    {"3000000000000000", "8", NULL, 2, two_layers, 7, true},
};
enum { RESULTS = 3, RUNS = 4, ALL_ROWS = 5 + 3 + 7 };

static const char manifest[] = "id,name,content,style,style_weight,content_layers,pooling\n"
                               "2000000000000000,\"zwei, \"\"2\"\"\",/a.jpg,/caf\xc3\xa9.jpg,2,"
                               "\"relu3_1,relu4_2\",max\n"
                               "1000000000000000,eins,/a.jpg,/caf\xc3\xa9.jpg,0.5,,avg\n"
                               "4000000000000000,vier,/a.jpg,/caf\xc3\xa9.jpg,4,,avg\n"
                               "3000000000000000,,/a.jpg,/caf\xc3\xa9.jpg,8,,avg\n";

static const struct fact facts[] = {{.name = "creator", .text = "atelier"}};
static struct store store;

static void fill_store(const char *folder)
{
    assert_int_equal(store_create(folder, &store, NULL), 0);
    put_manifest(&store, manifest);
    for (size_t i = 0; i < RESULTS; i++)
        put_result(&store, &results[i]);
}

static int make(void **state)
{
    if (folder_make(state) != 0)
        return -1;
    fill_store(in_folder("store"));
    return 0;
}

static int unmake(void **state)
{
    store_release(&store);
    return folder_remove(state);
}

static void must_collect(const char *path, bool images, struct collected *out)
{
    struct runs runs;
    struct error err = {0};
    if (runs_read(store.folder, &runs, &err) != 0 ||
        collect_write(&runs, path, images, facts, 1, out, &err) != 0)
        print_error("%s\n", err.message);
    assert_int_equal(err.code, 0);
    runs_release(&runs);
}

static size_t history_rows(const char *path)
{
    hid_t file, group;
    size_t rows = 0;
    int integer;
    assert_int_equal(hdf5_open_file(path, &file, NULL), 0);
    assert_int_equal(hdf5_open_group(file, "history", &group, NULL), 0);
    assert_int_equal(hdf5_column_shape(group, "total", SIZE_MAX, &rows, &integer, NULL), 0);
    hdf5_close(group);
    hdf5_close(file);
    return rows;
}

static void equal_stores_give_equal_bytes(void **state)
{
    (void)state;
    struct collected once, again;
    size_t count, count_again;
    must_collect(in_folder("a.h5"), true, &once);
    must_collect(in_folder("b.h5"), true, &again);
    uint8_t *a = file_get(in_folder("a.h5"), &count),
            *b = file_get(in_folder("b.h5"), &count_again);
    assert_int_equal(count, count_again);
    assert_memory_equal(a, b, count);
    assert_int_equal(once.rows, ALL_ROWS);
    assert_int_equal(once.pictures, RESULTS);
    assert_int_equal(once.lost, 0);
    free(a);
    free(b);
}

static void result_that_vanishes_meanwhile_is_left_out(void **state)
{
    (void)state;
    struct runs runs;
    struct collected collected;
    assert_int_equal(runs_read(store.folder, &runs, NULL), 0);
    put_job_text(&store, results[0].id, JOB_RESULT, "no HDF5 file any more, but long enough");
    assert_int_equal(collect_write(&runs, in_folder("a.h5"), false, facts, 1, &collected, NULL), 0);
    assert_int_equal(collected.lost, 1);
    assert_int_equal(collected.rows, ALL_ROWS - results[0].rows);
    assert_int_equal(history_rows(in_folder("a.h5")), collected.rows);
    runs_release(&runs);
}

static void store_without_results_gives_empty_tables(void **state)
{
    (void)state;
    struct collected collected;
    for (size_t i = 0; i < RESULTS; i++) {
        char *path = store_job_path(&store, results[i].id, JOB_RESULT);
        assert_int_equal(unlink(path), 0);
        free(path);
    }
    must_collect(in_folder("a.h5"), true, &collected);
    assert_int_equal(collected.rows, 0);
    assert_int_equal(access(in_folder("a.h5"), R_OK), 0);
}

static int entries(const char *folder)
{
    int count = -2;
    DIR *dir = opendir(folder);
    assert_non_null(dir);
    while (readdir(dir))
        count++;
    closedir(dir);
    return count;
}

/* In a process of its own: files may not grow beyond so many bytes. */
static int collect_on_a_small_disk(const char *path, rlim_t bytes)
{
    int ended;
    pid_t child = fork();
    if (child == 0) {
        struct runs runs;
        struct collected collected;
        struct error err = {0};
        struct rlimit limit = {bytes, bytes};
        signal(SIGXFSZ, SIG_IGN);
        if (runs_read(store.folder, &runs, NULL) != 0 || setrlimit(RLIMIT_FSIZE, &limit) != 0)
            _exit(99);
        _exit(collect_write(&runs, path, true, facts, 1, &collected, &err));
    }
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_true(WIFEXITED(ended));
    return WEXITSTATUS(ended);
}

static void full_disk_leaves_the_earlier_file(void **state)
{
    (void)state;
    struct collected collected;
    size_t count, count_again;
    const char *path = in_folder("a.h5");
    must_collect(path, true, &collected);
    uint8_t *before = file_get(path, &count);
    int files = entries(fixture_folder);
    for (size_t most = 0; most < count; most += count / 7 + 1) {
        assert_int_equal(collect_on_a_small_disk(path, most), E_ENVIRONMENT);
        uint8_t *after = file_get(path, &count_again);
        assert_int_equal(count, count_again);
        assert_memory_equal(before, after, count);
        assert_int_equal(entries(fixture_folder), files);
        free(after);
    }
    assert_int_equal(collect_on_a_small_disk(path, 2 * count), 0);
    free(before);
}

/* More rows than HDF5 keeps in memory: it meets the end of the disk in the middle. */
static void disk_that_fills_up_on_the_way_is_not_our_bug(void **state)
{
    (void)state;
    const struct made_result large = {results[0].id, "0.5", NULL, 2, two_layers, 200000, true};
    struct collected collected;
    size_t count;
    put_result(&store, &large);
    must_collect(in_folder("whole.h5"), false, &collected);
    free(file_get(in_folder("whole.h5"), &count));
    assert_int_equal(collect_on_a_small_disk(in_folder("a.h5"), count / 4), E_ENVIRONMENT);
    assert_int_not_equal(access(in_folder("a.h5"), F_OK), 0);
}

/* --- CSV --- */

static void csv_has_every_run_and_every_row(void **state)
{
    (void)state;
    struct runs runs;
    size_t count;
    assert_int_equal(runs_read(store.folder, &runs, NULL), 0);
    assert_int_equal(collect_csv(&runs, in_folder("csv"), NULL), 0);
    char *table = (char *)file_get(in_folder("csv/runs.csv"), &count);
    assert_non_null(strstr(table, "run_id,id,name,status,listed,"));
    assert_non_null(strstr(table, "\n0,2000000000000000,\"zwei, \"\"2\"\"\",done,1,"));
    assert_non_null(strstr(table, "\n2,4000000000000000,vier,waiting,1,"));
    assert_non_null(strstr(table, ",\"relu3_1,relu4_2\","));
    char *history = (char *)file_get(in_folder("csv/history.csv"), &count);
    size_t lines = 0;
    for (size_t i = 0; i < count; i++)
        lines += history[i] == '\n';
    assert_int_equal(lines, 1 + ALL_ROWS);
    assert_int_equal(strncmp(history, "run_id,iteration,evaluation,seconds,total,", 42), 0);
    assert_non_null(strstr(history, "\n1,0,1,")); /* first row of the second run */
    free(table);
    free(history);
    runs_release(&runs);
}

/* --- TensorBoard --- */

static void crc_matches_its_check_value(void **state)
{
    (void)state;
    assert_int_equal(crc32c("123456789", 9), 0xe3069283);
    assert_int_equal(crc32c("", 0), 0);
}

static void expect_record(const char *hex, void (*write)(FILE *to))
{
    char *bytes = NULL;
    size_t count;
    FILE *to = open_memstream(&bytes, &count);
    write(to);
    fclose(to);
    assert_int_equal(count, strlen(hex) / 2);
    for (size_t i = 0; i < count; i++) {
        char two[3];
        snprintf(two, sizeof two, "%02x", (unsigned)(uint8_t)bytes[i]);
        assert_int_equal(strncmp(two, hex + 2 * i, 2), 0);
    }
    free(bytes);
}

static void write_first(FILE *to) { tensorboard_begin(to, 1.7e9); }
static void write_point(FILE *to) { tensorboard_scalar(to, 1.7e9, 5, "loss/total", 1.5f); }

static void event_records_match_vectors(void **state)
{
    (void)state;
    expect_record("1800000000000000a37f4b220900000040fc54d9411a0d627261696e2e4576656e743a32"
                  "eced8f9d",
                  write_first);
    expect_record("200000000000000029eda9500900000040fc54d94110052a130a110a0a6c6f73732f746f7461"
                  "6c150000c03f475807c0",
                  write_point);
}

static void every_run_that_is_done_has_an_event_file(void **state)
{
    (void)state;
    struct runs runs;
    size_t count;
    assert_int_equal(runs_read(store.folder, &runs, NULL), 0);
    assert_int_equal(collect_tensorboard(&runs, in_folder("events"), NULL), 0);
    assert_int_equal(entries(in_folder("events")), RESULTS);
    uint8_t *bytes =
        file_get(in_folder("events/1000000000000000/events.out.tfevents.0.one"), &count);
    assert_non_null(memmem(bytes, count, "loss/total", 10));
    assert_non_null(memmem(bytes, count, "layer/style_relu1_1", 19));
    free(bytes);
    runs_release(&runs);
}

int main(int argc, char **argv)
{
    if (argc == 3 && strcmp(argv[1], "--write") == 0) {
        fill_store(argv[2]);
        return 0;
    }
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(equal_stores_give_equal_bytes, make, unmake),
        cmocka_unit_test_setup_teardown(result_that_vanishes_meanwhile_is_left_out, make, unmake),
        cmocka_unit_test_setup_teardown(store_without_results_gives_empty_tables, make, unmake),
        cmocka_unit_test_setup_teardown(full_disk_leaves_the_earlier_file, make, unmake),
        cmocka_unit_test_setup_teardown(disk_that_fills_up_on_the_way_is_not_our_bug, make, unmake),
        cmocka_unit_test_setup_teardown(csv_has_every_run_and_every_row, make, unmake),
        cmocka_unit_test(crc_matches_its_check_value),
        cmocka_unit_test(event_records_match_vectors),
        cmocka_unit_test_setup_teardown(every_run_that_is_done_has_an_event_file, make, unmake),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
