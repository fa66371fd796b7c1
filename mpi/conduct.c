#include "conduct.h"

#include "clock.h"
#include "hdf5_probe.h"
#include "host.h"
#include "job_command.h"
#include "job_label.h"
#include "meanwhile.h"
#include "records.h"
#include "store_clean.h"
#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { MESSAGES_AT_ONCE = 256, EVENT_FIELDS = 8, LINE_TEXT = 1024 };

static const double hurry_s = 1.2; /* mpirun kills two seconds after SIGTERM */
static const double shortest_farewell_s = 2;

static const double try_again_s = 0.25, answer_s = 0.005;

/* What is written for those who look on: if it fails, it comes later. */
enum record { RECORD_LOG, RECORD_PROGRESS, RECORD_FAILURE, RECORD_VERDICT, RECORDS };

enum phase { GATHERING, WORKING, LEAVING, OVER };

struct conductor {
    struct transport *transport;
    const struct store *store;
    struct claim *claim;
    const struct job_list *list;
    const struct job_cost *costs;
    const bool *skip; /* NULL: nothing */
    const struct conduct_settings *settings;
    const struct conduct_hooks *hooks;
    struct outcome *out; /* done and failed: by earlier batches, until the end */
    struct coordinator *coordinator;
    struct records records;
    struct seat *seats; /* [transport->size] */
    struct agent agent; /* rank 0's own */
    bool has_agent, lost_any, disowned;
    bool deadline_told, held, waiting_told;
    bool put_off[RECORDS];  /* told of */
    char last_trouble[256]; /* of a job's surroundings */
    enum phase phase;
    double now, last_turn, last_claim, claim_written, last_tick, last_show, phase_ends;
    enum urge urge;
};

/* --- telling --- */

static void trouble(struct conductor *c, int status, const struct error *error)
{
    if (status == 0)
        return;
    if (!c->out->why[0])
        snprintf(c->out->why, sizeof c->out->why, "%.255s", error->message);
    if (status == E_FAILED || status == E_INTERRUPTED)
        c->disowned = true;
    coordinator_stop(c->coordinator, STOP_ENVIRONMENT);
}

