#include "child.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { LEASH_IN = 3, LEASH_OUT = 4, FIRST_OTHER = 5, OOM_SCORE = 500 };

/* --- its environment --- */

/* A child that found MPI's variables could take itself for a rank. */
static bool for_ranks_only(const char *variable)
{
    static const char *const prefixes[] = {"OMPI_", "PMIX_", "PRTE_",          "ORTE_",
                                           "PMI_",  "OPAL_", "ATELIER_LEASH=", "ATELIER_FACTS="};
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(variable, prefixes[i], strlen(prefixes[i])) == 0)
            return true;
    return false;
}

/* Texts are borrowed. Caller frees the list. NULL: no memory. */
static char **make_environment(char *leash, char *facts)
{
    size_t count = 0, kept = 0;
    while (environ[count])
        count++;
    char **list = malloc((count + 3) * sizeof *list);
    for (size_t i = 0; list && i < count; i++)
        if (!for_ranks_only(environ[i]))
            list[kept++] = environ[i];
    if (list) {
        list[kept++] = leash;
        list[kept++] = facts;
        list[kept] = NULL;
    }
    return list;
}

/* --- starting --- */

/* [0] is read, [1] written. */
struct pipes {
    int pulses[2], lines[2], errors[2];
};

static void close_all(int *files, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (files[i] >= 0)
            close(files[i]);
}

static int open_pipes(struct pipes *pipes, struct error *err)
{
    *pipes = (struct pipes){{-1, -1}, {-1, -1}, {-1, -1}};
    if (pipe2(pipes->pulses, O_CLOEXEC) == 0 && pipe2(pipes->lines, O_CLOEXEC) == 0 &&
        pipe2(pipes->errors, O_CLOEXEC) == 0)
        return 0;
    int status = fail_errno(err, "cannot open a pipe to a render");
    close_all(&pipes->pulses[0], sizeof *pipes / sizeof(int));
    return status;
}

/* A dup2 onto itself would leave the descriptor to be closed: none of ours may be that low. */
static int raise_descriptor(int *file)
{
    if (*file >= FIRST_OTHER)
        return 0;
    int higher = fcntl(*file, F_DUPFD_CLOEXEC, FIRST_OTHER);
    if (higher < 0)
        return errno;
    close(*file);
    *file = higher;
    return 0;
}

