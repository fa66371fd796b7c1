#include "onnx_choice.h"

#include "onnx_tensor.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* VGG-16's first seven convolutions are VGG-19's. */
enum { TELLING = 8 };

static int in_layer(int conv, struct error *err)
{
    return fail_context(err, "layer conv%d_%d: ", vgg19_convs[conv].block, vgg19_convs[conv].index);
}

/* ---- shapes ---- */

static bool has_shape(const struct onnx_tensor *t, int conv)
{
    const struct vgg19_conv *c = &vgg19_convs[conv];
    return t->tensor.rank == 4 && t->tensor.shape[0] == (uint64_t)c->out &&
           t->tensor.shape[1] == (uint64_t)c->in && t->tensor.shape[2] == 3 &&
           t->tensor.shape[3] == 3;
}

/* The places in VGG-19 that a convolution's kernel fits, one bit each; none without a bias. */
static unsigned places_of(const struct onnx_conv *conv)
{
    struct onnx_tensor t;
    unsigned places = 0;
    if (conv->odd || !conv->tensor[NAMED_KERNEL].bytes || !conv->tensor[NAMED_BIAS].bytes ||
        conv->twice[NAMED_KERNEL] || conv->twice[NAMED_BIAS] ||
        onnx_tensor_parse(conv->tensor[NAMED_KERNEL], &t, NULL) != 0)
        return 0;
    for (int i = 0; i < VGG19_CONVS; i++)
        if (has_shape(&t, i))
            places |= 1u << i;
    return places;
}

/* ---- chains ---- */

struct chains {
    const struct onnx_graph *graph;
    unsigned *places;  /* that a convolution fits, */
    unsigned *reached; /* and those of them to which a chain leads */
    struct onnx_chain *found;
    int count;
};

static void reach(struct chains *c)
{
    for (int i = 0; i < c->graph->count; i++) {
        int from = c->graph->convs[i].from;
        unsigned before = from >= 0 ? c->reached[from] << 1 : 0;
        c->places[i] = places_of(&c->graph->convs[i]);
        c->reached[i] = c->places[i] & (before | 1);
    }
}

static bool same_tensors(const struct onnx_graph *graph, const struct onnx_chain *a,
                         const struct onnx_chain *b, int length)
{
    for (int i = 0; i < length; i++)
        for (int part = 0; part < NAMED_PARTS; part++)
            if (graph->convs[a->conv[i]].tensor[part].bytes !=
                graph->convs[b->conv[i]].tensor[part].bytes)
                return false;
    return true;
}

/* One network may see several pictures. */
static void add_chain(struct chains *c, const struct onnx_chain *chain, int length)
{
    for (int i = 0; i < c->count; i++)
        if (same_tensors(c->graph, &c->found[i], chain, length))
            return;
    c->found[c->count++] = *chain;
}

static bool is_alone(const struct onnx_graph *graph, int length)
{
    return graph->count == length && graph->normalised_after < 0;
}

/* The chains that end with their convolution number `last`. */
static void find_ends(struct chains *c, int last)
{
    for (int i = 0; i < c->graph->count; i++) {
        struct onnx_chain chain = {{0}};
        if (!(c->reached[i] >> last & 1) || (last + 1 < TELLING && !is_alone(c->graph, last + 1)))
            continue;
        for (int place = last, at = i; place >= 0; place--, at = c->graph->convs[at].from)
            chain.conv[place] = at;
        add_chain(c, &chain, last + 1);
    }
}

/* The longest ones. */
static void find_chains(struct chains *c, int convs)
{
    reach(c);
    for (int last = VGG19_CONVS - 1; last >= convs - 1 && c->count == 0; last--)
        find_ends(c, last);
}

/* ---- by order alone ---- */

/* Whether a convolution fits a place, and nothing is known of another one before it. */
static bool may_follow(const struct chains *c, int conv, int place)
{
    int from = c->graph->convs[conv].from;
    return c->places[conv] >> place & 1 && (place == 0 || from < 0 || from == conv - 1);
}

/* Convolutions after one another that fit, where no normalisation could stand between them. */
static void find_in_order(struct chains *c)
{
    if (c->graph->normalised_after >= 0)
        return;
    for (int first = 0; first + VGG19_CONVS <= c->graph->count; first++) {
        struct onnx_chain chain;
        bool fits = true;
        for (int i = 0; i < VGG19_CONVS && fits; i++) {
            chain.conv[i] = first + i;
            fits = may_follow(c, first + i, i);
        }
        if (fits)
            add_chain(c, &chain, VGG19_CONVS);
    }
}

static int missing_part(const struct onnx_conv *conv, enum named_part part, struct error *err)
{
    char name[NAMED_TEXT];
    if (!conv->name[part].count)
        return fail(err, E_INPUT, "expected a kernel and a bias, got no bias");
    named_text((const char *)conv->name[part].bytes, conv->name[part].count, name);
    return fail(err, E_INPUT, "there is no initializer for its %s, '%s'", named_parts[part], name);
}

