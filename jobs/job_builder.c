#include "job_builder.h"

#include "known.h"
#include "start.h"
#include "weights.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What is known of a job until its identity can be computed. */
struct pending {
    size_t content, style, init, weights; /* numbers in inputs */
    struct origin weights_place, id_place;
    char *given_id; /* or NULL */
};

static int no_memory(struct error *err) { return fail(err, E_ENVIRONMENT, "not enough memory"); }

void draft_release(struct draft *draft)
{
    params_release(&draft->params);
    free(draft->name);
    free(draft->id);
    *draft = (struct draft){0};
}

/* --- paths --- */

/* Drops "./" and repeated slashes. ".." stays: what it means depends on links. */
static void tidy(char *path)
{
    char *to = path;
    for (const char *from = path; *from;) {
        bool begins = to == path || to[-1] == '/';
        if (begins && to != path && *from == '/')
            from++;
        else if (begins && from[0] == '.' && (from[1] == '/' || !from[1]))
            from += from[1] ? 2 : 1;
        else
            *to++ = *from++;
    }
    *to = 0;
}

char *path_absolute(const char *folder, const char *path)
{
    char *absolute = NULL;
    const char *home = strncmp(path, "~/", 2) == 0 ? getenv("HOME") : NULL;
    bool is_absolute = path[0] == '/';
    int length = home          ? asprintf(&absolute, "%s%s", home, path + 1)
                 : is_absolute ? asprintf(&absolute, "%s", path)
                               : asprintf(&absolute, "%s/%s", folder, path);
    if (length < 0)
        return NULL;
    tidy(absolute);
    return absolute;
}

/* Whether `weights` names a file, rather than the built-in network or a published file. */
static bool weights_is_file(const char *name)
{
    bool builtin, known = false;
    uint64_t seed;
    char *path = NULL;
    if (weights_is_builtin(name, &builtin, &seed, NULL) != 0 || builtin)
        return false;
    known_path(name, &path, &known, NULL);
    free(path);
    return !known;
}

int job_absolute_value(const char *folder, enum param_id id, char **text, struct error *err)
{
    bool is_path = param_table[id].type == PARAM_PATH ||
                   (id == PARAM_init && init_is_file(*text)) ||
                   (id == PARAM_weights && weights_is_file(*text));
    if (!is_path)
        return 0;
    char *absolute = path_absolute(folder, *text);
    if (!absolute)
        return no_memory(err);
    free(*text);
    *text = absolute;
    return 0;
}

/* --- one job --- */

static struct origin place_of(const struct draft *draft, enum param_id id)
{
    return draft->places[id].line > 0 ? draft->places[id] : draft->origin;
}

static int make_absolute(struct job_builder *builder, struct params *params, struct error *err)
{
    int status = 0;
    TRY(job_absolute_value(builder->folder, PARAM_content, &params->content, err));
    TRY(job_absolute_value(builder->folder, PARAM_style, &params->style, err));
    TRY(job_absolute_value(builder->folder, PARAM_init, &params->init, err));
    TRY(job_absolute_value(builder->folder, PARAM_weights, &params->weights, err));
done:
    return status;
}

/* Sets *good to false where the file is no picture; complains the first time it is named. */
static int look_at_image(struct job_builder *builder, const struct draft *draft, enum param_id id,
                         size_t *number, struct image_size *size, bool *good, struct error *err)
{
    struct error why = {0};
    bool fresh;
    int status =
        inputs_image(&builder->inputs, params_text(&draft->params, id), number, &fresh, &why, err);
    if (status != 0)
        return status;
    const struct input_image *image = &builder->inputs.images[*number];
    if (fresh)
        complain(builder->complaints, place_of(draft, id), "%s: %s", param_table[id].name,
                 why.message);
    *size = image->size;
    *good = *good && image->good;
    return 0;
}

static int look_at_images(struct job_builder *builder, const struct draft *draft,
                          struct pending *pending, struct plan_sizes *sizes, bool *good,
                          struct error *err)
{
    int status = 0;
    TRY(look_at_image(builder, draft, PARAM_content, &pending->content, &sizes->content, good,
                      err));
    TRY(look_at_image(builder, draft, PARAM_style, &pending->style, &sizes->style, good, err));
    if (init_is_file(draft->params.init))
        TRY(look_at_image(builder, draft, PARAM_init, &pending->init, &sizes->init, good, err));
done:
    return status;
}

