#include "completion.h"

#include "command.h"
#include "layer_words.h"
#include <string.h>

/* Inside single quotes of a specification of _arguments: brackets and colons mean something there.
 */
static void put_quoted(FILE *to, const char *text)
{
    for (; *text; text++) {
        if (*text == '\'')
            fputs("'\\''", to);
        else if (strchr("[]:\\", *text))
            fprintf(to, "\\%c", *text);
        else
            fputc(*text, to);
    }
}

/* ":WORD:what completes it" */
static void put_action(FILE *to, const char *word, const char *choices)
{
    bool file = strstr(word, "FILE"), folder = strstr(word, "DIR") || strstr(word, "STORE");
    fputc(':', to);
    put_quoted(to, word);
    fputs(":{ ", to);
    if (choices)
        fprintf(to, "compadd -- %s; ", choices);
    if (strstr(word, "LAYERS"))
        fputs("_sequence -s , compadd -- $_atelier_layers; ", to);
    if (file || folder)
        fprintf(to, "_files%s; ", file ? "" : " -/");
    fputs("}", to);
}

/* '(-o --output)'{-o+,--output=}'[help]:FILE:{ _files; }' */
static void put_row(FILE *to, const struct argument *row)
{
    char letter = argument_letter(row->name);
    const char *equals = row->word ? "=" : "";
    if (letter)
        fprintf(to, "            '(-%c --%s)'{-%c%s,--%s%s}'[", letter, row->name, letter,
                row->word ? "+" : "", row->name, equals);
    else
        fprintf(to, "            '%s--%s%s[", row->repeated ? "*" : "", row->name, equals);
    put_quoted(to, row->help);
    fputc(']', to);
    if (row->word)
        put_action(to, row->word, row->choices);
    fputs("' \\\n", to);
}

static void put_command(FILE *to, const struct command *command)
{
    struct form form;
    command->describe(&form);
    fprintf(to, "        %s)\n            _arguments -s -S \\\n", command->name);
    for (size_t r = 0; r < form.count; r++)
        put_row(to, &form.rows[r]);
    fputs("            '(- *)'{-h,--help}'[explain the command]'", to);
    if (form.operands.max > 0) {
        fputs(" \\\n            '*", to);
        put_action(to, form.operands.words, form.operands.choices);
        fputc('\'', to);
    }
    fputs("\n            ;;\n", to);
}

void completion_write_zsh(FILE *to)
{
    char layers[LAYER_WORDS];
    layer_words(layers);
    fputs("#compdef atelier\n# made by 'atelier help --completion zsh'\n", to);
    fprintf(to,
            "_atelier() {\n    local curcontext=$curcontext state line\n"
            "    local -a _atelier_layers commands\n    _atelier_layers=(%s)\n",
            layers);
    fputs("    commands=(\n", to);
    for (int i = 0; i < command_count; i++) {
        fprintf(to, "        '%s:", commands[i].name);
        put_quoted(to, commands[i].summary);
        fputs("'\n", to);
    }
    fputs("    )\n    _arguments -C '(- *)'--help'[list the commands]' "
          "'(- *)'--version'[say what it runs on]' \\\n"
          "        '1: :->command' '*:: :->rest'\n"
          "    case $state in\n    command) _describe command commands ;;\n    rest)\n"
          "        case $line[1] in\n",
          to);
    for (int i = 0; i < command_count; i++)
        put_command(to, &commands[i]);
    fputs("        esac ;;\n    esac\n}\n"
          "if [[ $funcstack[1] = _atelier ]]; then\n    _atelier \"$@\"\nelse\n"
          "    compdef _atelier atelier\nfi\n",
          to);
}
