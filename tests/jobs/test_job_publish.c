/* jobs/job_publish: the three files of a finished job appear together, whoever else is at it. */
#include "../core/temporary_folder.h"

#include "files.h"
#include "job_publish.h"
#include "store_clean.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/wait.h>

#define ID "3fa9c1e0b2d47a15"
static const char *const endings[JOB_PUBLISHED] = {"png", "log", "h5"};
static struct store made;

static int store_make(void **state)
{
    return folder_make(state) || store_create(in_folder("store"), &made, NULL) ||
           store_make_room(&made, ID, NULL);
}

static int store_unmake(void **state)
{
    store_release(&made);
    return folder_remove(state);
}

static const char *final_path(int i)
{
    char name[64];
    snprintf(name, sizeof name, "store/jobs/3f/" ID ".%s", endings[i]);
    return in_folder(name);
}

/* What passes for a whole result by its length: a superblock of version 2 that ends where the file
 * does, and after that whose it is. */
static void stage(char whose, struct publication *files)
{
    unsigned char result[64] = "\x89HDF\r\n\x1a\n\x02\x08\x08";
    result[28] = sizeof result;
    result[60] = (unsigned char)whose;
    for (int i = 0; i < JOB_PUBLISHED; i++) {
        files[i] = (struct publication){0};
        assert_int_equal(publish_begin(final_path(i), &files[i], NULL), 0);
        assert_int_equal(i == 2 ? publish_write(&files[i], result, sizeof result, NULL)
                                : publish_write(&files[i], &whose, 1, NULL),
                         0);
    }
}

/* All three are there, of one and the same, whose name is returned; and nothing else is. */
static char assert_whole(void)
{
    char whose[JOB_PUBLISHED];
    int count = 0;
    assert_true(store_job_done(&made, ID));
    for (int i = 0; i < JOB_PUBLISHED; i++) {
        size_t length;
        uint8_t *bytes = file_get(final_path(i), &length);
        assert_int_equal(length, i == 2 ? 64 : 1);
        whose[i] = (char)bytes[i == 2 ? 60 : 0];
        free(bytes);
    }
    assert_int_equal(whose[0], whose[2]);
    assert_int_equal(whose[1], whose[2]);
    DIR *folder = opendir(in_folder("store/jobs/3f"));
    for (struct dirent *entry; (entry = readdir(folder));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(folder);
    assert_int_equal(count, JOB_PUBLISHED);
    return whose[2];
}

static void a_job_is_published_whole_and_never_replaced(void **state)
{
    (void)state;
    struct publication files[JOB_PUBLISHED];
    bool elsewhere = true;
    stage('a', files);
    assert_int_equal(job_publish(&made, ID, files, NULL, &elsewhere, NULL), 0);
    assert_false(elsewhere);
    assert_int_equal(assert_whole(), 'a');
    stage('b', files);
    assert_int_equal(job_publish(&made, ID, files, NULL, &elsewhere, NULL), 0);
    assert_true(elsewhere);
    assert_int_equal(assert_whole(), 'a');
}

static void half_a_publication_and_a_result_cut_short_are_replaced(void **state)
{
    (void)state;
    struct publication files[JOB_PUBLISHED];
    bool elsewhere;
    file_put(final_path(0), "x", 1);
    file_put(final_path(2), "\x89HDF", 4);
    stage('a', files);
    assert_int_equal(job_publish(&made, ID, files, NULL, &elsewhere, NULL), 0);
    assert_false(elsewhere);
    assert_int_equal(assert_whole(), 'a');
}

/* --- the call at which a child is killed or stopped --- */

static int countdown, signal_then;
static bool at_every_call;

static void count(void)
{
    if (at_every_call || (countdown > 0 && --countdown == 0))
        raise(signal_then);
}

#define COUNTED(name, parameters, arguments)                                                       \
    int __real_##name parameters;                                                                  \
    int __wrap_##name parameters;                                                                  \
    int __wrap_##name parameters                                                                   \
    {                                                                                              \
        count();                                                                                   \
        return __real_##name arguments;                                                            \
    }
COUNTED(renameat, (int a, const char *from, int b, const char *to), (a, from, b, to))
COUNTED(linkat, (int a, const char *from, int b, const char *to, int flags),
        (a, from, b, to, flags))
COUNTED(unlinkat, (int a, const char *name, int flags), (a, name, flags))
COUNTED(mkdirat, (int a, const char *name, mode_t mode), (a, name, mode))

/* Who is first does not hang on the disk: where there are many schedules it is left alone. */
int __real_fsync(int file);
int __wrap_fsync(int file);
int __wrap_fsync(int file)
{
    count();
    return at_every_call ? 0 : __real_fsync(file);
}

/* 0 published, 1 elsewhere */
static pid_t publish_in_child(char whose, int calls, int number)
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        struct publication files[JOB_PUBLISHED];
        bool elsewhere;
        stage(whose, files);
        countdown = calls;
        signal_then = number;
        int status = job_publish(&made, ID, files, NULL, &elsewhere, NULL);
        _exit(status != 0 ? 10 + status : elsewhere);
    }
    assert_true(pid > 0);
    return pid;
}

static void empty_the_store(void)
{
    for (int i = 0; i < JOB_PUBLISHED; i++)
        remove(final_path(i));
}

