/* "Swirls": thick oil paint dragged along a field of whirls, lit from the upper left.
 *
 * Thousands of brush strokes are laid from broad to fine. A stroke follows the field, takes its
 * colour from the design under it, and leaves both colour and a relief of bristle furrows; the
 * relief of the finished painting is what the light falls on.
 */
#include "draw_pictures.h"

#include <stdlib.h>

enum {
    WIDTH = 720,
    HEIGHT = 576,
    SCALE = 2, /* canvas pixels per picture pixel, each way */
    MAX_NODES = 48,
    N_WHIRLS = 7,
    BRISTLES = 256,      /* across the sheet of brush marks */
    BRISTLES_PER_V = 48, /* of them, from the middle of a stroke to its edge */
    LENGTHS = 96,        /* along it */
};

/* Whirls in picture pixels: centre, radius, sense of rotation and strength, glow of the core. */
static const struct whirl {
    float x, y, radius, spin, glow;
} whirls[N_WHIRLS] = {
    {208, 196, 128, 1.0f, 1.0f}, {520, 128, 92, -1.0f, 1.0f}, {412, 300, 74, 0.9f, 0.9f},
    {70, 62, 56, -0.9f, 0.95f},  {655, 300, 64, 0.9f, 0.95f}, {330, 60, 46, 0.8f, 0.9f},
    {66, 322, 50, -0.9f, 0.85f},
};

struct painting {
    struct canvas colour;
    float *relief; /* [height][width], height of the paint in canvas pixels */
    float *marks;  /* [LENGTHS][BRISTLES], what the hairs of the brush do */

    /* Scratch of the stroke being laid: which stroke last touched a pixel, how near it came. */
    int *owner, *touched;
    float *near, *along, *across;
    int n_touched, stroke;
};

struct stroke {
    float x[MAX_NODES], y[MAX_NODES]; /* canvas pixels */
    int n_nodes;
    float radius; /* canvas pixels */
    vec3 paint, second;
    int hair; /* its middle on the sheet of marks */
};

static float bump(float x) { return expf(-x * x); }

/* --- the design, in picture pixels --- */

/* Where the land begins: rolling ground that rises to the right. */
static float ground_line(float x)
{
    return 462 - 40 * sinf(x * 0.0075f + 0.6f) - 26 * sinf(x * 0.019f + 2.0f) - 0.035f * x +
           6 * noise2(x * 0.03f, 0, 11);
}

static vec3 flow_of_whirls(float x, float y)
{
    vec3 flow = {1.0f, 0.30f * sinf(x * 0.011f + y * 0.006f), 0};
    for (int i = 0; i < N_WHIRLS; i++) {
        float dx = x - whirls[i].x, dy = y - whirls[i].y, r = sqrtf(dx * dx + dy * dy) + 1e-3f;
        float pull = 5.5f * whirls[i].spin * bump(r / (1.15f * whirls[i].radius));
        float draw_in = 0.16f * smoothf(4, 30, r);
        flow.x += pull * (-dy - draw_in * dx) / r;
        flow.y += pull * (dx - draw_in * dy) / r;
    }
    return flow;
}

/* Unit direction of the brush. On the ground it follows the slopes of nested hills. */
static vec3 flow_at(float x, float y)
{
    float depth = y - ground_line(x);
    vec3 flow = flow_of_whirls(x, y);
    float bend = noise2(x * 0.008f, y * 0.008f, 5);
    flow = v3_add(flow, v3(0.25f * bend, 0.5f * bend, 0));
    if (depth > -8) {
        float slope = (ground_line(x + 3) - ground_line(x - 3)) / 6;
        vec3 hill = v3_unit(v3(1, slope + 0.8f * sinf(depth * 0.06f + x * 0.013f), 0));
        flow = v3_mix(v3_unit(flow), hill, smoothf(-8, 8, depth));
    }
    return v3_unit(v3(flow.x, flow.y, 0));
}

/* Colour along a list of inks, t in 0 .. 1. */
static vec3 ramp(const uint32_t *inks, int count, float t)
{
    float at = clampf(t, 0, 0.9999f) * (float)(count - 1);
    int i = (int)at;
    return v3_mix(ink(inks[i]), ink(inks[i + 1]), at - (float)i);
}

