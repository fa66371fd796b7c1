#include "job_publish.h"

#include "files.h"
#include "store_clean.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char begun[] = ".publishing";
static const enum job_file kinds[JOB_PUBLISHED] = {JOB_PICTURE, JOB_LOG, JOB_RESULT};

/* One job's place: its folder, open, and the names of its files in it. */
struct place {
    const struct store *store;
    const char *id;
    void (*ready)(void); /* may be NULL: called right before anything gets a name */
    int folder;
    char *paths[JOB_PUBLISHED];
    const char *names[JOB_PUBLISHED];
    char decided[JOB_ID_TEXT + 1 + sizeof begun]; /* .ID.publishing */
};

static void place_release(struct place *place)
{
    if (place->folder >= 0)
        close(place->folder);
    for (int i = 0; i < JOB_PUBLISHED; i++)
        free(place->paths[i]);
}

static int find_place(const struct store *store, const char *id, void (*ready)(void),
                      struct place *out, struct error *err)
{
    struct place place = {.store = store, .id = id, .ready = ready, .folder = -1};
    int status = 0;
    for (int i = 0; i < JOB_PUBLISHED && status == 0; i++) {
        place.paths[i] = store_job_path(store, id, kinds[i]);
        if (!place.paths[i])
            status = fail(err, E_ENVIRONMENT, "not enough memory");
        else
            place.names[i] = strrchr(place.paths[i], '/') + 1;
    }
    snprintf(place.decided, sizeof place.decided, ".%s%s", id, begun);
    char *shard =
        status == 0 ? strndup(place.paths[0], (size_t)(place.names[0] - 1 - place.paths[0])) : NULL;
    place.folder = shard ? files_open_folder(shard) : -1;
    if (status == 0 && place.folder < 0 && !(shard && errno == ENOENT))
        status = fail_errno(err, "cannot open the folder of '%s'", place.paths[0]);
    free(shard);
    if (status == 0)
        *out = place;
    else
        place_release(&place);
    return status;
}

static int fail_write(const struct place *place, int i, struct error *err)
{
    return fail_errno(err, "cannot write '%s'", place->paths[i]);
}

static void about_to_name(const struct place *place)
{
    if (place->ready)
        place->ready();
}

static int sync_place(const struct place *place, struct error *err)
{
    return files_sync_folder(place->folder) == 0 ? 0 : fail_write(place, 0, err);
}

/* --- going on --- */

/* A result is linked, for a rename might replace one. */
static int move_result(const struct place *place, int from, struct error *err)
{
    enum { RESULT = JOB_PUBLISHED - 1 };
    const char *name = place->names[RESULT];
    about_to_name(place);
    while (files_link_at(from, name, place->folder, name) != 0) {
        if (errno == ENOENT || store_job_done(place->store, place->id))
            return 0; /* somebody else has */
        if (errno != EEXIST)
            return fail_write(place, RESULT, err);
        int status = store_job_remove_truncated(place->store, place->id, err);
        if (status != 0)
            return status;
    }
    return 0;
}

/* The folder is told by its descriptor, not by its name: should it be gone by now, and another one
 * be there, nothing of that is touched. */
static int move_all(const struct place *place, int from, struct error *err)
{
    int status = 0;
    for (int i = 0; i < JOB_PUBLISHED - 1; i++) {
        about_to_name(place);
        if (renameat(from, place->names[i], place->folder, place->names[i]) != 0 && errno != ENOENT)
            return fail_write(place, i, err);
    }
    TRY(sync_place(place, err));
    TRY(move_result(place, from, err));
    TRY(sync_place(place, err));
done:
    return status;
}

static void remove_folder(const struct place *place, int folder, const char *name)
{
    for (int i = 0; i < JOB_PUBLISHED; i++)
        unlinkat(folder, place->names[i], 0);
    unlinkat(place->folder, name, AT_REMOVEDIR);
}

