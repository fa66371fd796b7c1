#include "files.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
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

int files_open_folder(const char *path)
{
    int links = 0, way;
    if (!*path) {
        errno = ENOENT;
        return -1;
    }
    way = walk(AT_FDCWD, path, &links);
    if (way < 0)
        return -1;
    int folder = openat(way, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC), cause = errno;
    close(way);
    errno = cause;
    return folder;
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
