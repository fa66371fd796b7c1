/* "Mosaic": a flaming sun in glass and gold tesserae, laid along the lines of the design.
 *
 * Tiles are the cells of a centroidal Voronoi diagram in which each site measures distance as the
 * larger of two coordinates turned to the design's direction, so cells come out as rows of uneven
 * squares (the idea of A. Hausner, "Simulating decorative mosaics", 2001).
 */
#include "draw_pictures.h"

#include <stdlib.h>

enum {
    SIDE = 704,
    SCALE = 2,
    CELL = 14, /* picture pixels per bucket; larger than any tile's reach */
    BUCKETS = SIDE / CELL + 1,
    MAX_TILES = 9000,
    ROUNDS = 14, /* of relaxation */
};

/* Half the spacing of tiles, picture pixels. */
static const float TILE = 4.5f;

enum glass { GLASS_MATT, GLASS_GOLD };

struct tile {
    float x, y; /* picture pixels */
    float cos_turn, sin_turn, size;
    float lean_x, lean_y; /* how the tile sits in its bed */
    vec3 colour;
    enum glass glass;
    int next; /* in the same bucket, or -1 */
};

struct mosaic {
    struct tile *tiles;
    int n_tiles;
    int bucket[BUCKETS][BUCKETS]; /* first tile, or -1 */
};

/* --- the design: the square -1 .. 1 --- */

struct spot {
    float turn; /* direction of the rows, radians */
    float size; /* of the tiles, relative */
    uint32_t inks[4];
    enum glass glass;
};

static const struct spot GOLD = {0, 1, {0xecae32, 0xf6c552, 0xde9226, 0xf8da80}, GLASS_GOLD};
static const struct spot ORANGE = {0, 1, {0xe8722a, 0xf08a34, 0xd95a22, 0xee9a44}, GLASS_MATT};
static const struct spot VERMILION = {0, 1, {0xc93a22, 0xd94a28, 0xb22c1e, 0xe05c34}, GLASS_MATT};
static const struct spot CRIMSON = {0, 1, {0x8e1a22, 0xa82026, 0x741420, 0xb8342c}, GLASS_MATT};
static const struct spot CREAM = {0, 1, {0xf3e3c0, 0xead3a2, 0xf8eed6, 0xdfc08c}, GLASS_MATT};
static const struct spot TURQUOISE = {0, 1, {0x1f9a96, 0x35b0a4, 0x178088, 0x58c0ae}, GLASS_MATT};
static const struct spot TEAL = {0, 1, {0x0f6670, 0x14757a, 0x0c5362, 0x1d8684}, GLASS_MATT};
static const struct spot DEEP = {0, 1, {0x0b3a48, 0x0f4854, 0x0a2e3e, 0x145a5e}, GLASS_MATT};

static struct spot turned(struct spot spot, float turn, float size)
{
    spot.turn = turn;
    spot.size = size;
    return spot;
}

/* Frame: bands of rows along the edge, with stepped triangles. */
static struct spot border(float x, float y)
{
    float depth = fmaxf(fabsf(x), fabsf(y)), along = fabsf(x) > fabsf(y) ? y : x;
    float tooth = fabsf(along * 5.5f - floorf(along * 5.5f) - 0.5f) * 2;
    if (depth > 0.965f)
        return turned(CRIMSON, 0, 1);
    if (depth > 0.935f)
        return turned(GOLD, 0, 0.9f);
    if (depth > 0.86f)
        return turned((depth - 0.86f) / 0.08f > tooth ? VERMILION : CREAM, 0, 0.85f);
    return turned(DEEP, 0, 0.9f);
}

/* A flower in each corner. */
static struct spot roundel(float dx, float dy)
{
    float r = sqrtf(dx * dx + dy * dy), a = atan2f(dy, dx);
    float petal = 0.085f + 0.055f * fabsf(cosf(4 * a));
    if (r < 0.035f)
        return turned(GOLD, a, 0.8f);
    if (r < 0.06f)
        return turned(CRIMSON, a, 0.8f);
    if (r < petal)
        return turned(r > petal - 0.028f ? ORANGE : CREAM, a, 0.85f);
    return turned(r < 0.165f ? VERMILION : GOLD, a, 0.85f);
}

