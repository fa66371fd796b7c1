#include "numerics.h"

#include "conv.h"
#include "kernels.h"
#if ATELIER_ONEDNN
#include "onednn.h"
#endif
#include <cblas.h>
#include <dlfcn.h>
#include <stdio.h>
#include <string.h>

/* jpeglib.h wants stdio.h first. */
#include <jpeglib.h>
#include <lbfgs.h>
#include <openssl/crypto.h>
#include <png.h>
#include <zimg.h>

#define TEXT(x)    #x
#define AS_TEXT(x) TEXT(x)

/* openblas_get_config() is "OpenBLAS 0.3.21 NO_LAPACKE ... USE_OPENMP SkylakeX MAX_THREADS=128". */
static void openblas_version(char *text, size_t size)
{
    const char *config = openblas_get_config();
    const char *version = strncmp(config, "OpenBLAS ", 9) == 0 ? config + 9 : config;
    snprintf(text, size, "%.*s %s%s", (int)strcspn(version, " "), version, openblas_get_corename(),
             strstr(config, "USE_OPENMP") ? ", OpenMP"
                                          : ", NOT the OpenMP build: expect half speed");
}

static void onednn_text(char *text, size_t size)
{
#if ATELIER_ONEDNN
    onednn_version(text, size);
#else
    snprintf(text, size, "none in this build");
#endif
}

static void set(struct library *library, const char *name, const char *version)
{
    snprintf(library->name, sizeof library->name, "%s", name);
    snprintf(library->version, sizeof library->version, "%s", version);
}

void libraries_core(struct library list[LIBRARIES_CORE])
{
    unsigned major = 0, minor = 0, micro = 0;
    char openblas[96], onednn[96], zimg[32];
    openblas_version(openblas, sizeof openblas);
    onednn_text(onednn, sizeof onednn);
    zimg_get_version_info(&major, &minor, &micro);
    snprintf(zimg, sizeof zimg, "%u.%u.%u", major, minor, micro);
    set(&list[0], "OpenBLAS", openblas);
    set(&list[1], "liblbfgs", LBFGS_VERSION);
    set(&list[2], "zimg", zimg);
    set(&list[3], "libpng", png_get_libpng_ver(NULL));
    set(&list[4], "libjpeg-turbo", AS_TEXT(LIBJPEG_TURBO_VERSION));
    set(&list[5], "OpenSSL", OpenSSL_version(OPENSSL_VERSION_STRING));
    set(&list[6], "oneDNN", onednn);
}

/* oneDNN counts only where it is used: elsewhere another version changes nothing. */
void numerics_fingerprint(const char *version, char *text, size_t size)
{
    struct library list[LIBRARIES_CORE];
    libraries_core(list);
    const char *f32 = conv_engine(LANES, LANES, ARITHMETIC_F32);
    const char *bf16 =
        conv_missing(ARITHMETIC_BF16) ? "no bf16" : conv_engine(LANES, LANES, ARITHMETIC_BF16);
    size_t used = (size_t)snprintf(text, size, "%s; %s; %s, %s", version,
                                   numerics_instruction_set(), f32, bf16);
    for (int i = 0; i < 5 && used < size; i++) /* what touches pixels or numbers */
        used +=
            (size_t)snprintf(text + used, size - used, "; %s %s", list[i].name, list[i].version);
    if ((strncmp(f32, "onednn", 6) == 0 || strncmp(bf16, "onednn", 6) == 0) && used < size)
        snprintf(text + used, size - used, "; %s %s", list[6].name, list[6].version);
}

const char *numerics_instruction_set(void) { return kernels_get()->name; }

const char *numerics_openblas_file(void)
{
    Dl_info info;
    return dladdr((void *)(size_t)openblas_get_config, &info) && info.dli_fname ? info.dli_fname
                                                                                : "unknown";
}
