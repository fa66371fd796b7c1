#include "state.h"

#include <stdlib.h>
#include <string.h>

int render_state_init(struct render_state *state, int height, int width, int adam,
                      struct error *err)
{
    size_t count = (size_t)height * (size_t)width * 3;
    *state = (struct render_state){.height = height, .width = width};
    state->picture = calloc(count, sizeof(double));
    if (adam) {
        state->moment1 = calloc(count, sizeof(double));
        state->moment2 = calloc(count, sizeof(double));
    }
    if (!state->picture || (adam && (!state->moment1 || !state->moment2))) {
        render_state_release(state);
        return fail(err, E_ENVIRONMENT, "not enough memory for a %d x %d px picture", width,
                    height);
    }
    return 0;
}

void render_state_release(struct render_state *state)
{
    free(state->picture);
    free(state->moment1);
    free(state->moment2);
    free(state->best);
    *state = (struct render_state){0};
}

const double *render_state_best(const struct render_state *state)
{
    return state->best ? state->best : state->picture;
}
