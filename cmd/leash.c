#include "leash.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

enum { LINE = 512 }; /* below PIPE_BUF: a line is written whole or not at all */

static struct {
    bool held;
    int in, out;
    int64_t lease_ns;
    _Atomic int64_t last_pulse; /* boot_ns */
} leash;

/* The clock that goes on while the machine sleeps. */
static int64_t boot_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

/* No clean-up: whatever is done from here on, another may be doing, too. */
static void end_now(const char *why)
{
    char text[128];
    int length = snprintf(text, sizeof text, "atelier render: ended without a result: %s\n", why);
    if (write(STDERR_FILENO, text, (size_t)length) < 0)
        _exit(E_INTERRUPTED);
    _exit(E_INTERRUPTED);
}

/* Returns the time it looked at: a process that is frozen right after this still has the gap. */
static int64_t check_lease(void)
{
    int64_t now = boot_ns();
    if (now - atomic_load(&leash.last_pulse) > leash.lease_ns)
        end_now("no pulse from its agent");
    return now;
}

void leash_check(void)
{
    if (leash.held)
        check_lease();
}

static void take_pulses(void)
{
    char bytes[256];
    int64_t now = check_lease();
    ssize_t got = read(leash.in, bytes, sizeof bytes);
    if (got == 0)
        end_now("its agent is gone");
    if (got > 0)
        atomic_store(&leash.last_pulse, now);
}

static void *watch(void *nothing)
{
    struct pollfd in = {.fd = leash.in, .events = POLLIN};
    int64_t wait_ms = leash.lease_ns / 1000000 / 8;
    for (;;) {
        int ready = poll(&in, 1, (int)(wait_ms > 500 ? 500 : wait_ms < 1 ? 1 : wait_ms));
        if (ready > 0)
            take_pulses();
        else
            check_lease();
    }
    return nothing;
}

static int start_watching(struct error *err)
{
    pthread_t thread;
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are for the main thread */
    int cause = pthread_create(&thread, NULL, watch, NULL);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    if (cause != 0)
        return fail(err, E_ENVIRONMENT, "cannot start a thread: %s", strerror(cause));
    pthread_detach(thread);
    return 0;
}

static int parse(const char *text, struct error *err)
{
    double seconds;
    int end = 0;
    if (sscanf(text, "%d:%d:%lf%n", &leash.in, &leash.out, &seconds, &end) != 3 || text[end] ||
        leash.in < 0 || leash.out < 0 || !(seconds > 0) || !(seconds < 1e9))
        return fail(err, E_INPUT, "ATELIER_LEASH must be IN:OUT:SECONDS, got '%s'", text);
    if (fcntl(leash.in, F_SETFD, FD_CLOEXEC) != 0 || fcntl(leash.out, F_SETFD, FD_CLOEXEC) != 0 ||
        fcntl(leash.out, F_SETFL, O_NONBLOCK) != 0)
        return fail_errno(err, "ATELIER_LEASH is '%s'", text);
    leash.lease_ns = (int64_t)(seconds * 1e9);
    return 0;
}

int leash_begin(struct error *err)
{
    int status = 0;
    const char *text = getenv("ATELIER_LEASH");
    if (!text)
        return 0;
    pid_t parent = getppid();
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) /* too late for the signal */
        end_now("its agent is gone");
    TRY(parse(text, err));
    atomic_store(&leash.last_pulse, boot_ns());
    leash.held = true;
    TRY(start_watching(err));
done:
    leash.held = status == 0;
    return status;
}

bool leash_held(void) { return leash.held; }

void leash_say(const char *format, ...)
{
    char line[LINE];
    if (!leash.held)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line - 1, format, args);
    va_end(args);
    for (char *c = line; *c; c++)
        if (*c == '\n')
            *c = ' ';
    size_t length = strlen(line);
    line[length++] = '\n';
    while (write(leash.out, line, length) < 0 && errno == EINTR)
        ;
}
