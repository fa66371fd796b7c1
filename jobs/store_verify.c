#include "store_verify.h"

#include "failure.h"
#include "files.h"
#include "identity.h"
#include "image.h"
#include "inputs.h"
#include "result_stream.h"
#include "start.h"
#include "store_sweep.h"
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int fail_memory(struct error *err) { return fail(err, E_ENVIRONMENT, "not enough memory"); }

const char *finding_word(enum finding_kind kind)
{
    static const char *const words[FINDINGS] = {"damaged", "stale", "missing", "unlisted"};
    return words[kind];
}

/* All that the checks share. */
struct verifier {
    const struct store *store;
    const struct verify_hooks *hooks;
    struct job_list jobs;
    const struct job **by_id; /* [jobs.count], ascending */
    struct store_scan scan;
    struct inputs inputs; /* digests of the files that jobs name */
    struct verification found;
    size_t room, checked, results;
};

static int compare_jobs(const void *a, const void *b)
{
    return strcmp((*(const struct job *const *)a)->id, (*(const struct job *const *)b)->id);
}

static const struct job *find_job(const struct verifier *v, const char *id)
{
    struct job key;
    const struct job *wanted = &key;
    memcpy(key.id, id, JOB_ID_TEXT);
    const struct job **found = v->jobs.count == 0 ? NULL
                                                  : bsearch(&wanted, v->by_id, v->jobs.count,
                                                            sizeof *v->by_id, compare_jobs);
    return found ? *found : NULL;
}

static int add_finding(struct verifier *v, enum finding_kind kind, const char *id, const char *why,
                       struct error *err)
{
    const struct job *job = find_job(v, id);
    if (v->found.count == v->room) {
        size_t room = v->room ? 2 * v->room : 64;
        struct finding *list = realloc(v->found.list, room * sizeof *list);
        if (!list)
            return fail_memory(err);
        v->found.list = list;
        v->room = room;
    }
    struct finding *finding = &v->found.list[v->found.count];
    *finding = (struct finding){.kind = kind, .listed = job != NULL};
    memcpy(finding->id, id, JOB_ID_TEXT);
    snprintf(finding->why, sizeof finding->why, "%s", why);
    if (job && job->name && !(finding->name = strdup(job->name)))
        return fail_memory(err);
    v->found.count++;
    v->found.kinds[kind]++;
    return 0;
}

/* --- one result: each check returns 0, or E_INPUT and what is wrong --- */

/* The parameters that a result says it was made with. One that is younger than the file has the
 * value that changes nothing. */
static int read_params(const struct hdf5_attributes *attributes, struct params *params,
                       struct error *why)
{
    int status = 0;
    for (int i = 0; i < PARAM_COUNT && status == 0; i++) {
        enum param_id id = (enum param_id)i;
        if (param_table[i].scope != SCOPE_JOB)
            continue;
        const char *text = hdf5_attributes_find(attributes, param_table[i].name);
        if (!text)
            text = job_neutral_value(id);
        status = text ? params_set(params, id, text, why)
                      : fail(why, E_INPUT, "it lacks the parameter %s", param_table[i].name);
    }
    return status;
}

static int check_identity(const struct hdf5_attributes *attributes, const char *id,
                          struct error *why)
{
    int status = 0;
    char computed[JOB_ID_TEXT];
    struct params params;
    const struct input_digests digests = {
        .content = hdf5_attributes_find(attributes, "content_sha256"),
        .style = hdf5_attributes_find(attributes, "style_sha256"),
        .init = hdf5_attributes_find(attributes, "init_sha256"),
        .weights = hdf5_attributes_find(attributes, "weights_tensor_sha256")};
    params_init(&params);
    if (!digests.content || !digests.style || !digests.weights) {
        status = fail(why, E_INPUT, "it lacks the digests of its inputs");
        goto done;
    }
    TRY(read_params(attributes, &params, why));
    if (init_is_file(params.init) && !digests.init) {
        status = fail(why, E_INPUT, "it lacks the digests of its inputs");
        goto done;
    }
    TRY(params_resolve_job(&params, why));
    TRY(job_identity(&params, &digests, computed, why));
    const char *said = hdf5_attributes_find(attributes, "id");
    if (strcmp(computed, id) != 0)
        status = fail(why, E_INPUT, "its parameters and inputs are those of job %s", computed);
    else if (!said || strcmp(said, id) != 0)
        status = fail(why, E_INPUT, "it says it is job %s", said ? said : "(none)");
done:
    params_release(&params);
    return status;
}

static int check_history(const struct result_contents *contents, struct error *why)
{
    const struct history *h = &contents->history;
    if (h->rows == 0)
        return fail(why, E_INPUT, "it has no history");
    for (size_t row = 0; row < h->rows; row++)
        if (!isfinite(history_get(h, row, H_TOTAL)))
            return fail(why, E_INPUT, "its loss is not finite in row %zu", row);
    return 0;
}

