#include "publish.h"

#include "clock.h"
#include "files.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static int fail_memory(const char *path, struct error *err)
{
    return fail(err, E_ENVIRONMENT, "not enough memory to write '%s'", path);
}

/* A rename would replace a device or a FIFO as readily as a file. */
static int check_target(const char *path, struct error *err)
{
    struct stat info;
    if (!*path)
        return fail(err, E_INPUT, "the name of the file to write is empty");
    if (stat(path, &info) == 0) {
        if (S_ISDIR(info.st_mode))
            return fail(err, E_INPUT, "cannot write '%s': it is a folder", path);
        if (!S_ISREG(info.st_mode))
            return fail(err, E_INPUT, "cannot write '%s': it is not a regular file", path);
    } else if (errno == ENAMETOOLONG) {
        return fail(err, E_INPUT, "cannot write '%s': %s", path, strerror(errno));
    }
    if (!*name_of(path))
        return fail(err, E_INPUT, "cannot write '%s': it names a folder, not a file", path);
    return 0;
}

/* A long name is cut so that the temporary one is not too long for the file system. Nobody can
 * guess it, so that nothing can be put there first. */
char *publish_temporary(const char *path)
{
    char host[HOST_NAME_MAX + 1] = "";
    char tail[sizeof host + 64];
    char *temporary = NULL;
    uint64_t number = 0;
    gethostname(host, sizeof host - 1);
    if (getrandom(&number, sizeof number, 0) != sizeof number)
        return NULL;
    int used = snprintf(tail, sizeof tail, ".tmp.%016llx.%s.%ld", (unsigned long long)number, host,
                        (long)getpid());
    const char *name = name_of(path);
    int folder_length = (int)(name - path);
    size_t room = (size_t)(NAME_MAX - 1 - used), length = strlen(name);
    if (length > room) /* the end stays: a long name's .png and .h5 must differ */
        name += length - room;
    if (asprintf(&temporary, "%.*s.%s%s", folder_length, path, name, tail) < 0)
        return NULL;
    return temporary;
}

static void publication_release(struct publication *publication)
{
    if (publication->temporary) {
        if (publication->file >= 0)
            close(publication->file);
        if (publication->folder >= 0)
            close(publication->folder);
    }
    free(publication->path);
    free(publication->temporary);
    *publication = (struct publication){0};
}

