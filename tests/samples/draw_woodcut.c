/* "Woodcut": a red sun over peaks and rolling sea, with a pine; carved black lines, three colour
 * blocks, warm paper.
 *
 * Every region is cut into lines: a phase whose whole numbers are the middles of the lines, and a
 * tone that is the share of ink. Where tone runs low, lines taper out and end, as a gouge leaves
 * them.
 */
#include "draw_pictures.h"

enum { WIDTH = 608, HEIGHT = 720, SCALE = 3, N_WAVES = 6, N_PADS = 9 };

enum tint { TINT_NONE, TINT_RED, TINT_OCHRE, TINT_SAGE, N_TINTS };

/* What is carved at a point. */
struct cut {
    float phase, tone; /* tone <= 0: no lines, >= 1: solid */
    float outline;     /* distance to the region's contour, pixels */
    enum tint tint;
    float wash; /* strength of the tint, 0 .. 1 */
};

static const float SUN_X = 398, SUN_Y = 196, SUN_R = 112;

static float fraction(float x) { return x - floorf(x); }

/* --- sea --- */

struct wave {
    float base, height, length, shift; /* pixels */
};

static const struct wave waves[N_WAVES] = {
    {428, 9, 74, 10},    {458, 17, 108, 71}, {498, 27, 150, 22},
    {552, 38, 206, 165}, {618, 50, 268, 60}, {700, 58, 340, 250},
};

/* Crests lean to the right and are sharp; troughs are round. */
static float crest_at(const struct wave *w, float x)
{
    float at = fraction((x - w->shift) / w->length + 0.035f * noise2(x * 0.012f, w->base, 41));
    float lean = at < 0.62f ? powf(at / 0.62f, 2.1f) : powf((1 - at) / 0.38f, 1.55f);
    return w->base - w->height * lean + 0.05f * w->height * noise2(x * 0.05f, w->base, 42);
}

static struct cut sea_foam(const struct wave *w, float x, float depth)
{
    float lobes = fabsf(sinf(x * 0.95f / sqrtf(w->height) + 1.5f * noise2(x * 0.03f, w->base, 43)));
    float lip = w->height * (0.12f + 0.20f * lobes);
    struct cut cut = {.phase = 0, .tone = -1, .outline = fabsf(depth - lip) * 1.2f};
    if (depth > lip) {
        cut.outline = 99;
        cut.tone = 9;
    }
    return cut;
}

static struct cut sea_cut(int k, float x, float y)
{
    const struct wave *w = &waves[k];
    float crest = crest_at(w, x), depth = y - crest;
    float slope = (crest_at(w, x + 2) - crest_at(w, x - 2)) / 4;
    float steep = 1 / sqrtf(1 + slope * slope);
    struct cut foam = sea_foam(w, x, depth);
    float pitch = 3.6f + 0.105f * w->height, calm = w->base - 0.4f * w->height;
    /* Lines follow the crest at first and level out below it. */
    float swell = y - mixf(crest, calm, 0.75f * smoothf(0, 2.2f * w->height, depth)) +
                  0.35f * w->height * noise2(x * 1.6f / w->length, y * 3.2f / w->length, 44);
    struct cut cut = {
        .phase = swell / pitch,
        .outline = depth * steep,
        .tint = TINT_SAGE,
        .wash = 0.35f + 0.65f * smoothf(0, 1.5f * w->height, depth),
    };
    if (foam.tone < 0) {
        cut.tone = -1;
        cut.wash = 0;
        cut.outline = fminf(cut.outline, foam.outline);
        return cut;
    }
    /* The shaded lee hangs forward under the crest. */
    float from = x - 0.45f * depth - 0.2f * w->height * noise2(x * 0.03f, y * 0.03f, 46);
    float lee = smoothf(-0.12f, 0.42f, (crest_at(w, from + 6) - crest_at(w, from - 6)) / 12);
    cut.tone = 0.24f + 0.52f * lee + 0.25f * smoothf(0.4f * w->height, 1.9f * w->height, depth) +
               0.34f * noise2(x * 3.2f / w->length, y * 5 / w->length, 45);
    return cut;
}

/* --- land --- */