static int compare_pixels(const struct image *image, const char *path, struct error *why)
{
    struct image png = {0};
    if (image_read(path, &png, NULL, why) != 0)
        return E_INPUT;
    bool same = png.width == image->width && png.height == image->height &&
                memcmp(png.rgb, image->rgb, (size_t)png.width * (size_t)png.height * 3) == 0;
    image_release(&png);
    return same ? 0 : fail(why, E_INPUT, "its picture is not the one beside it");
}

static int check_picture(const struct verifier *v, const char *id,
                         const struct result_contents *contents, struct error *why)
{
    char digest[DIGEST_HEX];
    const char *said = hdf5_attributes_find(&contents->attributes, "picture_sha256");
    char *path = store_job_path(v->store, id, JOB_PICTURE);
    int status = 0;
    if (!path)
        return fail_memory(why);
    if (!store_entry_has(store_scan_find(&v->scan, id), JOB_PICTURE) || access(path, F_OK) != 0)
        status = fail(why, E_INPUT, "its picture is gone");
    else if (digest_file(path, digest, why) != 0)
        status = E_INPUT;
    else if (!said || strcmp(said, digest) != 0)
        status = fail(why, E_INPUT, "its picture is not the file that was published");
    else
        status = compare_pixels(&contents->image, path, why);
    free(path);
    return status;
}

static int check_contents(const struct verifier *v, const char *id,
                          const struct result_contents *contents, struct error *why)
{
    int status = 0;
    TRY(check_identity(&contents->attributes, id, why));
    TRY(check_history(contents, why));
    TRY(check_picture(v, id, contents, why));
    if (!store_entry_has(store_scan_find(&v->scan, id), JOB_LOG))
        status = fail(why, E_INPUT, "its log is gone");
    else if (contents->seal == SEAL_BROKEN)
        status = fail(why, E_INPUT,
                      "it has changed since it was written: its digest of itself is "
                      "another");
done:
    return status;
}

/* --- its inputs today --- */

/* Each file is read once, however many jobs name it. Errors: E_ENVIRONMENT; why: E_INPUT. */
static int check_image(struct verifier *v, const char *path, const char *digest, struct error *why,
                       struct error *err)
{
    size_t number;
    bool fresh_failure = false;
    struct error unread = {0};
    int status = inputs_image(&v->inputs, path, &number, &fresh_failure, &unread, err);
    if (status != 0 || why->code != 0)
        return status;
    const struct input_image *image = &v->inputs.images[number];
    if (!image->good)
        fail(why, E_INPUT, "'%s' is gone, or no picture any more", path);
    else if (strcmp(image->digest, digest) != 0)
        fail(why, E_INPUT, "'%s' has changed since", path);
    return 0;
}

static int check_inputs(struct verifier *v, const struct job *job,
                        const struct hdf5_attributes *attributes, struct error *why,
                        struct error *err)
{
    const struct {
        const char *path, *digest;
    } images[] = {{job->params.content, "content_sha256"},
                  {job->params.style, "style_sha256"},
                  {job->params.init, "init_sha256"}};
    size_t count = init_is_file(job->params.init) ? 3 : 2;
    int status = 0;
    for (size_t i = 0; i < count && status == 0; i++)
        status = check_image(v, images[i].path, hdf5_attributes_find(attributes, images[i].digest),
                             why, err);
    return status;
}

/* --- all of them --- */

static int judge(struct verifier *v, const char *id, const struct result_contents *contents,
                 const struct error *unread, struct error *err)
{
    struct error why = {0};
    const struct job *job = find_job(v, id);
    if (!contents)
        return add_finding(v, FOUND_DAMAGED, id, unread->message, err);
    int status = check_contents(v, id, contents, &why);
    if (status == E_ENVIRONMENT)
        return fail(err, status, "%s", why.message);
    if (status != 0)
        return add_finding(v, FOUND_DAMAGED, id, why.message, err);
    if (!job)
        return add_finding(v, FOUND_UNLISTED, id, "it is no job of the manifest", err);
    status = check_inputs(v, job, &contents->attributes, &why, err);
    if (status != 0)
        return status;
    if (why.code != 0)
        return add_finding(v, FOUND_STALE, id, why.message, err);
    v->found.sound++;
    return numerics_tally_add(&v->found.numerics, &contents->attributes, err);
}

static bool should_stop(void *context)
{
    const struct verify_hooks *hooks = ((const struct verifier *)context)->hooks;
    return hooks && hooks->should_stop && hooks->should_stop(hooks->context);
}

static int on_result(void *context, size_t index, const struct result_contents *contents,
                     const struct error *why, struct error *err)
{
    struct verifier *v = context;
    const struct verify_hooks *hooks = v->hooks;
    v->checked++;
    if (hooks && hooks->on_result)
        hooks->on_result(hooks->context, v->checked, v->results);
    if (should_stop(v))
        return fail(err, E_INTERRUPTED, "interrupted");
    return judge(v, v->scan.entries[index].id, contents, why, err);
}