/* How far rays have swung at a radius, radians. */
static float curl_at(float r) { return 0.20f * sinf(10.5f * (r - 0.34f)); }

/* Distance from the axis of the nearest of n curling rays, 0 on it and 1 midway to the next. */
static float off_ray(float r, float a, int n, float start)
{
    float curl = curl_at(r);
    float at = (a + curl) * (float)n / (2 * PI_F) + start;
    return fabsf(at - floorf(at) - 0.5f) * 2;
}

/* Still water around the sun, in ripples that echo the flames. */
static struct spot water(float r, float a, float x, float y)
{
    float ripple = r + 0.02f * cosf(10 * (a + curl_at(r)));
    float band = ripple * 8.2f - floorf(ripple * 8.2f);
    if (band < 0.24f)
        return turned(TURQUOISE, a, 0.95f);
    return turned(band + 0.5f * noise2(x * 3.1f, y * 3.1f, 7) < 0.66f ? TEAL : DEEP, a, 1.1f);
}

static struct spot flames(float r, float a, float x, float y)
{
    float out = (r - 0.34f) / 0.46f, turn = a + 0.75f * cosf(10.5f * (r - 0.34f));
    float broad = off_ray(r, a, 10, 0), slim = off_ray(r, a, 10, 0.5f);
    float half_width = 0.80f * (1 - out) * (1 + 0.25f * sinf(PI_F * clampf(out, 0, 1)));
    if (broad < half_width) {
        if (broad > half_width - 0.20f - 0.1f * out)
            return turned(out < 0.55f ? VERMILION : CRIMSON, turn, 0.9f);
        return turned(out < 0.30f ? GOLD : out < 0.62f ? ORANGE : VERMILION, turn, 0.9f);
    }
    if (slim < 0.55f - 0.85f * out)
        return turned(CREAM, turn, 0.9f);
    return water(r, a, x, y);
}

static struct spot design(float x, float y)
{
    float r = sqrtf(x * x + y * y), a = atan2f(y, x);
    float dx = fabsf(x) - 0.635f, dy = fabsf(y) - 0.635f;
    if (fmaxf(fabsf(x), fabsf(y)) > 0.835f)
        return border(x, y);
    if (dx * dx + dy * dy < 0.192f * 0.192f)
        return roundel(x > 0 ? dx : -dx, y > 0 ? dy : -dy);
    if (r < 0.07f)
        return turned(CREAM, a, 0.9f);
    if (r < 0.20f)
        return turned(off_ray(r * 3, a, 8, 0) < 0.5f ? GOLD : ORANGE, a, 0.9f);
    if (r < 0.235f)
        return turned(CRIMSON, a, 0.8f);
    if (r < 0.30f)
        return turned(off_ray(0.3f, a, 24, 0) < 0.5f ? TURQUOISE : CREAM, a, 0.8f);
    if (r < 0.34f)
        return turned(GOLD, a, 0.85f);
    return flames(r, a, x, y);
}

static struct spot design_at(float px, float py)
{
    return design(2 * px / SIDE - 1, 2 * py / SIDE - 1);
}

/* --- laying the tiles --- */

static void fill_buckets(struct mosaic *m)
{
    for (int j = 0; j < BUCKETS; j++)
        for (int i = 0; i < BUCKETS; i++)
            m->bucket[j][i] = -1;
    for (int k = 0; k < m->n_tiles; k++) {
        struct tile *tile = &m->tiles[k];
        int *first = &m->bucket[(int)tile->y / CELL][(int)tile->x / CELL];
        tile->next = *first;
        *first = k;
    }
}

