#include "store.h"

#include "files.h"
#include "hdf5_probe.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char *const store_names[STORE_FILES] = {
    [STORE_JOBS] = "jobs",
    [STORE_RUNNING] = "running",
    [STORE_FAILED] = "failed",
    [STORE_SWEEP] = "sweep.yaml",
    [STORE_SWEEP_ROWS] = "sweep.csv",
    [STORE_MANIFEST] = "manifest.csv",
    [STORE_CLAIM] = "claim",
    [STORE_LOG] = "batch.log",
    [STORE_PROGRESS] = "progress.json",
    [STORE_EXIT_STATUS] = "exit_status",
    [STORE_TABLE] = "sweep.h5",
    [STORE_REPORT] = "report.html",
    [STORE_SLURM] = "slurm",
};

/* The folders that every store has; `jobs` is made last. */
static const enum store_file own_folders[] = {STORE_RUNNING, STORE_FAILED, STORE_JOBS};
enum { OWN_FOLDERS = sizeof own_folders / sizeof *own_folders };

static const struct {
    enum store_file folder;
    const char *extension;
} job_names[JOB_FILES] = {
    [JOB_PICTURE] = {STORE_JOBS, ".png"},        [JOB_LOG] = {STORE_JOBS, ".log"},
    [JOB_RESULT] = {STORE_JOBS, ".h5"},          [JOB_CHECKPOINT] = {STORE_RUNNING, ".h5"},
    [JOB_RUNNING_LOG] = {STORE_RUNNING, ".log"}, [JOB_FAILURE] = {STORE_FAILED, ".json"},
    [JOB_ASIDE] = {STORE_RUNNING, ".aside.h5"},
};

enum { SHARD_DIGITS = 2 };

/* --- paths --- */

char *store_path(const struct store *store, enum store_file file)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s", store->folder, store_names[file]) < 0 ? NULL : path;
}

/* jobs/3f */
static char *shard_path(const struct store *store, const char *id)
{
    char *path = NULL;
    return asprintf(&path, "%s/%s/%.*s", store->folder, store_names[STORE_JOBS], SHARD_DIGITS, id) <
                   0
               ? NULL
               : path;
}

char *store_job_path(const struct store *store, const char *id, enum job_file file)
{
    char *path = NULL;
    bool sharded = job_names[file].folder == STORE_JOBS;
    return asprintf(&path, "%s/%s/%.*s%s%s%s", store->folder, store_names[job_names[file].folder],
                    sharded ? SHARD_DIGITS : 0, id, sharded ? "/" : "", id,
                    job_names[file].extension) < 0
               ? NULL
               : path;
}

/* --- making and opening --- */

/* Whether a folder is there, and no link to one. Errors: E_ENVIRONMENT: that cannot be told. */
static int find_folder(const char *path, bool *found, struct error *err)
{
    struct stat info;
    bool there = lstat(path, &info) == 0;
    *found = there && S_ISDIR(info.st_mode);
    return there || errno == ENOENT || errno == ENOTDIR
               ? 0
               : fail_errno(err, "cannot look at '%s'", path);
}

static bool is_own_name(const char *name)
{
    if (name[0] == '.')
        return true;
    for (int i = 0; i < STORE_FILES; i++)
        if (strcmp(name, store_names[i]) == 0)
            return true;
    return false;
}

/* A folder that was begun as a store, or is empty, holds no other names. */
static int check_begun(const char *folder, struct error *err)
{
    int status = 0;
    int opened = files_open_folder(folder);
    DIR *entries = opened < 0 ? NULL : fdopendir(opened);
    if (!entries)
        return fail_errno(err, "cannot read the folder '%s'", folder);
    for (struct dirent *entry;
         status == 0 && (status = files_next(entries, folder, &entry, err)) == 0 && entry;)
        if (!is_own_name(entry->d_name))
            status = fail(err, E_INPUT,
                          "'%s' is no store and holds other things ('%s'): choose a new or an "
                          "empty folder",
                          folder, entry->d_name);
    closedir(entries);
    return status;
}

static int look_for_own_folders(const struct store *store, bool *all, struct error *err)
{
    int status = 0;
    *all = true;
    for (int i = 0; i < OWN_FOLDERS && status == 0 && *all; i++) {
        char *path = store_path(store, own_folders[i]);
        status = path ? find_folder(path, all, err) : fail(err, E_ENVIRONMENT, "not enough memory");
        free(path);
    }
    return status;
}

/* What is found and what is written must be in one place: a link is not followed here, whoever made
 * it. */
