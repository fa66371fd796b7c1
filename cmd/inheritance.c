#include "inheritance.h"

#include <fcntl.h>
#include <signal.h>
#include <stddef.h>
#include <unistd.h>

/* Ignored, the kernel collects children itself, and nobody learns that and how they have ended. */
static void hear_of_children(void) { signal(SIGCHLD, SIG_DFL); }

static void unblock_signals(void)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
}

static void fill_descriptors(void)
{
    int file;
    while ((file = open("/dev/null", O_RDWR)) >= 0 && file <= STDERR_FILENO)
        ;
    if (file > STDERR_FILENO)
        close(file);
}

void inheritance_mend(void)
{
    fill_descriptors();
    hear_of_children();
    unblock_signals();
}
