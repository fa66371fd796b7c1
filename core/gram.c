/* g is cut into panels of at most 128 x 128, of which those on and above the diagonal are computed;
 * f into blocks of 4096 positions. One task is one panel of one block: enough of them for many
 * threads at every layer, and each sum's order is fixed. Blocks go in waves, so that the scratch
 * stays small however large the picture is. */
#include "gram.h"

#include <cblas.h>

enum { BLOCK = 4096, PANEL = 128, WAVE_FLOATS = 4 << 20, GRADIENT_ROWS = 512 };

static int panels_across(int channels) { return (channels + PANEL - 1) / PANEL; }

static size_t block_count(size_t positions) { return (positions + BLOCK - 1) / BLOCK; }

static size_t blocks_in_wave(size_t positions, int channels)
{
    size_t area = (size_t)channels * (size_t)channels;
    size_t most = WAVE_FLOATS / area > 0 ? WAVE_FLOATS / area : 1;
    size_t blocks = block_count(positions);
    return blocks < most ? blocks : most;
}

size_t gram_scratch_bytes(size_t positions, int channels)
{
    return blocks_in_wave(positions, channels) * (size_t)channels * (size_t)channels *
           sizeof(float);
}

/* The k-th panel on or above the diagonal, row by row. */
static void panel_at(int k, int across, int *row, int *column)
{
    for (*row = 0; k >= across - *row; (*row)++)
        k -= across - *row;
    *column = *row + k;
}

static int extent(int panel, int channels)
{
    int left = channels - panel * PANEL;
    return left < PANEL ? left : PANEL;
}

/* partial[channels][channels]: one panel of f' f over one block. */
static void multiply_panel(const float *f, size_t positions, int channels, int row, int column,
                           float *partial)
{
    cblas_sgemm(
        CblasRowMajor, CblasTrans, CblasNoTrans, extent(row, channels), extent(column, channels),
        (int)positions, 1, f + (size_t)row * PANEL, channels, f + (size_t)column * PANEL, channels,
        0, partial + (size_t)row * PANEL * (size_t)channels + (size_t)column * PANEL, channels);
}

/* g's row i, right of the diagonal, += the same row of every partial. */
static void add_row(const float *partials, size_t blocks, int channels, int i, double *g)
{
    size_t area = (size_t)channels * (size_t)channels, row = (size_t)i * (size_t)channels;
    for (size_t b = 0; b < blocks; b++)
        for (int j = i; j < channels; j++)
            g[row + (size_t)j] += (double)partials[b * area + row + (size_t)j];
}

static void mirror_and_scale(double *g, int channels, double scale)
{
    for (int i = 0; i < channels; i++)
        for (int j = i; j < channels; j++) {
            double value = g[(size_t)i * (size_t)channels + (size_t)j] * scale;
            g[(size_t)i * (size_t)channels + (size_t)j] = value;
            g[(size_t)j * (size_t)channels + (size_t)i] = value;
        }
}

void gram_matrix(const float *f, size_t positions, int channels, double *g, void *scratch)
{
    size_t area = (size_t)channels * (size_t)channels;
    size_t blocks = block_count(positions), wave = blocks_in_wave(positions, channels);
    int across = panels_across(channels), panels = across * (across + 1) / 2;
    float *partials = scratch;
    for (size_t i = 0; i < area; i++)
        g[i] = 0;
    for (size_t first = 0; first < blocks; first += wave) {
        size_t now = blocks - first < wave ? blocks - first : wave;
#pragma omp parallel for schedule(dynamic, 1)
        for (size_t task = 0; task < now * (size_t)panels; task++) {
            size_t block = first + task / (size_t)panels, start = block * BLOCK;
            size_t count = positions - start < BLOCK ? positions - start : BLOCK;
            int row, column;
            panel_at((int)(task % (size_t)panels), across, &row, &column);
            multiply_panel(f + start * (size_t)channels, count, channels, row, column,
                           partials + (block - first) * area);
        }
#pragma omp parallel for schedule(dynamic, 8)
        for (int i = 0; i < channels; i++)
            add_row(partials, now, channels, i, g);
    }
    mirror_and_scale(g, channels, 1.0 / (double)positions);
}

void gram_gradient(const float *f, const float *d, size_t positions, int channels, float *df)
{
#pragma omp parallel for schedule(dynamic, 1)
    for (size_t first = 0; first < positions; first += GRADIENT_ROWS) {
        size_t rows = positions - first < GRADIENT_ROWS ? positions - first : GRADIENT_ROWS;
        cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, (int)rows, channels, channels, 1,
                    f + first * (size_t)channels, channels, d, channels, 1,
                    df + first * (size_t)channels, channels);
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
