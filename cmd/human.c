#include "human.h"

#include "numbers.h"
#include <stdio.h>
#include <string.h>

const char *human_duration(double seconds, char text[HUMAN_TEXT])
{
    long whole = (long)(seconds + 0.5);
    if (seconds < 0.0995)
        snprintf(text, HUMAN_TEXT, "%.0f ms", seconds * 1e3);
    else if (seconds < 9.95)
        snprintf(text, HUMAN_TEXT, "%.1f s", seconds);
    else if (whole < 60)
        snprintf(text, HUMAN_TEXT, "%ld s", whole);
    else if (whole < 3600)
        snprintf(text, HUMAN_TEXT, "%ld min %02ld s", whole / 60, whole % 60);
    else
        snprintf(text, HUMAN_TEXT, "%ld h %02ld min", whole / 3600, whole % 3600 / 60);
    return text;
}

const char *human_bytes(uint64_t bytes, char text[HUMAN_TEXT])
{
    double megabytes = (double)bytes * 1e-6;
    if (megabytes < 0.9995)
        snprintf(text, HUMAN_TEXT, "%.0f kB", megabytes * 1e3);
    else if (megabytes < 999.5)
        snprintf(text, HUMAN_TEXT, "%.0f MB", megabytes);
    else
        snprintf(text, HUMAN_TEXT, "%.1f GB", megabytes * 1e-3);
    return text;
}
/* The decimal number that `text` starts with; NULL where there is none. Returns what follows. */
static const char *leading_number(const char *text, double *value)
{
    char digits[NUMBER_TEXT];
    size_t length = strspn(text, "0123456789.");
    if (length == 0 || length >= sizeof digits)
        return NULL;
    memcpy(digits, text, length);
    digits[length] = 0;
    return number_parse(digits, value) ? text + length : NULL;
}

/* [[D-]HH:]MM:SS */
static bool parse_clock(const char *text, double *seconds)
{
    double value, total = 0;
    int parts = 0;
    for (;; text++, parts++) {
        text = leading_number(text, &value);
        if (!text || parts > 3)
            return false;
        bool days = *text == '-' && parts == 0;
        total = (total + value) * (days ? 24 : *text == ':' ? 60 : 1);
        if (!*text)
            break;
        if (!days && *text != ':')
            return false;
    }
    *seconds = total;
    return true;
}

bool human_parse_duration(const char *text, double *seconds)
{
    static const char letters[] = "smhd";
    static const double each[] = {1, 60, 3600, 86400};
    double total = 0, value;
    if (strchr(text, ':'))
        return parse_clock(text, seconds);
    do {
        text = leading_number(text, &value);
        if (!text)
            return false;
        const char *letter = *text ? strchr(letters, *text) : letters;
        if (!letter)
            return false;
        total += value * each[letter - letters];
        text += *text != 0;
    } while (*text);
    *seconds = total;
    return true;
}

bool human_parse_bytes(const char *text, uint64_t *bytes)
{
    static const char letters[] = "kMGT";
    double value, base = 1000;
    text = leading_number(text, &value);
    if (!text)
        return false;
    const char *letter = *text ? strchr(letters, *text == 'K' ? 'k' : *text) : NULL;
    int power = letter ? (int)(letter - letters) + 1 : 0;
    text += letter != NULL;
    if (letter && *text == 'i') {
        base = 1024;
        text++;
    }
    text += *text == 'B';
    for (; power > 0; power--)
        value *= base;
    if (*text || !(value < 1e18))
        return false;
    *bytes = (uint64_t)value;
    return true;
}
