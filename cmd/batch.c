/* atelier batch: a whole sweep, on one rank or many. */
#include "batch.h"

#include "clock.h"
#include "command.h"
#include "commit.h"
#include "complaints_print.h"
#include "cost.h"
#include "human.h"
#include "outlet.h"
#include "selection.h"
#include "shell.h"
#include "stop.h"
#include "store_sweep.h"
#include "sweep_file.h"
#include "threads.h"
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

/* Everything a batch holds. */
struct batch {
    struct batch_options options;
    struct batch_report report;
    struct complaints complaints;
    struct job_list list;
    struct job_cost *costs; /* [list.count] */
    bool *skip;             /* [list.count] */
    struct store store;
    struct claim claim;
    struct transport transport;
    struct outcome outcome;
    char *file; /* the sweep or manifest to read */
    char *program, *command;
    bool prepared;
    double last_turn; /* clock, of the last look at signals */
    bool noticed;     /* mpirun is about to end us */
    struct error error;
};

void describe_batch(struct form *form)
{
    static struct batch_options options;
    batch_options_describe(&options, form);
}

/* --- the jobs --- */

/* Renders side by side on this host, and threads of each, as far as that is known yet. */
static void guess_layout(const struct batch *batch, int *workers, int *threads)
{
    const struct batch_options *o = &batch->options;
    int processors = threads_available();
    *workers = batch->transport.size > 1 ? batch->transport.size : 1;
    *threads = o->threads > 0 ? (int)o->threads : processors > *workers ? processors / *workers : 1;
    if (*workers > processors / *threads)
        *workers = processors > *threads ? processors / *threads : 1;
}

/* Seconds by the measurements that atelier plan made on this kind of machine. Where it made none,
 * work stands for time: it orders the jobs. */
static bool load_model(const struct batch *batch, struct cost_model *model)
{
    struct calibration calibration;
    int workers, threads;
    guess_layout(batch, &workers, &threads);
    if (!calibration_nearest(ATELIER_VERSION " " ATELIER_COMMIT, threads, workers, &calibration))
        return false;
    cost_model_init(model, &calibration);
    cost_model_threads(model, threads);
    return true;
}

static struct job_cost cost_by_work(const struct job *job)
{
    const double flop_per_s = 1e12;
    double evaluations = 1 + (double)job->params.iterations * (double)job->params.maxfun;
    return (struct job_cost){.seconds = (job->plan.target_flop + evaluations * job->plan.flop) /
                                        flop_per_s,
                             .bytes = job->plan.memory_bytes};
}

/* An outer iteration's end is what an interruption keeps. */
static struct job_cost cost_by_model(const struct cost_model *model, const struct job *job)
{
    struct cost cost = cost_predict(model, job);
    double evaluations = fmin(1 + (double)job->params.maxfun, cost.evaluations);
    return (struct job_cost){.seconds = cost.seconds,
                             .bytes = cost.bytes,
                             .predicted = true,
                             .first_state =
                                 cost.start_seconds +
                                 cost_of_evaluations(model, &job->params, &job->plan, evaluations)};
}

static int estimate(struct batch *batch, struct error *err)
{
    size_t count = batch->list.count;
    struct cost_model model;
    bool known = load_model(batch, &model);
    batch->costs = calloc(count + 1, sizeof *batch->costs);
    batch->skip = calloc(count + 1, sizeof *batch->skip);
    if (!batch->costs || !batch->skip)
        return fail(err, E_ENVIRONMENT, "not enough memory for %zu jobs", count);
    for (size_t i = 0; i < count; i++)
        batch->costs[i] = known ? cost_by_model(&model, &batch->list.jobs[i])
                                : cost_by_work(&batch->list.jobs[i]);
    return batch->options.only
               ? selection_apply(batch->options.only, &batch->list, batch->skip, err)
               : 0;
}

static const char *store_folder(const struct batch *batch)
{
    return batch->options.output ? batch->options.output : batch->list.output;
}

