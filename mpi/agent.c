#include "agent.h"

#include "claim.h"
#include "host.h"
#include "memory.h"
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

enum { COORDINATOR = 0, WORDS_MAX = 512, COMMAND_MAX = 1 << 20 };

static const double sample_s = 0.1, shortest_pause_s = 0.0002, longest_pause_s = 0.01;
static const double near_limit = 0.9; /* a SIGKILL with this share of the memory was for memory */

int agent_init(struct agent *agent, const struct agent_settings *settings,
               struct transport *transport, double now, struct error *err)
{
    (void)err;
    *agent = (struct agent){.settings = *settings,
                            .transport = transport,
                            .last_step = now,
                            .last_status = -INFINITY,
                            .heard = now,
                            .pause = shortest_pause_s};
    host_name(agent->host);
    return 0;
}

void agent_release(struct agent *agent)
{
    child_release(&agent->child);
    store_release(&agent->store);
    free(agent->command);
    *agent = (struct agent){0};
}

static int say(struct agent *agent, const struct message *message, struct error *err)
{
    return transport_send(agent->transport, COORDINATOR, message, err);
}

/* --- joining --- */

/* Does the store as seen from here hold the coordinator's claim? "" or why not. */
static void check_hail(struct agent *agent, const char *folder, const char *nonce,
                       const char *version, char *why, size_t size)
{
    struct error error;
    struct claim claim;
    enum claim_state state;
    double age;
    why[0] = 0;
    if (strcmp(version, agent->settings.version) != 0) {
        snprintf(why, size, "it runs atelier %s, the coordinator %s", agent->settings.version,
                 version);
        return;
    }
    if (store_open(folder, &agent->store, &error) != 0 ||
        claim_look(&agent->store, INFINITY, &claim, &state, &age, &error) != 0)
        snprintf(why, size, "it does not see the batch's store: %.400s", error.message);
    else if (strcmp(claim.nonce, nonce) != 0)
        snprintf(why, size, "the folder '%.400s' that it sees is not the batch's store", folder);
}

static int answer_hail(struct agent *agent, const struct message *hail, struct error *err)
{
    char why[512];
    const char *folder = hail->text, *nonce = folder + strlen(folder) + 1;
    const char *version = nonce + strlen(nonce) + 1;
    struct message hello = message_new(MESSAGE_HELLO);
    check_hail(agent, folder, nonce, version, why, sizeof why);
    snprintf(hello.hello.host, sizeof hello.hello.host, "%s", agent->host);
    host_mask(hello.hello.mask);
    hello.hello.bytes = memory_available();
    hello.hello.pid = getpid();
    message_say(&hello, why);
    agent->leaving = why[0] != 0;
    return say(agent, &hello, err);
}

/* --- a job --- */

/* Splits the command into words, the renderer first. */
static int start_child(struct agent *agent, const struct message *run, struct error *err)
{
    char *argv[WORDS_MAX + 1], facts[256];
    size_t count = 0;
    for (size_t at = 0; at < agent->command_bytes && count < WORDS_MAX;
         at += strlen(agent->command + at) + 1)
        argv[count++] = agent->command + at;
    argv[count] = NULL;
    int used = snprintf(facts, sizeof facts, "attempts=%d;rank=%d", run->run.attempt,
                        agent->transport->rank);
    if (run->run.seconds > 0)
        snprintf(facts + used, sizeof facts - (size_t)used,
                 ";predicted_seconds=%.6g;predicted_bytes=%llu", run->run.seconds,
                 (unsigned long long)run->run.bytes);
    agent->kills_before = host_memory_kills();
    agent->room_before = memory_available();
    return count > 0 ? child_start(&agent->child, argv, agent->settings.silence, facts, err)
                     : fail(err, E_BUG, "a job without a command");
}

static int report(struct agent *agent, double now, const struct child_end *end, enum job_end how,
                  const char *words, struct error *err)
{
    struct message ended = message_new(MESSAGE_ENDED);
    ended.lease = agent->lease;
    ended.ended.end = (int32_t)how;
    ended.ended.exit_code = end->exit_code;
    ended.ended.signal = end->signal;
    ended.ended.seconds = now - agent->started;
    ended.ended.cpu_seconds = end->cpu_seconds;
    ended.ended.peak_bytes = end->peak_bytes;
    message_say(&ended, words);
    agent->lease = 0;
    return say(agent, &ended, err);
}

