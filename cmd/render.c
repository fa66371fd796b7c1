/* atelier render: one picture. */
#include "command.h"

#include "clock.h"
#include "estimate.h"
#include "facts.h"
#include "finished.h"
#include "human.h"
#include "into.h"
#include "leash.h"
#include "memory.h"
#include "numbers.h"
#include "numerics.h"
#include "options.h"
#include "outlet.h"
#include "outputs.h"
#include "progress.h"
#include "renderer.h"
#include "result.h"
#include "start.h"
#include "stop.h"
#include "threads.h"
#include "weights.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a render is told beside its parameters. */
struct errand {
    const char *into, *id, *name; /* the store, the job; NULL: none */
    const char *pictures[2];      /* content and style, where they came without their options */
};

/* Everything one render holds. */
struct work {
    struct params params;
    struct option options[PARAM_COUNT];
    struct errand errand;
    struct into into; /* in use if there is a store */
    bool done_before, done_elsewhere;
    struct finished finished; /* what stands at --output */
    struct plan plan;
    struct outputs outputs;
    struct vgg19_weights weights;
    struct facts facts;
    struct checkpoint going_on; /* state and history, from a checkpoint or new */
    struct progress progress;
    struct image image;
    enum optimiser_end end;
    double started;
    double checkpoint_written; /* clock */
    bool checkpoint_current;   /* the state in memory is the one on disk */
    bool checkpoint_there;     /* one of this render is on disk */
    int64_t shown;             /* last outer iteration that on_state was told of */
    double row_told;           /* clock, when the leash's holder was told of a row */
};

/* A picture that stands without its option. */
static void take_picture(struct work *work, const struct form *form, enum param_id id, size_t index,
                         struct complaints *complaints)
{
    struct error error;
    const char *name = param_table[id].name;
    if (index >= form->operands.count)
        return;
    const char *picture = form->operands.list[index];
    if (work->params.source[id] == SOURCE_GIVEN)
        complain(complaints, (struct origin){0}, "there are two %s pictures: '%s', and --%s '%s'",
                 name, picture, name, params_text(&work->params, id));
    else if (params_set(&work->params, id, picture, &error) != 0)
        complain(complaints, (struct origin){0}, "%s", error.message);
}

static void check_files(const struct work *work, struct complaints *complaints)
{
    static const enum param_id inputs[] = {PARAM_content, PARAM_style};
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs; i++)
        if (work->params.source[inputs[i]] == SOURCE_GIVEN &&
            access(params_text(&work->params, inputs[i]), R_OK) != 0)
            complain(complaints, (struct origin){0}, "cannot open the %s picture '%s': %s",
                     param_table[inputs[i]].name, params_text(&work->params, inputs[i]),
                     strerror(errno));
}

/* Words behind unknown options may be the pictures that seem to be missing. */
static void check_required(const struct work *work, const struct form *form,
                           struct complaints *complaints)
{
    size_t doubtful = form->operands.doubtful;
    for (int id = 0; id < PARAM_COUNT; id++) {
        bool picture = id == PARAM_content || id == PARAM_style;
        if (param_table[id].text || work->params.source[id] == SOURCE_GIVEN ||
            (id == PARAM_output && work->errand.into))
            continue;
        if (picture && doubtful > 0)
            doubtful--;
        else
            complain(complaints, (struct origin){0}, "%s is missing: %s", param_table[id].name,
                     param_table[id].help);
    }
}

static void check_errand(const struct work *work, struct complaints *complaints)
{
    const struct errand *e = &work->errand;
    struct origin line = {0};
    if (e->into && work->params.source[PARAM_output] == SOURCE_GIVEN)
        complain(complaints, line, "--into and --output exclude each other");
    if (e->into && !e->id)
        complain(complaints, line, "--into needs --id, the job's id");
    if (!e->into && (e->id || e->name))
        complain(complaints, line, "--%s needs --into, the job's store", e->id ? "id" : "name");
    if (e->into && work->params.overwrite)
        complain(complaints, line,
                 "--overwrite does not go with --into: a store replaces no result");
    if (e->into && work->params.source[PARAM_save_every] == SOURCE_GIVEN &&
        work->params.save_every > 0)
        complain(complaints, line,
                 "--save-every does not go with --into: a store keeps one picture of a job");
}

