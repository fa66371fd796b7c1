/* Whether two files hold the same network, perhaps with its kernels stored in another order. */
#ifndef ATELIER_COMPARE_H
#define ATELIER_COMPARE_H

#include "digest.h"
#include "vgg19.h"

/* How a kernel's elements may have been reordered; combinations are sums. */
enum kernel_change {
    KERNEL_SAME = 0,
    KERNEL_CHANNELS = 1,   /* input channels reversed: RGB for BGR */
    KERNEL_TRANSPOSED = 2, /* rows and columns swapped */
    KERNEL_TURNED = 4,     /* by 180 degrees: convolution for cross-correlation */
    KERNEL_CHANGES = 8
};

struct comparison {
    bool kernel_equal, bias_equal; /* bit for bit */
    int change;                    /* what makes the kernel equal, if anything does */
    double largest;                /* largest |difference| of the kernels as they are */
};

/* Compares convolution `conv` of two networks of which it is loaded, as their files have it. */
struct comparison weights_compare(const struct vgg19_weights *a, const struct vgg19_weights *b,
                                  int conv);

/* "equal after reversing the input channels (RGB and BGR)", for people. */
const char *kernel_change_name(int change);

/* SHA-256 over kernels [3][3][in][out] and biases of all loaded layers as little-endian float32:
 * the same for every container that holds the same numbers. Allocates no copy; 80 MB for all 16. */
int weights_digest(const struct vgg19_weights *weights, char hex[DIGEST_HEX], struct error *err);

#endif