/* The given parameter that a message begins with or speaks of, or the job itself. */
static struct origin blame(const struct draft *draft, const char *message)
{
    static const struct {
        const char *words;
        enum param_id id;
    } hints[] = {
        {"raise size", PARAM_size},
        {"style_scale", PARAM_style_scale},
        {"margin", PARAM_margin},
        {"precision", PARAM_precision},
    };
    for (size_t i = 0; i < sizeof hints / sizeof *hints; i++)
        if (strstr(message, hints[i].words))
            return place_of(draft, hints[i].id);
    return draft->origin;
}

static int reserve(struct job_builder *builder, struct error *err)
{
    if (builder->list.count < builder->capacity)
        return 0;
    size_t capacity = builder->capacity ? 2 * builder->capacity : 64;
    struct job *jobs = reallocarray(builder->list.jobs, capacity, sizeof *jobs);
    if (jobs)
        builder->list.jobs = jobs;
    struct pending *pending = reallocarray(builder->pending, capacity, sizeof *pending);
    if (pending)
        builder->pending = pending;
    if (!jobs || !pending)
        return no_memory(err);
    builder->capacity = capacity;
    return 0;
}

/* Keeps what is good. */
static void keep(struct job_builder *builder, struct draft *draft, const struct plan *plan,
                 const struct pending *pending)
{
    size_t at = builder->list.count++;
    builder->list.jobs[at] = (struct job){
        .name = draft->name, .params = draft->params, .origin = draft->origin, .plan = *plan};
    builder->pending[at] = *pending;
    builder->pending[at].given_id = draft->id;
    *draft = (struct draft){0};
}

/* A row of a store's manifest: its id is believed, and no file is looked at. */
static int add_recorded(struct job_builder *builder, struct draft *draft, struct error *err)
{
    struct plan no_plan = {0};
    struct pending no_files = {0};
    if (!draft->id || !job_id_valid(draft->id)) {
        complain(builder->complaints, draft->origin, "the row has no id of 16 hex digits");
        return 0;
    }
    int status = reserve(builder, err);
    if (status == 0)
        keep(builder, draft, &no_plan, &no_files);
    return status;
}

int job_builder_add(struct job_builder *builder, struct draft *draft, struct error *err)
{
    int status = 0;
    struct error why = {0};
    struct plan plan;
    struct plan_sizes sizes = {0};
    struct pending pending = {.weights_place = place_of(draft, PARAM_weights),
                              .id_place = draft->id_origin};
    bool good = true;
    struct params *params = &draft->params;
    if (params_resolve_job(params, &why) != 0) {
        complain(builder->complaints, draft->origin, "%s", why.message);
        goto done;
    }
    TRY(make_absolute(builder, params, err));
    if (builder->recorded) {
        status = add_recorded(builder, draft, err);
        goto done;
    }
    TRY(look_at_images(builder, draft, &pending, &sizes, &good, err));
    if (!good)
        goto done;
    if (plan_make_sized(params, &sizes, &plan, &why) != 0) {
        complain(builder->complaints, blame(draft, why.message), "%s", why.message);
        goto done;
    }
    TRY(inputs_weights(&builder->inputs, params->weights, (int)params->weights_convention,
                       plan.convs, &pending.weights, err));
    TRY(reserve(builder, err));
    keep(builder, draft, &plan, &pending);
done:
    draft_release(draft);
    return status;
}

/* --- all jobs --- */

/* Complains once for each weights that cannot be had. */
static int digest_weights(struct job_builder *builder, struct error *err)
{
    for (size_t number = 0; number < builder->inputs.weights_names.count; number++) {
        bool failed;
        struct error why = {0};
        int status = inputs_digest_weights(&builder->inputs, number, &failed, &why, err);
        if (status != 0)
            return status;
        for (size_t i = 0; failed && i < builder->list.count; i++)
            if (builder->pending[i].weights == number &&
                !builder->inputs.weights[number].good[builder->list.jobs[i].plan.convs]) {
                complain(builder->complaints, builder->pending[i].weights_place, "weights: %s",
                         why.message);
                break;
            }
    }
    return 0;
}

/* An id that a spreadsheet took for a number: "1.23E+15". */
static bool looks_like_a_number(const char *id)
{
    return strspn(id, "0123456789.,Ee+-") == strlen(id) && strpbrk(id, "Ee.,+");
}

