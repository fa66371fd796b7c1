#include "numerics.h"

#include "kernels.h"
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

static void set(struct library *library, const char *name, const char *version)
{
    snprintf(library->name, sizeof library->name, "%s", name);
    snprintf(library->version, sizeof library->version, "%s", version);
}

void libraries_core(struct library list[LIBRARIES_CORE])
{
    unsigned major = 0, minor = 0, micro = 0;
    char openblas[96], zimg[32];
    openblas_version(openblas, sizeof openblas);
    zimg_get_version_info(&major, &minor, &micro);
    snprintf(zimg, sizeof zimg, "%u.%u.%u", major, minor, micro);
    set(&list[0], "OpenBLAS", openblas);
    set(&list[1], "liblbfgs", LBFGS_VERSION);
    set(&list[2], "zimg", zimg);
    set(&list[3], "libpng", png_get_libpng_ver(NULL));
    set(&list[4], "libjpeg-turbo", AS_TEXT(LIBJPEG_TURBO_VERSION));
    set(&list[5], "OpenSSL", OpenSSL_version(OPENSSL_VERSION_STRING));
}

void numerics_fingerprint(const char *version, char *text, size_t size)
{
    struct library list[LIBRARIES_CORE];
    libraries_core(list);
    size_t used = (size_t)snprintf(text, size, "%s; %s", version, numerics_instruction_set());
    for (int i = 0; i < 5 && used < size; i++) /* what touches pixels or numbers */
        used +=
            (size_t)snprintf(text + used, size - used, "; %s %s", list[i].name, list[i].version);
}

const char *numerics_instruction_set(void) { return kernels_get()->name; }

const char *numerics_openblas_file(void)
{
    Dl_info info;
    return dladdr((void *)(size_t)openblas_get_config, &info) && info.dli_fname ? info.dli_fname
                                                                                : "unknown";
}
