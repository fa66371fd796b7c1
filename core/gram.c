/* g is cut into tiles of GRAM_TILE x GRAM_TILE, of which those on and above the diagonal are
 * computed; f into blocks of 1024 positions. One task is one tile of one block: enough of them for
 * many threads at every layer (10 at 64 channels of 128 x 80 px, 144 at 512 channels of 64 x 64),
 * and each sum's order is fixed. A second pass adds up each tile's blocks in double and makes of
 * the tile whatever is wanted. Blocks go in waves, so that the scratch stays small however large
 * the picture is. */
#include "gram.h"

#include "bf16.h"
#include "kernels_gram.h"
#include <string.h>

enum { BLOCK = 1024, WAVE_TILES = 512, GRADIENT_COLUMNS = 64, TILE_AREA = GRAM_TILE * GRAM_TILE };
enum { BANDS = GRAM_TILE / LANES };

/* A tile: where it stands in g. */
struct tile {
    int row, column, rows, columns;
};

/* A Gram matrix in the making, and what is wanted of it: g, or target's distance and direction. */
struct gram {
    size_t positions;
    int channels;
    bool half;
    double *g;
    const double *target;
    double slope;
    void *direction;
    double *losses;  /* [tiles * BANDS] */
    double *sums;    /* [tiles][TILE_AREA]: of earlier waves */
    float *partials; /* [blocks in a wave][tiles][TILE_AREA] */
};

static int tiles_across(int channels) { return (channels + GRAM_TILE - 1) / GRAM_TILE; }

static size_t tile_count(int channels)
{
    size_t across = (size_t)tiles_across(channels);
    return across * (across + 1) / 2;
}

static size_t block_count(size_t positions) { return (positions + BLOCK - 1) / BLOCK; }

static size_t blocks_in_wave(size_t positions, int channels)
{
    size_t most = WAVE_TILES / tile_count(channels), blocks = block_count(positions);
    return blocks < most ? blocks : most;
}

static size_t losses_bytes(int channels)
{
    return (tile_count(channels) * BANDS * sizeof(double) + 63) / 64 * 64;
}

static size_t sums_bytes(size_t positions, int channels)
{
    bool waves = blocks_in_wave(positions, channels) < block_count(positions);
    return waves ? tile_count(channels) * TILE_AREA * sizeof(double) : 0;
}

size_t gram_scratch_bytes(size_t positions, int channels)
{
    return losses_bytes(channels) + sums_bytes(positions, channels) +
           blocks_in_wave(positions, channels) * tile_count(channels) * TILE_AREA * sizeof(float);
}

size_t gram_direction_bytes(int channels)
{
    return (size_t)channels * (size_t)channels * sizeof(float);
}

static bool rounds(enum arithmetic arithmetic)
{
    return arithmetic == ARITHMETIC_BF16 && kernels_get()->gram->tile_bf16;
}

static int extent(int first, int channels)
{
    return channels - first < GRAM_TILE ? channels - first : GRAM_TILE;
}

/* The k-th tile on or above the diagonal, row by row. */
static struct tile tile_at(size_t k, int channels)
{
    int across = tiles_across(channels), row = 0;
    for (; k >= (size_t)(across - row); row++)
        k -= (size_t)(across - row);
    struct tile tile = {.row = row * GRAM_TILE, .column = (row + (int)k) * GRAM_TILE};
    tile.rows = extent(tile.row, channels);
    tile.columns = extent(tile.column, channels);
    return tile;
}

/* --- one tile --- */

static void multiply_tile(const struct gram *gram, const float *f, size_t block, size_t k,
                          float *partial)
{
    const struct gram_kernels *kernels = kernels_get()->gram;
    struct tile tile = tile_at(k, gram->channels);
    size_t start = block * BLOCK;
    size_t count = gram->positions - start < BLOCK ? gram->positions - start : BLOCK;
    const float *at = f + start * (size_t)gram->channels;
    (gram->half ? kernels->tile_bf16 : kernels->tile)(
        at + tile.row, at + tile.column, count, gram->channels, tile.rows, tile.columns, partial);
}

/* --- what becomes of the sums: a band is LANES rows of a tile --- */

/* The k-th band. On the diagonal it begins there; its columns are 0 where the tile has no such
 * rows. */
static struct tile band_at(size_t k, int channels)
{
    struct tile band = tile_at(k / BANDS, channels);
    int down = (int)(k % BANDS) * LANES, skipped = band.row == band.column ? down : 0;
    band.columns = down < band.rows ? band.columns - skipped : 0;
    band.row += down;
    band.column += skipped;
    band.rows = LANES;
    return band;
}

