#include "numbers.h"

#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

bool number_parse(const char *text, double *value)
{
    if (!*text || strspn(text, "0123456789+-.eE") != strlen(text))
        return false;
    char *end;
    double parsed = strtod(text, &end);
    if (*end || !isfinite(parsed))
        return false;
    *value = parsed;
    return true;
}

void number_format(double value, char text[NUMBER_TEXT])
{
    text[0] = 0;
    if (floor(value) == value && fabs(value) < 1e15) {
        snprintf(text, NUMBER_TEXT, "%.0f", value);
        return;
    }
    /* Up to 15 digits survive unchanged in a normal number, and %g drops zeros. */
    for (int digits = fabs(value) < DBL_MIN ? 1 : DBL_DIG; digits <= 17; digits++) {
        char longer[NUMBER_TEXT];
        snprintf(longer, sizeof longer, "%.*g", digits, value);
        if ((text[0] == 0 || strlen(longer) < strlen(text)) && strtod(longer, NULL) == value)
            memcpy(text, longer, sizeof longer);
    }
}