static float ridge_line(float x)
{
    float left = 228 + 1.22f * fabsf(x - 256) - 0.0016f * (x - 256) * (x - 256);
    float right = 300 + 0.78f * fabsf(x - 548);
    float jag = 9 * noise2(x * 0.05f, 3, 51) + 4 * noise2(x * 0.17f, 3, 52);
    return fminf(left, right) + jag;
}

/* Lit faces to the right of each summit's spine, dark to its left. */
static struct cut mountain_cut(float x, float y)
{
    float depth = y - ridge_line(x), summit = x < 420 ? 256.0f : 548.0f,
          top = x < 420 ? 222.0f : 294.0f;
    float spine = summit + 26 * noise2(y * 0.022f, summit, 53) + 0.12f * (y - top);
    float side = x - spine, gully = noise2(x * 0.026f, y * 0.008f, 54);
    float shadow = smoothf(10, -14, side + 34 * gully);
    struct cut cut = {.outline = depth * 0.72f, .tint = TINT_OCHRE, .wash = 0.85f};
    float fall = side < 0 ? -1.0f : 1.0f;
    cut.phase = (x * 0.86f - fall * (y - top) * 0.55f + 16 * gully) / 6.4f;
    float snow =
        smoothf(6, -6, y - top - 66 - 30 * noise2(x * 0.07f, 0, 55) - 12 * fabsf(sinf(x * 0.12f)));
    cut.wash *= 1 - snow;
    cut.tone = mixf(0.14f + 0.34f * gully, 0.86f + 0.25f * gully, shadow);
    cut.tone = mixf(cut.tone, mixf(-0.5f + 0.9f * gully, 0.60f, shadow), snow);
    return cut;
}

static float hill_line(float x, int k)
{
    if (k)
        return 424 - 46 * smoothf(250, 0, x) - 15 * sinf(x * 0.021f) - 22 * smoothf(430, 608, x);
    return 392 - 22 * sinf(x * 0.013f + 1.2f) - 9 * sinf(x * 0.043f);
}

/* Round crowns along the hill line. */
static float crowns(float x, int k) { return fabsf(sinf(x * (k ? 0.125f : 0.17f) + (float)k)); }

static struct cut hill_cut(float x, float y, int k)
{
    float bump = crowns(x, k), trees = y - hill_line(x, k) + 7 * bump;
    struct cut cut = {.outline = trees, .tint = k ? TINT_SAGE : TINT_OCHRE, .wash = 0.9f};
    cut.phase = (x + 5 * noise2(x * 0.03f, y * 0.05f, 57) - 0.35f * y) / (k ? 4.6f : 5.4f);
    cut.tone = (k ? 0.66f : 0.42f) + 0.30f * noise2(x * 0.04f, y * 0.06f, 58) -
               0.35f * bump * smoothf(16, 0, trees);
    return cut;
}

/* --- sky --- */

struct puff {
    float x, y, r, foot; /* a disc cut off level at the foot */
};

/* Scales of cloud, nearest first, each with its own contour. */
static int cloud_cut(float x, float y, struct cut *cut)
{
    static const struct puff puffs[] = {
        {70, 150, 34, 158},  {122, 152, 28, 158}, {28, 154, 30, 158},  {160, 156, 20, 158},
        {98, 128, 36, 158},  {52, 122, 30, 158},  {190, 160, 14, 158}, {486, 278, 30, 284},
        {532, 276, 34, 284}, {448, 284, 20, 284}, {574, 280, 26, 284}, {602, 282, 30, 284},
        {508, 256, 30, 284}, {556, 250, 36, 284}, {420, 288, 14, 284}, {556, 92, 28, 98},
        {590, 90, 32, 98},   {526, 98, 18, 98},   {574, 64, 32, 98},   {606, 58, 30, 98},
        {318, 158, 17, 162}, {290, 160, 22, 162}, {262, 163, 14, 162}, {304, 144, 20, 162},
        {342, 163, 11, 162},
    };
    for (size_t i = 0; i < sizeof puffs / sizeof *puffs; i++) {
        const struct puff *p = &puffs[i];
        float dx = x - p->x, dy = y - p->y, inside = p->r - sqrtf(dx * dx + dy * dy);
        inside += 0.8f * noise2(x * 0.06f, y * 0.06f, 61);
        if (inside <= 0 || y > p->foot)
            continue;
        *cut = (struct cut){.outline = fminf(inside, p->foot - y), .phase = inside / 6.2f + 0.15f};
        cut->tone =
            0.40f - 0.35f * smoothf(-p->r, p->r, -dy) + 0.22f * noise2(x * 0.05f, y * 0.05f, 62);
        return 1;
    }
    return 0;
}

