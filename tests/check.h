/* What the tests share: a seeded generator of numbers, and errors with their place. */
#ifndef ATELIER_CHECK_H
#define ATELIER_CHECK_H

#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#undef fail /* core/error.h has its own */

/* Uniform in [-1, 1), from the counter alone. */
static inline float noise_at(uint64_t seed, uint64_t i)
{
    uint64_t z = (seed * 0x9e3779b97f4a7c15u) ^ (i + 0x632be59bd9b4e019u);
    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    z ^= z >> 31;
    return (float)((double)(z >> 40) / (double)(1 << 23) - 1.0);
}

static inline float *noise_new(uint64_t seed, size_t count, float scale)
{
    float *values = aligned_alloc(64, (count * sizeof *values + 63) / 64 * 64);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++)
        values[i] = scale * noise_at(seed, i);
    return values;
}

/* A buffer whose unwritten elements show: NaN everywhere. */
static inline float *nan_new(size_t count)
{
    float *values = aligned_alloc(64, (count * sizeof *values + 63) / 64 * 64);
    assert_non_null(values);
    for (size_t i = 0; i < count; i++)
        values[i] = NAN;
    return values;
}

/* Scratch that holds junk. */
static inline void *junk_new(size_t bytes)
{
    void *memory = aligned_alloc(64, (bytes + 127) / 64 * 64);
    assert_non_null(memory);
    memset(memory, 0xA5, (bytes + 127) / 64 * 64);
    return memory;
}

/* The largest |got - want| over the largest |want|; NaN counts as infinite. Fails above limit. */
static inline void assert_near(const char *what, const float *got, const float *want, size_t count,
                               double limit)
{
    double largest = 0, scale = 0;
    size_t where = 0;
    for (size_t i = 0; i < count; i++) {
        double error = fabs((double)got[i] - (double)want[i]);
        if (!(error <= largest)) {
            largest = isnan(error) ? HUGE_VAL : error;
            where = i;
        }
        scale = fmax(scale, fabs((double)want[i]));
    }
    if (!(largest <= limit * scale)) {
        print_error("%s: largest error %.3g of %.3g (%.2g) at %zu of %zu: got %g, expected %g\n",
                    what, largest, scale, largest / scale, where, count, (double)got[where],
                    (double)want[where]);
        assert_true(largest <= limit * scale);
    }
    print_message("%s: largest error %.2g of max |value| (limit %.2g)\n", what, largest / scale,
                  limit);
}

#endif
