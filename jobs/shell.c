#include "shell.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
                            "-_./=:,+@%";

static bool is_control(char c) { return (unsigned char)c < ' ' || c == 127; }

static bool has_control(const char *word)
{
    while (*word && !is_control(*word))
        word++;
    return *word != 0;
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
    for (; *word; word++)
        if (is_control(*word))
            fprintf(line, "\\%03o", (unsigned)(unsigned char)*word);
        else if (*word == '\'' || *word == '\\')
            fprintf(line, "\\%c", *word);
        else
            putc(*word, line);
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
