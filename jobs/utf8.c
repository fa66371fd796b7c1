#include "utf8.h"

size_t utf8_length(const char *text, size_t bytes)
{
    const unsigned char *c = (const unsigned char *)text;
    unsigned char lead = c[0];
    if (lead < 0x80)
        return 1;
    size_t length = lead <= 0xdf ? 2 : lead <= 0xef ? 3 : 4;
    if (lead < 0xc2 || lead > 0xf4 || bytes < length)
        return 0;
    unsigned char low = lead == 0xe0 ? 0xa0 : lead == 0xf0 ? 0x90 : 0x80;
    unsigned char high = lead == 0xed ? 0x9f : lead == 0xf4 ? 0x8f : 0xbf;
    if (c[1] < low || c[1] > high)
        return 0;
    for (size_t i = 2; i < length; i++)
        if ((c[i] & 0xc0) != 0x80)
            return 0;
    return length;
}

bool utf8_is_control(const char *text, size_t length)
{
    unsigned char c = (unsigned char)text[0];
    if (length == 2)
        return c == 0xc2 && (unsigned char)text[1] < 0xa0;
    return length == 1 && ((c < 0x20 && c != '\t' && c != '\n' && c != '\r') || c == 0x7f);
}

/* U+2028..202e and U+2066..2069 */
bool utf8_misleads(const char *text, size_t length)
{
    const unsigned char *c = (const unsigned char *)text;
    if (length != 3 || c[0] != 0xe2)
        return utf8_is_control(text, length);
    return (c[1] == 0x80 && c[2] >= 0xa8 && c[2] <= 0xae) ||
           (c[1] == 0x81 && c[2] >= 0xa6 && c[2] <= 0xa9);
}
