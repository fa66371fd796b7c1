/* Reading goes through libcsv byte by byte, because it does not tell where a field stands: a field
 * begins behind the byte with which the one before it was reported. */
#include "manifest.h"

#include "csv_cell.h"
#include "job_builder.h"
#include <csv.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

/* --- columns --- */

enum { COLUMNS_MAX = 256 };
enum { COLUMN_ID = PARAM_COUNT, COLUMN_NAME, COLUMN_EMPTY, COLUMN_UNKNOWN, COLUMN_KINDS };

struct reader {
    struct job_builder *builder;
    struct csv_parser parser;
    char separator;
    int status; /* of the callbacks */
    struct error *err;
    /* the byte being fed, where the next cell begins, and the places of both */
    const char *at, *cell_start;
    struct origin here, field, row;
    /* the header */
    bool has_header, bad_header;
    int columns, kinds[COLUMNS_MAX];
    struct origin seen[COLUMN_KINDS];
    /* the row */
    int cells;
    bool any; /* a cell that holds something */
    bool bad;
    struct draft draft;
};

static struct complaints *complaints_of(const struct reader *reader)
{
    return reader->builder->complaints;
}

static int column_kind(struct reader *reader, const char *name)
{
    static const char *const others[] = {"id", "name"};
    enum param_id id;
    if (!*name)
        return COLUMN_EMPTY;
    if (strcasecmp(name, "id") == 0)
        return COLUMN_ID;
    if (strcasecmp(name, "name") == 0)
        return COLUMN_NAME;
    if (!job_find_param(complaints_of(reader), "column", others, 2, name, reader->field, &id))
        return COLUMN_UNKNOWN;
    return (int)id;
}

static void header_cell(struct reader *reader, const char *name)
{
    if (reader->columns == COLUMNS_MAX) {
        complain(complaints_of(reader), reader->field, "more than %d columns", COLUMNS_MAX);
        return;
    }
    int kind = column_kind(reader, name);
    if (kind != COLUMN_EMPTY && kind != COLUMN_UNKNOWN) {
        if (reader->seen[kind].line > 0)
            complain(complaints_of(reader), reader->field,
                     "column '%s' stands twice, first at %d:%d", name, reader->seen[kind].line,
                     reader->seen[kind].column);
        reader->seen[kind] = reader->field;
    }
    reader->kinds[reader->columns++] = kind;
}

static void header_end(struct reader *reader)
{
    struct complaints *complaints = complaints_of(reader);
    bool known = false;
    for (int kind = 0; kind < COLUMN_EMPTY; kind++)
        known = known || reader->seen[kind].line > 0;
    reader->has_header = true;
    if (!known)
        complain(complaints, reader->row,
                 "the first line must name the columns: content, style, and what else varies");
    for (int id = 0; id < PARAM_COUNT; id++)
        if (known && param_table[id].scope == SCOPE_JOB && !param_table[id].text &&
            reader->seen[id].line == 0)
            complain(complaints, (struct origin){.line = reader->row.line},
                     "there is no column '%s': %s", param_table[id].name, param_table[id].help);
    reader->bad_header = complaints->errors > 0;
}

/* --- rows --- */

static int keep_text(struct reader *reader, char **slot, const char *text)
{
    free(*slot); /* a column that stands twice was complained of */
    *slot = strdup(text);
    return *slot ? 0 : fail(reader->err, E_ENVIRONMENT, "not enough memory");
}

static bool is_number(enum param_id id)
{
    return param_table[id].type == PARAM_REAL || param_table[id].type == PARAM_WHOLE;
}

static bool decimal_comma(const char *text)
{
    return strspn(text, "+-0123456789,") == strlen(text) && strchr(text, ',');
}

static void set_cell(struct reader *reader, enum param_id id, const char *text)
{
    struct error why;
    reader->draft.places[id] = reader->field;
    if (params_set(&reader->draft.params, id, text, &why) == 0)
        return;
    complain(complaints_of(reader), reader->field, "%s%s", why.message,
             is_number(id) && decimal_comma(text) ? ": decimals take a point, as in 0.5" : "");
    reader->bad = true;
}

