/* Reading results that others may have planted: nothing but what a regular file itself holds is
 * read, and nobody waits for ever. */
#include "store_fixture.h"

#include "experience.h"
#include "hdf5_probe.h"
#include "result_stream.h"
#include "store_verify.h"
#include <hdf5.h>

#define ID "0123456789abcdef"

static struct store store;

/* A store with one result; its path is borrowed until the next call. */
static const char *put_one(void)
{
    static char *path;
    struct error err;
    free(path);
    assert_int_equal(store_create(in_folder("store"), &store, &err), 0);
    put_result(&store, &(struct made_result){.id = ID, .rows = 3, .image = true});
    path = store_job_path(&store, ID, JOB_RESULT);
    return path;
}

/* What stands in the picture's place ----------------------------------------------------------- */

static const hsize_t picture_size[] = {4, 5, 3};

static hid_t open_without_picture(const char *path)
{
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(file >= 0 && H5Ldelete(file, "image", H5P_DEFAULT) >= 0);
    return file;
}

static void put_picture(hid_t file, hid_t create)
{
    hid_t space = H5Screate_simple(3, picture_size, NULL);
    hid_t dataset =
        H5Dcreate2(file, "image", H5T_STD_U8LE, space, H5P_DEFAULT, create, H5P_DEFAULT);
    assert_true(dataset >= 0 && H5Dclose(dataset) >= 0);
    H5Sclose(space);
    H5Pclose(create);
}

static void put_external_storage(hid_t file)
{
    hid_t create = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Pset_external(create, in_folder("secret"), 0, 60) >= 0);
    put_picture(file, create);
}

/* Reading it would wait for somebody who writes. */
static void put_storage_in_a_fifo(hid_t file)
{
    hid_t create = H5Pcreate(H5P_DATASET_CREATE);
    assert_true(H5Pset_external(create, in_folder("fifo"), 0, 60) >= 0);
    put_picture(file, create);
}

static void put_virtual_picture(hid_t file)
{
    hid_t create = H5Pcreate(H5P_DATASET_CREATE), space = H5Screate_simple(3, picture_size, NULL);
    assert_true(H5Pset_virtual(create, space, in_folder("secret"), "/image", space) >= 0);
    H5Sclose(space);
    put_picture(file, create);
}

static void put_soft_link(hid_t file)
{
    assert_true(H5Lcreate_soft("/history/total", file, "image", 0, 0) >= 0);
}

static void put_external_link(hid_t file)
{
    assert_true(H5Lcreate_external(in_folder("secret"), "/image", file, "image", 0, 0) >= 0);
}

static void put_nothing_but_an_aside(hid_t file)
{
    assert_true(H5Lcreate_external(in_folder("secret"), "/", file, "aside", 0, 0) >= 0);
}

static void only_what_a_result_holds_is_read(void **state)
{
    (void)state;
    static const struct {
        void (*put)(hid_t file);
        const char *says;
    } cases[] = {
        {put_external_storage, "'image': external storage is refused"},
        {put_storage_in_a_fifo, "'image': external storage is refused"},
        {put_virtual_picture, "'image': a virtual dataset is refused"},
        {put_soft_link, "'image': a link is refused"},
        {put_external_link, "'image': a link is refused"},
        {put_nothing_but_an_aside, "'aside': a link is refused"},
    };
    static const unsigned parts[] = {RESULT_ATTRIBUTES, RESULT_HISTORY,
                                     RESULT_HISTORY | RESULT_IMAGE | RESULT_ATTRIBUTES};
    struct error err, why;
    struct result_contents contents;
    put_text(in_folder("secret"),
             "nobody may read this, which is longer than the picture is: it is");
    assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        const char *path = put_one();
        hid_t file = open_without_picture(path);
        cases[i].put(file);
        assert_true(H5Fclose(file) >= 0);
        for (size_t j = 0; j < sizeof parts / sizeof *parts; j++) {
            assert_int_equal(result_read(path, parts[j], &contents, &why, &err), 0);
            assert_int_equal(why.code, E_INPUT);
            assert_says(&why, cases[i].says);
        }
        store_release(&store);
    }
}

