#include "weights.h"

#include "builtin.h"
#include "compare.h"
#include "foreign.h"
#include "known.h"
#include "network_name.h"
#include "recognise.h"
#include "words.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

/* A file goes to the first reader that recognises it: PyTorch's archives are none of Keras'. */
static const struct weight_reader *const readers[] = {
    &weight_reader_keras,  &weight_reader_torch,         &weight_reader_safetensors,
    &weight_reader_onnx,   &weight_reader_caffe,         &weight_reader_mat,
    &weight_reader_shards, &weight_reader_keras_archive,
};
enum { READERS = sizeof readers / sizeof *readers };

/* What the first convolution of a file expects: (colour - mean) / scale, colours in 0..255. */
static const struct {
    const char *name;
    bool bgr;
    double mean[3], scale[3]; /* R, G, B */
} conventions[] = {
    [CONVENTION_CAFFE] = {"caffe", true, {123.68, 116.779, 103.939}, {1, 1, 1}},
    [CONVENTION_TORCHVISION] = {"torchvision",
                                false,
                                {255 * .485, 255 * .456, 255 * .406},
                                {255 * .229, 255 * .224, 255 * .225}},
};

static void reverse_channels(struct vgg19_weights *weights)
{
    const size_t out = (size_t)vgg19_convs[0].out;
    for (size_t tap = 0; tap < 9; tap++)
        for (size_t o = 0; o < out; o++) {
            float *first = weights->kernel[0] + tap * 3 * out + o, *last = first + 2 * out;
            float kept = *first;
            *first = *last;
            *last = kept;
        }
}

void weights_fold(int convention, struct vgg19_weights *weights)
{
    const size_t out = (size_t)vgg19_convs[0].out;
    for (size_t tap = 0; tap < 9; tap++) {
        float *kernel = weights->kernel[0] + tap * 3 * out; /* [3][out] */
        for (size_t o = 0; o < out; o++) {
            float file[3];
            for (size_t c = 0; c < 3; c++)
                file[c] = kernel[c * out + o];
            for (size_t c = 0; c < 3; c++)
                kernel[c * out + o] =
                    (float)((double)file[conventions[convention].bgr ? 2 - c : c] /
                            conventions[convention].scale[c]);
        }
    }
    for (int c = 0; c < 3; c++)
        weights->mean[c] = (float)conventions[convention].mean[c];
    snprintf(weights->convention, sizeof weights->convention, "%s", conventions[convention].name);
}

int weights_convention(const struct weights_origin *found, int given, int *convention,
                       struct error *err)
{
    if (found->convention == CONVENTION_AUTO && given == CONVENTION_AUTO)
        return fail(err, E_INPUT,
                    "this %s file does not tell which input it expects: give weights_convention, "
                    "caffe (Oxford's weights: BGR 0..255 minus the mean) or torchvision (RGB 0..1, "
                    "normalised)",
                    found->format);
    if (found->convention != CONVENTION_AUTO && !found->guessed && given != CONVENTION_AUTO &&
        given != found->convention)
        return fail(err, E_INPUT, "this %s file has weights_convention %s, got %s", found->format,
                    conventions[found->convention].name, conventions[given].name);
    *convention = given != CONVENTION_AUTO ? given : found->convention;
    return 0;
}

