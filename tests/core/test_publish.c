/* Files that appear whole or not at all. */
#include "publish.h"
#include "temporary_folder.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

static void temporary_name_is_beside_the_final_one(void **state)
{
    (void)state;
    char host[256] = "", stem[1024], tail[512];
    struct publication p = {0}, other = {0};
    gethostname(host, sizeof host - 1);
    assert_int_equal(publish_begin(in_folder("out.h5"), &p, NULL), 0);
    int length = snprintf(stem, sizeof stem, "%s/.out.h5.tmp.", fixture_folder);
    snprintf(tail, sizeof tail, ".%s.%ld", host, (long)getpid());
    assert_memory_equal(p.temporary, stem, (size_t)length);
    assert_string_equal(p.temporary + length + 16, tail);
    assert_string_equal(p.path, in_folder("out.h5"));
    assert_int_equal(publish_begin(in_folder("out.h5"), &other, NULL), 0);
    assert_string_not_equal(p.temporary, other.temporary); /* nobody can put anything there first */
    assert_int_equal(files_in_folder(), 2);
    publish_abort(&p);
    publish_abort(&other);
    assert_null(p.path);
    assert_null(p.temporary);
    assert_int_equal(files_in_folder(), 0);
}

static void commit_replaces_the_old_file(void **state)
{
    (void)state;
    struct publication p = {0};
    file_put(in_folder("out"), "old", 3);
    assert_int_equal(publish_begin(in_folder("out"), &p, NULL), 0);
    file_put(p.temporary, "new one", 7);
    assert_file_holds(in_folder("out"), "old");
    assert_int_equal(publish_commit(&p, NULL), 0);
    assert_file_holds(in_folder("out"), "new one");
    assert_int_equal(files_in_folder(), 1);
    assert_null(p.path);
    assert_null(p.temporary);
}

static void commit_works_in_the_current_folder_and_the_root(void **state)
{
    (void)state;
    struct publication p = {0};
    char before[1024];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(fixture_folder), 0);
    assert_int_equal(publish_probe("out", NULL), 0);
    assert_int_equal(publish_begin("out", &p, NULL), 0);
    file_put(p.temporary, "new", 3);
    assert_int_equal(publish_commit(&p, NULL), 0);
    assert_file_holds("out", "new");
    assert_int_equal(files_in_folder(), 1);
    assert_int_equal(chdir(before), 0);
    assert_int_equal(publish_begin("/out", &p, NULL), 0);
    assert_memory_equal(p.temporary, "/.out.tmp.", 10);
    publish_abort(&p);
}

static void abort_leaves_the_old_file_and_nothing_else(void **state)
{
    (void)state;
    struct publication p = {0};
    publish_abort(&p);
    file_put(in_folder("out"), "old", 3);
    assert_int_equal(publish_begin(in_folder("out"), &p, NULL), 0);
    file_put(p.temporary, "half", 4);
    publish_abort(&p);
    assert_file_holds(in_folder("out"), "old");
    assert_int_equal(files_in_folder(), 1);
    publish_abort(&p);
}

static void commit_without_the_temporary_file_keeps_the_old_one(void **state)
{
    (void)state;
    struct error err = {0};
    struct publication p = {0};
    file_put(in_folder("out"), "old", 3);
    assert_int_equal(publish_begin(in_folder("out"), &p, NULL), 0);
    assert_int_equal(unlink(p.temporary), 0);
    assert_int_equal(publish_commit(&p, &err), E_ENVIRONMENT);
    assert_says(&err, "out': No such file or directory");
    assert_file_holds(in_folder("out"), "old");
    assert_null(p.path);
}

static void failed_rename_removes_the_temporary_file(void **state)
{
    (void)state;
    struct error err = {0};
    struct publication p = {0};
    assert_int_equal(publish_begin(in_folder("out"), &p, NULL), 0);
    file_put(p.temporary, "new", 3);
    assert_int_equal(mkdir(in_folder("out"), 0700), 0);
    assert_int_equal(publish_commit(&p, &err), E_ENVIRONMENT);
    assert_says(&err, "out': Is a directory");
    assert_int_equal(files_in_folder(), 1);
    assert_null(p.temporary);
}

/* The final name has 250 characters; with all of it the temporary one would have more than the 255
 * that a file system takes. */
static void long_name_is_published(void **state)
{
    (void)state;
    char name[251] = "", longer[300] = "";
    struct error err = {0};
    struct publication p = {0};
    memset(name, 'n', 250);
    memset(longer, 'n', 299);
    assert_int_equal(publish_probe(in_folder(name), NULL), 0);
    assert_int_equal(publish_begin(in_folder(name), &p, NULL), 0);
    file_put(p.temporary, "new", 3);
    assert_int_equal(publish_commit(&p, NULL), 0);
    assert_file_holds(in_folder(name), "new");
    assert_int_equal(files_in_folder(), 1);
    assert_int_equal(publish_begin(in_folder(longer), &p, &err), E_INPUT);
    assert_says(&err, "File name too long");
    assert_int_equal(publish_probe(in_folder(longer), &err), E_INPUT);
}

static void probe_leaves_no_trace(void **state)
{
    (void)state;
    assert_int_equal(publish_probe(in_folder("out"), NULL), 0);
    assert_int_equal(files_in_folder(), 0);
    file_put(in_folder("out"), "old", 3);
    assert_int_equal(publish_probe(in_folder("out"), NULL), 0);
    assert_file_holds(in_folder("out"), "old");
    assert_int_equal(files_in_folder(), 1);
}