static void check(void *context, const struct form *form, struct complaints *complaints)
{
    struct work *work = context;
    take_picture(work, form, PARAM_content, 0, complaints);
    take_picture(work, form, PARAM_style, 1, complaints);
    check_required(work, form, complaints);
    check_errand(work, complaints);
    if (complaints->errors > 0)
        check_files(work, complaints);
}

static void print_tables(FILE *to)
{
    options_print_presets(to);
    fputc('\n', to);
    options_print_layers(to);
}

static void describe(struct work *work, struct form *form)
{
    struct errand *errand = &work->errand;
    const struct argument rows[] = {
        OPTION("into", TEXT, &errand->into, "STORE",
               "render a job of this store, in place of --output"),
        OPTION("id", TEXT, &errand->id, "ID", "the job's id, which must be that of the parameters"),
        OPTION("name", TEXT, &errand->name, "TEXT", "the job's name, for its result")};
    *form = (struct form){
        .usage = "CONTENT STYLE -o FILE.png [options]\n"
                 "--content FILE --style FILE --output FILE.png [options]\n"
                 "--content FILE --style FILE --into STORE --id ID [options]",
        .text =
            "Renders the content picture in the style of the other, writes FILE.png and, beside "
            "it,\n"
            "FILE.h5 with the loss history and all that made it. Interrupted (Ctrl-C, SIGTERM,\n"
            "SIGUSR1) it leaves FILE.checkpoint.h5 and exits with 75; the same command goes on.\n"
            "The third form makes one job of a sweep, as its log's first line says.",
        .operands = {.list = errand->pictures,
                     .max = 2,
                     .names = "CONTENT STYLE and no more; the "
                              "picture to write comes after -o",
                     .words = "FILE"},
        .check = check,
        .context = work,
        .tables = print_tables,
        .exit_codes = "0 done; 1 the search diverged; 2 wrong input; 3 disk or memory; 75 "
                      "interrupted, the same command goes on",
    };
    options_add(&work->params, work->options, form);
    form_part(form, "a job of a store");
    form_add(form, rows, sizeof rows / sizeof *rows);
}

void describe_render(struct form *form)
{
    static struct work work;
    describe(&work, form);
}

static const double row_every_s = 0.2;

/* --- before: parse, validate --- */

static void print_plan(const struct work *work, FILE *out)
{
    const struct params *p = &work->params;
    const struct plan *plan = &work->plan;
    char memory[HUMAN_TEXT], available[HUMAN_TEXT], margin[48] = "";
    char *preset = params_format(p, PARAM_preset), *pooling = params_format(p, PARAM_pooling);
    char *optimizer = params_format(p, PARAM_optimizer);
    if (plan->margin)
        snprintf(margin, sizeof margin, " + %d px margin", plan->margin);
    fprintf(out, "%s in the style of %s\n", p->content, p->style);
    fprintf(out, "  picture  %d x %d px%s; style %d x %d px\n", plan->width, plan->height, margin,
            plan->style_width, plan->style_height);
    fprintf(out, "  losses   %s: content %g at %s, style %g at %s, tv %g\n", preset,
            p->content_weight, plan->content.count ? p->content_layers : "no layer",
            p->style_weight, plan->style.count ? p->style_layers : "no layer", p->tv_weight);
    fprintf(out, "  network  %s, %d convolutions, %s pooling\n", p->weights, plan->convs, pooling);
    fprintf(out, "  search   %s from %s, %lld x about %lld evaluations\n", optimizer, p->init,
            (long long)p->iterations, (long long)p->maxfun);
    fprintf(out, "  machine  %d thread%s, %s, about %s of memory (%s free)\n", threads_count(),
            threads_count() == 1 ? "" : "s", numerics_instruction_set(),
            human_bytes(plan->memory_bytes, memory), human_bytes(memory_available(), available));
    if (work->finished.state == FINISHED_OTHER || work->finished.state == FINISHED_UNKNOWN)
        fprintf(out, "  replaces %s: %s\n", work->outputs.picture, work->finished.why);
    if (p->verbose) {
        char engines[256];
        network_engines(plan->convs, plan_arithmetic(p), engines, sizeof engines);
        fprintf(out, "  engines  %s\n", engines);
    }
    free(preset);
    free(pooling);
    free(optimizer);
}

