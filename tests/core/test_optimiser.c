/* Outer iterations, what they leave behind, and every way a run ends. The linker lets evaluations
 * pass through __wrap_objective_evaluate, which counts them and can spoil them. */
#include "optimiser.h"
#include "render_fixture.h"
#include "threads.h"

static const struct size picture_size = {32, 24}, style_size = {27, 20};

/* --- evaluations, counted and spoilt --- */

static struct {
    int64_t calls;
    int64_t first, last; /* calls to spoil, from 1; 0: none */
    bool gradient;       /* spoil that instead of the loss */
    double noise;        /* on every loss, as a fraction of it */
} spoil;

/* How far a call's picture is from another. */
static struct trial {
    const double *from; /* [count]; NULL: none */
    int64_t call;
    size_t count;
    double distance;
} trial;

void __real_objective_evaluate(struct objective *objective, const double *x, struct losses *losses,
                               double *gradient);
void __wrap_objective_evaluate(struct objective *objective, const double *x, struct losses *losses,
                               double *gradient);

void __wrap_objective_evaluate(struct objective *objective, const double *x, struct losses *losses,
                               double *gradient)
{
    __real_objective_evaluate(objective, x, losses, gradient);
    spoil.calls++;
    if (trial.from && spoil.calls == trial.call) {
        for (size_t i = 0; i < trial.count; i++)
            trial.distance += (x[i] - trial.from[i]) * (x[i] - trial.from[i]);
        trial.distance = sqrt(trial.distance);
    }
    losses->total *= 1 + spoil.noise * (double)noise_at(9, (size_t)spoil.calls);
    if (spoil.calls >= spoil.first && spoil.calls <= spoil.last) {
        if (spoil.gradient)
            gradient[100] = losses->gradient_norm = NAN;
        else
            losses->total = spoil.calls % 2 ? (double)NAN : HUGE_VAL;
    }
}

/* --- a run --- */

static const char *const optimizers[] = {"lbfgs", "adam"};

static struct network *network;

static struct render *render_with(const char *const *settings)
{
    return render_new(settings, picture_size, style_size, network);
}

#define SETTINGS(...)                                                                              \
    (const char *const[])                                                                          \
    {                                                                                              \
        "content_layers", "relu2_1", "style_layers", "relu1_1,relu1_2", "tolerance", "0",          \
            __VA_ARGS__, NULL                                                                      \
    }

/* A run's state and history, as a process has them. */
struct progress {
    struct render_state state;
    struct history history;
    enum optimiser_end end;
    int status;
    struct error err;
};

static void progress_start(struct progress *p, const struct render *render, const double *x)
{
    *p = (struct progress){.status = -1};
    bool adam = render->params.optimizer == OPTIMIZER_ADAM;
    assert_int_equal(
        render_state_init(&p->state, picture_size.height, picture_size.width, adam, &p->err), 0);
    memcpy(p->state.picture, x, render->values * sizeof *x);
    assert_int_equal(objective_history(&render->plan, &p->history, &p->err), 0);
}

static void progress_release(struct progress *p)
{
    render_state_release(&p->state);
    history_release(&p->history);
}

static void go_on(struct progress *p, const struct render *render,
                  const struct optimiser_hooks *hooks)
{
    const struct optimiser_hooks none = {0};
    p->status = optimiser_run(&render->params, &render->plan, render->objective, &p->state,
                              &p->history, hooks ? hooks : &none, &p->end, &p->err);
}

static double *start_new(void)
{
    return picture_new(PICTURE_SEED, picture_size.width, picture_size.height);
}

static struct progress run_from_start(const struct render *render,
                                      const struct optimiser_hooks *hooks)
{
    struct progress p;
    double *x = start_new();
    progress_start(&p, render, x);
    go_on(&p, render, hooks);
    free(x);
    return p;
}

static double cell(const struct progress *p, size_t row, int column)
{
    return history_get(&p->history, row, column);
}

static size_t last_row(const struct progress *p)
{
    assert_true(p->history.rows > 0);
    return p->history.rows - 1;
}

/* Everything but the seconds. */
static void assert_same_progress(const struct progress *a, const struct progress *b,
                                 const char *what, int64_t when)
{
    size_t values = values_of(picture_size);
    size_t columns = (size_t)a->history.columns;
    bool same = a->end == b->end && a->status == b->status && a->history.rows == b->history.rows &&
                a->state.iteration == b->state.iteration &&
                a->state.evaluations == b->state.evaluations &&
                a->state.best_total == b->state.best_total &&
                memcmp(a->state.picture, b->state.picture, values * sizeof(double)) == 0 &&
                !a->state.best == !b->state.best;
    if (same && a->state.best)
        same = a->state.kept_total == b->state.kept_total &&
               memcmp(a->state.best, b->state.best, values * sizeof(double)) == 0;
    if (a->state.moment1)
        same = same && a->state.adam_steps == b->state.adam_steps &&
               memcmp(a->state.moment1, b->state.moment1, values * sizeof(double)) == 0 &&
               memcmp(a->state.moment2, b->state.moment2, values * sizeof(double)) == 0;
    for (size_t i = 0; same && i < a->history.rows * columns; i++)
        if (i % columns != H_SECONDS)
            same = memcmp(&a->history.values[i], &b->history.values[i], sizeof(double)) == 0;
    if (!same)
        print_error("%s %lld: another picture, state or history: %zu and %zu rows, %s and %s\n",
                    what, (long long)when, a->history.rows, b->history.rows,
                    optimiser_end_word(a->end), optimiser_end_word(b->end));
    assert_true(same);
}