static void check_given_id(struct job_builder *builder, size_t at)
{
    const struct pending *pending = &builder->pending[at];
    const struct job *job = &builder->list.jobs[at];
    if (!pending->given_id || strcmp(pending->given_id, job->id) == 0)
        return;
    if (looks_like_a_number(pending->given_id))
        complain(builder->complaints, pending->id_place,
                 "id '%s' was turned into a number, by a spreadsheet perhaps: leave it empty, or "
                 "write %s",
                 pending->given_id, job->id);
    else
        complain(builder->complaints, pending->id_place,
                 "id '%s' is not that of this row, which is %s: a value or a file's content is not "
                 "what it was; leave id empty for a new job",
                 pending->given_id, job->id);
}

static int identify(struct job_builder *builder, size_t at, struct error *err)
{
    const struct pending *pending = &builder->pending[at];
    if (builder->recorded) {
        memcpy(builder->list.jobs[at].id, pending->given_id, JOB_ID_TEXT);
        return 0;
    }
    const struct inputs *inputs = &builder->inputs;
    struct job *job = &builder->list.jobs[at];
    struct input_digests digests = {
        .content = inputs->images[pending->content].digest,
        .style = inputs->images[pending->style].digest,
        .init = init_is_file(job->params.init) ? inputs->images[pending->init].digest : NULL,
        .weights = inputs->weights[pending->weights].digest[job->plan.convs],
    };
    return job_identity(&job->params, &digests, job->id, err);
}

/* "the files differ, but not in content: a.jpg, b.jpg" for the parameter that does so, or "". */
static void same_content(const struct job *a, const struct job *b, char *text, size_t size)
{
    static const enum param_id files[] = {PARAM_content, PARAM_style, PARAM_init, PARAM_weights};
    text[0] = 0;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        const char *one = params_text(&a->params, files[i]);
        const char *other = params_text(&b->params, files[i]);
        if (strcmp(one, other) != 0) {
            snprintf(text, size, "; '%s' and '%s' have the same content", one, other);
            return;
        }
    }
}

static int find_duplicates(struct job_builder *builder, struct error *err)
{
    int status = 0;
    struct name_index ids = {0};
    const struct job *jobs = builder->list.jobs;
    size_t *first = malloc(builder->list.count * sizeof *first); /* job of each id */
    if (!first && builder->list.count > 0)
        return no_memory(err);
    for (size_t i = 0; i < builder->list.count; i++) {
        size_t number;
        bool is_new;
        char same[600];
        TRY(name_index_add(&ids, jobs[i].id, &number, &is_new, err));
        if (is_new) {
            first[number] = i;
            continue;
        }
        same_content(&jobs[first[number]], &jobs[i], same, sizeof same);
        complain(builder->complaints, jobs[i].origin, "the same job as that of line %d%s",
                 jobs[first[number]].origin.line, same);
    }
done:
    free(first);
    name_index_release(&ids);
    return status;
}

static void find_varying(struct job_list *list)
{
    for (int id = 0; id < PARAM_COUNT; id++) {
        list->varies[id] = false;
        for (size_t i = 1; i < list->count && param_table[id].scope == SCOPE_JOB; i++)
            if (!params_same(&list->jobs[0].params, &list->jobs[i].params, (enum param_id)id)) {
                list->varies[id] = true;
                break;
            }
    }
}

int job_builder_finish(struct job_builder *builder, struct job_list *out, struct error *err)
{
    int status = 0;
    struct complaints *complaints = builder->complaints;
    TRY(digest_weights(builder, err));
    TRY(complaints_verdict(complaints, err));
    for (size_t i = 0; i < builder->list.count; i++) {
        TRY(identify(builder, i, err));
        check_given_id(builder, i);
    }
    TRY(find_duplicates(builder, err));
    if (builder->list.count == 0)
        complain(complaints, (struct origin){0}, "there is no job in it");
    TRY(complaints_verdict(complaints, err));
    builder->list.file = strdup(complaints->file);
    if (!builder->list.file)
        return no_memory(err);
    for (size_t i = 0; i < builder->list.count; i++)
        builder->list.jobs[i].origin.file = builder->list.file;
    find_varying(&builder->list);
    *out = builder->list;
    builder->list = (struct job_list){0};
done:
    return status;
}

void job_builder_release(struct job_builder *builder)
{
    for (size_t i = 0; i < builder->list.count && builder->pending; i++)
        free(builder->pending[i].given_id);
    free(builder->pending);
    inputs_release(&builder->inputs);
    job_list_release(&builder->list);
    *builder = (struct job_builder){0};
}