/* Known where this machine has been measured. */
static void print_time(const struct work *work, FILE *out)
{
    double seconds;
    char duration[HUMAN_TEXT];
    if (estimate_render(&work->params, &work->plan, &seconds))
        fprintf(out, "  time     about %s, %sby this machine's measurements\n",
                human_duration(seconds, duration),
                work->params.tolerance > 0 ? "at the whole budget, " : "");
    else
        fprintf(out, "  time     not known: 'atelier plan SWEEP' measures this machine, once\n");
}

/* What is there is kept under another name, and the render starts over. */
static int set_aside(struct work *work, const char *why, struct error *err)
{
    int status = 0;
    const struct outputs *outputs = &work->outputs;
    if (work->params.dry_run) {
        progress_warn(&work->progress, "  would start over: '%s' %s", outputs->checkpoint, why);
        return 0;
    }
    TRY(outputs_set_aside(outputs, err));
    progress_warn(&work->progress, "  starting over: '%s' %s; kept as '%s'", outputs->checkpoint,
                  why, outputs->aside);
    leash_say("note starting over: its checkpoint %s", why);
done:
    return status;
}

static void say_resuming(struct work *work)
{
    const struct render_state *state = &work->going_on.state;
    progress_say(&work->progress, "  resuming after outer iteration %lld, %lld evaluations",
                 (long long)state->iteration, (long long)state->evaluations);
}

static void say_mixed(struct work *work, const char *difference)
{
    static const char text[] = "going on with work that was computed otherwise (%s): the bytes "
                               "will not be those of an undisturbed run";
    char line[640];
    snprintf(line, sizeof line, text, difference);
    progress_warn(&work->progress, "  %s", line);
    leash_say("note %s", line);
}

/* The checkpoint is of this picture: from here on it is what the render goes on from. */
static int take_checkpoint(struct work *work, bool otherwise, char *difference, size_t size,
                           struct error *err)
{
    int status = 0;
    char why[640];
    struct history columns = {0};
    struct checkpoint *there = &work->going_on;
    TRY(objective_history(&work->plan, &columns, err));
    if (checkpoint_fits(there, work->plan.full_height, work->plan.full_width,
                        work->params.optimizer == OPTIMIZER_ADAM, &columns, difference, size)) {
        work->checkpoint_there = true;
        say_resuming(work);
        if (otherwise)
            say_mixed(work, difference);
        if (there->numerics_before)
            facts_add_numerics_before(&work->facts, there->numerics_before);
    } else {
        checkpoint_release(there);
        snprintf(why, sizeof why, "cannot be used: %s", difference);
        status = set_aside(work, why, err);
    }
done:
    history_release(&columns);
    return status;
}