static int row_cell(struct reader *reader, const char *text)
{
    int column = reader->cells;
    int kind = column < reader->columns ? reader->kinds[column] : COLUMN_EMPTY;
    text = csv_read_text(text);
    if (!*text)
        return 0;
    reader->any = true;
    if (kind == COLUMN_EMPTY) {
        complain(complaints_of(reader), reader->field, "'%s' stands in a column without a name",
                 text);
        reader->bad = true;
    } else if (kind == COLUMN_ID) {
        reader->draft.id_origin = reader->field;
        return keep_text(reader, &reader->draft.id, text);
    } else if (kind == COLUMN_NAME) {
        return keep_text(reader, &reader->draft.name, text);
    } else if (kind != COLUMN_UNKNOWN) {
        set_cell(reader, (enum param_id)kind, text);
    }
    return 0;
}

/* A row of empty cells is what spreadsheets leave below a table. */
static int row_end(struct reader *reader)
{
    struct complaints *complaints = complaints_of(reader);
    reader->draft.origin = (struct origin){.line = reader->row.line};
    if (reader->any && reader->cells < reader->columns) {
        complain(complaints, reader->draft.origin, "the row has %d cell%s, the header has %d",
                 reader->cells, reader->cells == 1 ? "" : "s", reader->columns);
        reader->bad = true;
    }
    if (reader->any && !reader->bad && reader->builder->list.count == reader->builder->limit) {
        complain(complaints, reader->draft.origin, "more than %zu jobs", reader->builder->limit);
        return complaints_verdict(complaints, reader->err);
    }
    if (!reader->any || reader->bad || reader->bad_header) {
        draft_release(&reader->draft);
        return 0;
    }
    return job_builder_add(reader->builder, &reader->draft, reader->err);
}

/* --- libcsv's callbacks --- */

static void advance(struct origin *place, const char *at)
{
    bool ends = *at == '\n' || (*at == '\r' && at[1] != '\n');
    if (ends)
        *place = (struct origin){.line = place->line + 1, .column = 1};
    else if (((unsigned char)*at & 0xc0) != 0x80)
        place->column++;
}

/* Blanks before a cell, and empty lines before a row, belong to no cell. */
static void find_cell(struct reader *reader)
{
    for (const char *c = reader->cell_start; c < reader->at; c++) {
        if (*c == reader->separator || !strchr(" \t\r\n", *c))
            return;
        advance(&reader->field, c);
    }
}

static void begin_cell(struct reader *reader)
{
    reader->cell_start = reader->at + 1;
    reader->field = reader->here;
    advance(&reader->field, reader->at);
}

static void on_cell(void *text, size_t bytes, void *context)
{
    struct reader *reader = context;
    (void)bytes;
    if (reader->status != 0)
        return;
    find_cell(reader);
    if (reader->cells == 0)
        reader->row = reader->field;
    if (reader->has_header)
        reader->status = row_cell(reader, text);
    else
        header_cell(reader, text);
    reader->cells++;
    begin_cell(reader);
}

static void on_row(int end, void *context)
{
    struct reader *reader = context;
    (void)end;
    if (reader->status != 0)
        return;
    if (reader->has_header)
        reader->status = row_end(reader);
    else
        header_end(reader);
    reader->cells = 0;
    reader->any = reader->bad = false;
    begin_cell(reader);
}

/* --- reading --- */

static int only_space(unsigned char c) { return c == ' '; }

/* "sep=;" is how Excel is told; else the header has one of them. Returns where the header is. */
static const char *find_separator(const char *text, char *separator)
{
    if (strncasecmp(text, "sep=", 4) == 0 && text[4] && strchr("\r\n", text[5]) && text[5]) {
        *separator = text[4];
        return text + 5;
    }
    const char *header = text + strspn(text, " \r\n");
    size_t length = strcspn(header, "\r\n");
    *separator = memchr(header, ',', length)    ? ','
                 : memchr(header, ';', length)  ? ';'
                 : memchr(header, '\t', length) ? '\t'
                                                : ',';
    return text;
}

static void set_up_parser(struct reader *reader)
{
    csv_set_delim(&reader->parser, (unsigned char)reader->separator);
    if (reader->separator == '\t')
        csv_set_space_func(&reader->parser, only_space);
}

