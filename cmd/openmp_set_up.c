#include "openmp_set_up.h"

#include "threads.h"
#include <stdbool.h>
#include <stdlib.h>
#include <unistd.h>

static bool forget(const char *name) { return getenv(name) && unsetenv(name) == 0; }

void openmp_set_up(char **argv)
{
    bool again = false;
    if (!getenv("GOMP_SPINCOUNT") && !getenv("OMP_WAIT_POLICY"))
        again = setenv("GOMP_SPINCOUNT", "20000", 1) == 0;
    if (getenv("OMP_PROC_BIND") || getenv("OMP_PLACES") || getenv("GOMP_CPU_AFFINITY")) {
        threads_unbind();
        again |= forget("OMP_PROC_BIND") | forget("OMP_PLACES") | forget("GOMP_CPU_AFFINITY");
    }
    if (again)
        execv("/proc/self/exe", argv);
    /* Without /proc it runs as it is. */
}
