/* The untrained network: He-normal kernels out of a counter-based generator.
 *
 * Weight i of a layer is made of three words, the outputs 3i, 3i+1 and 3i+2 of the splitmix64
 * stream of (seed, layer). Their twelve 16-bit parts, added up, have mean 12 * 65535 / 2 and
 * variance 12 * (2^32 - 1) / 12, so that (sum - mean) / 2^16 is a normal deviate to within a
 * kurtosis of 2.9, never beyond 6. It is an integer of 20 bits until the one rounded multiplication
 * at the end; the scale comes from an exactly rounded division and square root. Nothing depends on
 * the library, the instruction set, the threads or how many layers are asked for.
 * Source: He et al. 2015, eq. 10; Steele, Lea & Flood 2014 (splitmix64). */
#include "weights.h"

#include <math.h>
#include <string.h>

#define GOLDEN UINT64_C(0x9e3779b97f4a7c15)

static uint64_t mix(uint64_t x)
{
    x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
    return x ^ (x >> 31);
}

/* The four 16-bit parts, added up pairwise in two 32-bit lanes. */
static uint64_t pair_sums(uint64_t x)
{
    const uint64_t low_halves = UINT64_C(0x0000ffff0000ffff);
    return (x & low_halves) + ((x >> 16) & low_halves);
}

/* 65536 times a normal deviate. */
static int32_t deviate(uint64_t stream, uint64_t index)
{
    uint64_t state = stream + 3 * index * GOLDEN;
    uint64_t sums = 0;
    for (int word = 1; word <= 3; word++)
        sums += pair_sums(mix(state + (uint64_t)word * GOLDEN));
    return (int32_t)((sums & 0xffffffff) + (sums >> 32)) - 12 * 65535 / 2;
}

static void fill_kernel(uint64_t stream, int in, size_t count, float *kernel)
{
    const float scale = sqrtf(2.0f / (float)(9 * in)) / 65536.0f;
#pragma omp parallel for schedule(static)
    for (size_t i = 0; i < count; i++)
        kernel[i] = (float)deviate(stream, i) * scale;
}

void weights_random(uint64_t seed, struct vgg19_weights *weights)
{
    for (int i = 0; i < weights->convs; i++) {
        const struct vgg19_conv *c = &vgg19_convs[i];
        uint64_t stream = mix(mix(seed + GOLDEN) + (uint64_t)(i + 1) * GOLDEN);
        fill_kernel(stream, c->in, (size_t)9 * (size_t)c->in * (size_t)c->out, weights->kernel[i]);
        memset(weights->bias[i], 0, (size_t)c->out * sizeof *weights->bias[i]);
    }
}
