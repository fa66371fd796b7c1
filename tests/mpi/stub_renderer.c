/* A stand-in for `atelier render --into STORE --id ID`: the same protocol, no picture. What it does
 * is its seed's thousands:
 *
 *   0 done at once           5 hangs                      10 says done, leaves no result
 *   1 crashes                6 hangs, deaf to SIGTERM      11 takes 400 MB, then hangs
 *   2 bad input              7 is killed (SIGKILL)         12 out of memory, says its error line
 *   3 diverges               8 is held: done as soon as    13 done, but only at the third attempt
 *   4 the disk is full         STORE/go is there
 *                            9 crashes the first time      14 the disk is full until STORE/go is
 *                                                             there
 *                                                          15 the disk is full on rank 1
 *
 * A result is a superblock and nothing else. Every start is a line in STORE/stub.log, written when
 * signals find it prepared. */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

static const char *store = "", *id = "";
static int pulses = -1, lines = -1;
static double leash_s = 1e9;
static volatile sig_atomic_t stopped;

static double now_s(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static void on_stop(int number)
{
    (void)number;
    stopped = 1;
}

static void say(const char *text)
{
    if (lines >= 0 && write(lines, text, strlen(text)) < 0)
        lines = -1;
}

static long read_arguments(int argc, char **argv)
{
    long seed = 0;
    for (int i = 1; i + 1 < argc; i++) {
        if (strcmp(argv[i], "--into") == 0)
            store = argv[i + 1];
        else if (strcmp(argv[i], "--id") == 0)
            id = argv[i + 1];
        else if (strncmp(argv[i], "--seed=", 7) == 0)
            seed = strtol(argv[i] + 7, NULL, 10);
    }
    return seed;
}

struct facts {
    int attempts, rank;
};

static struct facts facts(void)
{
    const char *text = getenv("ATELIER_FACTS");
    struct facts facts = {0};
    if (text && sscanf(text, "attempts=%d;rank=%d", &facts.attempts, &facts.rank) != 2)
        exit(70);
    return facts;
}

static void take_leash(void)
{
    const char *leash = getenv("ATELIER_LEASH");
    if (!leash || sscanf(leash, "%d:%d:%lf", &pulses, &lines, &leash_s) != 3)
        exit(70);
    prctl(PR_SET_PDEATHSIG, SIGKILL);
}

static bool is_let_go(void)
{
    char path[4096];
    snprintf(path, sizeof path, "%s/go", store);
    return access(path, F_OK) == 0;
}

static bool never(void) { return false; }

/* Ends as a render would when nobody holds the leash or somebody asks it to stop. */
static void wait_until(bool (*is_over)(void), bool deaf)
{
    double heard = now_s();
    while (!is_over()) {
        struct pollfd file = {.fd = pulses, .events = POLLIN};
        char bytes[64];
        int ready = poll(&file, 1, 10);
        if (now_s() - heard > leash_s)
            _exit(75);
        if (ready > 0) {
            if (read(pulses, bytes, sizeof bytes) == 0)
                _exit(75);
            heard = now_s();
        }
        if (stopped && !deaf)
            _exit(75);
    }
}

static void note_start(void)
{
    char path[4096], line[128];
    snprintf(path, sizeof path, "%s/stub.log", store);
    int file = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0666);
    int length = snprintf(line, sizeof line, "%s %ld\n", id, (long)getpid());
    if (file < 0 || write(file, line, (size_t)length) != length)
        exit(3);
    close(file);
}

static int publish(void)
{
    char folder[4096], path[4200], temporary[4300];
    unsigned char block[48] = "\x89HDF\r\n\x1a\n\x02\x08\x08";
    block[28] = sizeof block;
    snprintf(folder, sizeof folder, "%s/jobs/%.2s", store, id);
    snprintf(path, sizeof path, "%s/%s.h5", folder, id);
    snprintf(temporary, sizeof temporary, "%s/.%s.%ld", folder, id, (long)getpid());
    if (mkdir(folder, 0777) != 0 && errno != EEXIST)
        return 3;
    FILE *file = fopen(temporary, "w");
    if (!file || fwrite(block, sizeof block, 1, file) != 1 || fclose(file) != 0)
        return 3;
    struct stat there;
    bool damaged = stat(path, &there) == 0 && there.st_size != sizeof block;
    int status = damaged                                         ? rename(temporary, path)
                 : link(temporary, path) == 0 || errno == EEXIST ? 0
                                                                 : 3;
    unlink(temporary);
    say("done\n");
    return status;
}

static int find_disk_full(void)
{
    say("error 3 no space left on device\n");
    return 3;
}

static void take_memory(size_t bytes)
{
    volatile char *memory = malloc(bytes);
    for (size_t i = 0; memory && i < bytes; i += 4096)
        memory[i] = 1;
    wait_until(never, false);
    free((void *)(uintptr_t)memory);
}

int main(int argc, char **argv)
{
    long seed = read_arguments(argc, argv);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGTERM, on_stop);
    signal(SIGUSR1, on_stop);
    take_leash();
    note_start();
    switch (seed / 1000) {
    case 1:
        abort();
    case 2:
        say("error 2 the picture is no picture\n");
        return 2;
    case 3:
        return 1;
    case 4:
        return find_disk_full();
    case 5:
        wait_until(never, false);
        break;
    case 6:
        wait_until(never, true);
        break;
    case 7:
        raise(SIGKILL);
        break;
    case 8:
        say("row 1 1 0.5\n");
        wait_until(is_let_go, false);
        break;
    case 9:
        if (facts().attempts == 1)
            abort();
        break;
    case 10:
        return 0;
    case 11:
        take_memory(400u << 20);
        break;
    case 12:
        say("error 3 not enough memory for a picture\n");
        return 3;
    case 13:
        if (facts().attempts < 3)
            abort();
        break;
    case 14:
        if (!is_let_go())
            return find_disk_full();
        break;
    case 15:
        if (facts().rank == 1)
            return find_disk_full();
        break;
    default:
        break;
    }
    return publish();
}