static size_t at(int row, int column, int channels)
{
    return (size_t)row * (size_t)channels + (size_t)column;
}

/* sums, LANES rows of GRAM_TILE, = earlier waves' and, added in order, each block's of this one. */
static void add_blocks(const struct gram *gram, size_t origin, int columns, size_t first,
                       size_t now, double *sums)
{
    size_t stride = tile_count(gram->channels) * TILE_AREA;
    for (size_t row = 0; row < LANES * GRAM_TILE; row += GRAM_TILE)
        for (int j = 0; j < columns; j++)
            sums[row + (size_t)j] = first > 0 ? gram->sums[origin + row + (size_t)j] : 0;
    for (size_t b = 0; b < now; b++, origin += stride)
        for (size_t row = 0; row < LANES * GRAM_TILE; row += GRAM_TILE)
            for (int j = 0; j < columns; j++)
                sums[row + (size_t)j] += (double)gram->partials[origin + row + (size_t)j];
}

static void keep_sums(const struct gram *gram, size_t origin, int columns, const double *sums)
{
    for (size_t row = 0; row < LANES * GRAM_TILE; row += GRAM_TILE)
        memcpy(gram->sums + origin + row, sums + row, (size_t)columns * sizeof *sums);
}

static void write_matrix(double *g, int channels, struct tile band, const double *values)
{
    for (int i = 0; i < LANES; i++)
        for (int j = 0; j < band.columns; j++) {
            g[at(band.row + i, band.column + j, channels)] = values[i * GRAM_TILE + j];
            g[at(band.column + j, band.row + i, channels)] = values[i * GRAM_TILE + j];
        }
}

/* A square of LANES x LANES of a direction; value (i, j) stands at [i * down + j * across]. */
static void write_square(void *direction, int row, int column, int channels, bool half,
                         const float *values, size_t down, size_t across)
{
    uint16_t *pairs = (uint16_t *)direction + packed_bf16_at(row, column, channels, channels);
    float *to = (float *)direction + packed_at(row, column, channels, channels);
    size_t step =
        packed_at(1, column, channels, channels) - packed_at(0, column, channels, channels);
    for (size_t i = 0; i < LANES; i++)
        for (size_t j = 0; j < LANES; j++)
            if (half)
                pairs[i / 2 * step * 2 + j * 2 + i % 2] = bf16_of(values[i * down + j * across]);
            else
                to[i * step + j] = values[i * down + j * across];
}

/* slope * differences, and their mirror image. */
static void write_direction(const struct gram *gram, struct tile band, const double *differences)
{
    float values[LANES * GRAM_TILE];
    for (size_t row = 0; row < LANES * GRAM_TILE; row += GRAM_TILE)
        for (int j = 0; j < band.columns; j++)
            values[row + (size_t)j] = (float)(gram->slope * differences[row + (size_t)j]);
    for (int j = 0; j < band.columns; j += LANES) {
        write_square(gram->direction, band.row, band.column + j, gram->channels, gram->half,
                     values + j, GRAM_TILE, 1);
        if (band.row != band.column + j)
            write_square(gram->direction, band.column + j, band.row, gram->channels, gram->half,
                         values + j, 1, GRAM_TILE);
    }
}

/* values become differences from the target. Returns the band's part of the sum of their squares,
 * its mirror image included. */
static double compare_band(const struct gram *gram, struct tile band, double *values)
{
    bool diagonal = band.row == band.column && band.columns > 0;
    int square = diagonal ? LANES : 0; /* columns that are their own mirror image */
    double total = 0;
    for (int i = 0; i < LANES; i++) {
        const double *target = gram->target + at(band.row + i, band.column, gram->channels);
        double *row = values + i * GRAM_TILE, once = 0, twice = 0;
        for (int j = 0; j < band.columns; j++)
            row[j] -= target[j];
        for (int j = 0; j < square; j++)
            once += row[j] * row[j];
        for (int j = square; j < band.columns; j++)
            twice += row[j] * row[j];
        total += once + 2 * twice;
    }
    return total;
}

