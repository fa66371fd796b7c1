#include "foreign.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#define NOT_YET      "a format this version does not read yet"
#define BAD_DOWNLOAD "not a weight file: the download went wrong"

static bool contains(const unsigned char *start, size_t count, const char *text)
{
    return memmem(start, count, text, strlen(text)) != NULL;
}

/* The text after a byte-order mark and white space begins with the tag, in any case. */
static bool begins_with_tag(const unsigned char *start, size_t count, const char *tag)
{
    size_t at = count >= 3 && memcmp(start, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (at < count && strchr(" \t\r\n", start[at]) && start[at])
        at++;
    size_t length = strlen(tag);
    return count - at >= length && strncasecmp((const char *)start + at, tag, length) == 0;
}

static bool is_html(const unsigned char *start, size_t count)
{
    static const char *const tags[] = {"<!doctype html", "<html", "<head", "<body", "<!--"};
    for (size_t i = 0; i < sizeof tags / sizeof *tags; i++)
        if (begins_with_tag(start, count, tags[i]))
            return true;
    return false;
}

static bool is_xml(const unsigned char *start, size_t count)
{
    return begins_with_tag(start, count, "<?xml") || begins_with_tag(start, count, "<error");
}

static bool is_zip(const unsigned char *start, size_t count)
{
    return count >= 4 && memcmp(start, "PK\3\4", 4) == 0;
}

static bool is_torch_zip(const unsigned char *start, size_t count)
{
    return is_zip(start, count) && contains(start, count, "/data.pkl");
}

static bool is_keras_zip(const unsigned char *start, size_t count)
{
    return is_zip(start, count) &&
           (contains(start, count, "metadata.json") || contains(start, count, "config.json"));
}

/* A 64-bit little-endian header length, then JSON. */
static bool is_safetensors(const unsigned char *start, size_t count)
{
    if (count < 9 || start[8] != '{')
        return false;
    uint64_t length = 0;
    for (int i = 7; i >= 0; i--)
        length = length << 8 | start[i];
    return length >= 2 && length <= 100000000;
}

static bool is_tar(const unsigned char *start, size_t count)
{
    return count >= 262 && memcmp(start + 257, "ustar", 5) == 0;
}

/* The first row that fits says what it is. */
static const struct {
    const char *magic; /* the first bytes, or */
    size_t magic_count;
    bool (*recognises)(const unsigned char *start, size_t count);
    const char *what;
} formats[] = {
#define MAGIC(text) text, sizeof text - 1, NULL
    {NULL, 0, is_html, "is an HTML page, " BAD_DOWNLOAD},
    {NULL, 0, is_xml, "is an XML page, " BAD_DOWNLOAD},
    {MAGIC("version https://git-lfs"), "is a Git LFS pointer, not the file itself: fetch that with "
                                       "'git lfs pull'"},
    {NULL, 0, is_torch_zip, "looks like a PyTorch file, " NOT_YET},
    {NULL, 0, is_keras_zip,
     "looks like a .keras archive: unzip it and name the model.weights.h5 inside"},
    {NULL, 0, is_zip, "is a zip archive, not a weight file"},
    {MAGIC("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46"), "looks like a PyTorch file, " NOT_YET},
    {MAGIC("\x80\x02"), "looks like a Python pickle, " NOT_YET},
    {MAGIC("\x80\x03"), "looks like a Python pickle, " NOT_YET},
    {MAGIC("\x80\x04"), "looks like a Python pickle, " NOT_YET},
    {MAGIC("\x80\x05"), "looks like a Python pickle, " NOT_YET},
    {NULL, 0, is_safetensors, "looks like a safetensors file, " NOT_YET},
    {MAGIC("MATLAB 5.0 MAT-file"), "looks like a MATLAB file, " NOT_YET},
    {MAGIC("\x93NUMPY"), "looks like a NumPy array, " NOT_YET},
    {MAGIC("\x1f\x8b"), "is compressed with gzip: unpack it first"},
    {NULL, 0, is_tar, "is a tar archive: unpack it first"},
    {MAGIC("\x89PNG"), "is a picture, not a weight file"},
    {MAGIC("\xff\xd8\xff"), "is a picture, not a weight file"},
#undef MAGIC
};

const char *foreign_format(const unsigned char *start, size_t count)
{
    for (size_t i = 0; i < sizeof formats / sizeof *formats; i++) {
        bool fits = formats[i].recognises
                        ? formats[i].recognises(start, count)
                        : count >= formats[i].magic_count &&
                              memcmp(start, formats[i].magic, formats[i].magic_count) == 0;
        if (fits)
            return formats[i].what;
    }
    return NULL;
}
