/* "Harbour": a fjord village, a lighthouse and sailing boats in low sun; a small ray tracer.
 *
 * The sun in the sky and the light on things differ on purpose, as in many a painted evening: the
 * one stands over the water for its glitter, the other comes from the left so that walls and sails
 * model.
 */
#include "draw_pictures.h"
#include "draw_scene.h"

enum { WIDTH = 768, HEIGHT = 576, MAX_BOUNCES = 2 };

static const vec3 EYE = {0, 8.5f, 0};
static const vec3 SUN_SEEN = {0.026f, 0.136f, 0.9904f};

/* --- sky --- */

static float cloud_density(float u, float v, int octaves)
{
    float warp = fbm2(u * 0.7f, v * 0.7f, 2, 71);
    float bank = 0.30f * smoothf(0.08f, 0.5f, v) - 0.16f * smoothf(1.5f, 2.6f, v);
    return fbm2(u + 0.8f * warp, 1.5f * v + 0.3f * warp, octaves, 73) * 1.25f + bank - 0.10f;
}

static vec3 clear_sky(vec3 dir)
{
    float up = clampf(dir.y, 0, 1), toward = fmaxf(0, v3_dot(dir, SUN_SEEN));
    vec3 sky = v3_mix(ink(0xf6c38c), ink(0xd9c3ae), smoothf(0, 0.12f, up));
    sky = v3_mix(sky, ink(0x86acc6), smoothf(0.05f, 0.30f, up));
    sky = v3_mix(sky, ink(0x3a6da3), smoothf(0.22f, 0.62f, up));
    float cool = smoothf(0.97f, 0.75f, toward);
    sky = v3_mix(sky, v3_mul(sky, v3(0.80f, 0.88f, 1.02f)), cool);
    sky = v3_along(sky, ink(0xff9a48), 0.55f * powf(toward, 24));
    return v3_along(sky, ink(0xffd890), 1.1f * powf(toward, 260));
}

static vec3 sky_colour(vec3 dir, int octaves)
{
    vec3 sky = clear_sky(dir);
    float toward = fmaxf(0, v3_dot(dir, SUN_SEEN));
    float disc = smoothf(0.99968f, 0.99982f, toward);
    float u = atan2f(dir.x, dir.z) * 3.2f + 7.4f, v = dir.y * 5.2f;
    float density = cloud_density(u, v, octaves);
    float cover = smoothf(0.02f, 0.42f, density);
    /* Thinner towards the sun: that rim is lit. */
    float du = 0.026f * 3.2f - (u - 7.4f), dv = 0.13f * 5.2f - v;
    float reach = 0.13f / sqrtf(du * du + dv * dv + 0.05f);
    float rim =
        clampf(0.42f + 1.5f * (density - cloud_density(u + du * reach, v + dv * reach, 3)), 0, 1);
    vec3 shade = v3_mix(ink(0x8c8296), ink(0xb08f8a), smoothf(0.25f, 0.02f, dir.y));
    vec3 light = v3_mix(ink(0xfff0d8), ink(0xffc07a), smoothf(0.75f, 1.0f, toward));
    vec3 cloud = v3_scale(v3_mix(shade, light, rim), 0.92f + 0.5f * powf(toward, 12));
    sky = v3_along(sky, v3(9, 7, 4.4f), disc * (1 - 0.8f * cover));
    return v3_mix(sky, cloud, cover * 0.92f * smoothf(-0.01f, 0.05f, dir.y));
}

/* --- surfaces --- */

static float fine_noise(vec3 at, float scale, uint32_t seed)
{
    return fbm2(at.x * scale + 0.6f * at.y * scale, at.z * scale - at.y * scale * 1.1f, 4, seed);
}

