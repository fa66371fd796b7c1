#include "calibration.h"

#include "files.h"
#include "json_file.h"
#include "known.h"
#include "numerics.h"
#include "threads.h"
#include <glob.h>
#include <math.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static const char schema[] = "atelier-calibration-3";
static const char *const precision_names[CALIBRATION_PRECISIONS] = {"f32", "bf16"};

/* --- the key --- */

/* "AMD EPYC 7543 32-Core Processor", or nothing. */
static void processor_name(char *text, size_t size)
{
    char line[256];
    FILE *file = fopen("/proc/cpuinfo", "re");
    text[0] = 0;
    while (file && !text[0] && fgets(line, sizeof line, file))
        if (strncmp(line, "model name", 10) == 0 && strchr(line, ':'))
            snprintf(text, size, "%.*s", (int)strcspn(strchr(line, ':') + 2, "\n"),
                     strchr(line, ':') + 2);
    if (file)
        fclose(file);
}

void calibration_key(const char *version, char *text, size_t size)
{
    char processor[96], numerics[512];
    processor_name(processor, sizeof processor);
    numerics_fingerprint(PRECISION_AUTO, numerics, sizeof numerics);
    snprintf(text, size, "%s; %ld processors; %s; %s", processor, sysconf(_SC_NPROCESSORS_ONLN),
             version, numerics);
}

/* --- JSON --- */

/* The plain numbers, by name. */
static const struct {
    const char *name;
    size_t offset;
} rates[] = {
#define RATE(name)                                                                                 \
    {                                                                                              \
#name, offsetof(struct calibration, name)                                                  \
    }
    RATE(builtin),    RATE(content),        RATE(pixel),     RATE(lbfgs_outer),
    RATE(lbfgs_step), RATE(lbfgs_gradient), RATE(adam_step), RATE(decode),
    RATE(encode),     RATE(digest),         RATE(touch),     RATE(launch),
#undef RATE
};
enum { RATES = sizeof rates / sizeof *rates };

static double *rate(struct calibration *calibration, size_t i)
{
    return (double *)((char *)calibration + rates[i].offset);
}

static json_t *numbers_to_json(const double *values)
{
    json_t *array = json_array();
    for (int i = 0; i < CALIBRATION_SIZES; i++)
        json_array_append_new(array, json_real(values[i]));
    return array;
}

static json_t *layers_to_json(const struct layer_seconds *layers)
{
    json_t *array = json_array();
    for (int i = 0; i < VGG19_CONVS; i++)
        json_array_append_new(array,
                              json_pack("{so so}", "forward", numbers_to_json(layers[i].forward),
                                        "backward", numbers_to_json(layers[i].backward)));
    return array;
}

static json_t *to_json(const struct calibration *c)
{
    json_t *root = json_pack("{ss ss ss si si}", "schema", schema, "machine", c->machine, "date",
                             c->date, "threads", c->threads, "workers", c->workers);
    json_t *sides = json_array(), *numbers = json_object(), *convs = json_object();
    for (int i = 0; i < CALIBRATION_SIZES; i++)
        json_array_append_new(sides, json_integer(calibration_sides[i]));
    for (size_t i = 0; i < RATES; i++)
        json_object_set_new(numbers, rates[i].name, json_real(*rate((struct calibration *)c, i)));
    for (int p = 0; p < CALIBRATION_PRECISIONS; p++)
        if (c->measured[p])
            json_object_set_new(convs, precision_names[p],
                                json_pack("{sf so so}", "prepare", c->prepare[p], "layers",
                                          layers_to_json(c->conv[p]), "gram",
                                          layers_to_json(c->gram[p])));
    json_object_set_new(root, "sides", sides);
    json_object_set_new(root, "rates", numbers);
    json_object_set_new(root, "convolutions", convs);
    return root;
}

/* A number of seconds: finite, not negative. */
static bool seconds_from(const json_t *json, double *value)
{
    *value = json_number_value(json);
    return json_is_number(json) && isfinite(*value) && *value >= 0;
}

static bool numbers_from(const json_t *array, double *values)
{
    if (json_array_size(array) != CALIBRATION_SIZES)
        return false;
    for (size_t i = 0; i < CALIBRATION_SIZES; i++)
        if (!seconds_from(json_array_get(array, i), &values[i]))
            return false;
    return true;
}

static bool layers_from(const json_t *array, struct layer_seconds *layers)
{
    if (json_array_size(array) != VGG19_CONVS)
        return false;
    for (size_t i = 0; i < VGG19_CONVS; i++) {
        const json_t *layer = json_array_get(array, i);
        if (!numbers_from(json_object_get(layer, "forward"), layers[i].forward) ||
            !numbers_from(json_object_get(layer, "backward"), layers[i].backward))
            return false;
    }
    return true;
}

