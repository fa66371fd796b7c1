/* jobs/claim: who is at work in a store. Other hosts are played by claims with another boot id. */
#include "../core/temporary_folder.h"

#include "claim.h"
#include "json_file.h"
#include "publish.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>

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

static void pause_for(double seconds)
{
    nanosleep(&(struct timespec){(time_t)seconds, (long)((seconds - (int)seconds) * 1e9)}, NULL);
}

/* Makes the claim one of another machine, touched so long ago. */
static void move_claim_away(double age_s)
{
    json_t *object;
    struct timespec times[2];
    const char *path = in_folder("store/claim");
    assert_int_equal(json_file_read(path, &object, NULL), 0);
    json_object_set_new(object, "boot", json_string("00000000-elsewhere"));
    json_object_set_new(object, "host", json_string("node9"));
    assert_int_equal(json_file_write(path, object, NULL), 0);
    clock_gettime(CLOCK_REALTIME, &times[0]);
    double then = (double)times[0].tv_sec + 1e-9 * (double)times[0].tv_nsec - age_s;
    times[0] = (struct timespec){(time_t)then, (long)((then - (double)(time_t)then) * 1e9)};
    times[1] = times[0];
    assert_int_equal(utimensat(AT_FDCWD, path, times, 0), 0);
}

/* Runs body in a child that ends without cleaning up, and waits for it. */
static pid_t child_of(int (*body)(void))
{
    fflush(NULL);
    pid_t pid = fork();
    if (pid == 0) {
        prctl(PR_SET_PDEATHSIG, SIGKILL);
        _exit(body());
    }
    assert_true(pid > 0);
    return pid;
}

static int exit_code(pid_t pid)
{
    int code;
    assert_int_equal(waitpid(pid, &code, 0), pid);
    return WIFEXITED(code) ? WEXITSTATUS(code) : 128 + WTERMSIG(code);
}

static int take_and_die(void)
{
    struct claim claim;
    return claim_take(&made, 5, NULL, &claim, NULL);
}

/* --- one owner --- */

static void claim_is_taken_shown_and_released(void **state)
{
    (void)state;
    struct claim claim, who;
    enum claim_state is;
    double age;
    assert_int_equal(claim_look(&made, 5, &who, &is, &age, NULL), 0);
    assert_int_equal(is, CLAIM_FREE);
    assert_int_equal(claim_take(&made, 5, NULL, &claim, NULL), 0);
    assert_int_equal(claim_look(&made, 5, &who, &is, &age, NULL), 0);
    assert_int_equal(is, CLAIM_ALIVE);
    assert_true(age >= 0 && age < 60);
    assert_string_equal(who.nonce, claim.nonce);
    assert_int_equal(strlen(who.nonce), NONCE_TEXT - 1);
    assert_int_equal(who.pid, getpid());
    assert_false(who.ending);
    assert_int_equal(claim_refresh(&made, &claim, NULL), 0);
    assert_int_equal(claim_end(&made, &claim, NULL), 0);
    assert_int_equal(claim_look(&made, 5, &who, &is, &age, NULL), 0);
    assert_true(who.ending);
    assert_int_equal(claim_release(&made, &claim, NULL), 0);
    assert_int_equal(claim_look(&made, 5, &who, &is, &age, NULL), 0);
    assert_int_equal(is, CLAIM_FREE);
    assert_int_equal(claim_release(&made, &claim, NULL), E_FAILED);
}

static void claim_of_a_live_owner_is_refused_with_its_name(void **state)
{
    (void)state;
    struct claim claim, second;
    struct error err = {0};
    char pid[32];
    assert_int_equal(claim_take(&made, 0.2, NULL, &claim, NULL), 0);
    assert_int_equal(claim_take(&made, 0.2, NULL, &second, &err), E_ENVIRONMENT);
    snprintf(pid, sizeof pid, "process %ld on ", (long)getpid());
    assert_says(&err, pid);
    assert_says(&err, claim.host);
    assert_says(&err, claim.started);
    assert_int_equal(claim_refresh(&made, &claim, NULL), 0);
    assert_int_equal(claim_release(&made, &claim, NULL), 0);
}