static int read_jobs(struct batch *batch, struct error *err)
{
    bool is_store;
    int status = sweep_file_find(batch->options.file, &batch->file, &is_store, err);
    if (status != 0)
        return status;
    if (is_store && !batch->options.output)
        batch->options.output = batch->options.file;
    status = job_list_read(batch->file, &batch->list, &batch->complaints, err);
    if (status != 0 || !launched()) /* the launcher has shown the notes */
        complaints_print(&batch->complaints);
    if (status == 0 && !store_folder(batch))
        status = fail(err, E_INPUT, "a manifest does not say where its results go: give --output");
    return status == 0 ? estimate(batch, err) : status;
}

/* --- rank 0: everything that can be wrong is found before anything runs --- */

static bool asked_to_stop(void *context)
{
    (void)context;
    return stop_requested();
}

static void say_waiting(void *context, const struct claim *who, double age)
{
    struct batch *batch = context;
    char line[512], text[HUMAN_TEXT];
    snprintf(line, sizeof line,
             "waiting for the batch that is ending in this store (host %s, process %ld, last seen "
             "%s ago)",
             who->host, (long)who->pid, human_duration(age, text));
    batch_report_say(&batch->report, true, line);
}

static int claim_store(struct batch *batch, struct error *err)
{
    struct claim_hooks hooks = {
        .context = batch, .on_wait = say_waiting, .should_stop = asked_to_stop};
    return claim_take(&batch->store, batch->options.lost_after, &hooks, &batch->claim, err);
}

static int open_store(struct batch *batch, struct error *err)
{
    return store_create(store_folder(batch), &batch->store, err);
}

static int take_sweep(struct batch *batch, struct error *err)
{
    return store_sweep_take(&batch->store, &batch->list, batch->options.replace, err);
}

static void say_trying(struct batch *batch, const struct error *error)
{
    char line[sizeof error->message + 64], text[HUMAN_TEXT];
    snprintf(line, sizeof line, "%s; trying again for %s", error->message,
             human_duration(batch->options.patience, text));
    batch_report_say(&batch->report, true, line);
}

/* Takes a step, again and again while the store is out of reach. That it has no room or cannot be
 * written is better said at once: nothing has begun. */
static int patiently(struct batch *batch, int (*step)(struct batch *, struct error *),
                     struct error *err)
{
    const double try_again_s = 0.25;
    double until = clock_seconds() + batch->options.patience;
    for (bool told = false;; told = true) {
        int status = step(batch, err);
        if (status == 0 || !error_is_out_of_reach(err) || clock_seconds() >= until ||
            stop_requested())
            return status;
        if (!told)
            say_trying(batch, err);
        if (batch->claim.nonce[0])
            claim_refresh(&batch->store, &batch->claim, NULL);
        usleep((useconds_t)(try_again_s * 1e6));
    }
}

static int prepare(void *context)
{
    struct batch *batch = context;
    struct error *err = &batch->error;
    int status = 0;
    TRY(read_jobs(batch, err));
    TRY(patiently(batch, open_store, err));
    TRY(patiently(batch, claim_store, err));
    TRY(patiently(batch, take_sweep, err));
    batch->prepared = true;
done:
    if (status != 0 && batch->claim.nonce[0])
        claim_release(&batch->store, &batch->claim, NULL);
    return status;
}

/* --- hooks of the conductor --- */

/* mpirun, told to end, sends its ranks SIGCONT, a second later SIGTERM, and SIGKILL as soon as some
 * have gone (Open MPI 4.1, measured): the SIGCONT is the only notice. One that comes after this
 * process stood still is just that. */
static volatile sig_atomic_t continued;

static void on_continue(int number)
{
    (void)number;
    continued = 1;
}

static bool given_notice(struct batch *batch)
{
    const double stood_still_s = 0.25;
    double now = clock_seconds(), gap = now - batch->last_turn;
    batch->last_turn = now;
    batch->noticed |= continued && gap < stood_still_s;
    continued = 0;
    return batch->noticed;
}

