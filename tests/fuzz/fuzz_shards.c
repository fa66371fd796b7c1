/* An index of shards, and one shard: two bytes say how long the index is, the rest is the shard. */
#include "fuzz_folder.h"
#include "shards.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    static float kernel[9 * 3 * 64], bias[64];
    struct vgg19_weights weights = {.convs = 1, .kernel = {kernel}, .bias = {bias}};
    struct error err = {0};
    char index[128], shard[128];
    int convention = -1;
    if (count < 2)
        return 0;
    size_t length = ((size_t)bytes[0] | (size_t)bytes[1] << 8) % (count - 1);
    snprintf(index, sizeof index, "%s/model.safetensors.index.json", in_fuzz_folder());
    snprintf(shard, sizeof shard, "%s/a.safetensors", in_fuzz_folder());
    fuzz_write(index, bytes + 2, length);
    fuzz_write(shard, bytes + 2 + length, count - 2 - length);
    int status = shards_read(index, &weights, &convention, &err);
    if (status != 0 && (status != E_INPUT || !err.message[0]))
        abort();
    if (status != 0 && (shard_hint(shard, &err) != E_INPUT || !err.message[0]))
        abort();
    return 0;
}