/* Rays and rings about the sun: rings thicken with distance, broken by rays. */
static struct cut sky_cut(float x, float y)
{
    float dx = x - SUN_X, dy = y - SUN_Y, r = sqrtf(dx * dx + dy * dy);
    struct cut cut = {.outline = fabsf(r - SUN_R)};
    float drift = noise2(x * 0.011f, y * 0.02f, 63);
    if (r < SUN_R) {
        cut = (struct cut){.outline = SUN_R - r, .tone = -1, .tint = TINT_RED, .wash = 1};
        /* Strips cut away, wider towards the foot. */
        float strip = fabsf(fraction((y + 2 * noise2(x * 0.03f, y * 0.02f, 64)) / 15) - 0.5f) * 2;
        if (strip < 0.62f * smoothf(SUN_Y - 5, SUN_Y + SUN_R, y))
            cut.wash = 0;
        return cut;
    }
    cut.phase = (r + 9 * drift) / 7.6f;
    cut.tone = 0.10f + 0.52f * smoothf(SUN_R, 420, r) + 0.36f * drift +
               0.22f * noise2(x * 0.03f, y * 0.05f, 65);
    cut.tint = TINT_OCHRE;
    cut.wash = 0.75f * smoothf(250, SUN_R - 20, r);
    if (y < 150)
        cut.tone += 0.30f * smoothf(150, 0, y);
    return cut;
}

/* --- the pine --- */

struct pad {
    float x, y, rx, ry;
};

static const struct pad pads[N_PADS] = {
    {30, 232, 62, 24},  {104, 258, 50, 19}, {8, 300, 54, 22},
    {84, 330, 62, 22},  {158, 352, 44, 16}, {24, 384, 58, 22},
    {108, 402, 50, 17}, {178, 410, 34, 12}, {48, 196, 40, 16},
};

/* Distance to the segment a-b; *t is where along it. */
static float segment_distance(float x, float y, const float a[2], const float b[2], float *t)
{
    float bx = b[0] - a[0], by = b[1] - a[1], px = x - a[0], py = y - a[1];
    *t = clampf((px * bx + py * by) / (bx * bx + by * by), 0, 1);
    px -= *t * bx;
    py -= *t * by;
    return sqrtf(px * px + py * py);
}

/* How deep inside the trunk or a branch; negative outside. */
static float trunk_depth(float x, float y, float *along)
{
    static const float joint[][2] = {{40, 560}, {62, 470},  {34, 400},  {58, 330},
                                     {36, 262}, {50, 200},  {112, 396}, {170, 408},
                                     {92, 328}, {150, 350}, {100, 260}};
    static const struct {
        int from, to;
        float thick, thin;
    } limbs[] = {{0, 1, 19, 15}, {1, 2, 15, 13},  {2, 3, 13, 10}, {3, 4, 10, 7}, {4, 5, 7, 4},
                 {1, 6, 8, 5},   {6, 7, 5, 2.5f}, {2, 8, 7, 4},   {8, 9, 4, 2},  {4, 10, 5, 2}};
    float best = -99;
    for (size_t i = 0; i < sizeof limbs / sizeof *limbs; i++) {
        float t, d = segment_distance(x, y, joint[limbs[i].from], joint[limbs[i].to], &t);
        float depth = mixf(limbs[i].thick, limbs[i].thin, t) - d;
        if (depth > best) {
            best = depth;
            *along = t + (float)i;
        }
    }
    return best + 1.6f * noise2(x * 0.09f, y * 0.06f, 71);
}

