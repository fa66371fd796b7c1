#include "terminal.h"

#include "outlet.h"
#include "utf8.h"
#include <langinfo.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

static int from_environment(const char *name, int otherwise)
{
    const char *text = getenv(name);
    long value = text ? strtol(text, NULL, 10) : 0;
    return value >= 10 && value <= 1000 ? (int)value : otherwise;
}

static int descriptor(FILE *file) { return file == stderr ? STDERR_FILENO : STDOUT_FILENO; }

int terminal_width(FILE *file)
{
    struct winsize size;
    if (ioctl(descriptor(file), TIOCGWINSZ, &size) == 0 && size.ws_col > 0)
        return size.ws_col;
    return from_environment("COLUMNS", 80);
}

int terminal_height(FILE *file)
{
    struct winsize size;
    if (ioctl(descriptor(file), TIOCGWINSZ, &size) == 0 && size.ws_row > 0)
        return size.ws_row;
    return from_environment("LINES", 24);
}

bool terminal_utf8(void)
{
    setlocale(LC_CTYPE, "");
    return strcmp(nl_langinfo(CODESET), "UTF-8") == 0;
}

/* Bytes of the character at text; what is no UTF-8 counts as characters of one byte. */
static size_t character(const char *text)
{
    size_t length = utf8_length(text, strlen(text));
    return length ? length : 1;
}

static int columns_of(const char *text)
{
    int columns = 0;
    for (; *text; text += character(text))
        columns++;
    return columns;
}

static const char *print_columns(FILE *to, const char *text, int columns)
{
    for (; columns > 0 && *text; columns--) {
        size_t bytes = character(text);
        bool printable = utf8_length(text, bytes) && !utf8_misleads(text, bytes);
        if (printable && *text != '\n' && *text != '\t' && *text != '\r')
            fwrite(text, 1, bytes, to);
        else
            fputc('?', to);
        text += bytes;
    }
    return text;
}

void terminal_cut(FILE *to, const char *text, int width)
{
    static const char gap[] = "...";
    int columns = columns_of(text), kept = width - (int)strlen(gap);
    if (columns <= width || kept < 2) {
        print_columns(to, text, width);
        return;
    }
    int head = kept / 3;
    text = print_columns(to, text, head);
    fputs(gap, to);
    for (int skip = columns - kept; skip > 0; skip--)
        text += character(text);
    print_columns(to, text, kept - head);
}

void terminal_fit(FILE *to, const char *text, int width)
{
    int columns = columns_of(text);
    terminal_cut(to, text, width);
    fprintf(to, "%*s", columns < width ? width - columns : 0, "");
}

void terminal_redraw(const char *text, int width)
{
    char line[1024];
    snprintf(line, sizeof line, "\r%.*s\033[K", width, text);
    outlet_raw(stderr, line, strlen(line));
}

void terminal_erase(void) { terminal_redraw("", 0); }
