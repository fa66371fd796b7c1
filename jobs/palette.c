#include "palette.h"

#include <math.h>

static const unsigned kinds[] = {0x0072b2, 0xd55e00, 0x00855f, 0xb0528f,
                                 0x8a6d00, 0x3d8fbf, 0x4d4d4d};
static const unsigned ramp[] = {0x440154, 0x433c84, 0x2f678e, 0x21908d, 0x35a968, 0x8fb824};
enum { KINDS = sizeof kinds / sizeof *kinds, STOPS = sizeof ramp / sizeof *ramp };

struct colour colour_of_hex(unsigned hex)
{
    return (struct colour){(hex >> 16 & 0xff) / 255.0, (hex >> 8 & 0xff) / 255.0,
                           (hex & 0xff) / 255.0};
}

static struct colour on_ramp(double share)
{
    double at = share * (STOPS - 1);
    int below = at >= STOPS - 2 ? STOPS - 2 : (int)at;
    struct colour a = colour_of_hex(ramp[below]), b = colour_of_hex(ramp[below + 1]);
    double part = at - below;
    return (struct colour){a.red + part * (b.red - a.red), a.green + part * (b.green - a.green),
                           a.blue + part * (b.blue - a.blue)};
}

struct colour palette_colour(const struct axis *axis, size_t value)
{
    if (!axis)
        return colour_of_hex(kinds[0]);
    size_t count = axis->values.count;
    bool ramped = axis->numeric ? count > 2 : count > KINDS;
    if (!ramped)
        return colour_of_hex(kinds[value % KINDS]);
    return on_ramp(value < count ? (double)value / (double)(count - 1) : 1);
}
