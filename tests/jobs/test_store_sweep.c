/* jobs/store_sweep: which sweep a store belongs to, and how that may change. */
#include "../core/temporary_folder.h"

#include "store_sweep.h"

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

/* Rows "ID,CONTENT,STYLE_WEIGHT"; ids are believed. */
static struct job_list read_rows(const char *name, const char *rows)
{
    struct job_list list;
    struct complaints complaints = {0};
    char text[1024];
    snprintf(text, sizeof text, "id,content,style_weight,style\n%s", rows);
    file_put(in_folder(name), text, strlen(text));
    assert_int_equal(job_list_read_recorded(in_folder(name), &list, &complaints, NULL), 0);
    complaints_release(&complaints);
    return list;
}

#define A1 "00000000000000a1,/a.jpg,1,/s.jpg\n"
#define A2 "00000000000000a2,/a.jpg,2,/s.jpg\n"
#define B1 "00000000000000b1,/b.jpg,1,/s.jpg\n"
#define B2 "00000000000000b2,/b.jpg,2,/s.jpg\n"
/* The same row as A1, after the photograph has changed. */
#define A1_CHANGED "00000000000000c1,/a.jpg,1,/s.jpg\n"

static int take(const char *rows, bool replace, struct error *err)
{
    struct job_list list = read_rows("given.csv", rows);
    int checked = store_sweep_check(&made, &list, err);
    int status = store_sweep_take(&made, &list, replace, err);
    if (!replace)
        assert_int_equal(status, checked);
    job_list_release(&list);
    return status;
}

static void assert_store_lists(size_t count, const char *first)
{
    struct job_list list;
    assert_int_equal(store_sweep_read(&made, &list, NULL), 0);
    assert_int_equal(list.count, count);
    assert_string_equal(list.jobs[0].id, first);
    job_list_release(&list);
}

static void sweep_is_kept_as_given_and_as_expanded(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(take(A1 B2, false, &err), 0);
    assert_store_lists(2, "00000000000000a1");
    assert_file_holds(in_folder("store/sweep.csv"), "id,content,style_weight,style\n" A1 B2);
}

static void sweep_that_grows_is_taken_and_the_same_one_writes_nothing(void **state)
{
    (void)state;
    struct error err = {0};
    struct stat before, after;
    assert_int_equal(take(A1, false, &err), 0);
    assert_int_equal(take(B1 A2 A1, false, &err), 0);
    assert_store_lists(3, "00000000000000b1");
    assert_int_equal(stat(in_folder("store/manifest.csv"), &before), 0);
    assert_int_equal(take(B1 A2 A1, false, &err), 0);
    assert_int_equal(stat(in_folder("store/manifest.csv"), &after), 0);
    assert_int_equal(before.st_ino, after.st_ino);
}

static void sweep_that_lacks_jobs_is_refused_with_the_values_that_are_gone(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(take(A1 A2 B1 B2, false, &err), 0);
    assert_int_equal(take(A1 B1, false, &err), E_INPUT);
    assert_says(&err, "has 2 jobs that");
    assert_says(&err, "(00000000000000a2, 00000000000000b2)");
    assert_says(&err, ": style_weight 2 is gone (2 jobs). ");
    assert_int_equal(take(A1, false, &err), E_INPUT);
    assert_says(&err, "has 3 jobs that");
    assert_says(&err, ": content '/b.jpg' is gone (2 jobs), style_weight 2 is gone (2 jobs). ");
    assert_store_lists(4, "00000000000000a1");
    assert_file_holds(in_folder("store/sweep.csv"), "id,content,style_weight,style\n" A1 A2 B1 B2);
}

static void sweep_whose_values_are_all_there_may_have_lost_rows_or_a_photograph(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(take(A1 A2 B1 B2, false, &err), 0);
    assert_int_equal(take(A1 B2, false, &err), E_INPUT);
    assert_says(&err, "has 2 jobs that");
    assert_says(&err, "rows are gone, or a picture or the weights have changed");
    assert_says(&err, "the built-in network was an untrained one: weights: random:0 goes on");
    assert_int_equal(take(A1_CHANGED A2 B1 B2, false, &err), E_INPUT);
    assert_says(&err, "has 1 job that");
    assert_says(&err, "a picture or the weights have changed");
}

static void sweep_replaces_another_when_told(void **state)
{
    (void)state;
    struct error err = {0};
    assert_int_equal(take(A1 A2, false, &err), 0);
    file_put(in_folder("store/running/00000000000000a2.h5"), "x", 1);
    assert_int_equal(take(B1, true, &err), 0);
    assert_store_lists(1, "00000000000000b1");
    assert_file_holds(in_folder("store/running/00000000000000a2.h5"), "x");
}

static void sweep_of_the_other_kind_takes_the_place_of_what_was_given(void **state)
{
    (void)state;
    struct error err = {0};
    struct job_list list;
    assert_int_equal(take(A1, false, &err), 0);
    list = read_rows("given.yaml", A1 A2);
    list.source = JOBS_FROM_SWEEP; /* what it holds does not matter here */
    assert_int_equal(store_sweep_take(&made, &list, false, &err), 0);
    job_list_release(&list);
    assert_int_equal(access(in_folder("store/sweep.yaml"), F_OK), 0);
    assert_int_not_equal(access(in_folder("store/sweep.csv"), F_OK), 0);

    assert_int_equal(store_sweep_read(&made, &list, &err), 0); /* its own manifest, given back */
    assert_int_equal(store_sweep_take(&made, &list, false, &err), 0);
    job_list_release(&list);
    assert_int_equal(access(in_folder("store/sweep.yaml"), F_OK), 0);
    assert_int_not_equal(access(in_folder("store/sweep.csv"), F_OK), 0);
}

static void manifest_that_makes_no_sense_is_not_overwritten(void **state)
{
    (void)state;
    struct error err = {0};
    file_put(in_folder("store/manifest.csv"), "id,colour\n1,2\n", 14);
    assert_int_equal(take(A1, false, &err), E_INPUT);
    assert_says(&err, "manifest.csv");
    assert_file_holds(in_folder("store/manifest.csv"), "id,colour\n1,2\n");
    assert_int_equal(take(A1, true, &err), 0);
}

static void manifest_that_a_power_cut_left_empty_is_written_again(void **state)
{
    (void)state;
    struct error err = {0};
    static const char zeros[100];
    for (size_t bytes = 0; bytes <= sizeof zeros; bytes += sizeof zeros) {
        file_put(in_folder("store/manifest.csv"), zeros, bytes);
        assert_int_equal(take(A1 B2, false, &err), 0);
        assert_store_lists(2, "00000000000000a1");
    }
}

int main(void)
{
#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, store_make, store_unmake)
    const struct CMUnitTest tests[] = {
        WITH_STORE(sweep_is_kept_as_given_and_as_expanded),
        WITH_STORE(sweep_that_grows_is_taken_and_the_same_one_writes_nothing),
        WITH_STORE(sweep_that_lacks_jobs_is_refused_with_the_values_that_are_gone),
        WITH_STORE(sweep_whose_values_are_all_there_may_have_lost_rows_or_a_photograph),
        WITH_STORE(sweep_replaces_another_when_told),
        WITH_STORE(sweep_of_the_other_kind_takes_the_place_of_what_was_given),
        WITH_STORE(manifest_that_makes_no_sense_is_not_overwritten),
        WITH_STORE(manifest_that_a_power_cut_left_empty_is_written_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
