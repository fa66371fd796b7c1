/* The largest feature maps are the first block's, 64 channels of the picture's own size: three of
 * them would be most of a pass. What conv1_2 makes is pooled in strips of rows as it comes, and its
 * gradient unpooled in strips as it goes back, so it is never whole. relu1_1, where a loss looks at
 * it, is kept for the way back while it is small; else it lives in a working buffer and is computed
 * again, in strips: 1 to 2 % of an evaluation's time in place of 256 bytes a pixel. Which depends
 * on nothing but the picture's size and the arithmetic, so every pass computes the same. */
#include "network_pass.h"

#include "arena.h"
#include "memory.h"
#include "params.h"
#include <stdlib.h>
#include <string.h>

bool strip_next(int height, struct strip *strip)
{
    strip->first = strip->last;
    strip->last = height - strip->first < STRIP_ROWS ? height : strip->first + STRIP_ROWS;
    strip->from = strip->first > 0 ? strip->first - 1 : 0;
    strip->to = strip->last < height ? strip->last + 1 : height;
    strip->kind = strip->last == height ? STRIP_BOTTOM
                  : strip->first == 0   ? STRIP_TOP
                                        : STRIP_MIDDLE;
    return strip->first < height;
}

size_t stage_elements(const struct stage *s)
{
    return (size_t)s->height * (size_t)s->width * (size_t)s->out;
}

size_t stage_pooled_elements(const struct stage *s)
{
    return (size_t)(s->height / 2) * (size_t)(s->width / 2) * (size_t)s->out;
}

static enum slot other(enum slot slot) { return slot == WORK_A ? WORK_B : WORK_A; }

/* Gives a tensor a place: its own if it must survive until the way back, else a working buffer that
 * is not its source's. */
static enum slot place(struct network_pass *pass, struct tensor *tensor, enum slot source,
                       bool survives, size_t count, struct arena *arena)
{
    tensor->slot = survives && tensor->tap >= 0 && pass->backward ? KEPT : other(source);
    if (tensor->slot == KEPT)
        tensor->kept = arena_take(arena, count * sizeof(float));
    else if (pass->work_floats[tensor->slot] < count)
        pass->work_floats[tensor->slot] = count;
    return tensor->slot;
}

static void place_stage(struct network_pass *pass, struct stage *s, enum slot source,
                        struct arena *arena)
{
    enum slot at = source;
    if (s->conv.tap >= 0)
        at = place(pass, &s->conv, at, true, stage_elements(s), arena);
    if (s->rectifies) {
        if (s->strips && s->conv.tap < 0 && s->relu.tap < 0)
            s->relu.slot = IN_STRIPS;
        else if (s->conv.tap >= 0 && at != KEPT && !(s->relu.tap >= 0 && pass->backward))
            s->relu.slot = at; /* in place */
        else
            at = place(pass, &s->relu, at, !s->again, stage_elements(s), arena);
    }
    if (s->pools)
        place(pass, &s->pool, at, true, stage_pooled_elements(s), arena);
}

static void take_masks(struct network_pass *pass, struct stage *s, struct arena *arena)
{
    if (!pass->backward)
        return;
    if (s->rectifies)
        s->mask = arena_take(arena, stage_elements(s) / LANES * sizeof(mask_word));
    if (s->pools && pass->pooling == POOLING_MAX) {
        s->right = arena_take(arena, stage_pooled_elements(s) / LANES * sizeof(mask_word));
        s->lower = arena_take(arena, stage_pooled_elements(s) / LANES * sizeof(mask_word));
    }
}

static void at_least(size_t *size, size_t count) { *size = *size > count ? *size : count; }

/* The gradients alternate between the working buffers, from the deepest tensor to the picture; the
 * first takes the buffer that makes both together the smaller. */
