#include "named.h"

#include "params.h"
#include <stdio.h>
#include <string.h>

const char *const named_parts[] = {[NAMED_KERNEL] = "kernel", [NAMED_BIAS] = "bias"};

/* A piece of a name; not terminated. */
struct piece {
    const char *text;
    size_t length;
};

static bool is(struct piece piece, const char *text)
{
    return piece.length == strlen(text) && memcmp(piece.text, text, piece.length) == 0;
}

/* Cuts what follows the last dot off *name; all of it where there is none. */
static struct piece cut_last(struct piece *name)
{
    size_t at = name->length;
    while (at > 0 && name->text[at - 1] != '.')
        at--;
    struct piece last = {name->text + at, name->length - at};
    name->length = at > 0 ? at - 1 : 0;
    return last;
}

/* A decimal number of one or two digits; -1 if it is none. */
static int number_of(struct piece piece)
{
    int value = 0;
    for (size_t i = 0; i < piece.length; i++) {
        if (piece.text[i] < '0' || piece.text[i] > '9')
            return -1;
        value = value * 10 + piece.text[i] - '0';
    }
    return piece.length == 1 || (piece.length == 2 && value >= 10) ? value : -1;
}

/* "conv4_2" is ("conv", "_"), "block4_conv2" is ("block", "_conv"). */
static bool splits(struct piece name, const char *first, const char *second, int *block, int *index)
{
    size_t before = strlen(first), between = strlen(second);
    if (name.length != before + between + 2 || memcmp(name.text, first, before) != 0 ||
        memcmp(name.text + before + 1, second, between) != 0)
        return false;
    *block = number_of((struct piece){name.text + before, 1});
    *index = number_of((struct piece){name.text + name.length - 1, 1});
    return *block >= 0 && *index >= 0;
}

int named_conv(const char *name, size_t length)
{
    struct piece piece = {name, length};
    int block, index;
    if (!splits(piece, "conv", "_", &block, &index) &&
        !splits(piece, "block", "_conv", &block, &index))
        return NAMED_OTHER;
    for (int conv = 0; conv < VGG19_CONVS; conv++)
        if (vgg19_convs[conv].block == block && vgg19_convs[conv].index == index)
            return conv;
    return NAMED_STRANGER;
}

/* torchvision numbers convolutions, ReLUs and poolings together. */
static int conv_of_number(int number)
{
    int at = 0;
    for (int conv = 0; conv < VGG19_CONVS; conv++) {
        if (at == number)
            return conv;
        at += vgg19_convs[conv].pooled ? 3 : 2;
    }
    return NAMED_STRANGER;
}

void named_text(const char *name, size_t length, char text[NAMED_TEXT])
{
    size_t kept = length < NAMED_TEXT - 4 ? length : NAMED_TEXT - 4;
    for (size_t i = 0; i < kept; i++)
        text[i] = name[i];
    for (size_t i = 0; i < kept; i++)
        if ((unsigned char)text[i] < ' ' || (unsigned char)text[i] >= 0x7f)
            text[i] = '?';
    snprintf(text + kept, NAMED_TEXT - kept, "%s", kept < length ? "..." : "");
}

int named_set(struct named_tensors *named, int conv, enum named_part part, size_t tensor,
              struct error *err)
{
    if (named->found[conv][part])
        return fail(err, E_INPUT, "layer conv%d_%d has more than one %s", vgg19_convs[conv].block,
                    vgg19_convs[conv].index, named_parts[part]);
    named->found[conv][part] = true;
    named->tensor[conv][part] = tensor;
    return 0;
}

/* The number of a torch module whose name ends "features.N", or is N; -1 for any other. */
static int module_number(struct piece last, struct piece before)
{
    int number = number_of(last);
    if (before.length == 0 && last.text == before.text)
        return number;
    return is(cut_last(&before), "features") ? number : -1;
}

int named_add(struct named_tensors *named, const char *name, size_t length, size_t tensor,
              struct error *err)
{
    struct piece rest = {name, length}, part = cut_last(&rest), layer = cut_last(&rest);
    bool bias = is(part, "bias"), kernel = is(part, "weight") || is(part, "kernel");
    int number = module_number(layer, rest), conv = named_conv(layer.text, layer.length);
    if (number >= 0) {
        named->normalised |= is(part, "running_mean") || is(part, "running_var");
        conv = conv_of_number(number);
        if (conv == NAMED_STRANGER && number < 64)
            named->strangers |= (uint64_t)1 << number;
        if (conv == NAMED_STRANGER || !(bias || kernel))
            return 0;
        named->by_number = true;
    } else if (conv == NAMED_OTHER || !(bias || kernel))
        return 0;
    else if (conv == NAMED_STRANGER) {
        char text[NAMED_TEXT];
        named_text(layer.text, layer.length, text);
        return fail(err, E_INPUT, "layer %s is not one of VGG-19", text);
    } else
        named->by_layer = true;
    return named_set(named, conv, bias ? NAMED_BIAS : NAMED_KERNEL, tensor, err);
}

/* Which network has convolutions where VGG-19 has none. */
static int refuse_strangers(const struct named_tensors *named, struct error *err)
{
    const uint64_t vgg16 = (uint64_t)1 << 17 | (uint64_t)1 << 24 | (uint64_t)1 << 26;
    const char *looks = "";
    int first = 0;
    while (!(named->strangers >> first & 1))
        first++;
    if (named->normalised || named->strangers & 2)
        looks =
            ": it looks like a network with batch normalisation (vgg19_bn), but plain VGG-19 is "
            "needed";
    else if (named->strangers == vgg16)
        looks = ": it looks like VGG-16, but VGG-19 is needed";
    return fail(err, E_INPUT, "layer features.%d is not a convolution of VGG-19%s", first, looks);
}

static int missing(const struct named_tensors *named, int conv, enum named_part part,
                   struct error *err)
{
    const struct vgg19_conv *c = &vgg19_convs[conv];
    bool whole = !named->found[conv][NAMED_KERNEL] && !named->found[conv][NAMED_BIAS];
    bool vgg16 =
        whole && c->index == 4 && conv + 1 < VGG19_CONVS && named->found[conv + 1][NAMED_KERNEL];
    return fail(err, E_INPUT, "layer conv%d_%d%s is missing%s", c->block, c->index,
                whole                  ? ""
                : part == NAMED_KERNEL ? ": its kernel"
                                       : ": its bias",
                vgg16 ? ": it looks like VGG-16, but VGG-19 is needed" : "");
}

int named_check(const struct named_tensors *named, int convs, int *convention, struct error *err)
{
    int needed = convs;
    if (named->strangers)
        return refuse_strangers(named, err);
    for (int conv = 0; conv < VGG19_CONVS; conv++)
        if (conv >= needed && (named->found[conv][NAMED_KERNEL] || named->found[conv][NAMED_BIAS]))
            needed = conv + 1;
    for (int conv = 0; conv < needed; conv++)
        for (int part = 0; part < NAMED_PARTS; part++)
            if (!named->found[conv][part])
                return missing(named, conv, part, err);
    if (named->by_number && named->by_layer)
        return fail(err, E_INPUT, "it names layers both as features.N and as convN_N");
    *convention = named->by_number ? CONVENTION_AUTO : CONVENTION_CAFFE;
    return 0;
}