/* --- the history --- */

static void lbfgs_lowers_the_loss_with_every_step(void **state)
{
    (void)state;
    static const char *const presets[] = {"balanced", "keras", "gdl", "gatys", "johnson"};
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        struct render *render =
            render_with(SETTINGS("preset", presets[i], "iterations", "3", "maxfun", "8"));
        struct progress p = run_from_start(render, NULL);
        assert_int_equal(p.status, 0);
        assert_int_equal(p.end, END_ITERATIONS);
        assert_true(p.history.rows > 10);
        for (size_t row = 1; row < p.history.rows; row++)
            assert_true(cell(&p, row, H_TOTAL) < cell(&p, row - 1, H_TOTAL));
        print_message("%s: %zu rows, loss from %.4g to %.4g\n", presets[i], p.history.rows,
                      cell(&p, 0, H_TOTAL), cell(&p, last_row(&p), H_TOTAL));
        assert_true(cell(&p, last_row(&p), H_TOTAL) < 0.9 * cell(&p, 0, H_TOTAL));
        progress_release(&p);
        render_free(render);
    }
}

/* Row 0 is the start; then every outer iteration ends at its first accepted step with more than
 * maxfun evaluations, its restart's counted. */
static void check_counting(const struct progress *p, int64_t maxfun, int64_t iterations)
{
    assert_true(cell(p, 0, H_ITERATION) == 0 && cell(p, 0, H_EVALUATION) == 1);
    assert_true(cell(p, 0, H_STEP) == 0);
    double before = 1; /* evaluations when the outer iteration began */
    for (size_t row = 1; row < p->history.rows; row++) {
        bool last = row == last_row(p) || cell(p, row + 1, H_ITERATION) > cell(p, row, H_ITERATION);
        double used = cell(p, row, H_EVALUATION) - before + 1;
        assert_true(last ? used > (double)maxfun : used <= (double)maxfun);
        assert_true(cell(p, row, H_EVALUATION) > cell(p, row - 1, H_EVALUATION));
        assert_true(cell(p, row, H_SECONDS) >= cell(p, row - 1, H_SECONDS));
        assert_true(cell(p, row, H_STEP) > 0);
        assert_true(cell(p, row, H_PRECISION) == 0);
        double outer = cell(p, row, H_ITERATION) - cell(p, row - 1, H_ITERATION);
        assert_true(
            outer ==
            (used <= cell(p, row, H_EVALUATION) - cell(p, row - 1, H_EVALUATION) + 1 ? 1 : 0));
        if (last)
            before = cell(p, row, H_EVALUATION);
    }
    assert_true(cell(p, last_row(p), H_ITERATION) == (double)iterations);
    assert_int_equal(p->state.iteration, iterations);
    assert_true(cell(p, last_row(p), H_EVALUATION) == (double)p->state.evaluations);
}

static void lbfgs_counts_evaluations_as_scipy_does(void **state)
{
    (void)state;
    static const char *const maxfuns[] = {"1", "2", "3", "7", "20"};
    for (size_t i = 0; i < sizeof maxfuns / sizeof *maxfuns; i++) {
        struct render *render = render_with(
            SETTINGS("preset", "keras", "iterations", "4", "maxfun", maxfuns[i], "pooling", "avg"));
        spoil.calls = 0;
        struct progress p = run_from_start(render, NULL);
        assert_int_equal(p.end, END_ITERATIONS);
        check_counting(&p, atoi(maxfuns[i]), 4);
        assert_int_equal(p.state.evaluations, spoil.calls); /* nothing is evaluated twice */
        progress_release(&p);
        render_free(render);
    }
}

/* More steps than one search keeps gradients for. */
static void long_outer_iteration_takes_more_than_one_search(void **state)
{
    (void)state;
    struct render *render =
        render_with(SETTINGS("preset", "keras", "iterations", "1", "maxfun", "80"));
    assert_true(optimiser_gradients(&render->params) < 80);
    spoil.calls = 0;
    struct progress p = run_from_start(render, NULL);
    assert_int_equal(p.end, END_ITERATIONS);
    assert_true(p.history.rows > 1 + (size_t)optimiser_gradients(&render->params));
    assert_true(p.state.evaluations > 80);
    assert_int_equal(p.state.evaluations, spoil.calls);
    for (size_t row = 1; row < p.history.rows; row++)
        assert_true(cell(&p, row, H_TOTAL) < cell(&p, row - 1, H_TOTAL));
    progress_release(&p);
    render_free(render);
}

