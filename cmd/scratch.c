#include "scratch.h"

#include "files.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static const char stem[] = "atelier-mpirun.";

/* The lock tells who lives where the process number, of another container perhaps, does not. */
static bool is_left_behind(int folder, const char *process)
{
    long number = strtol(process, NULL, 10);
    return number > 0 && kill((pid_t)number, 0) != 0 && errno == ESRCH &&
           files_is_private(folder) && flock(folder, LOCK_EX | LOCK_NB) == 0;
}

/* Whoever owns `above` or not: a private folder of ours keeps its name there, which only we may
 * take away (the sticky bit); what is not private or not ours is not looked into. */
static void sweep(int above)
{
    int listed = openat(above, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = listed < 0 ? NULL : fdopendir(listed);
    for (struct dirent *entry; entries && (entry = readdir(entries));) {
        const char *name = entry->d_name;
        if (strncmp(name, stem, strlen(stem)) != 0)
            continue;
        int folder = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
        if (folder < 0)
            continue;
        if (is_left_behind(folder, name + strlen(stem)))
            files_remove_tree(above, name);
        close(folder);
    }
    if (entries)
        closedir(entries);
}

/* Between its making and its locking another launcher's sweep may have taken it. */
static bool lock(struct scratch *made)
{
    struct stat info;
    const char *name = strrchr(made->path, '/') + 1;
    made->folder = openat(made->above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return made->folder >= 0 && files_is_private(made->folder) &&
           flock(made->folder, LOCK_SH | LOCK_NB) == 0 && fstat(made->folder, &info) == 0 &&
           info.st_nlink > 0;
}

struct scratch scratch_make(const char *above)
{
    struct scratch made = {NULL, files_open_folder(above), -1};
    if (made.above < 0)
        return made;
    sweep(made.above);
    if (asprintf(&made.path, "%s/%s%ld.XXXXXX", above, stem, (long)getpid()) < 0)
        made.path = NULL;
    if (!made.path || !mkdtemp(made.path) || !lock(&made)) {
        free(made.path);
        made.path = NULL;
    }
    return made;
}

void scratch_remove(struct scratch *scratch)
{
    if (scratch->path)
        files_remove_tree(scratch->above, strrchr(scratch->path, '/') + 1);
    if (scratch->folder >= 0)
        close(scratch->folder);
    if (scratch->above >= 0)
        close(scratch->above);
    free(scratch->path);
    *scratch = (struct scratch){NULL, -1, -1};
}
