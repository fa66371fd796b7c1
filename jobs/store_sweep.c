#include "store_sweep.h"

#include "manifest.h"
#include "publish.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { NAMED_MAX = 3 };

static int fail_memory(struct error *err) { return fail(err, E_ENVIRONMENT, "not enough memory"); }

/* A whole file and a final 0; NULL with status 0 where there is none. Caller frees. */
static int read_whole(const char *path, char **text, size_t *bytes, struct error *err)
{
    struct stat info;
    int status = 0;
    char *read = NULL;
    FILE *file = fopen(path, "re");
    *text = NULL;
    *bytes = 0;
    if (!file)
        return errno == ENOENT ? 0 : fail_errno(err, "cannot read '%s'", path);
    if (fstat(fileno(file), &info) != 0)
        status = fail_errno(err, "cannot read '%s'", path);
    else if (!(read = malloc((size_t)info.st_size + 1)))
        status = fail_memory(err);
    else
        *bytes = fread(read, 1, (size_t)info.st_size, file);
    if (status == 0 && ferror(file))
        status = fail_errno(err, "cannot read '%s'", path);
    fclose(file);
    if (status != 0) {
        free(read);
        return status;
    }
    read[*bytes] = 0;
    *text = read;
    return 0;
}

/* --- the difference --- */

static int by_text(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* The list's ids, ascending, borrowed. Caller frees. NULL: no memory. */
static const char **sorted_ids(const struct job_list *list)
{
    const char **ids = malloc((list->count + 1) * sizeof *ids);
    for (size_t i = 0; ids && i < list->count; i++)
        ids[i] = list->jobs[i].id;
    if (ids)
        qsort(ids, list->count, sizeof *ids, by_text);
    return ids;
}

/* Our own manifests have the id in the first column. */
static bool row_id(const char *line, char id[JOB_ID_TEXT])
{
    if (strnlen(line, JOB_ID_TEXT) < JOB_ID_TEXT || line[JOB_ID_TEXT - 1] != ',')
        return false;
    memcpy(id, line, JOB_ID_TEXT - 1);
    id[JOB_ID_TEXT - 1] = 0;
    return job_id_valid(id);
}

/* Counts the manifest's jobs that are not among the ids; names the first ones. */
static size_t find_missing(const char *manifest, const char *const *ids, size_t count, char *names,
                           size_t size)
{
    size_t missing = 0;
    names[0] = 0;
    for (const char *line = manifest; line; line = strchr(line, '\n')) {
        char id[JOB_ID_TEXT];
        const char *key = id;
        line += *line == '\n';
        if (!*line)
            break;
        if (!row_id(line, id) || bsearch(&key, ids, count, sizeof *ids, by_text))
            continue;
        size_t used = strlen(names);
        if (missing++ < NAMED_MAX)
            snprintf(names + used, size - used, "%s%s", used ? ", " : "", id);
    }
    return missing;
}

static int check_manifest(const char *manifest, const struct store *store,
                          const struct job_list *list, struct error *err)
{
    char names[NAMED_MAX * (JOB_ID_TEXT + 2)];
    const char **ids = sorted_ids(list);
    if (!ids)
        return fail_memory(err);
    size_t missing = manifest ? find_missing(manifest, ids, list->count, names, sizeof names) : 0;
    free(ids);
    if (missing == 0)
        return 0;
    return fail(err, E_INPUT,
                "the store '%s' has %zu job%s that '%s' lacks: %s%s; a changed row or photograph "
                "is another job. Keep the old rows, choose another store, or give --replace",
                store->folder, missing, missing == 1 ? "" : "s", list->file, names,
                missing > NAMED_MAX ? ", ..." : "");
}

/* --- writing --- */

static int write_whole(const char *path, const char *text, size_t bytes, struct error *err)
{
    struct publication publication = {0};
    int status = publish_begin(path, &publication, err);
    if (status != 0)
        return status;
    FILE *file = fopen(publication.temporary, "we");
    bool good = file && fwrite(text, 1, bytes, file) == bytes;
    if ((file && fclose(file) != 0) || !good) {
        status = fail_errno(err, "cannot write '%s'", path);
        publish_abort(&publication);
        return status;
    }
    return publish_commit(&publication, err);
}

static int write_if_changed(const char *path, const char *text, size_t bytes, struct error *err)
{
    char *before;
    size_t before_bytes;
    int status = read_whole(path, &before, &before_bytes, err);
    bool same = status == 0 && before && before_bytes == bytes && memcmp(before, text, bytes) == 0;
    free(before);
    return status != 0 || same ? status : write_whole(path, text, bytes, err);
}

static int write_manifest(const char *path, const struct job_list *list, struct error *err)
{
    char *text = NULL;
    size_t bytes = 0;
    FILE *to = open_memstream(&text, &bytes);
    if (!to)
        return fail_memory(err);
    int status = manifest_write(to, list, err);
    if (fclose(to) != 0 && status == 0)
        status = fail_memory(err);
    if (status == 0)
        status = write_if_changed(path, text, bytes, err);
    free(text);
    return status;
}

static int copy_sweep(const char *path, const struct job_list *list, struct error *err)
{
    char *text;
    size_t bytes;
    int status = read_whole(list->file, &text, &bytes, err);
    if (status == 0 && text)
        status = write_if_changed(path, text, bytes, err);
    free(text);
    return status;
}

int store_sweep_check(const struct store *store, const struct job_list *list, struct error *err)
{
    char *path = store_path(store, STORE_MANIFEST), *manifest = NULL;
    size_t bytes;
    int status = path ? read_whole(path, &manifest, &bytes, err) : fail_memory(err);
    if (status == 0)
        status = check_manifest(manifest, store, list, err);
    free(manifest);
    free(path);
    return status;
}

int store_sweep_take(const struct store *store, const struct job_list *list, bool replace,
                     struct error *err)
{
    int status = 0;
    char *manifest = store_path(store, STORE_MANIFEST), *sweep = store_path(store, STORE_SWEEP);
    if (!manifest || !sweep) {
        status = fail_memory(err);
        goto done;
    }
    if (!replace)
        TRY(store_sweep_check(store, list, err));
    if (list->source == JOBS_FROM_SWEEP)
        TRY(copy_sweep(sweep, list, err));
    TRY(write_manifest(manifest, list, err));
done:
    free(manifest);
    free(sweep);
    return status;
}

int store_sweep_read(const struct store *store, struct job_list *out, struct error *err)
{
    struct complaints complaints = {0};
    char *path = store_path(store, STORE_MANIFEST);
    if (!path)
        return fail_memory(err);
    int status = job_list_read_recorded(path, out, &complaints, err);
    if (status == E_INPUT && complaints.errors > 0) /* one of them says more than their number */
        fail(err, E_INPUT, "'%s': %s", path, complaints.list[0].message);
    complaints_release(&complaints);
    free(path);
    return status;
}
