/* Time: monotonic for durations, UTC for people. */
#ifndef ATELIER_CLOCK_H
#define ATELIER_CLOCK_H

/* Monotonic wall time in seconds. */
double clock_seconds(void);

/* Seconds since 1970, now. */
double clock_now(void);

enum { CLOCK_TEXT = 32 };

/* "2026-01-31T12:34:56Z". Fills and returns text. */
const char *clock_utc(double seconds, char text[CLOCK_TEXT]);

/* The opposite: seconds since 1970, or NaN where text is no such time. */
double clock_parse_utc(const char *text);

#endif
