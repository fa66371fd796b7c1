#include "csv_cell.h"

#include <stdbool.h>
#include <string.h>

static bool is_formula(const char *text)
{
    text += strspn(text, "'");
    return *text && strchr("=+-@\t\r\n", *text);
}

static void write_cell(FILE *to, const char *mark, const char *text)
{
    size_t length = strlen(text);
    bool quoted = strpbrk(text, ",;\t\"\r\n") || text[0] == ' ' || text[0] == '#' ||
                  (length > 0 && text[length - 1] == ' ');
    if (!quoted) {
        fprintf(to, "%s%s", mark, text);
        return;
    }
    fprintf(to, "\"%s", mark);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', to);
        fputc(*text, to);
    }
    fputc('"', to);
}

void csv_write_cell(FILE *to, const char *text) { write_cell(to, "", text); }

void csv_write_text(FILE *to, const char *text)
{
    write_cell(to, is_formula(text) ? "'" : "", text);
}

const char *csv_read_text(const char *cell) { return cell + (*cell == '\'' && is_formula(cell)); }
