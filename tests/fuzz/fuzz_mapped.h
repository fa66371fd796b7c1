/* What the fuzz targets of memory-mapped formats share. */
#ifndef ATELIER_FUZZ_MAPPED_H
#define ATELIER_FUZZ_MAPPED_H

#include "mapped.h"
#include "weights.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

/* Reads the first convolution out of the bytes, copied so that one byte too far shows. Only input
 * may be wrong, and it is wrong with words. */
static inline int fuzz_mapped(const struct weight_reader *reader, mapped_reader *read,
                              const uint8_t *bytes, size_t count)
{
    static float kernel[9 * 3 * 64], bias[64];
    struct vgg19_weights weights = {.convs = 1, .kernel = {kernel}, .bias = {bias}};
    struct error err = {0};
    int convention = -1;
    unsigned char *copy = malloc(count ? count : 1);
    if (!copy)
        return 0;
    if (count)
        memcpy(copy, bytes, count);
    reader->recognises(copy, count < WEIGHTS_START ? count : WEIGHTS_START);
    int status = read((struct region){copy, count}, &weights, &convention, &err);
    if (status == 0 ? convention != CONVENTION_AUTO && convention != CONVENTION_CAFFE
                    : status != E_INPUT || err.code != E_INPUT || !err.message[0])
        abort();
    free(copy);
    return 0;
}

#endif
