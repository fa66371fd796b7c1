#include "stop.h"

#include "clock.h"
#include <errno.h>
#include <signal.h>
#include <stddef.h>

static volatile sig_atomic_t received;

/* Whoever ends a whole group of processes and each of them, as timeout(1) does, means it once. */
static void on_interrupt(int number)
{
    static volatile double first;
    int cause = errno;
    if (first == 0)
        first = clock_seconds();
    else if (clock_seconds() - first > STOP_SAME_PRESS_S) {
        signal(SIGINT, SIG_DFL);
        raise(SIGINT);
    }
    received = number;
    errno = cause;
}

static void on_signal(int number) { received = number; }

void stop_install(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigemptyset(&action.sa_mask);
    sigaction(SIGTERM, &action, NULL);
    sigaction(SIGUSR1, &action, NULL);
    action.sa_handler = on_interrupt;
    sigaction(SIGINT, &action, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); /* a file-size limit is a write error, not a death */
}

bool stop_requested(void) { return received != 0; }

const char *stop_signal(void)
{
    switch (received) {
    case SIGINT:
        return "SIGINT";
    case SIGTERM:
        return "SIGTERM";
    case SIGUSR1:
        return "SIGUSR1";
    default:
        return NULL;
    }
}
