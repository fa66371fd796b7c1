#include "store_sweep.h"

#include "files.h"
#include "manifest.h"
#include "name_index.h"
#include "publish.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAMED_MAX = 3 };

static int fail_memory(struct error *err) { return fail(err, E_ENVIRONMENT, "not enough memory"); }

/* --- the difference --- */

/* What the store's jobs have that the new sweep lacks. */
struct difference {
    size_t missing;
    char ids[NAMED_MAX * (JOB_ID_TEXT + 2)];
    /* for each parameter: missing jobs with a value that no new job has, and the first of those */
    size_t jobs[PARAM_COUNT];
    char *value[PARAM_COUNT];
    bool builtin; /* some have the built-in network */
};

static void difference_release(struct difference *d)
{
    for (int i = 0; i < PARAM_COUNT; i++)
        free(d->value[i]);
}

static int index_ids(const struct job_list *list, struct name_index *ids, struct error *err)
{
    int status = 0;
    size_t number;
    bool is_new;
    for (size_t i = 0; i < list->count && status == 0; i++)
        status = name_index_add(ids, list->jobs[i].id, &number, &is_new, err);
    return status;
}

/* The jobs of the store that are not in the index, in order. Caller frees *out. */
static int find_missing(const struct job_list *before, const struct name_index *ids,
                        struct difference *d, const struct job ***out, struct error *err)
{
    size_t value;
    const struct job **missing = malloc((before->count + 1) * sizeof *missing);
    if (!missing)
        return fail_memory(err);
    for (size_t i = 0; i < before->count; i++) {
        const struct job *job = &before->jobs[i];
        if (name_index_find(ids, job->id, &value))
            continue;
        missing[d->missing++] = job;
        d->builtin = d->builtin || strcmp(job->params.weights, "builtin") == 0;
        size_t used = strlen(d->ids);
        if (d->missing <= NAMED_MAX)
            snprintf(d->ids + used, sizeof d->ids - used, "%s%s", used ? ", " : "", job->id);
    }
    *out = missing;
    return 0;
}

static int index_values(const struct job_list *list, enum param_id id, struct name_index *values,
                        struct error *err)
{
    int status = 0;
    for (size_t i = 0; i < list->count && status == 0; i++) {
        size_t number;
        bool is_new;
        char *text = params_format(&list->jobs[i].params, id);
        status = text ? name_index_add(values, text, &number, &is_new, err) : fail_memory(err);
        free(text);
    }
    return status;
}

static int compare_parameter(const struct job *const *missing, const struct job_list *list,
                             enum param_id id, struct difference *d, struct error *err)
{
    struct name_index values = {0};
    int status = index_values(list, id, &values, err);
    for (size_t i = 0; i < d->missing && status == 0; i++) {
        size_t number;
        char *text = params_format(&missing[i]->params, id);
        if (!text)
            status = fail_memory(err);
        else if (!name_index_find(&values, text, &number) && d->jobs[id]++ == 0) {
            d->value[id] = text;
            text = NULL;
        }
        free(text);
    }
    name_index_release(&values);
    return status;
}

static int find_difference(const struct job_list *before, const struct job_list *list,
                           struct difference *d, struct error *err)
{
    int status = 0;
    struct name_index ids = {0};
    const struct job **missing = NULL;
    TRY(index_ids(list, &ids, err));
    TRY(find_missing(before, &ids, d, &missing, err));
    for (int i = 0; i < PARAM_COUNT && d->missing > 0; i++)
        if (param_table[i].scope == SCOPE_JOB)
            TRY(compare_parameter(missing, list, (enum param_id)i, d, err));
done:
    free(missing);
    name_index_release(&ids);
    return status;
}

/* "style_weight 3 is gone (12 jobs), content '/a.jpg' is gone (4 jobs)", or what else it may be. */
static void describe(const struct difference *d, char *text, size_t size)
{
    int named = 0;
    text[0] = 0;
    for (int i = 0; i < PARAM_COUNT && named < NAMED_MAX; i++) {
        size_t used = strlen(text);
        bool is_text = d->value[i] && param_table[i].type <= PARAM_LAYERS;
        if (d->jobs[i] == 0)
            continue;
        snprintf(text + used, size - used, "%s%s %s%.200s%s is gone (%zu job%s)",
                 named++ ? ", " : "", param_table[i].name, is_text ? "'" : "", d->value[i],
                 is_text ? "'" : "", d->jobs[i], d->jobs[i] == 1 ? "" : "s");
    }
    if (named == 0)
        snprintf(text, size,
                 "each of their values is still there: rows are gone, or a picture or "
                 "the weights have changed%s",
                 d->builtin ? " (before version 0.2 the built-in network was an untrained one: "
                              "weights: random:0 goes on with that)"
                            : "");
}

