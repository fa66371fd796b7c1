/* The inner loops of kernels.h. Compiled once for each instruction set, with KERNELS_TABLE the name
 * of the table and KERNELS_NAME what it calls itself.
 *
 * Winograd F(4x4, 3x3): y = A'[(G w G') .* (B' d B)]A, with the interpolation points
 * {0, +-sqrt(2), +-1/sqrt(2), infinity} in place of the usual {0, +-1, +-2, infinity}. Why:
 * - the largest error against double precision falls from 9e-6 to 2e-6 of max |y| at 512 channels
 *   (points close to each other in size keep the transforms well conditioned);
 * - the set is closed under p -> 1/p, so the transform of a kernel turned by 180 degrees is the
 *   transform of the kernel with its planes reordered (0 <-> infinity, +-sqrt(2) <-> +-1/sqrt(2)):
 *   one set of transformed weights serves forward and backward-data.
 * Rows of B' (for d0..d5), G (for w0..w2) and columns of A', r = sqrt(2):
 *    0     d0 - 2.5 d2 + d4                    (1, 0, 0)            (1, 0, 0, 0)
 *   +-r    (d4 - d2/2) +- r (d3 - d1/2)        (+-1/r, 1, +-r)/6    (+-r, 2, +-2r, 4)
 *   +-1/r  (d4 - 2 d2) +- (d3 - 2 d1)/r        (+-r, 1, +-1/r)/6    (-+2r, -2, -+r, -1)
 *   inf    d1 - 2.5 d3 + d5                    (0, 0, 1)            (0, 0, 0, 1)
 * Sources: Lavin & Gray 2016 for the method; the matrices follow from Lagrange interpolation at
 * these points and are checked against the plain convolution by conv_matches_reference_*. */
#include "kernels.h"
#include "vectors.h"

#include <math.h>
#include <string.h>

static const float R2 = 1.41421356237309505f, HALF_R2 = 0.70710678118654752f;

/* One dimension of B' d B: six values, in place. */
INLINE void transform_input(vec d[PATCH])
{
    vec p = d[4] - 0.5f * d[2], q = R2 * (d[3] - 0.5f * d[1]);
    vec s = d[4] - 2.0f * d[2], t = HALF_R2 * (d[3] - 2.0f * d[1]);
    vec zero = d[0] - 2.5f * d[2] + d[4], infinity = d[1] - 2.5f * d[3] + d[5];
    d[0] = zero;
    d[1] = p + q;
    d[2] = p - q;
    d[3] = s + t;
    d[4] = s - t;
    d[5] = infinity;
}

/* One dimension of A' m A: six values to four. */
INLINE void transform_output(const vec m[PATCH], vec y[TILE])
{
    vec s1 = m[1] + m[2], d1 = m[1] - m[2], s2 = m[3] + m[4], d2 = m[3] - m[4];
    y[0] = m[0] + R2 * (d1 - 2.0f * d2);
    y[1] = 2.0f * (s1 - s2);
    y[2] = R2 * (2.0f * d1 - d2);
    y[3] = 4.0f * s1 - s2 + m[5];
}

/* Where the 36 elements of a tile's patch stand: outside the map, at a row of zeros. */
struct patch {
    const float *at[PLANES];
    const mask_word *mask[PLANES];
};

static const float zeros[4096];
static const mask_word no_bits[4096 / LANES];

static void locate_patch(const struct tiling *tiling, const float *x, const mask_word *mask,
                         int tile, struct patch *patch)
{
    int top = tile / tiling->tiles_across * TILE - 1;
    int left = tile % tiling->tiles_across * TILE - 1;
    for (int i = 0; i < PATCH; i++)
        for (int j = 0; j < PATCH; j++) {
            int row = top + i, column = left + j;
            bool inside = row >= 0 && row < tiling->height && column >= 0 && column < tiling->width;
            size_t offset =
                ((size_t)row * (size_t)tiling->width + (size_t)column) * (size_t)tiling->channels;
            patch->at[i * PATCH + j] = inside ? x + offset : zeros;
            patch->mask[i * PATCH + j] = inside && mask ? mask + offset / LANES : no_bits;
        }
}

/* What becomes of a transformed patch's 16 channels: v is float or, if half, bfloat16. */
INLINE void store_patch(vec value, bool half, size_t at, void *v)
{
#ifdef __AVX512BF16__
    if (half) {
        __m256bh rounded = _mm512_cvtneps_pbh((__m512)value);
        memcpy((uint16_t *)v + at, &rounded, sizeof rounded);
        return;
    }
#endif
    (void)half;
    store((float *)v + at, value);
}

