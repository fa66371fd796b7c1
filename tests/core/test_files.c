/* What may be reached and removed where others may write, too. */
#include "files.h"
#include "temporary_folder.h"

#include <errno.h>
#include <fcntl.h>

enum { SOMEBODY = 2001 };

static int open_fixture(void)
{
    int folder = files_open_folder(fixture_folder);
    assert_true(folder >= 0);
    return folder;
}

static void a_folder_is_not_reached_over_a_foreign_link(void **state)
{
    (void)state;
    assert_int_equal(mkdir(in_folder("real"), 0755), 0);
    assert_int_equal(mkdir(in_folder("real/below"), 0755), 0);
    assert_int_equal(symlink("real", in_folder("own")), 0);
    assert_int_equal(symlink(in_folder("own"), in_folder("own-absolute")), 0);
    assert_int_equal(symlink("loop", in_folder("loop")), 0);
    static const char *const good[] = {"real/below", "own/below", "own-absolute/../real/./below"};
    for (size_t i = 0; i < 3; i++) {
        int folder = files_open_folder(in_folder(good[i]));
        assert_true(folder >= 0);
        close(folder);
    }
    assert_int_equal(files_open_folder(in_folder("loop/below")), -1);
    assert_int_equal(errno, ELOOP);
    assert_int_equal(files_open_folder(""), -1);
    file_put(in_folder("file"), "x", 1);
    assert_int_equal(files_open_folder(in_folder("file/below")), -1);
    assert_int_equal(errno, ENOTDIR);
    if (geteuid() != 0)
        skip();
    assert_int_equal(lchown(in_folder("own"), SOMEBODY, SOMEBODY), 0);
    for (size_t i = 1; i < 3; i++) {
        assert_int_equal(files_open_folder(in_folder(good[i])), -1);
        assert_int_equal(errno, ELOOP);
    }
}

static void fill(const char *name)
{
    char inside[300];
    assert_int_equal(mkdir(in_folder(name), 0700), 0);
    snprintf(inside, sizeof inside, "%s/deep", name);
    assert_int_equal(mkdir(in_folder(inside), 0755), 0);
    snprintf(inside, sizeof inside, "%s/deep/file", name);
    file_put(in_folder(inside), "x", 1);
    snprintf(inside, sizeof inside, "%s/link", name);
    assert_int_equal(symlink(in_folder("precious"), in_folder(inside)), 0);
}

static void only_what_is_ours_is_removed(void **state)
{
    (void)state;
    int above = open_fixture();
    assert_int_equal(mkdir(in_folder("precious"), 0700), 0);
    file_put(in_folder("precious/file"), "x", 1);
    fill("private");
    assert_int_equal(files_remove_tree(above, "private"), 0);
    assert_int_equal(access(in_folder("private"), F_OK), -1);
    assert_file_holds(in_folder("precious/file"), "x");

    assert_int_equal(symlink("precious", in_folder("to-it")), 0);
    assert_int_equal(files_remove_tree(above, "to-it"), -1);
    fill("open");
    assert_int_equal(chmod(in_folder("open"), 0777), 0);
    assert_int_equal(files_remove_tree(above, "open"), -1);
    assert_file_holds(in_folder("open/deep/file"), "x");
    if (geteuid() == 0) {
        fill("theirs");
        assert_int_equal(chown(in_folder("theirs"), SOMEBODY, SOMEBODY), 0);
        assert_int_equal(files_remove_tree(above, "theirs"), -1);
        assert_file_holds(in_folder("theirs/deep/file"), "x");
    }
    assert_file_holds(in_folder("precious/file"), "x");
    close(above);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_folder_is_not_reached_over_a_foreign_link, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(only_what_is_ours_is_removed, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
