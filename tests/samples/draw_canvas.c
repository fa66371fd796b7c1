/* See draw_canvas.h. */
#include "draw_canvas.h"

#include <stdio.h>
#include <stdlib.h>

#include <jpeglib.h>

static float linear_from_srgb(float s)
{
    return s <= 0.04045f ? s / 12.92f : powf((s + 0.055f) / 1.055f, 2.4f);
}

static float srgb_from_linear(float v)
{
    v = clampf(v, 0, 1);
    return v <= 0.0031308f ? v * 12.92f : 1.055f * powf(v, 1 / 2.4f) - 0.055f;
}

vec3 ink(uint32_t srgb)
{
    return v3(linear_from_srgb((float)(srgb >> 16 & 255) / 255),
              linear_from_srgb((float)(srgb >> 8 & 255) / 255),
              linear_from_srgb((float)(srgb & 255) / 255));
}

float luma(vec3 colour) { return 0.2126f * colour.x + 0.7152f * colour.y + 0.0722f * colour.z; }

/* --- random numbers: splitmix64 --- */

void rng_init(struct rng *rng, uint64_t seed) { rng->state = seed; }

static uint64_t rng_next(struct rng *rng)
{
    uint64_t z = rng->state += 0x9e3779b97f4a7c15u;
    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return z ^ z >> 31;
}

float rng_uniform(struct rng *rng) { return (float)(rng_next(rng) >> 40) * 0x1p-24f; }

float rng_range(struct rng *rng, float low, float high)
{
    return low + (high - low) * rng_uniform(rng);
}

float rng_bell(struct rng *rng)
{
    float sum = 0;
    for (int i = 0; i < 3; i++)
        sum += rng_uniform(rng);
    return sum - 1.5f;
}

int rng_below(struct rng *rng, int n) { return (int)(rng_next(rng) % (uint64_t)n); }

/* --- noise --- */

uint32_t hash2(int x, int y, uint32_t seed)
{
    uint32_t h = (uint32_t)x * 0x8da6b343u ^ (uint32_t)y * 0xd8163841u ^ seed * 0xcb1ab31fu;
    h = (h ^ h >> 15) * 0x2c1b3c6du;
    h = (h ^ h >> 12) * 0x297a2d39u;
    return h ^ h >> 15;
}

float hash_uniform(int x, int y, uint32_t seed)
{
    return (float)(hash2(x, y, seed) >> 8) * 0x1p-24f;
}

/* The slope at a lattice point, one of 256 directions, times the offset from it. */
static float lattice(int ix, int iy, float dx, float dy, uint32_t seed)
{
    uint32_t h = hash2(ix, iy, seed);
    float gx = (float)(int)(h & 255) - 127.5f, gy = (float)(int)(h >> 8 & 255) - 127.5f;
    return (gx * dx + gy * dy) * (1 / 127.5f);
}

/* Several times faster than floorf() where that is a call; |x| < 2^31. */
static int floor_int(float x)
{
    int i = (int)x;
    return i - (x < (float)i);
}

float noise2(float x, float y, uint32_t seed)
{
    int ix = floor_int(x), iy = floor_int(y);
    float dx = x - (float)ix, dy = y - (float)iy;
    float sx = dx * dx * dx * (dx * (dx * 6 - 15) + 10),
          sy = dy * dy * dy * (dy * (dy * 6 - 15) + 10);
    float top = mixf(lattice(ix, iy, dx, dy, seed), lattice(ix + 1, iy, dx - 1, dy, seed), sx);
    float low = mixf(lattice(ix, iy + 1, dx, dy - 1, seed),
                     lattice(ix + 1, iy + 1, dx - 1, dy - 1, seed), sx);
    return 1.6f * mixf(top, low, sy);
}

float fbm2(float x, float y, int octaves, uint32_t seed)
{
    float sum = 0, weight = 0.5f;
    for (int i = 0; i < octaves; i++) {
        sum += weight * noise2(x, y, seed + (uint32_t)i);
        /* Turning each octave hides the lattice. */
        float turned = 1.6f * x + 1.2f * y;
        y = 1.6f * y - 1.2f * x;
        x = turned;
        weight *= 0.5f;
    }
    return sum;
}

