/* What a render will do, known before it starts: sizes, layers, work and memory. */
#ifndef ATELIER_PLAN_H
#define ATELIER_PLAN_H

#include "conv.h"
#include "error.h"
#include "image.h"
#include "layer_list.h"
#include "params.h"
#include <stdint.h>

struct plan {
    int width, height;           /* of the picture that is written */
    int margin;                  /* extra px on every side while it is optimised */
    int full_width, full_height; /* with the margin */
    int style_width, style_height;
    struct layer_list content, style;  /* empty where that loss has weight 0 */
    struct layer taps[2 * LAYERS_MAX]; /* both, in network order, each once */
    int tap_count;
    int convs;              /* of VGG-19's 16 */
    uint64_t decoded_bytes; /* of the larger picture, as read */
    uint64_t reading_bytes; /* the most that reading and resizing one takes */
    uint64_t memory_bytes;  /* estimated peak of the process */
    double flop;            /* of the convolutions and Gram matrices of one evaluation */
    double target_flop;     /* of the forward passes before the first evaluation */
};

/* Sizes of the image files that a render reads, as image_probe gives them. */
struct plan_sizes {
    struct image_size content, style;
    struct image_size init; /* used only where init names a file */
};

/* Reads the images' headers and works everything out.
 * Errors: E_INPUT: a side under 16 px, a layer without a pixel, a margin wider than the picture, a
 * precision without an engine here; whatever image_probe says. */
int plan_make(const struct params *params, struct plan *plan, struct error *err);

/* The same from sizes that are known already: no file is opened. */
int plan_make_sized(const struct params *params, const struct plan_sizes *sizes, struct plan *plan,
                    struct error *err);

/* Fills in a plan's layers, taps and convolutions; its sizes do not matter. Errors: E_INPUT. */
int plan_layers(const struct params *params, struct plan *plan, struct error *err);

/* The arithmetic a render starts in: `auto` takes bfloat16 where this processor has it and there is
 * more than one outer iteration, the last of which is always float32. */
enum arithmetic plan_arithmetic(const struct params *params);
/* What its network is to save (network_saving). */
enum saving plan_saving(const struct plan *plan);

/* Refuses a plan that does not fit into `available` bytes, naming the largest size (a multiple of
 * 16) that would leave 5 % of them: advice that stays true while others take a little. */
int plan_check_memory(const struct params *params, const struct plan *plan, uint64_t available,
                      struct error *err);

#endif
