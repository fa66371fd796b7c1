/* Loaded before the C library: the call that ATELIER_FAILING_MALLOC counts to gets no memory, in a
 * process whose command line has a word that is ATELIER_FAILING_COMMAND. With 0 it counts, and says
 * the number at the end in the file that ATELIER_MALLOC_COUNT names. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static atomic_long made;
static long failing = -1; /* -1: not this process */

static bool is_asked_for(const char *command)
{
    char words[4096];
    int file = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t length = file < 0 ? 0 : read(file, words, sizeof words - 1);
    if (file >= 0)
        close(file);
    if (length <= 0)
        return false;
    words[length] = 0;
    for (const char *word = words; word < words + length; word += strlen(word) + 1)
        if (strcmp(word, command) == 0)
            return true;
    return false;
}

__attribute__((constructor)) static void begin(void)
{
    const char *count = getenv("ATELIER_FAILING_MALLOC"),
               *command = getenv("ATELIER_FAILING_COMMAND");
    if (count && command && is_asked_for(command))
        failing = atol(count);
}

__attribute__((destructor)) static void say(void)
{
    const char *path = getenv("ATELIER_MALLOC_COUNT");
    if (failing != 0 || !path)
        return;
    char text[32];
    int file = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    int length = snprintf(text, sizeof text, "%ld\n", atomic_load(&made));
    if (file < 0 || write(file, text, (size_t)length) != length)
        abort();
    close(file);
}

static bool fails(void)
{
    if (failing < 0 || atomic_fetch_add(&made, 1) + 1 != failing)
        return false;
    errno = ENOMEM;
    return true;
}

extern void *__libc_malloc(size_t bytes);
extern void *__libc_calloc(size_t count, size_t bytes);
extern void *__libc_realloc(void *old, size_t bytes);
extern void *__libc_memalign(size_t alignment, size_t bytes);

void *malloc(size_t bytes) { return fails() ? NULL : __libc_malloc(bytes); }

void *calloc(size_t count, size_t bytes) { return fails() ? NULL : __libc_calloc(count, bytes); }

void *realloc(void *old, size_t bytes) { return fails() ? NULL : __libc_realloc(old, bytes); }

void *aligned_alloc(size_t alignment, size_t bytes)
{
    return fails() ? NULL : __libc_memalign(alignment, bytes);
}

int posix_memalign(void **out, size_t alignment, size_t bytes)
{
    void *memory = fails() ? NULL : __libc_memalign(alignment, bytes);
    if (!memory)
        return ENOMEM;
    *out = memory;
    return 0;
}
