#include "command.h"

#include "commit.h"
#include "fetch.h"
#include "mapped.h"
#include "numerics.h"
#include "result.h"
#include "threads.h"
#include <stdio.h>

void print_version(void)
{
    struct library list[LIBRARIES_CORE];
    libraries_core(list);
    printf("atelier %s (commit %s)\n", ATELIER_VERSION, ATELIER_COMMIT);
    printf("instruction set  %s\n", numerics_instruction_set());
    printf("engines          f32: winograd (3x3, 16+ channels), columns (first layer)\n");
    printf("                 bf16: none in this build\n");
    printf("processors       %d for this process\n", threads_available());
    for (int i = 0; i < LIBRARIES_CORE; i++)
        printf("%-16s %s\n", list[i].name, list[i].version);
    printf("%-16s %s\n", "HDF5", result_hdf5_version());
    printf("%-16s %s\n", "libcurl", fetch_curl_version());
    printf("%-16s %s\n", "zlib", mat_zlib_version());
    printf("OpenBLAS file    %s\n", numerics_openblas_file());
}