/* A child that cannot be started is a crash: another agent may do better. */
static int run(struct agent *agent, double now, const struct message *message, struct error *err)
{
    struct error inner;
    agent->lease = message->lease;
    agent->started = now;
    agent->moved = now;
    agent->timeout = message->run.timeout;
    agent->stuck = message->run.stuck;
    agent->order = ORDER_NONE;
    agent->killed = false;
    agent->evaluation = 0;
    agent->total = NAN;
    agent->last_words[0] = 0;
    int status = start_child(agent, message, &inner);
    agent->command_bytes = 0;
    if (status == 0)
        return 0;
    return report(agent, now, &(struct child_end){.exit_code = -1}, JOB_END_CRASHED, inner.message,
                  err);
}

static int take_command(struct agent *agent, double now, const struct message *message,
                        struct error *err)
{
    size_t bytes = agent->command_bytes + message->text_bytes;
    char *command = bytes <= COMMAND_MAX ? realloc(agent->command, bytes) : NULL;
    if (!command)
        return fail(err, E_ENVIRONMENT, "not enough memory for a job's command");
    memcpy(command + agent->command_bytes, message->text, message->text_bytes);
    agent->command = command;
    agent->command_bytes = bytes;
    return message->run.more ? 0 : run(agent, now, message, err);
}

/* Asks the child to end; the first order stands. */
static void give_order(struct agent *agent, double now, enum agent_order order, int signal)
{
    if (agent->lease == 0 || agent->order != ORDER_NONE)
        return;
    agent->order = order;
    agent->ordered = now;
    child_signal(&agent->child, signal, false);
}

/* A render that found too little memory says so in these words, with the exit code of whatever it
 * was about to do; it is neither the job's fault nor the disk's. */
static bool speaks_of_memory(const char *words)
{
    return strstr(words, "not enough memory") || strstr(words, " GB of memory, ");
}

static enum job_end end_of_exit(const struct agent *agent, int code)
{
    bool memory = speaks_of_memory(agent->last_words);
    switch (code) {
    case 0:
        return JOB_END_DONE;
    case E_FAILED:
        return JOB_END_DIVERGED;
    case E_INPUT:
        return memory ? JOB_END_OUT_OF_MEMORY : JOB_END_BAD_INPUT;
    case E_ENVIRONMENT:
        return memory ? JOB_END_OUT_OF_MEMORY : JOB_END_ENVIRONMENT;
    case E_INTERRUPTED:
        return JOB_END_INTERRUPTED;
    default:
        return JOB_END_CRASHED;
    }
}

/* The kernel kills for memory with SIGKILL and says so in a counter; where that cannot be read, a
 * SIGKILL of a process that had nearly all there was tells the same. */
static bool killed_for_memory(const struct agent *agent, const struct child_end *end)
{
    return end->signal == SIGKILL && !agent->killed &&
           (host_memory_kills() > agent->kills_before ||
            (double)end->peak_bytes >= near_limit * (double)agent->room_before);
}

static enum job_end classify(const struct agent *agent, const struct child_end *end)
{
    static const enum job_end ordered[] = {[ORDER_INTERRUPT] = JOB_END_INTERRUPTED,
                                           [ORDER_TIMEOUT] = JOB_END_TIMED_OUT,
                                           [ORDER_MEMORY] = JOB_END_OUT_OF_MEMORY,
                                           [ORDER_SILENCE] = JOB_END_INTERRUPTED};
    bool by_itself = end->signal == 0 && end->exit_code != E_INTERRUPTED;
    if (agent->order != ORDER_NONE && (!by_itself || agent->killed))
        return ordered[agent->order];
    if (end->signal == 0)
        return end_of_exit(agent, end->exit_code);
    return killed_for_memory(agent, end) ? JOB_END_OUT_OF_MEMORY : JOB_END_CRASHED;
}

