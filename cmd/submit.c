/* atelier submit: a sweep as a job of Slurm's. */
#include "command.h"

#include "clock.h"
#include "estimate.h"
#include "files.h"
#include "human.h"
#include "outlet.h"
#include "publish.h"
#include "queue.h"
#include "script.h"
#include "site.h"
#include "tool.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WORDS_MOST = 128 };

struct options {
    struct estimate_options estimate;
    const char *partition, *account, *qos, *constraint, *mail, *name, *setup, *batch_words;
    int64_t restarts, signal_seconds;
    bool no_requeue, dry_run, test_only, status, cancel, now, advance;
    const char *words[1 + WORDS_MOST]; /* the sweep, and what is passed on */
};

/* --- the table --- */

static void describe(struct options *o, struct form *form)
{
    const struct argument rows[] = {
        OPTION("ntasks-per-node", WHOLE, &o->estimate.wish.workers, "N", "the same as --workers",
               .low = 1, .high = 4096),
        OPTION("cpus-per-task", WHOLE, &o->estimate.wish.threads, "N", "the same as --threads",
               .low = 1, .high = 4096),
        OPTION("mem-per-cpu", BYTES, &o->estimate.wish.bytes_per_cpu, "BYTES",
               "default: of the largest jobs side by side, and 15 %"),
        OPTION("time", DURATION, &o->estimate.wish.seconds, "TIME",
               "limit of one allocation; default: the prediction, 25 % and 5 min, at most the "
               "partition's",
               .low = 60, .high = 31536000),
        OPTION("time-min", DURATION, &o->estimate.wish.least_seconds, "TIME",
               "start earlier with less time, if that lets it", .low = 60, .high = 31536000),
        OPTION("partition", TEXT, &o->partition, "NAME", "default: Slurm's own"),
        OPTION("account", TEXT, &o->account, "NAME", "to charge"),
        OPTION("qos", TEXT, &o->qos, "NAME", "quality of service"),
        OPTION("constraint", TEXT, &o->constraint, "WORDS", "features the nodes must have"),
        OPTION("mail-user", TEXT, &o->mail, "ADDRESS", "told when it ends, fails or is requeued"),
        OPTION("job-name", TEXT, &o->name, "NAME", "default: the store's name"),
        OPTION("setup", TEXT, &o->setup, "FILE",
               "shell commands that come first: module load, conda activate, spack load"),
        OPTION("batch-args", TEXT, &o->batch_words, "WORDS",
               "more words for atelier batch: --batch-args='--retries 1'"),
        OPTION("restarts", WHOLE, &o->restarts, "N",
               "how often it may start again after an interruption; default 20", .low = 0,
               .high = 10000),
        OPTION("signal", WHOLE, &o->signal_seconds, "SECONDS",
               "before the limit: time to keep every state; default 300, less for short limits",
               .low = 1, .high = 65535),
        OPTION("no-requeue", FLAG, &o->no_requeue, NULL,
               "go on in a new job instead of requeueing this one"),
        OPTION("dry-run", FLAG, &o->dry_run, NULL, "print the script, and do nothing"),
        OPTION("test-only", FLAG, &o->test_only, NULL,
               "ask Slurm whether it would take it, and when it would start"),
        OPTION("status", FLAG, &o->status, NULL, "how the store's job is doing"),
        OPTION("cancel", FLAG, &o->cancel, NULL,
               "end the store's job; renders keep their states first"),
        OPTION("now", FLAG, &o->now, NULL, "with --cancel: at once"),
        OPTION("advance", FLAG, &o->advance, NULL,
               "how far the store has come, as the script compares it"),
    };
    *form = (struct form){
        .usage = "FILE|STORE [options] [-- OPTIONS OF SBATCH]\nSTORE --status|--cancel",
        .text =
            "Submits a sweep to Slurm: time, memory, workers and threads come from the prediction\n"
            "(atelier plan) unless given. The script is kept in STORE/slurm. Interrupted by the "
            "time\n"
            "limit it keeps every render's state and is started again until all is done.",
        .operands = OPERAND_SWEEP(o->words),
        .exit_codes = "0 done; 2 wrong input, or Slurm refuses; 3 disk, memory, no Slurm",
    };
    form->operands.max = 1 + WORDS_MOST;
    estimate_rows(&o->estimate, form);
    form_add(form, rows, sizeof rows / sizeof *rows);
}