/* The crag on which the pine stands, cut in steep facets. */
static float crag_line(float x)
{
    return 436 + 0.0042f * x * x + 0.26f * x + 13 * noise2(x * 0.045f, 0, 76) +
           6 * noise2(x * 0.15f, 0, 77);
}

static struct cut crag_cut(float x, float y)
{
    float facet = noise2(x * 0.028f + y * 0.006f, y * 0.014f, 78), depth = y - crag_line(x);
    struct cut cut = {.outline = depth * 0.6f, .tint = TINT_OCHRE, .wash = 0.8f};
    cut.phase = (x + 0.42f * y + 34 * facet) / 6.0f;
    cut.tone = 0.50f + 0.95f * facet + 0.25f * smoothf(0, 60, depth);
    return cut;
}

static struct cut trunk_cut(float x, float y, float depth, float along)
{
    struct cut cut = {.outline = depth, .tint = TINT_RED, .wash = 0.55f};
    cut.phase = depth / 4.4f + 0.7f * noise2(x * 0.07f, y * 0.05f, 72) + along;
    cut.tone = 0.62f + 0.5f * noise2(x * 0.11f, y * 0.05f, 73);
    return cut;
}

/* Needles fan out from under the pad's middle. */
static int pad_cut(float x, float y, struct cut *cut)
{
    for (int i = N_PADS - 1; i >= 0; i--) {
        float dx = x - pads[i].x, dy = y - pads[i].y;
        float angle = atan2f(dy + 0.9f * pads[i].ry, dx),
              edge = 0.16f * fabsf(sinf(angle * 9 + (float)i));
        float nx = dx / pads[i].rx, ny = dy / pads[i].ry;
        float r = sqrtf(nx * nx + ny * ny) - edge + 0.10f * noise2(x * 0.08f, y * 0.08f, 74);
        if (r > 0.94f)
            continue;
        float spokes = atan2f(dy - 1.25f * pads[i].ry, dx * 0.7f);
        *cut = (struct cut){.phase = spokes * pads[i].rx * 0.27f, .tint = TINT_SAGE, .wash = 1};
        cut->outline = (0.94f - r) * pads[i].ry * 0.8f;
        cut->tone = 0.60f + 0.36f * ny + 0.25f * noise2(x * 0.05f, y * 0.09f, 75);
        return 1;
    }
    return 0;
}

/* --- the blocks --- */

/* The pine's corner of the picture; returns whether the pine is there. */
static int pine_cut(float x, float y, struct cut *cut)
{
    if (x > 222 || y < 170)
        return 0;
    if (pad_cut(x, y, cut))
        return 1;
    float along = 0, depth = trunk_depth(x, y, &along);
    if (depth > 0)
        *cut = trunk_cut(x, y, depth, along);
    return depth > 0;
}

static int on_waves(float x, float y, int first, int last, struct cut *cut)
{
    for (int k = last; k >= first; k--)
        if (y > waves[k].base - 1.1f * waves[k].height && y > crest_at(&waves[k], x)) {
            *cut = sea_cut(k, x, y);
            return 1;
        }
    return 0;
}

static struct cut carve(float x, float y)
{
    struct cut cut;
    if (on_waves(x, y, 3, N_WAVES - 1, &cut) || pine_cut(x, y, &cut))
        return cut;
    if (x < 240 && y > crag_line(x))
        return crag_cut(x, y);
    if (on_waves(x, y, 0, 2, &cut))
        return cut;
    for (int k = 1; k >= 0; k--)
        if (y > hill_line(x, k) - 7 * crowns(x, k))
            return hill_cut(x, y, k);
    if (y < 300 && cloud_cut(x, y, &cut))
        return cut;
    return y > ridge_line(x) ? mountain_cut(x, y) : sky_cut(x, y);
}

/* Whether the black block prints here. */
static int key_ink(float x, float y)
{
    struct cut cut = carve(x, y);
    float hand = 0.28f * noise2(x * 0.035f, y * 0.035f, 81),
          nick = 0.12f * noise2(x * 0.16f, y * 0.16f, 82);
    float from_line = fabsf(fraction(cut.phase + hand) - 0.5f) * 2;
    float contour = 1.7f + 0.7f * noise2(x * 0.03f, y * 0.03f, 83);
    return cut.outline < contour || 1 - from_line < cut.tone + nick;
}