/* Evaluations that an outer iteration spends until its first step is accepted. */
static double evaluations_of_a_first_step(const struct progress *p)
{
    double spent = 0, searches = 0;
    for (size_t row = 1; row < p->history.rows; row++)
        if (cell(p, row, H_ITERATION) > fmax(cell(p, row - 1, H_ITERATION), 1)) {
            spent += cell(p, row, H_EVALUATION) - cell(p, row - 1, H_EVALUATION);
            searches++;
        }
    return spent / searches;
}

/* Along the gradient as far as the last search's first step, relative to the gradients; the first
 * of all by half a level. */
static void searches_know_from_the_last_how_far_to_step_first(void **state)
{
    (void)state;
    static const char *const presets[] = {"balanced", "keras", "gatys", "johnson"};
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        struct render *render =
            render_with(SETTINGS("preset", presets[i], "iterations", "6", "maxfun", "8"));
        struct progress p = run_from_start(render, NULL);
        double first = cell(&p, 1, H_EVALUATION) - 1, later = evaluations_of_a_first_step(&p);
        print_message("%s: %g evaluations for the first step, then %.2g\n", presets[i], first,
                      later);
        assert_true(first <= 3 && later <= 1.7);
        progress_release(&p);
        render_free(render);
    }
}

static void adam_takes_maxfun_steps_in_an_outer_iteration(void **state)
{
    (void)state;
    struct render *render =
        render_with(SETTINGS("optimizer", "adam", "iterations", "3", "maxfun", "4"));
    spoil.calls = 0;
    struct progress p = run_from_start(render, NULL);
    assert_int_equal(p.end, END_ITERATIONS);
    assert_int_equal(p.history.rows, 1 + 3 * 4);
    assert_int_equal(p.state.adam_steps, 3 * 4);
    assert_int_equal(p.state.evaluations, 1 + 3 * 4);
    assert_int_equal(spoil.calls, 1 + 3 * 4);
    for (size_t row = 0; row < p.history.rows; row++) {
        assert_true(cell(&p, row, H_EVALUATION) == (double)(row + 1));
        assert_true(cell(&p, row, H_ITERATION) == (double)((row + 3) / 4));
    }
    progress_release(&p);
    render_free(render);
}

/* Algorithm 1 of Kingma & Ba 2015, as printed. */
static void adam_matches_the_paper(void **state)
{
    (void)state;
    struct render *render = render_with(
        SETTINGS("optimizer", "adam", "iterations", "2", "maxfun", "5", "learning_rate", "3"));
    struct progress p = run_from_start(render, NULL);
    size_t count = render->values;
    double *x = start_new(), *m = calloc(count, sizeof *m), *v = calloc(count, sizeof *v);
    double *g = malloc(count * sizeof *g), largest = 0;
    struct losses losses;
    for (int t = 1; t <= 10; t++) {
        objective_evaluate(render->objective, x, &losses, g);
        for (size_t i = 0; i < count; i++) {
            m[i] = 0.9 * m[i] + (1 - 0.9) * g[i];
            v[i] = 0.999 * v[i] + (1 - 0.999) * g[i] * g[i];
            double m_hat = m[i] / (1 - pow(0.9, t)), v_hat = v[i] / (1 - pow(0.999, t));
            x[i] -= 3 * m_hat / (sqrt(v_hat) + 1e-8);
        }
    }
    for (size_t i = 0; i < count; i++) {
        double error = fabs(x[i] - p.state.picture[i]);
        largest = error <= largest ? largest : error;
    }
    print_message("largest difference after 10 steps: %.2g\n", largest);
    assert_true(largest <= 1e-4);
    free(x);
    free(m);
    free(v);
    free(g);
    progress_release(&p);
    render_free(render);
}

static double distance(const double *a, const double *b, size_t count)
{
    double sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += (a[i] - b[i]) * (a[i] - b[i]);
    return sqrt(sum);
}

static void last_row_describes_the_picture(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct render *render =
            render_with(SETTINGS("optimizer", optimizers[i], "iterations", "1", "maxfun", "1"));
        struct progress p = run_from_start(render, NULL);
        struct losses losses;
        double *x = start_new(), *g = malloc(render->values * sizeof *g);
        size_t row = last_row(&p);
        assert_int_equal(row, 1);
        objective_evaluate(render->objective, p.state.picture, &losses, g);
        assert_true(cell(&p, row, H_TOTAL) == losses.total);
        assert_true(cell(&p, row, H_CONTENT) == losses.content);
        assert_true(cell(&p, row, H_STYLE) == losses.style);
        assert_true(cell(&p, row, H_TV) == losses.tv);
        assert_true(cell(&p, row, H_GRADIENT_NORM) == losses.gradient_norm);
        for (int c = H_FIXED; c < p.history.columns; c++)
            assert_true(cell(&p, row, c) == losses.layer[c - H_FIXED]);
        double moved = distance(x, p.state.picture, render->values);
        assert_true(fabs(cell(&p, row, H_STEP) - moved) <= 1e-12 * moved);
        assert_true(p.state.best_total == fmin(losses.total, cell(&p, 0, H_TOTAL)));
        free(g);
        free(x);
        progress_release(&p);
        render_free(render);
    }
}

