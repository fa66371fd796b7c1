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

enum { SILENT_SECONDS = 60 };

static enum batch_presence presence(const struct store_state *state)
{
    if (!state->progress.nonce[0])
        return BATCH_NONE;
    return state->silent_seconds < SILENT_SECONDS ? BATCH_ALIVE : BATCH_GONE;
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
    if (state.progress.nonce[0])
        state.silent_seconds = clock_now() - clock_parse_utc(state.progress.time);
    state.batch = presence(&state);
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