static void a_killed_publication_is_gone_on_with(void **state)
{
    (void)state;
    int resumed = 0;
    for (int calls = 1;; calls++) {
        int how;
        pid_t pid = publish_in_child('a', calls, SIGKILL);
        assert_int_equal(waitpid(pid, &how, 0), pid);
        bool was_done = store_job_done(&made, ID);
        assert_int_equal(store_clean(&made, 1e9, NULL, NULL), 0);
        if (!WIFSIGNALED(how)) {
            assert_int_equal(assert_whole(), 'a');
            print_message("killed at each of %d calls, gone on with after %d\n", calls - 1,
                          resumed);
            assert_true(calls > 15 && resumed >= 4);
            break;
        }
        resumed += !was_done && store_job_done(&made, ID);
        struct publication files[JOB_PUBLISHED];
        bool elsewhere, done = store_job_done(&made, ID);
        stage('b', files);
        assert_int_equal(job_publish(&made, ID, files, NULL, &elsewhere, NULL), 0);
        assert_int_equal(elsewhere, done);
        assert_int_equal(assert_whole(), done ? 'a' : 'b');
        empty_the_store();
    }
}

/* One is stopped before each of its calls, the other runs from beginning to end, the first goes on.
 */
static void of_two_publications_one_stands_whole(void **state)
{
    (void)state;
    int wins[2] = {0};
    for (int calls = 1;; calls++) {
        int how;
        pid_t pid = publish_in_child('a', calls, SIGSTOP);
        assert_int_equal(waitpid(pid, &how, WUNTRACED), pid);
        bool stopped = WIFSTOPPED(how);
        struct publication files[JOB_PUBLISHED];
        bool elsewhere;
        stage('b', files);
        assert_int_equal(job_publish(&made, ID, files, NULL, &elsewhere, NULL), 0);
        char first = store_job_done(&made, ID) ? elsewhere ? 'a' : 'b' : 0;
        if (stopped) {
            assert_int_equal(kill(pid, SIGCONT), 0);
            assert_int_equal(waitpid(pid, &how, 0), pid);
        }
        assert_true(WIFEXITED(how));
        assert_true(WEXITSTATUS(how) <= 1);
        assert_int_equal(assert_whole(), first);
        wins[first == 'b']++;
        empty_the_store();
        if (!stopped)
            break;
    }
    print_message("the stopped one won %d times, the other %d\n", wins[0], wins[1]);
    assert_true(wins[0] > 3 && wins[1] > 3);
}

/* --- step by step --- */

/* On to its next call, or to its end; whether it still is on the way. */
static bool step(pid_t pid, int *how)
{
    assert_int_equal(kill(pid, SIGCONT), 0);
    assert_int_equal(waitpid(pid, how, WUNTRACED), pid);
    return WIFSTOPPED(*how);
}

struct pair {
    pid_t pid[2];
    int how[2];
    bool stands[2];
};

/* Two publications of the job, each before its first call. */
static struct pair begin_pair(void)
{
    struct pair pair;
    at_every_call = true;
    for (int i = 0; i < 2; i++) {
        pair.pid[i] = publish_in_child((char)('a' + i), 0, SIGSTOP);
        assert_int_equal(waitpid(pair.pid[i], &pair.how[i], WUNTRACED), pair.pid[i]);
        pair.stands[i] = WIFSTOPPED(pair.how[i]);
    }
    at_every_call = false;
    return pair;
}

static void advance(struct pair *pair, int who, int calls)
{
    for (; pair->stands[who] && calls > 0; calls--)
        pair->stands[who] = step(pair->pid[who], &pair->how[who]);
}

/* One has published, the other has found that; what is there is that one's. */
static char end_pair(struct pair *pair)
{
    for (int i = 0; i < 2; i++) {
        advance(pair, i, 1 << 20);
        assert_true(WIFEXITED(pair->how[i]));
    }
    int elsewhere = WEXITSTATUS(pair->how[0]);
    assert_true(elsewhere <= 1);
    assert_int_equal(WEXITSTATUS(pair->how[1]), 1 - elsewhere);
    char whose = assert_whole();
    assert_int_equal(whose, elsewhere ? 'b' : 'a');
    empty_the_store();
    return whose;
}

/* Every schedule with two switches: one goes so far, the other so far, the first to its end. */
static void of_two_publications_in_any_order_one_stands_whole(void **state)
{
    (void)state;
    int wins[2] = {0}, schedules = 0;
    for (int far = 0, more = true; more; far++) {
        for (int other = 0, other_more = true; other_more; other++, schedules++) {
            struct pair pair = begin_pair();
            advance(&pair, 0, far);
            more = pair.stands[0];
            advance(&pair, 1, other);
            other_more = pair.stands[1];
            wins[end_pair(&pair) - 'a']++;
        }
    }
    print_message("%d schedules: the first won %d times, the other %d\n", schedules, wins[0],
                  wins[1]);
    assert_true(schedules > 200 && wins[0] > 50 && wins[1] > 50);
}

/* Schedules with any number of switches; ATELIER_SCHEDULES: how many. */
static void of_two_publications_switched_at_random_one_stands_whole(void **state)
{
    (void)state;
    const char *asked = getenv("ATELIER_SCHEDULES");
    for (int i = 0, count = asked ? atoi(asked) : 40; i < count; i++) {
        struct pair pair = begin_pair();
        srand((unsigned)i);
        while (pair.stands[0] || pair.stands[1])
            advance(&pair, rand() % 2, 1);
        end_pair(&pair);
    }
}

int main(void)
{
#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, store_make, store_unmake)
    const struct CMUnitTest tests[] = {
        WITH_STORE(a_job_is_published_whole_and_never_replaced),
        WITH_STORE(half_a_publication_and_a_result_cut_short_are_replaced),
        WITH_STORE(a_killed_publication_is_gone_on_with),
        WITH_STORE(of_two_publications_one_stands_whole),
        WITH_STORE(of_two_publications_in_any_order_one_stands_whole),
        WITH_STORE(of_two_publications_switched_at_random_one_stands_whole),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