/* Does a checkpoint stand there, and can it be gone on from? */
static int look_for_checkpoint(struct work *work, struct error *err)
{
    enum checkpoint_verdict verdict;
    char difference[512], why[640];
    if (work->params.fresh)
        return 0;
    int status = checkpoint_read(work->outputs.checkpoint, &work->params, work->facts.list,
                                 work->facts.count, &work->going_on, &verdict, difference,
                                 sizeof difference, err);
    if (status != 0)
        return status;
    switch (verdict) {
    case CHECKPOINT_NONE:
        break;
    case CHECKPOINT_GOOD:
    case CHECKPOINT_NUMERICS:
        return take_checkpoint(work, verdict == CHECKPOINT_NUMERICS, difference, sizeof difference,
                               err);
    case CHECKPOINT_DAMAGED:
        snprintf(why, sizeof why, "cannot be used: %s", difference);
        return set_aside(work, why, err);
    case CHECKPOINT_OTHER:
        if (work->errand.into) { /* the store's own, so nobody else's picture is at stake */
            snprintf(why, sizeof why, "is another job's: %s", difference);
            return set_aside(work, why, err);
        }
        return fail(err, E_INPUT,
                    "'%s' is the checkpoint of another picture: %s; give the same parameters to go "
                    "on with it, --fresh to start over, or another output",
                    work->outputs.checkpoint, difference);
    }
    return 0;
}

/* --- what stands at the output --- */

static int refuse_finished(const struct work *work, struct error *err)
{
    return fail(err, E_INPUT,
                "'%s' is a finished picture, and not this one: %s; choose another output, or give "
                "--overwrite to replace it",
                work->outputs.picture, work->finished.why);
}

/* A finished picture is worth more than the command that would replace it. */
static int look_for_finished(struct work *work, struct error *err)
{
    int status = 0;
    struct finished *finished = &work->finished;
    TRY(finished_look(&work->outputs, &work->params, &work->facts, finished, err));
    work->done_before = finished->state == FINISHED_SAME && !work->params.fresh;
    if (finished->state == FINISHED_OTHER && !work->params.overwrite)
        return refuse_finished(work, err);
done:
    return status;
}

/* With a checkpoint to go on from, a picture without a result is what its publishing left, and a
 * numbered picture its own. */
static int check_unknown(struct work *work, struct error *err)
{
    const struct params *p = &work->params;
    if (p->overwrite || work->going_on.state.picture)
        return 0;
    if (work->finished.state == FINISHED_UNKNOWN)
        return refuse_finished(work, err);
    char *there = p->fresh ? NULL : outputs_numbered_there(p, &work->outputs);
    if (!there)
        return 0;
    fail(err, E_INPUT,
         "'%s' is a picture of another render, and --save-every would replace it; choose another "
         "output, or give --overwrite",
         there);
    free(there);
    return E_INPUT;
}

static void say_replaced(struct work *work)
{
    if (work->params.dry_run) /* whose plan says so */
        return;
    if (work->finished.state == FINISHED_OTHER || work->finished.state == FINISHED_UNKNOWN)
        progress_say(&work->progress, "  replaces '%s': %s", work->outputs.picture,
                     work->finished.why);
}

static int look_at_output(struct work *work, struct error *err)
{
    int status = 0;
    if (!work->errand.into) {
        TRY(look_for_finished(work, err));
        if (work->done_before)
            goto done;
    }
    TRY(look_for_checkpoint(work, err));
    if (work->errand.into)
        goto done;
    TRY(check_unknown(work, err));
    say_replaced(work);
done:
    return status;
}

/* Opens the store's side of it; the log begins, unless there is nothing to do. */
static int prepare_job(int argc, char **argv, struct work *work, struct error *err)
{
    int status = 0;
    TRY(into_open(work->errand.into, work->errand.id, &work->into, &work->outputs, err));
    TRY(into_is_done(&work->into, &work->done_before, err));
    if (work->done_before || work->params.dry_run)
        goto done;
    TRY(into_begin_log(&work->into, argc, argv, &work->params, leash_held(), err));
    work->progress.log = work->into.said;
    if (work->into.captured)
        work->progress.quiet = work->progress.mute = true;
done:
    return status;
}

