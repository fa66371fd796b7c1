/* mpirun, started, watched and ended. Its own exit code says nothing after the loss of a rank, and
 * after the loss of a host it hangs: the batch's verdict is in the store, under the nonce that
 * rank 0 tells us through its stdout. */
#include "batch.h"

#include "clock.h"
#include "outlet.h"
#include "scratch.h"
#include "stop.h"
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

static const double look_s = 0.25, after_verdict_s = 3, after_term_s = 3, graceful_s = 8,
                    verdict_wait_s = 2;
/* Until rank 0 is there, as a multiple of --lost-after: 20 minutes by default. */
static const double start_limit = 20;

enum { WORDS_MAX = 512, LINE_MAX_TEXT = 4096 };

bool launch_wanted(const struct batch_options *options)
{
    return options->ranks > 0 || options->hosts;
}

/* --- mpirun's command --- */

/* The first line of `mpirun --version`; its major version, 0 if it is no Open MPI. */
static int probe_version(char *line, int size)
{
    int major = 0;
    FILE *pipe = popen("mpirun --version 2>/dev/null", "re");
    line[0] = 0;
    if (pipe && fgets(line, size, pipe))
        line[strcspn(line, "\n")] = 0;
    if (pipe)
        pclose(pipe);
    return sscanf(line, "mpirun (Open MPI) %d", &major) == 1 ? major : 0;
}

struct words {
    size_t count;
    char *list[WORDS_MAX + 1];
    char *texts; /* of --mpirun-args, cut up */
    char number[32];
};

static void add(struct words *words, const char *word)
{
    if (words->count < WORDS_MAX)
        words->list[words->count++] = (char *)(uintptr_t)word;
}

static void add_all(struct words *words, const char *const *list)
{
    for (; *list; list++)
        add(words, *list);
}

/* Ranks are light and share all processors of their host: binding would give every render that a
 * rank starts no more than the rank's own core. */
static void add_flags(struct words *words, int major)
{
    static const char *const version_4[] = {"--enable-recovery", "--oversubscribe", NULL};
    static const char *const version_5[] = {"--runtime-options", "recoverable,continuous",
                                            "--map-by", "slot:oversubscribe", NULL};
    add_all(words, major >= 5 ? version_5 : version_4);
    add_all(words, (const char *const[]){"--bind-to", "none", "-x", "ATELIER_LAUNCHED", NULL});
    if (getenv("ATELIER_LIVE"))
        add_all(words, (const char *const[]){"-x", "ATELIER_LIVE", NULL});
}

/* Splits at blanks; single and double quotes keep them. */
static bool add_given(struct words *words, const char *text)
{
    char *to = words->texts = strdup(text), quote = 0;
    bool inside = false;
    for (char *from = to; to && *from; from++) {
        bool blank = (*from == ' ' || *from == '\t') && !quote;
        if (*from == quote || (!quote && (*from == '\'' || *from == '"'))) {
            quote = quote ? 0 : *from;
            blank = false;
            if (!inside)
                add(words, to);
            inside = true;
        } else if (blank) {
            if (inside)
                *to++ = 0;
            inside = false;
        } else {
            if (!inside)
                add(words, to);
            inside = true;
            *to++ = *from;
        }
    }
    if (to)
        *to = 0;
    return words->texts != NULL;
}

static int make_command(struct words *words, int major, int argc, char **argv,
                        const struct batch_options *options, const char *program, struct error *err)
{
    add(words, "mpirun");
    add_flags(words, major);
    if (options->ranks > 0) {
        snprintf(words->number, sizeof words->number, "%lld", (long long)options->ranks);
        add_all(words, (const char *const[]){"-n", words->number, NULL});
    }
    if (options->hosts)
        add_all(words, (const char *const[]){"--host", options->hosts, NULL});
    if (options->mpirun_args && !add_given(words, options->mpirun_args))
        return fail(err, E_ENVIRONMENT, "not enough memory");
    add(words, program);
    for (int i = 0; i < argc; i++)
        add(words, argv[i]);
    words->list[words->count] = NULL;
    return words->count < WORDS_MAX ? 0 : fail(err, E_INPUT, "too many words for mpirun");
}

/* Open MPI refuses to be started by root unless told twice that it is meant. A render reads what
 * the person gave it and writes into one folder; in a container root is often the only user there
 * is. */