/* What a person wants to read first: the child's own words, else what ended it. */
static void last_words(const struct agent *agent, enum job_end how, const struct child_end *end,
                       char *text, size_t size)
{
    const char *stderr_words = agent->child.words;
    size_t length = strlen(stderr_words);
    while (length > 0 && stderr_words[length - 1] == '\n')
        length--;
    text[0] = 0;
    if (agent->order == ORDER_TIMEOUT && how == JOB_END_TIMED_OUT)
        snprintf(text, size,
                 agent->timeout > 0 ? "it took longer than %.3g s" : "it made no step for %.3g s",
                 agent->timeout > 0 ? agent->timeout : agent->stuck);
    else if (agent->order == ORDER_MEMORY && how == JOB_END_OUT_OF_MEMORY)
        snprintf(text, size, "it took more than %.0f MB of memory",
                 (double)agent->settings.job_memory * 1e-6);
    else if (agent->last_words[0])
        snprintf(text, size, "%s", agent->last_words);
    else if (length > 0)
        snprintf(text, size, "%.*s", (int)length, stderr_words);
    else if (end->signal)
        snprintf(text, size, "ended by signal %d (%s)", end->signal, strsignal(end->signal));
    else if (how == JOB_END_CRASHED)
        snprintf(text, size, "ended with exit code %d", end->exit_code);
}

static int pass_on(struct agent *agent, const char *words, struct error *err)
{
    struct message note = message_new(MESSAGE_NOTE);
    note.lease = agent->lease;
    message_say(&note, words);
    return say(agent, &note, err);
}

/* "row ITERATION EVALUATION TOTAL", "note WORDS", "error CODE MESSAGE" */
static int read_line(struct agent *agent, const char *line, struct error *err)
{
    long long evaluation;
    double total;
    int used = 0, code;
    if (sscanf(line, "row %*d %lld %lf", &evaluation, &total) == 2) {
        agent->evaluation = evaluation;
        agent->total = total;
    } else if (strncmp(line, "note ", 5) == 0) {
        return pass_on(agent, line + 5, err);
    } else if (sscanf(line, "error %d %n", &code, &used) == 1 && used > 0) {
        snprintf(agent->last_words, sizeof agent->last_words, "%s", line + used);
    }
    return 0;
}

static int read_lines(struct agent *agent, bool *any, struct error *err)
{
    char line[CHILD_LINE];
    int status = 0;
    for (*any = false; status == 0 && child_line(&agent->child, line); *any = true)
        status = read_line(agent, line, err);
    return status;
}

static int collect(struct agent *agent, double now, const struct child_end *end, struct error *err)
{
    char words[CHILD_LINE];
    bool any;
    int status = read_lines(agent, &any, err);
    if (status != 0)
        return status;
    enum job_end how = classify(agent, end);
    last_words(agent, how, end, words, sizeof words);
    child_release(&agent->child);
    return report(agent, now, end, how, words, err);
}

/* --- watching --- */

static void kill_child(struct agent *agent)
{
    child_signal(&agent->child, SIGKILL, true);
    agent->killed = true;
}

static void watch_child(struct agent *agent, double now)
{
    const struct agent_settings *s = &agent->settings;
    if ((agent->timeout > 0 && now - agent->started > agent->timeout) ||
        (agent->stuck > 0 && now - agent->moved > agent->stuck))
        give_order(agent, now, ORDER_TIMEOUT, SIGTERM);
    if (now - agent->last_sample >= sample_s) {
        agent->last_sample = now;
        uint64_t bytes = child_memory(&agent->child);
        if (s->job_memory > 0 && bytes > s->job_memory)
            give_order(agent, now, ORDER_MEMORY, SIGTERM);
    }
    if (agent->order != ORDER_NONE && !agent->killed && now - agent->ordered > s->grace)
        kill_child(agent);
}

/* The coordinator has not been heard, or this process has not run, for too long: somebody else may
 * have been given the job. */
static void fall_silent(struct agent *agent, double now, const char *why)
{
    if (agent->lease && !agent->killed) {
        agent->order = ORDER_SILENCE;
        agent->ordered = now;
        kill_child(agent);
    }
    agent->heard = now;
    if (agent->transport->rank == COORDINATOR)
        return; /* the coordinator stood still with it, and looks after its claim itself */
    agent->leaving = true;
    snprintf(agent->reason, sizeof agent->reason, "%s", why);
}