static int fail_to_open_folder(const char *path, struct error *err)
{
    int cause = errno, length = (int)(name_of(path) - path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    const char *folder = length > 0 ? path : ".";
    length = length > 0 ? length : 1;
    if (cause == ENOENT)
        return fail(err, E_INPUT, "cannot write '%s': there is no folder '%.*s'", path, length,
                    folder);
    if (cause == ENOTDIR)
        return fail(err, E_INPUT, "cannot write '%s': '%.*s' is not a folder", path, length,
                    folder);
    if (cause == ELOOP)
        return fail(err, E_INPUT,
                    "cannot write '%s': on its way is a symbolic link that somebody else has made",
                    path);
    errno = cause;
    return fail_errno(err, "cannot write '%s': cannot open the folder '%.*s'", path, length,
                      folder);
}

/* The folder is opened for syncing now: if that fails, nothing has changed. */
static int open_folder(const char *path, int *out, struct error *err)
{
    struct files_place place;
    if (files_find(path, &place) != 0)
        return fail_to_open_folder(path, err);
    int folder = openat(place.folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), cause = errno;
    close(place.folder);
    errno = cause;
    if (folder < 0)
        return fail_to_open_folder(path, err);
    *out = folder;
    return 0;
}

int publish_begin(const char *path, struct publication *out, struct error *err)
{
    int status = check_target(path, err);
    if (status != 0)
        return status;
    struct publication made = {strdup(path), publish_temporary(path), -1, -1};
    if (!made.path || !made.temporary) {
        free(made.path);
        free(made.temporary);
        return fail_memory(path, err);
    }
    TRY(open_folder(path, &made.folder, err));
    made.file = openat(made.folder, name_of(made.temporary),
                       O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0666);
    if (made.file < 0)
        status = fail_errno(err, "cannot write '%s'", path);
done:
    if (status == 0)
        *out = made;
    else
        publication_release(&made);
    return status;
}

int publish_adopt(const char *path, const char *temporary, struct publication *out,
                  struct error *err)
{
    int status = 0;
    struct publication made = {strdup(path), strdup(temporary), -1, -1};
    if (!made.path || !made.temporary) {
        free(made.path);
        free(made.temporary);
        return fail_memory(path, err);
    }
    TRY(open_folder(path, &made.folder, err));
    TRY(files_open(temporary, &made.file, err));
    if (made.file < 0)
        status = fail(err, E_ENVIRONMENT, "cannot read '%s': it is gone", temporary);
done:
    if (status == 0)
        *out = made;
    else
        publication_release(&made);
    return status;
}

int publish_write(const struct publication *publication, const void *bytes, size_t count,
                  struct error *err)
{
    if (files_write(publication->file, bytes, count) == 0)
        return 0;
    return fail_errno(err, "cannot write '%s'", publication->path);
}

FILE *publish_as_stream(const struct publication *publication)
{
    int file = fcntl(publication->file, F_DUPFD_CLOEXEC, 0);
    FILE *stream = file < 0 ? NULL : fdopen(file, "w+b");
    if (file >= 0 && !stream)
        close(file);
    return stream;
}

int publish_sync(const struct publication *publication, struct error *err)
{
    if (fsync(publication->file) == 0)
        return 0;
    return fail_errno(err, "cannot write '%s'", publication->path);
}

int publish_commit(struct publication *publication, struct error *err)
{
    int status, folder = publication->folder;
    const char *temporary = name_of(publication->temporary);
    TRY(publish_sync(publication, err));
    if (renameat(folder, temporary, folder, name_of(publication->path)) != 0)
        status = fail_errno(err, "cannot write '%s'", publication->path);
    else if (files_sync_folder(folder) != 0)
        status = fail_errno(err, "cannot write the folder of '%s'", publication->path);
done:
    if (status != 0)
        unlinkat(folder, temporary, 0);
    publication_release(publication);
    return status;
}

void publish_abort(struct publication *publication)
{
    if (publication->temporary)
        unlinkat(publication->folder, name_of(publication->temporary), 0);
    publication_release(publication);
}

/* A full disk may still take an empty file: a byte has to arrive. */
static int probe_file(const struct publication *publication, struct error *err)
{
    int status = publish_write(publication, "", 1, err);
    return status == 0 ? publish_sync(publication, err) : status;
}

/* Whether text is the number of a process that is gone. */
static bool is_gone(const char *text)
{
    char *end;
    long process = strtol(text, &end, 10);
    return *end == 0 && process > 0 && kill((pid_t)process, 0) != 0 && errno == ESRCH;
}

/* Whether name is `.NAME.tmp.RANDOM.HOST.PID`; *of_this_host with *process, its last part. */
static bool is_temporary(const char *name, bool *of_this_host, const char **process)
{
    static const char mark[] = ".tmp.";
    char host[HOST_NAME_MAX + 1] = "";
    const char *tail = name[0] == '.' ? strstr(name + 1, mark) : NULL;
    const char *dot = tail ? strrchr(tail + strlen(mark), '.') : NULL;
    if (!dot || strspn(dot + 1, "0123456789") != strlen(dot + 1) || !dot[1])
        return false;
    gethostname(host, sizeof host - 1);
    size_t length = strlen(host);
    *of_this_host = (size_t)(dot - tail) >= length + strlen(mark) &&
                    dot[-1 - (long)length] == '.' && strncmp(dot - length, host, length) == 0;
    *process = dot + 1;
    return true;
}

/* A folder of such a name holds files alone. */
static void empty_folder(int above, const char *name)
{
    int folder = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *entries = folder < 0 ? NULL : fdopendir(folder);
    for (struct dirent *entry; entries && (entry = readdir(entries));)
        if (entry->d_name[0] != '.')
            unlinkat(folder, entry->d_name, 0);
    if (entries)
        closedir(entries);
}

static int remove_temporary(int folder, const char *name)
{
    if (unlinkat(folder, name, 0) == 0)
        return 0;
    if (errno != EISDIR && errno != EPERM)
        return -1;
    empty_folder(folder, name);
    return unlinkat(folder, name, AT_REMOVEDIR);
}

/* Removes temporary files and folders of this name that processes of this host left when they were
 * killed. */
static void sweep_folder(const struct publication *publication)
{
    int folder = openat(publication->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *entries = folder < 0 ? NULL : fdopendir(folder);
    const char *own = name_of(publication->temporary), *process;
    size_t stem = (size_t)(strstr(own + 1, ".tmp.") - own);
    bool here;
    for (struct dirent *entry; entries && (entry = readdir(entries));)
        if (strncmp(entry->d_name, own, stem) == 0 &&
            strncmp(entry->d_name + stem, ".tmp.", 5) == 0 &&
            is_temporary(entry->d_name, &here, &process) && here && is_gone(process))
            remove_temporary(dirfd(entries), entry->d_name);
    if (entries)
        closedir(entries);
}

/* -1 with errno. */
static int time_of(int file, struct timespec *time)
{
    struct stat info;
    if (fstat(file, &info) != 0)
        return -1;
    *time = info.st_mtim;
    return 0;
}

static int clock_by_name(const char *folder, struct timespec *now)
{
    char *path = NULL;
    struct publication made;
    if (asprintf(&path, "%s/clock", folder) < 0)
        return -1;
    int done = publish_begin(path, &made, NULL) == 0 ? time_of(made.file, now) : -1;
    int cause = errno;
    if (done == 0)
        publish_abort(&made);
    free(path);
    errno = cause;
    return done;
}

int publish_clock(const char *folder, struct timespec *now)
{
    int opened = files_open_folder(folder);
    if (opened < 0)
        return -1;
    int file = openat(opened, ".", O_TMPFILE | O_WRONLY | O_CLOEXEC, 0600);
    close(opened);
    if (file < 0)
        return clock_by_name(folder, now);
    int done = time_of(file, now);
    close(file);
    return done;
}

/* Where nobody tells, by this host's clock. */
static double seconds_now(const char *folder)
{
    struct timespec now;
    return publish_clock(folder, &now) == 0 ? (double)now.tv_sec : clock_now();
}

static bool is_older(int folder, const char *name, double now, double age_s)
{
    struct stat info;
    return fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
           now - (double)info.st_mtim.tv_sec > age_s;
}

int publish_clear(const char *folder, double age_s, uint64_t *removed, struct error *err)
{
    int status = 0, opened = files_open_folder(folder);
    DIR *entries = opened < 0 ? NULL : fdopendir(opened);
    if (!entries)
        return errno == ENOENT ? 0 : fail_errno(err, "cannot read the folder '%s'", folder);
    double now = seconds_now(folder);
    for (struct dirent *entry; (entry = readdir(entries));) {
        bool here;
        const char *process, *name = entry->d_name;
        if (!is_temporary(name, &here, &process) ||
            !((here && is_gone(process)) || is_older(dirfd(entries), name, now, age_s)))
            continue;
        if (remove_temporary(dirfd(entries), name) == 0)
            ++*removed;
        else if (errno != ENOENT)
            status = fail_errno(err, "cannot remove '%s/%s'", folder, name);
    }
    closedir(entries);
    return status;
}

int publish_probe(const char *path, struct error *err)
{
    struct publication publication = {0};
    int status;
    TRY(publish_begin(path, &publication, err));
    sweep_folder(&publication);
    TRY(probe_file(&publication, err));
done:
    publish_abort(&publication);
    return status;
}
