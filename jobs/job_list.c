#include "job_list.h"

#include "files.h"
#include "job_builder.h"
#include "job_text.h"
#include "manifest.h"
#include "sweep.h"
#include <stdlib.h>
#include <unistd.h>

/* A store's own, where a FIFO would be waited for, or a link may lead anywhere. */
static int check_regular(const char *path, struct error *err)
{
    int file, status = files_open(path, &file, err);
    if (status == 0 && file >= 0)
        close(file);
    return status;
}

static int read_list(const char *path, bool recorded, struct job_list *out,
                     struct complaints *complaints, struct error *err)
{
    int status;
    const char *text = NULL;
    size_t bytes = 0;
    char *folder = NULL;
    struct job_builder builder = {
        .complaints = complaints, .limit = JOBS_MAX, .recorded = recorded};
    if (recorded)
        TRY(check_regular(path, err));
    TRY(job_text_read(path, complaints, &text, &bytes, &folder, err));
    builder.folder = folder;
    builder.list.source = job_text_is_sweep(text) ? JOBS_FROM_SWEEP : JOBS_FROM_MANIFEST;
    TRY(builder.list.source == JOBS_FROM_SWEEP ? sweep_read(text, bytes, &builder, err)
                                               : manifest_read(text, bytes, &builder, err));
    TRY(job_builder_finish(&builder, out, err));
done:
    job_builder_release(&builder);
    free(folder);
    return status;
}

int job_list_read(const char *path, struct job_list *out, struct complaints *complaints,
                  struct error *err)
{
    return read_list(path, false, out, complaints, err);
}

int job_list_read_recorded(const char *path, struct job_list *out, struct complaints *complaints,
                           struct error *err)
{
    return read_list(path, true, out, complaints, err);
}

bool job_list_varies(const struct job_list *list, enum param_id id) { return list->varies[id]; }

void job_list_find_varying(struct job_list *list)
{
    for (int id = 0; id < PARAM_COUNT; id++) {
        list->varies[id] = false;
        for (size_t i = 1; i < list->count && param_table[id].scope == SCOPE_JOB; i++)
            if (!params_same(&list->jobs[0].params, &list->jobs[i].params, (enum param_id)id)) {
                list->varies[id] = true;
                break;
            }
    }
}

static void job_release(struct job *job)
{
    params_release(&job->params);
    free(job->name);
}

void job_list_drop(struct job_list *list, const bool *skip)
{
    size_t kept = 0;
    for (size_t i = 0; i < list->count; i++) {
        if (skip[i])
            job_release(&list->jobs[i]);
        else
            list->jobs[kept++] = list->jobs[i];
    }
    list->count = kept;
    job_list_find_varying(list);
}

void job_list_release(struct job_list *list)
{
    for (size_t i = 0; i < list->count; i++)
        job_release(&list->jobs[i]);
    free(list->jobs);
    free(list->output);
    free(list->file);
    *list = (struct job_list){0};
}