static void size_gradients(struct network_pass *pass)
{
    size_t need[2][2] = {{0}}; /* by the first one's buffer */
    for (int start = 0, at = start; start < 2; at = ++start) {
        memcpy(need[start], pass->work_floats, sizeof need[start]);
        for (int i = pass->stages - 1; i >= 0; i--) {
            const struct stage *s = &pass->stage[i];
            at_least(&need[start][at], s->pools ? stage_pooled_elements(s) : stage_elements(s));
            if (s->pools && !s->strips)
                at_least(&need[start][at = !at], stage_elements(s));
            at = !at;
        }
    }
    pass->start = need[1][0] + need[1][1] < need[0][0] + need[0][1];
    memcpy(pass->work_floats, need[pass->start], sizeof pass->work_floats);
}

static int tap_of(struct layer layer, const struct layer *taps, int tap_count)
{
    for (int t = 0; t < tap_count; t++)
        if (layer_compare(taps[t], layer) == 0)
            return t;
    return -1;
}

/* Fills in shapes and taps. */
static void describe(struct network_pass *pass, const struct layer *taps, int tap_count)
{
    int height = pass->height, width = pass->width;
    size_t kept_most = pass->arithmetic == ARITHMETIC_BF16 ? KEPT_MOST_BF16 : KEPT_MOST_F32;
    for (int i = 0; i < pass->stages; i++) {
        struct stage *s = &pass->stage[i];
        bool last = i == pass->stages - 1;
        *s = (struct stage){
            .height = height, .width = width, .in = vgg19_convs[i].in, .out = vgg19_convs[i].out};
        s->conv.tap = tap_of((struct layer){i, LAYER_CONV}, taps, tap_count);
        s->relu.tap = tap_of((struct layer){i, LAYER_RELU}, taps, tap_count);
        s->pool.tap = tap_of((struct layer){i, LAYER_POOL}, taps, tap_count);
        s->pools = vgg19_convs[i].pooled && (!last || s->pool.tap >= 0);
        s->rectifies = !last || s->pools || s->relu.tap >= 0;
        s->strips = s->pools && i == STRIPPED;
        s->again = i == 0 && s->relu.tap >= 0 && s->conv.tap < 0 && pass->backward &&
                   stage_elements(s) > kept_most;
        if (s->pools) {
            height /= 2;
            width /= 2;
        }
    }
}

/* What strips take: rows of conv1_2's output, one more on either side, and another to an even
 * number for the poolings. */
static void take_strips(struct network_pass *pass, struct arena *arena)
{
    size_t rows = (size_t)(pass->height < STRIP_ROWS ? pass->height : STRIP_ROWS) + 4;
    size_t width = (size_t)pass->width, channels = (size_t)vgg19_convs[STRIPPED].out;
    bool pooled = pass->stages > STRIPPED && pass->stage[STRIPPED].strips;
    if (!pooled && !pass->stage[0].again)
        return;
    pass->strip = arena_take(arena, rows * width * channels * sizeof(float));
    pass->strip_picture = arena_take(arena, rows * width * 3 * sizeof(float));
    pass->row = arena_take(arena, width * channels * sizeof(float));
    pass->row_mask = arena_take(arena, width * channels / LANES * sizeof(mask_word));
}

/* Scratch of a stage's convolutions: as planned, or from the shapes alone. */
static size_t stage_scratch(const struct network_pass *pass, const struct stage *s)
{
    size_t most = 0;
    if (!s->strips)
        most = s->plan ? conv_plan_scratch_bytes(s->plan)
                       : conv_scratch_bytes(s->in, s->out, s->height, s->width, pass->arithmetic);
    if (!s->strips && !s->again)
        return most;
    for (struct strip strip = {0}; strip_next(s->height, &strip);) {
        const struct conv_plan *plan = s->strip[strip.kind];
        at_least(&most, plan ? conv_plan_scratch_bytes(plan)
                             : conv_scratch_bytes(s->in, s->out, strip.to - strip.from, s->width,
                                                  pass->arithmetic));
    }
    return most;
}