static vec3 sky_colour(float x, float y)
{
    static const uint32_t night[] = {0x0a1238, 0x13246b, 0x1b3f97, 0x2a66b4, 0x4f97c8, 0x1d3a8a};
    static const uint32_t gold[] = {0xfff6c2, 0xffdf63, 0xf6b21f, 0xd98a1c,
                                    0x86b5a0, 0x3f8fbf, 0x1f4fa3};
    float tide = 0.5f + 0.42f * fbm2(x * 0.006f, y * 0.012f, 3, 21) +
                 0.16f * sinf(y * 0.045f + 3 * noise2(x * 0.006f, y * 0.006f, 22));
    vec3 colour = ramp(night, 6, tide);
    for (int i = 0; i < N_WHIRLS; i++) {
        float dx = x - whirls[i].x, dy = y - whirls[i].y;
        float r = sqrtf(dx * dx + dy * dy) / whirls[i].radius;
        float arm = 0.10f * sinf(2 * atan2f(dy, dx) * (whirls[i].spin > 0 ? 1.0f : -1.0f) - 9 * r);
        float light = whirls[i].glow * smoothf(1.12f, 0.45f, r + arm);
        colour = v3_mix(colour, ramp(gold, 7, r * 0.92f + arm), light);
    }
    return colour;
}

static vec3 ground_colour(float x, float y, float depth)
{
    static const uint32_t earth[] = {0x07112b, 0x0d2f45, 0x14565a, 0x2f7f5f,
                                     0xa9a63c, 0xe2b73a, 0x143a52};
    float band =
        0.5f + 0.5f * sinf(depth * 0.075f + 0.016f * x + 1.7f * noise2(x * 0.012f, y * 0.02f, 31));
    float shade = smoothf(0, 14, depth);
    return v3_mix(ink(0x060b22), ramp(earth, 7, 0.86f * band * shade), 0.35f + 0.65f * shade);
}

static vec3 design(float x, float y)
{
    float depth = y - ground_line(x);
    return depth > 0 ? ground_colour(x, y, depth) : sky_colour(x, y);
}

/* --- laying one stroke --- */

static void trace_stroke(struct stroke *stroke, float x, float y, float length, int nodes)
{
    float step = length / (float)(nodes - 1);
    float side = ground_line(x) - y;
    for (int k = 0; k < (nodes - 1) / 2; k++) {
        vec3 back = flow_at(x, y);
        x -= back.x * step;
        y -= back.y * step;
    }
    stroke->n_nodes = 0;
    for (int k = 0; k < nodes; k++) {
        if ((ground_line(x) - y) * side >= 0 || stroke->n_nodes < 2) {
            stroke->x[stroke->n_nodes] = x * SCALE;
            stroke->y[stroke->n_nodes++] = y * SCALE;
        }
        vec3 ahead = flow_at(x, y);
        x += ahead.x * step;
        y += ahead.y * step;
    }
}

/* Notes, for each pixel near segment k, the nearest point of the stroke so far. */
static void touch_segment(struct painting *p, const struct stroke *s, int k)
{
    float ax = s->x[k], ay = s->y[k], bx = s->x[k + 1] - ax, by = s->y[k + 1] - ay;
    float squared = bx * bx + by * by + 1e-6f, length = sqrtf(squared), reach = s->radius;
    int x0 = (int)fmaxf(0, fminf(ax, ax + bx) - reach),
        y0 = (int)fmaxf(0, fminf(ay, ay + by) - reach);
    int x1 = (int)fminf((float)p->colour.width - 1, fmaxf(ax, ax + bx) + reach);
    int y1 = (int)fminf((float)p->colour.height - 1, fmaxf(ay, ay + by) + reach);
    for (int y = y0; y <= y1; y++)
        for (int x = x0; x <= x1; x++) {
            float px = (float)x - ax, py = (float)y - ay;
            float t = clampf((px * bx + py * by) / squared, 0, 1);
            float ex = px - t * bx, ey = py - t * by, d = sqrtf(ex * ex + ey * ey);
            int i = y * p->colour.width + x;
            if (d > reach || (p->owner[i] == p->stroke && p->near[i] <= d))
                continue;
            if (p->owner[i] != p->stroke)
                p->touched[p->n_touched++] = i;
            p->owner[i] = p->stroke;
            p->near[i] = d;
            p->along[i] = ((float)k + t) / (float)(s->n_nodes - 1);
            p->across[i] = (bx * py - by * px) / length / reach;
        }
}

static void make_marks(float *marks)
{
    for (int j = 0; j < LENGTHS; j++)
        for (int i = 0; i < BRISTLES; i++) {
            float u = (float)j / LENGTHS, v = (float)i / BRISTLES_PER_V;
            marks[j * BRISTLES + i] =
                noise2(v * 5.5f, u * 2.2f, 100) + 0.6f * noise2(v * 13, u * 3.5f, 101);
        }
}