/* Drops of spray above the crests stay bare paper with a rim of ink: 1 rim, 2 paper. */
static int spray(float x, float y)
{
    const float cell = 13;
    if (y < waves[2].base - 2 * waves[2].height)
        return 0;
    int i = (int)(x / cell), j = (int)(y / cell);
    float cx = ((float)i + 0.3f + 0.4f * hash_uniform(i, j, 91)) * cell;
    float cy = ((float)j + 0.3f + 0.4f * hash_uniform(i, j, 92)) * cell, above = -1;
    for (int k = 2; k < N_WAVES; k++) {
        float gap = crest_at(&waves[k], cx) - cy;
        if (gap > 4 && gap < 0.42f * waves[k].height)
            above = gap / waves[k].height;
    }
    if (above < 0 || hash_uniform(i, j, 93) > 0.60f - above)
        return 0;
    float r = 1.6f + 2.2f * hash_uniform(i, j, 94),
          d = sqrtf((x - cx) * (x - cx) + (y - cy) * (y - cy));
    return d < r ? 2 : d < r + 1.3f ? 1 : 0;
}

/* --- printing --- */

static vec3 paper(float x, float y)
{
    float fibre = noise2(x * 0.6f, y * 0.07f, 101) + noise2(x * 0.08f, y * 0.7f, 102);
    float tone = 0.5f * noise2(x * 0.006f, y * 0.006f, 103);
    return v3_scale(v3_mix(ink(0xf1e3c4), ink(0xe4cfa4), clampf(0.4f + tone, 0, 1)),
                    1 + 0.035f * fibre);
}

/* How well ink takes: the grain of the block, and specks it misses. */
static float takes(float x, float y, uint32_t block)
{
    float grain =
        fbm2(x * 0.012f + 2 * noise2(x * 0.004f, y * 0.01f, block), y * 0.22f, 3, block + 1);
    float speck = noise2(x * 0.55f, y * 0.55f, block + 7);
    return clampf(0.96f + 0.34f * grain, 0.5f, 1) * (1 - 0.7f * smoothf(0.62f, 0.85f, speck));
}

static vec3 print(vec3 under, vec3 colour, float cover)
{
    return v3_mix(under, v3_mul(v3_mix(under, v3(1, 1, 1), 0.75f), colour), clampf(cover, 0, 1));
}

static vec3 pulled(float x, float y)
{
    static const uint32_t inks[N_TINTS] = {0xffffff, 0xd23c22, 0xe0a550, 0x8fa795};
    vec3 sheet = paper(x, y);
    int drop = spray(x, y);
    /* The colour blocks sit a hair off register. */
    struct cut wash = carve(x + 1.4f, y - 0.9f);
    if (wash.tint != TINT_NONE && drop != 2)
        sheet = print(sheet, ink(inks[wash.tint]),
                      wash.wash * takes(x, y, 110 + 10 * (uint32_t)wash.tint));
    if (drop == 1 || (drop == 0 && key_ink(x, y)))
        sheet = print(sheet, ink(0x1a1712), 0.96f * takes(x, y, 150));
    return sheet;
}

/* A ragged margin of bare paper. */
static vec3 sheet_at(float x, float y)
{
    float inset = fminf(fminf(x, WIDTH - x), fminf(y, HEIGHT - y));
    float ragged = 9 + 0.9f * noise2(x * 0.15f, y * 0.15f, 121);
    if (inset < ragged)
        return paper(x, y);
    if (inset < ragged + 3)
        return print(paper(x, y), ink(0x1a1712), 0.95f * takes(x, y, 150));
    return pulled(x, y);
}

void draw_woodcut(struct canvas *out)
{
    struct canvas big;
    canvas_init(&big, WIDTH * SCALE, HEIGHT * SCALE);
    for (int y = 0; y < big.height; y++)
        for (int x = 0; x < big.width; x++)
            big.px[y * big.width + x] =
                sheet_at(((float)x + 0.5f) / SCALE, ((float)y + 0.5f) / SCALE);
    canvas_shrink(&big, SCALE, out);
    canvas_release(&big);
}