/* --- hooks --- */

struct watch {
    int64_t asked, stop_at; /* questions so far; the one answered with yes, 0: none */
    int64_t stop_after;     /* evaluations after which the answer is yes, 0: never */
    int64_t rows, states, fresh;
    int64_t fail_at; /* the on_state call that fails; 0: none */
    size_t last_rows;
    int64_t last_iteration;
};

static bool watch_stop(void *context)
{
    struct watch *watch = context;
    return ++watch->asked == watch->stop_at ||
           (watch->stop_after > 0 && spoil.calls >= watch->stop_after);
}

static void watch_row(void *context, const struct history *history)
{
    struct watch *watch = context;
    watch->rows++;
    watch->last_rows = history->rows;
}

static int watch_state(void *context, const struct render_state *state,
                       const struct history *history, bool fresh, struct error *err)
{
    struct watch *watch = context;
    watch->states++;
    assert_true(history->rows > 0);
    /* The history up to the state: its last row is where the state's outer iteration ended. */
    assert_true(history_get(history, history->rows - 1, H_ITERATION) == (double)state->iteration);
    assert_true(history_get(history, history->rows - 1, H_EVALUATION) ==
                (double)state->evaluations);
    assert_int_equal(fresh, watch->fresh == 0 || state->iteration != watch->last_iteration);
    watch->fresh += fresh;
    watch->last_iteration = state->iteration;
    return watch->states == watch->fail_at ? fail(err, E_ENVIRONMENT, "disk full") : 0;
}

static struct optimiser_hooks hooks_of(struct watch *watch)
{
    return (struct optimiser_hooks){watch, watch_stop, watch_row, watch_state};
}

static void hooks_are_called_as_documented(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct render *render =
            render_with(SETTINGS("optimizer", optimizers[i], "iterations", "3", "maxfun", "4"));
        struct watch watch = {0};
        struct optimiser_hooks hooks = hooks_of(&watch);
        spoil.calls = 0;
        struct progress p = run_from_start(render, &hooks);
        assert_int_equal(p.end, END_ITERATIONS);
        assert_int_equal(watch.asked, spoil.calls);
        assert_int_equal(watch.states, spoil.calls);
        assert_int_equal(watch.rows, p.history.rows);
        assert_int_equal(watch.last_rows, p.history.rows);
        assert_int_equal(watch.fresh, 3); /* the start's and two of three ends; the last is left */
        progress_release(&p);
        render_free(render);
    }
}

/* --- the best picture --- */

static double loss_of(const struct render *render, const double *x)
{
    struct losses losses;
    double *gradient = malloc(render->values * sizeof *gradient);
    objective_evaluate(render->objective, x, &losses, gradient);
    free(gradient);
    return losses.total;
}

static double lowest(const struct progress *p)
{
    double least = HUGE_VAL;
    for (size_t row = 0; row < p->history.rows; row++)
        least = fmin(least, cell(p, row, H_TOTAL));
    return least;
}

/* Adam with steps so long that it goes up and down. */
static void best_accepted_picture_is_kept_where_the_last_is_worse(void **state)
{
    (void)state;
    int worse = 0;
    static const char *const steps[] = {"3", "7", "8", "9", "11", "13"};
    for (size_t i = 0; i < sizeof steps / sizeof *steps; i++) {
        struct render *render = render_with(SETTINGS("optimizer", "adam", "iterations", "2",
                                                     "maxfun", steps[i], "learning_rate", "40"));
        struct progress p = run_from_start(render, NULL);
        double last = cell(&p, last_row(&p), H_TOTAL);
        assert_true(loss_of(render, render_state_best(&p.state)) == lowest(&p));
        assert_true(loss_of(render, p.state.picture) == last);
        assert_int_equal(p.state.best != NULL, last > lowest(&p));
        if (p.state.best) {
            size_t row = history_row_of(&p.history, p.state.kept_total);
            assert_true(cell(&p, row, H_TOTAL) == lowest(&p));
            worse++;
        }
        progress_release(&p);
        render_free(render);
    }
    assert_true(worse > 0);
}

static enum optimiser_end end_of_adam(const char *rate)
{
    struct render *render = render_with(
        SETTINGS("optimizer", "adam", "iterations", "2", "maxfun", "5", "learning_rate", rate));
    struct progress p = run_from_start(render, NULL);
    double start = cell(&p, 0, H_TOTAL);
    print_message("rate %s: loss %g -> %g, %s\n", rate, start, cell(&p, last_row(&p), H_TOTAL),
                  optimiser_end_word(p.end));
    if (p.end == END_ROSE)
        assert_true(loss_of(render, render_state_best(&p.state)) == start);
    enum optimiser_end end = p.end;
    progress_release(&p);
    render_free(render);
    return end;
}

static void adam_that_ran_away_is_told_from_one_that_goes_up_and_down(void **state)
{
    (void)state;
    assert_int_equal(end_of_adam("2"), END_ITERATIONS);
    assert_int_equal(end_of_adam("20"), END_ITERATIONS);
    assert_int_equal(end_of_adam("1e5"), END_ROSE);
    assert_int_equal(end_of_adam("1e6"), END_ROSE);
}