INLINE void input_channels(const struct patch *patch, bool masked, int channel, bool half, void *v,
                           size_t plane, size_t origin)
{
    vec d[PATCH][PATCH]; /* column, row */
    for (int j = 0; j < PATCH; j++) {
        for (int i = 0; i < PATCH; i++) {
            const float *from = patch->at[i * PATCH + j] + channel;
            d[j][i] = masked ? load_masked(from, patch->mask[i * PATCH + j][channel / LANES])
                             : load(from);
        }
        transform_input(d[j]);
    }
    for (int i = 0; i < PATCH; i++) {
        vec row[PATCH];
        for (int j = 0; j < PATCH; j++)
            row[j] = d[j][i];
        transform_input(row);
        for (int j = 0; j < PATCH; j++)
            store_patch(row[j], half, origin + (size_t)(i * PATCH + j) * plane + (size_t)channel,
                        v);
    }
}

INLINE void transform_tiles(const struct tiling *tiling, const float *x, const mask_word *mask,
                            int first, int last, bool half, void *v, size_t plane)
{
    int channels = tiling->channels;
    for (int tile = first; tile < last; tile++) {
        size_t origin = (size_t)(tile - first) * (size_t)channels;
        struct patch patch;
        locate_patch(tiling, x, mask, tile, &patch);
        if (mask)
            for (int c = 0; c < channels; c += LANES)
                input_channels(&patch, true, c, half, v, plane, origin);
        else
            for (int c = 0; c < channels; c += LANES)
                input_channels(&patch, false, c, half, v, plane, origin);
    }
}

static void winograd_input(const struct tiling *tiling, const float *x, const mask_word *mask,
                           int first, int last, float *v, size_t plane)
{
    transform_tiles(tiling, x, mask, first, last, false, v, plane);
}

INLINE void output_channels(const struct tiling *tiling, const float *m, size_t plane, int tile,
                            int channel, const struct epilogue *epilogue, float *y)
{
    vec columns[PATCH][TILE];
    for (int j = 0; j < PATCH; j++) {
        vec column[PATCH];
        for (int i = 0; i < PATCH; i++)
            column[i] = load(m + (size_t)(i * PATCH + j) * plane + channel);
        transform_output(column, columns[j]);
    }
    vec bias = epilogue->bias ? load(epilogue->bias + channel) : (vec){0};
    int top = tile / tiling->tiles_across * TILE, left = tile % tiling->tiles_across * TILE;
    int rows = tiling->height - top < TILE ? tiling->height - top : TILE;
    int across = tiling->width - left < TILE ? tiling->width - left : TILE;
    for (int i = 0; i < rows; i++) {
        vec row[PATCH], out[TILE];
        for (int j = 0; j < PATCH; j++)
            row[j] = columns[j][i];
        transform_output(row, out);
        size_t at =
            ((size_t)(top + i) * (size_t)tiling->width + (size_t)left) * (size_t)tiling->channels +
            (size_t)channel;
        for (int j = 0; j < across; j++, at += (size_t)tiling->channels) {
            vec sum = out[j] + bias;
            mask_word positive = passes_relu(sum);
            store(y + at, epilogue->relu ? blend(positive, sum, (vec){0}) : sum);
            if (epilogue->mask)
                epilogue->mask[at / LANES] = positive;
        }
    }
}

static void winograd_output(const struct tiling *tiling, const float *m, size_t plane, int first,
                            int last, const struct epilogue *epilogue, float *y)
{
    for (int tile = first; tile < last; tile++, m += tiling->channels)
        for (int c = 0; c < tiling->channels; c += LANES)
            output_channels(tiling, m, plane, tile, c, epilogue, y);
}

/* One dimension of G w G': three values to six, in double. */
INLINE void transform_weights(const double w[3], double u[PATCH])
{
    const double r = 1.41421356237309504880, sixth = 1.0 / 6.0;
    double even = w[1], odd1 = w[0] / r + w[2] * r, odd2 = w[0] * r + w[2] / r;
    u[0] = w[0];
    u[1] = sixth * (even + odd1);
    u[2] = sixth * (even - odd1);
    u[3] = sixth * (even + odd2);
    u[4] = sixth * (even - odd2);
    u[5] = w[2];
}

static void winograd_weights(const float *w, size_t stride, size_t count, float *u)
{
    for (size_t k = 0; k < count; k++) {
        double columns[3][PATCH];
        for (int j = 0; j < 3; j++) {
            double column[3];
            for (int i = 0; i < 3; i++)
                column[i] = (double)w[(size_t)(i * 3 + j) * stride + k];
            transform_weights(column, columns[j]);
        }
        for (int i = 0; i < PATCH; i++) {
            double row[3] = {columns[0][i], columns[1][i], columns[2][i]}, out[PATCH];
            transform_weights(row, out);
            for (int j = 0; j < PATCH; j++)
                u[(size_t)(i * PATCH + j) * stride + k] = (float)out[j];
        }
    }
}