static vec3 near_land_colour(vec3 at, vec3 *normal)
{
    float grain = fine_noise(at, 0.5f, 81), broad = fine_noise(at, 0.06f, 82);
    float steep = 1 - normal->y;
    vec3 grass = v3_mix(ink(0x6d7436), ink(0xa3974c), 0.5f + 0.9f * broad);
    float strata = fbm2(at.x * 0.12f + at.z * 0.1f, at.y * 1.1f + 0.2f * at.x, 4, 84);
    float crack = ridge2(at.x * 0.33f + 0.1f * at.y, at.y * 0.42f + 0.25f * at.z, 3, 85);
    vec3 rock =
        v3_mix(ink(0x4a433f), ink(0xb3a28f), clampf(0.5f + 1.1f * grain + 0.9f * strata, 0, 1));
    rock = v3_scale(rock, 1 - 0.62f * smoothf(0.48f, 0.72f, crack));
    float rocky = smoothf(0.10f, 0.30f, steep + 0.16f * grain);
    rocky = fmaxf(rocky, smoothf(5.0f, 2.6f, at.y + 2 * broad));
    vec3 colour = v3_mix(v3_scale(grass, 1 + 0.7f * grain), rock, rocky);
    colour = v3_mix(colour, ink(0x2c2a2a), 0.75f * smoothf(0.9f, 0.2f, at.y + 0.5f * grain));
    float tilt = 0.5f + 1.3f * rocky;
    *normal =
        v3_unit(v3_add(*normal, v3(tilt * grain, rocky * strata, tilt * fine_noise(at, 0.5f, 83))));
    return colour;
}

static vec3 far_land_colour(vec3 at, vec3 *normal)
{
    float grain = fine_noise(at, 0.012f, 91), broad = fine_noise(at, 0.002f, 92);
    vec3 wood = v3_mix(ink(0x2f4530), ink(0x6a7040), 0.5f + 0.8f * grain);
    vec3 rock = v3_mix(ink(0x4a4652), ink(0x94877e), clampf(0.5f + 1.3f * grain, 0, 1));
    float high = at.y + 160 * broad + 60 * grain;
    float crowns = fine_noise(at, 0.045f, 93), wooded = smoothf(420, 180, high);
    vec3 colour = v3_mix(rock, v3_scale(wood, 1 + 1.9f * crowns), wooded);
    float snow = smoothf(520, 760, high) * smoothf(0.30f, 0.62f, normal->y + 0.15f * grain);
    *normal = v3_unit(v3_add(*normal, v3(0.9f * grain + 1.6f * wooded * crowns, 0.5f * crowns,
                                         0.4f * broad + 0.7f * crowns)));
    return v3_mix(colour, ink(0xf3f1f2), snow);
}

static vec3 sail_colour(vec3 colour, vec3 at)
{
    float seam = fabsf(at.y * 0.9f - floorf(at.y * 0.9f) - 0.5f);
    return v3_scale(colour, (1 - 0.16f * smoothf(0.04f, 0.015f, seam)) *
                                (1 + 0.10f * fine_noise(at, 0.9f, 95)));
}

static vec3 tile_colour(vec3 colour, vec3 at)
{
    float course = at.y * 2.6f - floorf(at.y * 2.6f);
    float piece = hash_uniform((int)floorf(at.x * 2.2f), (int)floorf(at.y * 2.6f), 97);
    return v3_scale(colour, 0.72f + 0.3f * course + 0.3f * piece);
}

static vec3 wood_colour(vec3 colour, vec3 at)
{
    float board = at.y * 3.4f - floorf(at.y * 3.4f);
    float worn = fine_noise(v3(at.x, 3 * at.y, at.z), 0.7f, 99);
    return v3_scale(colour, 0.86f + 0.16f * smoothf(0, 0.25f, board) + 0.22f * worn);
}

/* Albedo at a hit; bends the normal where the surface is rough. */
static vec3 albedo(struct hit *hit, vec3 at)
{
    vec3 colour = hit->surface.colour;
    switch (hit->surface.material) {
    case MAT_NEAR_LAND:
        return near_land_colour(at, &hit->normal);
    case MAT_FAR_LAND:
        return far_land_colour(at, &hit->normal);
    case MAT_WOOD:
        return wood_colour(colour, at);
    case MAT_TILES:
        return tile_colour(colour, at);
    case MAT_SAIL:
        return sail_colour(colour, at);
    case MAT_BANDS:
        colour = sinf((at.y - 1.5f) * 2 * PI_F / 7.6f) > 0.05f ? ink(0xb5301f) : colour;
        return v3_scale(colour, 0.94f + 0.18f * fine_noise(at, 0.6f, 101));
    case MAT_LEAF: {
        float leaf = fine_noise(at, 1.1f, 103);
        hit->normal =
            v3_unit(v3_add(hit->normal, v3(1.6f * leaf, 0.6f * leaf, fine_noise(at, 1.1f, 104))));
        return v3_scale(colour, 1 + 1.1f * leaf);
    }
    case MAT_PLAIN:
    case MAT_GLASS:
    case MAT_GLOW:
        break;
    }
    return v3_scale(colour, 1 + 0.12f * fine_noise(at, 0.8f, 105));
}

