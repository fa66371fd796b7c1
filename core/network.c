/* The convolutions of a network, prepared once for every pass. */
#include "network_pass.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int network_convs(const struct layer *layers, int count)
{
    int convs = 0;
    for (int i = 0; i < count; i++)
        if (layers[i].conv + 1 > convs)
            convs = layers[i].conv + 1;
    return convs;
}

int network_new(const struct vgg19_weights *weights, int pooling, enum arithmetic arithmetic,
                enum saving saving, struct network **network, struct error *err)
{
    int status = 0;
    struct network *made = calloc(1, sizeof *made);
    if (!made)
        return fail(err, E_ENVIRONMENT, "not enough memory for the network");
    made->convs = weights->convs;
    made->pooling = pooling;
    made->arithmetic = arithmetic;
    memcpy(made->mean, weights->mean, sizeof made->mean);
    for (int i = 0; i < weights->convs; i++)
        TRY(conv_new(weights->kernel[i], weights->bias[i], vgg19_convs[i].in, vgg19_convs[i].out,
                     arithmetic, saving, &made->conv[i], err));
    *network = made;
    made = NULL;
done:
    network_free(made);
    return status;
}

void network_free(struct network *network)
{
    if (!network)
        return;
    for (int i = 0; i < network->convs; i++)
        conv_free(network->conv[i]);
    free(network);
}

size_t network_bytes(int convs, enum arithmetic arithmetic, enum saving saving)
{
    size_t bytes = 0;
    for (int i = 0; i < convs; i++)
        bytes += conv_weight_bytes(vgg19_convs[i].in, vgg19_convs[i].out, arithmetic, saving);
    return bytes;
}

/* Small pictures have few tiles to share the cost of turning weights, and little else in memory. */
enum saving network_saving(int height, int width)
{
    return (int64_t)height * width <= SMALL_SIDE * SMALL_SIDE ? SAVE_TIME : SAVE_MEMORY;
}

static const char *engine_of(int conv, enum arithmetic arithmetic)
{
    return conv_engine(vgg19_convs[conv].in, vgg19_convs[conv].out, arithmetic);
}

void network_engines(int convs, enum arithmetic arithmetic, char *text, size_t size)
{
    size_t used = 0;
    for (int i = 0, next; i < convs && used < size; i = next) {
        const char *engine = engine_of(i, arithmetic);
        char first[LAYER_NAME], last[LAYER_NAME];
        for (next = i + 1; next < convs && strcmp(engine_of(next, arithmetic), engine) == 0;)
            next++;
        layer_name((struct layer){i, LAYER_CONV}, first);
        layer_name((struct layer){next - 1, LAYER_CONV}, last);
        used += (size_t)snprintf(text + used, size - used, "%s%s: %s%s%s", i ? "; " : "", engine,
                                 first, next - 1 > i ? " ... " : "", next - 1 > i ? last : "");
    }
}

enum arithmetic network_arithmetic(const struct network *network) { return network->arithmetic; }