static int make_own_folder(const char *path, struct error *err)
{
    bool own = false;
    int status = files_make_folder(path, err);
    if (status == 0)
        status = find_folder(path, &own, err);
    if (status == 0 && !own)
        return fail(err, E_INPUT, "'%s' is a symbolic link: a store's folders are its own", path);
    return status;
}

static int make_own_folders(const struct store *store, struct error *err)
{
    int status = 0;
    for (int i = 0; i < OWN_FOLDERS && !status; i++) {
        char *path = store_path(store, own_folders[i]);
        status = path ? make_own_folder(path, err) : fail(err, E_ENVIRONMENT, "not enough memory");
        free(path);
    }
    return status;
}

static int name_store(const char *folder, struct store *out, struct error *err)
{
    out->folder = realpath(folder, NULL);
    return out->folder ? 0 : fail_errno(err, "cannot open the store '%s'", folder);
}

int store_create(const char *folder, struct store *out, struct error *err)
{
    int status = 0;
    struct store made = {0};
    bool whole;
    if (!*folder)
        return fail(err, E_INPUT, "the name of the store is empty");
    TRY(files_make_folders(folder, err));
    TRY(name_store(folder, &made, err));
    TRY(look_for_own_folders(&made, &whole, err));
    if (!whole) {
        TRY(check_begun(made.folder, err));
        TRY(make_own_folders(&made, err));
    }
    *out = made;
    made = (struct store){0};
done:
    store_release(&made);
    return status;
}

