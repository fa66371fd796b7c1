/* Numbers as text, exact both ways and the same in every locale. */
#ifndef ATELIER_NUMBERS_H
#define ATELIER_NUMBERS_H

#include <stdbool.h>

enum { NUMBER_TEXT = 32 };

/* A finite decimal number and nothing else. */
bool number_parse(const char *text, double *value);

/* The shortest text that number_parse reads back as the same value; whole numbers below 1e15
 * without an exponent. */
void number_format(double value, char text[NUMBER_TEXT]);

#endif
