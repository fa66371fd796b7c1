/* A folder in memory-backed storage for targets whose reader wants a file's name. */
#ifndef ATELIER_FUZZ_FOLDER_H
#define ATELIER_FUZZ_FOLDER_H

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static char fuzz_folder[64];

static inline void remove_fuzz_folder(void)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf '%s'", fuzz_folder);
    if (system(command) != 0)
        abort();
}

/* The folder, made once and removed at the end. */
static inline const char *in_fuzz_folder(void)
{
    if (fuzz_folder[0])
        return fuzz_folder;
    strcpy(fuzz_folder, access("/dev/shm", W_OK) == 0 ? "/dev/shm/atelier-fuzz-XXXXXX"
                                                      : "/tmp/atelier-fuzz-XXXXXX");
    if (!mkdtemp(fuzz_folder) || atexit(remove_fuzz_folder) != 0)
        abort();
    return fuzz_folder;
}

static inline void fuzz_write(const char *path, const void *bytes, size_t count)
{
    FILE *file = fopen(path, "wb");
    if (!file || fwrite(bytes, 1, count, file) != count || fclose(file) != 0)
        abort();
}

#endif
