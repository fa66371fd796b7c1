/* The trained network that is part of the program. */
#include "builtin.h"
#include "check.h"
#include "compare.h"
#include "known.h"
#include "mapped.h"
#include "weights.h"

#include <stdio.h>
#include <sys/mman.h>
#include <unistd.h>

static struct vgg19_weights load(const char *name, int convs)
{
    struct vgg19_weights weights;
    struct error err = {0};
    int status = weights_load(name, CONVENTION_AUTO, convs, &weights, &err);
    print_message("%s: %s\n", name, err.message);
    assert_int_equal(status, 0);
    return weights;
}

static void builtin_has_the_known_digest(void **state)
{
    (void)state;
    struct vgg19_weights weights;
    struct error err = {0};
    char hex[DIGEST_HEX];
    assert_int_equal(vgg19_weights_init(&weights, VGG19_CONVS, &err), 0);
    assert_int_equal(builtin_read(&weights, &err), 0);
    assert_int_equal(weights_digest(&weights, hex, &err), 0);
    assert_string_equal(hex, BUILTIN_DIGEST);
    vgg19_weights_release(&weights);
}

static void assert_same(const struct vgg19_weights *a, const struct vgg19_weights *b, int convs)
{
    for (int i = 0; i < convs; i++) {
        size_t kernel = (size_t)9 * (size_t)vgg19_convs[i].in * (size_t)vgg19_convs[i].out;
        assert_memory_equal(a->kernel[i], b->kernel[i], kernel * sizeof(float));
        assert_memory_equal(a->bias[i], b->bias[i], (size_t)vgg19_convs[i].out * sizeof(float));
    }
}

/* The same numbers from the program and from the file that went into it, digest included. */
static void builtin_is_the_file_beside_it(void **state)
{
    (void)state;
    struct error err = {0};
    struct region file = builtin_file();
    FILE *copy = fopen("builtin.safetensors", "wb");
    assert_non_null(copy);
    assert_int_equal(fwrite(file.bytes, 1, file.count, copy), file.count);
    assert_int_equal(fclose(copy), 0);
    struct digests digests;
    assert_int_equal(digests_file("builtin.safetensors", &digests, &err), 0);
    assert_non_null(strstr(builtin_facts(), digests.sha256));
    struct vgg19_weights own = load("builtin", VGG19_CONVS);
    struct vgg19_weights read = load("builtin.safetensors", VGG19_CONVS);
    assert_same(&own, &read, VGG19_CONVS);
    assert_memory_equal(own.mean, read.mean, sizeof own.mean);
    assert_string_equal(own.digest, read.digest);
    assert_string_equal(own.convention, "caffe");
    assert_string_equal(read.convention, "caffe");
    assert_null(read.guessed);
    assert_string_equal(own.source, "builtin");
    vgg19_weights_release(&own);
    vgg19_weights_release(&read);
    remove("builtin.safetensors");
}

static void builtin_is_the_same_for_any_number_of_layers(void **state)
{
    (void)state;
    struct vgg19_weights all = load("builtin", VGG19_CONVS), few = load("builtin", 3);
    assert_int_equal(few.convs, 3);
    assert_null(few.kernel[3]);
    assert_same(&all, &few, 3);
    assert_string_equal(all.digest, few.digest);
    vgg19_weights_release(&all);
    vgg19_weights_release(&few);
}

/* Bytes of a mapping's pages that this process has mapped in. */
static size_t touched_bytes(const void *start, size_t bytes)
{
    size_t page = (size_t)sysconf(_SC_PAGESIZE), touched = 0;
    uintptr_t first = (uintptr_t)start / page, last = ((uintptr_t)start + bytes) / page;
    FILE *pages = fopen("/proc/self/pagemap", "rb");
    if (!pages || fseek(pages, (long)(first * sizeof(uint64_t)), SEEK_SET) != 0)
        skip();
    for (uintptr_t at = first; at < last; at++) {
        uint64_t entry = 0;
        if (fread(&entry, sizeof entry, 1, pages) != 1)
            break;
        touched += (entry >> 63 & 1) * page;
    }
    fclose(pages);
    return touched;
}

/* Of 40 MB, a render that stops at relu2_1 looks at the first few hundred kilobytes. The kernel
 * maps a fault's neighbours in, up to 64 kB or a large page around it. */
static void builtin_touches_only_the_layers_it_is_asked_for(void **state)
{
    (void)state;
    struct region file = builtin_file();
    madvise((void *)((uintptr_t)file.bytes & ~(uintptr_t)4095), file.count, MADV_DONTNEED);
    struct vgg19_weights few;
    int convention;
    assert_int_equal(vgg19_weights_init(&few, 3, NULL), 0);
    assert_int_equal(safetensors_read(file, &few, &convention, NULL), 0);
    size_t touched = touched_bytes(file.bytes, file.count);
    print_message("%zu of %zu bytes were touched\n", touched, file.count);
    assert_true(touched > 0 && touched < file.count / 4);
    assert_int_equal(builtin_read(&few, NULL), 0);
    assert_true(touched_bytes(file.bytes, file.count) <=
                2 * 4096); /* given back, but for its ends */
    vgg19_weights_release(&few);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(builtin_has_the_known_digest),
        cmocka_unit_test(builtin_is_the_file_beside_it),
        cmocka_unit_test(builtin_is_the_same_for_any_number_of_layers),
        cmocka_unit_test(builtin_touches_only_the_layers_it_is_asked_for),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
