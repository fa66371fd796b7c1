/* What this kind of machine takes for each part of a render, in seconds, measured on the machine
 * itself within a few seconds and kept in the user's cache folder. cost.h turns it into
 * predictions.
 *
 * Convolutions and Gram matrices are timed inside a whole network, layer by layer, at four sizes:
 * engine, precision, cache and bandwidth are in the numbers, not in a formula. */
#ifndef ATELIER_CALIBRATION_H
#define ATELIER_CALIBRATION_H

#include "clock.h"
#include "error.h"
#include "vgg19.h"
#include <stdbool.h>
#include <stddef.h>

enum { CALIBRATION_SIZES = 4, CALIBRATION_PRECISIONS = 2 }; /* f32, bf16 */
extern const int calibration_sides[CALIBRATION_SIZES];      /* px, of square pictures */

/* One layer at each size. Pooling counts towards the convolution after it. */
struct layer_seconds {
    double forward[CALIBRATION_SIZES], backward[CALIBRATION_SIZES];
};

struct calibration {
    char machine[512];     /* processor, processors, numerics; see calibration_key */
    char date[CLOCK_TEXT]; /* when it was measured, UTC */
    int threads;           /* of one render */
    int workers; /* renders at work beside each other while it was measured, this included */
    bool measured[CALIBRATION_PRECISIONS];
    struct layer_seconds conv[CALIBRATION_PRECISIONS][VGG19_CONVS];
    struct layer_seconds gram[CALIBRATION_PRECISIONS][VGG19_CONVS]; /* at its own channels */
    double
        prepare[CALIBRATION_PRECISIONS]; /* per kernel value: weights made ready for the engine */
    double builtin;                      /* per kernel value: the built-in network read */
    double content;                      /* per feature value: content loss and gradient */
    double pixel; /* per value of the picture: total variation, norm, conversions */
    double lbfgs_outer, lbfgs_step, lbfgs_gradient; /* per value: an outer iteration, a step, and
                                                     * of each gradient before it */
    double adam_step;                               /* per value */
    double touch;                                   /* per byte of memory: its first touch */
    double decode, encode, digest;                  /* per byte of RGB; per byte of a file */
    double launch;                                  /* of the program */
};

/* What the numbers belong to: processor, processors, build and numerics fingerprint. Text of one
 * line. */
void calibration_key(const char *version, char *text, size_t size);

/* Measures. workers - 1 child processes do the same work meanwhile, as in a batch, and are gone
 * afterwards. Uses threads_count() threads. Must come before the process's first parallel region
 * when workers > 1: it forks. Errors: E_ENVIRONMENT (memory, a temporary file). */
int calibration_measure(const char *version, int workers, struct calibration *out,
                        struct error *err);

/* JSON, whole or not at all. Errors: E_INPUT: not ours, another schema; E_ENVIRONMENT. */
int calibration_write(const char *path, const struct calibration *calibration, struct error *err);
int calibration_read(const char *path, struct calibration *out, struct error *err);

/* The one in the cache folder for this machine and build, threads_count() and workers, if any. */
bool calibration_kept(const char *version, int workers, struct calibration *out);

/* The same, or else the one whose threads, and then workers, come nearest. */
bool calibration_nearest(const char *version, int threads, int workers, struct calibration *out);

/* Measures, and keeps it in the cache folder if that takes it. Errors: as calibration_measure. */
int calibration_renew(const char *version, int workers, struct calibration *out, struct error *err);

#endif
