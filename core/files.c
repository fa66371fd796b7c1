#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { LINKS_MOST = 40, DEPTH_MOST = 64 };

/* --- the way to a folder --- */

static int walk(int from, const char *path, int *links);

/* Where a link leads that root or we have made. Closes link. */
static int follow(int from, int link, uid_t owner, int *links)
{
    char target[PATH_MAX];
    ssize_t length = -1;
    bool trusted = owner == 0 || owner == geteuid();
    if (trusted && ++*links <= LINKS_MOST)
        length = readlinkat(link, "", target, sizeof target - 1);
    else
        errno = ELOOP;
    int cause = errno;
    close(link);
    errno = cause;
    if (length < 0)
        return -1;
    target[length] = 0;
    return walk(from, target, links);
}

/* O_DIRECTORY has what is mounted on demand be mounted, which O_PATH alone does not. */
static int step(int from, const char *name, int *links)
{
    struct stat info;
    int next = openat(from, name, O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (next >= 0 || (errno != ENOTDIR && errno != ELOOP))
        return next;
    next = openat(from, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    if (next < 0)
        return -1;
    if (fstat(next, &info) == 0 && S_ISLNK(info.st_mode))
        return follow(from, next, info.st_uid, links);
    close(next);
    errno = ENOTDIR;
    return -1;
}

/* A descriptor of where path leads from an open folder, for lookups below it only. */
static int walk(int from, const char *path, int *links)
{
    int at = openat(from, *path == '/' ? "/" : ".", O_PATH | O_DIRECTORY | O_CLOEXEC);
    while (at >= 0 && *(path += strspn(path, "/"))) {
        char name[NAME_MAX + 1];
        size_t length = strcspn(path, "/");
        if (length > NAME_MAX) {
            close(at);
            errno = ENAMETOOLONG;
            return -1;
        }
        memcpy(name, path, length);
        name[length] = 0;
        path += length;
        int next = step(at, name, links), cause = errno;
        close(at);
        errno = cause;
        at = next;
    }
    return at;
}

static int find_folder(const char *path)
{
    int links = 0;
    if (*path)
        return walk(AT_FDCWD, path, &links);
    errno = ENOENT;
    return -1;
}

int files_open_folder(const char *path)
{
    int way = find_folder(path);
    if (way < 0)
        return -1;
    int folder = openat(way, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), cause = errno;
    close(way);
    errno = cause;
    return folder;
}

int files_find(const char *path, struct files_place *out)
{
    const char *slash = strrchr(path, '/');
    size_t length = slash ? (size_t)(slash - path) : 0;
    while (length > 0 && path[length - 1] == '/')
        length--;
    char *above = !slash ? strdup(".") : length == 0 ? strdup("/") : strndup(path, length);
    if (!above)
        return -1;
    int folder = find_folder(above), cause = errno;
    free(above);
    errno = cause;
    *out = (struct files_place){folder, slash ? slash + 1 : path};
    return folder < 0 ? -1 : 0;
}

/* --- files --- */

static int fail_kind(const char *path, const char *verb, mode_t mode, struct error *err)
{
    return fail(err, E_INPUT, "cannot %s '%s': it is %s", verb, path,
                S_ISLNK(mode)   ? "a symbolic link"
                : S_ISDIR(mode) ? "a folder"
                                : "not a regular file");
}

/* What open(2) says of a link or a FIFO is no help. */
static int fail_open(const struct files_place *place, const char *path, const char *verb, int cause,
                     struct error *err)
{
    struct stat info;
    if (place->folder >= 0 &&
        fstatat(place->folder, place->name, &info, AT_SYMLINK_NOFOLLOW) == 0 &&
        !S_ISREG(info.st_mode) && !S_ISDIR(info.st_mode))
        return fail_kind(path, verb, info.st_mode, err);
    if (place->folder < 0 && cause == ELOOP)
        return fail(err, E_INPUT,
                    "cannot %s '%s': on its way is a symbolic link that somebody else has made",
                    verb, path);
    errno = cause;
    return fail_errno(err, "cannot %s '%s'", verb, path);
}

static int check_opened(int file, const char *path, const char *verb, struct error *err)
{
    struct stat info;
    if (fstat(file, &info) != 0)
        return fail_errno(err, "cannot %s '%s'", verb, path);
    return S_ISREG(info.st_mode) ? 0 : fail_kind(path, verb, info.st_mode, err);
}

static int open_regular(const char *path, int flags, const char *verb, int *out, struct error *err)
{
    struct files_place place;
    int file = -1, status = 0;
    if (files_find(path, &place) == 0)
        file = openat(place.folder, place.name,
                      flags | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY | O_CLOEXEC, 0666);
    if (file < 0)
        status =
            errno == ENOENT && !(flags & O_CREAT) ? 0 : fail_open(&place, path, verb, errno, err);
    else if ((status = check_opened(file, path, verb, err)) != 0) {
        close(file);
        file = -1;
    }
    if (place.folder >= 0)
        close(place.folder);
    *out = file;
    return status;
}

int files_open(const char *path, int *file, struct error *err)
{
    return open_regular(path, O_RDONLY, "read", file, err);
}

static int open_alone(const char *path, int flags, int *out, struct error *err)
{
    struct stat info;
    int file, status = open_regular(path, O_RDWR | O_CREAT | flags, "write", &file, err);
    if (status == 0 && (fstat(file, &info) != 0 || info.st_nlink != 1)) {
        status =
            fail(err, E_INPUT, "cannot write '%s': it has another name, too (a hard link)", path);
        close(file);
    }
    if (status == 0)
        *out = file;
    return status;
}

int files_open_to_append(const char *path, int *file, struct error *err)
{
    return open_alone(path, O_APPEND, file, err);
}

int files_open_to_update(const char *path, int *file, struct error *err)
{
    return open_alone(path, 0, file, err);
}

int files_write(int file, const void *bytes, size_t count)
{
    for (const char *at = bytes; count > 0;) {
        ssize_t wrote = write(file, at, count);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0) {
            errno = wrote < 0 ? errno : ENOSPC;
            return -1;
        }
        at += wrote;
        count -= (size_t)wrote;
    }
    return 0;
}

static int read_all(int file, const char *path, char **text, size_t *bytes, struct error *err)
{
    struct stat info;
    ssize_t got = 1;
    size_t used = 0;
    if (fstat(file, &info) != 0)
        return fail_errno(err, "cannot read '%s'", path);
    char *read_so_far = malloc((size_t)info.st_size + 1);
    if (!read_so_far)
        return fail(err, E_ENVIRONMENT, "not enough memory to read '%s'", path);
    while (got > 0 && used < (size_t)info.st_size) {
        got = read(file, read_so_far + used, (size_t)info.st_size - used);
        used += got > 0 ? (size_t)got : 0;
    }
    if (got < 0) {
        free(read_so_far);
        return fail_errno(err, "cannot read '%s'", path);
    }
    read_so_far[used] = 0;
    *text = read_so_far;
    *bytes = used;
    return 0;
}

int files_read(const char *path, char **text, size_t *bytes, struct error *err)
{
    int file;
    *text = NULL;
    *bytes = 0;
    int status = files_open(path, &file, err);
    if (status != 0 || file < 0)
        return status;
    status = read_all(file, path, text, bytes, err);
    close(file);
    return status;
}

/* --- names --- */

static void leave(const struct files_place *place)
{
    int cause = errno;
    if (place->folder >= 0)
        close(place->folder);
    errno = cause;
}

int files_unlink(const char *path)
{
    struct files_place at;
    int done = files_find(path, &at) == 0 ? unlinkat(at.folder, at.name, 0) : -1;
    leave(&at);
    return done;
}

int files_touch(const char *path)
{
    struct files_place at;
    int done =
        files_find(path, &at) == 0 ? utimensat(at.folder, at.name, NULL, AT_SYMLINK_NOFOLLOW) : -1;
    leave(&at);
    return done;
}

/* Both places, or neither and -1. */
static int find_both(const char *from, const char *to, struct files_place places[2])
{
    if (files_find(from, &places[0]) != 0)
        return -1;
    if (files_find(to, &places[1]) == 0)
        return 0;
    leave(&places[0]);
    return -1;
}

int files_rename(const char *from, const char *to)
{
    struct files_place at[2];
    if (find_both(from, to, at) != 0)
        return -1;
    int done = renameat(at[0].folder, at[0].name, at[1].folder, at[1].name);
    leave(&at[0]);
    leave(&at[1]);
    return done;
}

static bool is_one_file(int folder_a, const char *a, int folder_b, const char *b)
{
    struct stat sa, sb;
    return fstatat(folder_a, a, &sa, AT_SYMLINK_NOFOLLOW) == 0 &&
           fstatat(folder_b, b, &sb, AT_SYMLINK_NOFOLLOW) == 0 && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
}

int files_link_at(int from_folder, const char *from, int to_folder, const char *to)
{
    if (linkat(from_folder, from, to_folder, to, 0) == 0)
        return 0;
    int cause = errno;
    if (cause == EEXIST && is_one_file(from_folder, from, to_folder, to))
        return 0;
    errno = cause;
    if (cause != EPERM && cause != EOPNOTSUPP && cause != ENOSYS)
        return -1;
    return renameat2(from_folder, from, to_folder, to, RENAME_NOREPLACE);
}

int files_link(const char *from, const char *to)
{
    struct files_place at[2];
    if (find_both(from, to, at) != 0)
        return -1;
    int done = files_link_at(at[0].folder, at[0].name, at[1].folder, at[1].name);
    leave(&at[0]);
    leave(&at[1]);
    return done;
}

bool files_are_same(const char *a, const char *b)
{
    struct stat sa, sb;
    return stat(a, &sa) == 0 && stat(b, &sb) == 0 && sa.st_dev == sb.st_dev &&
           sa.st_ino == sb.st_ino;
}

/* --- folders --- */

static bool is_reached(const char *path)
{
    int folder = find_folder(path);
    if (folder >= 0)
        close(folder);
    return folder >= 0;
}

/* The name that a folder has just been given, or by somebody who may have been killed before this.
 * Who may only write there has no way to. */
static int sync_above(const struct files_place *at)
{
    int folder = openat(at->folder, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (folder < 0)
        return errno == EACCES ? 0 : -1;
    int status = files_sync_folder(folder), cause = errno;
    close(folder);
    errno = cause;
    return status;
}

/* Whatever mkdir says, a folder that is there is fine: some file systems say EROFS before EEXIST.
 */
static int make_at(const struct files_place *at, const char *path, struct error *err)
{
    struct stat info;
    if (mkdirat(at->folder, at->name, 0777) == 0)
        return sync_above(at) == 0 ? 0 : fail_errno(err, "cannot make the folder '%s'", path);
    int cause = errno;
    if (is_reached(path)) {
        sync_above(at);
        return 0;
    }
    if (fstatat(at->folder, at->name, &info, AT_SYMLINK_NOFOLLOW) == 0 || cause == ENOTDIR)
        return fail(err, E_INPUT, "cannot make the folder '%s': a %s is in the way", path,
                    cause != ENOTDIR && S_ISLNK(info.st_mode) ? "symbolic link" : "file");
    errno = cause;
    return fail_errno(err, "cannot make the folder '%s'", path);
}

int files_make_folder(const char *path, struct error *err)
{
    struct files_place at;
    if (files_find(path, &at) != 0)
        return errno == ENOTDIR
                   ? fail(err, E_INPUT, "cannot make the folder '%s': a file is in the way", path)
                   : fail_errno(err, "cannot make the folder '%s'", path);
    int status = make_at(&at, path, err);
    leave(&at);
    return status;
}

int files_make_folders(const char *path, struct error *err)
{
    int status = 0;
    struct stat info;
    char *part = strdup(path);
    if (!part)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    size_t length = strlen(part);
    while (length > 1 && part[length - 1] == '/')
        part[--length] = 0;
    for (char *slash = part; status == 0 && slash;) {
        slash = strchr(slash + 1, '/');
        if (slash)
            *slash = 0;
        if (stat(part, &info) != 0 || !S_ISDIR(info.st_mode))
            status = files_make_folder(part, err);
        if (slash)
            *slash = '/';
    }
    free(part);
    return status;
}

int files_sync_folder(int folder)
{
    if (fsync(folder) == 0 || errno == EINVAL || errno == ENOTSUP)
        return 0;
    return -1;
}

/* --- what is ours alone --- */

bool files_is_private(int folder)
{
    struct stat info;
    return fstat(folder, &info) == 0 && S_ISDIR(info.st_mode) && info.st_uid == geteuid() &&
           (info.st_mode & (S_IRWXG | S_IRWXO)) == 0;
}

static bool is_on(int folder, dev_t device, bool private)
{
    struct stat info;
    if (fstat(folder, &info) == 0 && info.st_uid == geteuid() && info.st_dev == device &&
        (!private || files_is_private(folder)))
        return true;
    errno = EPERM;
    return false;
}

int files_next(DIR *entries, const char *path, struct dirent **out, struct error *err)
{
    errno = 0;
    *out = readdir(entries);
    return *out || errno == 0 ? 0 : fail_errno(err, "cannot read the folder '%s'", path);
}

static int remove_entry(int above, const char *name, dev_t device, int depth);

/* Takes over the descriptor. */
static int empty_folder(int folder, dev_t device, int depth)
{
    int left = 0, cause = 0;
    DIR *entries = fdopendir(folder);
    if (!entries) {
        close(folder);
        return -1;
    }
    for (struct dirent *entry; (entry = readdir(entries));)
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0 &&
            remove_entry(folder, entry->d_name, device, depth) != 0) {
            left = -1;
            cause = errno;
        }
    closedir(entries);
    errno = cause;
    return left;
}

/* Below a private folder nobody else can put another one in the place of what was looked at. */
static int remove_folder(int above, const char *name, dev_t device, int depth)
{
    int folder = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (folder < 0)
        return -1;
    if (depth > DEPTH_MOST || !is_on(folder, device, depth == 0)) {
        close(folder);
        errno = EPERM;
        return -1;
    }
    if (empty_folder(folder, device, depth + 1) != 0)
        return -1;
    return unlinkat(above, name, AT_REMOVEDIR);
}

static int remove_entry(int above, const char *name, dev_t device, int depth)
{
    if (unlinkat(above, name, 0) == 0 || errno == ENOENT)
        return 0;
    return errno == EISDIR || errno == EPERM ? remove_folder(above, name, device, depth) : -1;
}

int files_remove_tree(int above, const char *name)
{
    struct stat info;
    if (fstatat(above, name, &info, AT_SYMLINK_NOFOLLOW) != 0)
        return -1;
    return remove_folder(above, name, info.st_dev, 0);
}