#ifdef __AVX512BF16__

static void winograd_input_bf16(const struct tiling *tiling, const float *x, const mask_word *mask,
                                int first, int last, uint16_t *v, size_t plane)
{
    transform_tiles(tiling, x, mask, first, last, true, v, plane);
}

static void split_bf16(const float *x, const mask_word *mask, size_t count, uint16_t *hi,
                       uint16_t *lo)
{
    for (size_t i = 0; i < count; i += LANES) {
        vec value = mask ? load_masked(x + i, mask[i / LANES]) : load(x + i);
        __m256i high = (__m256i)_mm512_cvtneps_pbh((__m512)value);
        memcpy(hi + i, &high, sizeof high);
        if (!lo)
            continue;
        vec kept = (vec)_mm512_slli_epi32(_mm512_cvtepu16_epi32(high), 16);
        __m256i low = (__m256i)_mm512_cvtneps_pbh((__m512)(value - kept));
        memcpy(lo + i, &low, sizeof low);
    }
}

#endif

/* Chains of multiply-adds that hide each other's latency and fit the registers. */
#if defined __AVX512F__
enum { CHAINS = 16 };
#else
enum { CHAINS = 12 };
#endif

INLINE float sum_of_chains(const native chain[CHAINS])
{
    float sum = 0;
    for (int i = 0; i < CHAINS; i++)
        for (int k = 0; k < NATIVE; k++)
            sum += chain[i][k];
    return sum;
}

static float probe(long rounds)
{
    native chain[CHAINS], factor = (native){0} + 0.5f, term = (native){0} + 0.25f;
#pragma GCC unroll 16
    for (int i = 0; i < CHAINS; i++)
        chain[i] = (native){0} + (float)i;
    for (long r = 0; r < rounds; r++)
#pragma GCC unroll 16
        for (int i = 0; i < CHAINS; i++)
            chain[i] = chain[i] * factor + term;
    return sum_of_chains(chain);
}

#ifdef __AVX512BF16__

static float probe_bf16(long rounds)
{
    native chain[CHAINS];
    __m512bh factor = (__m512bh)_mm512_set1_epi32(0x00800080); /* tiny: sums stay finite */
#pragma GCC unroll 16
    for (int i = 0; i < CHAINS; i++)
        chain[i] = (native){0} + (float)i;
    for (long r = 0; r < rounds; r++)
#pragma GCC unroll 16
        for (int i = 0; i < CHAINS; i++)
            chain[i] = (native)_mm512_dpbf16_ps((__m512)chain[i], factor, factor);
    return sum_of_chains(chain);
}

#endif

static void finish(const float *x, size_t count, int channels, const struct epilogue *epilogue,
                   float *y)
{
    for (size_t at = 0; at < count; at += (size_t)channels)
        for (int c = 0; c < channels; c += LANES) {
            size_t i = at + (size_t)c;
            vec sum = load(x + i);
            if (epilogue->bias)
                sum += load(epilogue->bias + c);
            mask_word positive = passes_relu(sum);
            store(y + i, epilogue->relu ? blend(positive, sum, (vec){0}) : sum);
            if (epilogue->mask)
                epilogue->mask[i / LANES] = positive;
        }
}

static void mask_apply(const float *dy, const mask_word *mask, size_t count, float *dx)
{
    for (size_t i = 0; i < count; i += LANES)
        store(dx + i, load_masked(dy + i, mask[i / LANES]));
}

static void pool_max(const float *top, const float *bottom, int width, int channels, float *y,
                     mask_word *right, mask_word *lower)
{
    for (int j = 0; j < width / 2; j++)
        for (int c = 0; c < channels; c += LANES) {
            size_t in = (size_t)(2 * j) * (size_t)channels + (size_t)c;
            size_t out = (size_t)j * (size_t)channels + (size_t)c;
            vec a = load(top + in), b = load(top + in + channels);
            vec p = load(bottom + in), q = load(bottom + in + channels);
            mask_word upper_right = above(b, a), lower_right = above(q, p);
            vec upper_max = blend(upper_right, b, a), lower_max = blend(lower_right, q, p);
            mask_word below = above(lower_max, upper_max);
            store(y + out, blend(below, lower_max, upper_max));
            if (right) {
                right[out / LANES] =
                    (mask_word)((below & lower_right) | ((mask_word)~below & upper_right));
                lower[out / LANES] = below;
            }
        }
}