/* The names that are no files, nearest first where one is misspelt; "bultin:3" is one of those. */
static int no_such_name(const char *name, struct error *err)
{
    static const char *const own[] = {"builtin", "random"};
    enum { OWN = sizeof own / sizeof *own, MOST_NAMES = 64 };
    const char *names[MOST_NAMES], *colon = strchrnul(name, ':');
    char nearest[128], all[1024] = "", word[64];
    size_t count = 0, used = 0;
    for (size_t i = 0; i < OWN; i++)
        names[count++] = own[i];
    for (int i = 0; i < known_file_count && count < MOST_NAMES; i++)
        names[count++] = known_files[i].name;
    for (size_t i = 0; i < count && used < sizeof all; i++)
        used += (size_t)snprintf(all + used, sizeof all - used, "%s%s", i ? ", " : "", names[i]);
    snprintf(word, sizeof word, "%.*s", (int)(colon - name < 63 ? colon - name : 63), name);
    words_nearest(word, names, count, nearest, sizeof nearest);
    return fail(err, E_INPUT,
                "there is no weight file '%.200s'%s%s%s known names: %s ('atelier weights' lists "
                "them)",
                name, nearest[0] ? "; did you mean " : "", nearest, nearest[0] ? "?" : ";", all);
}

static int no_such_file(const char *path, struct error *err)
{
    return path[0] && !strpbrk(path, "/.")
               ? no_such_name(path, err)
               : fail(err, E_INPUT, "there is no weight file '%s'", path);
}

