/* A host whose clock is ahead of the file system's: what is young there stays young. */
#include "../core/temporary_folder.h"

#include "claim.h"
#include "publish.h"
#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <time.h>

enum { AHEAD_S = 90, LOST_AFTER_S = 20 };

int __real_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now);
int __wrap_clock_gettime(clockid_t clock, struct timespec *now)
{
    int status = __real_clock_gettime(clock, now);
    now->tv_sec += clock == CLOCK_REALTIME ? AHEAD_S : 0;
    return status;
}

static bool must_have_names; /* the file system, its files */

int __real_openat(int folder, const char *path, int flags, ...);
int __wrap_openat(int folder, const char *path, int flags, ...);
int __wrap_openat(int folder, const char *path, int flags, ...)
{
    if (must_have_names && (flags & O_TMPFILE) == O_TMPFILE) {
        errno = EOPNOTSUPP;
        return -1;
    }
    return __real_openat(folder, path, flags, 0666);
}

/* Nobody can be looked for whose claim cannot be read: only its age speaks. */
static void an_owner_elsewhere_lives(void **state)
{
    (void)state;
    struct store store;
    struct claim who;
    enum claim_state is;
    double age;
    assert_int_equal(store_create(in_folder("store"), &store, NULL), 0);
    file_put(in_folder("store/claim"), "", 0);
    assert_int_equal(claim_look(&store, LOST_AFTER_S, &who, &is, &age, NULL), 0);
    assert_int_equal(is, CLAIM_ALIVE);
    store_release(&store);
}

static void a_temporary_file_of_another_host_stays(void **state)
{
    (void)state;
    uint64_t removed = 0;
    file_put(in_folder(".x.tmp.0.elsewhere.1"), "x", 1);
    assert_int_equal(publish_clear(in_folder("."), LOST_AFTER_S, &removed, NULL), 0);
    assert_int_equal(removed, 0);
    assert_int_equal(access(in_folder(".x.tmp.0.elsewhere.1"), F_OK), 0);
}

static void looking_at_the_clock_leaves_nothing(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct timespec now, here;
        must_have_names = i;
        assert_int_equal(publish_clock(in_folder("."), &now), 0);
        clock_gettime(CLOCK_REALTIME, &here);
        assert_true(here.tv_sec - now.tv_sec >= AHEAD_S - 1);
        assert_int_equal(files_in_folder(), 0);
    }
    must_have_names = false;
    assert_int_equal(publish_clock(in_folder("nowhere"), &(struct timespec){0}), -1);
}

int main(void)
{
#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, folder_make, folder_remove)
    const struct CMUnitTest tests[] = {
        IN_FOLDER(an_owner_elsewhere_lives),
        IN_FOLDER(a_temporary_file_of_another_host_stays),
        IN_FOLDER(looking_at_the_clock_leaves_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
