/* What stands behind conv.h. Included by the engines and conv.c only. */
#ifndef ATELIER_CONV_ENGINE_H
#define ATELIER_CONV_ENGINE_H

#include "conv.h"

struct conv_engine {
    const char *name;
    enum arithmetic arithmetic;
    const char *(*missing)(void); /* as conv_missing; NULL: it runs everywhere */
    size_t (*weight_bytes)(int in, int out, enum saving saving);
    void (*prepare)(const float *kernel, int in, int out, enum saving saving, void *weights);

    /* What an engine keeps for one picture size, in plan->state; NULL where that is nothing. */
    int (*plan)(struct conv_plan *plan, bool backward, struct error *err);
    void (*release)(void *state);
    size_t (*plan_bytes)(int in, int out, int height, int width, bool backward);
    size_t (*plan_scratch_bytes)(const struct conv_plan *plan); /* NULL: scratch_bytes is exact */
    size_t (*scratch_bytes)(int in, int out, int height, int width);

    void (*forward)(const struct conv_plan *plan, const float *x, const struct epilogue *epilogue,
                    float *y, void *scratch);
    void (*backward)(const struct conv_plan *plan, const float *dy, const mask_word *mask,
                     float *dx, void *scratch);
};

struct conv {
    const struct conv_engine *engine;
    int in, out;
    enum saving saving;
    void *weights; /* as the engine prepared them */
    float *bias;   /* [out] */
};

struct conv_plan {
    const struct conv *conv;
    int height, width;
    void *state; /* the engine's */
};

extern const struct conv_engine conv_engine_direct, conv_engine_winograd, conv_engine_winograd_bf16,
    conv_engine_onednn_bf16, conv_engine_onednn_split;

#endif