/* --- interruptions --- */

/* A state and history as another process would read them: copies. */
static void reload(struct progress *p, const struct render *render)
{
    struct progress copy;
    size_t bytes = render->values * sizeof(double);
    progress_start(&copy, render, p->state.picture);
    struct render_state fields = p->state;
    fields.picture = copy.state.picture;
    fields.moment1 = copy.state.moment1;
    fields.moment2 = copy.state.moment2;
    if (fields.moment1) {
        memcpy(fields.moment1, p->state.moment1, bytes);
        memcpy(fields.moment2, p->state.moment2, bytes);
    }
    if (fields.best) {
        fields.best = malloc(bytes);
        memcpy(fields.best, p->state.best, bytes);
    }
    copy.state = fields;
    for (size_t row = 0; row < p->history.rows; row++)
        assert_int_equal(history_append(&copy.history,
                                        p->history.values + row * (size_t)p->history.columns,
                                        &copy.err),
                         0);
    progress_release(p);
    *p = copy;
}

/* Runs of about thirty evaluations. The last two end by their tolerance, Adam's with steps so long
 * that its best loss is not its last. */
enum { SHORT_RENDERS = 4 };

static struct render *short_render(int i)
{
    static const char *const maxfuns[SHORT_RENDERS] = {"8", "8", "3", "3"};
    static const char *const tolerances[SHORT_RENDERS] = {"0", "0", "0.05", "0.001"};
    return render_with(SETTINGS("optimizer", optimizers[i % 2], "iterations", i < 2 ? "4" : "12",
                                "maxfun", maxfuns[i], "tolerance", tolerances[i], "learning_rate",
                                i < 3 ? "2" : "25", "content_weight", "0.01", "tv_weight", "0.02"));
}

static void run_interrupted_anywhere_ends_with_the_same_bytes(void **state)
{
    (void)state;
    for (int i = 0; i < SHORT_RENDERS; i++) {
        struct render *render = short_render(i);
        struct progress whole = run_from_start(render, NULL);
        int64_t evaluations = whole.state.evaluations;
        assert_int_equal(whole.end, i < 2 ? END_ITERATIONS : END_TOLERANCE);
        assert_int_equal(whole.state.best != NULL,
                         lowest(&whole) < cell(&whole, last_row(&whole), H_TOTAL));
        if (i == 3)
            assert_true(whole.state.best_total < cell(&whole, last_row(&whole), H_TOTAL));
        for (int64_t at = 1; at <= evaluations + 1; at++) {
            struct watch watch = {.stop_at = at};
            struct optimiser_hooks hooks = hooks_of(&watch);
            struct progress p = run_from_start(render, &hooks);
            assert_int_equal(p.status, 0);
            assert_int_equal(p.end, at <= evaluations ? END_INTERRUPTED : whole.end);
            if (at <= evaluations) {
                assert_int_equal(watch.asked, at); /* it stops there and then */
                reload(&p, render);
                go_on(&p, render, NULL);
            }
            assert_same_progress(&p, &whole, "interrupted before evaluation", at);
            progress_release(&p);
        }
        print_message("%s: %lld evaluations, %s\n", optimizers[i % 2], (long long)evaluations,
                      optimiser_end_word(whole.end));
        progress_release(&whole);
        render_free(render);
    }
}

static void run_interrupted_again_and_again_ends_with_the_same_bytes(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct render *render = short_render(i);
        struct progress whole = run_from_start(render, NULL), p;
        double *x = start_new();
        int runs = 0;
        progress_start(&p, render, x);
        do {
            struct watch watch = {.stop_at = 14}; /* late enough for one outer iteration */
            struct optimiser_hooks hooks = hooks_of(&watch);
            reload(&p, render);
            go_on(&p, render, &hooks);
        } while (p.end == END_INTERRUPTED && ++runs < 20);
        assert_true(runs >= 2);
        assert_same_progress(&p, &whole, "interrupted runs:", runs);
        free(x);
        progress_release(&p);
        progress_release(&whole);
        render_free(render);
    }
}

static void error_of_a_hook_ends_the_run_resumably(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct render *render = short_render(i);
        struct progress whole = run_from_start(render, NULL);
        for (int64_t at = 1; at <= whole.state.evaluations; at += 4) {
            struct watch watch = {.fail_at = at};
            struct optimiser_hooks hooks = hooks_of(&watch);
            struct progress p = run_from_start(render, &hooks);
            assert_int_equal(p.status, E_ENVIRONMENT);
            assert_string_equal(p.err.message, "disk full");
            assert_int_equal(watch.states, at);
            reload(&p, render);
            go_on(&p, render, NULL);
            assert_same_progress(&p, &whole, "error at evaluation", at);
            progress_release(&p);
        }
        progress_release(&whole);
        render_free(render);
    }
}

/* --- ends --- */

