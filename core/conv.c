#include "conv.h"

#include "conv_engine.h"
#include "memory.h"
#if ATELIER_ONEDNN
#include "onednn.h"
#endif
#include <stdlib.h>
#include <string.h>

#if !ATELIER_ONEDNN

/* Names without anything behind them. */
static const char *missing_onednn(void)
{
    return "a build with oneDNN (install libdnnl-dev and build again)";
}

const struct conv_engine conv_engine_onednn_bf16 = {
    .name = "onednn-bf16", .arithmetic = ARITHMETIC_BF16, .missing = missing_onednn};
const struct conv_engine conv_engine_onednn_split = {
    .name = "onednn-split", .arithmetic = ARITHMETIC_F32, .missing = missing_onednn};

static bool onednn_has_matrix_units(void) { return false; }

#endif

static const struct conv_engine *const engines[CONV_ENGINES] = {
    &conv_engine_direct, &conv_engine_winograd, &conv_engine_winograd_bf16,
    &conv_engine_onednn_bf16, &conv_engine_onednn_split};

static const char *missing(const struct conv_engine *engine)
{
    return engine->missing ? engine->missing() : NULL;
}

/* The table of engines: an arithmetic gets the first row that does it and misses nothing. */
static const struct {
    bool wants_matrix_units;
    const struct conv_engine *engine;
} choices[] = {
    {true, &conv_engine_onednn_bf16},
    {true, &conv_engine_onednn_split},
    {false, &conv_engine_winograd_bf16},
    {false, &conv_engine_winograd},
};

static const struct conv_engine *best_engine(enum arithmetic arithmetic)
{
    bool matrix_units = onednn_has_matrix_units();
    for (size_t i = 0; i < sizeof choices / sizeof *choices; i++) {
        const struct conv_engine *engine = choices[i].engine;
        if (engine->arithmetic == arithmetic && !missing(engine) &&
            (matrix_units || !choices[i].wants_matrix_units))
            return engine;
    }
    return NULL;
}

/* What ATELIER_ENGINE asks for: NULL for nothing, and for a name that there is not. */
static const struct conv_engine *wanted_engine(void)
{
    const char *wanted = getenv("ATELIER_ENGINE");
    for (int i = 0; wanted && i < CONV_ENGINES; i++)
        if (strcmp(wanted, engines[i]->name) == 0)
            return engines[i];
    return NULL;
}

const char *conv_missing(enum arithmetic arithmetic)
{
    return best_engine(arithmetic) ? NULL : missing(&conv_engine_winograd_bf16);
}

void conv_engines(struct conv_engine_info list[CONV_ENGINES])
{
    for (int i = 0; i < CONV_ENGINES; i++)
        list[i] = (struct conv_engine_info){.name = engines[i]->name,
                                            .arithmetic = engines[i]->arithmetic,
                                            .missing = missing(engines[i])};
}

int conv_check(struct error *err)
{
    const char *wanted = getenv("ATELIER_ENGINE");
    const struct conv_engine *engine = wanted_engine();
    if (engine && missing(engine))
        return fail(err, E_INPUT, "the engine '%s' (ATELIER_ENGINE) needs %s", wanted,
                    missing(engine));
    if (wanted && !engine)
        return fail(err, E_INPUT,
                    "there is no engine '%s' (ATELIER_ENGINE): direct, winograd, winograd-bf16, "
                    "onednn-bf16 or onednn-split",
                    wanted);
    return 0;
}

/* The first layer's few input channels make the least of the work and stay in float32. */
static const struct conv_engine *choose_engine(int in, enum arithmetic arithmetic)
{
    const struct conv_engine *wanted = wanted_engine();
    if (in % LANES != 0)
        return &conv_engine_direct;
    return wanted && wanted != &conv_engine_direct && wanted->arithmetic == arithmetic &&
                   !missing(wanted)
               ? wanted
               : best_engine(arithmetic);
}

int conv_new(const float *kernel, const float *bias, int in, int out, enum arithmetic arithmetic,
             enum saving saving, struct conv **conv, struct error *err)
{
    int status = conv_check(err);
    if (status != 0)
        return status;
    const struct conv_engine *engine = choose_engine(in, arithmetic);
    struct conv *made = calloc(1, sizeof *made);
    if (made) {
        *made = (struct conv){.engine = engine, .in = in, .out = out, .saving = saving};
        made->weights = floats_new(engine->weight_bytes(in, out, saving) / sizeof(float));
        made->bias = floats_new((size_t)out);
    }
    if (!made || !made->weights || !made->bias) {
        conv_free(made);
        return fail(err, E_ENVIRONMENT, "not enough memory for a convolution of %d to %d channels",
                    in, out);
    }
    engine->prepare(kernel, in, out, saving, made->weights);
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

size_t conv_weight_bytes(int in, int out, enum arithmetic arithmetic, enum saving saving)
{
    return choose_engine(in, arithmetic)->weight_bytes(in, out, saving) +
           (size_t)out * sizeof(float);
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
