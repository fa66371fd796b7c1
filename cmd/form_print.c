#include "form_print.h"

#include "numbers.h"
#include <math.h>
#include <string.h>

enum { WIDTH = 96 };

const char form_exit_codes[] = "0 done; 2 wrong input; 3 disk or memory";

void print_wrapped(FILE *to, const char *indent, const char *text)
{
    size_t column = 0;
    while (*(text += strspn(text, " "))) {
        size_t length = strcspn(text, " ");
        bool fits = column > 0 && column + 1 + length <= WIDTH;
        if (column > 0 && !fits)
            fputc('\n', to);
        fputs(fits ? " " : indent, to);
        fwrite(text, 1, length, to);
        column = length + (fits ? column + 1 : strlen(indent));
        text += length;
    }
    if (column > 0)
        fputc('\n', to);
}

static void describe_limits(const struct argument *row, char text[VALUES_TEXT])
{
    char low[NUMBER_TEXT], high[NUMBER_TEXT];
    const char *unit = row->type == ARGUMENT_DURATION ? " s" : "";
    number_format(row->low, low);
    number_format(row->high, high);
    if (row->low == 0 && row->high == 0)
        *text = 0;
    else if (isinf(row->high))
        snprintf(text, VALUES_TEXT, ">= %s%s", low, unit);
    else
        snprintf(text, VALUES_TEXT, "%s to %s%s", low, high, unit);
}

void argument_values(const struct argument *row, char text[VALUES_TEXT])
{
    if (row->note)
        snprintf(text, VALUES_TEXT, "%s", row->note);
    else if (row->choices)
        snprintf(text, VALUES_TEXT, "%s", row->choices);
    else
        describe_limits(row, text);
    if (!row->note && row->choices && strlen(text) < WIDTH / 2) /* longer ones are wrapped */
        for (char *c = text; *c; c++)
            *c = *c == ' ' ? '|' : *c;
}

static void print_row(FILE *to, const struct argument *row)
{
    char values[VALUES_TEXT], letter = argument_letter(row->name);
    fputs("  ", to);
    if (letter)
        fprintf(to, "-%c, ", letter);
    fprintf(to, "--%s%s%s\n", row->name, row->word ? " " : "", row->word ? row->word : "");
    print_wrapped(to, "      ", row->help);
    argument_values(row, values);
    print_wrapped(to, "      ", values);
}

static void print_usage(FILE *to, const char *command, const char *usage)
{
    const char *before = "usage:";
    while (*usage) {
        size_t length = strcspn(usage, "\n");
        fprintf(to, "%s atelier %s%s%.*s\n", before, command, length ? " " : "", (int)length,
                usage);
        usage += length + (usage[length] == '\n');
        before = "      ";
    }
}

static void print_rows(FILE *to, const struct form *form)
{
    size_t part = 0;
    if (form->count > 0 && form->part_count == 0)
        fputs("\noptions:\n", to);
    for (size_t i = 0; i < form->count; i++) {
        if (part < form->part_count && form->parts[part].first == i)
            fprintf(to, "\n%s:\n", form->parts[part++].title);
        print_row(to, &form->rows[i]);
    }
}

void form_print(FILE *to, const char *command, const struct form *form)
{
    print_usage(to, command, form->usage);
    fprintf(to, "\n%s\n", form->text);
    print_rows(to, form);
    if (form->tables) {
        fputc('\n', to);
        form->tables(to);
    }
    fputs("\nexit codes:\n", to);
    print_wrapped(to, "  ", form->exit_codes ? form->exit_codes : form_exit_codes);
}
