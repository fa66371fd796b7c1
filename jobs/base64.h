/* Bytes as text (RFC 4648, padded, without line breaks), through libcrypto. */
#ifndef ATELIER_BASE64_H
#define ATELIER_BASE64_H

#include "error.h"
#include <stddef.h>

/* Caller frees. NULL: memory is out. */
char *base64_encode(const void *bytes, size_t count);

/* The SHA-256 of bytes in that form, as Content-Security-Policy wants it. Caller frees.
 * Errors: E_ENVIRONMENT, E_BUG. */
int base64_sha256(const void *bytes, size_t count, char **text, struct error *err);

#endif
