/* Helping with misspelt names. */
#ifndef ATELIER_WORDS_H
#define ATELIER_WORDS_H

#include <stddef.h>

/* Damerau-Levenshtein distance (adjacent swaps count 1), case-insensitive, '-' equals '_'. */
int word_distance(const char *a, const char *b);

/* Writes up to three of the given words nearest to `word`, as "'a', 'b' or 'c'", into text: those
 * that begin with it, if it has three letters, or that a quarter of the letters turn it into.
 * text is empty when nothing is near. Checked by: only_true_near_misses_are_named */
void words_nearest(const char *word, const char *const *words, size_t count, char *text,
                   size_t text_size);

#endif
