/* From a name to weights: what is a weight file, what is not, and in which input convention. */
#include "check.h"
#include "file_map.h"
#include "guarded.h"
#include "mapped.h"
#include "weights.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/time.h>
#include <sys/wait.h>
#include <unistd.h>

static void weights_load_describes_the_untrained_network(void **state)
{
    (void)state;
    struct vgg19_weights weights;
    struct error err = {0};
    char hex[DIGEST_HEX];
    static const float mean[3] = {123.68f, 116.779f, 103.939f};
    static const char *const names[] = {"random:05", "builtin:5"};
    assert_int_equal(digest_bytes("builtin:5", 9, hex, &err), 0);
    for (int i = 0; i < 2; i++) {
        assert_int_equal(weights_load(names[i], CONVENTION_CAFFE, 1, &weights, &err), 0);
        assert_int_equal(weights.convs, 1);
        assert_null(weights.kernel[1]);
        assert_string_equal(weights.source, "random:5");
        assert_string_equal(weights.convention, "caffe");
        assert_memory_equal(weights.mean, mean, sizeof mean);
        assert_string_equal(weights.digest, hex);
        vgg19_weights_release(&weights);
    }
}

/* Refused, with every text in its message, and nothing written to the result. */
static void assert_refused(const char *name, int convention, int code, const char *text)
{
    struct vgg19_weights weights, before;
    struct error err = {0};
    memset(&weights, 0xA5, sizeof weights);
    memcpy(&before, &weights, sizeof before);
    int status = weights_load(name, convention, 2, &weights, &err);
    print_message("%s\n", err.message);
    assert_int_equal(status, code);
    assert_int_equal(err.code, code);
    assert_non_null(strstr(err.message, text));
    assert_memory_equal(&weights, &before, sizeof before);
    assert_int_equal(weights_load(name, convention, 2, &weights, NULL), code);
}

static void weights_load_refuses_torchvision_without_a_file(void **state)
{
    (void)state;
    assert_refused("builtin", CONVENTION_TORCHVISION, E_INPUT, "convention caffe, got torchvision");
    assert_refused("random", CONVENTION_TORCHVISION, E_INPUT, "convention caffe, got torchvision");
}

static void write_file(const char *path, const void *bytes, size_t count)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(bytes, 1, count, file), count);
    assert_int_equal(fclose(file), 0);
}

static void weights_load_says_what_a_wrong_file_is(void **state)
{
    (void)state;
#define BYTES(text) text, sizeof text - 1
    static const struct {
        const char *bytes;
        size_t count;
        const char *says;
    } cases[] = {
        {BYTES(""), "'wrong.h5' is empty"},
        {BYTES("<!DOCTYPE html><html>"), "is an HTML page, not a weight file: the download went"},
        {BYTES("\xef\xbb\xbf \r\n<HTML lang=en>"), "is an HTML page"},
        {BYTES("<?xml version='1.0'?><Error><Code>NoSuchKey"), "is an XML page"},
        {BYTES("version https://git-lfs.github.com/spec/v1\n"), "git lfs pull"},
        {BYTES("\x80\x04\x95\0\0\0\0"), "is a Python pickle, but not as torch.save writes it"},
        {BYTES("name: \"VGG_ILSVRC_19_layers\"\nlayers {\n"), "name the .caffemodel that belongs"},
        {BYTES("PK\3\4\0\0metadata.json"), "the file is truncated: it has no zip directory"},
        {BYTES("\xff\xff\xff\xff\0\0\0\0{\"a\":"), "is not a weight file: expected one of: Keras"},
        {BYTES("\x89PNG\r\n\x1a\n"), "is a picture"},
        {BYTES("\xff\xd8\xff\xe0"), "is a picture"},
        {BYTES("\x1f\x8b\x08"), "is compressed with gzip"},
        {BYTES("\x93NUMPY\1\0"), "a NumPy array"},
        {BYTES("hello"), "is not a weight file: expected one of: Keras HDF5"},
        {BYTES("\x89HDF\r\n\x1a"), "is not a weight file"},
        {BYTES("\0"), "is not a weight file"},
        {BYTES("\n"), "is not a weight file"},
    };
#undef BYTES
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_file("wrong.h5", cases[i].bytes, cases[i].count);
        assert_refused("wrong.h5", CONVENTION_AUTO, E_INPUT, "'wrong.h5'");
        assert_refused("wrong.h5", CONVENTION_AUTO, E_INPUT, cases[i].says);
    }
    unlink("wrong.h5");
}

