/* What people and nature put into the harbour: houses, lighthouse, boats, jetty, trees. */
#include "draw_scene.h"

/* A local frame: turned by yaw about the vertical, then moved. */
struct frame {
    vec3 origin;
    float cos_yaw, sin_yaw;
};

static struct frame frame_at(float x, float y, float z, float yaw)
{
    return (struct frame){{x, y, z}, cosf(yaw), sinf(yaw)};
}

static vec3 placed(const struct frame *f, float x, float y, float z)
{
    return v3(f->origin.x + x * f->cos_yaw + z * f->sin_yaw, f->origin.y + y,
              f->origin.z - x * f->sin_yaw + z * f->cos_yaw);
}

static void add_triangle(struct scene *scene, vec3 a, vec3 b, vec3 c, struct surface surface)
{
    scene_add(scene, (struct shape){SHAPE_TRIANGLE, a, v3_sub(b, a), v3_sub(c, a), surface});
}

static void add_quad(struct scene *scene, vec3 a, vec3 b, vec3 c, vec3 d, struct surface surface)
{
    add_triangle(scene, a, b, c, surface);
    add_triangle(scene, a, c, d, surface);
}

static void add_tube(struct scene *scene, vec3 foot, float below, float above, float height,
                     struct surface surface)
{
    scene_add(scene, (struct shape){SHAPE_TUBE, foot, {below, above, height}, {0, 0, 0}, surface});
}

/* Four sides and a top; low and high corners in the frame. */
static void add_box(struct scene *scene, const struct frame *f, vec3 low, vec3 high,
                    struct surface s)
{
    const float xs[] = {low.x, high.x, high.x, low.x}, zs[] = {low.z, low.z, high.z, high.z};
    vec3 foot[4], head[4];
    for (int i = 0; i < 4; i++) {
        foot[i] = placed(f, xs[i], low.y, zs[i]);
        head[i] = placed(f, xs[i], high.y, zs[i]);
    }
    for (int i = 0; i < 4; i++)
        add_quad(scene, foot[i], foot[(i + 1) % 4], head[(i + 1) % 4], head[i], s);
    add_quad(scene, head[0], head[1], head[2], head[3], s);
}

/* --- houses --- */

struct house {
    float x, z, yaw, width, depth, wall, roof; /* metres, radians */
    uint32_t paint, tiles;
};

/* Pane and frame on a wall: the wall's x or z is `at`, `side` says which of the two. */
static void add_window(struct scene *scene, const struct frame *f, int side, float at, float u,
                       float y, int lit)
{
    const struct surface frame_white = {MAT_PLAIN, ink(0xf2ece0)};
    const struct surface pane = lit ? (struct surface){MAT_GLOW, v3_scale(ink(0xffb548), 1.5f)}
                                    : (struct surface){MAT_GLASS, ink(0x1c2a38)};
    for (int layer = 0; layer < 2; layer++) {
        float w = layer ? 0.42f : 0.60f, h = layer ? 0.66f : 0.84f,
              out = at + (at < 0 ? -1.0f : 1.0f) * 0.02f * (float)(1 + layer);
        const float us[] = {u - w, u + w, u + w, u - w}, ys[] = {y - h, y - h, y + h, y + h};
        vec3 c[4];
        for (int i = 0; i < 4; i++)
            c[i] = side ? placed(f, out, ys[i], us[i]) : placed(f, us[i], ys[i], out);
        add_quad(scene, c[0], c[1], c[2], c[3], layer ? pane : frame_white);
    }
}

static void add_windows(struct scene *scene, const struct frame *f, const struct house *h,
                        struct rng *rng)
{
    int floors = h->wall > 4.5f ? 2 : 1, columns = (int)(h->width / 2.4f);
    for (int floor = 0; floor < floors; floor++) {
        float y = 1.7f + 2.7f * (float)floor;
        for (int i = 0; i < columns; i++) {
            float u = h->width * (((float)i + 0.5f) / (float)columns - 0.5f);
            add_window(scene, f, 0, -0.5f * h->depth, u, y, rng_uniform(rng) < 0.42f);
        }
        for (int i = 0; i < 4; i++)
            add_window(scene, f, 1, (i & 1 ? 0.5f : -0.5f) * h->width,
                       (i & 2 ? 0.22f : -0.22f) * h->depth, y, rng_uniform(rng) < 0.35f);
    }
}

