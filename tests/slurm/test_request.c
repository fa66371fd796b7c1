/* slurm/request: layouts, time and memory from made-up jobs. */
#include "check.h"

#include "request.h"
#include "site.h"

static const double big = 4e11, small = 1e10; /* flop */
static const struct node fat = {.cpus = 64, .bytes = (uint64_t)256e9};

static struct layout chosen(struct wish wish, struct node node, size_t jobs, double bytes,
                            double flop)
{
    struct layout layout = {0};
    struct error err = {0};
    int status = request_layout(&wish, &node, jobs, (uint64_t)bytes, flop, &layout, &err);
    if (status != 0)
        print_error("%s\n", err.message);
    assert_int_equal(status, 0);
    return layout;
}

static void assert_layout(struct layout got, int nodes, int workers, int threads)
{
    if (got.nodes != nodes || got.workers != workers || got.threads != threads)
        print_error("got %d x %d x %d, expected %d x %d x %d\n", got.nodes, got.workers,
                    got.threads, nodes, workers, threads);
    assert_int_equal(got.nodes, nodes);
    assert_int_equal(got.workers, workers);
    assert_int_equal(got.threads, threads);
}

static void many_jobs_get_a_worker_each_processor(void **state)
{
    (void)state;
    assert_layout(chosen((struct wish){0}, fat, 10000, 1e9, big), 1, 64, 1);
    assert_layout(chosen((struct wish){.nodes = 4}, fat, 10000, 1e9, big), 4, 64, 1);
}

static void small_pictures_get_two_threads(void **state)
{
    (void)state;
    assert_layout(chosen((struct wish){0}, fat, 10000, 3e8, small), 1, 32, 2);
    assert_layout(chosen((struct wish){0}, (struct node){.cpus = 1}, 10000, 3e8, small), 1, 1, 1);
}

static void scarce_memory_means_fewer_workers_with_more_threads(void **state)
{
    (void)state;
    struct layout layout = chosen((struct wish){0}, fat, 10000, 10e9, big);
    assert_layout(layout, 1, 16, 4);
    assert_true(layout.workers * 10e9 < (double)fat.bytes);
    /* even at the most threads there is room for a few only */
    assert_layout(chosen((struct wish){0}, fat, 10000, 100e9, big), 1, 2, 16);
}

static void few_jobs_get_more_threads_and_no_idle_workers(void **state)
{
    (void)state;
    assert_layout(chosen((struct wish){0}, fat, 48, 1e9, big), 1, 16, 4);
    assert_layout(chosen((struct wish){0}, fat, 3, 1e9, big), 1, 3, 16);
    assert_layout(chosen((struct wish){0}, fat, 1, 1e9, big), 1, 1, 16);
    assert_layout(chosen((struct wish){.nodes = 2}, fat, 3, 1e9, big), 2, 2, 16);
}

static void what_is_given_stands(void **state)
{
    (void)state;
    assert_layout(chosen((struct wish){.threads = 8}, fat, 10000, 1e9, big), 1, 8, 8);
    assert_layout(chosen((struct wish){.workers = 4}, fat, 10000, 1e9, big), 1, 4, 16);
    assert_layout(chosen((struct wish){.workers = 4, .threads = 2, .nodes = 3}, fat, 1, 1e9, big),
                  3, 4, 2);
    /* nothing is known of the machine */
    assert_layout(chosen((struct wish){.workers = 4, .threads = 2}, (struct node){0}, 9, 1e9, big),
                  1, 4, 2);
    assert_layout(chosen((struct wish){0}, (struct node){0}, 9, 1e9, big), 1, 1, 1);
}

static void what_no_node_has_is_refused(void **state)
{
    (void)state;
    struct layout layout;
    struct error err = {0};
    struct wish wide = {.workers = 40, .threads = 2};
    assert_int_equal(request_layout(&wide, &fat, 99, 1000, big, &layout, &err), E_INPUT);
    assert_non_null(
        strstr(err.message, "40 workers of 2 threads need 80 processors, a node has 64"));
    struct wish any = {0};
    assert_int_equal(request_layout(&any, &fat, 99, (uint64_t)300e9, big, &layout, &err), E_INPUT);
    assert_non_null(strstr(err.message, "300.0 GB of memory, a node has 256.0 GB"));
}