static int feed(struct reader *reader, const char *end)
{
    for (; reader->at < end && reader->status == 0; reader->at++) {
        if (csv_parse(&reader->parser, reader->at, 1, on_cell, on_row, reader) != 1) {
            if (csv_error(&reader->parser) != CSV_EPARSE)
                return fail(reader->err, E_ENVIRONMENT, "not enough memory");
            complain(complaints_of(reader), reader->here,
                     "a quotation mark may only stand around a whole cell; inside one it is "
                     "doubled");
            return complaints_verdict(complaints_of(reader), reader->err);
        }
        advance(&reader->here, reader->at);
    }
    if (reader->status == 0 && csv_fini(&reader->parser, on_cell, on_row, reader) != 0) {
        find_cell(reader);
        complain(complaints_of(reader), reader->field, "this quotation mark is never closed");
    }
    return reader->status;
}

int manifest_read(const char *text, size_t bytes, struct job_builder *builder, struct error *err)
{
    struct reader *reader = calloc(1, sizeof *reader);
    if (!reader || csv_init(&reader->parser, CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL) != 0) {
        free(reader);
        return fail(err, E_ENVIRONMENT, "not enough memory");
    }
    reader->builder = builder;
    reader->err = err;
    reader->at = find_separator(text, &reader->separator);
    reader->cell_start = reader->at;
    reader->here = reader->field =
        (struct origin){.line = 1, .column = (int)(reader->at - text) + 1};
    set_up_parser(reader);
    int status = feed(reader, text + bytes);
    draft_release(&reader->draft);
    csv_free(&reader->parser);
    free(reader);
    return status;
}

/* --- writing --- */

/* What every parameter is when it is not given, for each preset. */
static int make_defaults(struct params defaults[PRESETS], struct error *err)
{
    int status = 0;
    for (int preset = 0; preset < PRESETS; preset++) {
        struct params *params = &defaults[preset];
        TRY(params_set(params, PARAM_content, "x", err));
        TRY(params_set(params, PARAM_style, "x", err));
        params->preset = preset;
        params->source[PARAM_preset] = SOURCE_GIVEN;
        TRY(params_resolve_job(params, err));
    }
done:
    return status;
}

static bool is_column(const struct job_list *list, const struct params defaults[PRESETS],
                      enum param_id id)
{
    if (param_table[id].scope != SCOPE_JOB)
        return false;
    if (!param_table[id].text)
        return true;
    for (size_t i = 0; i < list->count; i++) {
        const struct params *params = &list->jobs[i].params;
        const struct params *usual =
            &defaults[id == PARAM_preset ? PRESET_BALANCED : params->preset];
        if (!params_same(params, usual, id))
            return true;
    }
    return false;
}

static int write_row(FILE *to, const struct job *job, const enum param_id *columns, int count,
                     struct error *err)
{
    fprintf(to, "%s,", job->id);
    csv_write_text(to, job->name ? job->name : "");
    for (int i = 0; i < count; i++) {
        char *text = params_format(&job->params, columns[i]);
        if (!text)
            return fail(err, E_ENVIRONMENT, "not enough memory");
        fputc(',', to);
        (is_number(columns[i]) ? csv_write_cell : csv_write_text)(to, text);
        free(text);
    }
    fputc('\n', to);
    return 0;
}

int manifest_write(FILE *to, const struct job_list *list, struct error *err)
{
    int status = 0, count = 0;
    enum param_id columns[PARAM_COUNT];
    struct params defaults[PRESETS] = {0};
    TRY(make_defaults(defaults, err));
    fputs("id,name", to);
    for (int id = 0; id < PARAM_COUNT; id++)
        if (is_column(list, defaults, (enum param_id)id)) {
            columns[count++] = (enum param_id)id;
            fprintf(to, ",%s", param_table[id].name);
        }
    fputc('\n', to);
    for (size_t i = 0; i < list->count; i++)
        TRY(write_row(to, &list->jobs[i], columns, count, err));
    if (fflush(to) != 0 || ferror(to))
        status = fail_errno(err, "cannot write the manifest");
done:
    for (int preset = 0; preset < PRESETS; preset++)
        params_release(&defaults[preset]);
    return status;
}
