#include "file_map.h"

#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

enum { MOST_MAPPED = 1024 };

/* What is mapped now. The handler reads it, on the thread that touched a byte.
 */
static struct {
    struct region regions[MOST_MAPPED];
    int count;
    volatile sig_atomic_t lost;
    struct sigaction before;
} mapped;

static bool is_mapped(const unsigned char *address)
{
    for (int i = 0; i < mapped.count; i++)
        if (address >= mapped.regions[i].bytes &&
            address < mapped.regions[i].bytes + mapped.regions[i].count)
            return true;
    return false;
}

/* A page of zeros takes the missing one's place, and the reader goes on. An
 * address that is none of ours is left to whoever handled it before: it faults
 * again. */
static void fill_page(int signal_number, siginfo_t *info, void *context)
{
    (void)context;
    const uintptr_t size = (uintptr_t)sysconf(_SC_PAGESIZE), at = (uintptr_t)info->si_addr;
    void *page = (void *)(at & ~(size - 1));
    mapped.lost = 1;
    if (!is_mapped(info->si_addr) ||
        mmap(page, size, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
        sigaction(signal_number, &mapped.before, NULL);
}

static void watch(struct region region)
{
    if (mapped.count == 0) {
        struct sigaction action = {.sa_sigaction = fill_page, .sa_flags = SA_SIGINFO};
        mapped.lost = 0;
        sigaction(SIGBUS, &action, &mapped.before);
    }
    mapped.regions[mapped.count++] = region;
}

static void unwatch(struct region region)
{
    for (int i = 0; i < mapped.count; i++)
        if (mapped.regions[i].bytes == region.bytes) {
            mapped.regions[i] = mapped.regions[--mapped.count];
            break;
        }
    if (mapped.count == 0)
        sigaction(SIGBUS, &mapped.before, NULL);
}

static int map(int file, struct region *out, struct error *err)
{
    struct stat info;
    if (fstat(file, &info) != 0)
        return fail_errno(err, "cannot read it");
    if (!S_ISREG(info.st_mode))
        return fail(err, E_INPUT, "it is not a regular file");
    if (info.st_size == 0)
        return fail(err, E_INPUT, "the file is empty");
    if (mapped.count == MOST_MAPPED)
        return fail(err, E_INPUT, "it is in more than %d files", MOST_MAPPED);
    void *bytes = mmap(NULL, (size_t)info.st_size, PROT_READ, MAP_PRIVATE, file, 0);
    if (bytes == MAP_FAILED)
        return fail_errno(err, "cannot map it");
    *out = (struct region){bytes, (size_t)info.st_size};
    watch(*out);
    return 0;
}

int file_map(int folder, const char *name, struct region *out, struct error *err)
{
    int file = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return fail_errno(err, "cannot open it");
    int status = map(file, out, err);
    close(file);
    return status;
}

void file_unmap(struct region *region)
{
    if (!region)
        return;
    if (region->count > 0) {
        unwatch(*region);
        munmap((void *)(uintptr_t)region->bytes, region->count);
    }
    *region = (struct region){0};
}

int file_folder(const char *path, int *folder, struct error *err)
{
    const char *slash = strrchr(path, '/');
    char *name = slash ? strndup(path, (size_t)(slash - path) + 1) : strdup(".");
    int opened = name ? open(name, O_PATH | O_DIRECTORY | O_CLOEXEC) : -1;
    free(name);
    if (opened < 0)
        return fail_errno(err, "cannot open its folder");
    *folder = opened;
    return 0;
}

int file_map_whole(struct error *err)
{
    return mapped.lost ? fail(err, E_INPUT,
                              "it got shorter while it was read, or its disk "
                              "failed: try again "
                              "when nothing writes it")
                       : 0;
}