static struct request filled(struct wish wish, struct node node, struct layout layout,
                             double makespan)
{
    uint64_t bytes[] = {(uint64_t)1e9, (uint64_t)4e9, (uint64_t)1e9, (uint64_t)2e9};
    struct request request;
    request_fill(&wish, &node, &layout, bytes, 4, makespan, &request);
    return request;
}

static void memory_is_that_of_the_largest_jobs_side_by_side(void **state)
{
    (void)state;
    struct layout two = {.nodes = 1, .workers = 2, .threads = 2};
    /* (4 + 2) GB * 1.15 + 2 * 150 MB on 4 processors: 1.8 GB = 1716.6 MiB */
    assert_int_equal(filled((struct wish){0}, fat, two, 100).megabytes_per_cpu, 1750);
    /* one a node: each node must hold the largest: (4 * 1.15 + 0.15) GB = 4530 MiB */
    struct layout thin = {.nodes = 4, .workers = 1, .threads = 1};
    assert_int_equal(filled((struct wish){0}, fat, thin, 100).megabytes_per_cpu, 4550);
    struct wish wish = {.bytes_per_cpu = (uint64_t)3 << 30};
    assert_int_equal(filled(wish, fat, two, 100).megabytes_per_cpu, 3072);
}

static void time_has_its_margin_and_the_partitions_limit(void **state)
{
    (void)state;
    struct layout one = {1, 1, 1};
    struct node limited = {.cpus = 64, .limit_seconds = 3630};
    struct request request = filled((struct wish){0}, fat, one, 1000); /* 1250 + 300 */
    assert_true(request.seconds == 1800 && !request.cut);
    assert_true(filled((struct wish){0}, fat, one, 7200).seconds == 9600); /* 9000 + 300 */
    request = filled((struct wish){0}, limited, one, 7200);
    assert_true(request.seconds == 3600 && request.cut);
    request = filled((struct wish){.seconds = 90, .least_seconds = 61}, limited, one, 7200);
    assert_true(request.seconds == 120 && request.least_seconds == 120 && request.cut);
}

static void times_are_written_as_slurm_reads_them(void **state)
{
    (void)state;
    char text[REQUEST_TIME_TEXT];
    assert_string_equal(request_time(60, text), "00:01:00");
    assert_string_equal(request_time(86399, text), "23:59:59");
    assert_string_equal(request_time(90000, text), "1-01:00:00");
}

static void sinfo_lines_are_understood(void **state)
{
    (void)state;
    static const struct {
        const char *line, *name;
        int cpus;
        double megabytes, seconds;
        bool is_default;
    } rows[] = {
        {"main* 64 256000 2-00:00:00", "main", 64, 256000, 172800, true},
        {"long 8+ 32000+ infinite", "long", 8, 32000, 0, false},
        {"short 4 7900+ 30:00", "short", 4, 7900, 1800, false},
        {"night 4+ 7900 1-12:30:05", "night", 4, 7900, 86400 + 45005, false},
        {"debug 2 1 30", "debug", 2, 1, 1800, false},
    };
    char name[64];
    struct node node;
    bool is_default;
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_true(site_parse(rows[i].line, name, &node, &is_default));
        assert_string_equal(name, rows[i].name);
        assert_int_equal(node.cpus, rows[i].cpus);
        assert_int_equal(node.bytes, (uint64_t)(rows[i].megabytes * 1048576));
        assert_float_equal(node.limit_seconds, rows[i].seconds, 0);
        assert_int_equal(is_default, rows[i].is_default);
    }
    assert_false(site_parse("", name, &node, &is_default));
    assert_false(site_parse("main* many 256000 30:00", name, &node, &is_default));
    assert_false(site_parse("main* 0 256000 30:00", name, &node, &is_default));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(many_jobs_get_a_worker_each_processor),
        cmocka_unit_test(small_pictures_get_two_threads),
        cmocka_unit_test(scarce_memory_means_fewer_workers_with_more_threads),
        cmocka_unit_test(few_jobs_get_more_threads_and_no_idle_workers),
        cmocka_unit_test(what_is_given_stands),
        cmocka_unit_test(what_no_node_has_is_refused),
        cmocka_unit_test(memory_is_that_of_the_largest_jobs_side_by_side),
        cmocka_unit_test(time_has_its_margin_and_the_partitions_limit),
        cmocka_unit_test(times_are_written_as_slurm_reads_them),
        cmocka_unit_test(sinfo_lines_are_understood),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
