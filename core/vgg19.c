#include "vgg19.h"

#include "words.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const struct vgg19_conv vgg19_convs[VGG19_CONVS] = {
    {1, 1, 3, 64, false},    {1, 2, 64, 64, true},    {2, 1, 64, 128, false},
    {2, 2, 128, 128, true},  {3, 1, 128, 256, false}, {3, 2, 256, 256, false},
    {3, 3, 256, 256, false}, {3, 4, 256, 256, true},  {4, 1, 256, 512, false},
    {4, 2, 512, 512, false}, {4, 3, 512, 512, false}, {4, 4, 512, 512, true},
    {5, 1, 512, 512, false}, {5, 2, 512, 512, false}, {5, 3, 512, 512, false},
    {5, 4, 512, 512, true},
};

/* Every spelling of a layer's name; the first of each kind is the canonical one. */
static const struct {
    const char *format; /* block, and index for all but poolings */
    enum layer_kind kind;
} spellings[] = {
    {"relu%d_%d", LAYER_RELU},      {"conv%d_%d", LAYER_CONV},    {"pool%d", LAYER_POOL},
    {"block%d_conv%d", LAYER_RELU}, {"block%d_pool", LAYER_POOL},
};
_Static_assert(sizeof spellings / sizeof *spellings == LAYER_SPELLINGS, "a spelling more");

bool layer_spelling(int spelling, int conv, char name[LAYER_NAME])
{
    const struct vgg19_conv *c = &vgg19_convs[conv];
    if (spellings[spelling].kind == LAYER_POOL && !c->pooled)
        return false;
    /* Numbers are single digits; printf would be most of the time that reading a sweep takes. */
    int number = c->block;
    for (const char *format = spellings[spelling].format; (*name = *format); format++, name++)
        if (*format == '%') {
            *name = (char)('0' + number);
            number = c->index;
            format++;
        }
    return true;
}

static int unknown_layer(const char *name, struct error *err)
{
    char names[LAYER_SPELLINGS * VGG19_CONVS][LAYER_NAME];
    const char *list[LAYER_SPELLINGS * VGG19_CONVS];
    size_t count = 0;
    for (int s = 0; s < LAYER_SPELLINGS; s++)
        for (int i = 0; i < VGG19_CONVS; i++)
            if (layer_spelling(s, i, names[count])) {
                list[count] = names[count];
                count++;
            }
    char nearest[128];
    words_nearest(name, list, count, nearest, sizeof nearest);
    if (nearest[0])
        return fail(err, E_INPUT, "VGG-19 has no layer '%s'; nearest: %s", name, nearest);
    return fail(err, E_INPUT,
                "VGG-19 has no layer '%s'; layers are relu1_1 to relu5_4 (the same as block1_conv1 "
                "to block5_conv4), conv1_1 to conv5_4 before ReLU, and pool1 to pool5",
                name);
}

int layer_parse(const char *name, struct layer *out, struct error *err)
{
    char candidate[LAYER_NAME];
    for (int s = 0; s < LAYER_SPELLINGS; s++)
        for (int i = 0; i < VGG19_CONVS; i++)
            if (layer_spelling(s, i, candidate) && strcmp(name, candidate) == 0) {
                *out = (struct layer){.conv = i, .kind = spellings[s].kind};
                return 0;
            }
    return unknown_layer(name, err);
}

void layer_name(struct layer layer, char name[LAYER_NAME])
{
    for (int s = 0; s < LAYER_SPELLINGS; s++)
        if (spellings[s].kind == layer.kind) {
            layer_spelling(s, layer.conv, name);
            return;
        }
}

int layer_compare(struct layer a, struct layer b)
{
    return a.conv != b.conv ? a.conv - b.conv : (int)a.kind - (int)b.kind;
}

int layer_channels(struct layer layer) { return vgg19_convs[layer.conv].out; }

void layer_size(struct layer layer, int height, int width, int *layer_height, int *layer_width)
{
    int halvings = vgg19_convs[layer.conv].block - (layer.kind == LAYER_POOL ? 0 : 1);
    *layer_height = height >> halvings;
    *layer_width = width >> halvings;
}

static float *floats(size_t count)
{
    void *memory = NULL;
    return posix_memalign(&memory, 64, count * sizeof(float)) == 0 ? memory : NULL;
}

int vgg19_weights_init(struct vgg19_weights *weights, int convs, struct error *err)
{
    *weights = (struct vgg19_weights){.convs = convs};
    for (int i = 0; i < convs; i++) {
        const struct vgg19_conv *c = &vgg19_convs[i];
        weights->kernel[i] = floats((size_t)9 * (size_t)c->in * (size_t)c->out);
        weights->bias[i] = floats((size_t)c->out);
        if (!weights->kernel[i] || !weights->bias[i]) {
            vgg19_weights_release(weights);
            return fail(err, E_ENVIRONMENT, "not enough memory for VGG-19's weights");
        }
    }
    return 0;
}

void vgg19_weights_release(struct vgg19_weights *weights)
{
    for (int i = 0; i < VGG19_CONVS; i++) {
        free(weights->kernel[i]);
        free(weights->bias[i]);
    }
    *weights = (struct vgg19_weights){0};
}