/* mpirun and srun kill soon after SIGTERM; whoever else sends it waits. */
static enum urge urge(void *context)
{
    struct batch *batch = context;
    const char *name = stop_signal();
    if (given_notice(batch))
        return URGE_HURRY;
    if (!name)
        return URGE_NONE;
    return batch->transport.mpi && strcmp(name, "SIGTERM") == 0 ? URGE_HURRY : URGE_STOP;
}

static void say(void *context, bool trouble, const char *line)
{
    batch_report_say(&((struct batch *)context)->report, trouble, line);
}

static void warn(void *context, const char *line)
{
    batch_report_warn(&((struct batch *)context)->report, line);
}

static void show(void *context, const struct batch_progress *progress)
{
    batch_report_show(&((struct batch *)context)->report, progress);
}

static struct conduct_settings settings_of(const struct batch *batch)
{
    const struct batch_options *o = &batch->options;
    return (struct conduct_settings){.agent = {.heartbeat = o->heartbeat,
                                               .silence = o->lost_after * 2 / 3,
                                               .stale = o->lost_after / 4,
                                               .grace = fmin(30, o->lost_after / 2),
                                               .job_memory = o->job_memory,
                                               .version = ATELIER_VERSION " " ATELIER_COMMIT},
                                     .lost_after = o->lost_after,
                                     .deadline = o->deadline,
                                     .timeout = o->timeout,
                                     .patience = o->patience,
                                     .checkpoint_seconds = o->checkpoint_seconds,
                                     .attempts = (int)o->retries + 1,
                                     .max_failures = o->max_failures,
                                     .threads = (int)o->threads,
                                     .coordinator_only = o->coordinator_only,
                                     .renderer = o->renderer ? o->renderer : batch->program};
}

static int coordinate(struct batch *batch, const struct conduct_settings *settings,
                      const struct conduct_hooks *hooks, struct error *err)
{
    int status = 0;
    if (batch->options.coordinator_only && batch->transport.size == 1)
        return fail(err, E_INPUT, "--coordinator-only needs other ranks that render");
    status = conduct_meanwhile(&batch->transport, prepare, batch, err);
    if (status != 0) {
        *err = batch->error;
        goto done;
    }
    launched_tell_nonce(batch->claim.nonce);
    TRY(conduct(&batch->transport, &batch->store, &batch->claim, &batch->list, batch->costs,
                batch->skip, settings, hooks, &batch->outcome, err));
    launched_rest();
    batch_report_end(&batch->report);
    batch_report_outcome(&batch->report, &batch->outcome, batch->store.folder, batch->command);
    status = batch->outcome.code;
done:
    if (!batch->prepared)
        conduct_dismiss(&batch->transport);
    return status;
}

/* A rank whose mpirun or orted is gone has nobody who would end it. */
static void die_with_parent(void)
{
    struct sigaction action = {.sa_handler = on_continue, .sa_flags = SA_RESTART};
    pid_t parent = getppid();
    sigemptyset(&action.sa_mask);
    sigaction(SIGCONT, &action, NULL);
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        raise(SIGTERM);
}

static void report_error(int status, const struct error *error)
{
    if (status != 0)
        outlet_error("batch", error);
}

