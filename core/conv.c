#include "conv.h"

#include "conv_engine.h"
#include "memory.h"
#include <cblas.h>
#include <stdlib.h>
#include <string.h>

void gemm(int rows, int columns, int depth, const float *a, const float *b, bool transposed,
          float *c)
{
    cblas_sgemm(CblasRowMajor, CblasNoTrans, transposed ? CblasTrans : CblasNoTrans, rows, columns,
                depth, 1, a, depth, b, transposed ? depth : columns, 0, c, columns);
}

const char *conv_missing(enum arithmetic arithmetic)
{
    return arithmetic == ARITHMETIC_F32 || kernels_get()->product_bf16
               ? NULL
               : "a processor with AVX512-BF16";
}

/* The table of engines. The first layer's few input channels make the least of the work and stay
 * in float32. */
static const struct conv_engine *choose_engine(int in, enum arithmetic arithmetic)
{
    if (in % LANES != 0)
        return &conv_engine_columns;
    return arithmetic == ARITHMETIC_BF16 ? &conv_engine_winograd_bf16 : &conv_engine_winograd;
}

int conv_new(const float *kernel, const float *bias, int in, int out, enum arithmetic arithmetic,
             struct conv **conv, struct error *err)
{
    const struct conv_engine *engine = choose_engine(in, arithmetic);
    struct conv *made = calloc(1, sizeof *made);
    if (made) {
        *made = (struct conv){.engine = engine, .in = in, .out = out};
        made->weights = floats_new(engine->weight_bytes(in, out) / sizeof(float));
        made->bias = floats_new((size_t)out);
    }
    if (!made || !made->weights || !made->bias) {
        conv_free(made);
        return fail(err, E_ENVIRONMENT, "not enough memory for a convolution of %d to %d channels",
                    in, out);
    }
    engine->prepare(kernel, in, out, made->weights);
    memcpy(made->bias, bias, (size_t)out * sizeof *bias);
    *conv = made;
    return 0;
}

void conv_free(struct conv *conv)
{
    if (!conv)
        return;
    free(conv->weights);
    free(conv->bias);
    free(conv);
}

int conv_plan_new(const struct conv *conv, int height, int width, bool backward,
                  struct conv_plan **plan, struct error *err)
{
    int status = 0;
    struct conv_plan *made = malloc(sizeof *made);
    if (!made)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    *made = (struct conv_plan){.conv = conv, .height = height, .width = width};
    if (conv->engine->plan)
        TRY(conv->engine->plan(made, backward, err));
    *plan = made;
    made = NULL;
done:
    conv_plan_free(made);
    return status;
}

void conv_plan_free(struct conv_plan *plan)
{
    if (!plan)
        return;
    if (plan->state)
        plan->conv->engine->release(plan->state);
    free(plan);
}

size_t conv_plan_scratch_bytes(const struct conv_plan *plan)
{
    const struct conv *conv = plan->conv;
    return conv->engine->plan_scratch_bytes
               ? conv->engine->plan_scratch_bytes(plan)
               : conv->engine->scratch_bytes(conv->in, conv->out, plan->height, plan->width);
}

const char *conv_engine(int in, int out, enum arithmetic arithmetic)
{
    (void)out;
    return choose_engine(in, arithmetic)->name;
}

size_t conv_weight_bytes(int in, int out, enum arithmetic arithmetic)
{
    return choose_engine(in, arithmetic)->weight_bytes(in, out) + (size_t)out * sizeof(float);
}

size_t conv_plan_bytes(int in, int out, int height, int width, bool backward,
                       enum arithmetic arithmetic)
{
    const struct conv_engine *engine = choose_engine(in, arithmetic);
    return engine->plan_bytes ? engine->plan_bytes(in, out, height, width, backward) : 0;
}

size_t conv_scratch_bytes(int in, int out, int height, int width, enum arithmetic arithmetic)
{
    return choose_engine(in, arithmetic)->scratch_bytes(in, out, height, width);
}

void conv_forward(const struct conv_plan *plan, const float *x, bool relu, float *y,
                  mask_word *mask, void *scratch)
{
    struct epilogue epilogue = {.bias = plan->conv->bias, .relu = relu, .mask = mask};
    plan->conv->engine->forward(plan, x, &epilogue, y, scratch);
}

void conv_backward_data(const struct conv_plan *plan, const float *dy, const mask_word *mask,
                        float *dx, void *scratch)
{
    plan->conv->engine->backward(plan, dy, mask, dx, scratch);
}