static int check_conv(const struct onnx_conv *conv, int place, struct error *err)
{
    const struct vgg19_conv *c = &vgg19_convs[place];
    struct onnx_tensor t;
    int status = 0;
    if (conv->odd)
        return fail(err, E_INPUT, "expected a kernel and a bias");
    for (int part = 0; part < NAMED_PARTS; part++) {
        if (conv->twice[part])
            return fail(err, E_INPUT, "there are two initializers for its %s", named_parts[part]);
        if (!conv->tensor[part].bytes)
            return missing_part(conv, (enum named_part)part, err);
    }
    TRY(onnx_tensor_parse(conv->tensor[NAMED_KERNEL], &t, err));
    if (!has_shape(&t, place))
        return fail(err, E_INPUT,
                    "expected a kernel of shape (%d, %d, 3, 3), got (%" PRIu64 ", %" PRIu64
                    ", %" PRIu64 ", %" PRIu64 ")%s",
                    c->out, c->in, t.tensor.shape[0], t.tensor.shape[1], t.tensor.shape[2],
                    t.tensor.shape[3],
                    place == 7 && t.tensor.shape[0] == 512
                        ? ": it looks like VGG-16, but VGG-19 is needed"
                        : "");
done:
    return status;
}

/* A graph of nothing but one network, which is known by its kernels' shapes: all of them, needed or
 * not. */
static int check_graph(const struct onnx_graph *graph, int convs, struct onnx_chain *chain,
                       struct error *err)
{
    int count = graph->count < VGG19_CONVS ? graph->count : VGG19_CONVS;
    if (graph->normalised_after >= 0 && graph->normalised_after <= count)
        return fail(err, E_INPUT,
                    "it has batch normalisation after layer %d, but plain VGG-19 is needed",
                    graph->normalised_after);
    for (int i = 0; i < count; i++) {
        int status = check_conv(&graph->convs[i], i, err);
        if (status)
            return in_layer(i, err);
        chain->conv[i] = i;
    }
    if (count < convs)
        return fail(err, E_INPUT, "layer conv%d_%d is missing: there are only %d convolutions",
                    vgg19_convs[count].block, vgg19_convs[count].index, count);
    return 0;
}

/* ---- what there is instead ---- */

static size_t describe(const struct onnx_conv *conv, char *text, size_t size)
{
    struct onnx_tensor t;
    char name[NAMED_TEXT];
    named_text((const char *)conv->name[NAMED_KERNEL].bytes, conv->name[NAMED_KERNEL].count, name);
    size_t used = (size_t)snprintf(text, size, "'%s'", name);
    if (!conv->tensor[NAMED_KERNEL].bytes ||
        onnx_tensor_parse(conv->tensor[NAMED_KERNEL], &t, NULL) != 0)
        return used;
    for (int i = 0; i < t.tensor.rank && used < size; i++)
        used += (size_t)snprintf(text + used, size - used, "%s%" PRIu64 "%s", i ? ", " : " (",
                                 t.tensor.shape[i], i + 1 == t.tensor.rank ? ")" : "");
    return used;
}

static int refuse(const struct onnx_graph *graph, struct error *err)
{
    enum { SHOWN = 4 };
    char there[SHOWN * (NAMED_TEXT + 64)] = "";
    size_t used = 0;
    for (int i = 0; i < graph->count && i < SHOWN && used < sizeof there; i++) {
        used += (size_t)snprintf(there + used, sizeof there - used, "%s", i ? ", " : "");
        used += describe(&graph->convs[i], there + used, sizeof there - used);
    }
    return fail(err, E_INPUT,
                "none of its %d convolutions begins VGG-19's 16, each behind the other: it has %s, "
                "...",
                graph->count, there);
}

int onnx_choose(const struct onnx_graph *graph, int convs, struct onnx_chain **chains, int *count,
                bool *by_shape, struct error *err)
{
    const size_t room = (size_t)graph->count + 1;
    struct chains c = {.graph = graph};
    struct error why = {0};
    int status = 0;
    c.places = calloc(room, sizeof *c.places);
    c.reached = calloc(room, sizeof *c.reached);
    c.found = calloc(room, sizeof *c.found);
    if (!c.places || !c.reached || !c.found) {
        status = fail_errno(err, "not enough memory for %d convolutions", graph->count);
        goto done;
    }
    find_chains(&c, convs);
    if (c.count == 0 && check_graph(graph, convs, &c.found[0], &why) == 0 &&
        graph->count <= VGG19_CONVS)
        c.count = 1;
    if (c.count == 0) {
        find_in_order(&c);
        *by_shape = c.count > 0;
    }
    if (c.count == 0)
        status = graph->count <= VGG19_CONVS ? fail(err, E_INPUT, "%s", why.message)
                                             : refuse(graph, err);
    if (!status) {
        *chains = c.found;
        *count = c.count;
        c.found = NULL;
    }
done:
    free(c.places);
    free(c.reached);
    free(c.found);
    return status;
}