static void say(struct conductor *c, bool is_trouble, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
static void say(struct conductor *c, bool is_trouble, const char *format, ...)
{
    char line[LINE_TEXT];
    va_list args;
    va_start(args, format);
    vsnprintf(line, sizeof line, format, args);
    va_end(args);
    c->hooks->say(c->hooks->context, is_trouble, line);
}

static void put_off(struct conductor *c, enum record what, int status, const struct error *error)
{
    if (status == 0 || c->put_off[what])
        return;
    c->put_off[what] = true;
    say(c, true, "%s; it is %s", error->message,
        what == RECORD_VERDICT ? "not written down how the batch ended" : "tried again later");
}

static void log_event(struct conductor *c, const char *event, const struct event_field *fields,
                      size_t count)
{
    struct error error;
    put_off(c, RECORD_LOG, events_append(&c->records.events, event, fields, count, &error), &error);
}

#define LOG(c, event, ...)                                                                         \
    log_event(c, event, (const struct event_field[]){__VA_ARGS__},                                 \
              sizeof((const struct event_field[]){__VA_ARGS__}) / sizeof(struct event_field))

static void send_to(struct conductor *c, int rank, const struct message *message)
{
    struct error error;
    trouble(c, transport_send(c->transport, rank, message, &error), &error);
}

/* --- the store's word --- */

static bool result_is_whole(const struct store *store, const char *id)
{
    char *path = store_job_path(store, id, JOB_RESULT);
    bool whole = path && hdf5_check_length(AT_FDCWD, path, NULL) == 0;
    free(path);
    return whole;
}

static bool is_done(void *context, size_t job)
{
    const struct conductor *c = context;
    return result_is_whole(c->store, c->list->jobs[job].id);
}

/* --- before: what is left to do --- */

/* Bad input stays bad: it is not tried again. */
static int take_earlier_failure(struct conductor *c, size_t job, bool *leave, struct error *err)
{
    struct failure *failure = &c->records.failures[job];
    int status = records_read_failure(&c->records, job, err);
    if (status == E_INPUT)
        status = 0; /* a record that makes no sense says nothing */
    if (status == 0 && failure->id[0] && failure->end == JOB_END_BAD_INPUT && failure->final) {
        *leave = true;
        c->out->failed++;
        return 0;
    }
    failure_release(failure);
    *failure = (struct failure){0};
    return status;
}

static int look_at_store(struct conductor *c, bool *leave, struct error *err)
{
    int status = 0;
    struct store_scan scan = {0};
    TRY(store_scan(c->store, &scan, err));
    c->out->jobs = c->list->count;
    c->out->done = c->out->failed = 0;
    c->records.cost_all = 0;
    for (size_t i = 0; i < c->list->count; i++) {
        const struct store_entry *entry = store_scan_find(&scan, c->list->jobs[i].id);
        leave[i] = c->skip && c->skip[i];
        if (store_entry_done(entry)) {
            leave[i] = true;
            c->out->done++;
        } else if (store_entry_has(entry, JOB_FAILURE) && !leave[i]) {
            TRY(take_earlier_failure(c, i, &leave[i], err));
        }
        if (!leave[i])
            c->records.cost_all += c->costs[i].seconds;
    }
done:
    store_scan_release(&scan);
    return status;
}

static int plan_jobs(struct conductor *c, struct error *err)
{
    struct coordinator_settings settings = {.lost_after = c->settings->lost_after,
                                            .attempts = c->settings->attempts,
                                            .max_failures = c->settings->max_failures,
                                            .deadline = c->settings->deadline,
                                            .patience = c->settings->patience,
                                            .is_done = is_done,
                                            .context = c};
    bool *leave = calloc(c->list->count + 1, sizeof *leave);
    int status = leave ? 0 : fail(err, E_ENVIRONMENT, "not enough memory");
    if (status == 0)
        status = look_at_store(c, leave, err);
    if (status == 0)
        status = coordinator_new(&settings, c->costs, leave, c->list->count, &c->coordinator, err);
    free(leave);
    return status;
}

/* --- the agents --- */

static void hail_all(struct conductor *c)
{
    struct message hail = message_new(MESSAGE_HAIL);
    if (!message_add(&hail, c->store->folder) || !message_add(&hail, c->claim->nonce) ||
        !message_add(&hail, c->settings->agent.version)) {
        struct error error;
        fail(&error, E_ENVIRONMENT, "the path of the store is too long");
        trouble(c, E_ENVIRONMENT, &error);
    }
    for (int i = 0; i < c->transport->size; i++)
        if (c->seats[i].state == SEAT_EXPECTED)
            send_to(c, i, &hail);
}

static void share_threads(struct conductor *c, int rank)
{
    size_t count = 0;
    int size = c->transport->size, *ranks = malloc((size_t)size * sizeof *ranks);
    int *threads = malloc((size_t)size * sizeof *threads);
    char(*masks)[MASK_TEXT] = malloc((size_t)size * sizeof *masks);
    for (int i = 0; ranks && threads && masks && i < size; i++)
        if (c->seats[i].state == SEAT_TAKEN && strcmp(c->seats[i].host, c->seats[rank].host) == 0) {
            memcpy(masks[count], c->seats[i].mask, sizeof *masks);
            ranks[count++] = i;
        }
    if (count > 0)
        host_share_threads((const char(*)[MASK_TEXT])masks, count, threads);
    for (size_t i = 0; i < count; i++)
        c->seats[ranks[i]].threads = c->settings->threads > 0 ? c->settings->threads : threads[i];
    free(ranks);
    free(threads);
    free(masks);
}

static void admit(struct conductor *c, int rank)
{
    struct error error;
    struct seat *seat = &c->seats[rank];
    if (seat->threads == 0)
        share_threads(c, rank);
    trouble(c,
            coordinator_agent_joined(c->coordinator, c->now, rank, seat->host, seat->bytes, &error),
            &error);
    LOG(c, "agent_joined", {"rank", NULL, rank}, {"host", seat->host, 0},
        {"threads", NULL, seat->threads}, {"memory_bytes", NULL, (double)seat->bytes});
}

static void lose(struct conductor *c, int rank, const char *why)
{
    struct seat *seat = &c->seats[rank];
    if (seat->state == SEAT_GONE)
        return;
    seat->state = SEAT_GONE;
    seat->running = false;
    c->lost_any = true;
    LOG(c, "agent_lost", {"rank", NULL, rank}, {"host", seat->host, 0}, {"reason", why, 0});
    say(c, c->urge == URGE_NONE, "agent %d%s%s is lost: %s", rank, *seat->host ? " on " : "",
        seat->host, why);
}

static void take_hello(struct conductor *c, int rank, const struct message *hello)
{
    struct seat *seat = &c->seats[rank];
    if (seat->state != SEAT_EXPECTED)
        return;
    memcpy(seat->host, hello->hello.host, sizeof seat->host);
    memcpy(seat->mask, hello->hello.mask, sizeof seat->mask);
    seat->host[HOST_TEXT - 1] = seat->mask[MASK_TEXT - 1] = 0;
    seat->bytes = hello->hello.bytes;
    if (hello->text_bytes && hello->text[0]) {
        lose(c, rank, hello->text);
        return;
    }
    seat->state = SEAT_TAKEN;
    if (c->phase == WORKING)
        admit(c, rank);
}

/* Threads depend on who else is on the host: dispatch begins when all are there, or those who are
 * not have had their time. */
static void gather(struct conductor *c)
{
    bool missing = false;
    for (int i = 0; i < c->transport->size; i++)
        missing |= c->seats[i].state == SEAT_EXPECTED;
    if (missing && c->now < c->phase_ends && c->urge == URGE_NONE)
        return;
    c->phase = WORKING;
    for (int i = 0; i < c->transport->size; i++)
        if (c->seats[i].state == SEAT_TAKEN)
            admit(c, i);
        else if (c->seats[i].state == SEAT_EXPECTED)
            say(c, true, "agent %d has not answered yet: starting without it", i);
}

/* --- what agents say --- */

static void take_status(struct conductor *c, int rank, const struct message *status)
{
    struct seat *seat = &c->seats[rank];
    struct message pulse = message_new(MESSAGE_PULSE);
    size_t job;
    uint64_t lease;
    int attempt;
    if (seat->state == SEAT_GONE)
        return;
    coordinator_agent_heard(c->coordinator, c->now, rank);
    if (coordinator_running(c->coordinator, rank, &job, &lease, &attempt) &&
        lease == status->lease) {
        seat->evaluation = status->status.evaluation;
        seat->total = status->status.total;
    }
    pulse.stamp = status->stamp;
    send_to(c, rank, &pulse);
}

static struct attempt describe_attempt(const struct seat *seat, int rank, enum job_end end,
                                       double seconds)
{
    struct attempt attempt = {
        .number = seat->attempt, .rank = rank, .seconds = seconds, .end = end, .exit_code = -1};
    memcpy(attempt.host, seat->host, sizeof attempt.host);
    clock_utc(seat->started_utc, attempt.started);
    return attempt;
}

static void note_trouble(struct conductor *c, struct seat *seat, const char *words)
{
    snprintf(seat->trouble, sizeof seat->trouble, "%.255s", words);
    memcpy(c->last_trouble, seat->trouble, sizeof c->last_trouble);
}

static void take_ended(struct conductor *c, int rank, const struct message *message)
{
    size_t job;
    uint64_t lease;
    int attempt_number;
    enum job_end end = (enum job_end)message->ended.end;
    if (c->seats[rank].state == SEAT_GONE ||
        !coordinator_running(c->coordinator, rank, &job, &lease, &attempt_number) ||
        lease != message->lease)
        return;
    if (end != JOB_END_DONE && end != JOB_END_INTERRUPTED) {
        struct error error;
        struct attempt attempt =
            describe_attempt(&c->seats[rank], rank, end, message->ended.seconds);
        attempt.exit_code = message->ended.exit_code;
        attempt.signal = message->ended.signal;
        attempt.peak_memory_bytes = message->ended.peak_bytes;
        attempt.cpu_seconds = message->ended.cpu_seconds;
        snprintf(attempt.message, sizeof attempt.message, "%.255s",
                 message->text_bytes ? message->text : "");
        trouble(c, records_add_attempt(&c->records, job, &attempt, &error), &error);
        if (end == JOB_END_ENVIRONMENT)
            note_trouble(c, &c->seats[rank], attempt.message);
    }
    c->seats[rank].running = false;
    coordinator_job_ended(c->coordinator, c->now, rank, lease, end);
}

/* A render's word that a person should read, quiet or not. */
static void take_note(struct conductor *c, int rank, const struct message *note)
{
    size_t job;
    uint64_t lease;
    int attempt;
    char line[LINE_TEXT];
    if (!note->text_bytes || c->seats[rank].state == SEAT_GONE ||
        !coordinator_running(c->coordinator, rank, &job, &lease, &attempt) || lease != note->lease)
        return;
    const char *id = c->list->jobs[job].id;
    LOG(c, "job_note", {"id", id, 0}, {"rank", NULL, rank}, {"note", note->text, 0});
    snprintf(line, sizeof line, "%s %.900s", id, note->text);
    c->hooks->warn(c->hooks->context, line);
}

static void take_bye(struct conductor *c, int rank, const struct message *bye)
{
    const char *why = bye->text_bytes ? bye->text : "";
    if (c->phase == LEAVING && !*why) {
        c->seats[rank].state = SEAT_GONE;
        return;
    }
    lose(c, rank, *why ? why : "it left");
    coordinator_agent_left(c->coordinator, c->now, rank);
}

/* A rank that speaks another language, or is out of its mind, gets no job any more. One that it may
 * be rendering is another's when its lease is over, as if it had fallen silent: it gets no pulse.
 */
static void take_nonsense(struct conductor *c, int rank)
{
    struct message leave = message_new(MESSAGE_LEAVE);
    size_t job;
    uint64_t lease;
    int attempt;
    if (c->seats[rank].state == SEAT_GONE)
        return;
    lose(c, rank, "it sent what is no message of this version of atelier");
    send_to(c, rank, &leave);
    if (!coordinator_running(c->coordinator, rank, &job, &lease, &attempt))
        coordinator_agent_lost(c->coordinator, c->now, rank);
}

static void take_message(struct conductor *c, int from, const struct message *message)
{
    struct error error;
    bool to_agent = from == c->transport->rank && c->has_agent;
    if (!message_valid(message, message_bytes(message))) {
        take_nonsense(c, from);
        return;
    }
    switch (message->kind) {
    case MESSAGE_HELLO:
        take_hello(c, from, message);
        break;
    case MESSAGE_STATUS:
        take_status(c, from, message);
        break;
    case MESSAGE_ENDED:
        take_ended(c, from, message);
        break;
    case MESSAGE_NOTE:
        take_note(c, from, message);
        break;
    case MESSAGE_BYE:
        take_bye(c, from, message);
        break;
    default: /* rank 0 to its own agent */
        if (to_agent)
            trouble(c, agent_hear(&c->agent, c->now, message, &error), &error);
        else
            take_nonsense(c, from);
    }
}

/* --- doing what is decided --- */

/* The words of the command in as many messages as it takes: the lease counts from the last. */
static void send_command(struct conductor *c, int rank, struct message *run, char *const *words,
                         int count)
{
    for (int i = 0; i < count; i++) {
        const char *at = words[i];
        size_t left = strlen(at) + 1;
        while (left > 0) {
            size_t room = MESSAGE_TEXT - run->text_bytes, part = left < room ? left : room;
            memcpy(run->text + run->text_bytes, at, part);
            run->text_bytes += (uint32_t)part;
            at += part;
            left -= part;
            if (run->text_bytes == MESSAGE_TEXT && (left > 0 || i + 1 < count)) {
                run->run.more = 1;
                send_to(c, rank, run);
                run->run.more = 0;
                run->text_bytes = 0;
            }
        }
    }
    send_to(c, rank, run);
}

/* Without --timeout: on a busy host everything takes several times its prediction, so only a job
 * that does not move at all for that long is taken for stuck. */
static double stuck_after(const struct conductor *c, double predicted)
{
    const double predictions = 3, least_s = 120;
    if (c->settings->timeout > 0 || !(predicted > 0))
        return 0;
    return fmax(least_s, predictions * predicted);
}

static void start_job(struct conductor *c, const struct decision *d)
{
    struct error error;
    struct job_command command;
    struct seat *seat = &c->seats[d->agent];
    struct message run = message_new(MESSAGE_RUN);
    char threads[32], checkpoint[64], *words[JOB_COMMAND_WORDS + 4];
    int status = job_command_make(c->store, &c->list->jobs[d->job], &command, &error);
    trouble(c, status, &error);
    if (status != 0)
        return;
    run.lease = d->lease;
    run.run.attempt = d->attempt;
    run.run.threads = seat->threads;
    run.run.seconds = c->costs[d->job].predicted ? c->costs[d->job].seconds : 0;
    run.run.timeout = c->settings->timeout;
    run.run.stuck = stuck_after(c, run.run.seconds);
    run.run.bytes = c->costs[d->job].bytes;
    snprintf(threads, sizeof threads, "--threads=%d", seat->threads);
    words[0] = (char *)(uintptr_t)c->settings->renderer;
    memcpy(words + 1, command.argv + 1, (size_t)(command.argc - 1) * sizeof *words);
    int count = command.argc;
    words[count++] = threads;
    if (c->settings->checkpoint_seconds >= 0) {
        snprintf(checkpoint, sizeof checkpoint, "--checkpoint-seconds=%.17g",
                 c->settings->checkpoint_seconds);
        words[count++] = checkpoint;
    }
    send_command(c, d->agent, &run, words, count);
    job_command_release(&command);
    seat->running = true;
    seat->job = d->job;
    seat->attempt = d->attempt;
    seat->started = c->now;
    seat->started_utc = clock_now();
    seat->evaluation = 0;
    seat->total = NAN;
    LOG(c, "job_start", {"id", c->list->jobs[d->job].id, 0}, {"rank", NULL, d->agent},
        {"host", seat->host, 0}, {"attempt", NULL, d->attempt}, {"threads", NULL, seat->threads});
}

enum { JOB_NAME = JOB_ID_TEXT + JOB_LABEL + 4 };

static const char *job_name(const struct conductor *c, size_t job, char text[JOB_NAME])
{
    const struct job *j = &c->list->jobs[job];
    char label[JOB_LABEL];
    job_label(c->list, j, label);
    snprintf(text, JOB_NAME, *label ? "%s (%s)" : "%s%s", j->id, label);
    return text;
}

static void note_done(struct conductor *c, const struct decision *d)
{
    struct error error;
    char name[JOB_NAME];
    double seconds = d->agent >= 0 ? c->now - c->seats[d->agent].started : 0;
    put_off(c, RECORD_FAILURE, records_forget(&c->records, d->job, &error), &error);
    c->out->rendered++;
    LOG(c, "job_done", {"id", c->list->jobs[d->job].id, 0}, {"rank", NULL, d->agent},
        {"seconds", NULL, seconds}, {"attempt", NULL, d->attempt});
    struct coordinator_counts n = coordinator_counts(c->coordinator);
    say(c, false, "done    %s in %.1f s by agent %d; %llu of %llu", job_name(c, d->job, name),
        seconds, d->agent, (unsigned long long)(c->out->done + n.done),
        (unsigned long long)c->out->jobs);
}

/* Attempts whose end no agent told: lost, or said to be done without a result. */
static void complete_record(struct conductor *c, const struct decision *d)
{
    struct error error;
    const struct failure *failure = &c->records.failures[d->job];
    if (d->agent < 0 || (failure->attempt_count > 0 &&
                         failure->attempts[failure->attempt_count - 1].number == d->attempt))
        return;
    const struct seat *seat = &c->seats[d->agent];
    struct attempt attempt = describe_attempt(seat, d->agent, d->end, c->now - seat->started);
    attempt.number = d->attempt;
    snprintf(attempt.message, sizeof attempt.message, "%s",
             d->end == JOB_END_LOST ? "its agent was lost" : "it ended without a result");
    trouble(c, records_add_attempt(&c->records, d->job, &attempt, &error), &error);
}

static void note_failure(struct conductor *c, const struct decision *d)
{
    struct error error;
    char name[JOB_NAME];
    bool final = d->kind == DECIDE_FAILED;
    complete_record(c, d);
    put_off(c, RECORD_FAILURE, records_write_failure(&c->records, d->job, d->end, final, &error),
            &error);
    const struct failure *failure = &c->records.failures[d->job];
    LOG(c, final ? "job_failed" : "job_retry", {"id", c->list->jobs[d->job].id, 0},
        {"rank", NULL, d->agent}, {"end", job_end_word(d->end), 0}, {"attempt", NULL, d->attempt},
        {"message", failure->message ? failure->message : "", 0});
    say(c, true, "%s %s: %s%s%s", final ? "failed " : "retry  ", job_name(c, d->job, name),
        job_end_sentence(d->end), failure->message ? ": " : "",
        failure->message ? failure->message : "");
}

static void note_blocked(struct conductor *c, int rank)
{
    struct seat *seat = &c->seats[rank];
    seat->blocked = true;
    LOG(c, "agent_blocked", {"rank", NULL, rank}, {"host", seat->host, 0},
        {"reason", seat->trouble, 0});
    say(c, true, "agent %d on %s gets no more jobs, it only fails: %s", rank, seat->host,
        seat->trouble);
}

static void note_interrupted(struct conductor *c, const struct decision *d)
{
    LOG(c, "job_retry", {"id", c->list->jobs[d->job].id, 0}, {"rank", NULL, d->agent},
        {"end", job_end_word(d->end), 0});
}

static void interrupt(struct conductor *c, const struct decision *d)
{
    struct message message = message_new(MESSAGE_INTERRUPT);
    message.lease = d->lease;
    send_to(c, d->agent, &message);
}

static bool act(struct conductor *c)
{
    struct decision d;
    bool any = false;
    for (; coordinator_decide(c->coordinator, c->now, &d); any = true)
        switch (d.kind) {
        case DECIDE_START:
            start_job(c, &d);
            break;
        case DECIDE_INTERRUPT:
            interrupt(c, &d);
            break;
        case DECIDE_DONE:
            note_done(c, &d);
            break;
        case DECIDE_RETRY:
            if (d.end == JOB_END_INTERRUPTED)
                note_interrupted(c, &d);
            else
                note_failure(c, &d);
            break;
        case DECIDE_FAILED:
            note_failure(c, &d);
            break;
        case DECIDE_BLOCKED:
            note_blocked(c, d.agent);
            break;
        case DECIDE_LOST:
            lose(c, d.agent, "it has not been heard for too long");
            break;
        }
    return any;
}

/* --- time --- */

/* Being told to stop comes once, but may become more urgent. */
static void obey(struct conductor *c)
{
    struct error error;
    enum urge urge = c->hooks->urge(c->hooks->context);
    if (urge <= c->urge)
        return;
    if (c->urge == URGE_NONE) {
        if (urge != URGE_HURRY) /* there is no time to write it */
            claim_end(c->store, c->claim, &error);
        LOG(c, "stop_requested", {"reason", urge == URGE_HURRY ? "hurry" : "signal", 0});
        say(c, true, "stopping: running jobs keep their state");
        coordinator_stop(c->coordinator, STOP_REQUESTED);
    }
    c->urge = urge;
    if (urge == URGE_HURRY)
        c->phase_ends = c->now + hurry_s;
}

/* Nobody renders for a store that cannot say whose it is. */
static void hold(struct conductor *c, bool held, const char *why)
{
    if (held == c->held)
        return;
    c->held = held;
    coordinator_hold(c->coordinator, held);
    say(c, true, held ? "nothing is rendered until the store is back: %s" : "the store is back%s",
        why);
}

/* A claim that cannot be written for a while may be taken for dead: then its owner has to act as
 * if it were, until it can look again. */
static void miss_claim(struct conductor *c, int status, const struct error *error)
{
    double missed = c->now - c->claim_written, silence = c->settings->agent.silence;
    if (status == E_FAILED || (status != E_ENVIRONMENT && missed > silence))
        trouble(c, E_FAILED, error);
    else if (missed > silence + c->settings->patience)
        trouble(c, E_ENVIRONMENT, error);
    else if (missed > silence)
        hold(c, true, error->message);
}

static void keep_claim(struct conductor *c)
{
    struct error error;
    bool stood_still = c->now - c->last_turn > c->settings->agent.stale;
    c->last_turn = c->now;
    if (stood_still)
        coordinator_was_deaf(c->coordinator, c->now);
    if (!stood_still && c->now - c->last_claim < c->settings->agent.heartbeat)
        return;
    c->last_claim = c->now;
    int status = claim_refresh(c->store, c->claim, &error);
    if (status != 0) {
        miss_claim(c, status, &error);
        return;
    }
    c->claim_written = c->now;
    hold(c, false, "");
}

static void show(struct conductor *c)
{
    struct error error;
    struct coordinator_counts counts = coordinator_counts(c->coordinator);
    if (c->now - c->last_show < 0.4 * c->settings->agent.heartbeat)
        return;
    c->last_show = c->now;
    put_off(c, RECORD_PROGRESS,
            records_show(&c->records, c->claim, c->seats, c->transport->size, &counts, c->out,
                         c->hooks, &error),
            &error);
    put_off(c, RECORD_FAILURE, records_catch_up(&c->records, &error), &error);
}

static void tick(struct conductor *c)
{
    if (c->now - c->last_tick < c->settings->lost_after / 100)
        return;
    c->last_tick = c->now;
    coordinator_tick(c->coordinator, c->now);
}

/* The deadline may come by a tick, or when all that is left is too long for what is left. */
static void tell_of_the_deadline(struct conductor *c)
{
    if (c->deadline_told || coordinator_stop_reason(c->coordinator) != STOP_DEADLINE)
        return;
    c->deadline_told = true;
    LOG(c, "stop_requested", {"reason", "deadline", 0});
    say(c, true, "stopping: the deadline has come");
}

/* --- leaving --- */

static void dismiss_all(struct conductor *c)
{
    struct message leave = message_new(MESSAGE_LEAVE);
    double farewell = fmax(shortest_farewell_s, c->settings->agent.silence / 8);
    leave.lease = !c->lost_any; /* everybody leaves together */
    for (int i = 0; i < c->transport->size; i++)
        if (c->seats[i].state != SEAT_GONE)
            send_to(c, i, &leave);
    c->phase = LEAVING;
    c->phase_ends =
        c->urge == URGE_HURRY ? fmin(c->phase_ends, c->now + hurry_s / 2) : c->now + farewell;
}

static bool all_gone(const struct conductor *c)
{
    for (int i = 0; i < c->transport->size; i++)
        if (c->seats[i].state != SEAT_GONE)
            return false;
    return true;
}

static void move_on(struct conductor *c)
{
    bool hurried = c->urge == URGE_HURRY && c->now > c->phase_ends;
    tell_of_the_deadline(c);
    if (c->disowned)
        c->phase = OVER;
    else if (c->phase == GATHERING)
        gather(c);
    else if (c->phase == WORKING && (hurried || coordinator_finished(c->coordinator)))
        dismiss_all(c);
    else if (c->phase == LEAVING && (hurried || all_gone(c) || c->now > c->phase_ends))
        c->phase = OVER;
}

/* --- the loop --- */

static void turn(struct conductor *c)
{
    struct error error;
    struct message message;
    int from;
    bool busy = false, agent_busy = false;
    c->now = clock_seconds();
    obey(c);
    keep_claim(c);
    for (int i = 0; i < MESSAGES_AT_ONCE && transport_receive(c->transport, &from, &message); i++) {
        busy = true;
        take_message(c, from, &message);
        act(c);
    }
    if (c->has_agent && !c->agent.finished)
        trouble(c, agent_step(&c->agent, c->now, &agent_busy, &error), &error);
    tick(c);
    busy |= act(c);
    show(c);
    move_on(c);
    if (c->phase != OVER)
        agent_wait(&c->agent, busy || agent_busy);
}

/* A moment in which others find us alive. */
static void wait_a_moment(struct conductor *c)
{
    double until = clock_seconds() + try_again_s;
    while (clock_seconds() < until) {
        meanwhile_answer(c->transport);
        usleep((useconds_t)(answer_s * 1e6));
    }
    claim_refresh(c->store, c->claim, NULL);
}

/* Takes a step that the store may not allow just now: again and again, until it may, patience is
 * over or somebody asks us to stop. */
static int wait_out(struct conductor *c, int (*step)(struct conductor *, struct error *),
                    double patience, struct error *err)
{
    double until = clock_seconds() + patience;
    for (;;) {
        struct error error;
        int status = step(c, &error);
        bool over = clock_seconds() >= until || c->hooks->urge(c->hooks->context) != URGE_NONE;
        if (status != 0 && (over || !error_may_heal(&error))) {
            *err = error;
            return status;
        }
        if (status == 0)
            return 0;
        if (!c->waiting_told)
            say(c, true, "%s; trying again for %.0f s", error.message, patience);
        c->waiting_told = true;
        wait_a_moment(c);
    }
}

static int clean(struct conductor *c, struct error *err)
{
    return store_clean(c->store, c->settings->lost_after, NULL, err);
}

static int begin(struct conductor *c, struct error *err)
{
    int status = 0;
    double patience = c->settings->patience;
    c->now = c->last_turn = c->claim_written = c->last_claim = clock_seconds();
    c->phase_ends = c->now + c->settings->lost_after;
    c->seats = calloc((size_t)c->transport->size, sizeof *c->seats);
    if (!c->seats)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    TRY(wait_out(c, clean, patience, err));
    TRY(records_open(&c->records, c->store, c->list, c->costs, err));
    TRY(wait_out(c, plan_jobs, patience, err));
    c->last_turn = clock_seconds();
    TRY(agent_init(&c->agent, &c->settings->agent, c->transport, c->now, err));
    c->has_agent = !c->settings->coordinator_only;
    if (!c->has_agent)
        c->seats[0].state = SEAT_GONE;
    LOG(c, "batch_start", {"nonce", c->claim->nonce, 0}, {"jobs", NULL, (double)c->list->count},
        {"waiting", NULL, (double)coordinator_counts(c->coordinator).waiting},
        {"ranks", NULL, c->transport->size}, {"version", c->settings->agent.version, 0});
    hail_all(c);
done:
    return status;
}

/* Moves the records of the jobs that failed to the outcome. */
static int hand_over_failures(struct conductor *c, struct error *err)
{
    struct outcome *out = c->out;
    out->failures = calloc(c->list->count + 1, sizeof *out->failures);
    if (!out->failures)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    for (size_t i = 0; i < c->list->count; i++) {
        struct failure *failure = &c->records.failures[i];
        if (!failure->id[0] || !failure->final)
            continue;
        out->failures[out->failure_count++] = *failure;
        *failure = (struct failure){0};
    }
    return 0;
}

static void sum_up(struct conductor *c)
{
    struct coordinator_counts counts = coordinator_counts(c->coordinator);
    bool failed_before = c->out->failed > 0;
    c->out->code = coordinator_verdict(c->coordinator);
    if (c->out->code == 0 && failed_before)
        c->out->code = E_FAILED;
    c->out->done += counts.done;
    c->out->failed += counts.failed;
    c->out->left = c->out->jobs - c->out->done - c->out->failed;
    c->out->stop = coordinator_stop_reason(c->coordinator);
    c->out->complete = !c->lost_any && all_gone(c);
    c->out->seconds = c->now - c->records.started;
    if (c->out->code == E_INTERRUPTED && c->out->stop == STOP_NOT)
        snprintf(c->out->why, sizeof c->out->why, "no agent is left");
    if (c->out->stop == STOP_ENVIRONMENT && !c->out->why[0])
        memcpy(c->out->why, c->last_trouble, sizeof c->out->why);
}

static int catch_up(struct conductor *c, struct error *err)
{
    return records_catch_up(&c->records, err);
}

static int write_verdict(struct conductor *c, struct error *err)
{
    const struct outcome *out = c->out;
    struct verdict verdict = {.code = out->code,
                              .jobs = out->jobs,
                              .done = out->done,
                              .failed = out->failed,
                              .left = out->left};
    memcpy(verdict.nonce, c->claim->nonce, sizeof verdict.nonce);
    clock_utc(clock_now(), verdict.finished);
    return verdict_write(c->store, &verdict, err);
}

/* The store as others shall find it. What was the end of the batch is not waited out once more. */
static void leave_store(struct conductor *c)
{
    struct error error;
    double patience = c->out->stop == STOP_ENVIRONMENT ? 0 : c->settings->patience;
    put_off(c, RECORD_FAILURE, wait_out(c, catch_up, patience, &error), &error);
    batch_progress_remove(c->store);
    if (wait_out(c, clean, patience, &error) != 0 && c->out->code == 0) {
        c->out->code = E_ENVIRONMENT;
        snprintf(c->out->why, sizeof c->out->why, "%.255s", error.message);
    }
    LOG(c, "batch_end", {"code", NULL, c->out->code}, {"done", NULL, (double)c->out->done},
        {"failed", NULL, (double)c->out->failed}, {"left", NULL, (double)c->out->left},
        {"seconds", NULL, c->out->seconds});
    put_off(c, RECORD_VERDICT, wait_out(c, write_verdict, patience, &error), &error);
    claim_release(c->store, c->claim, NULL);
}

static int conclude(struct conductor *c, struct error *err)
{
    sum_up(c);
    c->disowned |= claim_refresh(c->store, c->claim, NULL) == E_FAILED;
    if (c->disowned)
        c->out->code = E_INTERRUPTED;
    else
        leave_store(c);
    return hand_over_failures(c, err);
}

int conduct(struct transport *transport, const struct store *store, struct claim *claim,
            const struct job_list *list, const struct job_cost *costs, const bool *skip,
            const struct conduct_settings *settings, const struct conduct_hooks *hooks,
            struct outcome *out, struct error *err)
{
    int status = 0;
    struct conductor *c = calloc(1, sizeof *c);
    if (!c)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    *out = (struct outcome){0};
    *c = (struct conductor){.transport = transport,
                            .store = store,
                            .claim = claim,
                            .list = list,
                            .costs = costs,
                            .settings = settings,
                            .hooks = hooks,
                            .skip = skip,
                            .out = out};
    c->records.events.file = -1;
    TRY(begin(c, err));
    while (c->phase != OVER)
        turn(c);
    TRY(conclude(c, err));
done:
    if (c->has_agent)
        agent_release(&c->agent);
    records_close(&c->records);
    coordinator_free(c->coordinator);
    free(c->seats);
    free(c);
    return status;
}

void outcome_release(struct outcome *outcome)
{
    for (size_t i = 0; i < outcome->failure_count; i++)
        failure_release(&outcome->failures[i]);
    free(outcome->failures);
    *outcome = (struct outcome){0};
}
