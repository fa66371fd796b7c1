/* The small files of a store, and its list of events: the first byte says which. What can be read
 * can be written, and is the same when it is read again. */
#include "batch_progress.h"
#include "claim.h"
#include "failure.h"
#include "fuzz_folder.h"
#include "store.h"
#include "store_state.h"
#include "verdict.h"

static const char id[] = "0123456789abcdef";

static struct store *the_store(void)
{
    static struct store store;
    struct error err;
    if (!store.folder && store_create(in_fuzz_folder(), &store, &err) != 0)
        abort();
    return &store;
}

static void check(int status, const struct error *err)
{
    if (status != 0 && (status != E_INPUT || !err->message[0]))
        abort();
}

static void try_failure(const struct store *store)
{
    struct failure failure = {0}, again = {0};
    struct error err = {0};
    int status = failure_read(store, id, &failure, &err);
    check(status, &err);
    if (status == 0 && failure.id[0] && failure_write(store, &failure, &err) == 0) {
        if (failure_read(store, id, &again, &err) != 0 || again.end != failure.end ||
            again.attempt_count != failure.attempt_count ||
            strcmp(again.message, failure.message) != 0)
            abort();
        failure_release(&again);
    }
    failure_release(&failure);
}

static void try_progress(const struct store *store)
{
    struct batch_progress progress = {0};
    struct error err = {0};
    int status = batch_progress_read(store, &progress, &err);
    check(status, &err);
    if (status == 0 && batch_progress_write(store, &progress, &err) != 0)
        abort();
    batch_progress_release(&progress);
}

static void try_claim(const struct store *store)
{
    struct claim who;
    enum claim_state state;
    struct error err = {0};
    double age;
    check(claim_look(store, 60, &who, &state, &age, &err), &err);
}

static void try_verdict(const struct store *store)
{
    struct verdict verdict = {0}, again = {0};
    struct error err = {0};
    int status = verdict_read(store, &verdict, &err);
    check(status, &err);
    if (status == 0 && verdict.nonce[0] &&
        (verdict_write(store, &verdict, &err) != 0 || verdict_read(store, &again, &err) != 0 ||
         again.code != verdict.code || strcmp(again.nonce, verdict.nonce) != 0))
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct store *store = the_store();
    struct store_state state = {0};
    struct error err = {0};
    const struct {
        char *path;
        void (*try)(const struct store *store);
    } all[] = {{store_job_path(store, id, JOB_FAILURE), try_failure},
               {store_path(store, STORE_PROGRESS), try_progress},
               {store_path(store, STORE_CLAIM), try_claim},
               {store_path(store, STORE_EXIT_STATUS), try_verdict}};
    enum { ALL = sizeof all / sizeof *all };
    if (count > 0) {
        int which = bytes[0] % ALL;
        fuzz_write(all[which].path, bytes + 1, count - 1);
        all[which].try(store);
        check(store_state_read(store, &state, &err), &err);
        store_state_release(&state);
        unlink(all[which].path);
    }
    for (int i = 0; i < ALL; i++)
        free(all[i].path);
    return 0;
}
