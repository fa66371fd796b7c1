#include "inputs.h"

#include "compare.h"
#include "image.h"
#include "weights.h"
#include "words.h"
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Room for one more entry where count is 0 or a power of two. */
static int grow(void *list, size_t count, size_t each, struct error *err)
{
    if (count & (count - 1))
        return 0;
    void **slot = list;
    void *bigger = reallocarray(*slot, count ? 2 * count : 1, each);
    if (!bigger)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    *slot = bigger;
    return 0;
}

/* --- images --- */

static int is_visible(const struct dirent *entry) { return entry->d_name[0] != '.'; }

/* Adds "; nearest: 'a.jpg'" where the folder holds something of nearly that name. */
static void name_nearest(const char *path, struct error *why)
{
    enum { MOST = 10000 };
    struct dirent **entries = NULL;
    const char *slash = strrchr(path, '/');
    char *folder = slash ? strndup(path, (size_t)(slash - path) + 1) : NULL;
    int count = folder ? scandir(folder, &entries, is_visible, alphasort) : -1;
    const char **names = count > 0 ? malloc((size_t)count * sizeof *names) : NULL;
    if (names && count <= MOST) {
        char nearest[256];
        for (int i = 0; i < count; i++)
            names[i] = entries[i]->d_name;
        words_nearest(slash + 1, names, (size_t)count, nearest, sizeof nearest);
        size_t used = strlen(why->message);
        if (nearest[0])
            snprintf(why->message + used, sizeof why->message - used, "; nearest: %s", nearest);
    }
    for (int i = 0; i < count; i++)
        free(entries[i]);
    free(entries);
    free(names);
    free(folder);
}

static int read_image(const char *path, struct input_image *image, struct error *why)
{
    int status = 0;
    TRY(image_probe(path, &image->size, why));
    TRY(digest_file(path, image->digest, why));
    image->good = true;
done:
    if (status != 0 && strstr(why->message, "No such file"))
        name_nearest(path, why);
    return status;
}

int inputs_image(struct inputs *inputs, const char *path, size_t *number, bool *fresh_failure,
                 struct error *why, struct error *err)
{
    int status = 0;
    bool is_new;
    *fresh_failure = false;
    TRY(grow(&inputs->images, inputs->image_names.count, sizeof *inputs->images, err));
    TRY(name_index_add(&inputs->image_names, path, number, &is_new, err));
    if (!is_new)
        return 0;
    inputs->images[*number] = (struct input_image){0};
    int failed = read_image(path, &inputs->images[*number], why);
    *fresh_failure = failed == E_INPUT;
    if (failed && failed != E_INPUT)
        status = fail(err, failed, "%s", why->message);
done:
    return status;
}

/* --- weights --- */

int inputs_weights(struct inputs *inputs, const char *name, int convention, int convs,
                   size_t *number, struct error *err)
{
    int status = 0;
    bool is_new;
    char *key = NULL;
    if (asprintf(&key, "%d %s", convention, name) < 0)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    TRY(grow(&inputs->weights, inputs->weights_names.count, sizeof *inputs->weights, err));
    TRY(name_index_add(&inputs->weights_names, key, number, &is_new, err));
    if (is_new)
        inputs->weights[*number] = (struct input_weights){.convention = convention};
    inputs->weights[*number].asked[convs] = true;
done:
    free(key);
    return status;
}

/* The deepest that can be loaded of what is asked for. *why keeps what was wrong with the deepest
 * of all. */
static int load_deepest(const char *name, const struct input_weights *entry,
                        struct vgg19_weights *weights, bool *failed, struct error *why,
                        struct error *err)
{
    struct error trial;
    *failed = false;
    for (int convs = VGG19_CONVS; convs > 0; convs--) {
        if (!entry->asked[convs])
            continue;
        int status = weights_load(name, entry->convention, convs, weights, &trial);
        if (status == 0)
            return 0;
        if (status != E_INPUT)
            return fail(err, status, "%s", trial.message);
        if (!*failed)
            *why = trial;
        *failed = true;
    }
    return 0;
}

int inputs_digest_weights(struct inputs *inputs, size_t number, bool *failed, struct error *why,
                          struct error *err)
{
    struct input_weights *entry = &inputs->weights[number];
    const char *name = strchr(inputs->weights_names.names[number], ' ') + 1;
    struct vgg19_weights weights = {0};
    int status = load_deepest(name, entry, &weights, failed, why, err);
    for (int convs = 1; status == 0 && convs <= weights.convs; convs++) {
        if (!entry->asked[convs])
            continue;
        struct vgg19_weights first = weights;
        first.convs = convs;
        status = weights_digest(&first, entry->digest[convs], err);
        entry->good[convs] = status == 0;
    }
    vgg19_weights_release(&weights);
    return status;
}

void inputs_release(struct inputs *inputs)
{
    name_index_release(&inputs->image_names);
    name_index_release(&inputs->weights_names);
    free(inputs->images);
    free(inputs->weights);
    *inputs = (struct inputs){0};
}