static int prepare_facts(int argc, char **argv, struct work *work, struct error *err)
{
    int status = 0;
    struct into *into = &work->into;
    TRY(facts_begin(argc, argv, &work->params, &work->plan, &work->weights, &work->facts, err));
    if (!work->errand.into)
        goto done;
    TRY(facts_add_job(&work->facts, &work->weights, into->id, work->errand.name,
                      into_failed_attempts(into) + 1, err));
    TRY(into_check_identity(into, &work->params, &work->facts, err));
done:
    return status;
}

/* What the network is taken to expect, where that is a guess; known once it is loaded. */
static void print_guess(const struct work *work, FILE *out)
{
    const struct vgg19_weights *weights = &work->weights;
    if (weights->guessed)
        fprintf(out, "  input    %s (guessed from %s; --weights-convention wins over it)\n",
                weights->convention, weights->guessed);
    if (weights->by_shape)
        fprintf(out,
                "  layers   guessed: which tensor is which is told by shapes and order alone\n");
}

static void show_guess(const struct work *work)
{
    if (!work->progress.quiet && !work->params.dry_run)
        print_guess(work, stderr);
    if (work->progress.log)
        print_guess(work, work->progress.log);
}

static void show_plan(const struct work *work)
{
    if (!work->progress.quiet && !work->params.dry_run)
        print_plan(work, stderr);
    if (work->progress.log)
        print_plan(work, work->progress.log);
}

/* Finds out all that can be wrong before any work is done. */
static int prepare(int argc, char **argv, struct work *work, struct error *err)
{
    int status = 0;
    bool job = work->errand.into != NULL;
    TRY(job ? params_resolve_job(&work->params, err) : params_resolve(&work->params, err));
    stop_install();
    threads_use((int)work->params.threads);
    progress_init(&work->progress, &work->params);
    TRY(job ? prepare_job(argc, argv, work, err)
            : outputs_claim(&work->params, &work->outputs, err));
    if (work->done_before)
        goto done;
    TRY(plan_make(&work->params, &work->plan, err));
    TRY(plan_check_memory(&work->params, &work->plan, memory_available(), err));
    show_plan(work);
    TRY(weights_load(work->params.weights, work->params.weights_convention, work->plan.convs,
                     &work->weights, err));
    show_guess(work);
    TRY(prepare_facts(argc, argv, work, err));
    TRY(look_at_output(work, err));
    if (!work->going_on.state.picture)
        TRY(objective_history(&work->plan, &work->going_on.history, err));
done:
    return status;
}

/* --- during --- */

static bool on_should_stop(void *context)
{
    (void)context;
    return stop_requested();
}

static void on_ready(void *context, double target_seconds)
{
    struct work *work = context;
    const struct plan *plan = &work->plan;
    const struct params *p = &work->params;
    char each[HUMAN_TEXT], all[HUMAN_TEXT];
    double evaluation = plan->target_flop > 0 ? target_seconds * plan->flop / plan->target_flop : 0;
    double left = (double)(p->iterations * p->maxfun - work->going_on.state.evaluations);
    if (p->iterations > 0 && evaluation > 0 && left > 0)
        progress_say(&work->progress, "  time     about %s an evaluation, so at most about %s",
                     human_duration(evaluation, each), human_duration(left * evaluation, all));
    progress_start(&work->progress, work->going_on.state.evaluations);
    leash_say("ready %.6g", target_seconds);
}

static void on_note(void *context, const char *path, const char *note)
{
    struct work *work = context;
    progress_say(&work->progress, "  note     %s: %s", path, note);
}

/* Whoever holds the leash is told often enough to show a live line. */
static void tell_row(struct work *work, const struct history *history)
{
    double now = clock_seconds();
    size_t row = history->rows - 1;
    if (now - work->row_told < row_every_s)
        return;
    work->row_told = now;
    leash_say("row %.0f %.0f %.9g", history_get(history, row, H_ITERATION),
              history_get(history, row, H_EVALUATION), history_get(history, row, H_TOTAL));
}

