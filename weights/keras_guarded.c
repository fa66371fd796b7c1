#include "keras.h"

#include "guarded.h"
#include "weights.h"

#include <hdf5.h>
#include <string.h>

enum { MOST_CPU_SECONDS = 10 };

/* What the reader finds beside the numbers. */
struct findings {
    int convention;
    bool by_shape;
};

struct request {
    const struct keras_source *source;
    struct vgg19_weights weights;
    struct findings *found; /* shared, too */
};

static int answer(void *context, struct error *err)
{
    struct request *request = context;
    H5Eset_auto2(H5E_DEFAULT, NULL, NULL);
    int status = keras_read(request->source, &request->weights, &request->found->convention, err);
    request->found->by_shape = request->weights.by_shape;
    return status;
}

static size_t bias_bytes(int conv) { return (size_t)vgg19_convs[conv].out * sizeof(float); }

static size_t kernel_bytes(int conv) { return 9 * (size_t)vgg19_convs[conv].in * bias_bytes(conv); }

static void free_shared(struct vgg19_weights *weights, int conv)
{
    guarded_free(weights->kernel[conv], kernel_bytes(conv));
    guarded_free(weights->bias[conv], bias_bytes(conv));
    weights->kernel[conv] = weights->bias[conv] = NULL;
}

/* Layers that the child shares, each by itself: they go one by one as they are
 * copied. */
static int share(struct vgg19_weights *weights, struct error *err)
{
    for (int conv = 0; conv < weights->convs; conv++) {
        weights->kernel[conv] = guarded_memory(kernel_bytes(conv));
        weights->bias[conv] = guarded_memory(bias_bytes(conv));
        if (!weights->kernel[conv] || !weights->bias[conv])
            return fail_errno(err, "not enough memory");
    }
    return 0;
}

static void move(struct vgg19_weights *from, struct vgg19_weights *to)
{
    for (int conv = 0; conv < to->convs; conv++) {
        memcpy(to->kernel[conv], from->kernel[conv], kernel_bytes(conv));
        memcpy(to->bias[conv], from->bias[conv], bias_bytes(conv));
        free_shared(from, conv);
    }
}

int keras_read_guarded(const struct keras_source *source, struct vgg19_weights *weights,
                       int *convention, struct error *err)
{
    struct request request = {.source = source, .weights.convs = weights->convs};
    int status;
    request.found = guarded_memory(sizeof *request.found);
    if (!request.found) {
        status = fail_errno(err, "not enough memory");
        goto done;
    }
    TRY(share(&request.weights, err));
    TRY(guarded_run(answer, &request, MOST_CPU_SECONDS, err));
    move(&request.weights, weights);
    *convention = request.found->convention;
    weights->by_shape = request.found->by_shape;
done:
    guarded_free(request.found, sizeof *request.found);
    for (int conv = 0; conv < weights->convs; conv++)
        free_shared(&request.weights, conv);
    return status;
}

/* The signature, or the signature behind a user block. */
static bool recognises(const unsigned char *start, size_t count)
{
    for (size_t at = 0; at + 8 <= count; at = at ? 2 * at : 512)
        if (memcmp(start + at, "\x89HDF\r\n\x1a\n", 8) == 0)
            return true;
    return false;
}

static int read_keras(const char *path, struct vgg19_weights *weights, int *convention,
                      struct error *err)
{
    return keras_read_guarded(&(struct keras_source){.path = path}, weights, convention, err);
}

const struct weight_reader weight_reader_keras = {
    .format = "Keras HDF5",
    .guesses = "the layers' names",
    .recognises = recognises,
    .read = read_keras,
};
