#include "guarded.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

void *guarded_memory(size_t bytes)
{
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return memory == MAP_FAILED ? NULL : memory;
}

void guarded_free(void *memory, size_t bytes)
{
    if (memory)
        munmap(memory, bytes);
}

/* What a child has to say; an end without it is a crash. */
struct report {
    volatile bool complete;
    struct error found;
};

/* Whatever the parent's handlers make of them. */
static void set_signals(void)
{
    static const int fatal[] = {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGABRT, SIGXCPU, SIGALRM};
    static const int request[] = {SIGHUP, SIGINT, SIGTERM, SIGUSR1, SIGUSR2};
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++)
        signal(fatal[i], SIG_DFL);
    for (size_t i = 0; i < sizeof request / sizeof *request; i++)
        signal(request[i], SIG_IGN);
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

/* Bytes of address space in use; RLIM_INFINITY where the system does not tell. */
static rlim_t address_space(void)
{
    unsigned long long pages;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return RLIM_INFINITY;
    int fields = fscanf(file, "%llu", &pages);
    fclose(file);
    return fields == 1 ? (rlim_t)pages * (rlim_t)sysconf(_SC_PAGESIZE) : RLIM_INFINITY;
}

/* Of this process, a child: what it started with. */
static struct {
    rlim_t cpu, memory; /* limits, in s and bytes */
    rlim_t used;        /* bytes of address space */
} inherited;

static rlim_t limit_of(int resource)
{
    struct rlimit limit;
    return getrlimit(resource, &limit) == 0 ? limit.rlim_cur : 0;
}

/* Sets a limit of this process, to at most what it started with. */
static void limit_to(int resource, rlim_t most, rlim_t start)
{
    struct rlimit limit;
    if (getrlimit(resource, &limit) != 0)
        return;
    limit.rlim_cur = most < start ? most : start;
    setrlimit(resource, &limit);
}

void guarded_enter(void)
{
    set_signals();
    prctl(PR_SET_PDEATHSIG, SIGKILL); /* who asked is gone */
    inherited.cpu = limit_of(RLIMIT_CPU);
    inherited.memory = limit_of(RLIMIT_AS);
    inherited.used = address_space();
    limit_to(RLIMIT_CORE, 0, 0);
    int nowhere = open("/dev/null", O_WRONLY);
    if (nowhere >= 0) /* libc announces a damaged heap; the parent says so in its own words */
        dup2(nowhere, STDERR_FILENO);
}

void guarded_allow(unsigned cpu_seconds, size_t bytes)
{
    struct rusage usage = {0};
    getrusage(RUSAGE_SELF, &usage);
    rlim_t seconds = (rlim_t)usage.ru_utime.tv_sec + (rlim_t)usage.ru_stime.tv_sec;
    const struct itimerval patience = {.it_value.tv_sec = (time_t)cpu_seconds * GUARDED_PATIENCE};
    rlim_t room = RLIM_INFINITY - 1 - GUARDED_BYTES;
    limit_to(RLIMIT_CPU, seconds + cpu_seconds, inherited.cpu);
    setitimer(ITIMER_REAL, &patience, NULL);
    if (inherited.used < room && bytes < room - inherited.used)
        limit_to(RLIMIT_AS, inherited.used + GUARDED_BYTES + bytes, inherited.memory);
}

void guarded_rest(void)
{
    const struct itimerval never = {0};
    setitimer(ITIMER_REAL, &never, NULL);
}

static _Noreturn void be_child(int (*work)(void *, struct error *), void *context,
                               unsigned cpu_seconds, struct report *report)
{
    guarded_enter();
    if (cpu_seconds > 0)
        guarded_allow(cpu_seconds, 0);
    report->found.code = work(context, &report->found);
    report->complete = true;
    _exit(0);
}

/* A process that ignores SIGCHLD never learns it: then the report alone speaks. */
int guarded_await(pid_t child)
{
    int ended;
    while (waitpid(child, &ended, 0) < 0)
        if (errno != EINTR)
            return 0;
    return WIFSIGNALED(ended) ? WTERMSIG(ended) : 0;
}

int guarded_verdict(int ended_by, struct error *err)
{
    if (ended_by == SIGXCPU)
        return fail(err, E_INPUT, "damaged: reading it does not come to an end");
    if (ended_by == SIGALRM)
        return fail(err, E_INPUT, "reading it takes too long: it waits for what does not come");
    if (ended_by == SIGKILL || ended_by == SIGTERM)
        return fail(err, E_ENVIRONMENT, "the process that read it was killed");
    return fail(err, E_INPUT, "damaged: reading it crashes (%s)",
                ended_by ? strsignal(ended_by) : "it ended early");
}

static int unwritten(const char *path, int ended_by, struct error *err)
{
    if (ended_by == SIGKILL)
        return fail(err, E_ENVIRONMENT, "cannot write '%s': the process that does it was killed",
                    path);
    return fail(err, E_ENVIRONMENT,
                "cannot write '%s': the process that does it crashed (%s): memory is out, perhaps",
                path, ended_by ? strsignal(ended_by) : "it ended early");
}

/* What the child said that came to the end of its work. */
static int repeat(struct report *report, struct error *err)
{
    report->found.message[sizeof report->found.message - 1] = '\0';
    if (report->found.code && err)
        *err = report->found;
    return report->found.code;
}

int guarded_run(int (*work)(void *context, struct error *err), void *context, unsigned cpu_seconds,
                struct error *err)
{
    struct report *report = guarded_memory(sizeof *report);
    if (!report)
        return fail_errno(err, "not enough memory");
    pid_t child = fork();
    if (child == 0)
        be_child(work, context, cpu_seconds, report);
    int ended_by = child < 0 ? 0 : guarded_await(child);
    int status = child < 0          ? fail_errno(err, "cannot start a process")
                 : report->complete ? repeat(report, err)
                                    : guarded_verdict(ended_by, err);
    guarded_free(report, sizeof *report);
    return status;
}

int guarded_write(int (*work)(void *context, struct error *err), void *context, const char *path,
                  struct error *err)
{
    struct report *report = guarded_memory(sizeof *report);
    pid_t child = report ? fork() : -1;
    if (child == 0)
        be_child(work, context, 0, report);
    int ended_by = child < 0 ? 0 : guarded_await(child);
    int status = child < 0          ? work(context, err)
                 : report->complete ? repeat(report, err)
                                    : unwritten(path, ended_by, err);
    guarded_free(report, sizeof *report);
    return status;
}