static int resume(const struct place *place, struct error *err)
{
    int status = 0;
    int from =
        openat(place->folder, place->decided, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (from < 0)
        return errno == ENOENT ? 0 : fail_write(place, 0, err);
    if (!store_job_done(place->store, place->id))
        status = move_all(place, from, err);
    if (status == 0)
        remove_folder(place, from, place->decided);
    close(from);
    return status;
}

int job_publish_resume(const struct store *store, const char *id, struct error *err)
{
    struct place place;
    int status = find_place(store, id, NULL, &place, err);
    if (status != 0)
        return status;
    if (place.folder >= 0)
        status = resume(&place, err);
    place_release(&place);
    return status;
}

/* Whether it is .ID.publishing. */
static bool is_begun(const char *name, char id[JOB_ID_TEXT])
{
    if (strlen(name) != JOB_ID_TEXT + strlen(begun) || name[0] != '.' ||
        strcmp(name + JOB_ID_TEXT, begun) != 0)
        return false;
    memcpy(id, name + 1, JOB_ID_TEXT - 1);
    id[JOB_ID_TEXT - 1] = 0;
    return job_id_valid(id);
}

int job_publish_resume_all(const struct store *store, const char *shard, struct error *err)
{
    int status = 0, folder = files_open_folder(shard);
    DIR *entries = folder < 0 ? NULL : fdopendir(folder);
    if (!entries)
        return errno == ENOENT ? 0 : fail_errno(err, "cannot read the folder '%s'", shard);
    for (struct dirent *entry;
         status == 0 && (status = files_next(entries, shard, &entry, err)) == 0 && entry;) {
        char id[JOB_ID_TEXT];
        if (is_begun(entry->d_name, id))
            status = job_publish_resume(store, id, err);
    }
    closedir(entries);
    return status;
}

/* --- beginning --- */

/* Gathers the three, durable, in a folder of their own. */
static int gather(const struct place *place, struct publication *files, const char *name,
                  int *folder, struct error *err)
{
    int status = 0;
    if (mkdirat(place->folder, name, 0777) != 0)
        return fail_write(place, 0, err);
    *folder = openat(place->folder, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    if (*folder < 0)
        return fail_write(place, 0, err);
    for (int i = 0; i < JOB_PUBLISHED; i++) {
        TRY(publish_sync(&files[i], err));
        if (renameat(place->folder, strrchr(files[i].temporary, '/') + 1, *folder,
                     place->names[i]) != 0)
            return fail_write(place, i, err);
    }
    if (files_sync_folder(*folder) != 0)
        status = fail_write(place, 0, err);
done:
    return status;
}

static bool is_decided(const struct place *place, int folder)
{
    struct stat ours, named;
    return fstat(folder, &ours) == 0 &&
           fstatat(place->folder, place->decided, &named, AT_SYMLINK_NOFOLLOW) == 0 &&
           ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

/* Until one of all that are ready is decided on and in its place. A server that answers twice may
 * say that a rename failed which was made. */
static int decide(const struct place *place, const char *name, int folder, struct error *err)
{
    int status = 0;
    for (bool tried = false;;) {
        TRY(resume(place, err));
        if (tried || store_job_done(place->store, place->id))
            break;
        about_to_name(place);
        tried = renameat(place->folder, name, place->folder, place->decided) == 0 ||
                (errno == ENOENT && is_decided(place, folder));
        if (!tried && errno != EEXIST && errno != ENOTEMPTY)
            return fail_write(place, JOB_PUBLISHED - 1, err);
    }
done:
    return status;
}

static bool is_ours(const struct place *place, const struct publication *result)
{
    struct stat ours, named;
    return fstat(result->file, &ours) == 0 &&
           fstatat(place->folder, place->names[JOB_PUBLISHED - 1], &named, AT_SYMLINK_NOFOLLOW) ==
               0 &&
           ours.st_dev == named.st_dev && ours.st_ino == named.st_ino;
}

int job_publish(const struct store *store, const char *id, struct publication *files,
                void (*ready)(void), bool *elsewhere, struct error *err)
{
    struct place place = {.folder = -1};
    int status = 0, folder = -1;
    char *temporary = NULL;
    const char *name = NULL;
    TRY(find_place(store, id, ready, &place, err));
    if (!(temporary = publish_temporary(files[JOB_PUBLISHED - 1].path))) {
        status = fail(err, E_ENVIRONMENT, "not enough memory");
        goto done;
    }
    name = strrchr(temporary, '/') + 1;
    TRY(gather(&place, files, name, &folder, err));
    TRY(decide(&place, name, folder, err));
    *elsewhere = !is_ours(&place, &files[JOB_PUBLISHED - 1]);
done:
    if (folder >= 0) {
        if (status == 0 || !is_decided(&place, folder)) /* else others can go on with it */
            remove_folder(&place, folder, name);
        close(folder);
    }
    for (int i = 0; i < JOB_PUBLISHED; i++)
        publish_abort(&files[i]);
    free(temporary);
    place_release(&place);
    return status;
}