void describe_submit(struct form *form)
{
    static struct options options;
    describe(&options, form);
}

/* --- the script --- */

/* #SBATCH words, in one pool of texts. */
struct directives {
    size_t count;
    char *list[WORDS_MOST + 16];
};

static int add(struct directives *directives, const char *format, const char *value,
               struct error *err)
{
    char *text = NULL;
    if (!value)
        return 0;
    if (directives->count + 1 >= sizeof directives->list / sizeof *directives->list)
        return fail(err, E_INPUT, "too many options for sbatch");
    if (asprintf(&text, format, value) < 0)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    directives->list[directives->count++] = text;
    return 0;
}

/* A value that was passed on in a word of its own belongs to the option before it. */
static int join(struct directives *directives, const char *value, struct error *err)
{
    char *text = NULL, **last = &directives->list[directives->count - 1];
    if (asprintf(&text, "%s %s", *last, value) < 0)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    free(*last);
    *last = text;
    return 0;
}

static int pass_on(const char *const *words, size_t count, struct directives *directives,
                   struct error *err)
{
    int status = 0;
    for (size_t i = 0; i < count; i++) {
        if (words[i][0] == '-')
            TRY(add(directives, "%s", words[i], err));
        else if (i == 0)
            return fail(err, E_INPUT,
                        "unexpected argument '%s': options of sbatch come after --, as in "
                        "`-- --gres=lscratch:10`",
                        words[i]);
        else
            TRY(join(directives, words[i], err));
    }
done:
    return status;
}

static int make_directives(const struct options *o, size_t words, struct directives *directives,
                           struct error *err)
{
    int status = 0;
    TRY(add(directives, "--partition=%s", o->partition, err));
    TRY(add(directives, "--account=%s", o->account, err));
    TRY(add(directives, "--qos=%s", o->qos, err));
    TRY(add(directives, "--constraint=\"%s\"", o->constraint, err));
    TRY(add(directives, "--mail-user=%s", o->mail, err));
    TRY(add(directives, "%s", o->mail ? "--mail-type=END,FAIL,REQUEUE" : NULL, err));
    TRY(pass_on(o->words + 1, words, directives, err));
done:
    return status;
}

static void release_directives(struct directives *directives)
{
    for (size_t i = 0; i < directives->count; i++)
        free(directives->list[i]);
}