static void claim_of_a_dead_process_is_taken_over_and_nothing_is_left(void **state)
{
    (void)state;
    struct claim claim, who;
    enum claim_state is;
    double age;
    assert_int_equal(exit_code(child_of(take_and_die)), 0);
    assert_int_equal(claim_look(&made, 5, &who, &is, &age, NULL), 0);
    assert_int_equal(is, CLAIM_DEAD);
    assert_int_equal(claim_take(&made, 5, NULL, &claim, NULL), 0);
    assert_string_not_equal(claim.nonce, who.nonce);
    assert_int_equal(claim_release(&made, &claim, NULL), 0);
    DIR *folder = opendir(in_folder("store"));
    for (struct dirent *entry; (entry = readdir(folder));)
        assert_null(strstr(entry->d_name, "claim"));
    closedir(folder);
}

/* A zombie is dead already, and so is a process that has the number of the owner again. */
static void claim_of_a_zombie_or_of_a_number_used_again_is_dead(void **state)
{
    (void)state;
    struct claim claim, who;
    enum claim_state is;
    double age;
    pid_t zombie = child_of(take_and_die);
    siginfo_t info;
    assert_int_equal(waitid(P_PID, (id_t)zombie, &info, WEXITED | WNOWAIT), 0);
    assert_int_equal(claim_look(&made, 5, &who, &is, &age, NULL), 0);
    assert_int_equal(who.pid, zombie);
    assert_int_equal(is, CLAIM_DEAD);
    assert_int_equal(exit_code(zombie), 0);

    assert_int_equal(claim_take(&made, 5, NULL, &claim, NULL), 0);
    json_t *object;
    assert_int_equal(json_file_read(in_folder("store/claim"), &object, NULL), 0);
    json_object_set_new(object, "pid_start", json_integer((json_int_t)claim.pid_start + 1));
    assert_int_equal(json_file_write(in_folder("store/claim"), object, NULL), 0);
    assert_int_equal(claim_look(&made, 5, &who, &is, &age, NULL), 0);
    assert_int_equal(is, CLAIM_DEAD);
}

static void claim_that_was_taken_over_is_lost_to_its_owner(void **state)
{
    (void)state;
    struct claim first, second;
    struct error err = {0};
    assert_int_equal(claim_take(&made, 5, NULL, &first, NULL), 0);
    move_claim_away(60);
    assert_int_equal(claim_take(&made, 5, NULL, &second, NULL), 0);
    assert_int_equal(claim_refresh(&made, &first, &err), E_FAILED);
    assert_says(&err, "has taken over");
    assert_int_equal(claim_end(&made, &first, NULL), E_FAILED);
    assert_int_equal(claim_release(&made, &first, NULL), E_FAILED);
    assert_int_equal(claim_refresh(&made, &second, NULL), 0);
}

static void claim_that_makes_no_sense_is_left_alone(void **state)
{
    (void)state;
    struct claim claim;
    struct error err = {0};
    file_put(in_folder("store/claim"), "{}", 2);
    assert_int_equal(claim_take(&made, 5, NULL, &claim, &err), E_INPUT);
    assert_says(&err, "not a claim");
    assert_file_holds(in_folder("store/claim"), "{}");
}

/* How long ago it was touched. */
static double age_of(const struct stat *file)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (double)(now.tv_sec - file->st_mtim.tv_sec) +
           1e-9 * (double)(now.tv_nsec - file->st_mtim.tv_nsec);
}

static void age(const char *path, double age_s)
{
    struct timespec times[2];
    clock_gettime(CLOCK_REALTIME, &times[0]);
    times[0].tv_sec -= (time_t)age_s;
    times[1] = times[0];
    assert_int_equal(utimensat(AT_FDCWD, path, times, AT_SYMLINK_NOFOLLOW), 0);
}