/* A band's wave is computed: `now` blocks, `last` if no other comes. */
static void finish_band(const struct gram *gram, size_t k, size_t first, size_t now, bool last)
{
    double values[LANES * GRAM_TILE];
    struct tile band = band_at(k, gram->channels);
    size_t origin =
        k / BANDS * TILE_AREA + at(band.row % GRAM_TILE, band.column % GRAM_TILE, GRAM_TILE);
    add_blocks(gram, origin, band.columns, first, now, values);
    if (!last) {
        keep_sums(gram, origin, band.columns, values);
        return;
    }
    for (size_t row = 0; row < LANES * GRAM_TILE; row += GRAM_TILE)
        for (int j = 0; j < band.columns; j++)
            values[row + (size_t)j] *= 1 / (double)gram->positions;
    if (gram->g) {
        write_matrix(gram->g, gram->channels, band, values);
        return;
    }
    gram->losses[k] = compare_band(gram, band, values);
    write_direction(gram, band, values);
}

/* --- the whole --- */

static void make(struct gram *gram, const float *f, void *scratch)
{
    size_t positions = gram->positions, tiles = tile_count(gram->channels);
    size_t blocks = block_count(positions), wave = blocks_in_wave(positions, gram->channels);
    gram->losses = scratch;
    gram->sums = (double *)((char *)scratch + losses_bytes(gram->channels));
    gram->partials = (float *)((char *)gram->sums + sums_bytes(positions, gram->channels));
    for (size_t first = 0; first < blocks; first += wave) {
        size_t now = blocks - first < wave ? blocks - first : wave;
#pragma omp parallel
        {
#pragma omp for schedule(dynamic, 1)
            for (size_t task = 0; task < now * tiles; task++)
                multiply_tile(gram, f, first + task / tiles, task % tiles,
                              gram->partials + task * TILE_AREA);
#pragma omp for schedule(dynamic, 1)
            for (size_t k = 0; k < tiles * BANDS; k++)
                finish_band(gram, k, first, now, first + now == blocks);
        }
    }
}

void gram_matrix(const float *f, size_t positions, int channels, enum arithmetic arithmetic,
                 double *g, void *scratch)
{
    struct gram gram = {
        .positions = positions, .channels = channels, .half = rounds(arithmetic), .g = g};
    make(&gram, f, scratch);
}

double gram_compare(const float *f, size_t positions, int channels, enum arithmetic arithmetic,
                    const double *target, double slope, void *direction, void *scratch)
{
    struct gram gram = {.positions = positions,
                        .channels = channels,
                        .half = rounds(arithmetic),
                        .target = target,
                        .slope = slope,
                        .direction = direction};
    double sum = 0;
    make(&gram, f, scratch);
    for (size_t k = 0; k < tile_count(channels) * BANDS; k++)
        sum += gram.losses[k];
    return sum;
}

void gram_direction(const float *d, int channels, enum arithmetic arithmetic, void *direction)
{
    for (int i = 0; i < channels; i += LANES)
        for (int j = 0; j < channels; j += LANES)
            write_square(direction, i, j, channels, rounds(arithmetic), d + at(i, j, channels),
                         (size_t)channels, 1);
}

/* One task is a few rows and columns of df. */
void gram_gradient(const float *f, const void *direction, size_t positions, int channels,
                   enum arithmetic arithmetic, float *df)
{
    const struct gram_kernels *kernels = kernels_get()->gram;
    bool half = rounds(arithmetic);
    size_t parts = (size_t)(channels + GRADIENT_COLUMNS - 1) / GRADIENT_COLUMNS;
    size_t tasks = (positions + GRAM_ROWS - 1) / GRAM_ROWS * parts;
#pragma omp parallel for schedule(dynamic, 1)
    for (size_t task = 0; task < tasks; task++) {
        size_t row = task / parts * GRAM_ROWS, origin = row * (size_t)channels;
        int rows = (int)(positions - row < GRAM_ROWS ? positions - row : GRAM_ROWS);
        int first = (int)(task % parts) * GRADIENT_COLUMNS;
        int last = first + GRADIENT_COLUMNS < channels ? first + GRADIENT_COLUMNS : channels;
        if (half)
            kernels->gradient_bf16(f + origin, rows, channels, direction, first, last, df + origin);
        else
            kernels->gradient(f + origin, rows, channels, direction, first, last, df + origin);
    }
}

void gram_matrix_ref(const float *f, size_t positions, int channels, double *g)
{
    for (int i = 0; i < channels; i++)
        for (int j = 0; j < channels; j++) {
            double sum = 0;
            for (size_t p = 0; p < positions; p++)
                sum += (double)f[p * (size_t)channels + (size_t)i] *
                       (double)f[p * (size_t)channels + (size_t)j];
            g[(size_t)i * (size_t)channels + (size_t)j] = sum / (double)positions;
        }
}