static void iterations_zero_evaluates_the_start(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct render *render =
            render_with(SETTINGS("optimizer", optimizers[i], "iterations", "0"));
        struct progress p = run_from_start(render, NULL);
        double *x = start_new();
        assert_int_equal(p.status, 0);
        assert_int_equal(p.end, END_ITERATIONS);
        assert_int_equal(p.history.rows, 1);
        assert_int_equal(p.state.iteration, 0);
        assert_memory_equal(p.state.picture, x, render->values * sizeof *x);
        free(x);
        progress_release(&p);
        render_free(render);
    }
}

/* Outer iterations until the best loss falls by less than the fraction; 0 never stops. */
static void tolerance_ends_the_run(void **state)
{
    (void)state;
    static const char *const tolerances[] = {"1", "0.3", "0.1", "0"};
    for (size_t i = 0; i < sizeof tolerances / sizeof *tolerances; i++) {
        struct render *render =
            render_with(SETTINGS("iterations", "12", "maxfun", "2", "tolerance", tolerances[i],
                                 "content_weight", "0.01", "tv_weight", "0.02"));
        double tolerance = atof(tolerances[i]), best = NAN;
        struct progress p = run_from_start(render, NULL);
        assert_int_equal(p.end, tolerance > 0 ? END_TOLERANCE : END_ITERATIONS);
        for (size_t row = 0; row < p.history.rows; row++) {
            bool last = row == last_row(&p);
            if (!last && cell(&p, row + 1, H_ITERATION) == cell(&p, row, H_ITERATION))
                continue;
            double total = cell(&p, row, H_TOTAL);
            if (row > 0 && tolerance > 0)
                assert_true(last == (best - total < tolerance * best));
            best = total;
        }
        print_message("tolerance %s: %lld outer iterations\n", tolerances[i],
                      (long long)p.state.iteration);
        progress_release(&p);
        render_free(render);
    }
}

static void flat_picture_stalls_where_only_tv_counts(void **state)
{
    (void)state;
    static const char *const presets[] = {"balanced", "keras", "gatys"};
    for (size_t i = 0; i < sizeof presets / sizeof *presets; i++) {
        struct render *render = render_with(SETTINGS("preset", presets[i], "content_weight", "0",
                                                     "style_weight", "0", "tv_weight", "1"));
        struct progress p;
        double *x = malloc(render->values * sizeof *x);
        for (size_t k = 0; k < render->values; k++)
            x[k] = 77.25;
        progress_start(&p, render, x);
        go_on(&p, render, NULL);
        assert_int_equal(p.status, 0);
        assert_int_equal(p.end, END_STALLED);
        assert_int_equal(p.history.rows, 1);
        assert_true(cell(&p, 0, H_TOTAL) == 0 && cell(&p, 0, H_GRADIENT_NORM) == 0);
        assert_memory_equal(p.state.picture, x, render->values * sizeof *x);
        free(x);
        progress_release(&p);
        render_free(render);
    }
}

static void overflow_at_the_start_diverges(void **state)
{
    (void)state;
    struct vgg19_weights weights = random_weights(3);
    weights.bias[1][5] = 1e38f;
    struct network *huge = network_of(weights, POOLING_MAX);
    for (int i = 0; i < 2; i++) {
        struct render *render = render_new(SETTINGS("preset", "keras", "optimizer", optimizers[i]),
                                           picture_size, style_size, huge);
        struct progress p = run_from_start(render, NULL);
        double *x = start_new();
        assert_int_equal(p.status, 0);
        assert_int_equal(p.end, END_DIVERGED);
        assert_int_equal(p.history.rows, 1);
        assert_memory_equal(p.state.picture, x, render->values * sizeof *x);
        free(x);
        progress_release(&p);
        render_free(render);
    }
    network_free(huge);
}

/* The picture is that of the last row, and everything is finite. */
static void check_sound(const struct progress *p, const struct render *render)
{
    struct losses losses;
    double *g = malloc(render->values * sizeof *g);
    for (size_t row = 0; row < p->history.rows; row++)
        for (int c = 0; c < p->history.columns; c++)
            assert_true(isfinite(cell(p, row, c)));
    __real_objective_evaluate(render->objective, p->state.picture, &losses, g);
    assert_true(losses.total == cell(p, last_row(p), H_TOTAL));
    free(g);
}

/* Steps so large that float32 cannot hold the gradient of the pictures they lead to. */
static void adam_diverges_with_the_last_good_picture(void **state)
{
    (void)state;
    struct render *render = render_with(
        SETTINGS("preset", "keras", "optimizer", "adam", "maxfun", "4", "learning_rate", "1e15"));
    struct progress p = run_from_start(render, NULL);
    assert_int_equal(p.status, 0);
    assert_int_equal(p.end, END_DIVERGED);
    check_sound(&p, render);
    progress_release(&p);
    render_free(render);
}

/* The outer iteration that evaluation `at` belongs to, and whether it had accepted a step. */
static double outer_of(const struct progress *whole, int64_t at, bool *moved)
{
    size_t row = 0;
    while (row < last_row(whole) && cell(whole, row + 1, H_EVALUATION) < (double)at)
        row++;
    double iteration = cell(whole, row, H_ITERATION);
    *moved = row > 0 && row < last_row(whole) && cell(whole, row + 1, H_ITERATION) == iteration;
    return *moved ? iteration : iteration + 1;
}

