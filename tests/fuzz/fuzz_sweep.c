#include "fuzz_jobs.h"
#include "sweep.h"

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    return fuzz_jobs(sweep_read, bytes, count);
}