/* What a power cut may leave. */
static void claim_that_cannot_be_read_is_dead_once_it_is_old(void **state)
{
    (void)state;
    static const struct {
        const char *bytes;
        size_t count;
    } torn[] = {{"", 0}, {"\0\0\0\0", 4}, {"{\n \"host\": \"no", 14}, {"[]", 2}};
    const char *path = in_folder("store/claim");
    for (size_t i = 0; i < sizeof torn / sizeof *torn; i++) {
        struct claim claim, who;
        enum claim_state is;
        double old;
        file_put(path, torn[i].bytes, torn[i].count);
        assert_int_equal(claim_look(&made, 1000, &who, &is, &old, NULL), 0);
        assert_int_equal(is, CLAIM_ALIVE);
        age(path, 2000);
        assert_int_equal(claim_look(&made, 1000, &who, &is, &old, NULL), 0);
        assert_int_equal(is, CLAIM_DEAD);
        /* and so is a successor of its, and one of that */
        char name[32 + NONCE_TEXT] = "store/.claim.after.";
        memcpy(name + strlen(name), who.nonce, NONCE_TEXT);
        file_put(in_folder(name), torn[i].bytes, torn[i].count);
        age(in_folder(name), 2000);
        assert_int_equal(claim_take(&made, 1000, NULL, &claim, NULL), 0);
        assert_int_equal(claim_refresh(&made, &claim, NULL), 0);
        assert_int_equal(access(in_folder(name), F_OK), -1);
        assert_int_equal(claim_release(&made, &claim, NULL), 0);
    }
}

static void claim_that_cannot_be_read_is_waited_for_until_it_is_old(void **state)
{
    (void)state;
    struct claim claim;
    struct stat owner;
    file_put(in_folder("store/claim"), "", 0);
    assert_int_equal(stat(in_folder("store/claim"), &owner), 0);
    assert_int_equal(claim_take(&made, 0.5, NULL, &claim, NULL), 0);
    assert_true(age_of(&owner) >= 0.5);
}

/* Which files were synced, in this process. */
static ino_t synced[64];
static size_t synced_count;
static bool seen_unsynced, stop_before_rename, without_links;

int __real_fsync(int file);
int __wrap_fsync(int file);
int __wrap_fsync(int file)
{
    struct stat info;
    if (fstat(file, &info) == 0 && synced_count < sizeof synced / sizeof *synced)
        synced[synced_count++] = info.st_ino;
    return __real_fsync(file);
}

static bool is_synced(int folder, const char *path)
{
    struct stat info;
    assert_int_equal(fstatat(folder, path, &info, 0), 0);
    for (size_t i = 0; i < synced_count; i++)
        if (synced[i] == info.st_ino)
            return true;
    return false;
}

int __real_linkat(int from_folder, const char *from, int to_folder, const char *to, int flags);
int __wrap_linkat(int from_folder, const char *from, int to_folder, const char *to, int flags);
int __wrap_linkat(int from_folder, const char *from, int to_folder, const char *to, int flags)
{
    seen_unsynced |= !is_synced(from_folder, from);
    if (without_links) {
        errno = EPERM;
        return -1;
    }
    return __real_linkat(from_folder, from, to_folder, to, flags);
}

int __real_renameat(int from_folder, const char *from, int to_folder, const char *to);
int __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to);
int __wrap_renameat(int from_folder, const char *from, int to_folder, const char *to)
{
    if (stop_before_rename)
        raise(SIGSTOP);
    return __real_renameat(from_folder, from, to_folder, to);
}

static void a_claim_is_on_the_disk_before_it_has_its_name(void **state)
{
    (void)state;
    struct claim claim;
    synced_count = 0;
    seen_unsynced = false;
    assert_int_equal(claim_take(&made, 5, NULL, &claim, NULL), 0); /* by a link */
    assert_true(is_synced(AT_FDCWD, in_folder("store/claim")));
    move_claim_away(60);
    assert_int_equal(claim_take(&made, 5, NULL, &claim, NULL), 0); /* as a successor */
    assert_true(is_synced(AT_FDCWD, in_folder("store/claim")));
    assert_false(seen_unsynced);
}

static void claim_on_a_folder_that_cannot_be_written_is_an_error_of_the_environment(void **state)
{
    (void)state;
    struct claim claim;
    struct error err = {0};
    if (geteuid() == 0 && (chmod(fixture_folder, 0755) != 0 || seteuid(65534) != 0))
        skip();
    int status = geteuid() == 0 ? E_ENVIRONMENT : claim_take(&made, 5, NULL, &claim, &err);
    assert_int_equal(seteuid(getuid()), 0);
    assert_int_equal(status, E_ENVIRONMENT);
    assert_says(&err, "claim");
}