static void allow_root(void)
{
    if (geteuid() != 0)
        return;
    setenv("OMPI_ALLOW_RUN_AS_ROOT", "1", 0);
    setenv("OMPI_ALLOW_RUN_AS_ROOT_CONFIRM", "1", 0);
}

static void pass_terminal(bool quiet)
{
    struct winsize size;
    char text[16];
    if (quiet || !isatty(STDERR_FILENO))
        return;
    bool known = ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0;
    snprintf(text, sizeof text, "%d", known ? size.ws_col : 80);
    setenv("ATELIER_LIVE", text, 1);
}

/* --- Open MPI's temporary files --- */

/* Killed, it leaves its session folder in /tmp and segments of shared memory. On one host they get
 * a folder of ours, which goes with the launcher, or with the next one. */
static const char scratch_folder[] = "/dev/shm";

/* Inside a batch system's allocation mpirun uses other hosts, too, which have no such folder. */
static bool on_one_host(void)
{
    static const char *const signs[] = {"SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "PE_HOSTFILE"};
    for (size_t i = 0; i < sizeof signs / sizeof *signs; i++)
        if (getenv(signs[i]))
            return false;
    return true;
}

static struct scratch make_scratch(void)
{
    static const char *const names[] = {
        "OMPI_MCA_orte_tmpdir_base", "OMPI_MCA_btl_vader_backing_directory",
        "PRTE_MCA_prte_tmpdir_base", "OMPI_MCA_btl_sm_backing_directory"};
    struct scratch scratch = scratch_make(scratch_folder);
    for (size_t i = 0; scratch.path && i < sizeof names / sizeof *names; i++)
        setenv(names[i], scratch.path, 0);
    return scratch;
}

/* --- the process --- */

/* What comes through a pipe and is passed on line by line, but for what is not meant for people. */
struct stream {
    int from;
    FILE *to;
    char text[LINE_MAX_TEXT];
    size_t used;
    bool middle; /* the beginning of this line has been passed on */
};

struct launched_mpirun {
    pid_t pid; /* 0: it has ended */
    int how;   /* of waitpid */
    struct stream out, errors;
    struct scratch scratch; /* Open MPI's temporary files; without a path: left to it */
    char nonce[NONCE_TEXT];
    int told_code; /* -1: nothing */
    bool stopping, terminated;
    double started, heard; /* clock; when rank 0 last gave a sign of life, 0: not yet */
    double stop_at, term_at, verdict_at, looked_at;
    struct store store;
    const char *folder;
    struct verdict verdict;
    bool orphaned; /* the coordinator died without a verdict */
};

/* Ctrl-C is for us, who pass on what is meant by it; if we are killed, mpirun is told to end. */
static void become_mpirun(char *const *words, int out, int errors, pid_t parent)
{
    prctl(PR_SET_PDEATHSIG, SIGTERM);
    if (getppid() != parent)
        _exit(1);
    setpgid(0, 0);
    int in = open("/dev/null", O_RDONLY);
    dup2(in, STDIN_FILENO);
    dup2(out, STDOUT_FILENO);
    dup2(errors, STDERR_FILENO);
    signal(SIGPIPE, SIG_DFL);
    signal(SIGXFSZ, SIG_DFL);
    execvp(words[0], words);
    _exit(127);
}

static int start(struct launched_mpirun *run, char *const *words, struct error *err)
{
    int out[2], errors[2];
    pid_t self = getpid();
    if (pipe2(out, O_CLOEXEC) != 0)
        return fail_errno(err, "cannot open a pipe to mpirun");
    run->out = (struct stream){.from = out[0], .to = stdout};
    if (pipe2(errors, O_CLOEXEC) != 0) {
        close(out[1]);
        return fail_errno(err, "cannot open a pipe to mpirun");
    }
    run->errors = (struct stream){.from = errors[0], .to = stderr};
    run->pid = fork();
    if (run->pid == 0)
        become_mpirun(words, out[1], errors[1], self);
    close(out[1]);
    close(errors[1]);
    fcntl(out[0], F_SETFL, O_NONBLOCK);
    fcntl(errors[0], F_SETFL, O_NONBLOCK);
    return run->pid > 0 ? 0 : fail_errno(err, "cannot start mpirun");
}

/* --- what rank 0 says --- */

static void take_secret(struct launched_mpirun *run, const char *line)
{
    char nonce[NONCE_TEXT];
    int code;
    run->heard = clock_seconds();
    if (sscanf(line, "nonce %32s", nonce) == 1)
        memcpy(run->nonce, nonce, sizeof run->nonce);
    else if (sscanf(line, "code %d", &code) == 1)
        run->told_code = code;
}

/* What Open MPI 4.1 says of itself when a rank is lost or a signal passed on. */
static bool is_noise(const char *line)
{
    return strstr(line, "PMIX ERROR: BAD-PARAM") || strstr(line, "mpirun: Forwarding signal");
}

static void pass_on(struct stream *stream, size_t length)
{
    outlet_raw(stream->to, stream->text, length);
    stream->used -= length;
    memmove(stream->text, stream->text + length, stream->used);
}

/* A whole line, with its end. */
static void take_line(struct launched_mpirun *run, struct stream *stream, size_t length)
{
    char after = stream->text[length];
    stream->text[length] = 0;
    bool secret = strncmp(stream->text, LAUNCHED_LINE, strlen(LAUNCHED_LINE)) == 0;
    bool kept = stream->middle || !(secret || is_noise(stream->text));
    if (secret && !stream->middle)
        take_secret(run, stream->text + strlen(LAUNCHED_LINE));
    stream->text[length] = after;
    stream->middle = false;
    if (kept) {
        pass_on(stream, length);
        return;
    }
    stream->used -= length;
    memmove(stream->text, stream->text + length, stream->used);
}

/* The start of a line that may turn out not to be for people has to wait for its end. */
static bool must_wait(const struct stream *stream)
{
    return !stream->middle && strchr("[m\001", stream->text[0]) &&
           stream->used < sizeof stream->text - 1;
}

static bool read_stream(struct launched_mpirun *run, struct stream *stream)
{
    ssize_t got =
        read(stream->from, stream->text + stream->used, sizeof stream->text - 1 - stream->used);
    if (got <= 0)
        return false;
    stream->used += (size_t)got;
    for (char *end; (end = memchr(stream->text, '\n', stream->used));)
        take_line(run, stream, (size_t)(end - stream->text) + 1);
    if (stream->used > 0 && !must_wait(stream)) {
        stream->middle = true;
        pass_on(stream, stream->used);
    }
    return true;
}

static void read_streams(struct launched_mpirun *run)
{
    while (read_stream(run, &run->out) || read_stream(run, &run->errors))
        ;
}

/* --- looking after it --- */

static void signal_mpirun(struct launched_mpirun *run, int number)
{
    if (run->pid > 0)
        kill(run->pid, number);
}

static void terminate(struct launched_mpirun *run, double now)
{
    if (!run->terminated)
        signal_mpirun(run, SIGTERM);
    else if (now - run->term_at > after_term_s)
        signal_mpirun(run, SIGKILL);
    if (!run->terminated)
        run->term_at = now;
    run->terminated = true;
}

/* The first signal is passed on as the graceful one; a SIGTERM waits only so long. */
static void pass_signals(struct launched_mpirun *run, double now)
{
    const char *name = stop_signal();
    if (!name)
        return;
    if (!run->stopping) {
        signal_mpirun(run, SIGUSR1);
        run->stopping = true;
        run->stop_at = now;
    }
    if (strcmp(name, "SIGTERM") == 0 && now - run->stop_at > graceful_s)
        terminate(run, now);
}

static bool verdict_is_ours(struct launched_mpirun *run)
{
    struct verdict verdict;
    if (!run->nonce[0] || run->verdict.nonce[0])
        return run->verdict.nonce[0] != 0;
    if (!run->store.folder && store_open(run->folder, &run->store, NULL) != 0)
        return false;
    if (verdict_read(&run->store, &verdict, NULL) == 0 && strcmp(verdict.nonce, run->nonce) == 0)
        run->verdict = verdict;
    return run->verdict.nonce[0] != 0;
}

static bool coordinator_died(struct launched_mpirun *run, double lost_after)
{
    struct claim who;
    enum claim_state state;
    double age;
    return run->nonce[0] && run->store.folder &&
           claim_look(&run->store, lost_after, &who, &state, &age, NULL) == 0 &&
           (state == CLAIM_FREE || strcmp(who.nonce, run->nonce) != 0 || state == CLAIM_DEAD) &&
           !verdict_is_ours(run);
}

/* After the loss of a host mpirun may hang without a word, at any time from its start on. */
static bool rank_0_is_silent(const struct launched_mpirun *run, double now, double lost_after)
{
    return run->heard > 0 ? now - run->heard > 2 * lost_after
                          : now - run->started > start_limit * lost_after;
}

static void look_at_store(struct launched_mpirun *run, double now, double lost_after)
{
    if (now - run->looked_at < look_s)
        return;
    run->looked_at = now;
    if (verdict_is_ours(run)) {
        if (run->verdict_at == 0)
            run->verdict_at = now;
        if (now - run->verdict_at > after_verdict_s)
            terminate(run, now);
    } else if (run->orphaned || coordinator_died(run, lost_after) ||
               rank_0_is_silent(run, now, lost_after)) {
        run->orphaned = true;
        terminate(run, now);
    }
}

static void watch(struct launched_mpirun *run, double lost_after)
{
    while (run->pid > 0) {
        struct pollfd files[2] = {{.fd = run->out.from, .events = POLLIN},
                                  {.fd = run->errors.from, .events = POLLIN}};
        poll(files, 2, 50);
        read_streams(run);
        if ((files[0].revents | files[1].revents) & POLLHUP)
            usleep(20000);
        double now = clock_seconds();
        if (waitpid(run->pid, &run->how, WNOHANG) == run->pid)
            run->pid = 0;
        pass_signals(run, now);
        look_at_store(run, now, lost_after);
    }
    read_streams(run);
    pass_on(&run->out, run->out.used);
    pass_on(&run->errors, run->errors.used);
}

/* --- the verdict --- */

/* When mpirun is killed, rank 0 notices and still writes its verdict. */
static bool wait_for_verdict(struct launched_mpirun *run, double lost_after)
{
    double until = clock_seconds() + verdict_wait_s;
    while (!verdict_is_ours(run) && run->nonce[0] && clock_seconds() < until &&
           !coordinator_died(run, lost_after))
        usleep(20000);
    return verdict_is_ours(run);
}

static int judge(struct launched_mpirun *run, double lost_after, struct error *err)
{
    int code = WIFEXITED(run->how) ? WEXITSTATUS(run->how) : 128 + WTERMSIG(run->how);
    if (wait_for_verdict(run, lost_after))
        return run->verdict.code;
    if (run->told_code >= 0)
        return run->told_code; /* it has said why */
    if (run->nonce[0])
        return fail(err, E_INTERRUPTED,
                    "rank 0 ended without a verdict; the same command goes on with what is left");
    if (stop_requested())
        return fail(err, E_INTERRUPTED, "interrupted by %s before it began", stop_signal());
    if (code == 0 || code >= 128)
        return fail(err, E_INTERRUPTED, "mpirun or rank 0 was killed before the batch began");
    if (code == 127)
        return fail(err, E_ENVIRONMENT,
                    "there is no mpirun: install Open MPI, or leave out --ranks");
    return fail(err, E_ENVIRONMENT, "mpirun ended with %d before the batch began", code);
}

int launch(int argc, char **argv, const struct batch_options *options, const char *folder,
           struct error *err)
{
    int status = 0;
    char version[256], *program = program_path();
    struct words words = {0};
    struct launched_mpirun run = {.out.from = -1,
                                  .errors.from = -1,
                                  .scratch = {NULL, -1, -1},
                                  .told_code = -1,
                                  .folder = folder};
    int major = probe_version(version, sizeof version);
    if (major == 0) {
        status = *version ? fail(err, E_ENVIRONMENT,
                                 "mpirun is not Open MPI's (it says '%s'): put Open MPI's first in "
                                 "PATH, or start atelier batch with your own launcher",
                                 version)
                          : fail(err, E_ENVIRONMENT,
                                 "there is no mpirun: install Open MPI, or leave out --ranks");
        goto done;
    }
    allow_root();
    pass_terminal(options->quiet);
    setenv("ATELIER_LAUNCHED", "1", 1);
    TRY(make_command(&words, major, argc, argv, options, program, err));
    if (!options->hosts && on_one_host())
        run.scratch = make_scratch();
    run.started = clock_seconds();
    TRY(start(&run, words.list, err));
    watch(&run, options->lost_after);
    status = judge(&run, options->lost_after, err);
done:
    if (run.out.from >= 0)
        close(run.out.from);
    if (run.errors.from >= 0)
        close(run.errors.from);
    scratch_remove(&run.scratch);
    store_release(&run.store);
    free(words.texts);
    free(program);
    return status;
}
