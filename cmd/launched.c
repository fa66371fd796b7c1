/* Rank 0 under a launcher of ours. */
#include "batch.h"

#include "outlet.h"
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static pthread_t thread;
static atomic_bool living;

bool launched(void) { return getenv("ATELIER_LAUNCHED") != NULL; }

/* Past stdio, whose buffer may hold the beginning of a line. */
static void give_sign(void)
{
    static const char line[] = LAUNCHED_LINE "alive\n";
    if (write(STDOUT_FILENO, line, strlen(line)) < 0)
        atomic_store(&living, false);
}

static void *live(void *argument)
{
    const double *every = argument;
    struct timespec pause = {.tv_sec = (time_t)*every,
                             .tv_nsec = (long)((*every - (double)(time_t)*every) * 1e9)};
    while (atomic_load(&living)) {
        give_sign();
        nanosleep(&pause, NULL);
    }
    return NULL;
}

void launched_live(double every)
{
    static double period;
    period = every;
    atomic_store(&living, launched());
    if (launched() && pthread_create(&thread, NULL, live, &period) != 0)
        atomic_store(&living, false);
}

/* The thread may sleep on: it says nothing more. */
void launched_rest(void) { atomic_store(&living, false); }

static void tell(const char *line)
{
    if (launched())
        outlet_raw(stdout, line, strlen(line));
}

void launched_tell_nonce(const char *nonce)
{
    char line[128];
    snprintf(line, sizeof line, LAUNCHED_LINE "nonce %s\n", nonce);
    tell(line);
}

void launched_tell_code(int code)
{
    char line[128];
    snprintf(line, sizeof line, LAUNCHED_LINE "code %d\n", code);
    tell(line);
}
