/* bfloat16: the upper half of a float32. */
#ifndef ATELIER_BF16_H
#define ATELIER_BF16_H

#include <stdint.h>
#include <string.h>

/* The nearest bfloat16, ties to even, of a finite number. */
static inline uint16_t bf16_of(float x)
{
    uint32_t bits;
    memcpy(&bits, &x, sizeof bits);
    return (uint16_t)((bits + 0x7fff + (bits >> 16 & 1)) >> 16);
}

static inline float bf16_to_float(uint16_t half)
{
    uint32_t bits = (uint32_t)half << 16;
    float x;
    memcpy(&x, &bits, sizeof x);
    return x;
}

#endif
