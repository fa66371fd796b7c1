#include "sweep_file.h"

#include "store.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int find_manifest(const char *folder, char **file, struct error *err)
{
    struct store store;
    int status = store_open(folder, &store, err);
    if (status == E_INPUT)
        return fail(err, E_INPUT,
                    "'%s' is a folder, but no store: expected a sweep file, a manifest or a store",
                    folder);
    if (status != 0)
        return status;
    char *path = store_path(&store, STORE_MANIFEST);
    store_release(&store);
    if (!path)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    if (access(path, F_OK) != 0) {
        free(path);
        return fail(err, E_INPUT,
                    "the store '%s' has no sweep yet: give a sweep file or a manifest", folder);
    }
    *file = path;
    return 0;
}

int sweep_file_find(const char *path, char **file, bool *is_store, struct error *err)
{
    struct stat info;
    if (stat(path, &info) != 0)
        return errno == ENOENT
                   ? fail(err, E_INPUT, "there is no sweep, manifest or store '%s'", path)
                   : fail_errno(err, "cannot read '%s'", path);
    *is_store = S_ISDIR(info.st_mode);
    if (*is_store)
        return find_manifest(path, file, err);
    *file = strdup(path);
    return *file ? 0 : fail(err, E_ENVIRONMENT, "not enough memory");
}