static void weights_load_refuses_what_is_no_file(void **state)
{
    (void)state;
    assert_refused("nowhere.h5", CONVENTION_AUTO, E_INPUT, "there is no weight file 'nowhere.h5'");
    assert_refused("bulitin", CONVENTION_AUTO, E_INPUT, "did you mean 'builtin'?");
    assert_refused("bultin:3", CONVENTION_AUTO, E_INPUT, "did you mean 'builtin'?");
    assert_refused("randon:1", CONVENTION_AUTO, E_INPUT, "did you mean 'random'?");
    assert_refused("vgg19", CONVENTION_AUTO, E_INPUT,
                   "known names: builtin, random, vgg19-keras, ");
    assert_refused("vgg19-kera", CONVENTION_AUTO, E_INPUT, "did you mean 'vgg19-keras'");
    assert_refused("VGG19_keras", CONVENTION_AUTO, E_INPUT, "did you mean 'vgg19-keras'");
    assert_refused("something", CONVENTION_AUTO, E_INPUT, "('atelier weights' lists them)");
    assert_refused("", CONVENTION_AUTO, E_INPUT, "there is no weight file ''");
    assert_refused(".", CONVENTION_AUTO, E_INPUT, "'.' is a folder, not a weight file");
    assert_refused("/dev/null", CONVENTION_AUTO, E_INPUT, "is a device or a pipe");
    unlink("pipe.h5");
    assert_int_equal(mkfifo("pipe.h5", 0600), 0);
    assert_refused("pipe.h5", CONVENTION_AUTO, E_INPUT, "is a device or a pipe");
    unlink("pipe.h5");
}

/* In a child that is not root, whom no permission holds back. */
static void weights_load_says_when_it_may_not_read(void **state)
{
    (void)state;
    write_file("secret.h5", "secret", 6);
    assert_int_equal(chmod("secret.h5", 0), 0);
    int ended = 0;
    pid_t child = fork();
    if (child == 0) {
        struct vgg19_weights weights;
        struct error err = {0};
        if (getuid() == 0 && setuid(65534) != 0)
            _exit(1);
        int status = weights_load("secret.h5", CONVENTION_AUTO, 1, &weights, &err);
        _exit(status == E_ENVIRONMENT && strstr(err.message, "'secret.h5': Permission denied") ? 0
                                                                                               : 2);
    }
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_true(WIFEXITED(ended));
    assert_int_equal(WEXITSTATUS(ended), 0);
    unlink("secret.h5");
}

static void weights_convention_needs_one_answer(void **state)
{
    (void)state;
    enum { AUTO = CONVENTION_AUTO, CAFFE = CONVENTION_CAFFE, TORCH = CONVENTION_TORCHVISION };
    static const struct {
        int found, given, status, expected;
        const char *says[2], *guessed;
    } cases[] = {
        {CAFFE, AUTO, 0, CAFFE, {"", ""}, NULL},
        {CAFFE, CAFFE, 0, CAFFE, {"", ""}, NULL},
        {CAFFE, TORCH, E_INPUT, -1, {"convention caffe", "got torchvision"}, NULL},
        {TORCH, AUTO, 0, TORCH, {"", ""}, NULL},
        {TORCH, CAFFE, E_INPUT, -1, {"convention torchvision", "got caffe"}, NULL},
        {AUTO, AUTO, E_INPUT, -1, {"caffe (", "torchvision ("}, NULL},
        {AUTO, CAFFE, 0, CAFFE, {"", ""}, NULL},
        {AUTO, TORCH, 0, TORCH, {"", ""}, NULL},
        {CAFFE, AUTO, 0, CAFFE, {"", ""}, "a guess"},
        {CAFFE, CAFFE, 0, CAFFE, {"", ""}, "a guess"},
        {CAFFE, TORCH, 0, TORCH, {"", ""}, "a guess"},
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        int convention = -1;
        const struct weights_origin found = {"a", cases[i].found, cases[i].guessed};
        int status = weights_convention(&found, cases[i].given, &convention, &err);
        assert_int_equal(status, cases[i].status);
        assert_int_equal(convention, cases[i].expected);
        assert_non_null(strstr(err.message, cases[i].says[0]));
        assert_non_null(strstr(err.message, cases[i].says[1]));
    }
}

/* One pixel through the kernel of a file as its convention says, and through the folded kernel as
 * ours says: the same number. */
