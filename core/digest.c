#include "digest.h"

#include <errno.h>
#include <fcntl.h>
#include <openssl/evp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

enum { READ_BYTES = 1 << 20 };

static void to_hex(const unsigned char *sum, unsigned bytes, char *hex)
{
    for (unsigned i = 0; i < bytes; i++)
        snprintf(hex + 2 * i, 3, "%02x", sum[i]);
}

/* Feeds a file to both; md5 may be NULL. */
static int read_into(const char *path, EVP_MD_CTX *sha256, EVP_MD_CTX *md5, uint64_t *bytes,
                     struct error *err)
{
    int status = 0;
    uint64_t total = 0;
    struct stat info;
    unsigned char *buffer = malloc(READ_BYTES);
    int file = open(path, O_RDONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC);
    if (file < 0) {
        int code = errno == ENOENT ? E_INPUT : E_ENVIRONMENT;
        status = fail_errno(err, "cannot open '%s'", path);
        if (err)
            err->code = code;
        status = code;
        goto done;
    }
    if (fstat(file, &info) != 0 || !S_ISREG(info.st_mode)) {
        status = fail(err, E_INPUT, "cannot read '%s': it is not a regular file", path);
        goto done;
    }
    if (!buffer || !sha256 || !EVP_DigestInit_ex(sha256, EVP_sha256(), NULL)) {
        status = fail(err, E_ENVIRONMENT, "not enough memory to read '%s'", path);
        goto done;
    }
    ssize_t got;
    while ((got = read(file, buffer, READ_BYTES)) > 0) {
        EVP_DigestUpdate(sha256, buffer, (size_t)got);
        if (md5)
            EVP_DigestUpdate(md5, buffer, (size_t)got);
        total += (uint64_t)got;
    }
    if (got < 0)
        status = fail_errno(err, "cannot read '%s'", path);
    else
        *bytes = total;
done:
    if (file >= 0)
        close(file);
    free(buffer);
    return status;
}

static void finish(EVP_MD_CTX *context, char *hex)
{
    unsigned char sum[EVP_MAX_MD_SIZE];
    unsigned bytes = 0;
    EVP_DigestFinal_ex(context, sum, &bytes);
    to_hex(sum, bytes, hex);
}

int digest_file(const char *path, char hex[DIGEST_HEX], struct error *err)
{
    uint64_t bytes;
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    int status = read_into(path, context, NULL, &bytes, err);
    if (status == 0)
        finish(context, hex);
    EVP_MD_CTX_free(context);
    return status;
}

int digests_file(const char *path, struct digests *out, struct error *err)
{
    struct digests digests = {0};
    EVP_MD_CTX *sha256 = EVP_MD_CTX_new(), *md5 = EVP_MD_CTX_new();
    bool has_md5 = md5 && EVP_DigestInit_ex(md5, EVP_md5(), NULL);
    int status = read_into(path, sha256, has_md5 ? md5 : NULL, &digests.bytes, err);
    if (status == 0) {
        finish(sha256, digests.sha256);
        if (has_md5)
            finish(md5, digests.md5);
        *out = digests;
    }
    EVP_MD_CTX_free(md5);
    EVP_MD_CTX_free(sha256);
    return status;
}

int digest_parts(const struct digest_part *parts, size_t count, char hex[DIGEST_HEX],
                 struct error *err)
{
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    bool works = context && EVP_DigestInit_ex(context, EVP_sha256(), NULL);
    for (size_t i = 0; i < count && works; i++)
        works = EVP_DigestUpdate(context, parts[i].bytes, parts[i].count);
    if (works)
        finish(context, hex);
    EVP_MD_CTX_free(context);
    return works ? 0 : fail(err, E_ENVIRONMENT, "libcrypto cannot compute a SHA-256");
}

int digest_bytes(const void *bytes, size_t count, char hex[DIGEST_HEX], struct error *err)
{
    return digest_parts(&(struct digest_part){bytes, count}, 1, hex, err);
}