/* Paint left at one pixel: bristles mix two colours, plough furrows, and run dry at the end. */
static void paint_pixel(struct painting *p, const struct stroke *s, int i)
{
    float u = p->along[i], v = p->across[i], edge = p->near[i] / s->radius;
    int hair = s->hair + (int)(v * BRISTLES_PER_V);
    float bristle = p->marks[(int)(u * (LENGTHS - 1)) * BRISTLES + hair];
    float body = sqrtf(fmaxf(0, 1 - edge * edge));
    float dry = smoothf(0.72f, 1.0f, u) * 0.9f + smoothf(0.7f, 1, edge) * 0.5f;
    float cover =
        smoothf(0.0f, 0.18f, 1 - edge) * smoothf(-0.25f, 0.15f, 0.75f + bristle - dry * 1.2f);
    vec3 paint = v3_mix(s->paint, s->second, smoothf(-0.35f, 0.75f, bristle + 0.25f * v));
    paint = v3_scale(paint, 1 + 0.22f * bristle);
    float ridge = bump((fabsf(v) - 0.82f) / 0.13f);
    float height = s->radius * (0.20f * body + 0.14f * bristle * body + 0.16f * ridge) +
                   s->radius * 0.20f * smoothf(0.25f, 0, u);
    p->colour.px[i] = v3_mix(p->colour.px[i], paint, cover);
    p->relief[i] = mixf(p->relief[i], 0.35f * p->relief[i] + height, cover);
}

static void lay_stroke(struct painting *p, const struct stroke *s)
{
    p->stroke++;
    p->n_touched = 0;
    for (int k = 0; k + 1 < s->n_nodes; k++)
        touch_segment(p, s, k);
    for (int k = 0; k < p->n_touched; k++)
        paint_pixel(p, s, p->touched[k]);
}

/* --- passes over the canvas --- */

/* One size of brush: strokes on a jittered lattice, in random order. */
struct pass {
    float spacing, length, radius; /* picture pixels */
    float wander;                  /* how far the paint strays from the design */
    float chance;
};

static vec3 stray(vec3 colour, float wander, struct rng *rng)
{
    static const uint32_t accents[] = {0xf3c53a, 0x7fc4d6, 0x2447b5, 0xe8efc8,
                                       0x0c1c57, 0xe0902b, 0x5fae9a};
    float light = 1 + wander * 0.9f * rng_bell(rng);
    colour = v3_scale(colour, fmaxf(0.3f, light));
    colour.x *= 1 + wander * 0.22f * rng_bell(rng);
    colour.z *= 1 + wander * 0.22f * rng_bell(rng);
    if (rng_uniform(rng) < 0.13f * wander)
        colour = v3_mix(colour, ink(accents[rng_below(rng, 7)]), rng_range(rng, 0.5f, 0.9f));
    return colour;
}

static void lay_stroke_at(struct painting *p, const struct pass *pass, float x, float y,
                          struct rng *rng)
{
    struct stroke s = {.hair = BRISTLES_PER_V + rng_below(rng, BRISTLES - 2 * BRISTLES_PER_V)};
    float stretch = rng_range(rng, 0.65f, 1.35f);
    s.radius = pass->radius * SCALE * rng_range(rng, 0.7f, 1.25f);
    int nodes = (int)clampf(pass->length * stretch / 5, 5, MAX_NODES);
    vec3 under = design(x, y);
    s.paint = stray(under, pass->wander, rng);
    s.second = stray(v3_scale(under, rng_range(rng, 0.7f, 1.5f)), 1.5f * pass->wander, rng);
    trace_stroke(&s, x, y, pass->length * stretch, nodes);
    lay_stroke(p, &s);
}

static void shuffle(int *order, int n, struct rng *rng)
{
    for (int i = 0; i < n; i++)
        order[i] = i;
    for (int i = n - 1; i > 0; i--) {
        int j = rng_below(rng, i + 1), swap = order[i];
        order[i] = order[j];
        order[j] = swap;
    }
}

static void lay_pass(struct painting *p, const struct pass *pass, struct rng *rng)
{
    int columns = (int)(WIDTH / pass->spacing) + 2, rows = (int)(HEIGHT / pass->spacing) + 2;
    int *order = alloc_or_die((size_t)(columns * rows), sizeof *order);
    shuffle(order, columns * rows, rng);
    for (int i = 0; i < columns * rows; i++) {
        float x = ((float)(order[i] % columns) + rng_range(rng, -0.6f, 0.6f)) * pass->spacing;
        float y = ((float)(order[i] / columns) + rng_range(rng, -0.6f, 0.6f)) * pass->spacing;
        if (rng_uniform(rng) < pass->chance)
            lay_stroke_at(p, pass, x, y, rng);
    }
    free(order);
}