static void weights_fold_keeps_the_response(void **state)
{
    (void)state;
    static const double rgb[3] = {200, 90, 31};
    static const double caffe_bgr[3] = {31 - 103.939, 90 - 116.779, 200 - 123.68};
    static const double torch_rgb[3] = {(200 / 255. - .485) / .229, (90 / 255. - .456) / .224,
                                        (31 / 255. - .406) / .225};
    static const struct {
        int convention;
        const char *name;
        const double *input;
        float mean[3];
    } cases[] = {
        {CONVENTION_CAFFE, "caffe", caffe_bgr, {123.68f, 116.779f, 103.939f}},
        {CONVENTION_TORCHVISION, "torchvision", torch_rgb, {123.675f, 116.28f, 103.53f}},
    };
    const size_t out = 64;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct vgg19_weights weights;
        struct error err = {0};
        assert_int_equal(vgg19_weights_init(&weights, 1, &err), 0);
        float *noise = noise_new(i, 9 * 3 * out, 1);
        memcpy(weights.kernel[0], noise, 9 * 3 * out * sizeof *noise);
        weights_fold(cases[i].convention, &weights);
        assert_string_equal(weights.convention, cases[i].name);
        assert_memory_equal(weights.mean, cases[i].mean, sizeof weights.mean);
        for (size_t tap = 0; tap < 9; tap++)
            for (size_t o = 0; o < out; o++) {
                double ours = 0, theirs = 0;
                for (size_t c = 0; c < 3; c++) {
                    size_t at = (tap * 3 + c) * out + o;
                    theirs += (double)noise[at] * cases[i].input[c];
                    ours += (double)weights.kernel[0][at] * (rgb[c] - (double)weights.mean[c]);
                }
                assert_true(fabs(ours - theirs) <= 1e-5 * (1 + fabs(theirs)));
            }
        free(noise);
        vgg19_weights_release(&weights);
    }
}

static int do_well(void *shared, struct error *err)
{
    (void)err;
    *(int *)shared = 7;
    return 0;
}

static int do_fail(void *shared, struct error *err)
{
    (void)shared;
    return fail(err, E_ENVIRONMENT, "so %d", 1);
}

static int do_crash(void *shared, struct error *err)
{
    (void)shared, (void)err;
    raise(SIGSEGV);
    return 0;
}

static int do_abort(void *shared, struct error *err)
{
    (void)shared, (void)err;
    abort();
}

static int do_exit(void *shared, struct error *err)
{
    (void)shared, (void)err;
    _exit(0);
}

static int do_hang(void *shared, struct error *err)
{
    (void)err;
    guarded_rest(); /* on a busy machine its second may take minutes */
    while (*(volatile int *)shared == 0)
        ;
    return 0;
}

static int do_hoard(void *shared, struct error *err)
{
    (void)shared;
    bool refused = mmap(NULL, (size_t)GUARDED_BYTES + (16 << 20), PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS, -1, 0) == MAP_FAILED;
    return refused ? fail(err, E_INPUT, "no memory") : 0;
}

/* For ever, but for the clock that was set, which is turned forward here. */
static int do_wait(void *shared, struct error *err)
{
    struct itimerval left, soon = {.it_value.tv_usec = 1000};
    int ends[2];
    char byte;
    (void)shared;
    getitimer(ITIMER_REAL, &left);
    if (left.it_value.tv_sec < GUARDED_PATIENCE / 2 || left.it_value.tv_sec > GUARDED_PATIENCE)
        return fail(err, E_BUG, "%d s to wait", (int)left.it_value.tv_sec);
    if (pipe(ends) == 0 && setitimer(ITIMER_REAL, &soon, NULL) == 0 && read(ends[0], &byte, 1))
        return 0;
    return 0;
}

static int do_rest(void *shared, struct error *err)
{
    struct itimerval left;
    (void)shared;
    guarded_rest();
    getitimer(ITIMER_REAL, &left);
    return left.it_value.tv_sec ? 0 : fail(err, E_INPUT, "rests");
}