static int refuse_difference(const struct store *store, const struct job_list *list,
                             const struct difference *d, struct error *err)
{
    char what[700];
    describe(d, what, sizeof what);
    return fail(
        err, E_INPUT,
        "the store '%s' has %zu job%s that '%s' lacks (%s%s): %s. Keep the old rows, choose "
        "another store, or give --replace",
        store->folder, d->missing, d->missing == 1 ? "" : "s", list->file, d->ids,
        d->missing > NAMED_MAX ? ", ..." : "", what);
}

/* --- writing --- */

static int write_whole(const char *path, const char *text, size_t bytes, struct error *err)
{
    struct publication publication = {0};
    int status = publish_begin(path, &publication, err);
    if (status == 0)
        status = publish_write(&publication, text, bytes, err);
    if (status == 0)
        return publish_commit(&publication, err);
    publish_abort(&publication);
    return status;
}

static int write_if_changed(const char *path, const char *text, size_t bytes, struct error *err)
{
    char *before;
    size_t before_bytes;
    int status = files_read(path, &before, &before_bytes, err);
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

/* Which a person may have named over a link; one that was a pipe cannot be read again. */
static int copy_given(const char *path, const struct job_list *list, struct error *err)
{
    char *text = NULL, *real = realpath(list->file, NULL);
    size_t bytes;
    int status = real ? files_read(real, &text, &bytes, err) : 0;
    if (status == E_INPUT)
        status = 0;
    if (status == 0 && text)
        status = write_if_changed(path, text, bytes, err);
    free(text);
    free(real);
    return status;
}

/* Keeps the file as given, in place of one of the other kind. The store's own manifest, given back
 * to it, says nothing new. */
static int keep_given(const struct store *store, const struct job_list *list, const char *manifest,
                      struct error *err)
{
    int status = 0;
    bool sweep = list->source == JOBS_FROM_SWEEP;
    char *path = store_path(store, sweep ? STORE_SWEEP : STORE_SWEEP_ROWS);
    char *other = store_path(store, sweep ? STORE_SWEEP_ROWS : STORE_SWEEP);
    if (!path || !other) {
        status = fail_memory(err);
        goto done;
    }
    if (files_are_same(list->file, manifest) || files_are_same(list->file, path))
        goto done;
    TRY(copy_given(path, list, err));
    if (files_unlink(other) != 0 && errno != ENOENT)
        status = fail_errno(err, "cannot remove '%s'", other);
done:
    free(path);
    free(other);
    return status;
}

/* An empty one, or one of zeros, is what a power cut leaves of a file: it says nothing. */
static int has_manifest(const struct store *store, bool *has, struct error *err)
{
    char *text = NULL, *path = store_path(store, STORE_MANIFEST);
    size_t bytes;
    int status = path ? files_read(path, &text, &bytes, err) : fail_memory(err);
    if (status == 0)
        *has = text && text[0];
    free(text);
    free(path);
    return status;
}

int store_sweep_check(const struct store *store, const struct job_list *list, struct error *err)
{
    int status = 0;
    bool has = false;
    struct job_list before = {0};
    struct difference d = {0};
    TRY(has_manifest(store, &has, err));
    if (!has)
        goto done;
    TRY(store_sweep_read(store, &before, err));
    TRY(find_difference(&before, list, &d, err));
    if (d.missing > 0)
        status = refuse_difference(store, list, &d, err);
done:
    difference_release(&d);
    job_list_release(&before);
    return status;
}

int store_sweep_take(const struct store *store, const struct job_list *list, bool replace,
                     struct error *err)
{
    int status = 0;
    char *manifest = store_path(store, STORE_MANIFEST);
    if (!manifest)
        return fail_memory(err);
    if (!replace)
        TRY(store_sweep_check(store, list, err));
    TRY(keep_given(store, list, manifest, err));
    TRY(write_manifest(manifest, list, err));
done:
    free(manifest);
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