/* --- light on the relief --- */

static float relief_at(const struct painting *p, int x, int y)
{
    x = x < 0 ? 0 : x >= p->colour.width ? p->colour.width - 1 : x;
    y = y < 0 ? 0 : y >= p->colour.height ? p->colour.height - 1 : y;
    return p->relief[y * p->colour.width + x];
}

static vec3 lit(const struct painting *p, int x, int y)
{
    const float steep = 0.55f;
    float dx = relief_at(p, x + 1, y) - relief_at(p, x - 1, y);
    float dy = relief_at(p, x, y + 1) - relief_at(p, x, y - 1);
    vec3 normal = v3_unit(v3(-steep * dx, -steep * dy, 1));
    vec3 light = v3_unit(v3(-0.55f, -0.65f, 0.75f)), half = v3_unit(v3_add(light, v3(0, 0, 1)));
    float diffuse = fmaxf(0, v3_dot(normal, light)) / light.z;
    float gloss = powf(fmaxf(0, v3_dot(normal, half)), 38);
    vec3 colour =
        v3_scale(p->colour.px[y * p->colour.width + x], 0.25f + 0.75f * fminf(diffuse, 1.6f));
    return v3_along(colour, v3(1, 0.97f, 0.9f), 0.055f * gloss);
}

static void light_painting(const struct painting *p, struct canvas *out)
{
    struct canvas big;
    canvas_init(&big, p->colour.width, p->colour.height);
    for (int y = 0; y < big.height; y++)
        for (int x = 0; x < big.width; x++)
            big.px[y * big.width + x] = lit(p, x, y);
    canvas_shrink(&big, SCALE, out);
    canvas_release(&big);
}

/* --- the whole picture --- */

static void painting_init(struct painting *p)
{
    size_t n = (size_t)WIDTH * SCALE * HEIGHT * SCALE;
    *p = (struct painting){0};
    canvas_init(&p->colour, WIDTH * SCALE, HEIGHT * SCALE);
    p->relief = alloc_or_die(n, sizeof *p->relief);
    p->marks = alloc_or_die((size_t)LENGTHS * BRISTLES, sizeof *p->marks);
    make_marks(p->marks);
    p->near = alloc_or_die(n, sizeof *p->near);
    p->along = alloc_or_die(n, sizeof *p->along);
    p->across = alloc_or_die(n, sizeof *p->across);
    p->owner = alloc_or_die(n, sizeof *p->owner);
    p->touched = alloc_or_die(n, sizeof *p->touched);
}

/* A thin ground in the colours of the design, so that no bare canvas shows. */
static void prime(struct painting *p)
{
    for (int y = 0; y < p->colour.height; y++)
        for (int x = 0; x < p->colour.width; x++)
            p->colour.px[y * p->colour.width + x] = design((float)x / SCALE, (float)y / SCALE);
}

/* Short curling dabs close the hearts of the whirls, where long strokes cannot turn. */
static void lay_hearts(struct painting *p, struct rng *rng)
{
    const struct pass dab = {.length = 13, .radius = 4.2f, .wander = 0.35f};
    for (int i = 0; i < N_WHIRLS; i++)
        for (int k = 0; k < 26; k++) {
            float angle = rng_range(rng, 0, 2 * PI_F),
                  r = 0.16f * whirls[i].radius * (1 - (float)k / 26);
            lay_stroke_at(p, &dab, whirls[i].x + r * cosf(angle), whirls[i].y + r * sinf(angle),
                          rng);
        }
}

static void painting_release(struct painting *p)
{
    canvas_release(&p->colour);
    free(p->relief);
    free(p->marks);
    free(p->near);
    free(p->along);
    free(p->across);
    free(p->owner);
    free(p->touched);
}

void draw_swirls(struct canvas *out)
{
    static const struct pass passes[] = {
        /* spacing length radius wander chance */
        {14, 80, 11, 0.6f, 1.0f},
        {9, 56, 6.2f, 0.8f, 1.0f},
        {8, 40, 4.0f, 1.0f, 0.9f},
        {9, 26, 2.6f, 1.4f, 0.55f},
    };
    struct painting p;
    struct rng rng;
    painting_init(&p);
    rng_init(&rng, 1889);
    prime(&p);
    for (size_t i = 0; i < sizeof passes / sizeof *passes; i++)
        lay_pass(&p, &passes[i], &rng);
    lay_hearts(&p, &rng);
    light_painting(&p, out);
    painting_release(&p);
}