static void watch_time(struct agent *agent, double now)
{
    if (agent->leaving)
        return;
    if (now - agent->last_step > agent->settings.silence)
        fall_silent(agent, now, "it stood still for too long");
    else if (now - agent->heard > agent->settings.silence)
        fall_silent(agent, now, "the coordinator is silent");
}

static int send_status(struct agent *agent, double now, struct error *err)
{
    if (now - agent->last_status < agent->settings.heartbeat)
        return 0;
    struct message status = message_new(MESSAGE_STATUS);
    status.lease = agent->lease;
    status.stamp = now;
    status.status.evaluation = agent->evaluation;
    status.status.total = agent->total;
    agent->last_status = now;
    return say(agent, &status, err);
}

static int finish(struct agent *agent, struct error *err)
{
    struct message bye = message_new(MESSAGE_BYE);
    message_say(&bye, agent->reason);
    agent->finished = true;
    return say(agent, &bye, err);
}

int agent_step(struct agent *agent, double now, bool *busy, struct error *err)
{
    struct child_end end;
    int status = 0;
    watch_time(agent, now);
    agent->last_step = now;
    *busy = false;
    if (agent->lease) {
        TRY(read_lines(agent, busy, err));
        if (*busy)
            agent->moved = now;
        watch_child(agent, now);
        if (child_ended(&agent->child, &end)) {
            *busy = true;
            TRY(collect(agent, now, &end, err));
        }
    }
    TRY(send_status(agent, now, err));
    if (agent->leaving && agent->lease == 0 && !agent->finished)
        TRY(finish(agent, err));
done:
    return status;
}

/* A pulse counts from when the status that it answers was sent; one that was long under way is not
 * passed on, since a child counts from when it gets it. */
static void take_pulse(struct agent *agent, double now, double stamp)
{
    if (stamp > agent->heard)
        agent->heard = stamp;
    if (now - stamp <= agent->settings.stale)
        child_pulse(&agent->child);
}

int agent_hear(struct agent *agent, double now, const struct message *message, struct error *err)
{
    watch_time(agent, now); /* before what was queued meanwhile */
    if (!message_valid(message, message_bytes(message))) {
        agent_quit(agent, now, "the coordinator sent it what is no message of this version");
        return 0;
    }
    switch (message->kind) {
    case MESSAGE_HAIL:
        return answer_hail(agent, message, err);
    case MESSAGE_PULSE:
        take_pulse(agent, now, message->stamp);
        return 0;
    case MESSAGE_RUN:
        return agent->leaving || agent->lease ? 0 : take_command(agent, now, message, err);
    case MESSAGE_INTERRUPT:
        if (message->lease == agent->lease)
            give_order(agent, now, ORDER_INTERRUPT, SIGUSR1);
        return 0;
    case MESSAGE_LEAVE:
        agent->leaving = true;
        give_order(agent, now, ORDER_INTERRUPT, SIGTERM);
        return 0;
    default:
        return 0;
    }
}

void agent_quit(struct agent *agent, double now, const char *reason)
{
    if (agent->leaving)
        return;
    give_order(agent, now, ORDER_INTERRUPT, SIGTERM);
    agent->leaving = true;
    snprintf(agent->reason, sizeof agent->reason, "%s", reason);
}

void agent_wait(struct agent *agent, bool busy)
{
    struct pollfd files[2] = {{.fd = -1, .events = POLLIN}, {.fd = -1, .events = POLLIN}};
    if (agent->lease) {
        files[0].fd = agent->child.lines;
        files[1].fd = agent->child.process;
    }
    agent->pause = busy ? shortest_pause_s : fmin(2 * agent->pause, longest_pause_s);
    struct timespec time = {.tv_nsec = (long)(agent->pause * 1e9)};
    ppoll(files, 2, &time, NULL);
    if (files[0].revents & POLLHUP) /* closed before the end: nothing more to wait for there */
        nanosleep(&time, NULL);
}
