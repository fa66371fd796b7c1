#include "digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 20 };

static void to_hex(const unsigned char *sum, char hex[DIGEST_HEX])
{
    for (int i = 0; i < 32; i++)
        snprintf(hex + 2 * i, 3, "%02x", sum[i]);
}

int digest_file(const char *path, char hex[DIGEST_HEX], struct error *err)
{
    int status = 0;
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned char *buffer = malloc(READ_BYTES);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0) {
        int code = errno == ENOENT ? E_INPUT : E_ENVIRONMENT;
        status = fail_errno(err, "cannot open '%s'", path);
        if (err)
            err->code = code;
        status = code;
        goto done;
    }
    if (!buffer || !context || !EVP_DigestInit_ex(context, EVP_sha256(), NULL)) {
        status = fail(err, E_ENVIRONMENT, "not enough memory to read '%s'", path);
        goto done;
    }
    ssize_t got;
    while ((got = read(file, buffer, READ_BYTES)) > 0)
        EVP_DigestUpdate(context, buffer, (size_t)got);
    if (got < 0) {
        status = fail_errno(err, "cannot read '%s'", path);
        goto done;
    }
    EVP_DigestFinal_ex(context, sum, NULL);
    to_hex(sum, hex);
done:
    if (file >= 0)
        close(file);
    EVP_MD_CTX_free(context);
    free(buffer);
    return status;
}

int digest_bytes(const void *bytes, size_t count, char hex[DIGEST_HEX], struct error *err)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    if (!EVP_Digest(bytes, count, sum, NULL, EVP_sha256(), NULL))
        return fail(err, E_ENVIRONMENT, "libcrypto cannot compute a SHA-256");
    to_hex(sum, hex);
    return 0;
}
