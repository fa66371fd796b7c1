/* SHA-256 as lower-case hex, through libcrypto. */
#ifndef ATELIER_DIGEST_H
#define ATELIER_DIGEST_H

#include "error.h"
#include <stddef.h>

enum { DIGEST_HEX = 65 }; /* 64 digits and the final 0 */

int digest_file(const char *path, char hex[DIGEST_HEX], struct error *err);
int digest_bytes(const void *bytes, size_t count, char hex[DIGEST_HEX], struct error *err);

#endif
