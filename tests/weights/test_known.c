/* The table of published files, and where fetched ones are looked for. */
#include "check.h"
#include "known.h"

#include <sys/stat.h>
#include <unistd.h>

static bool is_hex(const char *text, size_t shortest, size_t longest)
{
    size_t length = strlen(text);
    return length >= shortest && length <= longest && strspn(text, "0123456789abcdef") == length;
}

static void known_files_are_told_apart(void **state)
{
    (void)state;
    assert_true(known_file_count > 5);
    for (int i = 0; i < known_file_count; i++)
        for (int j = 0; j < i; j++) {
            const struct known_file *a = &known_files[i], *b = &known_files[j];
            assert_string_not_equal(a->name, b->name);
            if (a->reader && b->reader) /* they share a folder */
                assert_string_not_equal(a->file, b->file);
            if (a->sha256 && b->sha256)
                assert_int_not_equal(strncmp(a->sha256, b->sha256, 8), 0);
            if (a->md5 && b->md5)
                assert_string_not_equal(a->md5, b->md5);
        }
}

static void known_files_are_well_formed(void **state)
{
    (void)state;
    for (int i = 0; i < known_file_count; i++) {
        const struct known_file *file = &known_files[i];
        print_message("%s\n", file->name);
        assert_true(file->name && file->file && file->note);
        assert_true(file->address || file->page);
        assert_null(strchr(file->file, '/'));
        if (file->address) {
            assert_int_equal(strncmp(file->address, "http", 4), 0);
            const char *published = strrchr(file->address, '/') + 1;
            size_t extra = strlen(file->file) - strlen(published);
            assert_string_equal(file->file + extra, published);
        }
        assert_true(!file->sha256 || is_hex(file->sha256, 8, 64));
        assert_true(!file->md5 || is_hex(file->md5, 32, 32));
        /* The first 16 convolutions alone take this much as float32. */
        assert_true(file->bytes == 0 || file->bytes > 80097536);
        assert_true((file->convention == CONVENTION_AUTO) == (file->reader == NULL));
    }
}

/* torchvision's rule: name-XXXXXXXX.pth carries the first digits of its SHA-256. */
static void torch_files_carry_their_digest_in_their_name(void **state)
{
    (void)state;
    int found = 0;
    for (int i = 0; i < known_file_count; i++) {
        const char *dash = strstr(known_files[i].file, "vgg19-");
        if (known_files[i].reader != &weight_reader_torch || !dash)
            continue;
        assert_non_null(known_files[i].sha256);
        assert_int_equal(strncmp(dash + 6, known_files[i].sha256, 8), 0);
        found++;
    }
    assert_int_equal(found, 2);
}

static void known_find_names_the_nearest(void **state)
{
    (void)state;
    const struct known_file *file = NULL;
    struct error err = {0};
    assert_int_equal(known_find("vgg19-keras", &file, &err), 0);
    assert_string_equal(file->name, "vgg19-keras");
    file = NULL;
    assert_int_equal(known_find("vgg19-kears", &file, &err), E_INPUT);
    assert_null(file);
    assert_non_null(strstr(err.message, "'vgg19-kears'"));
    assert_non_null(strstr(err.message, "nearest: 'vgg19-keras'"));
    assert_int_equal(known_find("resnet", &file, &err), E_INPUT);
    assert_non_null(strstr(err.message, "vgg19-torchvision, "));
    assert_int_equal(known_find("", &file, &err), E_INPUT);
}

static struct digests digests_of(const struct known_file *file)
{
    struct digests digests = {.bytes = file->bytes};
    memset(digests.sha256, '0', sizeof digests.sha256 - 1);
    memset(digests.md5, '0', sizeof digests.md5 - 1);
    if (file->sha256)
        memcpy(digests.sha256, file->sha256, strlen(file->sha256));
    if (file->md5)
        memcpy(digests.md5, file->md5, sizeof digests.md5);
    return digests;
}

static void files_are_recognised_by_any_published_digest(void **state)
{
    (void)state;
    for (int i = 0; i < known_file_count; i++) {
        const struct known_file *file = &known_files[i];
        struct digests digests = digests_of(file);
        assert_ptr_equal(known_by_digests(&digests), file->sha256 || file->md5 ? file : NULL);
        assert_int_equal(known_check(file, "x", &digests, NULL), 0);
    }
    struct digests stranger = {.bytes = 80134624};
    assert_null(known_by_digests(&stranger)); /* no MD5 computed is no MD5 agreed on */
}

