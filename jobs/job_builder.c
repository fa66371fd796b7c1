#include "job_builder.h"

#include "known.h"
#include "network_name.h"
#include "start.h"
#include "weights.h"
#include "words.h"
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const enum param_id file_params[] = {PARAM_content, PARAM_style, PARAM_init, PARAM_weights};
enum { FILES = sizeof file_params / sizeof *file_params };
enum { FILE_CONTENT, FILE_STYLE, FILE_INIT, FILE_WEIGHTS };

/* What is known of a job until its identity can be computed. */
struct pending {
    size_t inputs[FILES]; /* numbers in inputs */
    struct origin places[FILES], id_place;
    char *given_id; /* or NULL */
    bool drawn;
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

/* Whether `weights` names a file, rather than a network of the program's own or a published file.
 */
static bool weights_is_file(const char *name)
{
    bool known = false;
    enum network_kind kind;
    uint64_t seed;
    char *path = NULL;
    if (network_name_parse(name, &kind, &seed, NULL) != 0 || kind != NETWORK_FILE)
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

/* --- names --- */

/* The nearest among the JOB parameters and the words. */
static void nearest_name(const char *name, const char *const *words, int count, char *text,
                         size_t size)
{
    const char *names[PARAM_COUNT + 8];
    int used = 0;
    for (; used < count; used++)
        names[used] = words[used];
    for (int i = 0; i < PARAM_COUNT; i++)
        if (param_table[i].scope == SCOPE_JOB)
            names[used++] = param_table[i].name;
    words_nearest(name, names, (size_t)used, text, size);
}

/* Whose option a RUN parameter is. A store keeps one picture of a job and replaces none. */
static const char *command_of(enum param_id id)
{
    static const enum param_id of_batch[] = {PARAM_output, PARAM_threads, PARAM_checkpoint_seconds,
                                             PARAM_dry_run, PARAM_quiet};
    for (size_t i = 0; i < sizeof of_batch / sizeof *of_batch; i++)
        if (of_batch[i] == id)
            return "batch";
    return "render";
}

bool job_find_param(struct complaints *complaints, const char *what, const char *const *words,
                    int word_count, const char *name, struct origin origin, enum param_id *id)
{
    char nearest[128];
    assert(word_count <= 8);
    if (params_find(name, id, NULL) != 0) {
        nearest_name(name, words, word_count, nearest, sizeof nearest);
        complain(complaints, origin, "unknown %s '%s'%s%s", what, name,
                 nearest[0] ? "; nearest: " : "", nearest);
        return false;
    }
    if (param_table[*id].scope == SCOPE_RUN) {
        complain(complaints, origin,
                 "%s says how a picture is made, not which: it is an option of 'atelier %s', no %s",
                 param_table[*id].name, command_of(*id), what);
        return false;
    }
    return true;
}

/* --- one job --- */

static struct origin place_of(const struct draft *draft, enum param_id id)
{
    return draft->places[id].line > 0 ? draft->places[id] : draft->origin;
}

static int make_absolute(struct job_builder *builder, struct params *params, struct error *err)
{
    int status = 0;
    char **texts[FILES] = {&params->content, &params->style, &params->init, &params->weights};
    for (int i = 0; i < FILES && status == 0; i++)
        status = job_absolute_value(builder->folder, file_params[i], texts[i], err);
    return status;
}

int job_builder_look_at(struct job_builder *builder, enum param_id id, const char *path,
                        struct origin origin, size_t *number, struct error *err)
{
    struct error why = {0};
    bool fresh;
    int status = inputs_image(&builder->inputs, path, number, &fresh, &why, err);
    if (status == 0 && fresh)
        complain(builder->complaints, origin, "%s: %s", param_table[id].name, why.message);
    return status;
}

/* *good becomes false where a file is no picture. */
static int look_at_images(struct job_builder *builder, const struct params *params,
                          struct pending *pending, struct plan_sizes *sizes, bool *good,
                          struct error *err)
{
    struct image_size *all[] = {&sizes->content, &sizes->style, &sizes->init};
    int images = init_is_file(params->init) ? 3 : 2;
    for (int i = 0; i < images; i++) {
        int status =
            job_builder_look_at(builder, file_params[i], params_text(params, file_params[i]),
                                pending->places[i], &pending->inputs[i], err);
        if (status != 0)
            return status;
        const struct input_image *image = &builder->inputs.images[pending->inputs[i]];
        *all[i] = image->size;
        *good = *good && image->good;
    }
    return 0;
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
    struct pending pending = {.id_place = draft->id_origin, .drawn = draft->drawn};
    bool good = true;
    struct params *params = &draft->params;
    for (int i = 0; i < FILES; i++)
        pending.places[i] = place_of(draft, file_params[i]);
    if (params_resolve_job(params, &why) != 0) {
        complain(builder->complaints, draft->origin, "%s", why.message);
        goto done;
    }
    TRY(make_absolute(builder, params, err));
    if (builder->recorded) {
        status = add_recorded(builder, draft, err);
        goto done;
    }
    TRY(look_at_images(builder, params, &pending, &sizes, &good, err));
    if (!good)
        goto done;
    if (plan_make_sized(params, &sizes, &plan, &why) != 0) {
        complain(builder->complaints, blame(draft, why.message), "%s", why.message);
        goto done;
    }
    TRY(inputs_weights(&builder->inputs, params->weights, (int)params->weights_convention,
                       plan.convs, &pending.inputs[FILE_WEIGHTS], err));
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
            if (builder->pending[i].inputs[FILE_WEIGHTS] == number &&
                !builder->inputs.weights[number].good[builder->list.jobs[i].plan.convs]) {
                complain(builder->complaints, builder->pending[i].places[FILE_WEIGHTS],
                         "weights: %s", why.message);
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
        .content = inputs->images[pending->inputs[FILE_CONTENT]].digest,
        .style = inputs->images[pending->inputs[FILE_STYLE]].digest,
        .init = init_is_file(job->params.init) ? inputs->images[pending->inputs[FILE_INIT]].digest
                                               : NULL,
        .weights = inputs->weights[pending->inputs[FILE_WEIGHTS]].digest[job->plan.convs],
    };
    return job_identity(&job->params, &digests, job->id, err);
}

/* Complains at the copy of a file, where that is the reason, else at the later job. */
static void complain_duplicate(struct job_builder *builder, size_t first, size_t again)
{
    const struct job *a = &builder->list.jobs[first], *b = &builder->list.jobs[again];
    for (int i = 0; i < FILES; i++) {
        const char *one = params_text(&a->params, file_params[i]);
        const char *other = params_text(&b->params, file_params[i]);
        if (strcmp(one, other) == 0)
            continue;
        complain(builder->complaints, builder->pending[again].places[i],
                 "the same job as that of line %d: '%s' and '%s' have the same content",
                 a->origin.line, one, other);
        return;
    }
    complain(builder->complaints, b->origin, "the same job as that of line %d", a->origin.line);
}

static void drop(struct job_builder *builder, size_t at)
{
    params_release(&builder->list.jobs[at].params);
    free(builder->list.jobs[at].name);
    free(builder->pending[at].given_id);
}

/* Draws that came out as an earlier one did are left out; other duplicates are somebody's slip. */
static int find_duplicates(struct job_builder *builder, struct error *err)
{
    int status = 0;
    struct name_index ids = {0};
    size_t kept = 0, dropped = 0;
    for (size_t i = 0; i < builder->list.count; i++) {
        size_t first;
        bool is_new;
        TRY(name_index_put(&ids, builder->list.jobs[i].id, kept, &first, &is_new, err));
        if (!is_new && builder->pending[i].drawn) {
            drop(builder, i);
            dropped++;
            continue;
        }
        if (!is_new)
            complain_duplicate(builder, first, i);
        builder->list.jobs[kept] = builder->list.jobs[i];
        builder->pending[kept++] = builder->pending[i];
    }
    builder->list.count = kept;
    if (dropped > 0)
        complain_note(builder->complaints, builder->draws_place,
                      "%zu of the draws came out as an earlier one did and are left out", dropped);
done:
    name_index_release(&ids);
    return status;
}

/* --- what changes nothing --- */

/* When a parameter has no effect on a render. Such jobs differ in id, and give the same picture. */
static bool is_lbfgs(const struct params *p) { return p->optimizer == OPTIMIZER_LBFGS; }
static bool is_adam(const struct params *p) { return p->optimizer == OPTIMIZER_ADAM; }
static bool no_content(const struct params *p) { return p->content_weight == 0; }
static bool no_style(const struct params *p) { return p->style_weight == 0; }
static bool no_noise(const struct params *p) { return strcmp(p->init, "noise") != 0; }

static const struct {
    enum param_id id;
    bool (*idle)(const struct params *params);
    const char *because;
} idle_cases[] = {
    {PARAM_learning_rate, is_lbfgs, "optimizer lbfgs"},
    {PARAM_lbfgs_memory, is_adam, "optimizer adam"},
    {PARAM_content_layers, no_content, "content_weight 0"},
    {PARAM_style_layers, no_style, "style_weight 0"},
    {PARAM_seed, no_noise, "init is not noise"},
};

/* A sweep over something that changes nothing costs hours and looks like a result. */
static void note_idle_parameters(struct job_builder *builder)
{
    const struct job_list *list = &builder->list;
    for (size_t c = 0; c < sizeof idle_cases / sizeof *idle_cases; c++) {
        size_t idle = 0;
        for (size_t i = 0; i < list->count && list->varies[idle_cases[c].id]; i++)
            idle += idle_cases[c].idle(&list->jobs[i].params);
        if (idle > 1)
            complain_note(builder->complaints, (struct origin){0},
                          "%s varies, but has no effect on %zu of the %zu jobs (%s)",
                          param_table[idle_cases[c].id].name, idle, list->count,
                          idle_cases[c].because);
    }
}

static void release_pending(struct job_builder *builder)
{
    for (size_t i = 0; i < builder->list.count && builder->pending; i++)
        free(builder->pending[i].given_id);
    free(builder->pending);
    builder->pending = NULL;
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
    job_list_find_varying(&builder->list);
    note_idle_parameters(builder);
    release_pending(builder);
    *out = builder->list;
    builder->list = (struct job_list){0};
done:
    return status;
}

void job_builder_release(struct job_builder *builder)
{
    release_pending(builder);
    inputs_release(&builder->inputs);
    job_list_release(&builder->list);
    *builder = (struct job_builder){0};
}
