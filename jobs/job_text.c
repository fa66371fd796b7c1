#include "job_text.h"

#include "utf8.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BYTES_MAX = 1 << 30 };

static const struct origin nowhere = {0};

/* --- reading --- */

static int complain_open(const char *path, struct complaints *complaints, struct error *err)
{
    int cause = errno;
    if (cause != ENOENT && cause != ENOTDIR && cause != EACCES && cause != EISDIR)
        return fail_errno(err, "cannot open '%s'", path);
    complain(complaints, nowhere, "cannot open it: %s", strerror(cause));
    return complaints_verdict(complaints, err);
}

static int complain_fifo(struct complaints *complaints, struct error *err)
{
    complain(complaints, nowhere,
             "this is a FIFO, which nobody may ever write to: "
             "give /dev/stdin and let it be read from there");
    return complaints_verdict(complaints, err);
}

static int complain_folder(const char *path, struct complaints *complaints, struct error *err)
{
    char inside[4096];
    snprintf(inside, sizeof inside, "%s/sweep.yaml", path);
    complain(complaints, nowhere, "this is a folder%s%s%s",
             access(inside, R_OK) == 0 ? ": give '" : ", not a sweep file or manifest",
             access(inside, R_OK) == 0 ? inside : "", access(inside, R_OK) == 0 ? "'" : "");
    return complaints_verdict(complaints, err);
}

/* The whole stream with a final 0, at most BYTES_MAX of it. */
static int slurp(int file, char **text, size_t *bytes, struct error *err)
{
    size_t capacity = 1 << 16, used = 0;
    char *buffer = malloc(capacity);
    ssize_t got = 1;
    while (buffer && got > 0 && used < BYTES_MAX) {
        if (capacity - used < 2) {
            char *bigger = realloc(buffer, capacity *= 2);
            if (!bigger)
                free(buffer);
            buffer = bigger;
            continue;
        }
        got = read(file, buffer + used, capacity - used - 1);
        used += got > 0 ? (size_t)got : 0;
    }
    if (!buffer)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    if (got < 0) {
        free(buffer);
        return fail_errno(err, "cannot read it");
    }
    buffer[used] = 0;
    *text = buffer;
    *bytes = used;
    return 0;
}

/* Standard input, and the pipes that shells hand over: /dev/fd/63. */
static bool is_handed_over(const char *path)
{
    return strncmp(path, "/dev/", 5) == 0 || strncmp(path, "/proc/", 6) == 0;
}

/* Where the relative paths of a pipe or of standard input begin is the working folder. */
static char *folder_of(const char *path, bool regular)
{
    const char *slash = regular && !is_handed_over(path) ? strrchr(path, '/') : NULL;
    char *folder = slash ? strndup(path, slash == path ? 1 : (size_t)(slash - path)) : strdup(".");
    char *absolute = folder ? realpath(folder, NULL) : NULL;
    free(folder);
    return absolute;
}

static int open_and_read(const char *path, struct complaints *complaints, char **text,
                         size_t *bytes, char **folder, struct error *err)
{
    struct stat info;
    bool waits = is_handed_over(path);
    int status = 0, file = open(path, O_RDONLY | O_CLOEXEC | (waits ? 0 : O_NONBLOCK | O_NOCTTY));
    if (file < 0)
        return complain_open(path, complaints, err);
    if (fstat(file, &info) != 0)
        status = fail_errno(err, "cannot read '%s'", path);
    else if (S_ISDIR(info.st_mode))
        status = complain_folder(path, complaints, err);
    else if (S_ISFIFO(info.st_mode) && !waits)
        status = complain_fifo(complaints, err);
    else
        status = slurp(file, text, bytes, err);
    close(file);
    if (status == 0 && !(*folder = folder_of(path, S_ISREG(info.st_mode)))) {
        free(*text);
        return fail_errno(err, "cannot find the folder of '%s'", path);
    }
    return status;
}

/* --- what it is --- */

static const char *foreign(const char *text, size_t bytes)
{
    static const struct {
        const char *magic;
        size_t length;
        const char *what;
    } kinds[] = {
        {"\x89PNG", 4, "this is a PNG picture: write a sweep file that names it"},
        {"\xff\xd8\xff", 3, "this is a JPEG picture: write a sweep file that names it"},
        {"\x89HDF", 4, "this is an HDF5 file: a sweep file or a manifest is text"},
        {"PK\3\4", 4, "this is a zip archive, a spreadsheet perhaps: save it as CSV"},
        {"\xd0\xcf\x11\xe0", 4, "this is an old Office document: save it as CSV"},
        {"\x1f\x8b", 2, "this is gzip's: unpack it first"},
        {"\xff\xfe", 2, "this is UTF-16: save it as UTF-8"},
        {"\xfe\xff", 2, "this is UTF-16: save it as UTF-8"},
        {"%PDF", 4, "this is a PDF document: a sweep file or a manifest is text"},
    };
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++)
        if (bytes >= kinds[i].length && memcmp(text, kinds[i].magic, kinds[i].length) == 0)
            return kinds[i].what;
    return NULL;
}

/* Complains about the first byte that cannot stand in a text. */
static void check_characters(struct complaints *complaints, const char *text, size_t bytes)
{
    struct origin origin = {.line = 1, .column = 1};
    for (size_t at = 0; at < bytes;) {
        size_t length = utf8_length(text + at, bytes - at);
        if (length == 0) {
            complain(complaints, origin, "this is not UTF-8 (byte 0x%02x): save the file as UTF-8",
                     text[at] & 0xff);
            return;
        }
        if (utf8_is_control(text + at, length)) {
            complain(complaints, origin, "a control character (0x%02x) stands here: not a text",
                     text[at + length - 1] & 0xff);
            return;
        }
        bool ends =
            text[at] == '\n' || (text[at] == '\r' && (at + 1 == bytes || text[at + 1] != '\n'));
        origin.column = ends ? 1 : origin.column + 1;
        origin.line += ends;
        at += length;
    }
}

int job_text_read(const char *path, struct complaints *complaints, const char **text, size_t *bytes,
                  char **folder, struct error *err)
{
    int status;
    char *source = NULL;
    TRY(complaints_file(complaints, path, err));
    TRY(open_and_read(path, complaints, &source, bytes, folder, err));
    complaints_source(complaints, source, *bytes);
    size_t mark = *bytes >= 3 && memcmp(source, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    *text = source + mark;
    *bytes -= mark;
    const char *what = foreign(*text, *bytes);
    if (what)
        complain(complaints, nowhere, "%s", what);
    else if (*bytes >= BYTES_MAX)
        complain(complaints, nowhere, "it is longer than %d MB", BYTES_MAX >> 20);
    else if ((*text)[strspn(*text, " \t\r\n")] == 0 && strlen(*text) == *bytes)
        complain(complaints, nowhere, "it is empty");
    else
        check_characters(complaints, *text, *bytes);
    status = complaints_verdict(complaints, err);
done:
    if (status != 0) {
        free(*folder);
        *folder = NULL;
    }
    return status;
}

bool job_text_is_sweep(const char *text)
{
    for (;;) {
        text += strspn(text, " \t\r\n");
        if (*text != '#')
            break;
        text += strcspn(text, "\r\n");
    }
    size_t length = strcspn(text, "\r\n");
    return !*text || *text == '-' || *text == '%' || *text == '{' || *text == '[' ||
           memchr(text, ':', length) != NULL;
}
