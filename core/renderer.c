#include "renderer.h"

#include "clock.h"
#include "start.h"
#include <stdlib.h>
#include <string.h>

static void tell(const struct render_hooks *hooks, const char *path,
                 const struct image_notes *notes)
{
    if (hooks->on_note && notes->text[0])
        hooks->on_note(hooks->optimiser.context, path, notes->text);
}

/* Loads both images and captures the targets; content is kept for the start. */
static int make_objective(const struct params *params, const struct plan *plan,
                          const struct network *network, const struct render_hooks *hooks,
                          float **content, struct objective **objective, struct error *err)
{
    int status = 0;
    float *style = NULL;
    struct image_notes of_content = {0}, of_style = {0};
    TRY(start_content(params, plan, content, &of_content, err));
    tell(hooks, params->content, &of_content);
    TRY(start_style(params, plan, &style, &of_style, err));
    if (strcmp(params->style, params->content) != 0)
        tell(hooks, params->style, &of_style);
    TRY(objective_new(params, plan, network, *content, style, objective, err));
done:
    free(style);
    return status;
}

/* A run in one arithmetic: network, targets, and the optimiser until it ends or hands over. */
static int run_in(enum arithmetic arithmetic, const struct params *params, const struct plan *plan,
                  struct vgg19_weights *weights, struct render_state *state,
                  struct history *history, const struct render_hooks *hooks,
                  enum optimiser_end *end, struct error *err)
{
    int status = 0;
    struct network *network = NULL;
    struct objective *objective = NULL;
    float *content = NULL;
    struct image_notes notes = {0};
    TRY(network_new(weights, params->pooling, arithmetic, plan_saving(plan), &network, err));
    if (params->precision != PRECISION_AUTO || arithmetic == ARITHMETIC_F32)
        vgg19_weights_release(weights);
    double start = clock_seconds();
    TRY(make_objective(params, plan, network, hooks, &content, &objective, err));
    if (!state->picture) {
        TRY(render_state_init(state, plan->full_height, plan->full_width,
                              params->optimizer == OPTIMIZER_ADAM, err));
        state->precision = arithmetic;
        TRY(start_picture(params, plan, content, state->picture, &notes, err));
        tell(hooks, params->init, &notes);
    }
    free(content);
    content = NULL;
    if (hooks->on_ready)
        hooks->on_ready(hooks->optimiser.context, clock_seconds() - start);
    TRY(optimiser_run(params, plan, objective, state, history, &hooks->optimiser, end, err));
done:
    free(content);
    objective_free(objective);
    network_free(network);
    return status;
}

/* A search that `auto` began in bfloat16 goes on in float32 where this processor has no bfloat16.
 */
static void hand_over_here(const struct params *params, struct render_state *state,
                           const struct render_hooks *hooks)
{
    if (!state->picture || params->precision != PRECISION_AUTO ||
        state->precision != ARITHMETIC_BF16 || !conv_missing(ARITHMETIC_BF16))
        return;
    optimiser_hand_over(state);
    if (hooks->on_handover)
        hooks->on_handover(hooks->optimiser.context, state->iteration);
}

int render_picture(const struct params *params, const struct plan *plan,
                   struct vgg19_weights *weights, struct render_state *state,
                   struct history *history, const struct render_hooks *hooks, struct image *image,
                   enum optimiser_end *end, struct error *err)
{
    int status = 0;
    hand_over_here(params, state, hooks);
    enum arithmetic arithmetic =
        state->picture ? (enum arithmetic)state->precision : plan_arithmetic(params);
    TRY(run_in(arithmetic, params, plan, weights, state, history, hooks, end, err));
    if (*end == END_HANDOVER) {
        if (hooks->on_handover)
            hooks->on_handover(hooks->optimiser.context, state->iteration);
        struct render_hooks again = *hooks;
        again.on_note = NULL;
        TRY(run_in(ARITHMETIC_F32, params, plan, weights, state, history, &again, end, err));
    }
    vgg19_weights_release(weights);
    TRY(start_crop(plan, render_state_best(state), params->bits == BITS_16, image, err));
done:
    return status;
}