static void guarded_run_survives_anything(void **state)
{
    (void)state;
    static const struct {
        int (*work)(void *, struct error *);
        int status;
        const char *says;
    } cases[] = {
        {do_well, 0, ""},
        {do_fail, E_ENVIRONMENT, "so 1"},
        {do_crash, E_INPUT, "crashes (Segmentation fault)"},
        {do_abort, E_INPUT, "crashes (Aborted)"},
        {do_exit, E_INPUT, "crashes (it ended early)"},
        {do_hang, E_INPUT, "does not come to an end"},
        {do_hoard, E_INPUT, "no memory"},
        {do_wait, E_INPUT, "it waits for what does not come"},
        {do_rest, E_INPUT, "rests"},
    };
    int *shared = guarded_memory(sizeof *shared);
    assert_non_null(shared);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        struct error err = {0};
        *shared = 0;
        int status = guarded_run(cases[i].work, shared, 1, &err);
        print_message("%s\n", err.message);
        assert_int_equal(status, cases[i].status);
        assert_int_equal(err.code, cases[i].status);
        assert_non_null(strstr(err.message, cases[i].says));
        assert_int_equal(*shared, cases[i].work == do_well ? 7 : 0);
    }
    guarded_free(shared, sizeof *shared);
}

/* Reads a byte of the file's second page, which is gone by then. */
static int read_late(struct region file, struct vgg19_weights *weights, int *convention,
                     struct error *err)
{
    (void)weights, (void)err;
    assert_int_equal(truncate("late.bin", 1), 0);
    *convention = file.bytes[file.count - 1];
    return 0;
}

static int read_twice(struct region file, struct vgg19_weights *weights, int *convention,
                      struct error *err)
{
    int status = read_late(file, weights, convention, err);
    read_late(file, weights, convention, err);
    return status ? status : fail(err, E_INPUT, "it is damaged");
}

static void a_file_that_shrinks_while_it_is_read_is_an_error(void **state)
{
    (void)state;
    static const char bytes[20000] = "x";
    static mapped_reader *const readers[] = {read_late, read_twice};
    struct sigaction before, after;
    sigaction(SIGBUS, NULL, &before);
    for (size_t i = 0; i < sizeof readers / sizeof *readers; i++) {
        struct error err = {0};
        int convention = -1;
        write_file("late.bin", bytes, sizeof bytes);
        assert_int_equal(mapped_read("late.bin", readers[i], NULL, &convention, &err), E_INPUT);
        print_message("%s\n", err.message);
        assert_non_null(strstr(err.message, "it got shorter while it was read"));
        assert_int_equal(convention, 0);
    }
    sigaction(SIGBUS, NULL, &after);
    assert_true(before.sa_handler == after.sa_handler);
    struct error err = {0};
    struct region one, other;
    write_file("late.bin", bytes, sizeof bytes); /* what was lost then is not lost now */
    assert_int_equal(file_map(AT_FDCWD, "late.bin", &one, &err), 0);
    assert_int_equal(file_map(AT_FDCWD, "late.bin", &other, &err), 0);
    file_unmap(&one);
    assert_int_equal(other.bytes[0], 'x');
    assert_int_equal(file_map_whole(&err), 0);
    file_unmap(&other);
    assert_int_equal(file_map(AT_FDCWD, ".", &one, &err), E_INPUT);
    assert_non_null(strstr(err.message, "not a regular file"));
    unlink("late.bin");
}

/* A fault elsewhere is still one. */
static void another_bus_error_ends_the_process(void **state)
{
    (void)state;
    static const char bytes[20000] = "x";
    int ended = 0;
    write_file("late.bin", bytes, sizeof bytes);
    pid_t child = fork();
    if (child == 0) {
        struct region file;
        int other = open("late.bin", O_RDWR);
        volatile char *own = mmap(NULL, 20000, PROT_READ, MAP_PRIVATE, other, 0);
        signal(SIGBUS, SIG_DFL);
        if (file_map(AT_FDCWD, "late.bin", &file, NULL) == 0 && ftruncate(other, 1) == 0)
            _exit(own[10000]);
        _exit(1);
    }
    assert_int_equal(waitpid(child, &ended, 0), child);
    assert_true(WIFSIGNALED(ended) && WTERMSIG(ended) == SIGBUS);
    unlink("late.bin");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(weights_load_describes_the_untrained_network),
        cmocka_unit_test(weights_load_refuses_torchvision_without_a_file),
        cmocka_unit_test(weights_load_says_what_a_wrong_file_is),
        cmocka_unit_test(weights_load_refuses_what_is_no_file),
        cmocka_unit_test(weights_load_says_when_it_may_not_read),
        cmocka_unit_test(weights_convention_needs_one_answer),
        cmocka_unit_test(weights_fold_keeps_the_response),
        cmocka_unit_test(guarded_run_survives_anything),
        cmocka_unit_test(a_file_that_shrinks_while_it_is_read_is_an_error),
        cmocka_unit_test(another_bus_error_ends_the_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