/* "starry" of "/scratch/me/runs/starry", with nothing that Slurm or a file name could mind. */
static void name_of(const char *folder, char *name, size_t size)
{
    const char *slash = strrchr(folder, '/');
    snprintf(name, size, "%s", slash && slash[1] ? slash + 1 : "atelier");
    for (char *c = name; *c; c++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", *c))
            *c = '-';
}

/* Cut at blanks, in place. */
static size_t cut_words(char *text, const char **words, size_t most)
{
    size_t count = 0;
    for (char *word; text && (word = strsep(&text, " \t"));)
        if (*word && count + 1 < most)
            words[count++] = word;
    words[count] = NULL;
    return count;
}

static int make_script(const struct options *o, const struct estimate *e, const char *path,
                       const struct directives *directives, char **text, struct error *err)
{
    int status = 0;
    char name[128], note[256], now[CLOCK_TEXT], program[4096], *setup = NULL, *batch_words = NULL;
    const char *words[WORDS_MOST] = {NULL};
    size_t size;
    ssize_t length = readlink("/proc/self/exe", program, sizeof program - 1);
    FILE *to = open_memstream(text, &size);
    if (!to || length < 0) {
        status = fail_errno(err, "cannot make a batch script");
        goto done;
    }
    program[length] = 0;
    if (o->setup && !(setup = realpath(o->setup, NULL))) {
        status = fail_errno(err, "cannot read the setup file '%s'", o->setup);
        goto done;
    }
    if (o->batch_words && (batch_words = strdup(o->batch_words)))
        cut_words(batch_words, words, WORDS_MOST);
    name_of(e->folder, name, sizeof name);
    snprintf(note, sizeof note,
             "%zu jobs, predicted to take %.2f core-hours; written by atelier submit at %s",
             e->left, e->work_seconds * e->request.layout.threads / 3600,
             clock_utc(clock_now(), now));
    struct script script = {.program = program,
                            .sweep = e->file,
                            .store = e->folder,
                            .path = path,
                            .setup = setup,
                            .request = e->request,
                            .directives = (const char *const *)directives->list,
                            .arguments = words,
                            .name = o->name ? o->name : name,
                            .signal_seconds = o->signal_seconds > 0
                                                  ? (int)o->signal_seconds
                                                  : script_signal_seconds(e->request.seconds),
                            .restarts = (int)o->restarts,
                            .requeue = !o->no_requeue,
                            .note = note};
    TRY(script_write(to, &script, err));
done:
    if (to && fclose(to) != 0 && status == 0)
        status = fail(err, E_ENVIRONMENT, "not enough memory for a batch script");
    free(setup);
    free(batch_words);
    return status;
}

/* --- the store's folder slurm/ --- */

static int slurm_path(const char *folder, const char *name, char **path, struct error *err)
{
    if (asprintf(path, "%s/slurm%s", folder, name) < 0)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    return 0;
}

static int write_text(const char *path, const char *text, struct error *err)
{
    struct publication staged = {0};
    int status = publish_begin(path, &staged, err);
    if (status != 0)
        return status;
    status = publish_write(&staged, text, strlen(text), err);
    if (status == 0 && fchmod(staged.file, 0755) != 0)
        status = fail_errno(err, "cannot write '%s'", path);
    if (status == 0)
        return publish_commit(&staged, err);
    publish_abort(&staged);
    return status;
}

/* What this submission made is removed again; rmdir spares whatever holds anything else. */
static void undo(const struct estimate *e, const struct store *store, const char *path,
                 bool script_is_new, bool folder_is_new)
{
    static const enum store_file folders[] = {STORE_SLURM, STORE_JOBS, STORE_RUNNING, STORE_FAILED};
    if (script_is_new)
        files_unlink(path);
    for (size_t i = 0; i < (e->exists ? 1 : sizeof folders / sizeof *folders); i++) {
        char *folder = store_path(store, folders[i]);
        if (folder)
            rmdir(folder);
        free(folder);
    }
    if (folder_is_new)
        rmdir(store->folder);
}

/* A script in its place, submitted, its number noted. Refused, it leaves nothing new behind. */
static int submit_kept(const struct estimate *e, const char *path, const char *text,
                       char id[QUEUE_ID_TEXT], struct error *err)
{
    int status = 0;
    char *folder = NULL;
    struct store store = {0};
    bool is_new = access(path, F_OK) != 0, folder_is_new = access(e->folder, F_OK) != 0;
    TRY(store_create(e->folder, &store, err));
    folder = store_path(&store, STORE_SLURM);
    if (!folder) {
        status = fail(err, E_ENVIRONMENT, "not enough memory");
        goto done;
    }
    TRY(files_make_folder(folder, err));
    TRY(write_text(path, text, err));
    if ((status = queue_submit(path, id, err)) == 0)
        TRY(queue_add(folder, id, err));
    else
        undo(e, &store, path, is_new, folder_is_new);
done:
    store_release(&store);
    free(folder);
    return status;
}

static int refuse_second(const char *folder, struct error *err)
{
    char *slurm = NULL, id[QUEUE_ID_TEXT];
    bool found = false;
    struct queued job = {0};
    int status = 0;
    TRY(slurm_path(folder, "", &slurm, err));
    TRY(queue_last(slurm, id, &found, err));
    if (found)
        TRY(queue_ask(id, &job, err));
    if (job.alive)
        status = fail(err, E_INPUT,
                      "job %s of this store is in the queue already (%s): --status tells more, "
                      "--cancel ends it",
                      id, job.state);
done:
    free(slurm);
    return status;
}

/* --- status and cancel --- */

static int find_job(const struct options *o, char id[QUEUE_ID_TEXT], struct error *err)
{
    int status = 0;
    bool found = false;
    char *slurm = NULL;
    struct store store = {0};
    TRY(store_open(o->estimate.output ? o->estimate.output : o->words[0], &store, err));
    TRY(slurm_path(store.folder, "", &slurm, err));
    TRY(queue_last(slurm, id, &found, err));
    if (!found)
        status = fail(err, E_INPUT, "nothing of '%s' was submitted to Slurm", store.folder);
done:
    store_release(&store);
    free(slurm);
    return status;
}

static void print_status(const struct queued *job)
{
    if (!job->state[0]) {
        printf("job %s: Slurm knows it no longer\n", job->id);
        return;
    }
    printf("job %s: %s", job->id, job->state);
    if (job->reason[0])
        printf(" (%s)", job->reason);
    if (job->nodes[0])
        printf(" on %s", job->nodes);
    if (job->left[0])
        printf(", %s left", job->left);
    if (!job->alive)
        printf(", exit code %s", job->exit_code);
    putchar('\n');
}

static int print_advance(const char *folder, struct error *err)
{
    int status = 0;
    struct store store = {0};
    struct advance advance = {0};
    if (access(folder, F_OK) == 0) {
        TRY(store_open(folder, &store, err));
        TRY(store_advance(&store, &advance, err));
    }
    printf("%llu done, %llu evaluations kept of unfinished ones\n",
           (unsigned long long)advance.results, (unsigned long long)advance.evaluations);
done:
    store_release(&store);
    return status;
}

static int look_after(const struct options *o, struct error *err)
{
    int status = 0;
    char id[QUEUE_ID_TEXT];
    struct queued job;
    TRY(find_job(o, id, err));
    TRY(queue_ask(id, &job, err));
    if (!o->cancel) {
        print_status(&job);
    } else {
        TRY(queue_cancel(&job, o->now, err));
        printf("job %s is told to end%s\n", id,
               o->now || strcmp(job.state, "RUNNING") != 0
                   ? ""
                   : "; its renders keep their states first");
    }
done:
    return status;
}

/* --- submit --- */

static int check(const struct estimate *e, const struct options *o, struct error *err)
{
    if (!e->folder)
        return fail(err, E_INPUT, "where to? The sweep file names no `output`: give --output DIR");
    if (!o->dry_run && !tool_present("sbatch"))
        return fail(err, E_ENVIRONMENT,
                    "there is no Slurm here (no sbatch in PATH): --dry-run prints the script, "
                    "'atelier batch' renders without Slurm");
    return 0;
}

static int act(const struct options *o, const struct estimate *e, const char *path,
               const char *text, struct error *err)
{
    int status = 0;
    char id[QUEUE_ID_TEXT], *answer = NULL;
    TRY(refuse_second(e->folder, err));
    TRY(queue_test(text, &answer, err));
    if (o->test_only) {
        printf("%s\n", answer);
        goto done;
    }
    TRY(submit_kept(e, path, text, id, err));
    printf("job %s\nscript  %s\nlog     %s/slurm/%s.log\n", id, path, e->folder, id);
    printf("look    atelier submit %s --status\n", e->folder);
done:
    free(answer);
    return status;
}

static int submit(const struct options *o, size_t words, struct error *err)
{
    int status = 0;
    struct estimate estimate = {0};
    struct directives directives = {0};
    struct node node = {0};
    char *path = NULL, *text = NULL;
    TRY(make_directives(o, words, &directives, err));
    site_node(o->partition, &node);
    TRY(estimate_make(o->words[0], &o->estimate, &node, &estimate, err));
    TRY(check(&estimate, o, err));
    if (estimate.left == 0) {
        printf("all %zu jobs are done: nothing to submit\n", estimate.list.count);
        goto done;
    }
    TRY(slurm_path(estimate.folder, "/batch.sh", &path, err));
    TRY(make_script(o, &estimate, path, &directives, &text, err));
    if (o->dry_run) {
        outlet_pass_data();
        fputs(text, stdout);
    } else {
        TRY(act(o, &estimate, path, text, err));
    }
    if (!o->dry_run && !o->test_only)
        estimate_print(&estimate);
done:
    release_directives(&directives);
    estimate_release(&estimate);
    free(path);
    free(text);
    return status;
}

int command_submit(int argc, char **argv)
{
    int status = 0;
    bool helped;
    struct error error = {0};
    struct options options = {.restarts = 20};
    struct form form;
    describe(&options, &form);
    TRY(command_parse(argc, argv, &form, &helped, &error));
    if (helped)
        goto done;
    if (options.advance)
        status = print_advance(options.words[0], &error);
    else if (options.status || options.cancel)
        status = look_after(&options, &error);
    else
        status = submit(&options, form.operands.count - 1, &error);
done:
    if (status != 0)
        outlet_error("submit", &error);
    return status;
}