static void on_handover(void *context, int64_t iteration)
{
    struct work *work = context;
    progress_say(&work->progress, "  auto     goes on in float32 after outer iteration %lld",
                 (long long)iteration);
}

static void on_row(void *context, const struct history *history)
{
    struct work *work = context;
    progress_row(&work->progress, history);
    tell_row(work, history);
}

static int write_checkpoint(struct work *work, const struct render_state *state,
                            const struct history *history, struct error *err)
{
    struct result result = {.params = &work->params,
                            .facts = work->facts.list,
                            .fact_count = work->facts.count,
                            .history = history,
                            .state = state};
    work->checkpoint_written = clock_seconds();
    leash_check();
    int status = result_write(work->outputs.checkpoint, &result, err);
    work->checkpoint_current = status == 0;
    work->checkpoint_there |= status == 0;
    return status;
}

/* An outer iteration ended here. A numbered picture comes after a checkpoint, by which the same
 * command knows it for its own. */
static int show_outer(struct work *work, const struct render_state *state,
                      const struct history *history, struct error *err)
{
    int status;
    work->shown = state->iteration;
    progress_outer(&work->progress, history);
    if (work->params.save_every == 0 || state->iteration == 0 ||
        state->iteration % work->params.save_every != 0)
        return 0;
    if (!work->checkpoint_there && state->iteration < work->params.iterations &&
        (status = write_checkpoint(work, state, history, err)) != 0)
        return status;
    return outputs_write_numbered(&work->outputs, &work->params, &work->plan, state, history, err);
}

static int on_state(void *context, const struct render_state *state, const struct history *history,
                    bool fresh, struct error *err)
{
    struct work *work = context;
    int status = 0;
    if (fresh) {
        work->checkpoint_current = false;
        status = show_outer(work, state, history, err);
    }
    double age = clock_seconds() - work->checkpoint_written;
    if (status == 0 && !work->checkpoint_current && work->params.iterations > 0 &&
        age >= work->params.checkpoint_seconds)
        status = write_checkpoint(work, state, history, err);
    return status;
}

/* --- after --- */

/* The row of the history that the picture is of. */
static size_t picture_row(const struct work *work)
{
    const struct history *h = &work->going_on.history;
    const struct render_state *state = &work->going_on.state;
    return state->best ? history_row_of(h, state->kept_total) : h->rows - 1;
}

static void report(const struct work *work, FILE *out)
{
    const struct history *h = &work->going_on.history;
    size_t last = picture_row(work);
    char took[HUMAN_TEXT], peak[HUMAN_TEXT];
    fprintf(out, "picture  %s (%d x %d px)\n", work->outputs.picture, work->plan.width,
            work->plan.height);
    fprintf(out, "history  %s (%zu rows)\n", work->outputs.result, h->rows);
    fprintf(out, "loss     %.4g -> %.4g (content %.3g, style %.3g, tv %.3g)\n",
            history_get(h, 0, H_TOTAL), history_get(h, last, H_TOTAL),
            history_get(h, last, H_CONTENT), history_get(h, last, H_STYLE),
            history_get(h, last, H_TV));
    long long evaluations = work->going_on.state.evaluations,
              outer = work->going_on.state.iteration;
    if (last < h->rows - 1)
        fprintf(out, "best     after %.0f evaluations; the last step ended at %.4g\n",
                history_get(h, last, H_EVALUATION), history_get(h, h->rows - 1, H_TOTAL));
    fprintf(out, "ended    %s, after %lld evaluation%s in %lld outer iteration%s\n",
            optimiser_end_sentence(work->end), evaluations, evaluations == 1 ? "" : "s", outer,
            outer == 1 ? "" : "s");
    fprintf(out, "took     %s, %s of memory at most\n",
            human_duration(clock_seconds() - work->started, took),
            human_bytes(memory_peak(), peak));
}

