/* Conditions of --only, applied to a few jobs: the same ones again choose the same. */
#include "selection.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

enum { JOBS = 3 };
static struct job jobs[JOBS];

static void set(struct job *job, enum param_id id, const char *text)
{
    if (params_set(&job->params, id, text, NULL) != 0)
        abort();
}

static const struct job_list *the_jobs(void)
{
    static struct job_list list;
    static char names[JOBS][8] = {"one", "night", "t\xc3\xa9"};
    static const char *const weights[JOBS] = {"1", "0.1", "1e6"};
    if (list.count > 0)
        return &list;
    for (int i = 0; i < JOBS; i++) {
        params_init(&jobs[i].params);
        set(&jobs[i], PARAM_content, i ? "/a/photo.jpg" : "/b/other.png");
        set(&jobs[i], PARAM_style, "/styles/starry.jpg");
        set(&jobs[i], PARAM_style_weight, weights[i]);
        if (params_resolve_job(&jobs[i].params, NULL) != 0)
            abort();
        jobs[i].name = names[i];
        memset(jobs[i].id, '0' + i, JOB_ID_TEXT - 1);
    }
    list = (struct job_list){.jobs = jobs, .count = JOBS};
    return &list;
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    bool skip[JOBS] = {false}, again[JOBS] = {false};
    struct error err = {0};
    char *text = malloc(count + 1);
    if (!text)
        return 0;
    if (count)
        memcpy(text, bytes, count);
    text[count] = 0;
    int status = selection_apply(text, the_jobs(), skip, &err);
    if (status != 0 && (status != E_INPUT || !err.message[0]))
        abort();
    if (status == 0 &&
        (selection_apply(text, the_jobs(), again, &err) != 0 || memcmp(skip, again, sizeof skip)))
        abort();
    free(text);
    return 0;
}
