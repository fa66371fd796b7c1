/* Characters of a text that came from outside. */
#ifndef ATELIER_UTF8_H
#define ATELIER_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the UTF-8 character at text (1..4), 0 where there is none. bytes >= 1 may be looked at.
 * Source: RFC 3629, section 4. */
size_t utf8_length(const char *text, size_t bytes);

/* Whether that character would do something to a terminal: C0 without white space, DEL, C1. */
bool utf8_is_control(const char *text, size_t length);

/* Whether it would do that, or put others in another order or on another line than they were
 * written in: overrides, embeddings and isolates of bidirectional text, separators of lines.
 * Source: Unicode Technical Report 36, section 2.4; CVE-2021-42574. */
bool utf8_misleads(const char *text, size_t length);

#endif
