#include "into.h"

#include "failure.h"
#include "files.h"
#include "identity.h"
#include "job_builder.h"
#include "job_publish.h"
#include "leash.h"
#include "publish.h"
#include "shell.h"
#include "store_clean.h"
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static int fail_memory(struct error *err) { return fail(err, E_ENVIRONMENT, "not enough memory"); }

/* --- names --- */

int into_open(const char *folder, const char *id, struct into *into, struct outputs *outputs,
              struct error *err)
{
    int status = 0;
    if (!job_id_valid(id))
        return fail(err, E_INPUT, "--id must be 16 digits 0..9 a..f, got '%s'", id);
    memcpy(into->id, id, JOB_ID_TEXT);
    TRY(store_open(folder, &into->store, err));
    TRY(store_make_room(&into->store, id, err));
    const struct {
        enum job_file file;
        char **path;
    } names[] = {{JOB_PICTURE, &outputs->picture}, {JOB_LOG, &into->log},
                 {JOB_RESULT, &outputs->result},   {JOB_CHECKPOINT, &outputs->checkpoint},
                 {JOB_ASIDE, &outputs->aside},     {JOB_RUNNING_LOG, &into->running_log}};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        *names[i].path = store_job_path(&into->store, id, names[i].file);
        if (!*names[i].path)
            return fail_memory(err);
        TRY(publish_probe(*names[i].path, err));
    }
done:
    return status;
}

void into_release(struct into *into)
{
    store_release(&into->store);
    free(into->running_log);
    free(into->log);
    if (into->said)
        fclose(into->said);
    *into = (struct into){0};
}

int into_is_done(const struct into *into, bool *done, struct error *err)
{
    int status = job_publish_resume(&into->store, into->id, err);
    if (status != 0)
        return status;
    *done = store_job_done(&into->store, into->id);
    return *done ? store_job_finish(&into->store, into->id, err) : 0;
}

int into_failed_attempts(const struct into *into)
{
    struct failure failure = {0};
    int count =
        failure_read(&into->store, into->id, &failure, NULL) == 0 ? (int)failure.attempt_count : 0;
    failure_release(&failure);
    return count;
}

/* --- the log --- */

/* Whether the command means the same in any folder. */
static bool is_portable(const char *folder, const struct params *params)
{
    static const enum param_id files[] = {PARAM_content, PARAM_style, PARAM_init, PARAM_weights};
    bool portable = folder[0] == '/';
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char *value = strdup(params_text(params, files[i]));
        portable &= value && job_absolute_value("", files[i], &value, NULL) == 0 &&
                    strcmp(value, params_text(params, files[i])) == 0;
        free(value);
    }
    return portable;
}

/* "cd FOLDER && atelier render ...". Caller frees; NULL: no memory. */
static char *rerun_command(int argc, char **argv, const struct params *params, const char *folder)
{
    char *here = is_portable(folder, params) ? NULL : getcwd(NULL, 0);
    char *words = shell_command(argc, argv), *cd = here ? shell_command(1, &here) : NULL;
    char *line = NULL;
    if (words && asprintf(&line, "%s%s%satelier %s\n", cd ? "cd " : "", cd ? cd : "",
                          cd ? " && " : "", words) < 0)
        line = NULL;
    free(words);
    free(cd);
    free(here);
    return line;
}

/* Whether the file begins with that line. */
static bool begins_with(int file, const char *line)
{
    size_t length = strlen(line);
    char *begin = malloc(length);
    bool same = begin && pread(file, begin, length, 0) == (ssize_t)length &&
                memcmp(begin, line, length) == 0;
    free(begin);
    return same;
}

/* An earlier attempt by another command is of no use to who wants to rerun this one. */
static int begin_file(const char *path, const char *line, int *out, struct error *err)
{
    int file, status = files_open_to_append(path, &file, err);
    if (status != 0)
        return status;
    if (!begins_with(file, line) &&
        (ftruncate(file, 0) != 0 || files_write(file, line, strlen(line)) != 0)) {
        status = fail_errno(err, "cannot write '%s'", path);
        close(file);
        return status;
    }
    *out = file;
    return 0;
}

