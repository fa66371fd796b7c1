#include "named.h"

#include "params.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
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

/* Cuts what follows the last dot or slash off *name; all of it where there is
 * none. */
static struct piece cut_last(struct piece *name)
{
    size_t at = name->length;
    while (at > 0 && name->text[at - 1] != '.' && name->text[at - 1] != '/')
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

/* ---- one name ---- */

/* What a tensor's name says, of a convolution or of what tells another network.
 */
struct parsed {
    struct piece prefix; /* what all names of a candidate begin with */
    bool by_number, statistics;
    int conv; /* or NAMED_STRANGER: then */
    int number;
    enum named_part part;
    size_t entry;
};

/* TensorFlow's names end ":0". */
static struct piece without_output(struct piece part)
{
    if (part.length > 2 && memcmp(part.text + part.length - 2, ":0", 2) == 0)
        part.length -= 2;
    return part;
}

static bool part_of(struct piece part, enum named_part *out)
{
    part = without_output(part);
    *out = is(part, "bias") ? NAMED_BIAS : NAMED_KERNEL;
    return *out == NAMED_BIAS || is(part, "weight") || is(part, "kernel");
}

static bool parse(const struct named_entry *entry, struct parsed *out)
{
    struct piece rest = {entry->name, entry->length}, part = cut_last(&rest),
                 layer = cut_last(&rest);
    *out = (struct parsed){.prefix = rest, .number = number_of(layer)};
    bool known = part_of(part, &out->part);
    out->by_number = out->number >= 0;
    out->statistics = is(part, "running_mean") || is(part, "running_var");
    if (out->by_number) {
        out->conv = conv_of_number(out->number);
        return known || out->statistics || out->conv == NAMED_STRANGER;
    }
    out->conv = named_conv(layer.text, layer.length);
    return known && out->conv != NAMED_OTHER;
}

bool named_is_ours(const struct named_entry *entry)
{
    struct parsed parsed;
    return parse(entry, &parsed) && parsed.conv >= 0 && !parsed.statistics;
}

/* ---- candidates ---- */

struct candidate {
    struct named_tensors named;
    struct piece prefix, stranger; /* stranger: a layer's name, or empty */
    int twice;                     /* a convolution with a part twice, or -1 */
    int depth;                     /* convolutions with the right shapes, from the first on */
    int alike;                     /* kernels with the right shape */
    bool first_is_1x1;             /* AdaIN's */
};

static int by_candidate(const void *a, const void *b)
{
    const struct parsed *x = a, *y = b;
    size_t common = x->prefix.length < y->prefix.length ? x->prefix.length : y->prefix.length;
    int order = common ? memcmp(x->prefix.text, y->prefix.text, common) : 0;
    if (x->by_number != y->by_number)
        return x->by_number ? 1 : -1;
    if (order == 0)
        order = (x->prefix.length > y->prefix.length) - (x->prefix.length < y->prefix.length);
    return order ? order : (x->entry > y->entry) - (x->entry < y->entry);
}

static bool has_shape(const struct named_entry *e, uint64_t a, uint64_t b, uint64_t c, uint64_t d)
{
    return e->rank == 4 && e->shape[0] == a && e->shape[1] == b && e->shape[2] == c &&
           e->shape[3] == d;
}

bool named_is_kernel(const struct named_entry *entry, int conv)
{
    const uint64_t in = (uint64_t)vgg19_convs[conv].in, out = (uint64_t)vgg19_convs[conv].out;
    return has_shape(entry, out, in, 3, 3) || has_shape(entry, 3, 3, in, out);
}

static void note(struct candidate *c, const struct parsed *p, const struct named_entry *entry)
{
    c->prefix = p->prefix;
    c->named.by_number = p->by_number;
    c->named.normalised |= p->statistics;
    c->first_is_1x1 |= p->by_number && p->number == 0 && has_shape(entry, 3, 3, 1, 1);
    if (p->conv == NAMED_STRANGER && p->by_number)
        c->named.strangers |= p->number < 64 ? (uint64_t)1 << p->number : 0;
    else if (p->conv == NAMED_STRANGER && !c->stranger.length)
        c->stranger = (struct piece){entry->name, entry->length};
    else if (p->conv >= 0 && !p->statistics &&
             named_set(&c->named, p->conv, p->part, p->entry, NULL))
        c->twice = p->conv;
}

static void measure(struct candidate *c, const struct named_list *list)
{
    for (int conv = 0; conv < VGG19_CONVS; conv++) {
        bool good = c->named.found[conv][NAMED_KERNEL] &&
                    named_is_kernel(&list->entries[c->named.tensor[conv][NAMED_KERNEL]], conv);
        c->alike += good;
        if (c->depth == conv && good && c->named.found[conv][NAMED_BIAS])
            c->depth = conv + 1;
    }
}

static bool is_complete(const struct candidate *c, int convs)
{
    int convention;
    return c->depth >= convs && c->twice < 0 && !c->stranger.length &&
           named_check(&c->named, convs, &convention, NULL) == 0;
}

/* A prefix before bare numbers is another network's as long as no kernel is
 * VGG-19's. */
static bool is_near(const struct candidate *c)
{
    struct piece prefix = c->prefix, last = cut_last(&prefix);
    return c->alike > 0 || !c->named.by_number || !c->prefix.length || is(last, "features");
}

/* The one to complain about: more alike, else the one whose names are surer. */
static bool is_nearer(const struct candidate *a, const struct candidate *b)
{
    return a->alike != b->alike ? a->alike > b->alike : !a->named.by_number && b->named.by_number;
}

static int refuse(const struct candidate *c, struct error *err)
{
    char text[NAMED_TEXT];
    if (c->first_is_1x1)
        return fail(err, E_INPUT,
                    "it looks like AdaIN's normalised VGG-19, which begins with a "
                    "1x1 convolution "
                    "and reflects at borders, but plain VGG-19 is needed");
    if (c->twice >= 0)
        return fail(err, E_INPUT, "layer conv%d_%d has more than one kernel or bias",
                    vgg19_convs[c->twice].block, vgg19_convs[c->twice].index);
    if (!c->stranger.length)
        return 0;
    struct piece rest = c->stranger;
    cut_last(&rest);
    struct piece layer = cut_last(&rest);
    named_text(layer.text, layer.length, text);
    return fail(err, E_INPUT, "layer %s is not one of VGG-19", text);
}

static int refuse_all(const struct named_list *list, struct error *err)
{
    char there[512];
    named_describe(list, there, sizeof there);
    return fail(err, E_INPUT,
                "layer conv1_1 is missing: neither 'features.0.weight' nor "
                "'conv1_1.weight' is "
                "among its %zu tensors%s%s",
                list->count, list->count ? ": " : "", there);
}

static void choose(struct named_choice *choice, const struct candidate *c)
{
    if (choice->count < NAMED_MOST) {
        choice->candidate[choice->count] = c->named;
        named_text(c->prefix.text, c->prefix.length, choice->prefix[choice->count]);
    }
    choice->count++;
}

/* Goes through the candidates in `parsed`, which is sorted. *nearest is for a
 * complaint. */
static void gather(const struct named_list *list, const struct parsed *parsed, size_t count,
                   int convs, struct named_choice *choice, struct candidate *nearest)
{
    int depth = 0;
    for (size_t i = 0; i < count;) {
        struct candidate c = {.twice = -1};
        struct parsed first = parsed[i];
        for (; i < count && parsed[i].by_number == first.by_number &&
               parsed[i].prefix.length == first.prefix.length &&
               memcmp(parsed[i].prefix.text, first.prefix.text, first.prefix.length) == 0;
             i++)
            note(&c, &parsed[i], &list->entries[parsed[i].entry]);
        measure(&c, list);
        if (is_complete(&c, convs) && c.depth >= depth) {
            if (c.depth > depth)
                choice->count = 0;
            depth = c.depth;
            choose(choice, &c);
        }
        if (is_near(&c) && (!nearest->prefix.text || is_nearer(&c, nearest)))
            *nearest = c;
    }
}

int named_choose(const struct named_list *list, int convs, struct named_choice *choice,
                 struct error *err)
{
    struct candidate nearest = {.twice = -1};
    struct parsed *parsed = calloc(list->count + 1, sizeof *parsed);
    size_t count = 0;
    int status = 0;
    choice->count = 0;
    if (!parsed)
        return fail_errno(err, "not enough memory for %zu names", list->count);
    for (size_t i = 0; i < list->count; i++)
        if (parse(&list->entries[i], &parsed[count]))
            parsed[count++].entry = i;
    qsort(parsed, count, sizeof *parsed, by_candidate);
    gather(list, parsed, count, convs, choice, &nearest);
    struct candidate ordered = {.twice = -1};
    bool mute = nearest.alike < VGG19_CONVS / 2; /* names tell nothing, or of something else */
    if (choice->count == 0 && mute && named_by_order(list, &ordered.named))
        choose(choice, &ordered);
    else if (choice->count == 0) {
        status = nearest.prefix.text ? refuse(&nearest, err) : refuse_all(list, err);
        if (!status)
            choose(choice, &nearest);
    }
    free(parsed);
    return status;
}

int named_ambiguous(const struct named_choice *choice, struct error *err)
{
    char all[NAMED_MOST * (NAMED_TEXT + 4)] = "";
    size_t used = 0;
    for (size_t i = 0; i < choice->count && i < NAMED_MOST && used < sizeof all; i++)
        used += (size_t)snprintf(all + used, sizeof all - used, "%s'%s'", i ? ", " : "",
                                 choice->prefix[i]);
    return fail(err, E_INPUT,
                "it holds %zu networks like VGG-19 with different numbers, below "
                "%s: save the one "
                "that is meant by itself",
                choice->count, all);
}

/* ---- lists ---- */

int named_list_add(struct named_list *list, const struct named_entry *entry, struct error *err)
{
    if (list->count == list->room) {
        size_t room = list->room ? 2 * list->room : 64;
        struct named_entry *entries = reallocarray(list->entries, room, sizeof *entries);
        if (!entries)
            return fail_errno(err, "not enough memory for %zu tensors", room);
        list->entries = entries;
        list->room = room;
    }
    list->entries[list->count++] = *entry;
    return 0;
}

void named_list_release(struct named_list *list)
{
    free(list->entries);
    *list = (struct named_list){0};
}

static size_t describe(const struct named_entry *entry, char *text, size_t size)
{
    char name[NAMED_TEXT];
    named_text(entry->name, entry->length, name);
    size_t used = (size_t)snprintf(text, size, "'%s' (", name);
    for (int i = 0; i < entry->rank && i < TENSOR_RANKS && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%" PRIu64, i ? ", " : "",
                                 entry->shape[i]);
    if (used < size)
        used += (size_t)snprintf(text + used, size - used, ")");
    return used < size ? used : size;
}

void named_describe(const struct named_list *list, char *text, size_t size)
{
    enum { SHOWN = 5 };
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < list->count && i < SHOWN && used + 2 < size; i++) {
        if (i)
            used += (size_t)snprintf(text + used, size - used, ", ");
        used += describe(&list->entries[i], text + used, size - used);
    }
    if (list->count > SHOWN && used + 5 < size)
        snprintf(text + used, size - used, ", ...");
}

/* ---- checks ---- */

/* Which network has convolutions where VGG-19 has none. */
static int refuse_strangers(const struct named_tensors *named, struct error *err)
{
    const uint64_t vgg16 = (uint64_t)1 << 17 | (uint64_t)1 << 24 | (uint64_t)1 << 26;
    const char *looks = "";
    int first = 0;
    while (!(named->strangers >> first & 1))
        first++;
    if (named->normalised || named->strangers & 2)
        looks = ": it looks like a network with batch normalisation (vgg19_bn), "
                "but plain VGG-19 is "
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
    *convention = named->by_number ? CONVENTION_AUTO : CONVENTION_CAFFE;
    return 0;
}
