#include "events.h"

#include "clock.h"
#include "files.h"
#include "numbers.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

int events_open(const struct store *store, struct events *out, struct error *err)
{
    char *path = store_path(store, STORE_LOG);
    if (!path)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    int status = files_open_to_append(path, &out->file, err);
    free(path);
    return status;
}

static bool is_plain(const char *text)
{
    for (const char *c = text; *c; c++)
        if ((unsigned char)*c <= ' ' || strchr("\"\\=", *c) || *c == 127)
            return false;
    return *text != 0;
}

static void put_quoted(FILE *line, const char *text)
{
    static const char special[] = "\"\\\n\r\t", letters[] = "\"\\nrt";
    putc('"', line);
    for (const char *c = text; *c; c++) {
        const char *found = strchr(special, *c);
        if (found)
            fprintf(line, "\\%c", letters[found - special]);
        else if ((unsigned char)*c < ' ' || *c == 127)
            fprintf(line, "\\u%04x", (unsigned)*c);
        else
            putc(*c, line);
    }
    putc('"', line);
}

static void put_field(FILE *line, const struct event_field *field)
{
    char number[NUMBER_TEXT];
    const char *text = field->text ? field->text : number;
    if (!field->text)
        number_format(field->number, number);
    fprintf(line, " %s=", field->key);
    if (is_plain(text))
        fputs(text, line);
    else
        put_quoted(line, text);
}

int events_append(const struct events *events, const char *event, const struct event_field *fields,
                  size_t count, struct error *err)
{
    char now[CLOCK_TEXT], *text = NULL;
    size_t length = 0;
    FILE *line = open_memstream(&text, &length);
    if (!line)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    fprintf(line, "%s %s", clock_utc(clock_now(), now), event);
    for (size_t i = 0; i < count; i++)
        put_field(line, &fields[i]);
    putc('\n', line);
    if (fclose(line) != 0) {
        free(text);
        return fail(err, E_ENVIRONMENT, "not enough memory");
    }
    int status = files_write(events->file, text, length) == 0
                     ? 0
                     : fail_errno(err, "cannot write the store's batch.log");
    free(text);
    return status;
}

void events_close(struct events *events)
{
    if (events->file >= 0)
        close(events->file);
    events->file = -1;
}
