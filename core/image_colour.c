/* Profiles become lcms2 transforms with perceptual intent (what most programs do), always to 16
 * bits. One of 8-bit RGB or CMYK is left to lcms' optimisations, which are exact to 8 bits; one of
 * 16 bits is evaluated as it stands, since lcms would resample curves too coarsely for linear
 * light. Grey, and a curve alone, become a table. Transforms have no cache, so that they do not
 * depend on what came before. */
#include "image_colour.h"

#include <lcms2.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { FULL = 65535, TABLE_BYTE = 256, TABLE_WORD = 65536 };

struct colour_transform {
    unsigned channels, extra, sample_bytes;
    cmsHTRANSFORM lcms; /* or one of these: */
    uint16_t *table;    /* of every value; */
    bool table_is_rgb;  /* [value][3], for grey; or [value], for each channel */
};

static int fail_memory(struct error *err)
{
    return fail(err, E_ENVIRONMENT, "not enough memory to convert a picture's colours");
}

/* --- curves and primaries --- */

/* ITU-T H.273, table 2: x, y of white, red, green, blue. */
static const struct {
    int code;
    const char *name;
    double primary[4][2];
} known_primaries[] = {
    {1, "BT.709", {{.3127, .3290}, {.640, .330}, {.300, .600}, {.150, .060}}},
    {4, "BT.470 M", {{.310, .316}, {.67, .33}, {.21, .71}, {.14, .08}}},
    {5, "BT.470 BG", {{.3127, .3290}, {.64, .33}, {.29, .60}, {.15, .06}}},
    {6, "BT.601", {{.3127, .3290}, {.630, .340}, {.310, .595}, {.155, .070}}},
    {7, "SMPTE 240M", {{.3127, .3290}, {.630, .340}, {.310, .595}, {.155, .070}}},
    {8, "film", {{.310, .316}, {.681, .319}, {.243, .692}, {.145, .049}}},
    {9, "BT.2020", {{.3127, .3290}, {.708, .292}, {.170, .797}, {.131, .046}}},
    {11, "DCI-P3", {{.314, .351}, {.680, .320}, {.265, .690}, {.150, .060}}},
    {12, "Display P3", {{.3127, .3290}, {.680, .320}, {.265, .690}, {.150, .060}}},
    {22, "EBU 3213", {{.3127, .3290}, {.630, .340}, {.295, .605}, {.155, .077}}},
};
enum { KNOWN_PRIMARIES = sizeof known_primaries / sizeof *known_primaries };

static const double adobe_primary[4][2] = {{.3127, .3290}, {.64, .33}, {.21, .71}, {.15, .06}};
static const double adobe_gamma = 563.0 / 256;

/* IEC 61966-2-1, as lcms writes parametric curves: (a x + b)^g, or c x below d. */
static cmsToneCurve *srgb_curve(void)
{
    static const double parameters[5] = {2.4, 1 / 1.055, 0.055 / 1.055, 1 / 12.92, 0.04045};
    return cmsBuildParametricToneCurve(NULL, 4, parameters);
}

static cmsToneCurve *bt709_curve(void)
{
    static const double parameters[5] = {1 / 0.45, 1 / 1.099, 0.099 / 1.099, 1 / 4.5, 0.081};
    return cmsBuildParametricToneCurve(NULL, 4, parameters);
}

/* Light of a PQ signal, SMPTE ST 2084: 1 is the white of a graphic, 203 cd/m2 (BT.2408). */
static double pq_light(double signal)
{
    const double m1 = 2610.0 / 16384, m2 = 2523.0 / 32, c1 = 3424.0 / 4096, c2 = 2413.0 / 128,
                 c3 = 2392.0 / 128;
    double power = pow(signal, 1 / m2), above = power > c1 ? power - c1 : 0;
    return pow(above / (c2 - c3 * power), 1 / m1) * 10000 / 203;
}

/* The same of an HLG signal, BT.2100, on a display of 1000 cd/m2. */
static double hlg_light(double signal)
{
    const double a = 0.17883277, b = 1 - 4 * a, c = 0.5 - a * log(4 * a);
    double scene = signal <= 0.5 ? signal * signal / 3 : (exp((signal - c) / a) + b) / 12;
    return pow(scene, 1.2) * 1000 / 203;
}

/* What is brighter than white is white. */
static cmsToneCurve *bright_curve(double (*light)(double))
{
    enum { POINTS = 4096 };
    float table[POINTS];
    for (int i = 0; i < POINTS; i++)
        table[i] = (float)fmin(light(i / (double)(POINTS - 1)), 1);
    return cmsBuildTabulatedToneCurveFloat(NULL, POINTS, table);
}