static float tile_distance(const struct tile *tile, float x, float y)
{
    float dx = x - tile->x, dy = y - tile->y;
    float u = fabsf(dx * tile->cos_turn + dy * tile->sin_turn);
    float v = fabsf(dy * tile->cos_turn - dx * tile->sin_turn);
    /* A little roundness keeps corners from tying. */
    return (fmaxf(u, v) + 0.12f * (u + v)) / tile->size;
}

/* Nearest tile and the distances to it and to the next. */
static int nearest(const struct mosaic *m, float x, float y, float *first, float *second)
{
    int best = -1, ci = (int)x / CELL, cj = (int)y / CELL;
    *first = *second = 1e9f;
    for (int j = cj > 0 ? cj - 1 : 0; j <= cj + 1 && j < BUCKETS; j++)
        for (int i = ci > 0 ? ci - 1 : 0; i <= ci + 1 && i < BUCKETS; i++)
            for (int k = m->bucket[j][i]; k >= 0; k = m->tiles[k].next) {
                float d = tile_distance(&m->tiles[k], x, y);
                if (d < *first) {
                    *second = *first;
                    *first = d;
                    best = k;
                } else if (d < *second) {
                    *second = d;
                }
            }
    return best;
}

static void align(struct tile *tile)
{
    struct spot spot = design_at(tile->x, tile->y);
    tile->cos_turn = cosf(spot.turn);
    tile->sin_turn = sinf(spot.turn);
    tile->size = spot.size;
}

/* Moves every tile to the middle of its cell. */
static void relax(struct mosaic *m)
{
    float *sums = alloc_or_die((size_t)m->n_tiles * 3, sizeof *sums);
    fill_buckets(m);
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++) {
            float first, second, px = (float)x + 0.5f, py = (float)y + 0.5f;
            int k = nearest(m, px, py, &first, &second);
            if (k < 0)
                continue;
            sums[3 * k] += px;
            sums[3 * k + 1] += py;
            sums[3 * k + 2] += 1;
        }
    for (int k = 0; k < m->n_tiles; k++)
        if (sums[3 * k + 2] > 0) {
            m->tiles[k].x = sums[3 * k] / sums[3 * k + 2];
            m->tiles[k].y = sums[3 * k + 1] / sums[3 * k + 2];
            align(&m->tiles[k]);
        }
    free(sums);
}

/* More tiles where they are small. */
static void scatter(struct mosaic *m, struct rng *rng)
{
    for (float y = TILE; y < SIDE - 1; y += 2 * TILE)
        for (float x = TILE; x < SIDE - 1 && m->n_tiles < MAX_TILES; x += 2 * TILE * 0.94f) {
            struct tile *tile = &m->tiles[m->n_tiles++];
            tile->x = clampf(x + rng_range(rng, -2, 2), 1, SIDE - 2);
            tile->y = clampf(y + rng_range(rng, -2, 2), 1, SIDE - 2);
            align(tile);
        }
}

static void paint_tiles(struct mosaic *m, struct rng *rng)
{
    for (int k = 0; k < m->n_tiles; k++) {
        struct tile *tile = &m->tiles[k];
        struct spot spot = design_at(tile->x, tile->y);
        float tone = 1 + 0.30f * rng_bell(rng);
        tile->colour = v3_scale(v3_mix(ink(spot.inks[rng_below(rng, 4)]),
                                       ink(spot.inks[rng_below(rng, 4)]), rng_uniform(rng)),
                                fmaxf(0.5f, tone));
        tile->colour.x *= 1 + 0.14f * rng_bell(rng);
        tile->colour.z *= 1 + 0.20f * rng_bell(rng);
        tile->glass = spot.glass;
        tile->lean_x = 0.17f * rng_bell(rng);
        tile->lean_y = 0.17f * rng_bell(rng);
    }
}

/* --- rendering --- */

/* Colour at a point of a tile; edge is the distance to its rim in picture pixels. */
static vec3 tile_colour(const struct tile *tile, float x, float y)
{
    float u = (x - tile->x) * tile->cos_turn + (y - tile->y) * tile->sin_turn;
    float v = (y - tile->y) * tile->cos_turn - (x - tile->x) * tile->sin_turn;
    uint32_t seed = (uint32_t)(tile->x * 7 + tile->y * 131);
    float streak = noise2(u * 0.16f, v * 0.55f, seed), pit = noise2(x * 0.9f, y * 0.9f, 3);
    return v3_scale(tile->colour, 1 + 0.20f * streak - 0.25f * smoothf(0.45f, 0.8f, pit));
}

