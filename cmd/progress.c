#include "progress.h"

#include "clock.h"
#include "human.h"
#include "terminal.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

static const double redraw_s = 0.1;

void progress_init(struct progress *progress, const struct params *params)
{
    *progress = (struct progress){.quiet = params->quiet,
                                  .live = !params->quiet && isatty(STDERR_FILENO),
                                  .iterations = params->iterations,
                                  .maxfun = params->maxfun};
}

static void erase(struct progress *progress)
{
    if (progress->drawn)
        terminal_erase();
    progress->drawn = false;
}

/* To the person, if there is one to be told, and to the log, if there is one. */
static void put_line(struct progress *progress, bool tell, const char *format, va_list args)
{
    FILE *streams[] = {tell && !progress->mute ? stderr : NULL, progress->log};
    erase(progress);
    for (int i = 0; i < 2; i++) {
        va_list again;
        if (!streams[i])
            continue;
        va_copy(again, args);
        vfprintf(streams[i], format, again);
        va_end(again);
        fputc('\n', streams[i]);
    }
}

void progress_say(struct progress *progress, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_line(progress, !progress->quiet, format, args);
    va_end(args);
}

void progress_warn(struct progress *progress, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    put_line(progress, true, format, args);
    va_end(args);
}

void progress_start(struct progress *progress, int64_t evaluations)
{
    progress->started = clock_seconds();
    progress->started_evaluation = evaluations;
}

static double share(double part, double total) { return total > 0 ? 100 * part / total : 0; }

/* "outer 3/20  9 min 12 s left  loss 0.831  content 12%  style 85%  tv 3%  1.4 eval/s": what a
 * terminal of 80 columns may cut off comes last. */
static void describe(const struct progress *progress, const struct history *history, char *text,
                     size_t size)
{
    size_t row = history->rows - 1;
    double total = history_get(history, row, H_TOTAL);
    double evaluations = history_get(history, row, H_EVALUATION);
    double elapsed = clock_seconds() - progress->started;
    double rate = elapsed > 0 ? (evaluations - (double)progress->started_evaluation) / elapsed : 0;
    double left = (double)progress->iterations * (double)progress->maxfun - evaluations;
    char duration[HUMAN_TEXT], time[HUMAN_TEXT + 8] = "", speed[32] = "";
    if (rate > 0 && left > 0)
        snprintf(time, sizeof time, "  %s left", human_duration(left / rate, duration));
    if (rate > 0)
        snprintf(speed, sizeof speed, "  %.3g eval/s", rate);
    snprintf(text, size, "outer %.0f/%lld%s  loss %.4g  content %.0f%%  style %.0f%%  tv %.0f%%%s",
             history_get(history, row, H_ITERATION), (long long)progress->iterations, time, total,
             share(history_get(history, row, H_CONTENT), total),
             share(history_get(history, row, H_STYLE), total),
             share(history_get(history, row, H_TV), total), speed);
}

void progress_row(struct progress *progress, const struct history *history)
{
    double now = clock_seconds();
    if (!progress->live || now - progress->last_drawn < redraw_s)
        return;
    char text[256];
    describe(progress, history, text, sizeof text);
    terminal_redraw(text, terminal_width(stderr) - 1);
    progress->drawn = true;
    progress->last_drawn = now;
}

void progress_outer(struct progress *progress, const struct history *history)
{
    char text[256];
    describe(progress, history, text, sizeof text);
    if (progress->log)
        fprintf(progress->log, "%s\n", text);
    if (!progress->quiet && !progress->live)
        fprintf(stderr, "%s\n", text);
}

void progress_end(struct progress *progress) { erase(progress); }