/* ITU-T H.273, table 3. NULL: not known. */
static cmsToneCurve *curve_of_code(int transfer, struct image_notes *notes)
{
    switch (transfer) {
    case 1:
    case 6:
    case 14:
    case 15:
        return bt709_curve();
    case 4:
        return cmsBuildGamma(NULL, 2.2);
    case 5:
        return cmsBuildGamma(NULL, 2.8);
    case 8:
        return cmsBuildGamma(NULL, 1);
    case 13:
        return srgb_curve();
    case 16:
    case 18:
        image_note(notes, "it is an HDR picture; what is brighter than white is taken as white");
        return bright_curve(transfer == 16 ? pq_light : hlg_light);
    }
    return NULL;
}

bool colour_codes_known(int primaries, int transfer)
{
    cmsToneCurve *curve = curve_of_code(transfer, NULL);
    bool known = false;
    for (int i = 0; i < KNOWN_PRIMARIES && curve; i++)
        known |= known_primaries[i].code == primaries;
    cmsFreeToneCurve(curve);
    return known;
}

/* --- the source as a profile --- */

struct source {
    cmsHPROFILE profile;
    char name[128];
};

static cmsHPROFILE profile_of(const double primary[4][2], cmsToneCurve *curve)
{
    cmsCIExyY white = {primary[0][0], primary[0][1], 1};
    cmsCIExyYTRIPLE rgb = {{primary[1][0], primary[1][1], 1},
                           {primary[2][0], primary[2][1], 1},
                           {primary[3][0], primary[3][1], 1}};
    cmsToneCurve *curves[3] = {curve, curve, curve};
    cmsHPROFILE profile = curve ? cmsCreateRGBProfile(&white, &rgb, curves) : NULL;
    cmsFreeToneCurve(curve);
    return profile;
}

static void open_icc(const struct image_colour *colour, struct source *source)
{
    char *name = source->name;
    if (colour->profile_bytes == 0 || colour->profile_bytes > COLOUR_PROFILE_MAX_BYTES)
        return;
    source->profile =
        cmsOpenProfileFromMem(colour->profile, (cmsUInt32Number)colour->profile_bytes);
    if (!source->profile)
        return;
    if (cmsGetProfileInfoASCII(source->profile, cmsInfoDescription, "en", "US", name,
                               sizeof source->name) == 0)
        snprintf(name, sizeof source->name, "a profile without a name");
    name[sizeof source->name - 1] = 0;
    for (; *name; name++)
        if ((unsigned char)*name < ' ' || (unsigned char)*name > '~' || *name == '\'')
            *name = '?';
}

static void open_codes(const struct image_colour *colour, struct image_notes *notes,
                       struct source *source)
{
    for (int i = 0; i < KNOWN_PRIMARIES; i++)
        if (known_primaries[i].code == colour->primaries) {
            source->profile =
                profile_of(known_primaries[i].primary, curve_of_code(colour->transfer, notes));
            snprintf(source->name, sizeof source->name, "%s, transfer %d", known_primaries[i].name,
                     colour->transfer);
        }
}

static bool near_srgb(const double primary[4][2])
{
    double largest = 0;
    for (int i = 0; i < 8; i++)
        largest =
            fmax(largest, fabs(primary[i / 2][i % 2] - known_primaries[0].primary[i / 2][i % 2]));
    return largest < 0.005;
}

/* A power of about 1/2.2 with sRGB's primaries is what most writers put in for sRGB. */
static bool means_srgb(const struct image_colour *colour)
{
    bool usual = colour->gamma == 0 || fabs(colour->gamma * 2.2 - 1) < 0.05;
    return usual && (!colour->has_primaries || near_srgb(colour->primary));
}

static void open_curve(const struct image_colour *colour, struct source *source)
{
    cmsToneCurve *curve = colour->gamma > 0 ? cmsBuildGamma(NULL, 1 / colour->gamma) : srgb_curve();
    source->profile =
        profile_of(colour->has_primaries ? colour->primary : known_primaries[0].primary, curve);
    if (colour->gamma > 0)
        snprintf(source->name, sizeof source->name, "gamma %.4g%s", 1 / colour->gamma,
                 colour->has_primaries ? " and primaries of its own" : "");
    else
        snprintf(source->name, sizeof source->name, "primaries of its own");
}

static void open_source(const struct image_colour *colour, struct image_notes *notes,
                        struct source *source)
{
    switch (colour->kind) {
    case COLOUR_SRGB:
        break;
    case COLOUR_PROFILE:
        open_icc(colour, source);
        break;
    case COLOUR_CODES:
        open_codes(colour, notes, source);
        break;
    case COLOUR_CURVE:
        open_curve(colour, source);
        break;
    case COLOUR_ADOBE_RGB:
        source->profile = profile_of(adobe_primary, cmsBuildGamma(NULL, adobe_gamma));
        snprintf(source->name, sizeof source->name, "Adobe RGB");
        break;
    }
}

/* --- transforms --- */

