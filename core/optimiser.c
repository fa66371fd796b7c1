#include "optimiser.h"

#include "clock.h"
#include "memory.h"
#include "subspace.h"
#include <lbfgs.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

const char *optimiser_end_sentence(enum optimiser_end end)
{
    static const char *const sentences[] = {
        [END_ITERATIONS] = "all iterations done",
        [END_TOLERANCE] = "the loss no longer falls by the tolerance",
        [END_STALLED] = "no step lowers the loss any more",
        [END_DIVERGED] = "the loss is not finite",
        [END_ROSE] = "the loss rose far above the start and never fell below it",
        [END_INTERRUPTED] = "interrupted",
        [END_HANDOVER] = "handed over to float32",
    };
    return sentences[end];
}

const char *optimiser_end_word(enum optimiser_end end)
{
    static const char *const words[] = {
        [END_ITERATIONS] = "iterations",   [END_TOLERANCE] = "tolerance",
        [END_STALLED] = "stalled",         [END_DIVERGED] = "diverged",
        [END_INTERRUPTED] = "interrupted", [END_HANDOVER] = "handover",
        [END_ROSE] = "diverged",
    };
    return words[end];
}

/* L-BFGS's, on coordinates in a subspace. Where the coordinates are z, the picture is accepted +
 * unit * (z - z_accepted): liblbfgs's first step in a search is 1 long. */
struct search {
    int gradients;  /* room for so many */
    int dimensions; /* that, padded to a multiple of 16, as liblbfgs with SSE pads */
    struct subspace *space;
    double *z, *accepted; /* [dimensions]: liblbfgs's, and where the last accepted step led */
    double *move;         /* scratch */
    double unit;
    bool full; /* no room for another gradient: to be gone on with in a new subspace */
};

enum { STRETCHES = 256 }; /* of a picture, shared among threads */

/* A run. The pictures: x moves; accepted is where the last accepted step led; state->picture where
 * the last outer iteration ended. */
struct run {
    const struct params *params;
    const struct optimiser_hooks *hooks;
    struct objective *objective;
    struct render_state *state;
    struct history *history;
    size_t count; /* values of a picture */
    double *x, *gradient;
    double *accepted;
    float *accepted_gradient;
    struct losses accepted_losses;
    struct search *search;     /* L-BFGS's */
    double *moment1, *moment2; /* Adam's, moving */
    double *best;              /* the best accepted picture, while `accepted` is not it */
    double kept_total;         /* its loss */
    bool left_best;
    int64_t adam_steps;

    double squares[STRETCHES];

    struct losses losses; /* of the last evaluation */
    double started;       /* clock when the run began */
    int64_t evaluations;  /* so far, over resumes too */
    int64_t outer_evaluations;
    int64_t outer_steps; /* accepted */
    double best_total;
    double allowance;  /* taken off what L-BFGS is told of the loss, see there */
    size_t state_rows; /* history rows that belong to *state */
    bool state_shown;
    bool restarted; /* the next evaluation is of the accepted picture: reuse */
    bool stopped, not_finite;
    int error; /* from on_state */
    struct error *err;
};

int optimiser_gradients(const struct params *params)
{
    const int64_t least = 64, a_pair = 5;
    int64_t wanted = params->maxfun + 1, enough = a_pair * params->lbfgs_memory;
    enough = enough > least ? enough : least;
    return (int)(wanted < enough ? wanted : enough);
}

/* Whether an accepted step may raise the loss: L-BFGS's do not in float32. */
static bool may_rise(const struct params *params)
{
    return params->optimizer == OPTIMIZER_ADAM || params->precision != PRECISION_F32;
}

