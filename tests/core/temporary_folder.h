/* A folder for a test's files, gone afterwards, and what is done in it. */
#ifndef ATELIER_TEMPORARY_FOLDER_H
#define ATELIER_TEMPORARY_FOLDER_H

#include "check.h"
#include "error.h"

#include <dirent.h>
#include <ftw.h>
#include <sys/stat.h>
#include <unistd.h>

static char fixture_folder[64];

/* Set-up and teardown of a cmocka test or group. */
static int folder_make(void **state)
{
    (void)state;
    strcpy(fixture_folder, "/tmp/atelier-test-XXXXXX");
    return mkdtemp(fixture_folder) ? 0 : -1;
}

static inline int remove_entry(const char *path, const struct stat *info, int kind,
                               struct FTW *walk)
{
    (void)info, (void)kind, (void)walk;
    return remove(path);
}

/* A test that failed may have left another user in charge. */
static int folder_remove(void **state)
{
    (void)state;
    if (seteuid(getuid()) != 0 || chmod(fixture_folder, 0700) != 0)
        return -1;
    return nftw(fixture_folder, remove_entry, 8, FTW_DEPTH | FTW_PHYS);
}

/* A path in the folder, good for the next 16 calls. */
static inline const char *in_folder(const char *name)
{
    static char paths[16][512];
    static unsigned turn;
    char *path = paths[turn++ % 16];
    snprintf(path, sizeof paths[0], "%s/%s", fixture_folder, name);
    return path;
}

/* As a new file: some file systems flush one that is cut to nothing and written again. */
static inline void file_put(const char *path, const void *bytes, size_t count)
{
    remove(path);
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    assert_int_equal(fclose(file), 0);
}

/* Caller frees. */
static inline uint8_t *file_get(const char *path, size_t *count)
{
    struct stat info;
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fstat(fileno(file), &info), 0);
    uint8_t *bytes = malloc((size_t)info.st_size + 1);
    assert_non_null(bytes);
    *count = fread(bytes, 1, (size_t)info.st_size, file);
    fclose(file);
    return bytes;
}

static inline void assert_file_holds(const char *path, const char *text)
{
    size_t count;
    uint8_t *bytes = file_get(path, &count);
    assert_int_equal(count, strlen(text));
    assert_memory_equal(bytes, text, count);
    free(bytes);
}

static inline void assert_says(const struct error *err, const char *words)
{
    if (!strstr(err->message, words))
        print_error("expected \"%s\" in \"%s\"\n", words, err->message);
    assert_non_null(strstr(err->message, words));
}

static inline int files_in_folder(void)
{
    int count = 0;
    DIR *folder = opendir(fixture_folder);
    assert_non_null(folder);
    for (struct dirent *entry; (entry = readdir(folder));)
        count += strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0;
    closedir(folder);
    return count;
}

#endif