/* Gables to the sides; eaves stand out half a metre. */
static void add_roof(struct scene *scene, const struct frame *f, const struct house *h)
{
    const struct surface wall = {MAT_WOOD, ink(h->paint)}, tiles = {MAT_TILES, ink(h->tiles)};
    float w = 0.5f * h->width, d = 0.5f * h->depth, top = h->wall + h->roof, out = 0.5f;
    float drop = out * h->roof / d;
    for (int s = -1; s <= 1; s += 2) {
        float side = (float)s;
        add_triangle(scene, placed(f, side * w, h->wall, -d), placed(f, side * w, h->wall, d),
                     placed(f, side * w, top, 0), wall);
        add_quad(scene, placed(f, -w - out, h->wall - drop, side * (d + out)),
                 placed(f, w + out, h->wall - drop, side * (d + out)),
                 placed(f, w + out, top + 0.05f, 0), placed(f, -w - out, top + 0.05f, 0), tiles);
    }
}

static void add_house(struct scene *scene, const struct house *h, struct rng *rng)
{
    float ground = fmaxf(field_height(&scene->near, h->x, h->z), 1.5f);
    struct frame f = frame_at(h->x, ground, h->z, h->yaw);
    float w = 0.5f * h->width, d = 0.5f * h->depth;
    add_box(scene, &f, v3(-w, -5, -d), v3(w, 0.5f, d), (struct surface){MAT_PLAIN, ink(0x6f6a66)});
    add_box(scene, &f, v3(-w, 0.5f, -d), v3(w, h->wall, d),
            (struct surface){MAT_WOOD, ink(h->paint)});
    add_roof(scene, &f, h);
    add_windows(scene, &f, h, rng);
    float at = rng_range(rng, -0.3f, 0.3f) * h->width;
    add_box(scene, &f, v3(at - 0.4f, h->wall, 0.2f), v3(at + 0.4f, h->wall + h->roof + 1.1f, 1),
            (struct surface){MAT_PLAIN, ink(0x7a4a3c)});
    scene_close_group(scene);
}

static void build_village(struct scene *scene)
{
    static const struct house houses[] = {
        {-71, 116, 0.10f, 11, 7, 5.6f, 3.4f, 0xb5402e, 0x4a4648},
        {-57, 115, -0.20f, 8, 7, 5.4f, 3.6f, 0xe8dcc0, 0x8c3d2c},
        {-45, 121, 0.25f, 9, 7, 5.6f, 3.4f, 0xd59a35, 0x54403c},
        {-33, 130, -0.10f, 8, 6.5f, 5.4f, 3.4f, 0xa93a2c, 0x3e3f46},
        {-21, 143, 0.30f, 9, 7, 5.2f, 3.4f, 0xf0e8d8, 0x7e3b2e},
        {-9, 158, 0.05f, 8, 6, 3.4f, 3.0f, 0x8f3328, 0x4a4244},
        {-80, 136, -0.25f, 10, 7, 5.6f, 3.6f, 0xeee3c8, 0x9a4630},
        {-64, 134, 0.30f, 9, 7, 5.6f, 3.6f, 0x5f86a0, 0x6b3a30},
        {-50, 141, -0.15f, 10, 7, 5.6f, 3.4f, 0xf1ead9, 0x93422f},
        {-36, 152, 0.20f, 9, 7, 5.4f, 3.6f, 0xdfae4a, 0x4f4245},
        {-22, 166, -0.25f, 9, 7, 5.4f, 3.4f, 0xb84a34, 0x3f4148},
        {-88, 160, 0.20f, 10, 7, 5.6f, 3.6f, 0xc04c34, 0x44444a},
        {-70, 160, -0.20f, 9, 7, 5.4f, 3.6f, 0xe9d9b4, 0x8a3c2c},
        {-53, 166, 0.15f, 9, 7, 5.4f, 3.4f, 0x7d9a8c, 0x6d4034},
        {-38, 178, -0.10f, 9, 7, 5.4f, 3.4f, 0xf0e6d2, 0x95452f},
    };
    struct rng rng;
    rng_init(&rng, 404);
    for (size_t i = 0; i < sizeof houses / sizeof *houses; i++) {
        add_house(scene, &houses[i], &rng);
        if (i % 6 == 5)
            scene_close_cluster(scene);
    }
}