uint64_t optimiser_bytes(const struct params *params, size_t count)
{
    uint64_t vector = (uint64_t)count * sizeof(double), one = (uint64_t)count * sizeof(float);
    uint64_t pictures = 4 * vector + one; /* the state's, x, accepted, gradient, and its gradient */
    if (params->optimizer == OPTIMIZER_ADAM)
        return pictures + 6 * vector; /* moments and the best, twice */
    if (may_rise(params))
        pictures += 2 * vector; /* the best, twice */
    return params->iterations == 0 ? pictures
                                   : pictures + subspace_bytes(count, optimiser_gradients(params));
}

static double *doubles_new(size_t count)
{
    return (double *)floats_new(count * (sizeof(double) / sizeof(float)));
}

/* --- evaluating and keeping --- */

static int show_state(struct run *run)
{
    struct history view = *run->history;
    view.rows = run->state_rows;
    bool fresh = !run->state_shown;
    run->state_shown = true;
    if (run->hooks->on_state && !run->error)
        run->error = run->hooks->on_state(run->hooks->context, run->state, &view, fresh, run->err);
    return run->error;
}

static bool out_of_play(struct run *run)
{
    if (!run->stopped && run->hooks->should_stop)
        run->stopped = run->hooks->should_stop(run->hooks->context);
    return run->stopped || run->not_finite || run->error;
}

/* Loss and gradient at run->x; false where there will be none. */
static bool evaluate(struct run *run)
{
    if (out_of_play(run))
        return false;
    objective_evaluate(run->objective, run->x, &run->losses, run->gradient);
    run->not_finite = !isfinite(run->losses.total) || !isfinite(run->losses.gradient_norm);
    return !run->not_finite;
}

static int append_row(struct run *run, double step)
{
    double row[H_FIXED + 2 * LAYERS_MAX];
    row[H_ITERATION] = (double)(run->state->iteration + (run->evaluations > 1));
    row[H_EVALUATION] = (double)run->evaluations;
    row[H_SECONDS] = run->state->seconds + clock_seconds() - run->started;
    row[H_TOTAL] = run->losses.total;
    row[H_CONTENT] = run->losses.content;
    row[H_STYLE] = run->losses.style;
    row[H_TV] = run->losses.tv;
    row[H_GRADIENT_NORM] = run->losses.gradient_norm;
    row[H_STEP] = step;
    row[H_PRECISION] = run->state->precision;
    memcpy(row + H_FIXED, run->losses.layer,
           (size_t)(run->history->columns - H_FIXED) * sizeof *row);
    if (!run->error)
        run->error = history_append(run->history, row, run->err);
    if (!run->error && run->hooks->on_row)
        run->hooks->on_row(run->hooks->context, run->history);
    return run->error;
}

/* A stretch of the accepted picture and gradient becomes the last evaluation's. The square of how
 * far that is. */
static double keep_stretch(struct run *run, size_t first, size_t last)
{
    double square = 0;
    for (size_t i = first; i < last; i++) {
        double moved = run->x[i] - run->accepted[i];
        square += moved * moved;
        run->accepted[i] = run->x[i];
        run->accepted_gradient[i] = (float)run->gradient[i];
    }
    return square;
}

/* The last evaluation's picture becomes the accepted one. How far that moves it. */
static double keep(struct run *run)
{
    double square = 0;
#pragma omp parallel for schedule(static)
    for (int i = 0; i < STRETCHES; i++)
        run->squares[i] = keep_stretch(run, run->count * (size_t)i / STRETCHES,
                                       run->count * (size_t)(i + 1) / STRETCHES);
    for (int i = 0; i < STRETCHES; i++)
        square += run->squares[i];
    run->accepted_losses = run->losses;
    if (run->losses.total < run->best_total)
        run->best_total = run->losses.total;
    return sqrt(square);
}

static int copy_picture(struct run *run, double **to, const double *from)
{
    if (!*to)
        *to = doubles_new(run->count);
    if (!*to)
        return run->error = fail(run->err, E_ENVIRONMENT, "not enough memory for the best picture");
    memcpy(*to, from, run->count * sizeof **to);
    return 0;
}