static vec3 shade(const struct scene *scene, const struct ray *ray, struct hit *hit)
{
    vec3 at = v3_along(ray->origin, ray->dir, hit->t);
    if (hit->surface.material == MAT_GLOW)
        return hit->surface.colour;
    vec3 rough = hit->normal, colour = albedo(hit, at);
    if (hit->surface.material == MAT_GLASS)
        return v3_mix(colour, clear_sky(v3(ray->dir.x, fabsf(ray->dir.y) + 0.2f, -ray->dir.z)),
                      0.35f);
    float facing = v3_dot(hit->normal, scene->sun);
    if (hit->surface.material == MAT_SAIL)
        facing = fmaxf(facing, -0.75f * facing);
    float sun = fmaxf(0, facing);
    if (hit->surface.material == MAT_FAR_LAND)
        sun *= field_light(&scene->far, at.x, at.z);
    else if (sun > 0)
        sun *= scene_sunlight(scene, v3_along(at, rough, 0.05f)) *
               field_light(&scene->near, at.x, at.z);
    float open = 0.5f + 0.5f * hit->normal.y, back = fmaxf(0, hit->normal.z);
    vec3 light = v3_scale(v3(1.0f, 0.66f, 0.37f), 2.9f * sun);
    light = v3_add(light, v3_scale(v3(0.40f, 0.48f, 0.62f), 0.25f + 0.75f * open));
    light = v3_add(light, v3_scale(v3(0.30f, 0.19f, 0.12f), back + 0.5f * (1 - open)));
    return v3_mul(colour, light);
}

/* Distance turns everything to the colour of the air, warmer towards the sun. */
static vec3 through_air(vec3 colour, vec3 dir, float distance)
{
    float toward = fmaxf(0, v3_dot(dir, SUN_SEEN));
    vec3 air = v3_mix(ink(0xa9b3c4), ink(0xf3c08a), powf(toward, 10));
    float haze = 1 - expf(-distance / 3900);
    return v3_mix(colour, air, haze);
}

/* --- water --- */

static vec3 water_normal(float x, float z, float distance)
{
    float calm = 1 / (1 + 0.0075f * distance);
    float e = 0.05f + 0.0004f * distance;
    float slope[2];
    for (int k = 0; k < 2; k++) {
        float dx = k ? 0 : e, dz = k ? e : 0, height[2];
        for (int j = 0; j < 2; j++) {
            float px = x + (float)j * dx, pz = z + (float)j * dz;
            height[j] = 0.34f * noise2(px * 0.16f, pz * 0.30f, 111) +
                        0.13f * noise2(px * 0.55f + 0.2f * pz, pz * 1.0f, 112) +
                        0.045f * noise2(px * 1.7f - 0.4f * pz, pz * 2.6f, 113);
        }
        slope[k] = (height[1] - height[0]) / e * calm;
    }
    float gusts = 0.55f + 0.75f * smoothf(-0.35f, 0.4f, fbm2(x * 0.012f, z * 0.03f, 3, 114));
    return v3_unit(v3(-slope[0] * 0.5f * gusts, 1, -slope[1] * 0.5f * gusts));
}

static vec3 trace(const struct scene *scene, const struct ray *ray, int bounces);

