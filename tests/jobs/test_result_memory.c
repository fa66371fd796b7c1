/* Memory that runs out while HDF5 writes a result: each allocation fails once. HDF5 does not always
 * say that it was memory, so that it may be called a bug. ATELIER_FAILURES says how many of them,
 * spread over all; 24 if not given. */
#include "store_fixture.h"

#include "guarded.h"
#include "result_stream.h"
#include <errno.h>
#include <signal.h>

#define ID "0123456789abcdef"

/* Failing allocations ---------------------------------------------------------------------- */

/* Shared with the children, which alone count and fail. */
static struct {
    pid_t test;     /* 0: nobody counts */
    long count, at; /* the one that fails; 0: none */
} * memory;

static bool fails(void)
{
    if (!memory || !memory->test || getpid() == memory->test || ++memory->count != memory->at)
        return false;
    errno = ENOMEM;
    return true;
}

void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *old, size_t size);

void *malloc(size_t size) { return fails() ? NULL : __libc_malloc(size); }
void *calloc(size_t count, size_t size) { return fails() ? NULL : __libc_calloc(count, size); }
void *realloc(void *old, size_t size) { return fails() ? NULL : __libc_realloc(old, size); }

/* Writing ------------------------------------------------------------------------------------ */

static int stage_one(const char *path, struct publication *staged, struct error *err)
{
    struct params params;
    struct history history;
    struct image image = {5, 4, (uint8_t[4 * 5 * 3]){1, 2, 3}, NULL};
    const struct made_result made = {.id = ID, .rows = 3};
    made_params(&made, &params);
    made_history(&made, &history);
    const struct fact fact = {.name = "host", .text = "here"};
    const struct result result = {
        .params = &params, .facts = &fact, .fact_count = 1, .history = &history, .image = &image};
    int status = result_stage(path, &result, staged, err);
    history_release(&history);
    params_release(&params);
    return status;
}

/* The nth allocation fails; *count is how many there were. */
static int stage_failing(const char *path, long at, long *count, struct publication *staged,
                         struct error *err)
{
    memory->count = 0;
    memory->at = at;
    memory->test = getpid();
    int status = stage_one(path, staged, err);
    memory->test = 0;
    *count = memory->count;
    return status;
}

static void assert_sound(const char *path)
{
    struct error why, err;
    struct result_contents contents;
    assert_int_equal(
        result_read(path, RESULT_HISTORY | RESULT_IMAGE | RESULT_SEAL, &contents, &why, &err), 0);
    assert_int_equal(why.code, 0);
    assert_int_equal(contents.seal, SEAL_GOOD);
    result_contents_release(&contents);
}

static void a_failing_allocation_is_an_error_or_none(void **state)
{
    (void)state;
    const char *asked = getenv("ATELIER_FAILURES"), *path = in_folder("result.h5");
    long all, count, failures = asked ? atol(asked) : 24, crashed = 0, told = 0, bugs = 0;
    struct error err;
    struct publication staged = {0};
    memory = guarded_memory(sizeof *memory);
    assert_int_equal(stage_failing(path, 0, &all, &staged, &err), 0);
    publish_abort(&staged);
    assert_true(all > 1000);
    for (long i = 0; i < failures; i++) {
        int status = stage_failing(path, 1 + i * all / failures, &count, &staged, &err);
        if (status == 0)
            assert_sound(staged.temporary);
        else {
            assert_true(status == E_ENVIRONMENT || status == E_BUG);
            assert_true(err.message[0]);
            told++;
            bugs += status == E_BUG;
            crashed += strstr(err.message, "crashed") != NULL;
        }
        publish_abort(&staged);
        assert_int_equal(files_in_folder(), 0);
    }
    print_message("%ld of %ld allocations failed: %ld results, %ld errors (%ld crashes, %ld said "
                  "to be bugs)\n",
                  failures, all, failures - told, told, crashed, bugs);
    guarded_free(memory, sizeof *memory);
    memory = NULL;
}

/* Dying --------------------------------------------------------------------------------------- */

static int die(void *number, struct error *err)
{
    (void)err;
    return raise(*(int *)number);
}

static int leave(void *code, struct error *err)
{
    (void)err;
    _exit(*(int *)code);
}

static int object(void *message, struct error *err)
{
    return fail(err, E_INPUT, "%s", (char *)message);
}

static int agree(void *text, struct error *err)
{
    (void)err;
    strcpy(text, "from the child");
    return 0;
}

static void a_library_that_dies_while_it_writes_is_an_error(void **state)
{
    (void)state;
    struct error err;
    char text[32] = "untouched";
    assert_int_equal(guarded_write(die, &(int){SIGSEGV}, "x.h5", &err), E_ENVIRONMENT);
    assert_says(&err, "cannot write 'x.h5': the process that does it crashed (Segmentation fault)");
    assert_int_equal(guarded_write(die, &(int){SIGABRT}, "x.h5", &err), E_ENVIRONMENT);
    assert_int_equal(guarded_write(die, &(int){SIGKILL}, "x.h5", &err), E_ENVIRONMENT);
    assert_says(&err, "was killed");
    assert_int_equal(guarded_write(leave, &(int){0}, "x.h5", &err), E_ENVIRONMENT);
    assert_says(&err, "ended early");
    assert_int_equal(guarded_write(object, text, "x.h5", &err), E_INPUT);
    assert_says(&err, "untouched");
    assert_int_equal(guarded_write(agree, text, "x.h5", &err), 0);
    assert_string_equal(text, "untouched");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_failing_allocation_is_an_error_or_none, folder_make,
                                        folder_remove),
        cmocka_unit_test(a_library_that_dies_while_it_writes_is_an_error),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
