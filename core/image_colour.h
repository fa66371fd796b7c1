/* Private to image_*.c: what colours a file's samples stand for, and bringing them to sRGB with
 * lcms2. The one place where profiles are looked at.
 * Precedence, where a file says it several times, is the reader's; PNG's is cICP, iCCP, sRGB, gAMA
 * and cHRM (PNG specification, third edition, section 4.3). */
#ifndef ATELIER_IMAGE_COLOUR_H
#define ATELIER_IMAGE_COLOUR_H

#include "image.h"

/* The largest profile that is looked at: a JPEG cannot hold a larger one. */
enum { COLOUR_PROFILE_MAX_BYTES = 255 * 65519 };

enum colour_kind { COLOUR_SRGB, COLOUR_PROFILE, COLOUR_CODES, COLOUR_CURVE, COLOUR_ADOBE_RGB };

/* What a file says. {0} is sRGB. */
struct image_colour {
    enum colour_kind kind;
    const uint8_t *profile; /* ICC; borrowed */
    size_t profile_bytes;
    int primaries, transfer; /* COLOUR_CODES: of ITU-T H.273 */
    double gamma;            /* COLOUR_CURVE: samples are light to this power; 0: sRGB's curve */
    bool has_primaries;
    double primary[4][2]; /* x, y of white, red, green, blue; if has_primaries */
};

/* Whether both codes of ITU-T H.273 are known here. */
bool colour_codes_known(int primaries, int transfer);

struct colour_transform;

/* *out is NULL where the samples are sRGB already, to the accuracy of 8 bits; then they stay as
 * they are. Notes what is done, and what cannot be done with a damaged or unfitting profile: such a
 * picture is taken as sRGB. CMYK without a profile is mixed as subtractive colours.
 * channels: 1, 3 or 4; `extra` more samples of a pixel are skipped. Errors: E_ENVIRONMENT.
 * Checked by: test_profiles_are_converted_as_lcms_does in tests/cmd/test_pictures.py */
int colour_transform_new(const struct image_colour *colour, unsigned channels, unsigned extra,
                         unsigned sample_bytes, struct image_notes *notes,
                         struct colour_transform **out, struct error *err);

/* from [count][channels + extra], samples of sample_bytes, to sRGB [count][3] of 16 bits. */
void colour_transform_run(const struct colour_transform *transform, const void *from, uint16_t *to,
                          size_t count);

void colour_transform_free(struct colour_transform *transform);

#endif
