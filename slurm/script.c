#include "script.h"

#include "batch_body.h"
#include <string.h>

int script_signal_seconds(double limit)
{
    return limit >= 1200 ? 300 : limit >= 240 ? (int)(limit / 4) : 60;
}

/* In single quotes, as the shell reads it. */
static void quote(FILE *to, const char *text)
{
    putc('\'', to);
    for (; *text; text++)
        if (*text == '\'')
            fputs("'\\''", to);
        else
            putc(*text, to);
    putc('\'', to);
}

static void assign(FILE *to, const char *name, const char *text)
{
    fprintf(to, "%s=", name);
    quote(to, text);
    putc('\n', to);
}

/* In double quotes, as sbatch reads its directives; % and \ mean something in a file name. */
static void write_output(FILE *to, const char *store)
{
    fputs("#SBATCH --output=\"", to);
    for (; *store; store++) {
        if (*store == '%')
            putc('%', to);
        putc(*store, to);
    }
    fputs("/slurm/%j.log\"\n", to);
}

static void write_request(FILE *to, const struct script *s)
{
    const struct request *r = &s->request;
    char time[REQUEST_TIME_TEXT];
    fprintf(to, "#SBATCH --job-name=%s\n", s->name);
    fprintf(to, "#SBATCH --nodes=%d\n", r->layout.nodes);
    fprintf(to, "#SBATCH --ntasks-per-node=%d\n", r->layout.workers);
    fprintf(to, "#SBATCH --cpus-per-task=%d\n", r->layout.threads);
    fprintf(to, "#SBATCH --mem-per-cpu=%lluM\n", (unsigned long long)r->megabytes_per_cpu);
    fprintf(to, "#SBATCH --time=%s\n", request_time(r->seconds, time));
    if (r->least_seconds > 0)
        fprintf(to, "#SBATCH --time-min=%s\n", request_time(r->least_seconds, time));
    fprintf(to, "#SBATCH --signal=B:USR1@%d\n", s->signal_seconds);
    fprintf(to, "#SBATCH --no-kill\n#SBATCH --%s\n", s->requeue ? "requeue" : "no-requeue");
    fprintf(to, "#SBATCH --open-mode=append\n");
    write_output(to, s->store);
    for (const char *const *word = s->directives; *word; word++)
        fprintf(to, "#SBATCH %s\n", *word);
}

static void write_settings(FILE *to, const struct script *s)
{
    const struct layout *layout = &s->request.layout;
    assign(to, "atelier", s->program);
    assign(to, "sweep", s->sweep);
    assign(to, "store", s->store);
    assign(to, "script", s->path);
    assign(to, "setup", s->setup ? s->setup : "");
    fprintf(to, "restarts_most=%d\n", s->restarts);
    fprintf(to, "reserve=%d # seconds of the allocation that are for ending\n",
            s->signal_seconds / 2);
    fprintf(to, "arguments=(--ranks %d --threads %d", layout->nodes * layout->workers,
            layout->threads);
    for (const char *const *word = s->arguments; *word; word++) {
        putc(' ', to);
        quote(to, *word);
    }
    fputs(")\n", to);
}

static bool one_line(const char *text) { return !text || !strpbrk(text, "\n\r"); }

static int check(const struct script *s, struct error *err)
{
    bool good = one_line(s->program) && one_line(s->sweep) && one_line(s->store) &&
                one_line(s->setup) && one_line(s->note) && one_line(s->name);
    for (const char *const *word = s->directives; *word; word++)
        good = good && one_line(*word);
    for (const char *const *word = s->arguments; *word; word++)
        good = good && one_line(*word);
    if (!good)
        return fail(err, E_INPUT, "a batch script cannot hold a path or a word with a line break");
    if (strchr(s->store, '"') || strchr(s->store, '\\'))
        return fail(err, E_INPUT,
                    "Slurm cannot write its log into '%s': \" and \\ mean something else to it",
                    s->store);
    return 0;
}

int script_write(FILE *to, const struct script *s, struct error *err)
{
    int status = check(s, err);
    if (status != 0)
        return status;
    fprintf(to, "#!/bin/bash\n# %s\n", s->note);
    fprintf(to, "# sbatch this file, or run it as it is inside an allocation.\n");
    write_request(to, s);
    putc('\n', to);
    write_settings(to, s);
    putc('\n', to);
    fwrite(batch_body, 1, sizeof batch_body - 1, to);
    return ferror(to) ? fail_errno(err, "cannot write a batch script") : 0;
}
