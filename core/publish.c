#include "publish.h"

#include "clock.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *name_of(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

/* Caller frees. NULL: no memory. */
static char *folder_of(const char *path)
{
    const char *name = name_of(path);
    if (name == path)
        return strdup(".");
    size_t length = (size_t)(name - path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    return strndup(path, length);
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

/* A long name is cut so that the temporary one is not too long for the file system.
 * Caller frees. NULL: no memory. */
static char *temporary_for(const char *path)
{
    char host[HOST_NAME_MAX + 1] = "";
    char tail[sizeof host + 32];
    char *temporary = NULL;
    gethostname(host, sizeof host - 1);
    int used = snprintf(tail, sizeof tail, ".tmp.%s.%ld", host, (long)getpid());
    const char *name = name_of(path);
    int folder_length = (int)(name - path);
    size_t room = (size_t)(NAME_MAX - 1 - used), length = strlen(name);
    if (length > room) /* the end stays: a long name's .png and .h5 must differ */
        name += length - room;
    if (asprintf(&temporary, "%.*s.%s%s", folder_length, path, name, tail) < 0)
        return NULL;
    return temporary;
}

int publish_begin(const char *path, struct publication *out, struct error *err)
{
    int status = check_target(path, err);
    if (status != 0)
        return status;
    struct publication publication = {strdup(path), temporary_for(path)};
    if (!publication.path || !publication.temporary) {
        free(publication.path);
        free(publication.temporary);
        return fail_memory(path, err);
    }
    *out = publication;
    return 0;
}

static void publication_release(struct publication *publication)
{
    free(publication->path);
    free(publication->temporary);
    *publication = (struct publication){0};
}

int publish_sync(const struct publication *publication, struct error *err)
{
    int file = open(publication->temporary, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return fail_errno(err, "cannot write '%s'", publication->path);
    int status = fsync(file) == 0 ? 0 : fail_errno(err, "cannot write '%s'", publication->path);
    close(file);
    return status;
}

/* Some file systems have no fsync for folders and say EINVAL. */
static int sync_folder(int folder, const char *path, struct error *err)
{
    if (fsync(folder) == 0 || errno == EINVAL || errno == ENOTSUP)
        return 0;
    return fail_errno(err, "cannot write the folder of '%s'", path);
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat sa, sb;
    return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
}

int publish_link(const char *from, const char *to)
{
    if (link(from, to) == 0 || (errno == EEXIST && is_same_file(from, to)))
        return 0;
    if (errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS)
        return renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_NOREPLACE);
    return -1;
}

static int give_name(const struct publication *publication, bool *stands, struct error *err)
{
    if (!stands && rename(publication->temporary, publication->path) == 0)
        return 0;
    if (stands && publish_link(publication->temporary, publication->path) == 0) {
        unlink(publication->temporary);
        return 0;
    }
    if (stands && errno == EEXIST) {
        *stands = true;
        return 0;
    }
    return fail_errno(err, "cannot write '%s'", publication->path);
}

/* stands is NULL where a file that stands there is replaced. The folder is opened before the file
 * gets its name: if that fails, nothing has changed. */
static int commit(struct publication *publication, bool *stands, struct error *err)
{
    int status, folder = -1;
    char *folder_path = folder_of(publication->path);
    if (!folder_path) {
        status = fail_memory(publication->path, err);
        goto done;
    }
    TRY(publish_sync(publication, err));
    folder = open(folder_path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0) {
        status = fail_errno(err, "cannot open the folder '%s'", folder_path);
        goto done;
    }
    TRY(give_name(publication, stands, err));
    if (!stands || !*stands)
        TRY(sync_folder(folder, publication->path, err));
done:
    if (status != 0)
        unlink(publication->temporary);
    if (folder >= 0)
        close(folder);
    free(folder_path);
    if (status != 0 || !stands || !*stands)
        publication_release(publication);
    return status;
}

int publish_commit(struct publication *publication, struct error *err)
{
    return commit(publication, NULL, err);
}

int publish_new(struct publication *publication, bool *stands, struct error *err)
{
    *stands = false;
    return commit(publication, stands, err);
}

void publish_abort(struct publication *publication)
{
    if (publication->temporary)
        unlink(publication->temporary);
    publication_release(publication);
}

/* Opens it, as publish_commit will. */
static int probe_folder(const char *path, struct error *err)
{
    char *folder = folder_of(path);
    if (!folder)
        return fail_memory(path, err);
    int status = 0, descriptor = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (descriptor >= 0)
        close(descriptor);
    else if (errno == ENOENT)
        status = fail(err, E_INPUT, "cannot write '%s': there is no folder '%s'", path, folder);
    else if (errno == ENOTDIR)
        status = fail(err, E_INPUT, "cannot write '%s': '%s' is not a folder", path, folder);
    else
        status = fail_errno(err, "cannot write '%s': cannot open the folder '%s'", path, folder);
    free(folder);
    return status;
}

/* A full disk may still take an empty file: a byte has to arrive. */
static int probe_file(const struct publication *publication, struct error *err)
{
    int file = open(publication->temporary, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0666);
    if (file < 0)
        return fail_errno(err, "cannot write '%s'", publication->path);
    int status = 0;
    if (write(file, "", 1) != 1 || fsync(file) != 0)
        status = fail_errno(err, "cannot write '%s'", publication->path);
    close(file);
    return status;
}

/* Whether text is the number of a process that is gone. */
static bool is_gone(const char *text)
{
    char *end;
    long process = strtol(text, &end, 10);
    return *end == 0 && process > 0 && kill((pid_t)process, 0) != 0 && errno == ESRCH;
}

/* Removes temporary files of this name that processes of this host left when they were killed. */
static void sweep_folder(const struct publication *publication)
{
    char *folder = folder_of(publication->path);
    DIR *entries = folder ? opendir(folder) : NULL;
    const char *own = name_of(publication->temporary);
    size_t stem = (size_t)(strrchr(own, '.') + 1 - own); /* all but the process number */
    for (struct dirent *entry; entries && (entry = readdir(entries));)
        if (strncmp(entry->d_name, own, stem) == 0 && is_gone(entry->d_name + stem))
            unlinkat(dirfd(entries), entry->d_name, 0);
    if (entries)
        closedir(entries);
    free(folder);
}

/* Whether name is `.NAME.tmp.HOST.PID`; *of_this_host with *process, its last part. */
static bool is_temporary(const char *name, bool *of_this_host, const char **process)
{
    static const char mark[] = ".tmp.";
    char host[HOST_NAME_MAX + 1] = "";
    const char *tail = name[0] == '.' ? strstr(name + 1, mark) : NULL;
    if (!tail)
        return false;
    tail += strlen(mark);
    const char *dot = strrchr(tail, '.');
    if (!dot || strspn(dot + 1, "0123456789") != strlen(dot + 1) || !dot[1])
        return false;
    gethostname(host, sizeof host - 1);
    *of_this_host = strlen(host) == (size_t)(dot - tail) && strncmp(tail, host, strlen(host)) == 0;
    *process = dot + 1;
    return true;
}

static bool is_older(int folder, const char *name, double age_s)
{
    struct stat info;
    return fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
           clock_now() - (double)info.st_mtim.tv_sec > age_s;
}

int publish_clear(const char *folder, double age_s, uint64_t *removed, struct error *err)
{
    DIR *entries = opendir(folder);
    if (!entries)
        return errno == ENOENT ? 0 : fail_errno(err, "cannot read the folder '%s'", folder);
    int status = 0;
    for (struct dirent *entry; (entry = readdir(entries));) {
        bool here;
        const char *process, *name = entry->d_name;
        if (!is_temporary(name, &here, &process) ||
            !((here && is_gone(process)) || is_older(dirfd(entries), name, age_s)))
            continue;
        if (unlinkat(dirfd(entries), name, 0) == 0)
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
    TRY(probe_folder(path, err));
    sweep_folder(&publication);
    TRY(probe_file(&publication, err));
done:
    publish_abort(&publication);
    return status;
}
