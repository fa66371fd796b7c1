#include "job_label.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *name_in(const char *path)
{
    const char *slash = strrchr(path, '/');
    return slash ? slash + 1 : path;
}

static void append(char text[JOB_LABEL], const char *more)
{
    size_t used = strlen(text);
    snprintf(text + used, JOB_LABEL - used, "%s%s", used ? ", " : "", more);
}

const char *job_list_label(const struct job_list *list, char text[JOB_LABEL])
{
    text[0] = 0;
    for (int id = 0; id < PARAM_COUNT; id++)
        if (job_list_varies(list, (enum param_id)id))
            append(text, param_table[id].name);
    return text;
}

const char *job_label(const struct job_list *list, const struct job *job, char text[JOB_LABEL])
{
    text[0] = 0;
    if (job->name)
        append(text, job->name);
    for (int id = 0; id < PARAM_COUNT && !job->name; id++) {
        if (!job_list_varies(list, (enum param_id)id))
            continue;
        char *value = params_format(&job->params, (enum param_id)id);
        append(text, value ? name_in(value) : "?");
        free(value);
    }
    return text;
}
