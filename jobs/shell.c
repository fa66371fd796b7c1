#include "shell.h"

#include "utf8.h"
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                            "-_./=:,+@%";

/* Bytes of the character at text, or 1. *shown: it can be seen for what it is. */
static size_t look(const char *text, bool *shown)
{
    size_t length = utf8_length(text, strlen(text));
    *shown = length > 0 && (unsigned char)*text >= ' ' && !utf8_misleads(text, length);
    return length ? length : 1;
}

static bool has_control(const char *word)
{
    bool shown = true;
    while (*word && shown)
        word += look(word, &shown);
    return !shown;
}

/* 'it'\''s' */
static void put_quoted(FILE *line, const char *word)
{
    putc('\'', line);
    for (; *word; word++)
        if (*word == '\'')
            fputs("'\\''", line);
        else
            putc(*word, line);
    putc('\'', line);
}

/* $'two\012lines' */
static void put_escaped(FILE *line, const char *word)
{
    fputs("$'", line);
    while (*word) {
        bool shown;
        size_t length = look(word, &shown);
        if (*word == '\'' || *word == '\\')
            putc('\\', line);
        for (; length > 0; length--, word++)
            if (shown)
                putc(*word, line);
            else
                fprintf(line, "\\%03o", (unsigned)(unsigned char)*word);
    }
    putc('\'', line);
}

static void put_word(FILE *line, const char *word)
{
    if (*word && strspn(word, plain) == strlen(word))
        fputs(word, line);
    else if (has_control(word))
        put_escaped(line, word);
    else
        put_quoted(line, word);
}

char *shell_command(int count, char *const words[])
{
    char *text = NULL;
    size_t length;
    FILE *line = open_memstream(&text, &length);
    if (!line)
        return NULL;
    for (int i = 0; i < count; i++) {
        if (i > 0)
            putc(' ', line);
        put_word(line, words[i]);
    }
    if (fclose(line) == 0)
        return text;
    free(text);
    return NULL;
}