/* The log ends with the report, and is published between the picture and the result. */
static int publish_job(struct work *work, struct staged_outputs *staged, struct error *err)
{
    report(work, work->into.said);
    return into_publish(&work->into, staged, &work->done_elsewhere, err);
}

static int write_results(struct work *work, struct error *err)
{
    int status = 0;
    struct staged_outputs staged;
    struct result result = {.params = &work->params,
                            .history = &work->going_on.history,
                            .image = &work->image,
                            .picture_row = picture_row(work)};
    if (work->going_on.state.best)
        facts_add_picture_row(&work->facts, result.picture_row, work->going_on.state.kept_total);
    facts_end(&work->facts, work->end, &work->going_on.state);
    TRY(outputs_stage(&work->outputs, &result, &work->facts, &staged, err));
    TRY(work->errand.into ? publish_job(work, &staged, err)
                          : outputs_publish(&work->outputs, &staged, err));
done:
    return status;
}

static int leave_interrupted(struct work *work, struct error *err)
{
    int status = 0;
    if (work->going_on.history.rows > 0 && !work->checkpoint_current)
        TRY(write_checkpoint(work, &work->going_on.state, &work->going_on.history, err));
    progress_say(&work->progress, "interrupted by %s after outer iteration %lld; to go on%s:\n  %s",
                 stop_signal(), (long long)work->going_on.state.iteration,
                 work->params.fresh ? ", without --fresh" : "", work->facts.command_line);
    leash_say("error %d interrupted by %s", E_INTERRUPTED, stop_signal());
    status = E_INTERRUPTED;
done:
    return status;
}

static bool failed(enum optimiser_end end) { return end == END_DIVERGED || end == END_ROSE; }

static int fail_diverged(const struct work *work, struct error *err)
{
    const struct history *h = &work->going_on.history;
    char kept[512] = "", why[256];
    if (work->end == END_ROSE)
        snprintf(why, sizeof why,
                 "the search diverged: the loss rose from %.4g to %.4g and never fell below the "
                 "start; give a smaller --learning-rate",
                 history_get(h, 0, H_TOTAL), history_get(h, h->rows - 1, H_TOTAL));
    else
        snprintf(why, sizeof why, "the loss is not finite after %lld evaluations",
                 (long long)work->going_on.state.evaluations);
    if (!work->errand.into)
        snprintf(kept, sizeof kept, "; '%.400s' is the last good picture", work->outputs.picture);
    return fail(err, E_FAILED, "%s%s", why, kept);
}

/* What a person has to know of a search that ended well, but of which nothing came. */
static const char *futility(const struct work *work, double start)
{
    if (start_is_flat(&work->plan, render_state_best(&work->going_on.state)))
        return "the start is flat, so that no direction is better than another; try --init noise";
    if (!(start > 0))
        return "the start has no loss that could be lowered; try another --init, or give another "
               "loss a weight";
    if (work->params.optimizer == OPTIMIZER_ADAM)
        return "the picture is the start; try a smaller --learning-rate";
    return "no step from the start lowers it; try another --init, or other weights";
}

/* "Done" is to mean that something good came of it. */
static void judge(struct work *work)
{
    const double least_fall = 1e-4;
    const struct history *h = &work->going_on.history;
    if (failed(work->end) || work->going_on.state.iteration == 0 || h->rows == 0)
        return;
    double start = history_get(h, 0, H_TOTAL), end = history_get(h, picture_row(work), H_TOTAL);
    if (end < (1 - least_fall) * start)
        return;
    char line[512];
    snprintf(line, sizeof line, "the loss did not fall (%.4g -> %.4g): %s", start, end,
             futility(work, start));
    progress_warn(&work->progress, "%s", line);
    facts_comment(&work->facts, "%s", line);
    leash_say("note %s", line);
}