/* --- owners out of sight, and on their way out --- */

static int waits;

static void count_wait(void *context, const struct claim *who, double age)
{
    (void)context, (void)age;
    assert_string_equal(who->host, "node9");
    waits++;
}

static bool stop_at_once(void *context)
{
    (void)context;
    return true;
}

static void silent_owner_elsewhere_is_waited_for_until_it_counts_as_lost(void **state)
{
    (void)state;
    struct claim claim;
    struct stat owner;
    const struct claim_hooks hooks = {.on_wait = count_wait};
    const double lost_after_s = 5;
    assert_int_equal(claim_take(&made, lost_after_s, NULL, &claim, NULL), 0);
    move_claim_away(0);
    assert_int_equal(stat(in_folder("store/claim"), &owner), 0);
    waits = 0;
    assert_int_equal(claim_take(&made, lost_after_s, &hooks, &claim, NULL), 0);
    assert_true(age_of(&owner) >= lost_after_s);
    assert_int_equal(waits, 1);
}

static int beat_until_killed(void)
{
    while (utimensat(AT_FDCWD, in_folder("store/claim"), NULL, 0) == 0)
        pause_for(0.1);
    return 1;
}

static void owner_elsewhere_that_shows_a_sign_of_life_is_refused(void **state)
{
    (void)state;
    struct claim claim;
    struct error err = {0};
    assert_int_equal(claim_take(&made, 1000, NULL, &claim, NULL), 0);
    move_claim_away(1);
    pid_t other = child_of(beat_until_killed);
    int status = claim_take(&made, 1000, NULL, &claim, &err);
    kill(other, SIGKILL);
    exit_code(other);
    assert_int_equal(status, E_ENVIRONMENT);
    assert_says(&err, "on node9");
}

static void waiting_ends_when_asked_to_stop(void **state)
{
    (void)state;
    struct claim claim;
    const struct claim_hooks hooks = {.should_stop = stop_at_once};
    assert_int_equal(claim_take(&made, 1000, NULL, &claim, NULL), 0);
    move_claim_away(1);
    assert_int_equal(claim_take(&made, 1000, &hooks, &claim, NULL), E_INTERRUPTED);
}

static int gate[2]; /* a pipe: what the other process reads lets it go on */

static int hold_and_end(void)
{
    struct claim claim;
    char byte;
    if (claim_take(&made, 20, NULL, &claim, NULL) != 0 || claim_end(&made, &claim, NULL) != 0 ||
        read(gate[0], &byte, 1) != 1)
        return 1;
    pause_for(3); /* longer than a live owner is given */
    return claim_release(&made, &claim, NULL);
}

static void let_go_on(void *context, const struct claim *who, double age)
{
    (void)context, (void)age;
    assert_true(who->ending);
    assert_int_equal(write(gate[1], "", 1), 1);
}

static void owner_that_is_ending_is_waited_for(void **state)
{
    (void)state;
    struct claim claim, who = {0};
    enum claim_state is;
    double age;
    const struct claim_hooks hooks = {.on_wait = let_go_on};
    assert_int_equal(pipe(gate), 0);
    pid_t other = child_of(hold_and_end);
    while (!who.ending) {
        assert_int_equal(claim_look(&made, 1000, &who, &is, &age, NULL), 0);
        pause_for(0.02);
    }
    assert_int_equal(claim_take(&made, 1000, &hooks, &claim, NULL), 0);
    assert_int_equal(exit_code(other), 0);
    assert_int_equal(claim.pid, getpid());
    close(gate[0]);
    close(gate[1]);
}

/* --- many at once --- */

enum { TAKERS = 24, ROUNDS = 12 };

/* Takes the claim as often as it can, and at least once. Having it, it makes a file that must not
 * be there and takes it away again; then it releases the claim or dies with it, at times in the
 * middle of a takeover. 0: never saw another owner beside it. */
