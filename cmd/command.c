#include "command.h"

#include <stdio.h>

int command_perform(int argc, char **argv, const struct plain_command *command)
{
    bool help;
    struct error error = {0};
    int status = arguments_parse(argc, argv, command->rows, command->row_count, command->operands,
                                 &help, &error);
    if (status == 0 && help)
        command->help();
    else if (status == 0)
        status = command->act(command->request, &error);
    if (error.code != 0)
        fprintf(stderr, "atelier %s: %s\n", argv[0], error.message);
    return status;
}