int into_begin_log(struct into *into, int argc, char **argv, const struct params *params,
                   bool capture, struct error *err)
{
    int file = -1, status;
    char *line = rerun_command(argc, argv, params, into->store.folder);
    if (!line)
        return fail_memory(err);
    status = begin_file(into->running_log, line, &file, err);
    free(line);
    if (status != 0)
        return status;
    into->said = fdopen(file, "a");
    if (!into->said) {
        close(file);
        return fail_memory(err);
    }
    setvbuf(into->said, NULL, _IOLBF, 0);
    if (capture && (dup2(file, STDOUT_FILENO) < 0 || dup2(file, STDERR_FILENO) < 0))
        return fail_errno(err, "cannot write '%s'", into->running_log);
    into->captured = capture;
    return 0;
}

/* --- identity --- */

static double modified(const char *path)
{
    struct stat info;
    return stat(path, &info) == 0
               ? (double)info.st_mtim.tv_sec + 1e-9 * (double)info.st_mtim.tv_nsec
               : 0;
}

/* The first input that is younger than the manifest, or NULL. */
static const char *changed_input(const struct into *into, const struct params *params)
{
    const char *inputs[] = {params->content, params->style, params->init, params->weights};
    const char *changed = NULL;
    char *manifest = store_path(&into->store, STORE_MANIFEST);
    double expanded = manifest ? modified(manifest) : 0;
    for (size_t i = 0; i < sizeof inputs / sizeof *inputs && !changed && expanded > 0; i++)
        if (modified(inputs[i]) > expanded)
            changed = inputs[i];
    free(manifest);
    return changed;
}

int into_check_identity(const struct into *into, const struct params *params,
                        const struct facts *facts, struct error *err)
{
    const struct input_digests digests = {.content = facts->content,
                                          .style = facts->style,
                                          .init = facts->init,
                                          .weights = facts->tensors};
    char id[JOB_ID_TEXT];
    int status = job_identity(params, &digests, id, err);
    if (status != 0 || strcmp(id, into->id) == 0)
        return status;
    const char *changed = changed_input(into, params);
    if (changed)
        return fail(err, E_INPUT,
                    "this is job %s, not %s: '%s' has changed since the sweep was expanded", id,
                    into->id, changed);
    return fail(err, E_INPUT,
                "this is job %s, not %s: a parameter or a file is not what it was when the sweep "
                "was expanded",
                id, into->id);
}

/* --- publishing --- */

static int copy_log(const struct into *into, const struct publication *to, struct error *err)
{
    char bytes[65536];
    ssize_t got = 0;
    int from, status = files_open(into->running_log, &from, err);
    if (status != 0)
        return status;
    while (from >= 0 && status == 0 && (got = read(from, bytes, sizeof bytes)) > 0)
        status = publish_write(to, bytes, (size_t)got, err);
    if (from < 0 || got < 0)
        status = fail_errno(err, "cannot copy '%s' to '%s'", into->running_log, into->log);
    if (from >= 0)
        close(from);
    return status;
}

static int stage_log(const struct into *into, struct publication *staged, struct error *err)
{
    int status = 0;
    TRY(publish_begin(into->log, staged, err));
    TRY(copy_log(into, staged, err));
done:
    return status;
}

int into_publish(const struct into *into, struct staged_outputs *staged, bool *elsewhere,
                 struct error *err)
{
    int status = 0;
    struct publication files[JOB_PUBLISHED] = {[0] = staged->picture, [2] = staged->result};
    *staged = (struct staged_outputs){0};
    *elsewhere = false;
    TRY(stage_log(into, &files[1], err));
    TRY(job_publish(&into->store, into->id, files, leash_check, elsewhere, err));
    TRY(store_job_finish(&into->store, into->id, err));
done:
    for (int i = 0; i < JOB_PUBLISHED; i++)
        publish_abort(&files[i]);
    return status;
}
