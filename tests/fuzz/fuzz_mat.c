#include "fuzz_mapped.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    return fuzz_mapped(&weight_reader_mat, mat_read, bytes, count);
}
