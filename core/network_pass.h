/* What stands behind network.h: a network, and a pass of it as it is laid out (network_layout.c)
 * and run (network_run.c). Included by those and network.c only. */
#ifndef ATELIER_NETWORK_PASS_H
#define ATELIER_NETWORK_PASS_H

#include "kernels.h"
#include "network.h"

struct network {
    int convs, pooling;
    enum arithmetic arithmetic;
    float mean[3];
    struct conv *conv[VGG19_CONVS];
};

/* Rows first .. last - 1 of a picture, and what a convolution needs to compute them: from .. to -
 * 1, a row more on either side, the outputs of which are wrong and not used. Strips of a kind have
 * the same number of rows; the only one of a low picture is a bottom. */
enum strip_kind { STRIP_TOP, STRIP_MIDDLE, STRIP_BOTTOM, STRIP_KINDS };
struct strip {
    enum strip_kind kind;
    int first, last, from, to;
};

/* Where a tensor lives: one of two working buffers, a place of its own, or nowhere as a whole. */
enum slot { WORK_A, WORK_B, KEPT, IN_STRIPS };

/* Rows of a strip of conv1_2, at most; even for the pooling. With a row more on either side they
 * are whole Winograd tiles. */
enum { STRIP_ROWS = 62, STRIPPED = 1 };

/* relu1_1 is computed again where it has more values than this: beyond so many px square. */
enum { KEPT_MOST_F32 = 64 * 724 * 724, KEPT_MOST_BF16 = 64 * SMALL_SIDE * SMALL_SIDE };

/* A tensor on the way forward; tap is the caller's index, -1 where nobody looks. */
struct tensor {
    enum slot slot;
    int tap;
    float *kept;
};

/* One convolution and what follows it up to the next. */
struct stage {
    int height, width; /* of the convolution */
    int in, out;
    bool rectifies, pools;                /* whether anything beyond asks for it */
    bool strips;                          /* computed in strips */
    bool again;                           /* relu is computed again on the way back */
    struct conv_plan *plan;               /* of the whole; NULL while only memory is counted */
    struct conv_plan *strip[STRIP_KINDS]; /* where it is computed in strips, too or only */
    struct tensor conv, relu, pool;
    mask_word *mask;          /* [height][width][out], bits */
    mask_word *right, *lower; /* [height / 2][width / 2][out], bits: max-pooling choices */
};

struct network_pass {
    const struct network *network;
    int height, width, stages, pooling;
    enum arithmetic arithmetic;
    bool backward;
    struct stage stage[VGG19_CONVS];
    size_t work_floats[2];
    float *work[2];
    int start;                    /* the working buffer of the deepest gradient */
    float *strip, *strip_picture; /* one strip of 64 channels, of the picture */
    float *row;                   /* a row of 64 channels, set aside */
    mask_word *row_mask;
    void *scratch;
    void *memory;
    const float *picture; /* of the last forward */
};

/* The next strip of a map; false after the last. Starts with a strip of zeros. */
bool strip_next(int height, struct strip *strip);

/* Values of a stage's convolution; of what is pooled from it. */
size_t stage_elements(const struct stage *s);
size_t stage_pooled_elements(const struct stage *s);

#endif
