/* What a person sees of a batch: a live line on a terminal, a line an event elsewhere, and at the
 * end every job that failed, why, and the command that reruns it. */
#include "batch.h"

#include "human.h"
#include "terminal.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* mpirun's pipes stand between a rank and the terminal: its launcher says how wide that is. */
static int live_columns(void)
{
    const char *given = getenv("ATELIER_LIVE");
    struct winsize size;
    if (given)
        return (int)strtol(given, NULL, 10);
    if (!isatty(STDERR_FILENO))
        return 0;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 && size.ws_col > 0 ? size.ws_col : 80;
}

void batch_report_init(struct batch_report *report, bool quiet)
{
    int columns = live_columns();
    *report =
        (struct batch_report){.quiet = quiet, .live = !quiet && columns > 0, .columns = columns};
}

void batch_report_end(struct batch_report *report)
{
    if (report->drawn)
        terminal_erase();
    report->drawn = false;
}

void batch_report_say(struct batch_report *report, bool trouble, const char *line)
{
    if (report->quiet || (report->live && !trouble))
        return;
    batch_report_end(report);
    fprintf(stderr, "%s\n", line);
    fflush(stderr);
}

void batch_report_warn(struct batch_report *report, const char *line)
{
    batch_report_end(report);
    fprintf(stderr, "%s\n", line);
    fflush(stderr);
}

void batch_report_show(struct batch_report *report, const struct batch_progress *progress)
{
    char line[256], left[HUMAN_TEXT], time[HUMAN_TEXT + 8] = "";
    if (!report->live)
        return;
    if (!isnan(progress->seconds_left))
        snprintf(time, sizeof time, "  %s left", human_duration(progress->seconds_left, left));
    snprintf(line, sizeof line, "%llu of %llu done, %zu running, %llu failed, %llu waiting%s",
             (unsigned long long)progress->done, (unsigned long long)progress->jobs,
             progress->running_count, (unsigned long long)progress->failed,
             (unsigned long long)progress->waiting, time);
    terminal_redraw(line, report->columns - 1);
    report->drawn = true;
}

static void print_failure(const struct failure *failure)
{
    printf("  %s %s", failure->id, job_end_sentence(failure->end));
    if (failure->message && strcmp(failure->message, job_end_sentence(failure->end)) != 0)
        printf(": %s", failure->message);
    if (failure->attempt_count > 1)
        printf(" (%zu attempts)", failure->attempt_count);
    printf("\n    %s\n", failure->command ? failure->command : "");
}

void batch_report_outcome(const struct batch_report *report, const struct outcome *outcome,
                          const char *store, const char *command)
{
    char took[HUMAN_TEXT];
    if (outcome->failure_count > 0)
        printf("failed jobs, why, and the command that reruns each:\n");
    for (size_t i = 0; i < outcome->failure_count; i++)
        print_failure(&outcome->failures[i]);
    if (!report->quiet || outcome->code != 0)
        printf("%llu of %llu jobs done (%llu now, in %s), %llu failed, %llu left; store %s\n",
               (unsigned long long)outcome->done, (unsigned long long)outcome->jobs,
               (unsigned long long)outcome->rendered, human_duration(outcome->seconds, took),
               (unsigned long long)outcome->failed, (unsigned long long)outcome->left, store);
    if (outcome->why[0])
        printf("ended early: %s\n", outcome->why);
    if (outcome->left > 0)
        printf("to go on: %s\n", command);
    fflush(stdout);
}
