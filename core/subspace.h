/* A search in few dimensions. L-BFGS takes nothing of vectors but sums and dot products, and starts
 * from a multiple of the identity: every picture it visits is the start plus a sum of gradients.
 * So it may be run on coordinates along an orthonormal basis of those gradients. It is the same
 * search; liblbfgs, serial and in double, then has vectors as long as there are steps instead of
 * pixels, and what is done with pixels is done here, by all threads, on floats.
 *
 * Life cycle: subspace_new; for each search subspace_clear, then in turns subspace_add (what was
 * computed) and subspace_move (where to compute next); subspace_keep when an evaluation's gradient
 * belongs to the search; else its part of the basis goes with the next one. */
#ifndef ATELIER_SUBSPACE_H
#define ATELIER_SUBSPACE_H

#include "error.h"
#include <stddef.h>
#include <stdint.h>

struct subspace;

/* For vectors of `count` values, at most `most` of them. Errors: E_ENVIRONMENT.
 * Memory: subspace_bytes, of which the basis is touched as it grows. Owned: subspace_free. */
int subspace_new(size_t count, int most, struct subspace **space, struct error *err);
void subspace_free(struct subspace *space);
uint64_t subspace_bytes(size_t count, int most);

/* Forgets the basis. */
void subspace_clear(struct subspace *space);

/* Coordinates of g[count], along[most], zeros behind; what of g is outside of the basis becomes its
 * newest vector. Threads: OpenMP inside, the same bits with any number. */
void subspace_add(struct subspace *space, const double *g, double *along);

/* The newest vector is there to stay. False where there is no room for another. */
int subspace_keep(struct subspace *space);

/* x = origin + the vector with coordinates move[most]. x may be origin. */
void subspace_move(const struct subspace *space, const double *origin, const double *move,
                   double *x);

#endif