static int compete(unsigned seed)
{
    int had = 0;
    for (int round = 0; round < ROUNDS || had == 0; round++) {
        struct claim claim;
        int status = claim_take(&made, 0.01, NULL, &claim, NULL);
        if (status == E_ENVIRONMENT)
            continue;
        had++;
        if (status != 0)
            return 10 + status;
        int file = open(in_folder("alone"), O_CREAT | O_EXCL | O_WRONLY, 0666);
        if (file < 0)
            return 2;
        pause_for(0.001 * (rand_r(&seed) % 4));
        if (unlink(in_folder("alone")) != 0 || close(file) != 0)
            return 3;
        file = open(in_folder("turns"), O_CREAT | O_APPEND | O_WRONLY, 0666);
        if (file < 0 || write(file, "+", 1) != 1 || close(file) != 0)
            return 4;
        if (rand_r(&seed) % 2)
            return 0; /* dead, with the claim */
        if (claim_release(&made, &claim, NULL) != 0)
            return 5;
    }
    return 0;
}

static void of_many_takers_one_at_a_time_gets_through(void **state)
{
    (void)state;
    struct stat turns;
    for (unsigned i = 0; i < TAKERS; i++) {
        fflush(NULL);
        pid_t pid = fork();
        if (pid == 0)
            _exit(compete(i + 1));
        assert_true(pid > 0);
    }
    for (int i = 0, code; i < TAKERS; i++) {
        assert_true(wait(&code) > 0);
        assert_true(WIFEXITED(code));
        assert_int_equal(WEXITSTATUS(code), 0);
    }
    assert_int_equal(stat(in_folder("turns"), &turns), 0);
    print_message("%d takers had the claim %ld times, one at a time\n", TAKERS,
                  (long)turns.st_size);
    assert_true(turns.st_size >= TAKERS);
}

/* A taker that died between becoming the successor and replacing the claim. */
static void chain_of_dead_successors_is_followed_to_its_end(void **state)
{
    (void)state;
    struct claim claim, dead[3];
    enum claim_state is;
    double age;
    const char *path = in_folder("store/claim");
    for (int i = 2; i >= 0; i--) { /* dead[0] owns it, dead[1] is its successor, and so on */
        remove(path);
        assert_int_equal(exit_code(child_of(take_and_die)), 0);
        assert_int_equal(claim_look(&made, 5, &dead[i], &is, &age, NULL), 0);
        assert_int_equal(link(path, in_folder(dead[i].nonce)), 0);
    }
    for (int i = 0; i < 2; i++) {
        char name[32 + NONCE_TEXT] = "store/.claim.after.";
        memcpy(name + strlen(name), dead[i].nonce, NONCE_TEXT);
        assert_int_equal(rename(in_folder(dead[i + 1].nonce), in_folder(name)), 0);
    }
    assert_int_equal(claim_take(&made, 5, NULL, &claim, NULL), 0);
    assert_int_equal(claim_refresh(&made, &claim, NULL), 0);
    DIR *folder = opendir(in_folder("store"));
    for (struct dirent *entry; (entry = readdir(folder));)
        assert_null(strstr(entry->d_name, ".claim"));
    closedir(folder);
}

static int take_with_a_stop(void)
{
    struct claim claim;
    stop_before_rename = true;
    return claim_take(&made, 5, NULL, &claim, NULL);
}

/* A taker that has seen that the claim, which `first` has got, is a dead one's, and sleeps before
 * it replaces that. */
static pid_t sleeper_behind(struct claim *first)
{
    int code;
    assert_int_equal(claim_take(&made, 5, NULL, first, NULL), 0);
    move_claim_away(60);
    pid_t sleeper = child_of(take_with_a_stop);
    assert_int_equal(waitpid(sleeper, &code, WUNTRACED), sleeper);
    assert_true(WIFSTOPPED(code));
    return sleeper;
}