/* A value that is not finite ends the outer iteration at its last accepted step; where there is
 * none, the run. */
static void check_spoilt(const struct render *render, const struct progress *whole, int64_t at,
                         bool for_good, bool gradient)
{
    spoil.calls = 0;
    spoil.first = at;
    spoil.last = for_good ? INT64_MAX : at;
    spoil.gradient = gradient;
    struct progress p = run_from_start(render, NULL);
    spoil.first = spoil.last = 0;
    bool moved;
    double outer = outer_of(whole, at, &moved);
    bool on = moved && (!for_good || outer == (double)render->params.iterations);
    assert_int_equal(p.status, 0);
    assert_int_equal(p.end, on ? END_ITERATIONS : END_DIVERGED);
    if (!moved)
        assert_int_equal(spoil.calls, at);
    check_sound(&p, render);
    progress_release(&p);
}

static void value_that_is_not_finite_never_spoils_a_run(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct render *render = short_render(i);
        struct progress whole = run_from_start(render, NULL);
        for (int64_t at = 2; at <= whole.state.evaluations; at++)
            for (int for_good = 0; for_good <= 1; for_good++)
                check_spoilt(render, &whole, at, for_good, at & 1);
        progress_release(&whole);
        render_free(render);
    }
}

/* A run whose evaluation `at` is spoilt, stopped `later` evaluations after that, and resumed. */
static void check_spoilt_and_resumed(const struct render *render, int64_t at, int64_t later)
{
    spoil.gradient = false;
    spoil.calls = 0;
    spoil.first = spoil.last = at;
    struct progress whole = run_from_start(render, NULL);
    struct watch watch = {.stop_after = at + later};
    struct optimiser_hooks hooks = {.context = &watch, .should_stop = watch_stop};
    spoil.calls = 0;
    struct progress p = run_from_start(render, &hooks);
    assert_int_equal(spoil.calls, at + later);
    spoil.first = spoil.last = 0;
    reload(&p, render);
    go_on(&p, render, NULL);
    assert_same_progress(&p, &whole, "spoilt at evaluation", at);
    progress_release(&p);
    progress_release(&whole);
}

static void run_with_a_spoilt_value_is_resumable(void **state)
{
    (void)state;
    for (int i = 0; i < 2; i++) {
        struct render *render = short_render(i);
        struct progress whole = run_from_start(render, NULL);
        for (int64_t at = 5; at <= 20; at += 3) {
            bool moved;
            outer_of(&whole, at, &moved);
            if (moved)
                check_spoilt_and_resumed(render, at, 3);
        }
        progress_release(&whole);
        render_free(render);
    }
}

static void ends_have_words(void **state)
{
    (void)state;
    assert_string_equal(optimiser_end_word(END_DIVERGED), optimiser_end_word(END_ROSE));
    for (int a = END_ITERATIONS; a <= END_INTERRUPTED; a++)
        for (int b = END_ITERATIONS; b < a; b++) {
            if (b != END_DIVERGED || a != END_ROSE)
                assert_string_not_equal(optimiser_end_word((enum optimiser_end)a),
                                        optimiser_end_word((enum optimiser_end)b));
            assert_string_not_equal(optimiser_end_sentence((enum optimiser_end)a),
                                    optimiser_end_sentence((enum optimiser_end)b));
        }
}

/* Rows of a search whose losses are noisy, and where it ends. */
static size_t rows_under_noise(enum arithmetic arithmetic, double *total)
{
    struct progress p;
    struct render *render = render_with(SETTINGS("iterations", "6", "maxfun", "10"));
    double *x = start_new();
    progress_start(&p, render, x);
    p.state.precision = arithmetic;
    spoil.noise = 3e-3;
    go_on(&p, render, NULL);
    spoil.noise = 0;
    assert_int_equal(p.status, 0);
    size_t rows = p.history.rows;
    *total = cell(&p, last_row(&p), H_TOTAL);
    print_message("%s: %zu rows, loss %.4g, %s\n", arithmetic ? "bfloat16" : "float32", rows,
                  *total, optimiser_end_word(p.end));
    free(x);
    progress_release(&p);
    render_free(render);
    return rows;
}

/* What rounding does to a bfloat16 loss must not stop the search; float32 makes no allowance. */
static void bfloat16_search_goes_on_through_noise(void **state)
{
    (void)state;
    double strict, lenient;
    size_t rows = rows_under_noise(ARITHMETIC_F32, &strict);
    assert_true(rows_under_noise(ARITHMETIC_BF16, &lenient) > rows);
    assert_true(lenient < strict);
}

/* How far the first picture that a search tries is from where it begins, where the last search's
 * first step was next to nothing; and the loss there, and the gradient's norm. */
