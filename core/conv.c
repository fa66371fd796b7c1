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

static const struct conv_engine *choose_engine(int in)
{
    return in % LANES == 0 ? &conv_engine_winograd : &conv_engine_columns;
}

int conv_new(const float *kernel, const float *bias, int in, int out, struct conv **conv,
             struct error *err)
{
    const struct conv_engine *engine = choose_engine(in);
    struct conv *made = calloc(1, sizeof *made);
    if (made) {
        *made = (struct conv){.engine = engine, .in = in, .out = out};
        made->weights = floats_new(engine->weight_floats(in, out));
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

const char *conv_engine(const struct conv *conv) { return conv->engine->name; }

size_t conv_weight_bytes(int in, int out)
{
    return (choose_engine(in)->weight_floats(in, out) + (size_t)out) * sizeof(float);
}

size_t conv_scratch_bytes(int in, int out, int height, int width)
{
    return choose_engine(in)->scratch_floats(in, out, height, width) * sizeof(float);
}

void conv_forward(const struct conv *conv, int height, int width, const float *x, bool relu,
                  float *y, mask_word *mask, void *scratch)
{
    struct epilogue epilogue = {.bias = conv->bias, .relu = relu, .mask = mask};
    conv->engine->forward(conv, height, width, x, &epilogue, y, scratch);
}

void conv_backward_data(const struct conv *conv, int height, int width, const float *dy,
                        const mask_word *mask, float *dx, void *scratch)
{
    conv->engine->backward(conv, height, width, dy, mask, dx, scratch);
}