/* The first bytes of a regular file. A pipe or a device is refused without waiting for it. */
static int read_start(const char *path, unsigned char start[WEIGHTS_START], size_t *count,
                      struct error *err)
{
    int status = 0;
    struct stat info;
    int file = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (file < 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? no_such_file(path, err)
                   : fail_errno(err, "cannot read weight file '%s'", path);
    if (fstat(file, &info) != 0) {
        status = fail_errno(err, "cannot read weight file '%s'", path);
        goto done;
    }
    if (!S_ISREG(info.st_mode)) {
        status = fail(err, E_INPUT, "'%s' is %s, not a weight file", path,
                      S_ISDIR(info.st_mode) ? "a folder" : "a device or a pipe");
        goto done;
    }
    size_t have = 0;
    ssize_t got = 1;
    while (have < WEIGHTS_START && (got = read(file, start + have, WEIGHTS_START - have)) > 0)
        have += (size_t)got;
    if (got < 0)
        status = fail_errno(err, "cannot read weight file '%s'", path);
    else if (have == 0)
        status = fail(err, E_INPUT, "weight file '%s' is empty", path);
    else
        *count = have;
done:
    close(file);
    return status;
}

static int unknown_format(const char *path, const unsigned char *start, size_t count,
                          struct error *err)
{
    const char *what = foreign_format(start, count);
    if (what)
        return fail(err, E_INPUT, "'%s' %s", path, what);
    char known[256] = "";
    for (size_t i = 0, used = 0; i < READERS && used < sizeof known; i++)
        used += (size_t)snprintf(known + used, sizeof known - used, "%s%s", i ? ", " : "",
                                 readers[i]->format);
    return fail(err, E_INPUT, "'%s' is not a weight file: expected one of: %s", path, known);
}

static int find_reader(const char *path, const struct weight_reader **reader, struct error *err)
{
    unsigned char start[WEIGHTS_START];
    size_t count = 0;
    int status = read_start(path, start, &count, err);
    if (status)
        return status;
    for (size_t i = 0; i < READERS; i++)
        if (readers[i]->recognises(start, count)) {
            *reader = readers[i];
            return 0;
        }
    return unknown_format(path, start, count, err);
}

static int check_finite(const float *values, size_t count, const char *what, int conv,
                        struct error *err)
{
    for (size_t i = 0; i < count; i++)
        if (!isfinite(values[i])) {
            char layer[LAYER_NAME];
            layer_name((struct layer){.conv = conv, .kind = LAYER_CONV}, layer);
            return fail(err, E_INPUT, "layer %s: value %zu of the %s is %s", layer, i, what,
                        isnan(values[i]) ? "NaN" : "infinite");
        }
    return 0;
}

static int check_values(const struct vgg19_weights *weights, struct error *err)
{
    for (int i = 0; i < weights->convs; i++) {
        const struct vgg19_conv *c = &vgg19_convs[i];
        size_t count = (size_t)9 * (size_t)c->in * (size_t)c->out;
        int status = check_finite(weights->kernel[i], count, "kernel", i, err);
        if (!status)
            status = check_finite(weights->bias[i], (size_t)c->out, "bias", i, err);
        if (status)
            return status;
    }
    return 0;
}

/* The layers with their digest, and the convention as far as the reader can tell. */
static int read_file(const char *path, const struct weight_reader *reader, int convs,
                     struct vgg19_weights *out, int *convention, struct error *err)
{
    struct vgg19_weights weights = {0};
    int status;
    TRY(vgg19_weights_init(&weights, convs, err));
    TRY(reader->read(path, &weights, convention, err));
    TRY(check_values(&weights, err));
    TRY(weights_digest(&weights, weights.digest, err));
    *out = weights;
    weights = (struct vgg19_weights){0};
done:
    vgg19_weights_release(&weights);
    return status;
}

/* What the reader made of a file: a guess at most, but for the built-in network's own file. */
static struct weights_origin origin_of(const struct weight_reader *reader,
                                       const struct vgg19_weights *weights, int convention)
{
    bool certain = convention == CONVENTION_AUTO || strcmp(weights->digest, BUILTIN_DIGEST) == 0;
    return (struct weights_origin){.format = reader->format,
                                   .convention = convention,
                                   .guessed = certain ? NULL : reader->guesses};
}

/* A published file is known by its digest; every one has all layers. */
static int ask_known(const char *path, const struct weight_reader *reader,
                     const struct vgg19_weights *weights, bool thorough,
                     struct weights_origin *origin, struct error *err)
{
    const struct candidate candidate = {path, reader, weights->digest};
    const struct known_file *known = NULL;
    if (weights->convs < VGG19_CONVS)
        return 0;
    int status = recognise(known_files, known_file_count, &candidate, thorough, &known, err);
    if (known) {
        origin->convention = known->convention;
        origin->guessed = NULL;
    }
    return status;
}

int weights_read(const char *path, int convs, struct vgg19_weights *out,
                 struct weights_origin *origin, struct error *err)
{
    const struct weight_reader *reader = NULL;
    struct vgg19_weights weights = {0};
    int convention = CONVENTION_AUTO, status = find_reader(path, &reader, err);
    if (status)
        return status;
    TRY(read_file(path, reader, convs, &weights, &convention, err));
    struct weights_origin found = origin_of(reader, &weights, convention);
    TRY(ask_known(path, reader, &weights, convention == CONVENTION_AUTO, &found, err));
    *origin = found;
    *out = weights;
    weights = (struct vgg19_weights){0};
done:
    vgg19_weights_release(&weights);
    if (status)
        fail_context(err, "weight file '%s': ", path);
    return status;
}

/* Frees the layers behind the first `convs`. */
static void keep_first(struct vgg19_weights *weights, int convs)
{
    for (int i = convs; i < weights->convs; i++) {
        free(weights->kernel[i]);
        free(weights->bias[i]);
        weights->kernel[i] = weights->bias[i] = NULL;
    }
    weights->convs = convs;
}

/* Only where it matters: the digest of a whole file takes a second. */
static int settle_convention(const char *path, const struct weight_reader *reader,
                             const struct vgg19_weights *weights, int given, bool published,
                             struct weights_origin *origin, struct error *err)
{
    const int found = origin->convention;
    if (published)
        origin->guessed = NULL;
    else if (found == CONVENTION_AUTO || (given != CONVENTION_AUTO && given != found))
        return ask_known(path, reader, weights, found == given, origin, err);
    return 0;
}

/* `published`: it was asked for by a published file's name. */
static int load_file(const char *path, bool published, int given, int convs,
                     struct vgg19_weights *out, struct error *err)
{
    const struct weight_reader *reader = NULL;
    struct vgg19_weights weights = {0};
    int convention = CONVENTION_AUTO, status = find_reader(path, &reader, err);
    if (status)
        return status;
    if (convs == VGG19_CONVS || read_file(path, reader, VGG19_CONVS, &weights, &convention, NULL))
        TRY(read_file(path, reader, convs, &weights, &convention, err));
    struct weights_origin origin = origin_of(reader, &weights, convention);
    TRY(settle_convention(path, reader, &weights, given, published, &origin, err));
    TRY(weights_convention(&origin, given, &convention, err));
    keep_first(&weights, convs);
    if (reader->turned && convention == CONVENTION_TORCHVISION)
        reverse_channels(&weights);
    weights_fold(convention, &weights);
    weights.guessed = given == CONVENTION_AUTO ? origin.guessed : NULL;
    snprintf(weights.source, sizeof weights.source, "%s", reader->format);
    *out = weights;
    weights = (struct vgg19_weights){0};
done:
    vgg19_weights_release(&weights);
    if (status)
        fail_context(err, "weight file '%s': ", path);
    return status;
}

/* What both networks that are no files have in common: they expect caffe's input. */
static int begin_own(const char *what, int convention, int convs, struct vgg19_weights *weights,
                     struct error *err)
{
    if (convention == CONVENTION_TORCHVISION)
        return fail(err, E_INPUT, "%s has weights_convention caffe, got torchvision", what);
    return vgg19_weights_init(weights, convs, err);
}

static int load_builtin(int convention, int convs, struct vgg19_weights *weights, struct error *err)
{
    int status = begin_own("the built-in network", convention, convs, weights, err);
    if (!status)
        status = builtin_read(weights, err);
    if (status)
        return status;
    weights_fold(CONVENTION_CAFFE, weights);
    snprintf(weights->source, sizeof weights->source, "builtin");
    snprintf(weights->digest, sizeof weights->digest, "%s", BUILTIN_DIGEST);
    return 0;
}

/* The digest is that of the name they had first: jobs and checkpoints are known by it. */
static int load_random(uint64_t seed, int convention, int convs, struct vgg19_weights *weights,
                       struct error *err)
{
    char first_name[64];
    int status = begin_own("the untrained network", convention, convs, weights, err);
    if (status)
        return status;
    weights_random(seed, weights);
    for (int c = 0; c < 3; c++)
        weights->mean[c] = (float)conventions[CONVENTION_CAFFE].mean[c];
    snprintf(weights->convention, sizeof weights->convention, "%s",
             conventions[CONVENTION_CAFFE].name);
    snprintf(weights->source, sizeof weights->source, "random:%" PRIu64, seed);
    snprintf(first_name, sizeof first_name, "builtin:%" PRIu64, seed);
    return digest_bytes(first_name, strlen(first_name), weights->digest, err);
}

static int find_path(const char *name, char **path, bool *published, struct error *err)
{
    int status = known_path(name, path, published, err);
    if (status || *published)
        return status;
    *path = strdup(name);
    return *path ? 0 : fail(err, E_ENVIRONMENT, "not enough memory");
}

int weights_path(const char *name, char **path, struct error *err)
{
    bool published;
    return find_path(name, path, &published, err);
}

int weights_load(const char *name, int convention, int convs, struct vgg19_weights *out,
                 struct error *err)
{
    assert(convs >= 1 && convs <= VGG19_CONVS);
    struct vgg19_weights weights = {0};
    char *path = NULL;
    bool published;
    enum network_kind kind;
    uint64_t seed;
    int status;
    TRY(network_name_parse(name, &kind, &seed, err));
    if (kind == NETWORK_BUILTIN) {
        TRY(load_builtin(convention, convs, &weights, err));
    } else if (kind == NETWORK_RANDOM) {
        TRY(load_random(seed, convention, convs, &weights, err));
    } else {
        TRY(find_path(name, &path, &published, err));
        TRY(load_file(path, published, convention, convs, &weights, err));
    }
    *out = weights;
    weights = (struct vgg19_weights){0};
done:
    vgg19_weights_release(&weights);
    free(path);
    return status;
}
