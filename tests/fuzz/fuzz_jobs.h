/* What the fuzz targets of sweep files and manifests share. Their files are made up, so that no
 * file system is searched: every name is a picture unless it holds "bad", a pattern matches three.
 */
#ifndef ATELIER_FUZZ_JOBS_H
#define ATELIER_FUZZ_JOBS_H

#include "job_builder.h"
#include "job_text.h"
#include "manifest.h"
#include "utf8.h"

#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/* --- in place of jobs/inputs.c, core/plan.c and glob --- */

int inputs_image(struct inputs *inputs, const char *path, size_t *number, bool *fresh_failure,
                 struct error *why, struct error *err)
{
    bool is_new;
    int status = name_index_add(&inputs->image_names, path, number, &is_new, err);
    *fresh_failure = false;
    if (status != 0 || !is_new)
        return status;
    struct input_image image = {.good = !strstr(path, "bad"), .size = {100, 100}};
    if (image.good)
        status = digest_bytes(path, strlen(path), image.digest, err);
    else
        fail(why, E_INPUT, "'%s' is bad", path);
    *fresh_failure = !image.good;
    struct input_image *images = reallocarray(inputs->images, *number + 1, sizeof *images);
    if (!images)
        abort();
    inputs->images = images;
    images[*number] = image;
    return status;
}

int inputs_weights(struct inputs *inputs, const char *name, int convention, int convs,
                   size_t *number, struct error *err)
{
    bool is_new;
    (void)convention, (void)convs;
    int status = name_index_add(&inputs->weights_names, name, number, &is_new, err);
    if (status != 0 || !is_new)
        return status;
    struct input_weights *weights = reallocarray(inputs->weights, *number + 1, sizeof *weights);
    if (!weights)
        abort();
    inputs->weights = weights;
    memset(&weights[*number], 0, sizeof *weights);
    return digest_bytes(name, strlen(name), weights[*number].digest[1], err);
}

int inputs_digest_weights(struct inputs *inputs, size_t number, bool *failed, struct error *why,
                          struct error *err)
{
    (void)inputs, (void)number, (void)why, (void)err;
    *failed = false;
    return 0;
}

void inputs_release(struct inputs *inputs)
{
    name_index_release(&inputs->image_names);
    name_index_release(&inputs->weights_names);
    free(inputs->images);
    free(inputs->weights);
}

int plan_make_sized(const struct params *params, const struct plan_sizes *sizes, struct plan *plan,
                    struct error *err)
{
    (void)sizes;
    *plan = (struct plan){.convs = 1};
    return params->size == 13 ? fail(err, E_INPUT, "raise size") : 0;
}

int glob(const char *pattern, int flags, int (*on_error)(const char *, int), glob_t *found)
{
    (void)flags, (void)on_error;
    if (strstr(pattern, "none"))
        return GLOB_NOMATCH;
    found->gl_pathv = calloc(4, sizeof *found->gl_pathv);
    for (found->gl_pathc = 0; found->gl_pathv && found->gl_pathc < 3; found->gl_pathc++)
        if (asprintf(&found->gl_pathv[found->gl_pathc], "/%zu%s", found->gl_pathc, pattern) < 0)
            abort();
    return 0;
}

void globfree(glob_t *found)
{
    for (size_t i = 0; i < found->gl_pathc; i++)
        free(found->gl_pathv[i]);
    free(found->gl_pathv);
}

/* --- running --- */

enum { FUZZ_JOBS = 300 };
typedef int jobs_reader(const char *text, size_t bytes, struct job_builder *, struct error *err);

/* Complaints have words, and can be shown; notes stop nothing. */
static inline void check_complaints(const struct complaints *complaints, int status)
{
    if ((complaints->errors > 0) != (status != 0))
        abort();
    for (size_t i = 0; i < complaints->count; i++) {
        char *text = complaint_text(&complaints->list[i]);
        if (!text || !complaints->list[i].message || !*complaints->list[i].message)
            abort();
        for (size_t at = 0; text[at];) {
            size_t length = utf8_length(text + at, strlen(text + at));
            if (length == 0 || (utf8_is_control(text + at, length) && text[at] != '\n'))
                abort();
            at += length;
        }
        free(text);
    }
}

static inline int fuzz_read(jobs_reader *read, const char *text, size_t bytes, struct job_list *out)
{
    struct complaints complaints = {0};
    struct error err = {0};
    struct job_builder builder = {
        .folder = "/[a] folder", .complaints = &complaints, .limit = FUZZ_JOBS};
    char *source = malloc(bytes + 1); /* exactly as long: one byte too far shows */
    if (!source || complaints_file(&complaints, "file", &err) != 0)
        abort();
    memcpy(source, text, bytes);
    source[bytes] = 0;
    complaints_source(&complaints, source, bytes);
    int status = read(source, bytes, &builder, &err);
    if (status == 0)
        status = job_builder_finish(&builder, out, &err);
    if (status != 0 && (status != E_INPUT || err.code != E_INPUT || !err.message[0]))
        abort();
    check_complaints(&complaints, status);
    job_builder_release(&builder);
    complaints_release(&complaints);
    return status;
}

/* A list that was read, written and read again is the same list. */
static inline void check_round_trip(const struct job_list *list)
{
    char *text = NULL;
    size_t bytes;
    struct error err;
    struct job_list again = {0};
    FILE *to = open_memstream(&text, &bytes);
    if (!to || manifest_write(to, list, &err) != 0 || fclose(to) != 0)
        abort();
    if (fuzz_read(manifest_read, text, bytes, &again) != 0 || again.count != list->count)
        abort();
    for (size_t i = 0; i < list->count; i++)
        if (strcmp(list->jobs[i].id, again.jobs[i].id) != 0)
            abort();
    job_list_release(&again);
    free(text);
}

/* As job_list_read: what is no text does not reach the readers. */
static inline int fuzz_jobs(jobs_reader *read, const uint8_t *bytes, size_t count)
{
    struct job_list list = {0};
    char *text = malloc(count + 1);
    if (!text)
        return 0;
    memcpy(text, bytes, count);
    text[count] = 0;
    bool good = true;
    for (size_t at = 0; at < count && good;) {
        size_t length = utf8_length(text + at, count - at);
        good = length > 0 && !utf8_is_control(text + at, length);
        at += length;
    }
    job_text_is_sweep(text);
    if (good && fuzz_read(read, text, count, &list) == 0)
        check_round_trip(&list);
    job_list_release(&list);
    free(text);
    return 0;
}

#endif