/* Before a step is accepted: the picture that it leaves is kept if it is the best so far. */
static void leave_accepted(struct run *run)
{
    double best = run->left_best ? run->kept_total : run->accepted_losses.total;
    bool better = run->losses.total <= best;
    if (!better && !run->left_best && copy_picture(run, &run->best, run->accepted) == 0)
        run->kept_total = best;
    run->left_best = !better;
}

static int accept_step(struct run *run)
{
    if (may_rise(run->params))
        leave_accepted(run);
    double step = keep(run);
    run->outer_steps++;
    return append_row(run, step);
}

/* --- L-BFGS --- */

/* How far rounding makes the loss wrong, as a fraction of it. In bfloat16 the loss along a line is
 * a smooth function plus noise; late in a search a good step's decrease drowns in it, and a line
 * search that insists on one fails. So each search may end twice the noise higher than it began:
 * what liblbfgs is told is the loss less an allowance that grows from search to search.
 * Source: Xie, Byrd & Nocedal 2020, "Analysis of the BFGS method with errors", for the relaxed
 * condition. Measured, tubingen in the style of starry_night, balanced, 80 evaluations: without it
 * a search stalled after 41 evaluations, 22 % above float32's loss; with 1e-3 to 1e-2 it ends 2.6 %
 * above. */
static double allowance(const struct run *run, double loss)
{
    const double noise = run->state->precision == ARITHMETIC_BF16 ? 2e-3 : 0;
    return 2 * noise * loss;
}

/* The last evaluation's gradient, by z. */
static void put_gradient(struct run *run, double *by_z)
{
    const struct search *search = run->search;
    memset(by_z, 0, (size_t)search->dimensions * sizeof *by_z);
    subspace_add(search->space, run->gradient, by_z);
    for (int i = 0; i < search->gradients; i++)
        by_z[i] *= search->unit;
}

/* Where a search begins, evaluated already. */
static double accepted_loss(struct run *run, double *by_z)
{
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < run->count; i++)
        run->gradient[i] = (double)run->accepted_gradient[i];
    put_gradient(run, by_z);
    subspace_keep(run->search->space);
    run->allowance = allowance(run, run->accepted_losses.total);
    return run->accepted_losses.total;
}

static void picture_at(struct run *run, const double *z)
{
    const struct search *search = run->search;
    for (int i = 0; i < search->gradients; i++)
        search->move[i] = search->unit * (z[i] - search->accepted[i]);
    subspace_move(search->space, run->accepted, search->move, run->x);
}

static lbfgsfloatval_t lbfgs_evaluate(void *instance, const lbfgsfloatval_t *z,
                                      lbfgsfloatval_t *by_z, const int dimensions,
                                      const lbfgsfloatval_t step)
{
    struct run *run = instance;
    (void)step;
    if (run->restarted) {
        run->restarted = false;
        return accepted_loss(run, by_z);
    }
    run->outer_evaluations++;
    picture_at(run, z);
    if (!evaluate(run)) {
        memset(by_z, 0, (size_t)dimensions * sizeof *by_z);
        return HUGE_VAL;
    }
    run->evaluations++;
    put_gradient(run, by_z);
    return show_state(run) ? HUGE_VAL : run->losses.total - run->allowance;
}

static int lbfgs_progress(void *instance, const lbfgsfloatval_t *z, const lbfgsfloatval_t *by_z,
                          const lbfgsfloatval_t loss, const lbfgsfloatval_t z_norm,
                          const lbfgsfloatval_t norm, const lbfgsfloatval_t step, int dimensions,
                          int iteration, int tries)
{
    struct run *run = instance;
    struct search *search = run->search;
    (void)by_z, (void)loss, (void)z_norm, (void)norm, (void)step, (void)iteration, (void)tries;
    if (run->stopped || run->not_finite || run->error)
        return 1;
    run->allowance += allowance(run, run->losses.total);
    memcpy(search->accepted, z, (size_t)dimensions * sizeof *z);
    search->full = !subspace_keep(search->space);
    return accept_step(run) || search->full || run->outer_evaluations > run->params->maxfun;
}

