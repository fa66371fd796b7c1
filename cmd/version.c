#include "command.h"

#include "commit.h"
#include "conv.h"
#include "fetch.h"
#include "image.h"
#include "mapped.h"
#include "numerics.h"
#include "result.h"
#include "threads.h"
#include <stdio.h>

static void print_engines(void)
{
    struct conv_engine_info list[CONV_ENGINES];
    conv_engines(list);
    printf("engines          f32: %s; bf16: %s; first layer: %s\n",
           conv_engine(LANES, LANES, ARITHMETIC_F32),
           conv_missing(ARITHMETIC_BF16) ? "none" : conv_engine(LANES, LANES, ARITHMETIC_BF16),
           conv_engine(3, LANES, ARITHMETIC_F32));
    for (int i = 0; i < CONV_ENGINES; i++)
        if (list[i].missing)
            printf("                 %s: needs %s\n", list[i].name, list[i].missing);
}

static void print_formats(void)
{
    struct image_format_info list[IMAGE_FORMATS];
    image_formats(list);
    printf("pictures        ");
    for (int i = 0, said = 0; i < IMAGE_FORMATS; i++)
        if (!list[i].missing)
            printf("%s%s", said++ ? ", " : " ", list[i].name);
    putchar('\n');
    for (int i = 0; i < IMAGE_FORMATS; i++)
        if (list[i].missing)
            printf("                 %s: needs %s\n", list[i].name, list[i].library);
}

void print_version(void)
{
    struct library list[LIBRARIES_CORE];
    libraries_core(list);
    printf("atelier %s (commit %s)\n", ATELIER_VERSION, ATELIER_COMMIT);
    printf("instruction set  %s\n", numerics_instruction_set());
    print_engines();
    print_formats();
    printf("processors       %d for this process\n", threads_available());
    for (int i = 0; i < LIBRARIES_CORE; i++)
        printf("%-16s %s\n", list[i].name, list[i].version);
    printf("%-16s %s\n", "HDF5", result_hdf5_version());
    printf("%-16s %s\n", "libcurl", fetch_curl_version());
    printf("%-16s %s\n", "zlib", mat_zlib_version());
}
