#include "completion.h"

#include "command.h"
#include "layer_words.h"
#include <string.h>

/* What stays the same. `words` is what may come, with @file, @folder and @layers (a list, commas
 * between) for what cannot be listed. "--size=5" is three words to bash. */
static const char body[] =
    "_atelier() {\n"
    "    local current=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
    "    local command=${COMP_WORDS[1]} words kind listed=\n"
    "    COMPREPLY=()\n"
    "    if [[ $current == = ]]; then\n"
    "        current=\n"
    "    elif [[ $before == = ]]; then\n"
    "        before=${COMP_WORDS[COMP_CWORD-2]}\n"
    "    fi\n"
    "    if [[ $COMP_CWORD == 1 ]]; then\n"
    "        words=$(_atelier_commands)\n"
    "    elif ! words=$(_atelier_values \"$command $before\"); then\n"
    "        if [[ $current == -* ]]; then\n"
    "            words=\"$(_atelier_options \"$command\") --help\"\n"
    "        else\n"
    "            words=$(_atelier_operands \"$command\")\n"
    "        fi\n"
    "    fi\n"
    "    for kind in $words; do\n"
    "        case $kind in\n"
    "        @file) compopt -o filenames 2> /dev/null || :\n"
    "            mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -f -- \"$current\") ;;\n"
    "        @folder) compopt -o filenames 2> /dev/null || :\n"
    "            mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(compgen -d -- \"$current\") ;;\n"
    "        @layers) compopt -o nospace 2> /dev/null || :\n"
    "            [[ $current == *,* ]] && listed=${current%,*},\n"
    "            mapfile -t -O ${#COMPREPLY[@]} COMPREPLY < <(\n"
    "                compgen -P \"$listed\" -W \"$(_atelier_layers)\" -- \"${current##*,}\") ;;\n"
    "        \"$current\"*) COMPREPLY+=(\"$kind\") ;;\n"
    "        esac\n"
    "    done\n"
    "}\n"
    "complete -F _atelier atelier\n";

/* FILE is @file, DIR and STORE are @folder, LAYERS is @layers; other words say nothing. */
static void put_kinds(FILE *to, const char *word, const char *choices)
{
    fputs(choices ? choices : "", to);
    if (word && strstr(word, "FILE"))
        fputs(" @file", to);
    else if (word && (strstr(word, "DIR") || strstr(word, "STORE")))
        fputs(" @folder", to);
    if (word && strstr(word, "LAYERS"))
        fputs(" @layers", to);
}

static void put_options(FILE *to)
{
    struct form form;
    fputs("_atelier_options() {\n    case $1 in\n", to);
    for (int i = 0; i < command_count; i++) {
        commands[i].describe(&form);
        fprintf(to, "    %s) echo \"", commands[i].name);
        for (size_t r = 0; r < form.count; r++) {
            char letter = argument_letter(form.rows[r].name);
            fprintf(to, "%s--%s", r > 0 ? " " : "", form.rows[r].name);
            if (letter)
                fprintf(to, " -%c", letter);
        }
        fputs("\" ;;\n", to);
    }
    fputs("    esac\n}\n", to);
}

static void put_value(FILE *to, const char *command, const struct argument *row)
{
    char letter = argument_letter(row->name);
    if (!row->word)
        return;
    fprintf(to, "    '%s --%s'", command, row->name);
    if (letter)
        fprintf(to, " | '%s -%c'", command, letter);
    fputs(") echo \"", to);
    put_kinds(to, row->word, row->choices);
    fputs("\" ;;\n", to);
}

static void put_values(FILE *to)
{
    struct form form;
    fputs("_atelier_values() {\n    case $1 in\n", to);
    for (int i = 0; i < command_count; i++) {
        commands[i].describe(&form);
        for (size_t r = 0; r < form.count; r++)
            put_value(to, commands[i].name, &form.rows[r]);
    }
    fputs("    *) return 1 ;;\n    esac\n}\n", to);
}

static void put_operands(FILE *to)
{
    struct form form;
    fputs("_atelier_operands() {\n    case $1 in\n", to);
    for (int i = 0; i < command_count; i++) {
        commands[i].describe(&form);
        if (form.operands.max == 0)
            continue;
        fprintf(to, "    %s) echo \"", commands[i].name);
        put_kinds(to, form.operands.words, form.operands.choices);
        fputs("\" ;;\n", to);
    }
    fputs("    esac\n}\n", to);
}

void completion_write_bash(FILE *to)
{
    char layers[LAYER_WORDS];
    fputs("# bash completion for atelier: made by 'atelier help --completion bash'\n", to);
    fputs("_atelier_commands() {\n    echo \"", to);
    for (int i = 0; i < command_count; i++)
        fprintf(to, "%s ", commands[i].name);
    fputs("--help --version\"\n}\n", to);
    put_options(to);
    put_values(to);
    put_operands(to);
    layer_words(layers);
    fprintf(to, "_atelier_layers() {\n    echo \"%s\"\n}\n", layers);
    fputs(body, to);
}