static vec3 grout(float x, float y)
{
    float sand = 0.6f * noise2(x * 0.9f, y * 0.9f, 5) + 0.5f * noise2(x * 0.21f, y * 0.21f, 6);
    return v3_scale(ink(0x3a2a26), 1 + 0.5f * sand);
}

static vec3 lit_tile(const struct tile *tile, vec3 colour, vec3 normal)
{
    const vec3 light = v3_unit(v3(-0.5f, -0.62f, 0.72f)),
               half = v3_unit(v3_add(light, v3(0, 0, 1)));
    float diffuse = fmaxf(0, v3_dot(normal, light)) / light.z,
          shine = fmaxf(0, v3_dot(normal, half));
    vec3 result = v3_scale(colour, 0.28f + 0.72f * fminf(diffuse, 1.7f));
    if (tile->glass == GLASS_GOLD) {
        result = v3_scale(result, 0.78f + 0.5f * powf(shine, 14));
        return v3_along(result, v3(1, 0.86f, 0.5f), 0.42f * powf(shine, 42));
    }
    return v3_along(result, v3(1, 0.98f, 0.94f), 0.15f * powf(shine, 46));
}

/* Half the lead of the second tile over the first: about the distance to the common edge. */
static float rim(const struct mosaic *m, float x, float y, int *tile)
{
    float first, second;
    *tile = nearest(m, x, y, &first, &second);
    return 0.5f * (second - first);
}

static vec3 point(const struct mosaic *m, float x, float y)
{
    int k, other;
    float wx = x + 0.8f * noise2(x * 0.22f, y * 0.22f, 8),
          wy = y + 0.8f * noise2(x * 0.22f, y * 0.22f, 9);
    wx = clampf(wx, 0, SIDE - 1);
    wy = clampf(wy, 0, SIDE - 1);
    float edge = rim(m, wx, wy, &k);
    if (k < 0)
        return grout(x, y);
    const struct tile *tile = &m->tiles[k];
    float bevel = smoothf(2.4f, 0.7f, edge);
    vec3 normal = v3(tile->lean_x, tile->lean_y, 1);
    if (bevel > 0) {
        const float e = 0.6f;
        normal.x += 0.75f * bevel * (edge - rim(m, fminf(wx + e, SIDE - 1), wy, &other)) / e;
        normal.y += 0.75f * bevel * (edge - rim(m, wx, fminf(wy + e, SIDE - 1), &other)) / e;
    }
    vec3 face = lit_tile(tile, tile_colour(tile, wx, wy), v3_unit(normal));
    float joint = 0.62f + 0.22f * noise2(x * 0.12f, y * 0.12f, 10);
    return v3_mix(grout(x, y), face, smoothf(joint - 0.22f, joint + 0.22f, edge));
}

void draw_mosaic(struct canvas *out)
{
    struct mosaic *m = alloc_or_die(1, sizeof *m);
    struct rng rng;
    m->tiles = alloc_or_die(MAX_TILES, sizeof *m->tiles);
    rng_init(&rng, 532);
    scatter(m, &rng);
    for (int i = 0; i < ROUNDS; i++)
        relax(m);
    fill_buckets(m);
    paint_tiles(m, &rng);

    struct canvas big;
    canvas_init(&big, SIDE * SCALE, SIDE * SCALE);
    for (int y = 0; y < big.height; y++)
        for (int x = 0; x < big.width; x++)
            big.px[y * big.width + x] =
                point(m, ((float)x + 0.5f) / SCALE, ((float)y + 0.5f) / SCALE);
    canvas_shrink(&big, SCALE, out);
    canvas_release(&big);
    free(m->tiles);
    free(m);
}