static bool sides_match(const json_t *array)
{
    if (json_array_size(array) != CALIBRATION_SIZES)
        return false;
    for (size_t i = 0; i < CALIBRATION_SIZES; i++)
        if (json_integer_value(json_array_get(array, i)) != calibration_sides[i])
            return false;
    return true;
}

static bool precisions_from(const json_t *convs, struct calibration *out)
{
    for (int p = 0; p < CALIBRATION_PRECISIONS; p++) {
        const json_t *entry = json_object_get(convs, precision_names[p]);
        if (!entry)
            continue;
        if (!seconds_from(json_object_get(entry, "prepare"), &out->prepare[p]) ||
            !layers_from(json_object_get(entry, "layers"), out->conv[p]) ||
            !layers_from(json_object_get(entry, "gram"), out->gram[p]))
            return false;
        out->measured[p] = true;
    }
    return out->measured[0];
}

static bool from_json(const json_t *root, struct calibration *out)
{
    const json_t *numbers = json_object_get(root, "rates");
    if (strcmp(json_text(root, "schema", ""), schema) != 0 ||
        !sides_match(json_object_get(root, "sides")))
        return false;
    json_copy_text(root, "machine", out->machine, sizeof out->machine);
    json_copy_text(root, "date", out->date, sizeof out->date);
    out->threads = (int)json_whole(root, "threads", 0);
    out->workers = (int)json_whole(root, "workers", 0);
    for (size_t i = 0; i < RATES; i++)
        if (!seconds_from(json_object_get(numbers, rates[i].name), rate(out, i)))
            return false;
    return out->threads > 0 && out->workers > 0 &&
           precisions_from(json_object_get(root, "convolutions"), out);
}

int calibration_read(const char *path, struct calibration *out, struct error *err)
{
    struct calibration made = {0};
    json_t *root;
    int status = json_file_read(path, &root, err);
    if (status != 0)
        return status;
    bool there = root != NULL, good = from_json(root, &made);
    json_decref(root);
    if (!there)
        return fail(err, E_INPUT, "there is no calibration '%s'", path);
    if (!good)
        return fail(err, E_INPUT, "'%s' is not a calibration of this version", path);
    *out = made;
    return 0;
}

int calibration_write(const char *path, const struct calibration *calibration, struct error *err)
{
    return json_file_write(path, to_json(calibration), err);
}

/* --- the cache --- */

/* CACHE/machine-<key's digest>-; what follows is WORKERSxTHREADS.json. Caller frees. */
static int cache_stem(const char *key, char **stem, struct error *err)
{
    int status = 0;
    char *folder = NULL, digest[DIGEST_HEX];
    TRY(digest_bytes(key, strlen(key), digest, err));
    TRY(known_cache_folder(&folder, err));
    TRY(files_make_folders(folder, err));
    if (asprintf(stem, "%s/machine-%.16s-", folder, digest) < 0)
        status = fail(err, E_ENVIRONMENT, "not enough memory for a file's name");
done:
    free(folder);
    return status;
}

/* Doublings of the threads weigh more than any difference in workers. */
static double distance(const struct calibration *c, int threads, int workers)
{
    return 1000 * fabs(log2((double)c->threads / threads)) +
           fabs(log2((double)c->workers / workers));
}

bool calibration_nearest(const char *version, int threads, int workers, struct calibration *out)
{
    char key[sizeof out->machine], *stem = NULL, *pattern = NULL;
    glob_t found = {0};
    double best = HUGE_VAL;
    calibration_key(version, key, sizeof key);
    if (cache_stem(key, &stem, NULL) != 0 || asprintf(&pattern, "%s*.json", stem) < 0)
        pattern = NULL;
    if (pattern && glob(pattern, GLOB_NOSORT, NULL, &found) == 0)
        for (size_t i = 0; i < found.gl_pathc; i++) {
            struct calibration kept;
            if (calibration_read(found.gl_pathv[i], &kept, NULL) != 0 ||
                strcmp(kept.machine, key) != 0 || !(distance(&kept, threads, workers) < best))
                continue;
            best = distance(&kept, threads, workers);
            *out = kept;
        }
    globfree(&found);
    free(pattern);
    free(stem);
    return best < HUGE_VAL;
}

bool calibration_kept(const char *version, int workers, struct calibration *out)
{
    struct calibration nearest;
    if (!calibration_nearest(version, threads_count(), workers, &nearest) ||
        nearest.threads != threads_count() || nearest.workers != workers)
        return false;
    *out = nearest;
    return true;
}

int calibration_renew(const char *version, int workers, struct calibration *out, struct error *err)
{
    char *stem = NULL, *path = NULL;
    int status = calibration_measure(version, workers, out, err);
    if (status == 0 && cache_stem(out->machine, &stem, NULL) == 0 &&
        asprintf(&path, "%s%dx%d.json", stem, workers, out->threads) > 0)
        calibration_write(path, out, NULL);
    free(stem);
    free(path);
    return status;
}