static void known_check_finds_each_difference(void **state)
{
    (void)state;
    struct error err = {0};
    const struct known_file *file = NULL;
    assert_int_equal(known_find("vgg19-caffe", &file, NULL), 0); /* all three are known */
    struct digests digests = digests_of(file);
    digests.bytes++;
    assert_int_equal(known_check(file, "x", &digests, &err), E_INPUT);
    assert_non_null(strstr(err.message, "expected 574671192 bytes, got 574671193"));
    digests = digests_of(file);
    digests.sha256[63] ^= 1;
    assert_int_equal(known_check(file, "x", &digests, &err), E_INPUT);
    assert_non_null(strstr(err.message, file->sha256));
    assert_non_null(strstr(err.message, digests.sha256));
    digests = digests_of(file);
    digests.md5[31] ^= 1;
    assert_int_equal(known_check(file, "x", &digests, &err), E_INPUT);
    assert_non_null(strstr(err.message, file->md5));

    digests = digests_of(file);
    digests.md5[0] = '\0'; /* libcrypto had none: the SHA-256 is enough */
    assert_int_equal(known_check(file, "x", &digests, &err), 0);
    assert_int_equal(known_find("vgg19-keras", &file, NULL), 0);
    digests = digests_of(file);
    digests.md5[0] = '\0'; /* here it is all there is */
    assert_int_equal(known_check(file, "x", &digests, &err), E_ENVIRONMENT);
}

static void write_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0);
    assert_int_equal(fclose(file), 0);
}

/* RFC 1321 A.5 and FIPS 180-2 B.1. */
static void digests_file_matches_published_values(void **state)
{
    (void)state;
    struct digests digests;
    struct error err = {0};
    char hex[DIGEST_HEX];
    write_file("abc", "abc");
    assert_int_equal(digests_file("abc", &digests, &err), 0);
    assert_int_equal(digests.bytes, 3);
    assert_string_equal(digests.md5, "900150983cd24fb0d6963f7d28e17f72");
    assert_string_equal(digests.sha256,
                        "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
    assert_int_equal(digest_file("abc", hex, &err), 0);
    assert_string_equal(hex, digests.sha256);
    assert_int_equal(unlink("abc"), 0);
    assert_int_equal(digests_file("abc", &digests, &err), E_INPUT);
}

static void set(const char *name, const char *value)
{
    assert_int_equal(value ? setenv(name, value, 1) : unsetenv(name), 0);
}

static void cache_folder_follows_the_environment(void **state)
{
    (void)state;
    static const struct {
        const char *ours, *xdg, *home, *folder;
    } cases[] = {
        {"/a", "/b", "/c", "/a"},
        {"here", "/b", "/c", "here"},
        {NULL, "/b", "/c", "/b/atelier"},
        {"", "/b", "/c", "/b/atelier"},
        {NULL, "relative", "/c", "/c/.cache/atelier"},
        {NULL, NULL, "/c", "/c/.cache/atelier"},
        {NULL, "", "", NULL},
        {NULL, NULL, NULL, NULL},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        char *folder = NULL;
        struct error err = {0};
        set("ATELIER_CACHE", cases[i].ours);
        set("XDG_CACHE_HOME", cases[i].xdg);
        set("HOME", cases[i].home);
        int status = known_cache_folder(&folder, &err);
        assert_int_equal(status, cases[i].folder ? 0 : E_ENVIRONMENT);
        if (cases[i].folder)
            assert_string_equal(folder, cases[i].folder);
        else
            assert_null(folder);
        free(folder);
    }
}

static void known_path_finds_what_is_in_the_cache(void **state)
{
    (void)state;
    char folder[] = "known-XXXXXX", file[128];
    char *path = (char *)"untouched";
    bool is_known = true;
    struct error err = {0};
    assert_non_null(mkdtemp(folder));
    set("ATELIER_CACHE", folder);

    assert_int_equal(known_path("some.h5", &path, &is_known, &err), 0);
    assert_false(is_known);
    assert_null(path);

    assert_int_equal(known_path("vgg19-keras", &path, &is_known, &err), E_INPUT);
    assert_true(is_known);
    assert_null(path);
    assert_non_null(strstr(err.message, "'atelier weights --fetch vgg19-keras'"));
    assert_non_null(strstr(err.message, folder));

    snprintf(file, sizeof file, "%s/vgg19_weights_tf_dim_ordering_tf_kernels_notop.h5", folder);
    write_file(file, "short");
    assert_int_equal(known_path("vgg19-keras", &path, &is_known, &err), E_INPUT);
    assert_non_null(strstr(err.message, "expected 80134624 bytes, got 5"));
    assert_int_equal(truncate(file, 80134624), 0);
    assert_int_equal(known_path("vgg19-keras", &path, &is_known, &err), 0);
    assert_true(is_known);
    assert_string_equal(path, file);
    free(path);
    assert_int_equal(unlink(file), 0);

    /* One that cannot be fetched says where it is to be had. */
    assert_int_equal(known_path("vgg19-gatys", &path, &is_known, &err), E_INPUT);
    assert_null(strstr(err.message, "--fetch"));
    assert_non_null(strstr(err.message, "vgg_conv.pth"));
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(known_files_are_told_apart),
        cmocka_unit_test(known_files_are_well_formed),
        cmocka_unit_test(torch_files_carry_their_digest_in_their_name),
        cmocka_unit_test(known_find_names_the_nearest),
        cmocka_unit_test(files_are_recognised_by_any_published_digest),
        cmocka_unit_test(known_check_finds_each_difference),
        cmocka_unit_test(digests_file_matches_published_values),
        cmocka_unit_test(cache_folder_follows_the_environment),
        cmocka_unit_test(known_path_finds_what_is_in_the_cache),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