/* Which files -------------------------------------------------------------------------------- */

static void only_whole_regular_files_are_opened(void **state)
{
    (void)state;
    struct error err;
    uint64_t size = 0;
    int file;
    const char *path = put_one();
    const char *link = in_folder("link"), *fifo = in_folder("fifo");
    assert_int_equal(symlink(path, link), 0);
    assert_int_equal(mkfifo(fifo, 0600), 0);
    for (int over_links = 0; over_links <= 1; over_links++) {
        assert_int_equal(hdf5_open_whole(path, over_links, &file, &size, &err), 0);
        assert_true(size > 1000);
        close(file);
        assert_int_equal(hdf5_open_whole(fifo, over_links, &file, &size, &err), E_INPUT);
        assert_says(&err, "it is not a regular file");
        assert_int_equal(hdf5_open_whole(fixture_folder, over_links, &file, &size, &err), E_INPUT);
        assert_int_equal(hdf5_open_whole(in_folder("none"), over_links, &file, &size, &err),
                         E_ENVIRONMENT);
    }
    assert_int_equal(hdf5_open_whole(link, true, &file, &size, &err), 0);
    close(file);
    assert_int_equal(hdf5_open_whole(link, false, &file, &size, &err), E_INPUT);
    assert_says(&err, "it is a symbolic link");
    put_text(in_folder("cut"), "\x89HDF\r\n\x1a\n");
    assert_int_equal(hdf5_open_whole(in_folder("cut"), true, &file, &size, &err), E_INPUT);
    store_release(&store);
}

static void a_checkpoint_that_is_none_counts_for_nothing(void **state)
{
    (void)state;
    struct error err;
    struct advance advance;
    put_one();
    put_job_text(&store, "fedcba9876543210", JOB_CHECKPOINT, "no HDF5");
    char *path = store_job_path(&store, "fedcba9876543211", JOB_CHECKPOINT);
    assert_int_equal(mkfifo(path, 0600), 0);
    assert_int_equal(store_advance(&store, &advance, &err), 0);
    assert_int_equal(advance.results, 1);
    assert_int_equal(advance.evaluations, 0);
    free(path);
    store_release(&store);
}

/* Waiting ------------------------------------------------------------------------------------ */

static pid_t test_process; /* 0: nobody is held */

int __real_hdf5_open_whole(const char *path, bool over_links, int *file, uint64_t *size,
                           struct error *err);
int __wrap_hdf5_open_whole(const char *path, bool over_links, int *file, uint64_t *size,
                           struct error *err);
int __wrap_hdf5_open_whole(const char *path, bool over_links, int *file, uint64_t *size,
                           struct error *err)
{
    while (test_process && getpid() != test_process)
        pause();
    return __real_hdf5_open_whole(path, over_links, file, size, err);
}

static bool stop_at_the_third(void *context) { return ++*(int *)context >= 3; }

static int visit_nothing(void *context, size_t index, const struct result_contents *contents,
                         const struct error *why, struct error *err)
{
    (void)context, (void)index, (void)contents, (void)why, (void)err;
    return 0;
}

static void a_request_to_stop_is_heard_while_a_child_reads(void **state)
{
    (void)state;
    struct error err;
    int asked = 0;
    const char *path = put_one();
    test_process = getpid();
    assert_int_equal(result_stream_until(&path, 1, RESULT_ATTRIBUTES, visit_nothing,
                                         stop_at_the_third, &asked, &err),
                     E_INTERRUPTED);
    assert_true(asked >= 3);
    asked = 0;
    put_manifest(&store, "id,content,style\n" ID ",/a.jpg,/b.jpg\n");
    struct verification found = {0};
    struct verify_hooks hooks = {.context = &asked, .should_stop = stop_at_the_third};
    assert_int_equal(verify_store(&store, &hooks, &found, &err), E_INTERRUPTED);
    test_process = 0;
    store_release(&store);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(only_what_a_result_holds_is_read, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(only_whole_regular_files_are_opened, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(a_checkpoint_that_is_none_counts_for_nothing, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(a_request_to_stop_is_heard_while_a_child_reads, folder_make,
                                        folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