static double first_trial(enum arithmetic arithmetic, double *loss, double *norm)
{
    struct render *render = render_with(SETTINGS("iterations", "1", "maxfun", "6"));
    struct progress p = run_from_start(render, NULL);
    size_t last = last_row(&p);
    for (size_t row = 1; row <= last; row++)
        p.history.values[row * (size_t)p.history.columns + H_STEP] = 1e-9;
    *loss = cell(&p, last, H_TOTAL);
    *norm = cell(&p, last, H_GRADIENT_NORM);
    render->params.iterations = 2;
    p.state.precision = arithmetic;
    double *from = malloc(render->values * sizeof *from);
    assert_non_null(from);
    memcpy(from, p.state.picture, render->values * sizeof *from);
    trial = (struct trial){from, spoil.calls + 2, render->values, 0};
    go_on(&p, render, NULL);
    assert_int_equal(p.status, 0);
    trial.from = NULL;
    free(from);
    progress_release(&p);
    render_free(render);
    return trial.distance;
}

/* What a step along the gradient gains is its length times the norm: in bfloat16 that has to be
 * 15 times what rounding does to the loss, of which a search may lose 2 x 0.002. */
static void bfloat16_search_begins_with_a_step_that_stands_out_from_noise(void **state)
{
    (void)state;
    double loss, norm, distance = first_trial(ARITHMETIC_F32, &loss, &norm);
    assert_true(distance > 0 && distance < 1e-6);
    distance = first_trial(ARITHMETIC_BF16, &loss, &norm);
    assert_true(fabs(distance * norm / (15 * 2 * 0.002 * loss) - 1) < 1e-3);
}

/* The lowest loss up to the end of an outer iteration. */
static double best_after(const struct progress *p, int64_t iteration)
{
    double best = HUGE_VAL;
    for (size_t row = 0; row < p->history.rows; row++)
        if (cell(p, row, H_ITERATION) <= (double)iteration)
            best = fmin(best, cell(p, row, H_TOTAL));
    return best;
}

/* Where the loss falls by less than a hundredth; never before, and not at the end. */
static void auto_hands_over_when_it_says(void **state)
{
    (void)state;
    static const char *const budgets[][2] = {{"2", "4"}, {"3", "4"}, {"9", "12"}, {"60", "6"}};
    int slowly = 0, never = 0;
    for (size_t i = 0; i < sizeof budgets / sizeof *budgets; i++) {
        struct progress p;
        struct render *render = render_with(
            SETTINGS("precision", "auto", "iterations", budgets[i][0], "maxfun", budgets[i][1]));
        double *x = start_new();
        progress_start(&p, render, x);
        p.state.precision = ARITHMETIC_BF16;
        go_on(&p, render, NULL);
        bool over = p.end == END_HANDOVER;
        assert_int_equal(p.state.precision, over ? ARITHMETIC_F32 : ARITHMETIC_BF16);
        for (int64_t k = 1; k <= p.state.iteration; k++) {
            double before = best_after(&p, k - 1), after = best_after(&p, k);
            bool slow = before - after < 0.01 * before;
            assert_int_equal(slow && k < render->params.iterations, over && k == p.state.iteration);
        }
        slowly += over;
        never += !over;
        free(x);
        progress_release(&p);
        render_free(render);
    }
    assert_true(slowly > 0 && never > 0); /* both ends were seen */
}

static int begin(void **state)
{
    network = network_of(random_weights(3), POOLING_MAX);
    return folder_make(state);
}

static int end(void **state)
{
    network_free(network);
    return folder_remove(state);
}

int main(void)
{
    threads_use(0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(lbfgs_lowers_the_loss_with_every_step),
        cmocka_unit_test(lbfgs_counts_evaluations_as_scipy_does),
        cmocka_unit_test(long_outer_iteration_takes_more_than_one_search),
        cmocka_unit_test(searches_know_from_the_last_how_far_to_step_first),
        cmocka_unit_test(adam_takes_maxfun_steps_in_an_outer_iteration),
        cmocka_unit_test(adam_matches_the_paper),
        cmocka_unit_test(last_row_describes_the_picture),
        cmocka_unit_test(hooks_are_called_as_documented),
        cmocka_unit_test(best_accepted_picture_is_kept_where_the_last_is_worse),
        cmocka_unit_test(adam_that_ran_away_is_told_from_one_that_goes_up_and_down),
        cmocka_unit_test(run_interrupted_anywhere_ends_with_the_same_bytes),
        cmocka_unit_test(run_interrupted_again_and_again_ends_with_the_same_bytes),
        cmocka_unit_test(error_of_a_hook_ends_the_run_resumably),
        cmocka_unit_test(bfloat16_search_goes_on_through_noise),
        cmocka_unit_test(bfloat16_search_begins_with_a_step_that_stands_out_from_noise),
        cmocka_unit_test(auto_hands_over_when_it_says),
        cmocka_unit_test(iterations_zero_evaluates_the_start),
        cmocka_unit_test(tolerance_ends_the_run),
        cmocka_unit_test(flat_picture_stalls_where_only_tv_counts),
        cmocka_unit_test(overflow_at_the_start_diverges),
        cmocka_unit_test(adam_diverges_with_the_last_good_picture),
        cmocka_unit_test(value_that_is_not_finite_never_spoils_a_run),
        cmocka_unit_test(run_with_a_spoilt_value_is_resumable),
        cmocka_unit_test(ends_have_words),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
