#include "csv_cell.h"

#include <stdbool.h>
#include <string.h>

void csv_write_cell(FILE *to, const char *text)
{
    size_t length = strlen(text);
    bool quoted = strpbrk(text, ",;\t\"\r\n") || text[0] == ' ' || text[0] == '#' ||
                  (length > 0 && text[length - 1] == ' ');
    if (!quoted) {
        fputs(text, to);
        return;
    }
    fputc('"', to);
    for (; *text; text++) {
        if (*text == '"')
            fputc('"', to);
        fputc(*text, to);
    }
    fputc('"', to);
}