int store_open(const char *folder, struct store *out, struct error *err)
{
    struct store opened = {0};
    struct stat info;
    if (stat(folder, &info) != 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? fail(err, E_INPUT, "there is no store '%s'", folder)
                   : fail_errno(err, "cannot open the store '%s'", folder);
    if (!S_ISDIR(info.st_mode))
        return fail(err, E_INPUT, "'%s' is not a folder: a store is one", folder);
    bool whole;
    int status = name_store(folder, &opened, err);
    if (status != 0)
        return status;
    TRY(look_for_own_folders(&opened, &whole, err));
    if (!whole) {
        status = fail(err, E_INPUT, "'%s' is no store: it has no folders jobs, running and failed",
                      folder);
        goto done;
    }
    *out = opened;
    opened = (struct store){0};
done:
    store_release(&opened);
    return status;
}

void store_release(struct store *store)
{
    free(store->folder);
    *store = (struct store){0};
}

int store_make_room(const struct store *store, const char *id, struct error *err)
{
    char *path = shard_path(store, id);
    int status = path ? make_own_folder(path, err) : fail(err, E_ENVIRONMENT, "not enough memory");
    free(path);
    return status;
}

/* --- looking through it --- */

/* One file of a job. */
struct sighting {
    char id[JOB_ID_TEXT];
    enum job_file file;
    bool truncated;
    uint64_t bytes;
    double written;
};

struct sightings {
    size_t count, room;
    struct sighting *list;
};

static int add_sighting(struct sightings *seen, const struct sighting *one, struct error *err)
{
    if (seen->count == seen->room) {
        size_t room = seen->room ? 2 * seen->room : 1024;
        struct sighting *list = realloc(seen->list, room * sizeof *list);
        if (!list)
            return fail(err, E_ENVIRONMENT, "not enough memory");
        seen->list = list;
        seen->room = room;
    }
    seen->list[seen->count++] = *one;
    return 0;
}

/* Whether it is the name of a job's file in that folder of the store. */
static bool parse_name(const char *name, enum store_file folder, struct sighting *out)
{
    if (strlen(name) < JOB_ID_TEXT)
        return false;
    memcpy(out->id, name, JOB_ID_TEXT - 1); /* the final 0 is there */
    if (!job_id_valid(out->id))
        return false;
    for (int i = 0; i < JOB_FILES; i++)
        if (job_names[i].folder == folder &&
            strcmp(name + JOB_ID_TEXT - 1, job_names[i].extension) == 0) {
            out->file = (enum job_file)i;
            return true;
        }
    return false;
}

/* *ours: it is there, and a file. */
static int measure(int folder, const char *name, struct sighting *out, bool *ours,
                   struct error *err)
{
    struct stat info;
    bool there = fstatat(folder, name, &info, AT_SYMLINK_NOFOLLOW) == 0;
    if (!there && errno != ENOENT)
        return fail_errno(err, "cannot look at '%s' in the store", name);
    *ours = there && S_ISREG(info.st_mode);
    if (!*ours)
        return 0;
    out->bytes = (uint64_t)info.st_size;
    out->written = (double)info.st_mtim.tv_sec + 1e-9 * (double)info.st_mtim.tv_nsec;
    out->truncated = out->file == JOB_RESULT && hdf5_check_length(folder, name, NULL) == E_INPUT;
    return 0;
}

/* Opens a folder below another; NULL with status 0 where there is none. */
static int open_folder(int above, const char *name, DIR **out, struct error *err)
{
    int folder = openat(above, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    *out = folder < 0 ? NULL : fdopendir(folder);
    if (*out || errno == ENOENT || errno == ENOTDIR || errno == ELOOP)
        return 0;
    int status = fail_errno(err, "cannot read the folder '%s' of the store", name);
    if (folder >= 0)
        close(folder);
    return status;
}

static int look_through(int above, const char *name, enum store_file kind, struct sightings *seen,
                        struct error *err)
{
    DIR *entries;
    int status = open_folder(above, name, &entries, err);
    if (!entries)
        return status;
    for (struct dirent *entry;
         status == 0 && (status = files_next(entries, name, &entry, err)) == 0 && entry;) {
        struct sighting one = {0};
        bool ours = parse_name(entry->d_name, kind, &one);
        if (ours)
            status = measure(dirfd(entries), entry->d_name, &one, &ours, err);
        if (status == 0 && ours)
            status = add_sighting(seen, &one, err);
    }
    closedir(entries);
    return status;
}

static int look_through_shards(int store, struct sightings *seen, struct error *err)
{
    DIR *entries;
    int status = open_folder(store, store_names[STORE_JOBS], &entries, err);
    if (!entries)
        return status;
    for (struct dirent *entry;
         status == 0 && (status = files_next(entries, store_names[STORE_JOBS], &entry, err)) == 0 &&
         entry;)
        if (strlen(entry->d_name) == SHARD_DIGITS && entry->d_name[0] != '.')
            status = look_through(dirfd(entries), entry->d_name, STORE_JOBS, seen, err);
    closedir(entries);
    return status;
}

static int by_id(const void *a, const void *b)
{
    return strcmp(((const struct sighting *)a)->id, ((const struct sighting *)b)->id);
}

static void add_to_entry(struct store_entry *entry, const struct sighting *one)
{
    memcpy(entry->id, one->id, sizeof entry->id);
    entry->files |= 1u << one->file;
    entry->truncated |= one->truncated;
    entry->bytes += one->bytes;
    if (one->file == JOB_RESULT)
        entry->result_written = one->written;
}

/* Sorts what was seen and puts it together by job. */
static int gather(struct sightings *seen, struct store_scan *out, struct error *err)
{
    struct store_scan scan = {0, calloc(seen->count + 1, sizeof *scan.entries)};
    if (!scan.entries)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    if (seen->count > 0)
        qsort(seen->list, seen->count, sizeof *seen->list, by_id);
    for (size_t i = 0; i < seen->count; i++) {
        if (i == 0 || by_id(&seen->list[i - 1], &seen->list[i]) != 0)
            scan.count++;
        add_to_entry(&scan.entries[scan.count - 1], &seen->list[i]);
    }
    *out = scan;
    return 0;
}

int store_scan(const struct store *store, struct store_scan *out, struct error *err)
{
    struct sightings seen = {0};
    int status = 0, folder = files_open_folder(store->folder);
    if (folder < 0)
        return fail_errno(err, "cannot open the store '%s'", store->folder);
    TRY(look_through(folder, store_names[STORE_RUNNING], STORE_RUNNING, &seen, err));
    TRY(look_through(folder, store_names[STORE_FAILED], STORE_FAILED, &seen, err));
    TRY(look_through_shards(folder, &seen, err)); /* last: what ended meanwhile is seen as done */
    TRY(gather(&seen, out, err));
done:
    free(seen.list);
    close(folder);
    return status;
}

void store_scan_release(struct store_scan *scan)
{
    free(scan->entries);
    *scan = (struct store_scan){0};
}

static int entry_by_id(const void *id, const void *entry)
{
    return strcmp(id, ((const struct store_entry *)entry)->id);
}

const struct store_entry *store_scan_find(const struct store_scan *scan, const char *id)
{
    return scan->count == 0
               ? NULL
               : bsearch(id, scan->entries, scan->count, sizeof *scan->entries, entry_by_id);
}

bool store_entry_has(const struct store_entry *entry, enum job_file file)
{
    return entry && entry->files & 1u << file;
}

bool store_entry_done(const struct store_entry *entry)
{
    return store_entry_has(entry, JOB_RESULT) && !entry->truncated;
}