static cmsHTRANSFORM make_lcms(cmsHPROFILE from, unsigned channels, unsigned extra,
                               unsigned sample_bytes, cmsUInt32Number flags)
{
    int space = channels == 1 ? PT_GRAY : channels == 3 ? PT_RGB : PT_CMYK;
    cmsUInt32Number in = COLORSPACE_SH((cmsUInt32Number)space) | EXTRA_SH(extra) |
                         CHANNELS_SH(channels) | BYTES_SH(sample_bytes);
    cmsHPROFILE srgb = cmsCreate_sRGBProfile();
    cmsHTRANSFORM made = srgb ? cmsCreateTransform(from, in, srgb, TYPE_RGB_16, INTENT_PERCEPTUAL,
                                                   flags | cmsFLAGS_NOCACHE)
                              : NULL;
    if (srgb)
        cmsCloseProfile(srgb);
    return made;
}

static cmsHTRANSFORM make_exact(cmsHPROFILE from, unsigned channels)
{
    return make_lcms(from, channels, 0, 2, cmsFLAGS_NOOPTIMIZE);
}

/* The largest change to any colour of a grid and to any grey, in 16 bits. */
static int largest_change(cmsHTRANSFORM exact, unsigned channels)
{
    enum { STEPS = 9, GREYS = 256 };
    int largest = 0;
    for (int i = 0; i < STEPS * STEPS * STEPS + GREYS; i++) {
        int at = i - STEPS * STEPS * STEPS;
        uint16_t in[3], out[3];
        const int digits[3] = {i / (STEPS * STEPS), i / STEPS % STEPS, i % STEPS};
        for (int c = 0; c < 3; c++)
            in[c] = (uint16_t)(at >= 0 ? at * 257 : digits[c] * FULL / (STEPS - 1));
        if (channels == 1 && at < 0)
            continue;
        cmsDoTransform(exact, in, out, 1);
        for (int c = 0; c < 3; c++) {
            int change = abs(out[c] - in[c]);
            largest = change > largest ? change : largest;
        }
    }
    return largest;
}

/* sRGB's many profiles differ from each other by about one in 8 bits. */
static bool is_srgb(cmsHTRANSFORM exact, unsigned channels)
{
    return channels != 4 && largest_change(exact, channels) <= 3 * 257 / 2;
}

/* [value][3] of every grey. */
static void fill_grey(struct colour_transform *t, cmsHTRANSFORM exact, unsigned profile_channels,
                      int count)
{
    for (int i = 0; i < count; i++) {
        uint16_t value = (uint16_t)(count == TABLE_BYTE ? i * 257 : i);
        uint16_t in[3] = {value, value, value};
        cmsDoTransform(exact, in, t->table + 3 * i, 1);
        if (profile_channels == 3) /* grey stays grey */
            t->table[3 * i] = t->table[3 * i + 2] = t->table[3 * i + 1];
    }
}

/* [value] of every sample; what a grey of the same curve becomes. */
static void fill_curve(struct colour_transform *t, cmsHTRANSFORM exact, int count)
{
    for (int i = 0; i < count; i++) {
        uint16_t value = (uint16_t)(count == TABLE_BYTE ? i * 257 : i), out[3];
        uint16_t in[3] = {value, value, value};
        cmsDoTransform(exact, in, out, 1);
        t->table[i] = out[1];
    }
}

static int make_table(struct colour_transform *t, cmsHTRANSFORM exact, unsigned profile_channels,
                      struct error *err)
{
    int count = t->sample_bytes == 1 ? TABLE_BYTE : TABLE_WORD;
    t->table_is_rgb = t->channels == 1;
    t->table = malloc(3 * sizeof *t->table * (size_t)count);
    if (!t->table)
        return fail_memory(err);
    if (t->table_is_rgb)
        fill_grey(t, exact, profile_channels, count);
    else
        fill_curve(t, exact, count);
    return 0;
}

/* Fills in *t for a profile that fits; *needed says whether there is anything to do. */
static int use_profile(const struct image_colour *colour, const struct source *source,
                       unsigned profile_channels, struct colour_transform *t, bool *needed,
                       bool *good, struct error *err)
{
    int status = 0;
    cmsHTRANSFORM exact = make_exact(source->profile, profile_channels);
    *good = exact != NULL;
    *needed = exact && !is_srgb(exact, profile_channels);
    if (!*needed)
        goto done;
    if (t->channels == 1 || (colour->kind == COLOUR_CURVE && !colour->has_primaries)) {
        TRY(make_table(t, exact, profile_channels, err));
        goto done;
    }
    t->lcms = make_lcms(source->profile, t->channels, t->extra, t->sample_bytes,
                        t->sample_bytes == 1 ? 0 : cmsFLAGS_NOOPTIMIZE);
    *good = t->lcms != NULL;
done:
    if (exact)
        cmsDeleteTransform(exact);
    return status;
}

