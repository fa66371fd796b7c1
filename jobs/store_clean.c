#include "store_clean.h"

#include "files.h"
#include "hdf5_probe.h"
#include "job_publish.h"
#include "publish.h"
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

static int fail_memory(struct error *err) { return fail(err, E_ENVIRONMENT, "not enough memory"); }

bool store_job_done(const struct store *store, const char *id)
{
    char *path = store_job_path(store, id, JOB_RESULT);
    bool done = path && hdf5_check_length(AT_FDCWD, path, NULL) == 0;
    free(path);
    return done;
}

int store_job_finish(const struct store *store, const char *id, struct error *err)
{
    static const enum job_file needless[] = {JOB_CHECKPOINT, JOB_RUNNING_LOG, JOB_FAILURE,
                                             JOB_ASIDE};
    int status = 0;
    for (size_t i = 0; i < sizeof needless / sizeof *needless && !status; i++) {
        char *path = store_job_path(store, id, needless[i]);
        if (!path)
            status = fail_memory(err);
        else if (files_unlink(path) != 0 && errno != ENOENT)
            status = fail_errno(err, "cannot remove '%s'", path);
        free(path);
    }
    return status;
}

/* Looks again at what was moved aside: if somebody finished the job meanwhile, it goes back. */
static int judge_aside(const char *aside, const char *path, struct error *err)
{
    bool whole = hdf5_check_length(AT_FDCWD, aside, NULL) == 0;
    if (whole && files_link(aside, path) != 0 && errno != EEXIST)
        return fail_errno(err, "cannot write '%s'", path);
    return 0;
}

int store_job_remove_truncated(const struct store *store, const char *id, struct error *err)
{
    int status = 0;
    struct publication aside = {0};
    char *path = store_job_path(store, id, JOB_RESULT), *name = NULL;
    if (!path || asprintf(&name, "%s.cut", path) < 0) {
        free(path);
        return fail_memory(err);
    }
    TRY(publish_begin(name, &aside, err)); /* whose temporary name nothing else uses */
    if (files_rename(path, aside.temporary) == 0)
        status = judge_aside(aside.temporary, path, err);
    else if (errno != ENOENT)
        status = fail_errno(err, "cannot remove '%s'", path);
done:
    publish_abort(&aside);
    free(name);
    free(path);
    return status;
}

/* --- the whole store --- */

static int clear_folder(const struct store *store, enum store_file folder, double age_s,
                        uint64_t *removed, struct error *err)
{
    char *path = store_path(store, folder);
    int status = path ? publish_clear(path, age_s, removed, err) : fail_memory(err);
    free(path);
    return status;
}

static int clear_shards(const struct store *store, double age_s, uint64_t *removed,
                        struct error *err)
{
    char *jobs = store_path(store, STORE_JOBS);
    int folder = jobs ? files_open_folder(jobs) : -1;
    DIR *shards = folder < 0 ? NULL : fdopendir(folder);
    int status = shards ? 0 : fail_errno(err, "cannot read the folder '%s/jobs'", store->folder);
    for (struct dirent *entry;
         status == 0 && (status = files_next(shards, jobs, &entry, err)) == 0 && entry;) {
        char *path = NULL;
        if (entry->d_name[0] == '.')
            continue;
        if (asprintf(&path, "%s/%s", jobs, entry->d_name) < 0)
            path = NULL;
        status = path ? job_publish_resume_all(store, path, err) : fail_memory(err);
        if (status == 0)
            status = publish_clear(path, age_s, removed, err);
        free(path);
    }
    if (shards)
        closedir(shards);
    free(jobs);
    return status;
}

static bool needs_finish(const struct store_entry *entry)
{
    return store_entry_done(entry) &&
           (store_entry_has(entry, JOB_CHECKPOINT) || store_entry_has(entry, JOB_RUNNING_LOG) ||
            store_entry_has(entry, JOB_FAILURE) || store_entry_has(entry, JOB_ASIDE));
}

static int finish_done(const struct store *store, uint64_t *finished, struct error *err)
{
    struct store_scan scan;
    int status = store_scan(store, &scan, err);
    if (status != 0)
        return status;
    for (size_t i = 0; i < scan.count && !status; i++)
        if (needs_finish(&scan.entries[i])) {
            status = store_job_finish(store, scan.entries[i].id, err);
            ++*finished;
        }
    store_scan_release(&scan);
    return status;
}

int store_clean(const struct store *store, double age_s, struct store_cleaning *out,
                struct error *err)
{
    int status = 0;
    struct store_cleaning done = {0};
    TRY(clear_folder(store, STORE_RUNNING, age_s, &done.temporaries, err));
    TRY(clear_folder(store, STORE_FAILED, age_s, &done.temporaries, err));
    TRY(clear_shards(store, age_s, &done.temporaries, err));
    TRY(publish_clear(store->folder, age_s, &done.temporaries, err));
    TRY(finish_done(store, &done.finished, err));
    if (out)
        *out = done;
done:
    return status;
}
