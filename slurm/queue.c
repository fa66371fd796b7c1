#include "queue.h"

#include "files.h"
#include "tool.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* --- the list of numbers --- */

enum { PATH_TEXT = 4096 };

static void list_path(const char *folder, char path[PATH_TEXT])
{
    snprintf(path, PATH_TEXT, "%s/jobs", folder);
}

int queue_last(const char *folder, char id[QUEUE_ID_TEXT], bool *found, struct error *err)
{
    char path[PATH_TEXT], *text;
    size_t bytes;
    list_path(folder, path);
    int status = files_read(path, &text, &bytes, err);
    *found = false;
    for (char *line = text; status == 0 && line && *line;) {
        char *end = line + strcspn(line, "\n");
        if (sscanf(line, "%31[0-9]", id) == 1)
            *found = true;
        line = *end ? end + 1 : end;
    }
    free(text);
    return status;
}

int queue_add(const char *folder, const char *id, struct error *err)
{
    char path[PATH_TEXT], line[QUEUE_ID_TEXT + 1];
    int file;
    list_path(folder, path);
    int status = files_open_to_append(path, &file, err);
    if (status != 0)
        return status;
    int length = snprintf(line, sizeof line, "%s\n", id);
    if (files_write(file, line, (size_t)length) != 0)
        status = fail_errno(err, "cannot write '%s'", path);
    if (close(file) != 0 && status == 0)
        status = fail_errno(err, "cannot write '%s'", path);
    return status;
}

/* --- asking --- */

/* The value of KEY= in scontrol's one line. */
static void value_of(const char *text, const char *key, char *value, size_t size)
{
    const char *at = text;
    size_t length = strlen(key);
    value[0] = 0;
    while ((at = strstr(at, key)) && !(at == text || at[-1] == ' '))
        at += length;
    if (at)
        snprintf(value, size, "%.*s", (int)strcspn(at + length, " \n"), at + length);
    if (strcmp(value, "(null)") == 0 || strcmp(value, "None") == 0)
        value[0] = 0;
}

static bool means_forgotten(const char *said) { return strstr(said, "Invalid job id") != NULL; }

static bool is_alive(const char *state)
{
    static const char *const words[] = {"PENDING",   "RUNNING", "CONFIGURING", "COMPLETING",
                                        "SUSPENDED", "STOPPED", "REQUEUED",    "REQUEUE_HOLD"};
    for (size_t i = 0; i < sizeof words / sizeof *words; i++)
        if (strcmp(state, words[i]) == 0)
            return true;
    return false;
}

static int time_left(struct queued *job, struct error *err)
{
    const char *const argv[] = {"squeue", "-h", "-j", job->id, "-o", "%L", NULL};
    struct tool_output said;
    int status = tool_run(argv, NULL, &said, err);
    if (status != 0)
        return status;
    if (said.code == 0)
        snprintf(job->left, sizeof job->left, "%s", said.out);
    tool_release(&said);
    return 0;
}

int queue_ask(const char *id, struct queued *out, struct error *err)
{
    const char *const argv[] = {"scontrol", "-o", "show", "job", id, NULL};
    struct tool_output said;
    struct queued made = {0};
    int status = tool_run(argv, NULL, &said, err);
    if (status != 0)
        return status;
    snprintf(made.id, sizeof made.id, "%s", id);
    if (said.code == 0) {
        value_of(said.out, "JobState=", made.state, sizeof made.state);
        value_of(said.out, "Reason=", made.reason, sizeof made.reason);
        value_of(said.out, "NodeList=", made.nodes, sizeof made.nodes);
        value_of(said.out, "ExitCode=", made.exit_code, sizeof made.exit_code);
        made.alive = is_alive(made.state);
        if (strcmp(made.state, "RUNNING") == 0)
            status = time_left(&made, err);
    } else if (!means_forgotten(said.err)) {
        status = fail(err, E_ENVIRONMENT, "Slurm does not answer: %s", said.err);
    }
    tool_release(&said);
    if (status == 0)
        *out = made;
    return status;
}

/* --- submitting --- */

/* What sbatch says against a script, without its own name in front. */
static int refused(const struct tool_output *said, struct error *err)
{
    static const char *const prefixes[] = {
        "sbatch: error: ", "sbatch: fatal: ", "allocation failure: "};
    const char *text = said->err;
    for (size_t i = 0; i < sizeof prefixes / sizeof *prefixes; i++)
        if (strncmp(text, prefixes[i], strlen(prefixes[i])) == 0)
            text += strlen(prefixes[i]);
    bool absent = strstr(text, "Unable to contact slurm controller") ||
                  strstr(text, "Socket timed out") || strstr(text, "configuration source");
    return fail(err, absent ? E_ENVIRONMENT : E_INPUT, "sbatch refuses: %s", text);
}

int queue_test(const char *script, char **answer, struct error *err)
{
    const char *const argv[] = {"sbatch", "--test-only", NULL};
    struct tool_output said;
    int status = tool_run(argv, script, &said, err);
    if (status != 0)
        return status;
    if (said.code == 0) {
        const char *text = *said.err ? said.err : said.out;
        *answer = strdup(strncmp(text, "sbatch: ", 8) == 0 ? text + 8 : text);
        status = *answer ? 0 : fail(err, E_ENVIRONMENT, "not enough memory");
    } else {
        status = refused(&said, err);
    }
    tool_release(&said);
    return status;
}

int queue_submit(const char *path, char id[QUEUE_ID_TEXT], struct error *err)
{
    const char *const argv[] = {"sbatch", "--parsable", path, NULL};
    struct tool_output said;
    int status = tool_run(argv, NULL, &said, err);
    if (status != 0)
        return status;
    if (said.code != 0)
        status = refused(&said, err);
    else if (sscanf(said.out, "%31[0-9]", id) != 1)
        status =
            fail(err, E_ENVIRONMENT, "sbatch took the script but named no job: '%s'", said.out);
    tool_release(&said);
    return status;
}

int queue_cancel(const struct queued *job, bool now, struct error *err)
{
    const char *const kindly[] = {"scancel", "--batch", "--signal=USR2", job->id, NULL};
    const char *const at_once[] = {"scancel", job->id, NULL};
    struct tool_output said;
    if (!job->alive)
        return fail(err, E_INPUT, "job %s has ended%s%s", job->id, job->state[0] ? ": " : "",
                    job->state);
    bool runs = strcmp(job->state, "RUNNING") == 0;
    int status = tool_run(runs && !now ? kindly : at_once, NULL, &said, err);
    if (status != 0)
        return status;
    if (said.code != 0)
        status = fail(err, E_ENVIRONMENT, "scancel: %s", said.err);
    tool_release(&said);
    return status;
}