static unsigned channels_of(cmsHPROFILE profile)
{
    switch (cmsGetColorSpace(profile)) {
    case cmsSigGrayData:
        return 1;
    case cmsSigRgbData:
        return 3;
    case cmsSigCmykData:
        return 4;
    default:
        return 0;
    }
}

static const char *called(const struct image_colour *colour)
{
    return colour->kind == COLOUR_PROFILE ? "colour profile" : "description of its colours";
}

/* *needed: fill in *t. A picture that says nothing useful is sRGB, or plain CMYK. */
static int look_at(const struct image_colour *colour, struct colour_transform *t, bool *needed,
                   struct image_notes *notes, struct error *err)
{
    int status = 0;
    bool good = true;
    struct source source = {0};
    open_source(colour, notes, &source);
    if (!source.profile) {
        image_note(notes, "its %s is damaged or not known here; taken as %s", called(colour),
                   t->channels == 4 ? "plain CMYK" : "sRGB");
        return 0;
    }
    unsigned channels = channels_of(source.profile);
    if (channels != t->channels && !(channels == 3 && t->channels == 1)) {
        image_note(notes, "its colour profile '%s' is for pictures of another kind; taken as %s",
                   source.name, t->channels == 4 ? "plain CMYK" : "sRGB");
        goto done;
    }
    TRY(use_profile(colour, &source, channels, t, needed, &good, err));
    if (!good) {
        *needed = false;
        image_note(notes, "its %s '%s' is damaged; taken as %s", called(colour), source.name,
                   t->channels == 4 ? "plain CMYK" : "sRGB");
    } else if (*needed)
        image_note(notes, "colours converted from %s'%s'",
                   colour->kind == COLOUR_PROFILE ? "the profile " : "", source.name);
done:
    cmsCloseProfile(source.profile);
    return status;
}

static bool says_nothing(const struct image_colour *colour)
{
    return colour->kind == COLOUR_SRGB || (colour->kind == COLOUR_CURVE && means_srgb(colour));
}

int colour_transform_new(const struct image_colour *colour, unsigned channels, unsigned extra,
                         unsigned sample_bytes, struct image_notes *notes,
                         struct colour_transform **out, struct error *err)
{
    int status = 0;
    bool needed = false;
    struct colour_transform made = {
        .channels = channels, .extra = extra, .sample_bytes = sample_bytes};
    struct colour_transform *kept = malloc(sizeof *kept);
    if (!kept)
        return fail_memory(err);
    if (!says_nothing(colour))
        TRY(look_at(colour, &made, &needed, notes, err));
    else if (channels == 4)
        image_note(notes, "a CMYK picture without a colour profile: its colours are approximate");
    if (needed || channels == 4) {
        *kept = made;
        *out = kept;
        return 0;
    }
    *out = NULL;
done:
    free(kept);
    return status;
}

static unsigned sample_at(const struct colour_transform *t, const void *from, size_t at)
{
    return t->sample_bytes == 1 ? ((const uint8_t *)from)[at] : ((const uint16_t *)from)[at];
}

static void run_table(const struct colour_transform *t, const void *from, uint16_t *to,
                      size_t count)
{
    size_t stride = t->channels + t->extra;
    for (size_t i = 0; i < count; i++)
        for (size_t c = 0; c < 3; c++)
            to[3 * i + c] = t->table_is_rgb ? t->table[3 * sample_at(t, from, i * stride) + c]
                                            : t->table[sample_at(t, from, i * stride + c)];
}

/* Ink takes away the share of light that it covers. */
static void run_plain_cmyk(const struct colour_transform *t, const void *from, uint16_t *to,
                           size_t count)
{
    size_t stride = t->channels + t->extra;
    unsigned most = t->sample_bytes == 1 ? 255 : FULL;
    for (size_t i = 0; i < count; i++) {
        uint64_t light = most - sample_at(t, from, i * stride + 3);
        for (size_t c = 0; c < 3; c++) {
            uint64_t left = (most - sample_at(t, from, i * stride + c)) * light * FULL;
            uint64_t whole = (uint64_t)most * most;
            to[3 * i + c] = (uint16_t)((left + whole / 2) / whole);
        }
    }
}

void colour_transform_run(const struct colour_transform *t, const void *from, uint16_t *to,
                          size_t count)
{
    if (t->lcms)
        cmsDoTransform(t->lcms, from, to, (cmsUInt32Number)count);
    else if (t->table)
        run_table(t, from, to, count);
    else
        run_plain_cmyk(t, from, to, count);
}

void colour_transform_free(struct colour_transform *transform)
{
    if (!transform)
        return;
    if (transform->lcms)
        cmsDeleteTransform(transform->lcms);
    free(transform->table);
    free(transform);
}