/* A white church with a spire closes the village. */
static void build_church(struct scene *scene)
{
    struct rng rng;
    rng_init(&rng, 5);
    const struct house nave = {-58, 187, 0.15f, 15, 8, 6.5f, 5, 0xf4efe4, 0x5a4a4c};
    add_house(scene, &nave, &rng);
    float ground = field_height(&scene->near, -66, 184);
    struct frame f = frame_at(-66, ground, 184, 0.15f);
    const struct surface white = {MAT_WOOD, ink(0xf4efe4)};
    add_box(scene, &f, v3(-2.4f, -4, -2.4f), v3(2.4f, 14, 2.4f), white);
    add_window(scene, &f, 0, -2.4f, 0, 11.5f, 1);
    add_tube(scene, placed(&f, 0, 14, 0), 2.9f, 0.05f, 10,
             (struct surface){MAT_TILES, ink(0x4c5a58)});
    scene_close_group(scene);
}

/* --- lighthouse --- */

static void build_lighthouse(struct scene *scene)
{
    const struct house keeper = {47, 105, -0.22f, 11, 7, 3.6f, 3.2f, 0xf2ecdf, 0xa8402c};
    struct rng rng;
    rng_init(&rng, 6);
    add_house(scene, &keeper, &rng);
    float ground = field_height(&scene->near, 33, 102) - 1;
    const struct surface white = {MAT_PLAIN, ink(0xf3eee4)}, red = {MAT_PLAIN, ink(0xb5301f)};
    const struct surface iron = {MAT_PLAIN, ink(0x2a2c30)};
    struct frame f = frame_at(33, ground, 102, 0.1f);
    add_tube(scene, placed(&f, 0, 0, 0), 4.4f, 4.1f, 2.2f,
             (struct surface){MAT_PLAIN, ink(0x8d877e)});
    add_tube(scene, placed(&f, 0, 2, 0), 3.3f, 2.1f, 18,
             (struct surface){MAT_BANDS, ink(0xf3eee4)});
    add_tube(scene, placed(&f, 0, 20, 0), 2.2f, 3.1f, 0.9f, white);
    add_tube(scene, placed(&f, 0, 20.9f, 0), 3.2f, 3.2f, 0.35f, iron);
    for (int i = 0; i < 14; i++) {
        float angle = 2 * PI_F * (float)i / 14;
        add_tube(scene, placed(&f, 3 * cosf(angle), 21.2f, 3 * sinf(angle)), 0.06f, 0.06f, 1.0f,
                 iron);
    }
    add_tube(scene, placed(&f, 0, 21.2f, 0), 1.7f, 1.7f, 0.8f, red);
    add_tube(scene, placed(&f, 0, 22, 0), 1.45f, 1.45f, 2.1f,
             (struct surface){MAT_GLOW, v3_scale(ink(0xffdf94), 2.4f)});
    for (int i = 0; i < 8; i++) {
        float angle = 2 * PI_F * (float)i / 8;
        add_tube(scene, placed(&f, 1.5f * cosf(angle), 22, 1.5f * sinf(angle)), 0.08f, 0.08f, 2.1f,
                 iron);
    }
    add_tube(scene, placed(&f, 0, 24.1f, 0), 2.0f, 0.25f, 1.7f, red);
    add_tube(scene, placed(&f, 0, 25.8f, 0), 0.12f, 0.05f, 1.6f, iron);
    for (int i = 0; i < 3; i++)
        add_window(scene, &f, 0, -3.25f + 0.3f * (float)i, 0, 5 + 5 * (float)i, i == 1);
    scene_close_group(scene);
}

