/* What the sample pictures share: vectors and colours, random numbers, noise, a canvas, a JPEG
 * file.
 *
 * Colours are linear light; canvas_save() encodes them as sRGB. Random numbers and noise are
 * integer hashes, so a picture depends on nothing but the code. Out of memory ends the program:
 * these are drawing tools, not part of atelier.
 */
#ifndef ATELIER_SAMPLES_DRAW_CANVAS_H
#define ATELIER_SAMPLES_DRAW_CANVAS_H

#include <math.h>
#include <stddef.h>
#include <stdint.h>

#define PI_F 3.14159265f

/* A point, a direction or a colour (x red, y green, z blue): a value type, used like a float. */
typedef struct {
    float x, y, z;
} vec3;

static inline vec3 v3(float x, float y, float z) { return (vec3){x, y, z}; }

static inline vec3 v3_add(vec3 a, vec3 b) { return v3(a.x + b.x, a.y + b.y, a.z + b.z); }

static inline vec3 v3_sub(vec3 a, vec3 b) { return v3(a.x - b.x, a.y - b.y, a.z - b.z); }

static inline vec3 v3_mul(vec3 a, vec3 b) { return v3(a.x * b.x, a.y * b.y, a.z * b.z); }

static inline vec3 v3_scale(vec3 a, float s) { return v3(a.x * s, a.y * s, a.z * s); }

/* a + s * b */
static inline vec3 v3_along(vec3 a, vec3 b, float s)
{
    return v3(a.x + s * b.x, a.y + s * b.y, a.z + s * b.z);
}

static inline vec3 v3_mix(vec3 a, vec3 b, float t)
{
    return v3(a.x + (b.x - a.x) * t, a.y + (b.y - a.y) * t, a.z + (b.z - a.z) * t);
}

static inline float v3_dot(vec3 a, vec3 b) { return a.x * b.x + a.y * b.y + a.z * b.z; }

static inline vec3 v3_cross(vec3 a, vec3 b)
{
    return v3(a.y * b.z - a.z * b.y, a.z * b.x - a.x * b.z, a.x * b.y - a.y * b.x);
}

static inline vec3 v3_unit(vec3 a) { return v3_scale(a, 1 / sqrtf(v3_dot(a, a) + 1e-20f)); }

static inline float clampf(float x, float low, float high)
{
    return x < low ? low : x > high ? high : x;
}

static inline float mixf(float a, float b, float t) { return a + (b - a) * t; }

/* 0 at a, 1 at b, smooth between; a > b is allowed and falls. */
static inline float smoothf(float a, float b, float x)
{
    float t = clampf((x - a) / (b - a), 0, 1);
    return t * t * (3 - 2 * t);
}

/* The colour 0xRRGGBB (sRGB) in linear light. */
vec3 ink(uint32_t srgb);

/* Brightness as the eye weighs it. */
float luma(vec3 colour);

/* --- random numbers --- */

struct rng {
    uint64_t state;
};

void rng_init(struct rng *rng, uint64_t seed);
float rng_uniform(struct rng *rng);                      /* in [0, 1) */
float rng_range(struct rng *rng, float low, float high); /* in [low, high) */
float rng_bell(struct rng *rng);                         /* mean 0, standard deviation 1/2 */
int rng_below(struct rng *rng, int n);                   /* in 0 .. n - 1 */

/* --- noise: smooth, about -1 .. 1, the same for the same arguments --- */

uint32_t hash2(int x, int y, uint32_t seed);
float hash_uniform(int x, int y, uint32_t seed); /* in [0, 1) */
float noise2(float x, float y, uint32_t seed);
float fbm2(float x, float y, int octaves, uint32_t seed);   /* fractal sum of noise2 */
float ridge2(float x, float y, int octaves, uint32_t seed); /* sharp crests, 0 .. 1 */

/* --- canvas --- */

struct canvas {
    int width, height;
    vec3 *px; /* [height][width], linear light; owned */
};

void *alloc_or_die(size_t count, size_t bytes); /* zeroed; caller frees */
void canvas_init(struct canvas *canvas, int width, int height);
void canvas_release(struct canvas *canvas);

/* Averages factor x factor blocks of `from` into `to`, which is initialised here. */
void canvas_shrink(const struct canvas *from, int factor, struct canvas *to);

/* Writes a JPEG without chroma subsampling; 0, or -1 with a message on stderr. */
int canvas_save(const struct canvas *canvas, const char *path, int quality);

#endif
