#include "clock.h"

#include <math.h>
#include <time.h>

static double seconds_of(clockid_t clock)
{
    struct timespec now;
    clock_gettime(clock, &now);
    return (double)now.tv_sec + 1e-9 * (double)now.tv_nsec;
}

double clock_seconds(void) { return seconds_of(CLOCK_MONOTONIC); }

double clock_now(void) { return seconds_of(CLOCK_REALTIME); }

const char *clock_utc(double seconds, char text[CLOCK_TEXT])
{
    time_t whole = (time_t)seconds;
    struct tm utc;
    gmtime_r(&whole, &utc);
    strftime(text, CLOCK_TEXT, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return text;
}

double clock_parse_utc(const char *text)
{
    struct tm utc = {0};
    const char *end = strptime(text, "%Y-%m-%dT%H:%M:%SZ", &utc);
    return end && *end == 0 ? (double)timegm(&utc) : (double)NAN;
}
