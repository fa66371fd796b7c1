#include "manual.h"

#include "form_print.h"
#include "options.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* --- text as roff takes it --- */

/* Nothing in it is a request, a hyphen is a minus, a backslash is one. */
static void put(FILE *to, const char *text, size_t length)
{
    for (size_t i = 0; i < length; i++) {
        bool starts = i == 0 || text[i - 1] == '\n';
        if (starts && (text[i] == '.' || text[i] == '\''))
            fputs("\\&", to);
        if (text[i] == '-' || text[i] == '\\')
            fputs(text[i] == '-' ? "\\-" : "\\e", to);
        else
            fputc(text[i], to);
    }
}

static void put_line(FILE *to, const char *text)
{
    put(to, text, strlen(text));
    fputc('\n', to);
}

/* At least one character; the last line gets an end if it has none. */
static void put_lines(FILE *to, const char *text, size_t length)
{
    put(to, text, length);
    if (text[length - 1] != '\n')
        fputc('\n', to);
}

/* Lines as they are, in a fixed width. */
static void put_table(FILE *to, const char *text, size_t length)
{
    fputs(".nf\n.ft CR\n", to);
    put_lines(to, text, length);
    fputs(".ft R\n.fi\n", to);
}

/* Paragraphs are filled; lines that begin with a blank stay. */
static void put_text(FILE *to, const char *text)
{
    while (*text) {
        const char *end = text;
        bool table = *text == ' ';
        while (*end && *end != '\n' && (*end == ' ') == table)
            end += strcspn(end, "\n") + (end[strcspn(end, "\n")] == '\n');
        if (table)
            put_table(to, text, (size_t)(end - text));
        else
            put_lines(to, text, (size_t)(end - text));
        text = end;
        if (*text == '\n')
            fputs(".PP\n", to);
        text += strspn(text, "\n");
    }
}

/* --- pieces --- */

/* "atelier-render"; "": atelier itself. */
static void put_head(FILE *to, const char *name, int section, const char *summary)
{
    fputs(".TH ATELIER", to);
    for (const char *c = name; *c; c++)
        fprintf(to, "%s%c", c == name ? "\\-" : "", toupper((unsigned char)*c));
    fprintf(to, " %d \"\" \"atelier " ATELIER_VERSION "\" \"atelier\"\n.nh\n.SH NAME\n", section);
    fprintf(to, "atelier%s%s \\- ", *name ? "\\-" : "", name);
    put_line(to, summary);
}

static void put_usage(FILE *to, const char *name, const char *usage)
{
    fputs(".SH SYNOPSIS\n.nf\n", to);
    while (*usage) {
        size_t length = strcspn(usage, "\n");
        fprintf(to, "\\fBatelier %s\\fR ", name);
        put(to, usage, length);
        fputc('\n', to);
        usage += length + (usage[length] == '\n');
    }
    fputs(".fi\n", to);
}

static void put_row(FILE *to, const struct argument *row)
{
    char values[VALUES_TEXT], letter = argument_letter(row->name);
    fputs(".TP\n", to);
    if (letter)
        fprintf(to, "\\fB\\-%c\\fR, ", letter);
    fputs("\\fB\\-\\-", to);
    put(to, row->name, strlen(row->name));
    fputs("\\fR", to);
    if (row->word) {
        fputs(" \\fI", to);
        put(to, row->word, strlen(row->word));
        fputs("\\fR", to);
    }
    fputc('\n', to);
    put_line(to, row->help);
    argument_values(row, values);
    if (*values) {
        fputs(".br\n", to);
        put_line(to, values);
    }
}

static void put_rows(FILE *to, const struct form *form)
{
    size_t part = 0;
    if (form->count > 0)
        fputs(".SH OPTIONS\n", to);
    for (size_t i = 0; i < form->count; i++) {
        if (part < form->part_count && form->parts[part].first == i)
            fprintf(to, ".SS %s\n", form->parts[part++].title);
        put_row(to, &form->rows[i]);
    }
}

static void put_tables(FILE *to, void (*tables)(FILE *))
{
    char *text = NULL;
    size_t bytes;
    FILE *memory = open_memstream(&text, &bytes);
    if (!memory)
        return;
    tables(memory);
    fclose(memory);
    fputs(".SH VALUES\n", to);
    put_table(to, text, bytes);
    free(text);
}

static void put_exit_codes(FILE *to, const char *codes)
{
    fputs(".SH EXIT STATUS\n", to);
    put_line(to, codes ? codes : form_exit_codes);
}

/* --- pages --- */

static void put_commands(FILE *to)
{
    fputs(".SH COMMANDS\n", to);
    for (int i = 0; i < command_count; i++) {
        fprintf(to, ".TP\n\\fBatelier\\-%s\\fR(1)\n", commands[i].name);
        put_line(to, commands[i].summary);
    }
}

static void put_also(FILE *to, const struct command *command)
{
    fputs(".SH SEE ALSO\n", to);
    fputs(command ? "\\fBatelier\\fR(1)" : "", to);
    for (int i = 0; i < command_count; i++)
        if (&commands[i] != command)
            fprintf(to, "%s\\fBatelier\\-%s\\fR(1)", command || i > 0 ? ",\n" : "",
                    commands[i].name);
    for (int i = 0; i < topic_count; i++)
        fprintf(to, ",\n\\fBatelier\\-%s\\fR(7)", topics[i].name);
    fputc('\n', to);
}

static void write_overview(FILE *to)
{
    put_head(to, "", 1, "neural style transfers by the thousand");
    put_usage(to, "COMMAND", "[options]");
    fputs(".SH DESCRIPTION\n", to);
    put_text(to, help_about);
    put_commands(to);
    put_tables(to, options_print_tables);
    put_exit_codes(to, NULL);
    put_also(to, NULL);
}

void manual_write(FILE *to, const struct command *command)
{
    struct form form;
    if (!command) {
        write_overview(to);
        return;
    }
    command->describe(&form);
    put_head(to, command->name, 1, command->summary);
    put_usage(to, command->name, form.usage);
    fputs(".SH DESCRIPTION\n", to);
    put_text(to, form.text);
    put_rows(to, &form);
    if (form.tables)
        put_tables(to, form.tables);
    put_exit_codes(to, form.exit_codes);
    put_also(to, command);
}

void manual_write_topic(FILE *to, const struct topic *topic)
{
    put_head(to, topic->name, 7, topic->summary);
    fputs(".SH DESCRIPTION\n", to);
    put_text(to, topic->text);
    fputs(".SH SEE ALSO\n\\fBatelier\\fR(1)\n", to);
}