/* How long the first step of a search is to be, in 0..255 units: it goes along the gradient, and
 * liblbfgs would have it 1 long and then spend evaluations on widening it. As a multiple of the
 * gradient it is much the same from search to search, so the last one's first step tells: from the
 * history, which a checkpoint has, too. The very first is to change values by half a level.
 * Measured at 32 x 24 in every preset: one evaluation instead of two to five. */
static double first_step(const struct run *run)
{
    const struct history *h = run->history;
    size_t row = h->rows - 1;
    double iteration = history_get(h, row, H_ITERATION);
    if (row == 0)
        return 0.5 * sqrt((double)run->count);
    while (history_get(h, row - 1, H_ITERATION) == iteration)
        row--;
    double length = history_get(h, row, H_STEP) / history_get(h, row - 1, H_GRADIENT_NORM) *
                    run->accepted_losses.gradient_norm;
    return length > 0 && isfinite(length) ? length : 1;
}

/* How long a step along the gradient has to be so that its gain stands out from the noise. Of a
 * shorter one bfloat16 shows no slope, and the line search gets lost: measured, a bridge in the
 * style of the scream, balanced, at 192 px: the second search found no step in 40 evaluations. With
 * 5 to 40 times the noise it ends 3 to 4 % above float32's loss. */
static double audible_step(const struct run *run)
{
    const double above_noise = 15;
    double norm = run->accepted_losses.gradient_norm;
    return norm > 0 ? above_noise * allowance(run, run->accepted_losses.total) / norm : 0;
}

/* A search from the accepted picture. How liblbfgs says it ended does not matter: what was
 * accepted, and whether an evaluation was refused, is known here (it may even report success on
 * NaN). */
static void lbfgs_search(struct run *run)
{
    struct search *search = run->search;
    size_t bytes = (size_t)search->dimensions * sizeof *search->z;
    lbfgs_parameter_t settings;
    lbfgs_parameter_init(&settings);
    settings.m = (int)run->params->lbfgs_memory;
    settings.epsilon = 0;
    settings.past = 0;
    memset(search->z, 0, bytes);
    memset(search->accepted, 0, bytes);
    subspace_clear(search->space);
    search->unit = fmax(first_step(run), audible_step(run));
    search->full = false;
    run->restarted = true;
    lbfgs(search->dimensions, search->z, NULL, lbfgs_evaluate, lbfgs_progress, run, &settings);
}

static void lbfgs_outer(struct run *run)
{
    run->outer_evaluations = 1; /* as scipy counts: the start's, though it is not made again */
    do
        lbfgs_search(run);
    while (run->search->full && run->outer_evaluations <= run->params->maxfun && !run->stopped &&
           !run->error);
}

/* --- Adam --- */

/* Source: Kingma & Ba 2015, algorithm 1. */
static void adam_move(struct run *run)
{
    const double beta1 = 0.9, beta2 = 0.999, epsilon = 1e-8;
    double t = (double)++run->adam_steps;
    double rate = run->params->learning_rate / (1 - pow(beta1, t));
    double correction = 1 / (1 - pow(beta2, t));
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < run->count; i++) {
        double g = (double)run->accepted_gradient[i];
        run->moment1[i] = beta1 * run->moment1[i] + (1 - beta1) * g;
        run->moment2[i] = beta2 * run->moment2[i] + (1 - beta2) * g * g;
        run->x[i] -= rate * run->moment1[i] / (sqrt(run->moment2[i] * correction) + epsilon);
    }
}

static void adam_outer(struct run *run)
{
    memcpy(run->x, run->accepted, run->count * sizeof *run->x);
    for (int64_t i = 0; i < run->params->maxfun; i++) {
        adam_move(run);
        if (!evaluate(run))
            return;
        run->evaluations++;
        if (show_state(run) || accept_step(run))
            return;
    }
}

