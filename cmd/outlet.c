#include "outlet.h"

#include "utf8.h"
#include <errno.h>
#include <poll.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

/* "\u2028" or the bytes of a character; a character has four at most */
enum { SHOWN = 8, CHARACTER = 4 };

struct outlet {
    int file;
    bool raw;              /* bytes pass as they are */
    int lost;              /* errno of the first write that failed; 0: none has */
    char begun[CHARACTER]; /* a character whose end has not come yet */
    size_t begun_length;
    char ready[1024]; /* as it is written next */
    size_t ready_length;
};

static struct outlet outlets[] = {{.file = STDOUT_FILENO}, {.file = STDERR_FILENO}};

/* Characters ----------------------------------------------------------------------------------- */

static unsigned code_point(const char *text, size_t length)
{
    unsigned code = (unsigned char)text[0];
    if (length > 1)
        code &= 0xffu >> (length + 1);
    for (size_t i = 1; i < length; i++)
        code = code << 6 | ((unsigned char)text[i] & 0x3fu);
    return code;
}

/* Whether text, shorter than a character, may be the start of one. */
static bool is_begun(const char *text, size_t length)
{
    static const char rest[][CHARACTER] = {"\x80\x80\x80", "\xbf\xbf\xbf"};
    for (int i = 0; i < 2 && length < CHARACTER; i++) {
        char whole[2 * CHARACTER];
        memcpy(whole, text, length);
        memcpy(whole + length, rest[i], CHARACTER - 1);
        if (utf8_length(whole, length + CHARACTER - 1) > length)
            return true;
    }
    return false;
}

/* What stands for the character (or the odd byte, length 0) at text. Returns its length. */
static size_t show(const char *text, size_t length, char shown[SHOWN])
{
    if (length == 0)
        return (size_t)snprintf(shown, SHOWN, "\\x%02x", (unsigned char)*text);
    if (*text == '\r' || utf8_misleads(text, length))
        return (size_t)snprintf(shown, SHOWN, "\\u%04x", code_point(text, length));
    memcpy(shown, text, length);
    return length;
}

/* Writing -------------------------------------------------------------------------------------- */

/* Tries again each time: a disk that was full may have room by now. */
static void put(struct outlet *outlet, const char *bytes, size_t length)
{
    while (length > 0) {
        ssize_t written = write(outlet->file, bytes, length);
        if (written >= 0) {
            bytes += written;
            length -= (size_t)written;
        } else if (errno == EAGAIN) {
            poll(&(struct pollfd){.fd = outlet->file, .events = POLLOUT}, 1, -1);
        } else if (errno != EINTR) {
            outlet->lost = outlet->lost ? outlet->lost : errno;
            return;
        }
    }
}

static void put_ready(struct outlet *outlet)
{
    put(outlet, outlet->ready, outlet->ready_length);
    outlet->ready_length = 0;
}

/* Shows what has begun as far as it has ended; if nothing more comes, all of it. */
static void settle(struct outlet *outlet, bool last)
{
    while (outlet->begun_length > 0) {
        size_t length = utf8_length(outlet->begun, outlet->begun_length);
        size_t bytes = length ? length : 1;
        if (length == 0 && !last && is_begun(outlet->begun, outlet->begun_length))
            return;
        if (outlet->ready_length + SHOWN > sizeof outlet->ready)
            put_ready(outlet);
        outlet->ready_length += show(outlet->begun, length, outlet->ready + outlet->ready_length);
        outlet->begun_length -= bytes;
        memmove(outlet->begun, outlet->begun + bytes, outlet->begun_length);
    }
}

static ssize_t take(void *cookie, const char *bytes, size_t length)
{
    struct outlet *outlet = cookie;
    if (outlet->raw)
        put(outlet, bytes, length);
    for (size_t i = 0; i < length && !outlet->raw; i++) {
        outlet->begun[outlet->begun_length++] = bytes[i];
        settle(outlet, false);
    }
    put_ready(outlet);
    return (ssize_t)length; /* what was lost is remembered here */
}

static void finish(FILE *stream, struct outlet *outlet)
{
    fflush(stream);
    settle(outlet, true);
    put_ready(outlet);
}

static struct outlet *outlet_of(FILE *stream)
{
    return stream == stdout ? &outlets[0] : stream == stderr ? &outlets[1] : NULL;
}

/* NULL, no memory: the stream stays what it was. */
static FILE *stream_through(struct outlet *outlet, int buffering, FILE *otherwise)
{
    FILE *stream = fopencookie(outlet, "w", (cookie_io_functions_t){.write = take});
    if (!stream)
        return otherwise;
    setvbuf(stream, NULL, buffering, BUFSIZ);
    return stream;
}

void outlet_open(void)
{
    stdout = stream_through(&outlets[0], isatty(STDOUT_FILENO) ? _IOLBF : _IOFBF, stdout);
    stderr = stream_through(&outlets[1], _IONBF, stderr);
}

void outlet_raw(FILE *to, const char *bytes, size_t length)
{
    struct outlet *outlet = outlet_of(to);
    if (outlet)
        finish(to, outlet);
    bool before = outlet && outlet->raw;
    if (outlet)
        outlet->raw = true;
    fwrite(bytes, 1, length, to);
    fflush(to);
    if (outlet)
        outlet->raw = before;
}

void outlet_pass_data(void)
{
    finish(stdout, &outlets[0]);
    outlets[0].raw = !isatty(STDOUT_FILENO);
}

void outlet_line(FILE *to, const char *text)
{
    for (; *text; text++)
        if (*text == '\n')
            fputs("\\n", to);
        else if (*text == '\t')
            fputs("\\t", to);
        else
            fputc(*text, to);
}

void outlet_error(const char *command, const struct error *error)
{
    if (!error->message[0])
        return;
    fprintf(stderr, "atelier %s: ", command);
    outlet_line(stderr, error->message);
    fputc('\n', stderr);
}

int outlet_close(int code)
{
    finish(stdout, &outlets[0]);
    int lost = outlets[0].lost;
    if (lost && lost != EPIPE)
        fprintf(stderr, "atelier: cannot write all to standard output: %s\n", strerror(lost));
    finish(stderr, &outlets[1]);
    return code == 0 && lost && lost != EPIPE ? E_ENVIRONMENT : code;
}
