#include "store_state.h"

#include <math.h>
#include <string.h>

const char *run_status_word(enum run_status status)
{
    static const char *const words[RUN_STATUSES] = {
        [RUN_DONE] = "done",     [RUN_RUNNING] = "running",       [RUN_WAITING] = "waiting",
        [RUN_FAILED] = "failed", [RUN_UNREADABLE] = "unreadable",
    };
    return words[status];
}

/* As batches take it by default. Only an owner on a host that cannot be seen from here is judged by
 * it. */
static const double lost_after_s = 60;

static double silence(const struct store_state *state, double heartbeat_age)
{
    double spoke = clock_parse_utc(state->progress.time);
    if (!state->claim.nonce[0])
        return clock_now() - spoke;
    double age = clock_now() - spoke;
    return isnan(age) || heartbeat_age < age ? heartbeat_age : age;
}

/* A progress without a claim, or of another batch than the claim's, was left behind. */
static void look_at_batch(const struct store *store, struct store_state *state)
{
    double age = 0;
    enum claim_state claim = CLAIM_FREE;
    if (claim_look(store, lost_after_s, &state->claim, &claim, &age, NULL) != 0)
        claim = CLAIM_FREE;
    if (claim == CLAIM_FREE)
        state->claim = (struct claim){0};
    else if (strcmp(state->claim.nonce, state->progress.nonce) != 0)
        batch_progress_release(&state->progress);
    bool left_behind = claim == CLAIM_FREE && state->progress.nonce[0];
    state->batch = claim == CLAIM_ALIVE                 ? BATCH_ALIVE
                   : claim == CLAIM_DEAD || left_behind ? BATCH_GONE
                                                        : BATCH_NONE;
    if (state->batch != BATCH_NONE)
        state->silent_seconds = silence(state, age);
}

int store_state_read(const struct store *store, struct store_state *out, struct error *err)
{
    struct store_state state = {.silent_seconds = NAN};
    int status = store_scan(store, &state.scan, err);
    if (status != 0)
        return status;
    if (batch_progress_read(store, &state.progress, NULL) != 0)
        state.progress = (struct batch_progress){0};
    if (verdict_read(store, &state.verdict, NULL) != 0)
        state.verdict = (struct verdict){0};
    look_at_batch(store, &state);
    *out = state;
    return 0;
}

void store_state_release(struct store_state *state)
{
    store_scan_release(&state->scan);
    batch_progress_release(&state->progress);
    *state = (struct store_state){0};
}

const struct job_progress *store_state_running(const struct store_state *state, const char *id)
{
    for (size_t i = 0; state->batch == BATCH_ALIVE && i < state->progress.running_count; i++)
        if (strcmp(state->progress.running[i].id, id) == 0)
            return &state->progress.running[i];
    return NULL;
}

enum run_status store_state_of(const struct store_state *state, const char *id)
{
    const struct store_entry *entry = store_scan_find(&state->scan, id);
    if (store_entry_done(entry))
        return RUN_DONE;
    if (store_state_running(state, id))
        return RUN_RUNNING;
    if (store_entry_has(entry, JOB_RESULT))
        return RUN_UNREADABLE;
    return store_entry_has(entry, JOB_FAILURE) ? RUN_FAILED : RUN_WAITING;
}