static int check_results(struct verifier *v, struct error *err)
{
    int status = 0;
    char **paths = calloc(v->scan.count + 1, sizeof *paths);
    if (!paths)
        return fail_memory(err);
    for (size_t i = 0; i < v->scan.count; i++) {
        if (!store_entry_has(&v->scan.entries[i], JOB_RESULT))
            continue;
        v->results++;
        paths[i] = store_job_path(v->store, v->scan.entries[i].id, JOB_RESULT);
        if (!paths[i]) {
            status = fail_memory(err);
            goto done;
        }
    }
    TRY(result_stream_until((const char *const *)paths, v->scan.count,
                            RESULT_HISTORY | RESULT_IMAGE | RESULT_ATTRIBUTES | RESULT_SEAL,
                            on_result, should_stop, v, err));
done:
    for (size_t i = 0; i < v->scan.count; i++)
        free(paths[i]);
    free(paths);
    return status;
}

/* Why a job has no result, for people. */
static void explain_missing(const struct verifier *v, const struct store_entry *entry, char *why,
                            size_t size)
{
    struct failure failure = {0};
    struct error unread = {0};
    snprintf(why, size, "%s",
             store_entry_has(entry, JOB_CHECKPOINT) ? "begun, and not finished" : "not begun");
    if (!store_entry_has(entry, JOB_FAILURE))
        return;
    if (failure_read(v->store, entry->id, &failure, &unread) != 0)
        snprintf(why, size, "failed, and nobody can say why: %.200s", unread.message);
    else if (failure.id[0])
        snprintf(why, size, "it %s: %.200s", job_end_sentence(failure.end), failure.message);
    failure_release(&failure);
}

static int list_missing(struct verifier *v, struct error *err)
{
    int status = 0;
    for (size_t i = 0; i < v->jobs.count && status == 0; i++) {
        char why[sizeof v->found.list->why];
        const struct store_entry *entry = store_scan_find(&v->scan, v->by_id[i]->id);
        if (store_entry_has(entry, JOB_RESULT))
            continue;
        explain_missing(v, entry, why, sizeof why);
        status = add_finding(v, FOUND_MISSING, v->by_id[i]->id, why, err);
    }
    return status;
}

static int sort_jobs(struct verifier *v, struct error *err)
{
    v->by_id = malloc((v->jobs.count + 1) * sizeof *v->by_id);
    if (!v->by_id)
        return fail_memory(err);
    for (size_t i = 0; i < v->jobs.count; i++)
        v->by_id[i] = &v->jobs.jobs[i];
    qsort(v->by_id, v->jobs.count, sizeof *v->by_id, compare_jobs);
    return 0;
}

static int by_kind(const void *a, const void *b)
{
    const struct finding *fa = a, *fb = b;
    return fa->kind != fb->kind ? (int)fa->kind - (int)fb->kind : strcmp(fa->id, fb->id);
}

int verify_store(const struct store *store, const struct verify_hooks *hooks,
                 struct verification *out, struct error *err)
{
    int status = 0;
    struct verifier v = {.store = store, .hooks = hooks};
    TRY(store_sweep_read(store, &v.jobs, err));
    TRY(sort_jobs(&v, err));
    TRY(store_scan(store, &v.scan, err));
    TRY(check_results(&v, err));
    TRY(list_missing(&v, err));
    if (v.found.count > 0)
        qsort(v.found.list, v.found.count, sizeof *v.found.list, by_kind);
    v.found.jobs = v.jobs.count;
    *out = v.found;
    v.found = (struct verification){0};
done:
    verification_release(&v.found);
    inputs_release(&v.inputs);
    store_scan_release(&v.scan);
    free(v.by_id);
    job_list_release(&v.jobs);
    return status;
}

void verification_release(struct verification *verification)
{
    for (size_t i = 0; i < verification->count; i++)
        free(verification->list[i].name);
    free(verification->list);
    numerics_tally_release(&verification->numerics);
    *verification = (struct verification){0};
}

bool verification_good(const struct verification *verification)
{
    return verification->sound == verification->jobs;
}

/* --- repair --- */

/* The result goes first: what is left without one is replaced by the next render. */
static int remove_result(const struct store *store, const char *id, struct error *err)
{
    static const enum job_file files[] = {JOB_RESULT, JOB_PICTURE, JOB_LOG};
    int status = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files && status == 0; i++) {
        char *path = store_job_path(store, id, files[i]);
        if (!path)
            status = fail_memory(err);
        else if (files_unlink(path) != 0 && errno != ENOENT)
            status = fail_errno(err, "cannot remove '%s'", path);
        free(path);
    }
    return status;
}

int verify_repair(const struct store *store, struct verification *verification, struct error *err)
{
    for (size_t i = 0; i < verification->count; i++) {
        struct finding *finding = &verification->list[i];
        if (finding->kind != FOUND_DAMAGED || !finding->listed)
            continue;
        int status = remove_result(store, finding->id, err);
        if (status != 0)
            return status;
        finding->removed = true;
    }
    return 0;
}
