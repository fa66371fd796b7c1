#include "command.h"

#include <stdio.h>
#include <string.h>

void help_overview(int to)
{
    FILE *out = to == 1 ? stdout : stderr;
    fprintf(out, "atelier renders neural style transfers (Gatys, Ecker & Bethge 2015).\n\n"
                 "usage: atelier COMMAND [options]\n\n");
    for (int i = 0; i < command_count; i++)
        fprintf(out, "  %-10s %s\n", commands[i].name, commands[i].summary);
    fprintf(out,
            "\n'atelier help COMMAND' explains one; 'atelier --version' says what it runs on.\n");
}

void help_help(void)
{
    printf("usage: atelier help [COMMAND]\n\nExplains a command and its options, or lists them.\n");
}

int command_help(int argc, char **argv)
{
    if (argc < 2) {
        help_overview(1);
        return 0;
    }
    for (int i = 0; i < command_count; i++)
        if (strcmp(argv[1], commands[i].name) == 0) {
            commands[i].help();
            return 0;
        }
    return unknown_command(argv[1]);
}
