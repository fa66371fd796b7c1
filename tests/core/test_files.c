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

static void a_folder_that_cannot_be_read_is_not_at_its_end(void **state)
{
    (void)state;
    struct error err = {0};
    struct dirent *entry;
    int folder = open_fixture(), seen = 0;
    DIR *entries = fdopendir(folder);
    assert_int_equal(files_next(entries, "there", &entry, &err), 0);
    for (; entry; seen++)
        assert_int_equal(files_next(entries, "there", &entry, &err), 0);
    assert_int_equal(seen, 2); /* . and .. */
    close(folder);             /* as if the server had forgotten it */
    rewinddir(entries);
    assert_int_equal(files_next(entries, "there", &entry, &err), E_ENVIRONMENT);
    assert_string_equal(err.message, "cannot read the folder 'there': Bad file descriptor");
    closedir(entries);
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

static void assert_open_says(int (*open_it)(const char *, int *, struct error *), const char *name,
                             const char *words)
{
    int file = -2;
    struct error err = {0};
    alarm(20);
    assert_int_equal(open_it(in_folder(name), &file, &err), E_INPUT);
    alarm(0);
    assert_says(&err, words);
}

static void only_regular_files_are_opened(void **state)
{
    (void)state;
    int (*const ways[])(const char *, int *, struct error *) = {files_open, files_open_to_append,
                                                                files_open_to_update};
    int file = -2;
    file_put(in_folder("precious"), "years of work", 13);
    assert_int_equal(symlink("precious", in_folder("link")), 0);
    assert_int_equal(symlink("not there yet", in_folder("dangling")), 0);
    assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
    assert_int_equal(mkdir(in_folder("folder"), 0700), 0);
    for (size_t i = 0; i < 3; i++) {
        assert_open_says(ways[i], "link", "link': it is a symbolic link");
        assert_open_says(ways[i], "dangling", "it is a symbolic link");
        assert_open_says(ways[i], "fifo", "it is not a regular file");
    }
    assert_open_says(files_open, "folder", "it is a folder");
    assert_int_equal(access(in_folder("not there yet"), F_OK), -1);
    assert_int_equal(link(in_folder("precious"), in_folder("second name")), 0);
    assert_open_says(files_open_to_append, "second name", "hard link");
    assert_open_says(files_open_to_update, "second name", "hard link");
    assert_file_holds(in_folder("precious"), "years of work");

    assert_int_equal(files_open(in_folder("none"), &file, NULL), 0);
    assert_int_equal(file, -1);
    assert_int_equal(files_open_to_append(in_folder("log"), &file, NULL), 0);
    assert_int_equal(files_write(file, "one", 3), 0);
    close(file);
    assert_int_equal(files_open_to_append(in_folder("log"), &file, NULL), 0);
    assert_int_equal(files_write(file, "two", 3), 0);
    close(file);
    assert_file_holds(in_folder("log"), "onetwo");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_folder_is_not_reached_over_a_foreign_link, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(only_regular_files_are_opened, folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(a_folder_that_cannot_be_read_is_not_at_its_end, folder_make,
                                        folder_remove),
        cmocka_unit_test_setup_teardown(only_what_is_ours_is_removed, folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