/* --- outer iterations --- */

/* The best picture becomes the state's, where the accepted one is not it. */
static void keep_best(struct run *run)
{
    struct render_state *state = run->state;
    if (!run->left_best) {
        free(state->best);
        state->best = NULL;
    } else if (copy_picture(run, &state->best, run->best) == 0) {
        state->kept_total = run->kept_total;
    }
}

/* The accepted picture becomes the state. */
static void commit(struct run *run)
{
    struct render_state *state = run->state;
    double now = clock_seconds();
    memcpy(state->picture, run->accepted, run->count * sizeof *run->accepted);
    if (state->moment1) {
        memcpy(state->moment1, run->moment1, run->count * sizeof *run->moment1);
        memcpy(state->moment2, run->moment2, run->count * sizeof *run->moment2);
        state->adam_steps = run->adam_steps;
    }
    state->evaluations = run->evaluations;
    state->seconds += now - run->started;
    state->best_total = run->best_total;
    keep_best(run);
    run->started = now;
    run->state_rows = run->history->rows;
    run->state_shown = false;
}

void optimiser_hand_over(struct render_state *state)
{
    state->precision = ARITHMETIC_F32;
    state->best_total = HUGE_VAL; /* losses of another arithmetic do not compare */
    if (!state->moment1) {        /* L-BFGS's accepted picture is within the noise of its best */
        free(state->best);
        state->best = NULL;
    }
}

/* Float32 gains where bfloat16 no longer does: the loss fell by little more than the noise that a
 * step may lose to it. With the trained network bfloat16 ends within a percent of float32. */
static bool hands_over(const struct run *run, double best_before)
{
    const double least_gain = 0.01;
    const struct render_state *state = run->state;
    if (run->params->precision != PRECISION_AUTO || state->precision == ARITHMETIC_F32 ||
        state->iteration >= run->params->iterations)
        return false;
    return run->outer_steps == 0 || !(best_before - run->best_total >= least_gain * best_before);
}

/* True when the run is over. */
static bool outer_iteration(struct run *run, enum optimiser_end *end)
{
    double best = run->best_total;
    run->outer_evaluations = run->outer_steps = 0;
    run->not_finite = false;
    if (run->params->optimizer == OPTIMIZER_ADAM)
        adam_outer(run);
    else
        lbfgs_outer(run);
    *end = END_INTERRUPTED;
    if (run->stopped || run->error)
        return true;
    run->state->iteration++;
    commit(run);
    if (hands_over(run, best)) {
        optimiser_hand_over(run->state);
        *end = END_HANDOVER;
        return true;
    }
    *end = run->not_finite ? END_DIVERGED : END_STALLED;
    if (run->outer_steps == 0)
        return true;
    *end = END_TOLERANCE;
    return best - run->best_total < run->params->tolerance * best;
}

/* Whether nothing came of a search that ran away: see END_ROSE. */
static bool rose(const struct run *run)
{
    const double far_above = 100;
    const struct history *h = run->history;
    double start = history_get(h, 0, H_TOTAL), best = HUGE_VAL;
    for (size_t row = 1; row < run->state_rows; row++)
        best = fmin(best, history_get(h, row, H_TOTAL));
    return start > 0 && best >= start && run->accepted_losses.total > far_above * start;
}

/* Evaluates the start, or again the picture of a checkpoint: its row is there already. */
static bool begin(struct run *run)
{
    bool resumed = run->history->rows > 0;
    memcpy(run->x, run->state->picture, run->count * sizeof *run->x);
    memcpy(run->accepted, run->x, run->count * sizeof *run->x);
    if (!evaluate(run)) {
        if (!run->not_finite || resumed)
            return false;
    }
    run->best_total = resumed ? fmin(run->state->best_total, run->losses.total) : run->losses.total;
    keep(run);
    run->left_best = run->state->best != NULL;
    run->kept_total = run->state->kept_total;
    if (run->left_best && copy_picture(run, &run->best, run->state->best))
        return false;
    if (!resumed) {
        run->evaluations = 1;
        if (append_row(run, 0))
            return false;
        commit(run);
    }
    return !run->not_finite && show_state(run) == 0;
}