static void pool_avg(const float *top, const float *bottom, int width, int channels, float *y)
{
    for (int j = 0; j < width / 2; j++)
        for (int c = 0; c < channels; c += LANES) {
            size_t in = (size_t)(2 * j) * (size_t)channels + (size_t)c;
            vec upper = load(top + in) + load(top + in + channels);
            vec lower = load(bottom + in) + load(bottom + in + channels);
            store(y + (size_t)j * (size_t)channels + (size_t)c, 0.25f * (upper + lower));
        }
}

static void clear_odd_column(int width, int channels, float *top, float *bottom)
{
    if (width % 2) {
        size_t at = (size_t)(width - 1) * (size_t)channels;
        memset(top + at, 0, (size_t)channels * sizeof *top);
        memset(bottom + at, 0, (size_t)channels * sizeof *bottom);
    }
}

static void unpool_max(const float *dy, const mask_word *right, const mask_word *lower, int width,
                       int channels, float *top, float *bottom)
{
    for (int j = 0; j < width / 2; j++)
        for (int c = 0; c < channels; c += LANES) {
            size_t out = (size_t)j * (size_t)channels + (size_t)c;
            size_t in = (size_t)(2 * j) * (size_t)channels + (size_t)c;
            mask_word r = right[out / LANES], l = lower[out / LANES];
            store(top + in, load_masked(dy + out, (mask_word)(~r & ~l)));
            store(top + in + channels, load_masked(dy + out, (mask_word)(r & ~l)));
            store(bottom + in, load_masked(dy + out, (mask_word)(~r & l)));
            store(bottom + in + channels, load_masked(dy + out, (mask_word)(r & l)));
        }
    clear_odd_column(width, channels, top, bottom);
}

static void unpool_avg(const float *dy, int width, int channels, float *top, float *bottom)
{
    for (int j = 0; j < width / 2; j++)
        for (int c = 0; c < channels; c += LANES) {
            size_t in = (size_t)(2 * j) * (size_t)channels + (size_t)c;
            vec quarter = 0.25f * load(dy + (size_t)j * (size_t)channels + (size_t)c);
            store(top + in, quarter);
            store(top + in + channels, quarter);
            store(bottom + in, quarter);
            store(bottom + in + channels, quarter);
        }
    clear_odd_column(width, channels, top, bottom);
}

static double squared_distance(const float *f, const float *p, size_t count)
{
    double sum[LANES] = {0};
    for (size_t i = 0; i < count; i += LANES)
        for (int k = 0; k < LANES; k++) {
            double d = (double)f[i + (size_t)k] - (p ? (double)p[i + (size_t)k] : 0.0);
            sum[k] += d * d;
        }
    double total = 0;
    for (int k = 0; k < LANES; k++)
        total += sum[k];
    return total;
}

static void add_difference(const float *f, const float *p, float scale, size_t count, float *df)
{
    for (size_t i = 0; i < count; i += LANES)
        store(df + i, load(df + i) + scale * (load(f + i) - load(p + i)));
}

static double dot(const float *q, const double *g, size_t count)
{
    double sum[LANES] = {0}, total = 0;
    size_t whole = count / LANES * LANES;
    for (size_t i = 0; i < whole; i += LANES)
        for (size_t k = 0; k < LANES; k++)
            sum[k] += (double)q[i + k] * g[i + k];
    for (size_t i = whole; i < count; i++)
        sum[i - whole] += (double)q[i] * g[i];
    for (int k = 0; k < LANES; k++)
        total += sum[k];
    return total;
}

static void axpy(const float *q, double scale, size_t count, double *g)
{
    for (size_t i = 0; i < count; i++)
        g[i] += scale * (double)q[i];
}

extern const struct gram_kernels GRAM_TABLE;
extern const struct picture_kernels PICTURE_TABLE;
extern const struct product_kernels PRODUCT_TABLE;
extern const struct kernels KERNELS_TABLE;
const struct kernels KERNELS_TABLE = {
    .name = KERNELS_NAME,
    .gram = &GRAM_TABLE,
    .picture = &PICTURE_TABLE,
    .product = &PRODUCT_TABLE,
    .winograd_input = winograd_input,
#ifdef __AVX512BF16__
    .winograd_input_bf16 = winograd_input_bf16,
    .split_bf16 = split_bf16,
    .probe_bf16 = probe_bf16,
#endif
    .winograd_output = winograd_output,
    .winograd_weights = winograd_weights,
    .finish = finish,
    .mask_apply = mask_apply,
    .pool_max = pool_max,
    .pool_avg = pool_avg,
    .unpool_max = unpool_max,
    .unpool_avg = unpool_avg,
    .probe = probe,
    .probe_flop = 2.0 * NATIVE * CHAINS,
    .squared_distance = squared_distance,
    .add_difference = add_difference,
    .dot = dot,
    .axpy = axpy,
};