static int plan_files(posix_spawn_file_actions_t *actions, struct pipes *pipes)
{
    int failed = raise_descriptor(&pipes->pulses[0]);
    failed = failed ? failed : raise_descriptor(&pipes->lines[1]);
    failed = failed ? failed : raise_descriptor(&pipes->errors[1]);
    if (failed)
        return failed;
    posix_spawn_file_actions_addopen(actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(actions, 1, "/dev/null", O_WRONLY, 0);
    posix_spawn_file_actions_adddup2(actions, pipes->errors[1], 2);
    posix_spawn_file_actions_adddup2(actions, pipes->pulses[0], LEASH_IN);
    posix_spawn_file_actions_adddup2(actions, pipes->lines[1], LEASH_OUT);
    return posix_spawn_file_actions_addclosefrom_np(actions, FIRST_OTHER);
}

static int plan_attributes(posix_spawnattr_t *attributes)
{
    sigset_t all, none;
    sigfillset(&all);
    sigemptyset(&none);
    posix_spawnattr_setpgroup(attributes, 0);
    posix_spawnattr_setsigdefault(attributes, &all);
    posix_spawnattr_setsigmask(attributes, &none);
    return posix_spawnattr_setflags(attributes, POSIX_SPAWN_SETPGROUP | POSIX_SPAWN_SETSIGDEF |
                                                    POSIX_SPAWN_SETSIGMASK);
}

static int spawn(pid_t *pid, char *const argv[], char *const environment[], struct pipes *pipes)
{
    posix_spawn_file_actions_t actions;
    posix_spawnattr_t attributes;
    if (posix_spawn_file_actions_init(&actions) != 0)
        return ENOMEM;
    if (posix_spawnattr_init(&attributes) != 0) {
        posix_spawn_file_actions_destroy(&actions);
        return ENOMEM;
    }
    int failed = plan_files(&actions, pipes);
    failed = failed ? failed : plan_attributes(&attributes);
    failed = failed ? failed : posix_spawn(pid, argv[0], &actions, &attributes, argv, environment);
    posix_spawnattr_destroy(&attributes);
    posix_spawn_file_actions_destroy(&actions);
    return failed;
}

/* When memory runs out the kernel shall take the render and not the agent; no core files. Failing
 * that, it runs all the same. */
static void set_limits(pid_t pid)
{
    char path[64];
    struct rlimit core; /* the render may be setting its own: what it may do stays */
    if (prlimit(pid, RLIMIT_CORE, NULL, &core) == 0) {
        core.rlim_cur = 0;
        prlimit(pid, RLIMIT_CORE, &core, NULL);
    }
    snprintf(path, sizeof path, "/proc/%ld/oom_score_adj", (long)pid);
    FILE *file = fopen(path, "we");
    if (!file)
        return;
    fprintf(file, "%d", OOM_SCORE);
    fclose(file);
}

static uint64_t own_peak(void)
{
    struct rusage usage;
    return getrusage(RUSAGE_SELF, &usage) == 0 ? 1024 * (uint64_t)usage.ru_maxrss : 0;
}

static void keep(struct child *child, pid_t pid, struct pipes *pipes)
{
    *child = (struct child){.pid = pid,
                            .process = (int)syscall(SYS_pidfd_open, pid, 0),
                            .pulses = pipes->pulses[1],
                            .lines = pipes->lines[0],
                            .errors = pipes->errors[0],
                            .before_bytes = own_peak()};
    fcntl(child->pulses, F_SETFL, O_NONBLOCK);
    fcntl(child->lines, F_SETFL, O_NONBLOCK);
    fcntl(child->errors, F_SETFL, O_NONBLOCK);
}

int child_start(struct child *child, char *const argv[], double leash_seconds, const char *facts,
                struct error *err)
{
    struct pipes pipes;
    char leash[96], *facts_variable = NULL, **environment = NULL;
    pid_t pid = 0;
    int status = 0, failed = ENOMEM;
    TRY(open_pipes(&pipes, err));
    snprintf(leash, sizeof leash, "ATELIER_LEASH=%d:%d:%g", LEASH_IN, LEASH_OUT, leash_seconds);
    if (asprintf(&facts_variable, "ATELIER_FACTS=%s", facts) < 0)
        facts_variable = NULL;
    environment = facts_variable ? make_environment(leash, facts_variable) : NULL;
    if (environment)
        failed = spawn(&pid, argv, environment, &pipes);
    close_all((int[]){pipes.pulses[0], pipes.lines[1], pipes.errors[1]}, 3);
    if (failed) {
        close_all((int[]){pipes.pulses[1], pipes.lines[0], pipes.errors[0]}, 3);
        errno = failed;
        status = fail_errno(err, "cannot start '%s'", argv[0]);
        goto done;
    }
    set_limits(pid);
    keep(child, pid, &pipes);
done:
    free(environment);
    free(facts_variable);
    return status;
}

/* --- while it runs --- */

/* False: nothing there, or no room. */
static bool read_more(int file, char *bytes, size_t room, size_t *used)
{
    ssize_t got = room > 0 ? read(file, bytes, room) : 0;
    if (got <= 0)
        return false;
    *used += (size_t)got;
    return true;
}

static void read_errors(struct child *child)
{
    char text[CHILD_WORDS];
    size_t used = 0;
    while (child->errors > 0 && read_more(child->errors, text, sizeof text - 1, &used)) {
        size_t old = strlen(child->words), room = sizeof child->words - 1;
        size_t keep_old = used >= room ? 0 : old < room - used ? old : room - used;
        memmove(child->words, child->words + old - keep_old, keep_old);
        memcpy(child->words + keep_old, text + (used > room ? used - room : 0),
               used > room ? room : used);
        child->words[keep_old + (used > room ? room : used)] = 0;
        used = 0;
    }
}

bool child_line(struct child *child, char line[CHILD_LINE])
{
    struct child_text *text = &child->progress;
    if (child->lines > 0)
        read_more(child->lines, text->bytes + text->used, sizeof text->bytes - text->used,
                  &text->used);
    char *end = memchr(text->bytes, '\n', text->used);
    if (!end) {
        if (text->used == sizeof text->bytes) /* no line is that long: drop it */
            text->used = 0;
        return false;
    }
    size_t length = (size_t)(end - text->bytes);
    snprintf(line, CHILD_LINE, "%.*s", (int)length, text->bytes);
    text->used -= length + 1;
    memmove(text->bytes, end + 1, text->used);
    return true;
}

void child_pulse(struct child *child)
{
    /* A full pipe holds pulses enough; a closed one means that the child is about to end. */
    if (child->pid > 0 && write(child->pulses, ".", 1) < 0)
        return;
}

void child_signal(const struct child *child, int signal, bool group)
{
    if (child->pid > 0)
        kill(group ? -child->pid : child->pid, signal);
}

/* "VmRSS:   1234 kB" */
static uint64_t kilobytes_after(const char *line, const char *key)
{
    unsigned long long value = 0;
    size_t length = strlen(key);
    if (strncmp(line, key, length) == 0 && sscanf(line + length, "%llu", &value) != 1)
        value = 0;
    return 1024 * (uint64_t)value;
}

uint64_t child_memory(struct child *child)
{
    char path[64], line[128];
    uint64_t now = 0, peak = 0;
    snprintf(path, sizeof path, "/proc/%ld/status", (long)child->pid);
    FILE *file = child->pid > 0 ? fopen(path, "re") : NULL;
    while (file && fgets(line, sizeof line, file)) {
        uint64_t rss = kilobytes_after(line, "VmRSS:"), high = kilobytes_after(line, "VmHWM:");
        now = rss ? rss : now;
        peak = high ? high : peak;
    }
    if (file)
        fclose(file);
    if (peak > child->peak_bytes)
        child->peak_bytes = peak;
    return now;
}

/* --- its end --- */

/* What wait4 says includes the memory of this process at the start, whose image a spawned one
 * shares until it becomes another program. 0: not known. */
static uint64_t peak_of(const struct child *child, const struct rusage *usage)
{
    uint64_t waited = 1024 * (uint64_t)usage->ru_maxrss;
    return waited > child->before_bytes ? waited : child->peak_bytes;
}

bool child_ended(struct child *child, struct child_end *end)
{
    siginfo_t info = {0};
    struct rusage usage;
    int how;
    read_errors(child);
    if (child->pid <= 0 ||
        waitid(P_PID, (id_t)child->pid, &info, WEXITED | WNOHANG | WNOWAIT) != 0 || !info.si_pid)
        return false;
    kill(-child->pid, SIGKILL); /* what it left behind, while the number is still its own */
    if (wait4(child->pid, &how, 0, &usage) != child->pid)
        return false;
    read_errors(child);
    *end = (struct child_end){.exit_code = WIFEXITED(how) ? WEXITSTATUS(how) : -1,
                              .signal = WIFSIGNALED(how) ? WTERMSIG(how) : 0,
                              .cpu_seconds =
                                  (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                                  1e-6 * (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec),
                              .peak_bytes = peak_of(child, &usage)};
    child->pid = 0;
    return true;
}

void child_release(struct child *child)
{
    struct child_end end;
    if (child->pid > 0) {
        child_signal(child, SIGKILL, true);
        waitid(P_PID, (id_t)child->pid, &(siginfo_t){0}, WEXITED | WNOWAIT);
        child_ended(child, &end);
    }
    int *files[] = {&child->process, &child->pulses, &child->lines, &child->errors};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++)
        if (*files[i] > 0)
            close(*files[i]);
    *child = (struct child){0};
}
