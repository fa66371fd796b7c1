#include "numerics.h"

#include "conv.h"
#include "image.h"
#include "kernels.h"
#if ATELIER_ONEDNN
#include "onednn.h"
#endif
#include "params.h"
#include <stdio.h>
#include <string.h>

/* jpeglib.h wants stdio.h first. */
#include <jpeglib.h>
#include <lbfgs.h>
#include <lcms2.h>
#include <openssl/crypto.h>
#include <png.h>
#include <zimg.h>

#define TEXT(x)    #x
#define AS_TEXT(x) TEXT(x)

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

/* lcms2, and the libraries of the formats that a build may lack. */
static void set_picture_libraries(struct library *list)
{
    struct image_format_info formats[IMAGE_FORMATS];
    int version = cmsGetEncodedCMMversion();
    char lcms[32];
    snprintf(lcms, sizeof lcms, "%d.%d", version / 1000, version % 1000 / 10);
    set(list++, "lcms2", lcms);
    image_formats(formats);
    for (int i = 2; i < IMAGE_FORMATS; i++) /* after PNG and JPEG */
        set(list++, formats[i].library,
            formats[i].missing ? "none in this build" : formats[i].version);
}

void libraries_core(struct library list[LIBRARIES_CORE])
{
    unsigned major = 0, minor = 0, micro = 0;
    char onednn[96], zimg[32];
    onednn_text(onednn, sizeof onednn);
    zimg_get_version_info(&major, &minor, &micro);
    snprintf(zimg, sizeof zimg, "%u.%u.%u", major, minor, micro);
    set(&list[0], "liblbfgs", LBFGS_VERSION);
    set(&list[1], "zimg", zimg);
    set(&list[2], "libpng", png_get_libpng_ver(NULL));
    set(&list[3], "libjpeg-turbo", AS_TEXT(LIBJPEG_TURBO_VERSION));
    set(&list[4], "OpenSSL", OpenSSL_version(OPENSSL_VERSION_STRING));
    set(&list[5], "oneDNN", onednn);
    set_picture_libraries(list + 6);
}

/* What computes in that arithmetic, if a render of that precision does. */
static const char *engine(int precision, enum arithmetic arithmetic)
{
    if (precision == (arithmetic == ARITHMETIC_F32 ? PRECISION_BF16 : PRECISION_F32))
        return "";
    return conv_missing(arithmetic) ? "no bf16" : conv_engine(LANES, LANES, arithmetic);
}

void numerics_fingerprint(int precision, char *text, size_t size)
{
    struct library list[LIBRARIES_CORE];
    libraries_core(list);
    const char *f32 = engine(precision, ARITHMETIC_F32), *bf16 = engine(precision, ARITHMETIC_BF16);
    size_t used =
        (size_t)snprintf(text, size, "arithmetic %d; %s; %s%s%s", NUMERICS_VERSION,
                         numerics_instruction_set(), f32, *f32 && *bf16 ? ", " : "", bf16);
    for (int i = 0; i < 2 && used < size; i++) /* liblbfgs, zimg */
        used +=
            (size_t)snprintf(text + used, size - used, "; %s %s", list[i].name, list[i].version);
    if ((strncmp(f32, "onednn", 6) == 0 || strncmp(bf16, "onednn", 6) == 0) && used < size)
        snprintf(text + used, size - used, "; %s %s", list[5].name, list[5].version);
}

const char *numerics_instruction_set(void) { return kernels_get()->name; }