static int act(struct work *work, struct error *err)
{
    int status = 0;
    struct render_hooks hooks = {.optimiser = {.context = work,
                                               .should_stop = on_should_stop,
                                               .on_row = on_row,
                                               .on_state = on_state},
                                 .on_ready = on_ready,
                                 .on_note = on_note,
                                 .on_handover = on_handover};
    work->checkpoint_written = clock_seconds();
    TRY(render_picture(&work->params, &work->plan, &work->weights, &work->going_on.state,
                       &work->going_on.history, &hooks, &work->image, &work->end, err));
    progress_end(&work->progress);
    if (work->end == END_INTERRUPTED)
        return leave_interrupted(work, err);
    if (work->shown != work->going_on.state.iteration) /* the last one: no evaluation followed */
        TRY(show_outer(work, &work->going_on.state, &work->going_on.history, err));
    if (failed(work->end) && work->errand.into) /* a result says that the job is done */
        return fail_diverged(work, err);
    judge(work);
    TRY(write_results(work, err));
    if (!work->progress.quiet)
        report(work, stdout);
    if (work->done_elsewhere)
        progress_say(&work->progress, "another process has finished this job meanwhile: its "
                                      "result stands");
    if (failed(work->end))
        status = fail_diverged(work, err);
done:
    progress_end(&work->progress);
    return status;
}

static void release(struct work *work)
{
    params_release(&work->params);
    outputs_release(&work->outputs);
    into_release(&work->into);
    vgg19_weights_release(&work->weights);
    facts_release(&work->facts);
    checkpoint_release(&work->going_on);
    image_release(&work->image);
}

static void say_done_before(struct work *work)
{
    if (work->errand.into)
        progress_say(&work->progress, "job %s is done already: %s", work->into.id,
                     work->outputs.result);
    else if (!work->progress.quiet)
        printf("already done: %s (--fresh renders it again)\n", work->outputs.picture);
}

static void print_note(const struct work *work, const char *path, const struct image_notes *notes)
{
    if (notes->text[0] && !work->params.quiet)
        printf("  note     %s: %s\n", path, notes->text);
}

/* The pictures are read, since a header promises nothing of the pixels. */
static int act_dry(const struct work *work, struct error *err)
{
    struct start_notes notes = {0};
    const struct params *p = &work->params;
    int status = start_look(p, &notes, err);
    if (status != 0)
        return status;
    print_plan(work, stdout);
    print_time(work, stdout);
    print_note(work, p->content, &notes.content);
    print_note(work, p->style, &notes.style);
    print_note(work, p->init, &notes.init);
    print_guess(work, stdout);
    return 0;
}

static int run(int argc, char **argv, struct work *work, struct error *err)
{
    int status = 0;
    bool helped;
    struct form form;
    describe(work, &form);
    TRY(leash_begin(err));
    TRY(command_parse(argc, argv, &form, &helped, err));
    if (helped)
        return 0;
    TRY(prepare(argc, argv, work, err));
    if (work->done_before)
        say_done_before(work);
    else if (work->params.dry_run)
        TRY(act_dry(work, err));
    else
        TRY(act(work, err));
    leash_say("done");
done:
    return status;
}

static void say_error(const struct work *work, struct error *err)
{
    options_rephrase(err);
    outlet_error("render", err);
    if (work->into.said && !work->into.captured)
        fprintf(work->into.said, "atelier render: %s\n", err->message);
    leash_say("error %d %s", err->code, err->message);
}

int command_render(int argc, char **argv)
{
    struct error error = {0};
    struct work *work = calloc(1, sizeof *work);
    if (!work)
        return E_ENVIRONMENT;
    work->started = clock_seconds();
    params_init(&work->params);
    int status = run(argc, argv, work, &error);
    if (status != 0 && status != E_INTERRUPTED)
        say_error(work, &error);
    release(work);
    free(work);
    return status;
}