/* A process that is killed while it gathers files in a folder. */
static void probe_removes_what_killed_ones_left(void **state)
{
    (void)state;
    pid_t child = fork();
    if (child == 0) {
        struct publication p;
        char *folder = publish_temporary(in_folder("out")), file[512];
        snprintf(file, sizeof file, "%s/picture", folder);
        if (publish_begin(in_folder("out"), &p, NULL) == 0 && mkdir(folder, 0777) == 0)
            file_put(file, "x", 1);
        _exit(0);
    }
    assert_int_equal(waitpid(child, NULL, 0), child);
    assert_int_equal(files_in_folder(), 2);
    assert_int_equal(publish_probe(in_folder("out"), NULL), 0);
    assert_int_equal(files_in_folder(), 0);
}

static void assert_probe_says(const char *path, int code, const char *words)
{
    struct error err = {0};
    assert_int_equal(publish_probe(path, &err), code);
    assert_int_equal(err.code, code);
    assert_says(&err, words);
}

static void probe_refuses_what_cannot_be_a_file(void **state)
{
    (void)state;
    file_put(in_folder("file"), "x", 1);
    assert_int_equal(mkfifo(in_folder("fifo"), 0600), 0);
    alarm(120);
    assert_probe_says(in_folder("fifo"), E_INPUT, "fifo': it is not a regular file");
    alarm(0);
    assert_probe_says("/dev/null", E_INPUT, "'/dev/null': it is not a regular file");
    assert_probe_says(fixture_folder, E_INPUT, "it is a folder");
    assert_probe_says(".", E_INPUT, "cannot write '.': it is a folder");
    assert_probe_says("", E_INPUT, "the name of the file to write is empty");
    assert_probe_says(in_folder("new/"), E_INPUT, "new/': it names a folder, not a file");
    assert_probe_says(in_folder("no/out"), E_INPUT, "/no'");
    assert_probe_says(in_folder("no/out"), E_INPUT, "there is no folder '");
    assert_probe_says(in_folder("file/out"), E_INPUT, "/file' is not a folder");
    assert_probe_says(in_folder("file/no/out"), E_INPUT, "/file/no' is not a folder");
    assert_int_equal(files_in_folder(), 2);
}

/* /proc takes no file, even from root. */
static void probe_notices_a_folder_that_takes_no_file(void **state)
{
    (void)state;
    assert_probe_says("/proc/out", E_ENVIRONMENT, "cannot write '/proc/out': ");
}

static void probe_notices_a_folder_of_someone_else(void **state)
{
    (void)state;
    int was_root = geteuid() == 0;
    assert_int_equal(chmod(fixture_folder, 0555), 0);
    if (was_root)
        assert_int_equal(seteuid(65534), 0);
    assert_probe_says(in_folder("out"), E_ENVIRONMENT, "out': Permission denied");
    if (was_root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(fixture_folder, 0700), 0);
}

/* A folder that takes files but cannot be opened cannot be synced either. */
static void probe_notices_a_folder_that_cannot_be_opened(void **state)
{
    (void)state;
    int was_root = geteuid() == 0;
    char before[1024];
    assert_non_null(getcwd(before, sizeof before));
    assert_int_equal(chdir(fixture_folder), 0);
    assert_int_equal(chmod(fixture_folder, 0333), 0);
    if (was_root)
        assert_int_equal(seteuid(65534), 0);
    assert_probe_says("out", E_ENVIRONMENT, "cannot open the folder '.': Permission denied");
    if (was_root)
        assert_int_equal(seteuid(0), 0);
    assert_int_equal(chmod(fixture_folder, 0700), 0);
    assert_int_equal(chdir(before), 0);
}

/* As on a full disk: an empty file can be made, a byte cannot be written. */
static void probe_notices_that_no_byte_fits(void **state)
{
    (void)state;
    struct rlimit before, none;
    void (*handler)(int) = signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(getrlimit(RLIMIT_FSIZE, &before), 0);
    none = before;
    none.rlim_cur = 0;
    struct error err = {0};
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &none), 0);
    int status = publish_probe(in_folder("out"), &err);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &before), 0);
    signal(SIGXFSZ, handler);
    assert_int_equal(status, E_ENVIRONMENT);
    assert_says(&err, "out': File too large");
    assert_int_equal(files_in_folder(), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, folder_make, folder_remove)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(temporary_name_is_beside_the_final_one),
        TEST(commit_replaces_the_old_file),
        TEST(commit_works_in_the_current_folder_and_the_root),
        TEST(abort_leaves_the_old_file_and_nothing_else),
        TEST(commit_without_the_temporary_file_keeps_the_old_one),
        TEST(failed_rename_removes_the_temporary_file),
        TEST(long_name_is_published),
        TEST(probe_leaves_no_trace),
        TEST(probe_removes_what_killed_ones_left),
        TEST(probe_refuses_what_cannot_be_a_file),
        TEST(probe_notices_a_folder_that_takes_no_file),
        TEST(probe_notices_a_folder_of_someone_else),
        TEST(probe_notices_a_folder_that_cannot_be_opened),
        TEST(probe_notices_that_no_byte_fits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
