#include "complaint.h"

#include "utf8.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

int complaints_file(struct complaints *complaints, const char *file, struct error *err)
{
    char *copy = strdup(file);
    if (!copy)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    free(complaints->file);
    complaints->file = copy;
    return 0;
}

void complaints_source(struct complaints *complaints, char *source, size_t bytes)
{
    free(complaints->source);
    complaints->source = source;
    complaints->source_bytes = bytes;
}

/* A copy of line `number`, without its end. A carriage return alone ends a line, too. */
static char *source_line(const struct complaints *complaints, int number)
{
    const char *at = complaints->source, *end = at + complaints->source_bytes;
    if (!at || number < 1)
        return NULL;
    for (int line = 1; line < number; line++) {
        while (at < end && *at != '\n' && *at != '\r')
            at++;
        if (at == end)
            return NULL;
        at += *at == '\r' && at + 1 < end && at[1] == '\n' ? 2 : 1;
    }
    const char *stop = at;
    while (stop < end && *stop != '\n' && *stop != '\r')
        stop++;
    if (number == 1 && stop - at >= 3 && memcmp(at, "\xef\xbb\xbf", 3) == 0)
        at += 3;
    return strndup(at, (size_t)(stop - at));
}

static bool same(const struct complaint *a, struct origin origin, const char *message)
{
    return a->message && message && a->origin.line == origin.line &&
           a->origin.column == origin.column && strcmp(a->message, message) == 0;
}

static void add(struct complaints *complaints, bool note, struct origin origin, const char *format,
                va_list args)
{
    char *message = NULL;
    if (vasprintf(&message, format, args) < 0)
        message = NULL;
    *(note ? &complaints->notes : &complaints->errors) += 1;
    for (size_t i = 0; i < complaints->count; i++)
        if (same(&complaints->list[i], origin, message)) {
            complaints->list[i].repeats++;
            free(message);
            return;
        }
    if (complaints->count == COMPLAINTS_MAX) {
        free(message);
        return;
    }
    origin.file = complaints->file;
    complaints->list[complaints->count++] = (struct complaint){
        .origin = origin,
        .message = message,
        .line = source_line(complaints, origin.line > 0 ? origin.line : origin.column > 0),
        .note = note,
    };
}

void complain(struct complaints *complaints, struct origin origin, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(complaints, false, origin, format, args);
    va_end(args);
}

void complain_note(struct complaints *complaints, struct origin origin, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(complaints, true, origin, format, args);
    va_end(args);
}

/* --- text --- */

enum { SHOWN_BEFORE = 60, SHOWN = 100 }; /* characters of a long line */

static bool continues(char c) { return ((unsigned char)c & 0xC0) == 0x80; }

/* The byte at which character `index` (from 0) begins, or the end. */
static size_t byte_of(const char *line, size_t index)
{
    size_t at = 0;
    for (; line[at] && index > 0; index--)
        do
            at++;
        while (continues(line[at]));
    return at;
}

/* Text of the file as it may go to a terminal: what is no character, or does something to it,
 * becomes '?'. */
static void write_shown(FILE *to, const char *from, const char *stop)
{
    while (from < stop) {
        size_t length = utf8_length(from, (size_t)(stop - from));
        if (length == 0 || utf8_misleads(from, length) || *from == '\n' || *from == '\r')
            fputc('?', to);
        else
            fwrite(from, 1, length, to);
        from += length ? length : 1;
    }
}

static void write_line(FILE *to, const char *line, int column)
{
    size_t caret = column > 0 ? (size_t)column - 1 : 0;
    size_t first = caret > SHOWN_BEFORE ? caret - SHOWN_BEFORE : 0;
    size_t start = byte_of(line, first), stop = byte_of(line, first + SHOWN);
    const char *before = start > 0 ? "..." : "";
    fprintf(to, "\n    %s", before);
    write_shown(to, line + start, line + stop);
    if (line[stop])
        fputs("...", to);
    if (column < 1)
        return;
    fprintf(to, "\n    %*s", (int)strlen(before), "");
    for (size_t i = start; i < byte_of(line, caret); i++)
        if (!continues(line[i]))
            fputc(line[i] == '\t' ? '\t' : ' ', to);
    fputc('^', to);
}

char *complaint_text(const struct complaint *complaint)
{
    char *text = NULL;
    size_t bytes;
    const struct origin *origin = &complaint->origin;
    FILE *to = open_memstream(&text, &bytes);
    if (!to)
        return NULL;
    fputs(origin->file ? origin->file : "", to);
    if (origin->line > 0)
        fprintf(to, ":%d", origin->line);
    if (origin->line > 0 && origin->column > 0)
        fprintf(to, ":%d", origin->column);
    fprintf(to, ": %s", complaint->note ? "note: " : "");
    const char *message = complaint->message ? complaint->message : "not enough memory";
    write_shown(to, message, message + strlen(message));
    if (complaint->repeats > 0)
        fprintf(to, " (and %zu more time%s)", complaint->repeats,
                complaint->repeats == 1 ? "" : "s");
    if (complaint->line && complaint->line[0])
        write_line(to, complaint->line, origin->column);
    if (fclose(to) != 0) {
        free(text);
        return NULL;
    }
    return text;
}

int complaints_verdict(const struct complaints *complaints, struct error *err)
{
    if (complaints->errors == 0)
        return 0;
    return fail(err, E_INPUT, "%s: %zu error%s", complaints->file, complaints->errors,
                complaints->errors == 1 ? "" : "s");
}

void complaints_release(struct complaints *complaints)
{
    for (size_t i = 0; i < complaints->count; i++) {
        free(complaints->list[i].message);
        free(complaints->list[i].line);
    }
    free(complaints->file);
    free(complaints->source);
    *complaints = (struct complaints){0};
}
