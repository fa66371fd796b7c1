#include "compare.h"

#include <math.h>
#include <string.h>

static size_t kernel_floats(int conv)
{
    return (size_t)9 * (size_t)vgg19_convs[conv].in * (size_t)vgg19_convs[conv].out;
}

/* Tap 0..8 of the changed kernel, in the original. */
static int original_tap(int tap, int change)
{
    int row = tap / 3, column = tap % 3;
    if (change & KERNEL_TURNED) {
        row = 2 - row;
        column = 2 - column;
    }
    return change & KERNEL_TRANSPOSED ? column * 3 + row : row * 3 + column;
}

/* Rows of [out] floats stay together in every change, so they are compared whole. */
static bool equal_after(const float *a, const float *b, int conv, int change)
{
    size_t in = (size_t)vgg19_convs[conv].in, out = (size_t)vgg19_convs[conv].out;
    for (int tap = 0; tap < 9; tap++)
        for (size_t i = 0; i < in; i++) {
            size_t from = change & KERNEL_CHANNELS ? in - 1 - i : i;
            if (memcmp(a + ((size_t)tap * in + i) * out,
                       b + ((size_t)original_tap(tap, change) * in + from) * out,
                       out * sizeof *a) != 0)
                return false;
        }
    return true;
}

static double largest_difference(const float *a, const float *b, size_t count)
{
    double largest = 0;
    for (size_t i = 0; i < count; i++)
        largest = fmax(largest, fabs((double)a[i] - (double)b[i]));
    return largest;
}

struct comparison weights_compare(const struct vgg19_weights *a, const struct vgg19_weights *b,
                                  int conv)
{
    struct comparison result = {0};
    size_t bias_bytes = (size_t)vgg19_convs[conv].out * sizeof(float);
    result.bias_equal = memcmp(a->bias[conv], b->bias[conv], bias_bytes) == 0;
    result.largest = largest_difference(a->kernel[conv], b->kernel[conv], kernel_floats(conv));
    for (int change = 0; change < KERNEL_CHANGES && !result.kernel_equal; change++)
        if (equal_after(a->kernel[conv], b->kernel[conv], conv, change)) {
            result.kernel_equal = true;
            result.change = change;
        }
    return result;
}

const char *kernel_change_name(int change)
{
    static const char *const names[KERNEL_CHANGES] = {
        "equal",
        "equal after reversing the input channels (RGB and BGR)",
        "equal after swapping rows and columns",
        "equal after swapping rows and columns and reversing the input channels",
        "equal after turning by 180 degrees",
        "equal after turning by 180 degrees and reversing the input channels",
        "equal after turning by 180 degrees and swapping rows and columns",
        "equal after turning, swapping and reversing the input channels",
    };
    return names[change];
}

int weights_digest(const struct vgg19_weights *weights, char hex[DIGEST_HEX], struct error *err)
{
    struct digest_part parts[2 * VGG19_CONVS];
    size_t count = 0;
    for (int i = 0; i < weights->convs; i++) {
        size_t out = (size_t)vgg19_convs[i].out;
        parts[count++] = (struct digest_part){weights->kernel[i], kernel_floats(i) * sizeof(float)};
        parts[count++] = (struct digest_part){weights->bias[i], out * sizeof(float)};
    }
    return digest_parts(parts, count, hex, err);
}