/* --- boats --- */

/* Point of a hull: s runs from stern (0) to bow (1), a across from rim (-1) over the keel to rim
 * (1). */
static vec3 hull_point(const struct frame *f, float length, float beam, float s, float a)
{
    float fullness = s < 0.42f ? 1 - 0.38f * powf((0.42f - s) / 0.42f, 2)
                               : sqrtf(fmaxf(0, 1 - powf((s - 0.42f) / 0.58f, 2.3f)));
    float rim = beam * (0.30f + 0.34f * (s - 0.35f) * (s - 0.35f) + 0.16f * s);
    float side = (a < 0 ? -1.0f : 1.0f) * powf(fabsf(a), 0.55f);
    float y = mixf(-0.4f, rim, a * a);
    float rake = 0.06f * length * s * (y / rim);
    return placed(f, length * (s - 0.5f) + rake, y, 0.5f * beam * fullness * side);
}

static void add_hull(struct scene *scene, const struct frame *f, float length, float beam,
                     uint32_t paint, uint32_t trim)
{
    const int along = 14, around = 10;
    const struct surface deck = {MAT_WOOD, ink(0x9b7048)};
    for (int i = 0; i < along; i++) {
        float s0 = (float)i / (float)along, s1 = (float)(i + 1) / (float)along;
        for (int j = 0; j < around; j++) {
            float a0 = 2 * (float)j / (float)around - 1,
                  a1 = 2 * (float)(j + 1) / (float)around - 1;
            uint32_t colour = j == 0 || j == around - 1 ? trim : paint;
            add_quad(scene, hull_point(f, length, beam, s0, a0),
                     hull_point(f, length, beam, s1, a0), hull_point(f, length, beam, s1, a1),
                     hull_point(f, length, beam, s0, a1), (struct surface){MAT_PLAIN, ink(colour)});
        }
        add_quad(scene, hull_point(f, length, beam, s0, -0.93f),
                 hull_point(f, length, beam, s1, -0.93f), hull_point(f, length, beam, s1, 0.93f),
                 hull_point(f, length, beam, s0, 0.93f), deck);
        scene_close_group(scene);
    }
    for (int j = 0; j < around / 2; j++) {
        float a0 = 1 - 2 * (float)j / (float)around, a1 = 1 - 2 * (float)(j + 1) / (float)around;
        add_quad(scene, hull_point(f, length, beam, 0, -a0), hull_point(f, length, beam, 0, a0),
                 hull_point(f, length, beam, 0, a1), hull_point(f, length, beam, 0, -a1),
                 (struct surface){MAT_PLAIN, ink(j ? paint : trim)});
    }
}

/* Point of a sail with corners tack, clew, head: u from luff to leech, v from foot to head. */
static vec3 sail_point(const vec3 corner[3], vec3 swell, float u, float v)
{
    vec3 foot = v3_mix(corner[0], corner[1], u), flat = v3_mix(foot, corner[2], v);
    float belly =
        sinf(PI_F * powf(u, 0.8f)) * sinf(PI_F * (0.12f + 0.88f * v)) + 0.25f * u * (1 - v);
    return v3_along(flat, swell, belly);
}

static void add_sail(struct scene *scene, const vec3 corner[3], vec3 swell, uint32_t cloth)
{
    const int n = 8;
    const struct surface surface = {MAT_SAIL, ink(cloth)};
    for (int j = 0; j < n; j++) {
        for (int i = 0; i < n; i++) {
            float u0 = (float)i / (float)n, u1 = (float)(i + 1) / (float)n;
            float v0 = (float)j / (float)n, v1 = (float)(j + 1) / (float)n;
            add_quad(scene, sail_point(corner, swell, u0, v0), sail_point(corner, swell, u1, v0),
                     sail_point(corner, swell, u1, v1), sail_point(corner, swell, u0, v1), surface);
        }
        scene_close_group(scene);
    }
}

