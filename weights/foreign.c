#include "foreign.h"

#include <stdbool.h>
#include <string.h>
#include <strings.h>

#define NOT_TORCH    "but not as torch.save writes it: it could run any program, so it is refused"
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

static bool is_tar(const unsigned char *start, size_t count)
{
    return count >= 262 && memcmp(start + 257, "ustar", 5) == 0;
}

/* Until 0.1.10 of April 2017, PyTorch wrote tar archives of these members. */
static bool is_torch_tar(const unsigned char *start, size_t count)
{
    static const char *const members[] = {"sys_info", "pickle", "tensors", "storages"};
    for (size_t i = 0; i < sizeof members / sizeof *members; i++)
        if (is_tar(start, count) && strncmp((const char *)start, members[i], 100) == 0)
            return true;
    return false;
}

/* The text that comes with a .caffemodel, easily taken for it. */
static bool is_prototxt(const unsigned char *start, size_t count)
{
    return begins_with_tag(start, count, "name:") &&
           (contains(start, count, "layer {") || contains(start, count, "layers {"));
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
    {NULL, 0, is_prototxt,
     "is a Caffe prototxt, which has no weights: name the .caffemodel that belongs to it"},
    {MAGIC("\x80\x02"), "is a Python pickle, " NOT_TORCH},
    {MAGIC("\x80\x03"), "is a Python pickle, " NOT_TORCH},
    {MAGIC("\x80\x04"), "is a Python pickle, " NOT_TORCH},
    {MAGIC("\x80\x05"), "is a Python pickle, " NOT_TORCH},
    {MAGIC("\x93NUMPY"), "looks like a NumPy array, which is not read"},
    {MAGIC("\x1f\x8b"), "is compressed with gzip: unpack it first"},
    {NULL, 0, is_torch_tar,
     "is a tar archive of a PyTorch before 0.1.10: load it and save its state_dict() with a newer "
     "one"},
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
