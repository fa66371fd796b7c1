/* Files that cannot tell their convention, recognised as published ones by a made-up table: when
 * their digest is taken, and when it is remembered. */
#include "made_up.h"
#include "recognise.h"

#include <dirent.h>
#include <sys/stat.h>
#include <unistd.h>

static const char path[] = "recognise.pth";
static const char numbers[] = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef";
static char folder[] = "recognise-XXXXXX", record[64], sha256[DIGEST_HEX];

static void write_text(const char *name, const char *mode, const char *text)
{
    FILE *file = fopen(name, mode);
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

static int make_folder(void **state)
{
    (void)state;
    assert_non_null(mkdtemp(folder));
    snprintf(record, sizeof record, "%s/recognised", folder);
    assert_int_equal(setenv("ATELIER_CACHE", folder, 1), 0);
    write_text(path, "w", "twelve bytes");
    return digest_file(path, sha256, NULL);
}

static int remove_folder(void **state)
{
    (void)state;
    return unlink(path) || rmdir(folder);
}

static int forget(void **state)
{
    (void)state;
    return unlink(record) && access(record, F_OK) == 0;
}

/* What is found for the file when the table has one of this size and digest. */
static const struct known_file *ask(uint64_t bytes, const char *digest, bool thorough)
{
    static struct known_file files[2];
    const struct known_file *found = &files[0];
    const struct candidate candidate = {path, &weight_reader_torch, numbers};
    struct error err = {0};
    files[0] = (struct known_file){.name = "other", .sha256 = "00000000"};
    files[1] = (struct known_file){
        .name = "it", .bytes = bytes, .sha256 = digest, .reader = &weight_reader_torch};
    assert_int_equal(recognise(files, 2, &candidate, thorough, &found, &err), 0);
    assert_true(!found || found == &files[1]);
    return found;
}

static void replace_file(const char *text) { write_text(path, "w", text); }

static void a_published_file_is_recognised_by_size_and_digest(void **state)
{
    (void)state;
    for (int thorough = 0; thorough < 2; thorough++) {
        assert_non_null(ask(12, sha256, thorough));
        assert_null(ask(13, sha256, thorough));
        assert_null(ask(12, "ffffffff", thorough));
    }
}

/* The first digits are all that is known of some. */
static void a_short_digest_is_enough(void **state)
{
    (void)state;
    char first[9];
    snprintf(first, sizeof first, "%.8s", sha256);
    assert_non_null(ask(12, first, false));
}

/* Of the size that all of VGG-19 has: only when nothing else tells, and never any other. */
static void a_file_of_unknown_size_is_looked_at_when_thorough(void **state)
{
    (void)state;
    char whole[DIGEST_HEX];
    const off_t least = 574668960;
    assert_null(ask(0, sha256, true));
    assert_int_equal(truncate(path, least), 0);
    assert_int_equal(digest_file(path, whole, NULL), 0);
    assert_null(ask(0, whole, false));
    assert_non_null(ask(0, whole, true));
    assert_int_equal(truncate(path, least - 1), 0);
    assert_null(ask(0, whole, true));
    replace_file("twelve bytes");
}

/* Once the digest was taken it is not taken again: another content of that size goes unnoticed,
 * which its numbers would give away. */
static void the_digest_is_taken_once(void **state)
{
    (void)state;
    assert_non_null(ask(12, sha256, false));
    replace_file("other  bytes");
    assert_non_null(ask(12, sha256, false));
    replace_file("other  bytes, more");
    assert_null(ask(18, sha256, false)); /* the size is part of what is remembered */
    assert_int_equal(unlink(record), 0);
    replace_file("other  bytes");
    assert_null(ask(12, sha256, false));
    replace_file("twelve bytes");
}

static void what_is_no_published_file_is_not_remembered(void **state)
{
    (void)state;
    assert_null(ask(12, "ffffffff", false));
    assert_int_not_equal(access(record, F_OK), 0);
}

static void a_damaged_record_is_ignored(void **state)
{
    (void)state;
    char line[512];
    const char *const lines[] = {"",        "\n",          "x y z\n",    "%s",
                                 "%s 12\n", "%s 12 abc\n", "%s 12 %.63s"};
    for (size_t i = 0; i < sizeof lines / sizeof *lines; i++) {
        snprintf(line, sizeof line, lines[i], numbers, sha256); // NOLINT
        write_text(record, "w", line);
        write_text(record, "a", "\n");
        assert_null(ask(12, "ffffffff", false));
        assert_non_null(ask(12, sha256, false));
    }
}

static void a_cache_that_cannot_be_written_is_none(void **state)
{
    (void)state;
    assert_int_equal(setenv("ATELIER_CACHE", "/dev/null/no", 1), 0);
    assert_non_null(ask(12, sha256, false));
    assert_null(ask(12, "ffffffff", false));
    assert_int_equal(setenv("ATELIER_CACHE", folder, 1), 0);
}

static void other_formats_are_not_looked_at(void **state)
{
    (void)state;
    const struct known_file file = {.bytes = 12, .sha256 = sha256, .reader = &weight_reader_onnx};
    const struct candidate candidate = {path, &weight_reader_torch, numbers};
    const struct known_file *found = &file;
    assert_int_equal(recognise(&file, 1, &candidate, true, &found, NULL), 0);
    assert_null(found);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(a_published_file_is_recognised_by_size_and_digest, forget),
        cmocka_unit_test_teardown(a_short_digest_is_enough, forget),
        cmocka_unit_test_teardown(a_file_of_unknown_size_is_looked_at_when_thorough, forget),
        cmocka_unit_test_teardown(the_digest_is_taken_once, forget),
        cmocka_unit_test_teardown(what_is_no_published_file_is_not_remembered, forget),
        cmocka_unit_test_teardown(a_damaged_record_is_ignored, forget),
        cmocka_unit_test_teardown(a_cache_that_cannot_be_written_is_none, forget),
        cmocka_unit_test_teardown(other_formats_are_not_looked_at, forget),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