/* As rank 0, as another rank, or alone. */
static int take_part(struct batch *batch, struct error *err)
{
    int status = 0;
    bool complete = false;
    struct conduct_settings settings = settings_of(batch);
    struct conduct_hooks hooks = {
        .context = batch, .urge = urge, .say = say, .warn = warn, .show = show};
    if (transport_is_rank())
        die_with_parent();
    TRY(transport_open(&batch->transport, err));
    if (batch->transport.rank == 0) {
        launched_live(settings.agent.heartbeat);
        status = coordinate(batch, &settings, &hooks, err);
        complete = !batch->prepared || batch->outcome.complete;
    } else {
        status = serve(&batch->transport, &settings.agent, &hooks, &complete, err);
    }
done:
    batch_report_end(&batch->report);
    report_error(status, err);
    err->message[0] = 0;
    if (batch->transport.rank == 0)
        launched_tell_code(status);
    if (batch->transport.mpi)
        status = outlet_close(status);
    fflush(NULL);
    transport_close(&batch->transport, complete, status);
    if (batch->transport.mpi) /* whatever MPI's libraries would still do at the end */
        _exit(batch->transport.rank == 0 ? status : 0);
    return batch->transport.rank == 0 ? status : 0;
}

/* --- dry run --- */

static int print_plan(struct batch *batch, struct error *err)
{
    struct store_scan scan = {0};
    struct store store = {0};
    size_t done = 0, left = 0;
    double flop = 0;
    uint64_t bytes = 0;
    char memory[HUMAN_TEXT];
    int status = 0;
    if (access(store_folder(batch), F_OK) == 0) {
        TRY(store_open(store_folder(batch), &store, err));
        if (!batch->options.replace)
            TRY(store_sweep_check(&store, &batch->list, err));
        TRY(store_scan(&store, &scan, err));
    }
    for (size_t i = 0; i < batch->list.count; i++) {
        bool is_done = store_entry_done(store_scan_find(&scan, batch->list.jobs[i].id));
        done += is_done;
        if (is_done || batch->skip[i])
            continue;
        left++;
        flop += cost_by_work(&batch->list.jobs[i]).seconds;
        bytes = batch->costs[i].bytes > bytes ? batch->costs[i].bytes : bytes;
    }
    printf("%zu jobs, %zu done, %zu to do; at most %.4g TFLOP, %s of memory for the largest; "
           "store %s\n",
           batch->list.count, done, left, flop, human_bytes(bytes, memory), store_folder(batch));
done:
    store_scan_release(&scan);
    store_release(&store);
    return status;
}

/* --- start --- */

/* Caller frees; NULL: no memory. */
static char *own_command(int argc, char **argv)
{
    char **words = malloc((size_t)(argc + 1) * sizeof *words);
    if (!words)
        return NULL;
    words[0] = (char *)(uintptr_t) "atelier";
    memcpy(words + 1, argv, (size_t)argc * sizeof *words);
    char *text = shell_command(argc + 1, words);
    free(words);
    return text;
}

static int run(int argc, char **argv, struct batch *batch, struct error *err)
{
    int status = 0;
    bool rank = transport_is_rank();
    batch->program = program_path();
    batch->command = own_command(argc, argv);
    batch_report_init(&batch->report, batch->options.quiet);
    if (batch->options.dry_run) {
        TRY(read_jobs(batch, err));
        return print_plan(batch, err);
    }
    if (rank || !launch_wanted(&batch->options))
        return take_part(batch, err);
    TRY(read_jobs(batch, err));
    status = launch(argc, argv, &batch->options, store_folder(batch), err);
done:
    return status;
}

static void release(struct batch *batch)
{
    free(batch->file);
    free(batch->program);
    free(batch->command);
    free(batch->costs);
    free(batch->skip);
    outcome_release(&batch->outcome);
    store_release(&batch->store);
    job_list_release(&batch->list);
    complaints_release(&batch->complaints);
}

int command_batch(int argc, char **argv)
{
    int status = 0;
    bool helped;
    struct error error = {0};
    struct form form;
    struct batch *batch = calloc(1, sizeof *batch);
    if (!batch)
        return E_ENVIRONMENT;
    batch_options_init(&batch->options);
    batch_options_describe(&batch->options, &form);
    TRY(command_parse(argc, argv, &form, &helped, &error));
    if (helped)
        goto done;
    stop_install();
    status = run(argc, argv, batch, &error);
done:
    if (status != 0)
        report_error(status, &error);
    release(batch);
    free(batch);
    return status;
}
