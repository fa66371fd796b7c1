#include "events.h"

#include "clock.h"
#include "files.h"
#include "numbers.h"
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { KEPT_MOST = 1 << 20 };

static int open_log(struct events *events, struct error *err)
{
    char *path = store_path(events->store, STORE_LOG);
    if (!path)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    int status = files_open_to_append(path, &events->file, err);
    if (status != 0)
        events->file = -1;
    free(path);
    return status;
}

int events_open(const struct store *store, struct events *out, struct error *err)
{
    *out = (struct events){.store = store, .file = -1};
    return open_log(out, err) == E_INPUT ? E_INPUT : 0;
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

/* One event's line, with its end. Caller frees. */
static int make_line(const char *event, const struct event_field *fields, size_t count, char **text,
                     size_t *length, struct error *err)
{
    char now[CLOCK_TEXT];
    FILE *line = open_memstream(text, length);
    if (!line)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    fprintf(line, "%s %s", clock_utc(clock_now(), now), event);
    for (size_t i = 0; i < count; i++)
        put_field(line, &fields[i]);
    putc('\n', line);
    if (fclose(line) == 0)
        return 0;
    free(*text);
    return fail(err, E_ENVIRONMENT, "not enough memory");
}

static int keep(struct events *events, const char *line, size_t length, struct error *err)
{
    size_t bytes = events->kept_bytes + length;
    char *kept = bytes <= KEPT_MOST ? realloc(events->kept, bytes) : NULL;
    if (!kept)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    memcpy(kept + events->kept_bytes, line, length);
    events->kept = kept;
    events->kept_bytes = bytes;
    return 0;
}

/* All or nothing: half a line is cut off again, where that can be done. -1 with errno. */
static int write_whole(int file, const char *text, size_t bytes)
{
    struct stat before;
    if (fstat(file, &before) != 0)
        return -1;
    if (files_write(file, text, bytes) == 0)
        return 0;
    int cause = errno, cut = ftruncate(file, before.st_size);
    (void)cut;
    errno = cause;
    return -1;
}

/* A handle may be stale: after a failure the next try takes a new one. */
static int write_kept(struct events *events, struct error *err)
{
    int status = events->file >= 0 ? 0 : open_log(events, err);
    if (status != 0 || events->kept_bytes == 0)
        return status;
    if (write_whole(events->file, events->kept, events->kept_bytes) != 0) {
        status = fail_errno(err, "cannot write the store's batch.log");
        close(events->file);
        events->file = -1;
        return status;
    }
    free(events->kept);
    events->kept = NULL;
    events->kept_bytes = 0;
    return 0;
}

int events_append(struct events *events, const char *event, const struct event_field *fields,
                  size_t count, struct error *err)
{
    char *line;
    size_t length;
    int status = make_line(event, fields, count, &line, &length, err);
    if (status != 0)
        return status;
    status = keep(events, line, length, err);
    free(line);
    return status == 0 ? write_kept(events, err) : status;
}

void events_close(struct events *events)
{
    write_kept(events, NULL);
    if (events->file >= 0)
        close(events->file);
    free(events->kept);
    *events = (struct events){.file = -1};
}
