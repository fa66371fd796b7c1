/* Weight files with made-up values, as write_mapped.py writes them, and what has to come of them.
 */
#ifndef ATELIER_MADE_UP_H
#define ATELIER_MADE_UP_H

#include "check.h"
#include "mapped.h"
#include "weights.h"

enum made_up_type { MADE_UP_F32, MADE_UP_F16, MADE_UP_BF16 };

/* Convolution n's kernel at flat index i of (3, 3, in, out); with n + 16 its bias. */
static inline double made_up(int n, size_t i)
{
    uint64_t at = (uint64_t)i + 7919 * (uint64_t)n;
    return (double)(at * 2654435761 % 1000) / 1000 - .5;
}

/* A number below 1 with so many significant bits. */
static inline float with_bits(double value, int bits, double (*round_off)(double))
{
    int exponent;
    frexp(value, &exponent);
    return (float)ldexp(round_off(ldexp(value, bits - exponent)), exponent - bits);
}

/* No value is so small that it would lose bits in half precision: they are 0 or above 2^-14. */
static inline float made_up_as(enum made_up_type type, int n, size_t i)
{
    double value = made_up(n, i);
    if (type == MADE_UP_F16)
        return with_bits(value, 11, nearbyint);
    if (type == MADE_UP_BF16)
        return with_bits((double)(float)value, 8, trunc);
    return (float)value;
}

static inline size_t kernel_count(int conv)
{
    return 9 * (size_t)vgg19_convs[conv].in * (size_t)vgg19_convs[conv].out;
}

/* Bit for bit what a file in caffe's convention gives: the first kernel's channels are reversed. */
static inline void assert_made_up(const struct vgg19_weights *weights, enum made_up_type type)
{
    for (int conv = 0; conv < weights->convs; conv++) {
        for (size_t i = 0; i < kernel_count(conv); i++) {
            size_t tap = i / (3 * 64), channel = i / 64 % 3, out = i % 64;
            size_t at = conv == 0 ? (tap * 3 + 2 - channel) * 64 + out : i;
            float expected = made_up_as(type, conv, at);
            assert_memory_equal(&weights->kernel[conv][i], &expected, sizeof expected);
        }
        for (size_t i = 0; i < (size_t)vgg19_convs[conv].out; i++) {
            float expected = made_up_as(type, conv + 16, i);
            assert_memory_equal(&weights->bias[conv][i], &expected, sizeof expected);
        }
    }
}

/* Refused, with the file and the text in the message, and without a word to the result. */
static inline void assert_file_refused(const char *path, int convention, int convs,
                                       const char *says)
{
    struct vgg19_weights weights, before;
    struct error err = {0};
    memset(&weights, 0xA5, sizeof weights);
    memcpy(&before, &weights, sizeof before);
    int status = weights_load(path, convention, convs, &weights, &err);
    print_message("%s\n", err.message);
    assert_int_equal(status, E_INPUT);
    assert_non_null(strstr(err.message, path));
    assert_non_null(strstr(err.message, says));
    assert_memory_equal(&weights, &before, sizeof before);
}

/* Loads in caffe's convention: what it guesses; a file that cannot tell (ambiguous) only when it is
 * given. */
static inline void assert_file_loads(const char *path, const char *format, enum made_up_type type,
                                     bool ambiguous, int convs)
{
    struct vgg19_weights weights;
    struct error err = {0};
    if (ambiguous)
        assert_file_refused(path, CONVENTION_AUTO, convs, "caffe (Oxford's weights");
    int given = ambiguous ? CONVENTION_CAFFE : CONVENTION_AUTO;
    int status = weights_load(path, given, convs, &weights, &err);
    print_message("%s: %s\n", path, err.message);
    assert_int_equal(status, 0);
    assert_int_equal(weights.convs, convs);
    assert_string_equal(weights.source, format);
    assert_string_equal(weights.convention, "caffe");
    assert_int_equal(weights.guessed != NULL, !ambiguous);
    assert_made_up(&weights, type);
    vgg19_weights_release(&weights);
}

/* Reads `convs` convolutions out of bytes that end where memory does. */
static inline int read_bytes(mapped_reader *read, const void *bytes, size_t count, int convs,
                             int *convention, struct error *err)
{
    struct vgg19_weights weights;
    unsigned char *copy = malloc(count + !count);
    assert_non_null(copy);
    memcpy(copy, bytes, count);
    assert_int_equal(vgg19_weights_init(&weights, convs, NULL), 0);
    int status = read((struct region){copy, count}, &weights, convention, err);
    vgg19_weights_release(&weights);
    free(copy);
    return status;
}

static inline void assert_bytes_refused(mapped_reader *read, const void *bytes, size_t count,
                                        int convs, const char *says)
{
    struct error err = {0};
    int convention;
    int status = read_bytes(read, bytes, count, convs, &convention, &err);
    if (says[0])
        print_message("%s\n", err.message);
    assert_int_equal(status, E_INPUT);
    assert_int_equal(err.code, E_INPUT);
    assert_true(err.message[0] != '\0');
    if (!strstr(err.message, says))
        print_error("expected '%s'\n", says);
    assert_non_null(strstr(err.message, says));
}

/* The `count` bytes of a good file read well; cut within the first `needed` they are refused; with
 * any byte changed nothing worse happens. */
static inline void assert_survives_damage(mapped_reader *read, const unsigned char *bytes,
                                          size_t count, size_t needed)
{
    static const unsigned char changes[] = {0x01, 0x80, 0xff};
    struct error err = {0};
    int convention;
    unsigned char *damaged = malloc(count);
    assert_non_null(damaged);
    memcpy(damaged, bytes, count);
    assert_int_equal(read_bytes(read, bytes, count, 1, &convention, &err), 0);
    for (size_t cut = 0; cut < needed; cut++)
        assert_bytes_refused(read, bytes, cut, 1, "");
    for (size_t i = 0; i < count; i++) {
        for (size_t k = 0; k < sizeof changes; k++) {
            damaged[i] = bytes[i] ^ changes[k];
            int status = read_bytes(read, damaged, count, 1, &convention, &err);
            assert_true(status == 0 || status == E_INPUT);
        }
        damaged[i] = bytes[i];
    }
    free(damaged);
}

/* A whole small file. Caller frees. */
static inline unsigned char *file_bytes(const char *path, size_t *count)
{
    FILE *file = fopen(path, "rb");
    assert_non_null(file);
    assert_int_equal(fseek(file, 0, SEEK_END), 0);
    *count = (size_t)ftell(file);
    rewind(file);
    unsigned char *bytes = malloc(*count);
    assert_non_null(bytes);
    assert_int_equal(fread(bytes, 1, *count, file), *count);
    fclose(file);
    return bytes;
}

#endif
