/* The options of atelier batch. */
#include "batch.h"

#include "clock.h"
#include "human.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

void batch_options_init(struct batch_options *options)
{
    *options = (struct batch_options){.heartbeat = 5,
                                      .lost_after = 60,
                                      .patience = 300,
                                      .retries = 2,
                                      .deadline = INFINITY,
                                      .checkpoint_seconds = -1};
}

/* A time of day in UTC, or a duration from now. */
static int set_deadline(const struct argument *row, const char *text, struct error *err)
{
    double seconds, at;
    if (human_parse_duration(*text == '+' ? text + 1 : text, &seconds)) {
        *(double *)row->value = clock_seconds() + seconds;
        return 0;
    }
    at = clock_parse_utc(text);
    if (isnan(at))
        return fail(err, E_INPUT,
                    "--deadline must be a time from now, as 90m or 2h30m, or a UTC time, as "
                    "2026-01-31T18:00:00Z, got '%s'",
                    text);
    *(double *)row->value = clock_seconds() + at - clock_now();
    return 0;
}

static void check(void *context, const struct form *form, struct complaints *complaints)
{
    const struct batch_options *o = context;
    (void)form;
    if (o->heartbeat * 4 > o->lost_after)
        complain(complaints, (struct origin){0},
                 "--lost-after must be at least 4 times --heartbeat: %g s is not, with %g s",
                 o->lost_after, o->heartbeat);
}

void batch_options_describe(struct batch_options *o, struct form *form)
{
    const struct argument rows[] = {
        OPTION("output", TEXT, &o->output, "DIR",
               "the store; default: what the sweep file says as `output`, or the store that was "
               "given"),
        OPTION("ranks", WHOLE, &o->ranks, "N", "start mpirun with so many ranks, one job each",
               .low = 1, .high = 100000),
        OPTION("hosts", TEXT, &o->hosts, "A:N,B:N",
               "start mpirun on these hosts, so many ranks on each"),
        OPTION("mpirun-args", TEXT, &o->mpirun_args, "WORDS",
               "more words for mpirun: --mpirun-args=\"--mca ...\""),
        OPTION("timeout", DURATION, &o->timeout, "TIME",
               "a job that takes longer has failed; default: one that makes no step for three "
               "times its predicted time, where atelier plan has measured this kind of machine",
               .low = 0, .high = INFINITY),
        OPTION("retries", WHOLE, &o->retries, "N",
               "more attempts for a job that crashes or whose host is lost; default 2", .low = 0,
               .high = 1000),
        OPTION("max-failures", WHOLE, &o->max_failures, "N",
               "start nothing more after so many failed jobs; default: no limit", .low = 0,
               .high = 1e9),
        OPTION("job-memory", BYTES, &o->job_memory, "BYTES",
               "a job that takes more is ended as out of memory; default: no limit"),
        OPTION("deadline", CUSTOM, &o->deadline, "WHEN",
               "stop, keeping every job's state: after 2h30m, or at 2026-01-31T18:00:00Z",
               .set = set_deadline),
        OPTION("only", TEXT, &o->only, "CONDITIONS",
               "only jobs for which all hold: --only 'style_weight>=1, style=*starry*'"),
        OPTION("dry-run", FLAG, &o->dry_run, NULL, "check everything, say what would be done"),
        OPTION("threads", WHOLE, &o->threads, "N",
               "of each job; default: the processors a rank may use, shared by its host's ranks",
               .low = 1, .high = 4096),
        OPTION("checkpoint-seconds", REAL, &o->checkpoint_seconds, "X",
               "of each job: write a checkpoint at most this often; default 30", .low = 0,
               .high = 1e9),
        OPTION("replace", FLAG, &o->replace, NULL,
               "take this sweep though the store has jobs that are not in it"),
        OPTION("coordinator-only", FLAG, &o->coordinator_only, NULL, "rank 0 renders nothing"),
        OPTION("heartbeat", DURATION, &o->heartbeat, "TIME", "between signs of life; default 5",
               .low = 0.01, .high = 3600),
        OPTION("lost-after", DURATION, &o->lost_after, "TIME",
               "of silence, and a rank's job goes to another; default 60", .low = 0.1,
               .high = 86400),
        OPTION("patience", DURATION, &o->patience, "TIME",
               "that trouble of the store (full, stale, read-only) is waited out before the batch "
               "ends with 3; default 5m",
               .low = 0, .high = 86400 * 7),
        OPTION("renderer", TEXT, &o->renderer, "PROGRAM",
               "run PROGRAM render --into ... instead of this program"),
        OPTION("quiet", FLAG, &o->quiet, NULL, "no progress, only errors and the summary"),
    };
    *form = (struct form){
        .usage = "FILE|STORE [options]",
        .text = "Renders every job of a sweep file or manifest that the store does not have yet, "
                "each in\n"
                "a process of its own; given a store, it goes on with the store's own sweep. "
                "--ranks or\n"
                "--hosts start mpirun; under an mpirun or srun of your own it takes its rank; "
                "otherwise it\n"
                "works alone. Whatever is killed on the way, the same command finishes what is "
                "left.\n\n"
                "Ctrl-C and SIGUSR1: every render keeps its state, and the batch ends with 75.",
        .operands = OPERAND_SWEEP(&o->file),
        .check = check,
        .context = o,
        .exit_codes =
            "0 all done; 1 some jobs failed (listed); 2 wrong input; 3 disk, memory, a store "
            "in use; 70 a bug; 75 interrupted, the same command goes on",
    };
    form_add(form, rows, sizeof rows / sizeof *rows);
}

char *program_path(void)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path);
    return length > 0 && (size_t)length < sizeof path ? strndup(path, (size_t)length) : NULL;
}
