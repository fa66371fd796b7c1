#include "human.h"

#include <stdio.h>
#include <time.h>

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
    if (megabytes < 999.5)
        snprintf(text, HUMAN_TEXT, "%.0f MB", megabytes);
    else
        snprintf(text, HUMAN_TEXT, "%.1f GB", megabytes * 1e-3);
    return text;
}

const char *human_utc(char text[HUMAN_TEXT])
{
    time_t now = time(NULL);
    struct tm utc;
    gmtime_r(&now, &utc);
    strftime(text, HUMAN_TEXT, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return text;
}
