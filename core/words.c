#include "words.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

enum { LONGEST = 63, SUGGESTIONS = 3, BEGINNING = 3 };

static int fold(char c) { return c == '-' ? '_' : tolower((unsigned char)c); }

static int min3(int a, int b, int c)
{
    int least = a < b ? a : b;
    return least < c ? least : c;
}

int word_distance(const char *a, const char *b)
{
    size_t la = strnlen(a, LONGEST), lb = strnlen(b, LONGEST);
    int d[LONGEST + 1][LONGEST + 1];
    for (size_t i = 0; i <= la; i++)
        d[i][0] = (int)i;
    for (size_t j = 0; j <= lb; j++)
        d[0][j] = (int)j;
    for (size_t i = 1; i <= la; i++)
        for (size_t j = 1; j <= lb; j++) {
            int change = fold(a[i - 1]) != fold(b[j - 1]);
            d[i][j] = min3(d[i - 1][j] + 1, d[i][j - 1] + 1, d[i - 1][j - 1] + change);
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) &&
                fold(a[i - 2]) == fold(b[j - 1]))
                d[i][j] = min3(d[i][j], d[i - 2][j - 2] + 1, d[i][j]);
        }
    return d[la][lb];
}

static bool begins(const char *word, const char *start, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (fold(word[i]) != fold(start[i])) /* also at the end of the word */
            return false;
    return true;
}

/* How far a candidate is from what was written; above any limit where it has nothing to do with it.
 * A quarter of the letters may be wrong, as "input" is no misspelt "output". */
static int distance_of(const char *word, const char *candidate)
{
    size_t length = strnlen(word, LONGEST), other = strnlen(candidate, LONGEST);
    size_t longest = length > other ? length : other;
    int limit = longest < 3 ? 0 : longest < 8 ? 1 : (int)longest / 4;
    int distance = word_distance(word, candidate);
    if (distance <= limit)
        return distance;
    return length >= BEGINNING && begins(candidate, word, length) ? limit : LONGEST + 1;
}

void words_nearest(const char *word, const char *const *words, size_t count, char *text,
                   size_t text_size)
{
    const char *best[SUGGESTIONS] = {NULL};
    int distance[SUGGESTIONS];
    int found = 0;
    for (size_t i = 0; i < count; i++) {
        int d = distance_of(word, words[i]);
        if (d > LONGEST)
            continue;
        int at = found;
        while (at > 0 && distance[at - 1] > d) {
            if (at < SUGGESTIONS) {
                best[at] = best[at - 1];
                distance[at] = distance[at - 1];
            }
            at--;
        }
        if (at < SUGGESTIONS) {
            best[at] = words[i];
            distance[at] = d;
            found += found < SUGGESTIONS;
        }
    }
    text[0] = 0;
    for (int i = 0; i < found; i++) {
        size_t used = strlen(text);
        snprintf(text + used, text_size - used, "%s'%s'",
                 i == 0           ? ""
                 : i == found - 1 ? " or "
                                  : ", ",
                 best[i]);
    }
}
