#include "fuzz_jobs.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    return fuzz_jobs(manifest_read, bytes, count);
}
