/* Classical Gram-Schmidt, a second time where cancellation asks for it ("twice is enough": Giraud,
 * Langou & Rozloznik 2005). The basis is float32, sums are double: coordinates are good to 1e-7,
 * which is below what a float32 network leaves of a gradient. Each pass walks the pictures in
 * blocks that stay in the cache while the basis streams by; partial sums are added in order. */
#include "subspace.h"

#include "kernels.h"
#include "memory.h"
#include <assert.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 2048 };

struct subspace {
    size_t count, blocks;
    int most, kept, used;
    float *basis;     /* [most][count], of them `used`: `kept` to stay, one perhaps on trial */
    double *partials; /* [blocks][most + 1] */
    double *second;   /* [most], coordinates that the first projection missed */
};

static size_t blocks_of(size_t count) { return (count + BLOCK - 1) / BLOCK; }

static size_t block_length(const struct subspace *s, size_t block)
{
    size_t left = s->count - block * BLOCK;
    return left < BLOCK ? left : BLOCK;
}

static float *basis_block(const struct subspace *s, int vector, size_t block)
{
    return s->basis + (size_t)vector * s->count + block * BLOCK;
}

int subspace_new(size_t count, int most, struct subspace **space, struct error *err)
{
    struct subspace *s = calloc(1, sizeof *s);
    if (s) {
        *s = (struct subspace){.count = count, .blocks = blocks_of(count), .most = most};
        s->basis = floats_new(count * (size_t)most);
        s->partials = malloc(s->blocks * (size_t)(most + 1) * sizeof *s->partials);
        s->second = malloc((size_t)most * sizeof *s->second);
    }
    if (!s || !s->basis || !s->partials || !s->second) {
        subspace_free(s);
        return fail(err, E_ENVIRONMENT, "not enough memory for %d gradients", most);
    }
    *space = s;
    return 0;
}

void subspace_free(struct subspace *s)
{
    if (!s)
        return;
    free(s->basis);
    free(s->partials);
    free(s->second);
    free(s);
}

uint64_t subspace_bytes(size_t count, int most)
{
    return (uint64_t)count * (uint64_t)most * sizeof(float) +
           (uint64_t)blocks_of(count) * (uint64_t)(most + 1) * sizeof(double);
}

void subspace_clear(struct subspace *s) { s->kept = s->used = 0; }

int subspace_keep(struct subspace *s)
{
    s->kept = s->used;
    return s->kept < s->most;
}

/* A block of g, or of the vector on trial where g is NULL. */
static void load(const struct subspace *s, const double *g, size_t block, double *values)
{
    size_t length = block_length(s, block);
    if (g) {
        memcpy(values, g + block * BLOCK, length * sizeof *values);
        return;
    }
    const float *trial = basis_block(s, s->kept, block);
    for (size_t i = 0; i < length; i++)
        values[i] = (double)trial[i];
}

/* The sum over blocks of what stands in one column of the partial sums. */
static double total(const struct subspace *s, int column)
{
    double sum = 0;
    for (size_t b = 0; b < s->blocks; b++)
        sum += s->partials[b * (size_t)(s->most + 1) + (size_t)column];
    return sum;
}

/* along[kept] = coordinates of g, or of the vector on trial. */
static void project(const struct subspace *s, const double *g, double *along)
{
    const struct kernels *kernels = kernels_get();
#pragma omp parallel for schedule(static)
    for (size_t b = 0; b < s->blocks; b++) {
        double values[BLOCK], *partials = s->partials + b * (size_t)(s->most + 1);
        load(s, g, b, values);
        for (int i = 0; i < s->kept; i++)
            partials[i] = kernels->dot(basis_block(s, i, b), values, block_length(s, b));
    }
    for (int i = 0; i < s->kept; i++)
        along[i] = total(s, i);
}

/* The vector on trial = g, or itself, less what lies along the basis. The norm of what is left. */
static double subtract(const struct subspace *s, const double *g, const double *along)
{
    const struct kernels *kernels = kernels_get();
#pragma omp parallel for schedule(static)
    for (size_t b = 0; b < s->blocks; b++) {
        double values[BLOCK], square = 0;
        float *trial = basis_block(s, s->kept, b);
        load(s, g, b, values);
        for (int i = 0; i < s->kept; i++)
            kernels->axpy(basis_block(s, i, b), -along[i], block_length(s, b), values);
        for (size_t i = 0; i < block_length(s, b); i++) {
            trial[i] = (float)values[i];
            square += values[i] * values[i];
        }
        s->partials[b * (size_t)(s->most + 1)] = square;
    }
    return sqrt(total(s, 0));
}

static void normalise(const struct subspace *s, double norm)
{
#pragma omp parallel for schedule(static)
    for (size_t b = 0; b < s->blocks; b++) {
        float *trial = basis_block(s, s->kept, b);
        for (size_t i = 0; i < block_length(s, b); i++)
            trial[i] = (float)((double)trial[i] / norm);
    }
}

static double norm_of(const double *along, int count)
{
    double square = 0;
    for (int i = 0; i < count; i++)
        square += along[i] * along[i];
    return sqrt(square);
}

void subspace_add(struct subspace *s, const double *g, double *along)
{
    const double cancelled = 0.03, nothing = 1e-7; /* of the whole */
    assert(s->kept < s->most);
    memset(along, 0, (size_t)s->most * sizeof *along);
    project(s, g, along);
    double inside = norm_of(along, s->kept), rest = subtract(s, g, along);
    if (rest < cancelled * inside) {
        project(s, NULL, s->second);
        rest = subtract(s, NULL, s->second);
        for (int i = 0; i < s->kept; i++)
            along[i] += s->second[i];
    }
    s->used = s->kept;
    if (!(rest > nothing * inside))
        return;
    normalise(s, rest);
    along[s->used++] = rest;
}

void subspace_move(const struct subspace *s, const double *origin, const double *move, double *x)
{
    const struct kernels *kernels = kernels_get();
#pragma omp parallel for schedule(static)
    for (size_t b = 0; b < s->blocks; b++) {
        double *values = x + b * BLOCK;
        if (x != origin)
            memcpy(values, origin + b * BLOCK, block_length(s, b) * sizeof *values);
        for (int i = 0; i < s->used; i++)
            if (move[i] != 0)
                kernels->axpy(basis_block(s, i, b), move[i], block_length(s, b), values);
    }
}