static void a_taker_that_was_taken_for_dead_cannot_go_on(void **state)
{
    (void)state;
    struct claim first, second, third;
    pid_t sleeper = sleeper_behind(&first);

    char name[32 + NONCE_TEXT] = "store/.claim.after."; /* its only link that is not the claim's */
    memcpy(name + strlen(name), first.nonce, NONCE_TEXT);
    const char *path = in_folder(name);
    size_t length;
    char *text = (char *)file_get(path, &length), *boot = strstr(text, "\"boot\": \"");
    assert_non_null(boot);
    int file = open(path, O_WRONLY); /* as it looks from another machine */
    assert_int_equal(pwrite(file, "elsewhere", 9, boot + 9 - text), 9);
    close(file);
    free(text);
    age(path, 60);

    assert_int_equal(claim_take(&made, 5, NULL, &second, NULL), 0);
    assert_int_equal(kill(sleeper, SIGCONT), 0);
    assert_int_equal(exit_code(sleeper), E_ENVIRONMENT); /* it sees the second, which lives */
    assert_int_equal(claim_refresh(&made, &second, NULL), 0);

    /* neither does an owner that was taken for dead take away or mark its successor's */
    assert_int_equal(claim_end(&made, &first, NULL), E_FAILED);
    assert_int_equal(claim_release(&made, &first, NULL), E_FAILED);
    assert_int_equal(claim_refresh(&made, &second, NULL), 0);
    assert_int_equal(claim_release(&made, &second, NULL), 0);
    assert_int_equal(claim_take(&made, 5, NULL, &third, NULL), 0);
}

/* The dead one is not dead after all, and releases its claim. */
static void a_taker_that_looked_before_a_release_cannot_go_on(void **state)
{
    (void)state;
    struct claim first, second;
    pid_t sleeper = sleeper_behind(&first);
    assert_int_equal(claim_release(&made, &first, NULL), 0);
    assert_int_equal(claim_take(&made, 5, NULL, &second, NULL), 0);
    assert_int_equal(kill(sleeper, SIGCONT), 0);
    assert_int_equal(exit_code(sleeper), E_ENVIRONMENT); /* it sees the second, which lives */
    assert_int_equal(claim_refresh(&made, &second, NULL), 0);
    assert_int_equal(claim_release(&made, &second, NULL), 0);
}

static void a_dead_claim_is_taken_over_without_links(void **state)
{
    (void)state;
    struct claim claim;
    without_links = true;
    for (int i = 0; i < 2; i++)
        assert_int_equal(exit_code(child_of(take_and_die)), 0);
    int status = claim_take(&made, 5, NULL, &claim, NULL);
    without_links = false;
    assert_int_equal(status, 0);
    assert_int_equal(claim_refresh(&made, &claim, NULL), 0);
    assert_int_equal(claim_release(&made, &claim, NULL), 0);
}

int main(void)
{
#define WITH_STORE(test) cmocka_unit_test_setup_teardown(test, store_make, store_unmake)
    const struct CMUnitTest tests[] = {
        WITH_STORE(claim_is_taken_shown_and_released),
        WITH_STORE(claim_of_a_live_owner_is_refused_with_its_name),
        WITH_STORE(claim_of_a_dead_process_is_taken_over_and_nothing_is_left),
        WITH_STORE(claim_of_a_zombie_or_of_a_number_used_again_is_dead),
        WITH_STORE(claim_that_was_taken_over_is_lost_to_its_owner),
        WITH_STORE(claim_that_makes_no_sense_is_left_alone),
        WITH_STORE(claim_that_cannot_be_read_is_dead_once_it_is_old),
        WITH_STORE(claim_that_cannot_be_read_is_waited_for_until_it_is_old),
        WITH_STORE(a_claim_is_on_the_disk_before_it_has_its_name),
        WITH_STORE(claim_on_a_folder_that_cannot_be_written_is_an_error_of_the_environment),
        WITH_STORE(silent_owner_elsewhere_is_waited_for_until_it_counts_as_lost),
        WITH_STORE(owner_elsewhere_that_shows_a_sign_of_life_is_refused),
        WITH_STORE(waiting_ends_when_asked_to_stop),
        WITH_STORE(owner_that_is_ending_is_waited_for),
        WITH_STORE(of_many_takers_one_at_a_time_gets_through),
        WITH_STORE(chain_of_dead_successors_is_followed_to_its_end),
        WITH_STORE(a_taker_that_was_taken_for_dead_cannot_go_on),
        WITH_STORE(a_taker_that_looked_before_a_release_cannot_go_on),
        WITH_STORE(a_dead_claim_is_taken_over_without_links),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
