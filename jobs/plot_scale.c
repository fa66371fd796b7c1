#include "plot_scale.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

static bool is_drawn(const struct plot_scale *scale, double value)
{
    return isfinite(value) && !(scale->logarithmic && value <= 0);
}

static double bend(const struct plot_scale *scale, double value)
{
    return scale->logarithmic ? log10(value) : value;
}

static double unbend(const struct plot_scale *scale, double value)
{
    return scale->logarithmic ? pow(10, value) : value;
}

void plot_scale_see(struct plot_scale *scale, double value)
{
    if (!is_drawn(scale, value))
        return;
    if (!scale->seen || value < scale->low)
        scale->low = value;
    if (!scale->seen || value > scale->high)
        scale->high = value;
    scale->seen = true;
}

void plot_scale_settle(struct plot_scale *scale, double air)
{
    if (!scale->seen) {
        scale->low = scale->logarithmic ? 0.1 : 0;
        scale->high = 1;
    }
    double low = bend(scale, scale->low), high = bend(scale, scale->high);
    if (!(low < high)) {
        low -= scale->logarithmic ? 0.3 : 1;
        high += scale->logarithmic ? 0.3 : 1;
    }
    double room = air * (high - low);
    scale->low = unbend(scale, low - room);
    scale->high = unbend(scale, high + room);
}

double plot_scale_at(const struct plot_scale *scale, double value)
{
    if (!is_drawn(scale, value))
        return (double)NAN;
    double low = bend(scale, scale->low), high = bend(scale, scale->high);
    return (bend(scale, value) - low) / (high - low);
}

static size_t linear_ticks(const struct plot_scale *scale, int wanted, double *ticks, size_t most)
{
    double raw = (scale->high - scale->low) / wanted;
    double power = pow(10, floor(log10(raw)));
    double step = raw <= power       ? power
                  : raw <= 2 * power ? 2 * power
                  : raw <= 5 * power ? 5 * power
                                     : 10 * power;
    size_t count = 0;
    for (double i = ceil(scale->low / step - 1e-9);
         i * step <= scale->high + step * 1e-9 && count < most; i++)
        ticks[count++] = i * step;
    return count;
}

static size_t log_ticks(const struct plot_scale *scale, int wanted, double *ticks, size_t most)
{
    static const double factors[] = {1, 2, 5};
    int first = (int)floor(log10(scale->low)), last = (int)ceil(log10(scale->high));
    int per_decade = last - first <= 2 ? 3 : 1;
    int stride = (last - first + wanted - 1) / wanted;
    size_t count = 0;
    for (int exponent = first; exponent <= last; exponent += stride > 1 ? stride : 1)
        for (int f = 0; f < per_decade; f++) {
            double tick = factors[f] * pow(10, exponent);
            if (tick >= scale->low * (1 - 1e-9) && tick <= scale->high * (1 + 1e-9) && count < most)
                ticks[count++] = tick;
        }
    return count > 1 ? count : linear_ticks(scale, wanted, ticks, most);
}

size_t plot_scale_ticks(const struct plot_scale *scale, int wanted, double *ticks, size_t most)
{
    if (wanted < 2)
        wanted = 2;
    return (scale->logarithmic ? log_ticks : linear_ticks)(scale, wanted, ticks, most);
}

/* "-12" as "⁻¹²" */
static void append_superscript(char *text, size_t size, int exponent)
{
    static const char *const digits[] = {"⁰", "¹", "²", "³", "⁴", "⁵", "⁶", "⁷", "⁸", "⁹"};
    char plain[16];
    snprintf(plain, sizeof plain, "%d", exponent);
    for (const char *c = plain; *c; c++) {
        size_t used = strlen(text);
        snprintf(text + used, size - used, "%s", *c == '-' ? "⁻" : digits[*c - '0']);
    }
}

const char *plot_tick_text(double value, char text[TICK_TEXT])
{
    double size = fabs(value);
    if (value == 0 || (size >= 1e-3 && size < 1e6)) {
        snprintf(text, TICK_TEXT, "%.4g", value);
        if (strchr(text, 'e'))
            snprintf(text, TICK_TEXT, "%.0f", value);
        return text;
    }
    int exponent = (int)floor(log10(size) + 1e-9);
    double factor = value / pow(10, exponent);
    if (fabs(factor - 1) < 1e-9)
        snprintf(text, TICK_TEXT, "10");
    else
        snprintf(text, TICK_TEXT, "%.3g × 10", factor);
    append_superscript(text, TICK_TEXT, exponent);
    return text;
}
