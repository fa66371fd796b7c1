#include "base64.h"

#include <limits.h>
#include <openssl/evp.h>
#include <openssl/sha.h>
#include <stdlib.h>

char *base64_encode(const void *bytes, size_t count)
{
    enum { PIECE = 3 << 20 }; /* EVP_EncodeBlock counts in int */
    char *text = count > SIZE_MAX / 2 ? NULL : malloc((count + 2) / 3 * 4 + 1);
    char *end = text;
    if (!text)
        return NULL;
    *text = '\0';
    for (size_t at = 0; at < count; at += PIECE) {
        size_t piece = count - at < PIECE ? count - at : PIECE;
        end += EVP_EncodeBlock((unsigned char *)end, (const unsigned char *)bytes + at, (int)piece);
    }
    return text;
}

int base64_sha256(const void *bytes, size_t count, char **text, struct error *err)
{
    unsigned char digest[SHA256_DIGEST_LENGTH];
    unsigned length;
    if (EVP_Digest(bytes, count, digest, &length, EVP_sha256(), NULL) != 1)
        return fail(err, E_BUG, "libcrypto refuses SHA-256");
    char *encoded = base64_encode(digest, sizeof digest);
    if (!encoded)
        return fail(err, E_ENVIRONMENT, "not enough memory for a digest");
    *text = encoded;
    return 0;
}
