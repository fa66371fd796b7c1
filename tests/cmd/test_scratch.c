/* The launcher's folder where every user may write. */
#include "core/temporary_folder.h"
#include "scratch.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/wait.h>

static const char *in_scratch(const struct scratch *scratch, const char *name)
{
    static char path[300];
    snprintf(path, sizeof path, "%s/%s", scratch->path, name);
    return path;
}

/* A number that no process has any more. */
static long gone(void)
{
    pid_t pid = fork();
    if (pid == 0)
        _exit(0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return (long)pid;
}

static const char *leave(mode_t mode, const char *ending)
{
    char name[64], inside[80];
    snprintf(name, sizeof name, "atelier-mpirun.%ld.%s", gone(), ending);
    snprintf(inside, sizeof inside, "%s/file", name);
    assert_int_equal(mkdir(in_folder(name), 0700), 0);
    file_put(in_folder(inside), "x", 1);
    assert_int_equal(chmod(in_folder(name), mode), 0);
    return in_folder(name);
}

static void a_scratch_folder_is_private_and_goes_with_all_that_is_in_it(void **state)
{
    (void)state;
    struct stat info;
    struct scratch one = scratch_make(fixture_folder), other = scratch_make(fixture_folder);
    assert_non_null(one.path);
    assert_string_not_equal(one.path, other.path);
    assert_int_equal(stat(one.path, &info), 0);
    assert_int_equal(info.st_mode & 0777, 0700);
    assert_int_equal(mkdir(in_scratch(&one, "session"), 0755), 0);
    file_put(in_scratch(&one, "session/segment"), "x", 1);
    scratch_remove(&one);
    scratch_remove(&other);
    assert_int_equal(files_in_folder(), 0);
    one = scratch_make(in_folder("nowhere"));
    assert_null(one.path);
    scratch_remove(&one);
}

static void what_killed_launchers_left_is_removed_and_nothing_else(void **state)
{
    (void)state;
    const char *left = leave(0700, "aaaaaa"), *open_to_all = leave(0777, "bbbbbb"),
               *locked = leave(0700, "cccccc"), *theirs = leave(0700, "dddddd");
    int lock = open(locked, O_RDONLY | O_DIRECTORY);
    assert_int_equal(flock(lock, LOCK_SH), 0);
    if (geteuid() == 0)
        assert_int_equal(chown(theirs, 2001, 2001), 0);
    assert_int_equal(symlink(fixture_folder, in_folder("atelier-mpirun.4194303.eeeeee")), 0);
    struct scratch scratch = scratch_make(fixture_folder);
    assert_non_null(scratch.path);
    assert_int_equal(access(left, F_OK), -1);
    assert_int_equal(access(open_to_all, F_OK), 0);
    assert_int_equal(access(locked, F_OK), 0);
    assert_int_equal(access(theirs, F_OK), geteuid() == 0 ? 0 : -1);
    scratch_remove(&scratch);
    close(lock);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_scratch_folder_is_private_and_goes_with_all_that_is_in_it,
                                        folder_make, folder_remove),
        cmocka_unit_test_setup_teardown(what_killed_launchers_left_is_removed_and_nothing_else,
                                        folder_make, folder_remove),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