static vec3 water(const struct scene *scene, const struct ray *ray, float t, int bounces)
{
    vec3 at = v3_along(ray->origin, ray->dir, t), normal = water_normal(at.x, at.z, t);
    float cosine = fmaxf(0.02f, -v3_dot(ray->dir, normal));
    vec3 dir = v3_along(ray->dir, normal, 2 * cosine);
    dir.y = fabsf(dir.y) + 0.01f;
    struct ray mirrored = {v3(at.x, 0.02f, at.z), v3_unit(dir)};
    float mirror = 0.03f + 0.90f * powf(1 - cosine, 4);
    vec3 depth = v3_mix(ink(0x0d3440), ink(0x2a6a6c), clampf(0.4f + 2.2f * normal.z, 0, 1));
    return v3_mix(depth, trace(scene, &mirrored, bounces + 1), mirror);
}

/* --- picture --- */

static vec3 trace(const struct scene *scene, const struct ray *ray, int bounces)
{
    float to_sea = ray->dir.y < -1e-5f ? -ray->origin.y / ray->dir.y : 1e6f;
    struct hit hit = {.t = fminf(to_sea, 1e5f)};
    if (scene_trace(scene, ray, &hit))
        return through_air(shade(scene, ray, &hit), ray->dir, hit.t);
    if (to_sea < 1e5f && bounces < MAX_BOUNCES)
        return through_air(water(scene, ray, to_sea, bounces), ray->dir, 0.6f * to_sea);
    return sky_colour(ray->dir, bounces ? 3 : 6);
}

/* A film curve: keeps the mid tones, rolls off the lights. */
static vec3 developed(vec3 c)
{
    const float white = 2.6f;
    vec3 d = {c.x * (1 + c.x / (white * white)) / (1 + 0.62f * c.x),
              c.y * (1 + c.y / (white * white)) / (1 + 0.62f * c.y),
              c.z * (1 + c.z / (white * white)) / (1 + 0.62f * c.z)};
    return v3_scale(d, 1.22f);
}

static vec3 sample_at(const struct scene *scene, float x, float y)
{
    float u = (x / WIDTH - 0.5f) * 1.08f, v = (0.565f - y / HEIGHT) * 1.08f * HEIGHT / WIDTH;
    struct ray ray = {EYE, v3_unit(v3(u, v, 1))};
    vec3 light = trace(scene, &ray, 0);
    vec3 film = developed(v3(fminf(light.x, 6), fminf(light.y, 6), fminf(light.z, 6)));
    return v3(fminf(film.x, 1), fminf(film.y, 1), fminf(film.z, 1));
}

/* n x n jittered samples of a pixel; *spread is the range of their brightness. */
static vec3 samples(const struct scene *scene, int px, int py, int n, struct rng *rng,
                    float *spread)
{
    vec3 sum = {0, 0, 0};
    float low = 9, high = 0;
    for (int i = 0; i < n * n; i++) {
        float x = (float)px + ((float)(i % n) + rng_uniform(rng)) / (float)n;
        float y = (float)py + ((float)(i / n) + rng_uniform(rng)) / (float)n;
        vec3 colour = sample_at(scene, x, y);
        sum = v3_add(sum, colour);
        low = fminf(low, sqrtf(luma(colour)));
        high = fmaxf(high, sqrtf(luma(colour)));
    }
    *spread = high - low;
    return v3_scale(sum, 1 / (float)(n * n));
}

static vec3 pixel(const struct scene *scene, int px, int py, struct rng *rng)
{
    float spread;
    vec3 colour = samples(scene, px, py, 2, rng, &spread);
    if (spread > 0.085f) {
        vec3 finer = samples(scene, px, py, 3, rng, &spread);
        colour = v3_mix(colour, finer, 9.0f / 13);
    }
    float grain = 1 + 0.045f * rng_bell(rng);
    float cx = (float)px / WIDTH - 0.5f, cy = (float)py / HEIGHT - 0.5f;
    return v3_scale(colour, grain * (1 - 0.42f * (cx * cx + cy * cy)));
}

void draw_harbour(struct canvas *out)
{
    struct scene scene = {.sun = v3_unit(v3(-0.84f, 0.46f, -0.18f))};
    struct rng rng;
    build_land(&scene);
    build_things(&scene);
    rng_init(&rng, 2024);
    canvas_init(out, WIDTH, HEIGHT);
    for (int y = 0; y < HEIGHT; y++)
        for (int x = 0; x < WIDTH; x++)
            out->px[y * WIDTH + x] = pixel(&scene, x, y, &rng);
    scene_release(&scene);
}