struct boat {
    float x, z, yaw, length, mast; /* metres, radians; mast 0: a rowing boat */
    uint32_t hull, trim, cloth, jib;
};

static void add_rig(struct scene *scene, const struct frame *f, const struct boat *b)
{
    const struct surface spar = {MAT_PLAIN, ink(0x6b4a2e)};
    float l = b->length, base = 0.13f * l;
    add_tube(scene, placed(f, 0.08f * l, 0, 0), 0.015f * l, 0.008f * l, b->mast, spar);
    add_quad(scene, placed(f, 0.08f * l, base, 0), placed(f, -0.45f * l, base, 0.1f * l),
             placed(f, -0.45f * l, base + 0.02f * l, 0.1f * l),
             placed(f, 0.08f * l, base + 0.02f * l, 0), spar);
    scene_close_group(scene);
    vec3 across = v3_sub(placed(f, 0, 0, 0.11f * l), placed(f, 0, 0, 0));
    const vec3 mainsail[3] = {placed(f, 0.065f * l, base + 0.03f * l, 0),
                              placed(f, -0.44f * l, base + 0.03f * l, 0.1f * l),
                              placed(f, 0.065f * l, 0.97f * b->mast, 0)};
    const vec3 jib[3] = {placed(f, 0.55f * l, base, 0),
                         placed(f, 0.06f * l, base + 0.03f * l, 0.12f * l),
                         placed(f, 0.10f * l, 0.88f * b->mast, 0)};
    add_sail(scene, mainsail, across, b->cloth);
    add_sail(scene, jib, across, b->jib);
}

static void build_boats(struct scene *scene)
{
    static const struct boat boats[] = {
        {-2.5f, 64, 0.35f, 10.5f, 14.5f, 0x8e2a20, 0xf1e6cf, 0xf4e7cb, 0xd8552f},
        {13, 92, -0.55f, 8.5f, 11.5f, 0x24405c, 0xe9dcc0, 0xefe0bd, 0xf0e3c4},
        {-6.5f, 130, 2.6f, 8, 11, 0x3a3a3e, 0xd8cbb0, 0xc4502c, 0xe8d8b4},
        {14, 240, 0.5f, 10, 14, 0x333840, 0xd8cbb0, 0xf2e4c6, 0xf2e4c6},
        {32, 330, 2.7f, 10, 14, 0x333840, 0xd8cbb0, 0xf2e4c6, 0xe0a060},
        {-15.5f, 45, 0.5f, 6, 0, 0x2f6f78, 0xf1e6cf, 0, 0},
        {8.5f, 36, -0.35f, 5, 0, 0xc9a24a, 0x7b2b20, 0, 0},
        {-34, 96, 0.15f, 7, 0, 0xe4d8c0, 0x23506e, 0, 0},
    };
    for (size_t i = 0; i < sizeof boats / sizeof *boats; i++) {
        const struct boat *b = &boats[i];
        struct frame f = frame_at(b->x, 0, b->z, b->yaw);
        add_hull(scene, &f, b->length, 0.32f * b->length, b->hull, b->trim);
        scene_close_group(scene);
        if (b->mast > 0)
            add_rig(scene, &f, b);
        scene_close_cluster(scene);
    }
}

/* --- jetty --- */

