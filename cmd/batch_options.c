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
    *options = (struct batch_options){
        .heartbeat = 5, .lost_after = 60, .retries = 2, .deadline = INFINITY};
}

size_t batch_options_rows(struct batch_options *o, struct argument rows[BATCH_OPTIONS])
{
    const struct argument table[] = {
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
        OPTION("deadline", TEXT, &o->deadline_text, "WHEN",
               "stop, keeping every job's state: after 2h30m, or at 2026-01-31T18:00:00Z"),
        OPTION("only", TEXT, &o->only, "CONDITIONS",
               "only jobs for which all hold: --only 'style_weight>=1, style=*starry*'"),
        OPTION("dry-run", FLAG, &o->dry_run, NULL, "check everything, say what would be done"),
        OPTION("threads", WHOLE, &o->threads, "N",
               "of each job; default: the processors a rank may use, shared by its host's ranks",
               .low = 1, .high = 4096),
        OPTION("replace", FLAG, &o->replace, NULL,
               "take this sweep though the store has jobs that are not in it"),
        OPTION("coordinator-only", FLAG, &o->coordinator_only, NULL, "rank 0 renders nothing"),
        OPTION("heartbeat", DURATION, &o->heartbeat, "TIME", "between signs of life; default 5",
               .low = 0.01, .high = 3600),
        OPTION("lost-after", DURATION, &o->lost_after, "TIME",
               "of silence, and a rank's job goes to another; default 60", .low = 0.1,
               .high = 86400),
        OPTION("renderer", TEXT, &o->renderer, "PROGRAM",
               "run PROGRAM render --into ... instead of this program"),
        OPTION("quiet", FLAG, &o->quiet, NULL, "no progress, only errors and the summary"),
    };
    _Static_assert(sizeof table / sizeof *table <= BATCH_OPTIONS, "BATCH_OPTIONS is too small");
    memcpy(rows, table, sizeof table);
    return sizeof table / sizeof *table;
}

/* A time of day in UTC, or a duration from now. */
static int parse_deadline(struct batch_options *options, struct error *err)
{
    const char *text = options->deadline_text;
    double seconds, at;
    if (!text)
        return 0;
    if (human_parse_duration(*text == '+' ? text + 1 : text, &seconds)) {
        options->deadline = clock_seconds() + seconds;
        return 0;
    }
    at = clock_parse_utc(text);
    if (isnan(at))
        return fail(err, E_INPUT,
                    "--deadline must be a time from now, as 90m or 2h30m, or a UTC time, as "
                    "2026-01-31T18:00:00Z, got '%s'",
                    text);
    options->deadline = clock_seconds() + at - clock_now();
    return 0;
}

int batch_options_parse(int argc, char **argv, struct batch_options *options, bool *help,
                        struct error *err)
{
    struct argument rows[BATCH_OPTIONS];
    size_t count = batch_options_rows(options, rows);
    struct operands operands = {
        .list = &options->file, .min = 1, .max = 1, .names = "a sweep file, a manifest or a store"};
    int status = arguments_parse(argc, argv, rows, count, &operands, help, err);
    if (status != 0 || *help)
        return status;
    if (options->heartbeat * 4 > options->lost_after)
        return fail(err, E_INPUT,
                    "--lost-after must be at least 4 times --heartbeat: %g s is not, with %g s",
                    options->lost_after, options->heartbeat);
    return parse_deadline(options, err);
}

char *program_path(void)
{
    char path[4096];
    ssize_t length = readlink("/proc/self/exe", path, sizeof path);
    return length > 0 && (size_t)length < sizeof path ? strndup(path, (size_t)length) : NULL;
}