float ridge2(float x, float y, int octaves, uint32_t seed)
{
    float sum = 0, weight = 0.5f, carry = 1;
    for (int i = 0; i < octaves; i++) {
        float crest = 1 - fminf(1, fabsf(noise2(x, y, seed + (uint32_t)i)) * 1.4f);
        crest *= crest * carry;
        carry = clampf(crest * 1.6f, 0, 1);
        sum += weight * crest;
        float turned = 1.6f * x + 1.2f * y;
        y = 1.6f * y - 1.2f * x;
        x = turned;
        weight *= 0.5f;
    }
    return sum;
}

/* --- canvas --- */

void *alloc_or_die(size_t count, size_t bytes)
{
    void *block = calloc(count, bytes);
    if (!block) {
        fprintf(stderr, "draw: out of memory\n");
        exit(EXIT_FAILURE);
    }
    return block;
}

void canvas_init(struct canvas *canvas, int width, int height)
{
    canvas->width = width;
    canvas->height = height;
    canvas->px = alloc_or_die((size_t)width * (size_t)height, sizeof *canvas->px);
}

void canvas_release(struct canvas *canvas)
{
    free(canvas->px);
    canvas->px = NULL;
}

static vec3 block_mean(const struct canvas *from, int x0, int y0, int factor)
{
    vec3 sum = {0, 0, 0};
    for (int y = y0; y < y0 + factor; y++)
        for (int x = x0; x < x0 + factor; x++)
            sum = v3_add(sum, from->px[y * from->width + x]);
    return v3_scale(sum, 1 / (float)(factor * factor));
}

void canvas_shrink(const struct canvas *from, int factor, struct canvas *to)
{
    canvas_init(to, from->width / factor, from->height / factor);
    for (int y = 0; y < to->height; y++)
        for (int x = 0; x < to->width; x++)
            to->px[y * to->width + x] = block_mean(from, x * factor, y * factor, factor);
}

static void encode_row(const vec3 *px, int width, JSAMPLE *bytes)
{
    for (int x = 0; x < width; x++) {
        bytes[3 * x] = (JSAMPLE)(255 * srgb_from_linear(px[x].x) + 0.5f);
        bytes[3 * x + 1] = (JSAMPLE)(255 * srgb_from_linear(px[x].y) + 0.5f);
        bytes[3 * x + 2] = (JSAMPLE)(255 * srgb_from_linear(px[x].z) + 0.5f);
    }
}

static void write_jpeg(const struct canvas *canvas, FILE *file, int quality)
{
    struct jpeg_error_mgr errors;
    struct jpeg_compress_struct jpeg = {.err = jpeg_std_error(&errors)};
    jpeg_create_compress(&jpeg);
    jpeg_stdio_dest(&jpeg, file);
    jpeg.image_width = (JDIMENSION)canvas->width;
    jpeg.image_height = (JDIMENSION)canvas->height;
    jpeg.input_components = 3;
    jpeg.in_color_space = JCS_RGB;
    jpeg_set_defaults(&jpeg);
    jpeg_set_quality(&jpeg, quality, TRUE);
    jpeg.comp_info[0].h_samp_factor = jpeg.comp_info[0].v_samp_factor = 1;
    jpeg.optimize_coding = TRUE;
    jpeg.dct_method = JDCT_ISLOW;
    jpeg_start_compress(&jpeg, TRUE);

    JSAMPLE *bytes = alloc_or_die((size_t)canvas->width, 3);
    for (int y = 0; y < canvas->height; y++) {
        encode_row(canvas->px + (ptrdiff_t)y * canvas->width, canvas->width, bytes);
        jpeg_write_scanlines(&jpeg, &bytes, 1);
    }
    free(bytes);
    jpeg_finish_compress(&jpeg);
    jpeg_destroy_compress(&jpeg);
}

int canvas_save(const struct canvas *canvas, const char *path, int quality)
{
    FILE *file = fopen(path, "wb");
    if (!file) {
        perror(path);
        return -1;
    }
    write_jpeg(canvas, file, quality);
    if (fclose(file)) {
        perror(path);
        return -1;
    }
    return 0;
}