static void search_free(struct search *search)
{
    if (!search)
        return;
    subspace_free(search->space);
    lbfgs_free(search->z);
    free(search->accepted);
    free(search->move);
    free(search);
}

static int search_new(const struct params *params, size_t count, struct search **search,
                      struct error *err)
{
    int status = 0, gradients = optimiser_gradients(params), padding = 16;
    int dimensions = (gradients + padding - 1) / padding * padding;
    struct search *s = calloc(1, sizeof *s);
    if (!s)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    s->gradients = gradients;
    s->dimensions = dimensions;
    s->z = lbfgs_malloc(dimensions);
    s->accepted = calloc((size_t)dimensions, sizeof *s->accepted);
    s->move = calloc((size_t)dimensions, sizeof *s->move);
    if (!s->z || !s->accepted || !s->move)
        status = fail(err, E_ENVIRONMENT, "not enough memory");
    else
        status = subspace_new(count, gradients, &s->space, err);
    if (status == 0)
        *search = s;
    else
        search_free(s);
    return status;
}

static int allocate(struct run *run, struct error *err)
{
    int status = 0;
    bool adam = run->params->optimizer == OPTIMIZER_ADAM;
    run->x = doubles_new(run->count);
    run->gradient = doubles_new(run->count);
    run->accepted = doubles_new(run->count);
    run->accepted_gradient = floats_new(run->count);
    if (adam) {
        run->moment1 = doubles_new(run->count);
        run->moment2 = doubles_new(run->count);
    }
    if (!run->x || !run->gradient || !run->accepted || !run->accepted_gradient ||
        (adam && (!run->moment1 || !run->moment2)))
        return fail(err, E_ENVIRONMENT, "not enough memory to optimise a picture of %d x %d px",
                    run->state->width, run->state->height);
    if (adam) {
        memcpy(run->moment1, run->state->moment1, run->count * sizeof *run->moment1);
        memcpy(run->moment2, run->state->moment2, run->count * sizeof *run->moment2);
    } else {
        TRY(search_new(run->params, run->count, &run->search, err));
    }
done:
    return status;
}

static void release(struct run *run)
{
    search_free(run->search);
    free(run->x);
    free(run->gradient);
    free(run->accepted);
    free(run->accepted_gradient);
    free(run->moment1);
    free(run->moment2);
    free(run->best);
}

int optimiser_run(const struct params *params, const struct plan *plan, struct objective *objective,
                  struct render_state *state, struct history *history,
                  const struct optimiser_hooks *hooks, enum optimiser_end *end, struct error *err)
{
    int status = 0;
    struct run run = {.params = params,
                      .hooks = hooks,
                      .objective = objective,
                      .state = state,
                      .history = history,
                      .count = (size_t)plan->full_height * (size_t)plan->full_width * 3,
                      .started = clock_seconds(),
                      .evaluations = state->evaluations,
                      .adam_steps = state->adam_steps,
                      .state_rows = history->rows,
                      .err = err};
    TRY(allocate(&run, err));
    if (!begin(&run))
        *end = run.not_finite ? END_DIVERGED : END_INTERRUPTED;
    else {
        *end = END_ITERATIONS;
        while (state->iteration < params->iterations && !outer_iteration(&run, end))
            *end = END_ITERATIONS;
        if ((*end == END_ITERATIONS || *end == END_TOLERANCE || *end == END_STALLED) && rose(&run))
            *end = END_ROSE;
    }
    status = run.error;
    history->rows = run.state_rows;
done:
    release(&run);
    return status;
}