static void build_jetty(struct scene *scene)
{
    struct rng rng;
    rng_init(&rng, 77);
    struct frame f = frame_at(-26, 0, 33, 0.14f);
    for (int i = 0; i < 30; i++) {
        float x = 0.52f * (float)i, lift = rng_range(&rng, -0.03f, 0.03f);
        vec3 tone = v3_scale(ink(0x8a7358), rng_range(&rng, 0.6f, 1.2f));
        add_box(scene, &f, v3(x, 1.2f + lift, -1.3f + rng_range(&rng, -0.1f, 0.1f)),
                v3(x + 0.47f, 1.34f + lift, 1.3f + rng_range(&rng, -0.1f, 0.1f)),
                (struct surface){MAT_WOOD, tone});
        if (i % 5 == 4)
            scene_close_group(scene);
    }
    add_box(scene, &f, v3(0, 0.9f, -1.2f), v3(15.6f, 1.19f, -1.0f),
            (struct surface){MAT_WOOD, ink(0x5a4836)});
    scene_close_group(scene);
    for (int i = 0; i < 6; i++)
        for (int side = -1; side <= 1; side += 2)
            add_tube(scene, placed(&f, 0.6f + 2.9f * (float)i, -2, 1.35f * (float)side), 0.2f,
                     0.17f, 4.1f + rng_range(&rng, -0.2f, 0.35f),
                     (struct surface){MAT_WOOD, ink(0x57452f)});
    scene_close_group(scene);
}

/* --- trees --- */

static void add_spruce(struct scene *scene, vec3 foot, float height, vec3 green)
{
    add_tube(scene, foot, 0.3f, 0.2f, 0.3f * height, (struct surface){MAT_WOOD, ink(0x4a3828)});
    for (int i = 0; i < 4; i++) {
        float at = 0.14f + 0.2f * (float)i, wide = 0.27f - 0.052f * (float)i;
        vec3 tier = v3_add(foot, v3(0, at * height, 0));
        add_tube(scene, tier, wide * height, 0.02f * height, 0.34f * height,
                 (struct surface){MAT_LEAF, v3_scale(green, 0.85f + 0.1f * (float)i)});
    }
    scene_close_group(scene);
}

static void add_broadleaf(struct scene *scene, vec3 foot, float height, vec3 green, struct rng *rng)
{
    add_tube(scene, foot, 0.35f, 0.25f, 0.5f * height, (struct surface){MAT_WOOD, ink(0x4a3828)});
    for (int i = 0; i < 6; i++) {
        float r = height * rng_range(rng, 0.17f, 0.30f), angle = rng_range(rng, 0, 2 * PI_F);
        vec3 at =
            v3_add(foot, v3(0.22f * height * cosf(angle), height * rng_range(rng, 0.45f, 0.8f),
                            0.22f * height * sinf(angle)));
        scene_add(scene,
                  (struct shape){SHAPE_BLOB, at, {r, 0.85f * r, r}, {0, 0, 0}, {MAT_LEAF, green}});
    }
    scene_close_group(scene);
}

/* Perhaps a tree: few between the houses, many on the hill behind. */
static void plant(struct scene *scene, float x, float z, struct rng *rng)
{
    float ground = field_height(&scene->near, x, z);
    float wood = smoothf(24, 40, ground) + 0.10f;
    if (ground < 3.5f || fabsf(x) > 0.62f * z || rng_uniform(rng) > 0.62f * wood)
        return;
    vec3 foot = v3(x, ground - 0.4f, z);
    vec3 green = v3_mix(ink(0x2f4a26), ink(0x7a7a2c), rng_uniform(rng) * rng_uniform(rng));
    if (rng_uniform(rng) < 0.6f)
        add_spruce(scene, foot, rng_range(rng, 8, 14), green);
    else
        add_broadleaf(scene, foot, rng_range(rng, 6, 9), green, rng);
}

static void build_trees(struct scene *scene)
{
    const float plot = 26;
    struct rng rng;
    rng_init(&rng, 31);
    for (int j = 0; j < 8; j++)
        for (int i = 0; i < 6; i++) {
            float x = -150 + plot * (float)i, z = 112 + plot * (float)j;
            for (int k = 0; k < 19; k++)
                plant(scene, x + rng_range(&rng, 0, plot), z + rng_range(&rng, 0, plot), &rng);
            scene_close_cluster(scene);
        }
}

void build_things(struct scene *scene)
{
    static void (*const builders[])(struct scene *) = {
        build_village, build_lighthouse, build_church, build_boats, build_jetty, build_trees,
    };
    for (size_t i = 0; i < sizeof builders / sizeof *builders; i++) {
        builders[i](scene);
        scene_close_cluster(scene);
    }
}
