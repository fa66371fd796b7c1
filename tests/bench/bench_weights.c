/* How long weight files take to load, from the page cache, and how much memory:
 *   bench_weights FILE...                a line each: best of five, and the peak of this process
 * Each file is read by a process of its own. tests/weights/write_*.py write full-size files. */
#include "params.h"
#include "weights.h"

#include <math.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static double seconds(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static int load(const char *path, int convention, struct error *err)
{
    struct vgg19_weights weights;
    int status = weights_load(path, convention, VGG19_CONVS, &weights, err);
    if (status == 0)
        vgg19_weights_release(&weights);
    return status;
}

static int measure(const char *path)
{
    double best = HUGE_VAL;
    struct error err = {0};
    struct rusage usage;
    int convention = load(path, CONVENTION_AUTO, &err) ? CONVENTION_CAFFE : CONVENTION_AUTO;
    for (int i = 0; i < 5; i++) {
        double start = seconds();
        if (load(path, convention, &err)) {
            fprintf(stderr, "%s\n", err.message);
            return 1;
        }
        best = fmin(best, seconds() - start);
    }
    getrusage(RUSAGE_SELF, &usage);
    printf("%6.3f s  %4ld MB  %s\n", best, usage.ru_maxrss / 1024, path);
    return 0;
}

int main(int argc, char **argv)
{
    int failed = argc < 2;
    for (int i = 1; i < argc; i++) {
        int ended = 1;
        pid_t child = fork();
        if (child == 0) {
            int status = measure(argv[i]);
            fflush(stdout);
            _exit(status);
        }
        failed |= child < 0 || waitpid(child, &ended, 0) < 0 || ended != 0;
    }
    return failed;
}
