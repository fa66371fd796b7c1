/* A result's digest of itself: every flipped bit is seen. ATELIER_FLIPS says how many of them,
 * spread over the file; 200 if not given. */
#include "store_fixture.h"

#include "digest.h"
#include "result_stream.h"
#include "seal.h"
#include <fcntl.h>

#define ID "0123456789abcdef"

enum { ALL = RESULT_ATTRIBUTES | RESULT_HISTORY | RESULT_IMAGE | RESULT_SEAL };

static char *path; /* of a result in a store */

static int write_result(void **state)
{
    struct error err;
    struct store store;
    if (folder_make(state) != 0)
        return -1;
    assert_int_equal(store_create(in_folder("store"), &store, &err), 0);
    put_result(&store, &(struct made_result){.id = ID, .rows = 3, .image = true});
    path = store_job_path(&store, ID, JOB_RESULT);
    store_release(&store);
    return 0;
}

static int remove_result(void **state)
{
    free(path);
    return folder_remove(state);
}

/* What verify finds: SEAL_BROKEN also where the file cannot be read. */
static enum seal seal_now(bool *readable)
{
    struct error why, err;
    struct result_contents contents;
    assert_int_equal(result_read(path, ALL, &contents, &why, &err), 0);
    enum seal seal = why.code == 0 ? contents.seal : SEAL_BROKEN;
    *readable = why.code == 0;
    result_contents_release(&contents);
    return seal;
}

/* Copies of the result with one bit flipped each, read one after the other by few children. */
struct flips {
    size_t bytes, count, done, unreadable;
    const uint8_t *whole;
};

static size_t flipped_bit(const struct flips *flips, size_t number)
{
    return (size_t)((double)number * (double)(8 * flips->bytes) / (double)flips->count);
}

static int visit_flipped(void *context, size_t index, const struct result_contents *contents,
                         const struct error *why, struct error *err)
{
    struct flips *flips = context;
    size_t bit = flipped_bit(flips, flips->done + index);
    (void)why, (void)err;
    flips->unreadable += !contents;
    if (contents && contents->seal != SEAL_BROKEN) {
        print_error("bit %zu of byte %zu was flipped\n", bit % 8, bit / 8);
        assert_int_equal(contents->seal, SEAL_BROKEN);
    }
    return 0;
}

enum { COPIES = 50 };

static void read_copies(struct flips *flips, char *const *copies)
{
    struct error err;
    uint8_t *bytes = malloc(flips->bytes);
    size_t count = flips->count - flips->done < COPIES ? flips->count - flips->done : COPIES;
    assert_non_null(bytes);
    for (size_t i = 0; i < count; i++) {
        size_t bit = flipped_bit(flips, flips->done + i);
        memcpy(bytes, flips->whole, flips->bytes);
        bytes[bit / 8] ^= (uint8_t)(1 << bit % 8);
        file_put(copies[i], bytes, flips->bytes);
    }
    free(bytes);
    assert_int_equal(
        result_stream((const char *const *)copies, count, ALL, visit_flipped, flips, &err), 0);
    flips->done += count;
}

static void a_flipped_bit_breaks_the_seal(void **state)
{
    (void)state;
    const char *asked = getenv("ATELIER_FLIPS");
    bool readable;
    char *copies[COPIES];
    struct flips flips = {.count = asked ? strtoul(asked, NULL, 10) : 200};
    uint8_t *whole = file_get(path, &flips.bytes);
    flips.whole = whole;
    assert_int_equal(seal_now(&readable), SEAL_GOOD);
    for (int i = 0; i < COPIES; i++)
        assert_true(asprintf(&copies[i], "%s/copy%d.h5", fixture_folder, i) > 0);
    while (flips.done < flips.count)
        read_copies(&flips, copies);
    print_message("%zu flips in %zu bytes: %zu unreadable, %zu seen by the digest alone\n",
                  flips.count, flips.bytes, flips.unreadable, flips.count - flips.unreadable);
    for (int i = 0; i < COPIES; i++)
        free(copies[i]);
    free(whole);
}

static void bytes_that_are_added_break_the_seal(void **state)
{
    (void)state;
    bool readable;
    int file = open(path, O_WRONLY | O_APPEND | O_CLOEXEC);
    assert_true(write(file, "", 1) == 1 && close(file) == 0);
    assert_int_equal(seal_now(&readable), SEAL_BROKEN);
    assert_true(readable);
}

static void anybody_can_compute_the_seal(void **state)
{
    (void)state;
    size_t bytes;
    char hex[DIGEST_HEX], said[DIGEST_HEX];
    struct error why, err;
    struct result_contents contents;
    assert_int_equal(result_read(path, ALL, &contents, &why, &err), 0);
    const struct hdf5_attribute *last = &contents.attributes.list[contents.attributes.count - 1];
    assert_string_equal(last->name, "file_sha256");
    snprintf(said, sizeof said, "%s", last->text);
    result_contents_release(&contents);
    uint8_t *file = file_get(path, &bytes);
    uint8_t *place = memmem(file, bytes, said, 64);
    assert_non_null(place);
    memset(place, '0', 64);
    assert_int_equal(digest_bytes(file, bytes, hex, &err), 0);
    assert_string_equal(hex, said);
    free(file);
}

static void a_result_of_before_has_no_seal(void **state)
{
    (void)state;
    bool readable;
    hid_t file = H5Fopen(path, H5F_ACC_RDWR, H5P_DEFAULT);
    assert_true(H5Adelete(file, SEAL_NAME) >= 0 && H5Fclose(file) >= 0);
    assert_int_equal(seal_now(&readable), SEAL_NONE);
    assert_true(readable);
}

int main(void)
{
#define TEST(name) cmocka_unit_test_setup_teardown(name, write_result, remove_result)
    const struct CMUnitTest tests[] = {
        TEST(a_flipped_bit_breaks_the_seal),
        TEST(bytes_that_are_added_break_the_seal),
        TEST(anybody_can_compute_the_seal),
        TEST(a_result_of_before_has_no_seal),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