/* Lays out every buffer; with an arena that only measures, just their sizes. */
static void lay_out(struct network_pass *pass, struct arena *arena)
{
    enum slot source = WORK_A;
    size_t scratch = 0;
    pass->work_floats[WORK_A] = (size_t)pass->height * (size_t)pass->width * 3;
    pass->work_floats[WORK_B] = 0;
    for (int i = 0; i < pass->stages; i++) {
        struct stage *s = &pass->stage[i];
        place_stage(pass, s, source, arena);
        take_masks(pass, s, arena);
        source = s->pools ? s->pool.slot : s->relu.slot;
        at_least(&scratch, stage_scratch(pass, s));
    }
    if (pass->backward)
        size_gradients(pass);
    for (int w = 0; w < 2; w++)
        pass->work[w] = arena_take(arena, pass->work_floats[w] * sizeof(float));
    take_strips(pass, arena);
    pass->scratch = arena_take(arena, scratch);
}

static struct network_pass planned(int pooling, enum arithmetic arithmetic, int height, int width,
                                   const struct layer *taps, int tap_count, bool backward)
{
    struct network_pass pass = {.arithmetic = arithmetic,
                                .height = height,
                                .width = width,
                                .stages = network_convs(taps, tap_count),
                                .pooling = pooling,
                                .backward = backward};
    describe(&pass, taps, tap_count);
    return pass;
}

uint64_t network_pass_bytes(int pooling, enum arithmetic arithmetic, int height, int width,
                            const struct layer *taps, int tap_count, bool backward)
{
    struct network_pass pass =
        planned(pooling, arithmetic, height, width, taps, tap_count, backward);
    struct arena arena = {0};
    lay_out(&pass, &arena);
    for (int i = 0; i < pass.stages; i++) {
        const struct stage *s = &pass.stage[i];
        int rows = s->strips && s->height > STRIP_ROWS ? STRIP_ROWS + 2 : s->height;
        arena.used += conv_plan_bytes(s->in, s->out, rows, s->width, backward, arithmetic);
    }
    return arena.used;
}

static int plan_strips(const struct network_pass *pass, int i, struct stage *s, struct error *err)
{
    int status = 0;
    for (struct strip strip = {0}; strip_next(s->height, &strip);)
        if (!s->strip[strip.kind])
            TRY(conv_plan_new(pass->network->conv[i], strip.to - strip.from, s->width,
                              pass->backward, &s->strip[strip.kind], err));
done:
    return status;
}

static int plan_convs(struct network_pass *pass, struct error *err)
{
    int status = 0;
    for (int i = 0; i < pass->stages; i++) {
        struct stage *s = &pass->stage[i];
        if (!s->strips)
            TRY(conv_plan_new(pass->network->conv[i], s->height, s->width, pass->backward, &s->plan,
                              err));
        if (s->strips || s->again)
            TRY(plan_strips(pass, i, s, err));
    }
done:
    return status;
}

int network_pass_new(const struct network *network, int height, int width, const struct layer *taps,
                     int tap_count, bool backward, struct network_pass **pass, struct error *err)
{
    int status = 0;
    struct arena arena = {0};
    struct network_pass *made = malloc(sizeof *made);
    if (!made)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    *made =
        planned(network->pooling, network->arithmetic, height, width, taps, tap_count, backward);
    made->network = network;
    TRY(plan_convs(made, err));
    lay_out(made, &arena);
    made->memory = floats_new(arena.used / sizeof(float));
    if (!made->memory) {
        status = fail(err, E_ENVIRONMENT, "not enough memory for a %d x %d px picture: %.1f GB",
                      width, height, (double)arena.used * 1e-9);
        goto done;
    }
    arena = (struct arena){.base = made->memory};
    lay_out(made, &arena);
    *pass = made;
    made = NULL;
done:
    network_pass_free(made);
    return status;
}

void network_pass_free(struct network_pass *pass)
{
    if (!pass)
        return;
    for (int i = 0; i < pass->stages; i++) {
        conv_plan_free(pass->stage[i].plan);
        for (int k = 0; k < STRIP_KINDS; k++)
            conv_plan_free(pass->stage[i].strip[k]);
    }
    free(pass->memory);
    free(pass);
}
