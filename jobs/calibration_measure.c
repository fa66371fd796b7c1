/* Each part is run a few times after a warm-up and the least disturbed time counts. Convolutions
 * are timed where they work: a network is run with every layer tapped, and the clock is read at
 * the taps, so that each one finds caches and memory as a render leaves them. */
#include "calibration.h"

#include "clock.h"
#include "cost.h"
#include "gram.h"
#include "image.h"
#include "memory.h"
#include "optimiser.h"
#include "start.h"
#include "targets.h"
#include "threads.h"
#include "weights.h"
#include <limits.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

const int calibration_sides[CALIBRATION_SIZES] = {64, 128, 256, 448};
static const int repetitions[CALIBRATION_SIZES] = {4, 3, 2, 1};

/* Memory a worker needs while it measures, generously. */
static const uint64_t company_bytes = (uint64_t)1 << 30;

/* With one thread the process's own CPU time: whatever else runs on the machine takes none of it.
 */
static double now_seconds(void)
{
    struct timespec now;
    if (threads_count() > 1)
        return clock_seconds();
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

static double least(double a, double b) { return b < a || !(a > 0) ? b : a; }

/* --- convolutions and Gram matrices --- */

/* What a run through the network fills in, at one size. */
struct probe {
    struct layer_seconds *conv, *gram;
    enum arithmetic arithmetic;
    int size;
    double mark; /* clock when the last tap was left */
    /* Of one run; a layer's gradient may come in several parts. */
    double conv_back[VGG19_CONVS], gram_back[VGG19_CONVS];
    double content; /* per value, of the largest layer seen */
    double *target;
    void *direction, *scratch;
};

static void on_features(void *context, int tap, const float *f, size_t positions, int channels)
{
    struct probe *probe = context;
    double *forward = &probe->conv[tap].forward[probe->size], now = now_seconds();
    *forward = least(*forward, now - probe->mark);
    gram_compare(f, positions, channels, probe->arithmetic, probe->target, 1e-9, probe->direction,
                 probe->scratch);
    double *gram = &probe->gram[tap].forward[probe->size];
    *gram = least(*gram, now_seconds() - now);
    if (tap == 0) {
        now = now_seconds();
        sum_of_squares(f, f, positions * (size_t)channels);
        double each = (now_seconds() - now) / (double)(positions * (size_t)channels);
        probe->content = least(probe->content, each);
    }
    probe->mark = now_seconds();
}

/* Before a layer's first part the convolution after it was at work, then its own. */
static void on_gradient(void *context, int tap, const float *f, size_t first, size_t positions,
                        int channels, float *df)
{
    struct probe *probe = context;
    int at_work = first == 0 ? tap + 1 : tap;
    double now = now_seconds();
    if (at_work < VGG19_CONVS)
        probe->conv_back[at_work] += now - probe->mark;
    gram_gradient(f, probe->direction, positions, channels, probe->arithmetic, df);
    probe->mark = now_seconds();
    probe->gram_back[tap] += probe->mark - now;
}

static void run_once(struct probe *probe, struct network_pass *pass, const float *picture,
                     float *dpicture)
{
    probe->mark = now_seconds();
    network_forward(pass, picture, on_features, probe);
    memset(probe->conv_back, 0, sizeof probe->conv_back);
    memset(probe->gram_back, 0, sizeof probe->gram_back);
    probe->mark = now_seconds();
    network_backward(pass, on_gradient, probe, dpicture);
    probe->conv_back[0] += now_seconds() - probe->mark;
    for (int i = 0; i < VGG19_CONVS; i++) {
        double *conv = &probe->conv[i].backward[probe->size];
        double *gram = &probe->gram[i].backward[probe->size];
        *conv = least(*conv, probe->conv_back[i]);
        *gram = least(*gram, probe->gram_back[i]);
    }
}

static void fill_picture(float *rgb, int side)
{
    for (int i = 0; i < side; i++)
        for (int j = 0; j < side; j++)
            for (int c = 0; c < 3; c++)
                rgb[((size_t)i * (size_t)side + (size_t)j) * 3 + (size_t)c] =
                    (float)((i * 7 + j * (5 + c) + i * j % 13) % 256);
}

static int probe_new(int side, struct probe *probe, struct error *err)
{
    enum { CHANNELS_MOST = 512 };
    size_t area = (size_t)CHANNELS_MOST * CHANNELS_MOST, scratch = 0;
    for (int i = 0; i < VGG19_CONVS; i++) {
        int h, w;
        layer_size((struct layer){i, LAYER_RELU}, side, side, &h, &w);
        size_t bytes = gram_scratch_bytes((size_t)h * (size_t)w, vgg19_convs[i].out);
        scratch = bytes > scratch ? bytes : scratch;
    }
    probe->target = calloc(area, sizeof *probe->target);
    probe->direction = floats_new(gram_direction_bytes(CHANNELS_MOST) / sizeof(float));
    probe->scratch = floats_new(scratch / sizeof(float));
    if (!probe->target || !probe->direction || !probe->scratch)
        return fail(err, E_ENVIRONMENT, "not enough memory to measure this machine");
    return 0;
}

static void probe_free(struct probe *probe)
{
    free(probe->target);
    free(probe->direction);
    free(probe->scratch);
}

static int measure_size(const struct network *network, int size, struct calibration *out,
                        struct error *err)
{
    int status = 0, side = calibration_sides[size];
    size_t values = (size_t)side * (size_t)side * 3;
    enum arithmetic arithmetic = network_arithmetic(network);
    struct probe probe = {.conv = out->conv[arithmetic],
                          .gram = out->gram[arithmetic],
                          .arithmetic = arithmetic,
                          .size = size};
    struct network_pass *pass = NULL;
    struct layer taps[VGG19_CONVS];
    float *picture = floats_new(values), *dpicture = floats_new(values);
    for (int i = 0; i < VGG19_CONVS; i++)
        taps[i] = (struct layer){i, LAYER_RELU};
    TRY(probe_new(side, &probe, err));
    TRY(network_pass_new(network, side, side, taps, VGG19_CONVS, true, &pass, err));
    if (!picture || !dpicture) {
        status = fail(err, E_ENVIRONMENT, "not enough memory to measure this machine");
        goto done;
    }
    fill_picture(picture, side);
    struct layer_seconds warm_conv[VGG19_CONVS] = {0}, warm_gram[VGG19_CONVS] = {0};
    struct probe warm = probe;
    warm.conv = warm_conv;
    warm.gram = warm_gram;
    run_once(&warm, pass, picture, dpicture);
    for (int i = 0; i < repetitions[size]; i++)
        run_once(&probe, pass, picture, dpicture);
    out->content = probe.content;
done:
    network_pass_free(pass);
    probe_free(&probe);
    free(picture);
    free(dpicture);
    return status;
}

static double kernel_values(int convs)
{
    double values = 0;
    for (int i = 0; i < convs; i++)
        values += 9.0 * vgg19_convs[i].in * vgg19_convs[i].out;
    return values;
}

/* Everything that needs a network of one precision. */
static int measure_network(const struct vgg19_weights *weights, int precision,
                           struct calibration *out, struct error *err)
{
    int status = 0;
    struct network *network = NULL;
    double start = now_seconds();
    /* As for small pictures: what saving memory costs of the time beyond is not predicted. */
    TRY(network_new(weights, POOLING_AVG, (enum arithmetic)precision, SAVE_TIME, &network, err));
    out->prepare[precision] = (now_seconds() - start) / kernel_values(VGG19_CONVS);
    for (int i = 0; i < CALIBRATION_SIZES; i++)
        TRY(measure_size(network, i, out, err));
    out->measured[precision] = true;
done:
    network_free(network);
    return status;
}

static int measure_networks(struct calibration *out, struct error *err)
{
    int status = 0;
    struct vgg19_weights weights = {0};
    double start = now_seconds();
    TRY(weights_load("builtin", CONVENTION_AUTO, VGG19_CONVS, &weights, err));
    out->builtin = (now_seconds() - start) / kernel_values(VGG19_CONVS);
    for (int a = ARITHMETIC_F32; a <= ARITHMETIC_BF16; a++)
        if (!conv_missing((enum arithmetic)a))
            TRY(measure_network(&weights, a, out, err));
done:
    vgg19_weights_release(&weights);
    return status;
}

/* --- the optimiser, on total variation alone --- */

enum { SMOOTH_SIDE = 256 };
static const double smooth_values = 3.0 * SMOOTH_SIDE * SMOOTH_SIDE;

struct smooth {
    struct params params;
    struct plan plan;
    struct objective *objective;
};

static int set_all(struct params *params, const char *const (*settings)[2], size_t count,
                   struct error *err)
{
    int status = 0;
    for (size_t i = 0; i < count; i++) {
        enum param_id id;
        TRY(params_find(settings[i][0], &id, err));
        TRY(params_set(params, id, settings[i][1], err));
    }
    TRY(params_resolve(params, err));
done:
    return status;
}

static int smooth_new(struct smooth *smooth, struct error *err)
{
    static const char *const settings[][2] = {
        {"content", "none"}, {"style", "none"},       {"output", "none"},
        {"preset", "gatys"}, {"content_weight", "0"}, {"style_weight", "0"},
        {"tv_weight", "1"},  {"tolerance", "0"},      {"iterations", "1"}};
    int status = 0;
    params_init(&smooth->params);
    TRY(set_all(&smooth->params, settings, sizeof settings / sizeof *settings, err));
    smooth->plan = (struct plan){.width = SMOOTH_SIDE,
                                 .height = SMOOTH_SIDE,
                                 .full_width = SMOOTH_SIDE,
                                 .full_height = SMOOTH_SIDE,
                                 .style_width = SMOOTH_SIDE,
                                 .style_height = SMOOTH_SIDE};
    TRY(plan_layers(&smooth->params, &smooth->plan, err));
    TRY(objective_new(&smooth->params, &smooth->plan, NULL, NULL, NULL, &smooth->objective, err));
done:
    return status;
}

/* One outer iteration: its seconds, without those of the evaluations at `evaluation` each. */
static int run_smooth(struct smooth *smooth, int optimizer, int maxfun, double evaluation,
                      double *seconds, int64_t *steps, struct error *err)
{
    int status = 0;
    struct history history = {0};
    struct render_state state = {0};
    struct optimiser_hooks hooks = {0};
    enum optimiser_end end;
    smooth->params.optimizer = optimizer;
    smooth->params.maxfun = maxfun;
    TRY(objective_history(&smooth->plan, &history, err));
    TRY(render_state_init(&state, SMOOTH_SIDE, SMOOTH_SIDE, optimizer == OPTIMIZER_ADAM, err));
    for (size_t i = 0; i < (size_t)smooth_values; i++)
        state.picture[i] = (double)((i * 2654435761u >> 7) % 256);
    double start = now_seconds();
    TRY(optimiser_run(&smooth->params, &smooth->plan, smooth->objective, &state, &history, &hooks,
                      &end, err));
    *seconds = now_seconds() - start - (double)state.evaluations * evaluation;
    *steps = (int64_t)history.rows - 1;
done:
    history_release(&history);
    render_state_release(&state);
    return status;
}

static double at_least_0(double value) { return value > 0 ? value : 0; }

/* y[1] with as much of x[1] taken out as takes y[0] away with x[0]. */
static double without(const double x[2], const double y[2]) { return y[1] - y[0] * x[1] / x[0]; }

/* seconds = outer + steps * step + gradients * gradient: three runs tell them apart. */
static void solve_lbfgs(const double seconds[3], const double steps[3], const double gradients[3],
                        struct calibration *out)
{
    double s[2], g[2], t[2];
    for (int r = 0; r < 2; r++) {
        s[r] = steps[r + 1] - steps[0];
        g[r] = gradients[r + 1] - gradients[0];
        t[r] = seconds[r + 1] - seconds[0];
    }
    double gradient = at_least_0(without(s, t) / without(s, g));
    double step = at_least_0((t[1] - g[1] * gradient) / s[1]);
    out->lbfgs_gradient = gradient / smooth_values;
    out->lbfgs_step = step / smooth_values;
    out->lbfgs_outer =
        at_least_0(seconds[0] - steps[0] * step - gradients[0] * gradient) / smooth_values;
}

static int measure_lbfgs(struct smooth *smooth, double evaluation, struct calibration *out,
                         struct error *err)
{
    static const int maxfun[3] = {2, 12, 40};
    double best[3] = {0}, steps[3], gradients[3];
    int status = 0;
    for (int repeat = 0; repeat < 3; repeat++)
        for (int r = 0; r < 3; r++) {
            double seconds;
            int64_t taken;
            TRY(run_smooth(smooth, OPTIMIZER_LBFGS, maxfun[r], evaluation, &seconds, &taken, err));
            best[r] = repeat ? fmin(best[r], seconds) : seconds;
            steps[r] = (double)taken;
            gradients[r] = cost_gradients(steps[r], optimiser_gradients(&smooth->params));
        }
    solve_lbfgs(best, steps, gradients, out);
done:
    return status;
}

static int measure_optimiser(struct calibration *out, struct error *err)
{
    int status = 0;
    struct smooth smooth = {0};
    struct losses losses;
    double *x = calloc((size_t)smooth_values, sizeof *x),
           *g = calloc((size_t)smooth_values, sizeof *g);
    double evaluation = 0, seconds;
    int64_t steps;
    if (!x || !g) {
        status = fail(err, E_ENVIRONMENT, "not enough memory to measure this machine");
        goto done;
    }
    TRY(smooth_new(&smooth, err));
    for (int i = 0; i < 5; i++) {
        double start = now_seconds();
        objective_evaluate(smooth.objective, x, &losses, g);
        evaluation = least(evaluation, now_seconds() - start);
    }
    out->pixel = evaluation / smooth_values;
    TRY(measure_lbfgs(&smooth, evaluation, out, err));
    TRY(run_smooth(&smooth, OPTIMIZER_ADAM, 10, evaluation, &seconds, &steps, err));
    out->adam_step = at_least_0(seconds) / (double)steps / smooth_values;
done:
    objective_free(smooth.objective);
    params_release(&smooth.params);
    free(x);
    free(g);
    return status;
}

/* --- memory --- */

/* The first touch of memory, which the kernel hands out page by page. */
static int measure_memory(struct calibration *out, struct error *err)
{
    const size_t bytes = (size_t)64 << 20;
    double start = now_seconds();
    char *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (memory == MAP_FAILED)
        return fail(err, E_ENVIRONMENT, "not enough memory to measure this machine");
    memset(memory, 1, bytes);
    munmap(memory, bytes);
    out->touch = (now_seconds() - start) / (double)bytes;
    return 0;
}

/* --- files --- */

static int measure_files(struct calibration *out, struct error *err)
{
    int status = 0;
    enum { SIDE = 512 };
    char folder[PATH_MAX], path[PATH_MAX + 8], digest[DIGEST_HEX];
    const char *temporary = getenv("TMPDIR");
    struct image image = {SIDE, SIDE, malloc((size_t)SIDE * SIDE * 3), NULL}, again = {0};
    float *pixels = floats_new((size_t)SIDE * SIDE * 3);
    double bytes = 3.0 * SIDE * SIDE, start;
    snprintf(folder, sizeof folder, "%s/atelier.XXXXXX",
             temporary && *temporary ? temporary : "/tmp");
    if (!image.rgb || !pixels || !mkdtemp(folder)) {
        status = fail_errno(err, "cannot measure in '%s'", folder);
        folder[0] = 0;
        goto done;
    }
    snprintf(path, sizeof path, "%s/x.png", folder);
    fill_picture(pixels, SIDE);
    image_quantise(pixels, (size_t)bytes, image.rgb);
    start = clock_seconds();
    TRY(digest_bytes(pixels, (size_t)bytes * sizeof *pixels, digest, err));
    out->digest = (clock_seconds() - start) / (bytes * sizeof *pixels);
    start = clock_seconds();
    TRY(image_write_png(path, &image, NULL, 0, err));
    out->encode = (clock_seconds() - start) / bytes;
    start = clock_seconds();
    TRY(image_read(path, &again, NULL, err));
    TRY(image_resize(&again, SIDE / 2, SIDE / 2, pixels, err));
    out->decode = (clock_seconds() - start) / bytes;
done:
    if (folder[0]) {
        unlink(path);
        rmdir(folder);
    }
    image_release(&image);
    image_release(&again);
    free(pixels);
    return status;
}

/* --- company --- */

/* Does the same work until it is killed, or its parent is gone. */
static void keep_company(pid_t parent)
{
    struct calibration discarded = {0};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    while (getppid() == parent && measure_networks(&discarded, NULL) == 0)
        ;
    _exit(0);
}

static int start_company(int count, pid_t *company)
{
    pid_t parent = getpid();
    uint64_t fits = memory_available() / company_bytes;
    int started = 0;
    for (; started < count && (uint64_t)started + 1 < fits; started++) {
        company[started] = fork();
        if (company[started] == 0)
            keep_company(parent);
        if (company[started] < 0)
            break;
    }
    return started;
}

static void end_company(const pid_t *company, int count)
{
    for (int i = 0; i < count; i++)
        kill(company[i], SIGKILL);
    for (int i = 0; i < count; i++)
        waitpid(company[i], NULL, 0);
}

/* --- all of it --- */

int calibration_measure(const char *version, int workers, struct calibration *out,
                        struct error *err)
{
    enum { COMPANY_MOST = 511 };
    int status = 0, count = workers - 1 < COMPANY_MOST ? workers - 1 : COMPANY_MOST;
    pid_t company[COMPANY_MOST];
    struct calibration made = {.threads = threads_count(), .workers = workers, .launch = 0.04};
    count = start_company(count, company);
    calibration_key(version, made.machine, sizeof made.machine);
    clock_utc(clock_now(), made.date);
    TRY(measure_networks(&made, err));
    TRY(measure_optimiser(&made, err));
    TRY(measure_memory(&made, err));
    TRY(measure_files(&made, err));
    *out = made;
done:
    end_company(company, count);
    return status;
}
