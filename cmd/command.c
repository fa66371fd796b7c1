#include "command.h"

#include <stdio.h>

int command_perform(int argc, char **argv, struct operands *operands,
                    const struct plain_command *command)
{
    bool help;
    struct error error = {0};
    int status =
        arguments_parse(argc, argv, command->rows, command->row_count, operands, &help, &error);
    if (status == 0 && help)
        command->help();
    else if (status == 0)
        status = command->act(command->request, &error);
    if (error.code != 0)
        fprintf(stderr, "atelier %s: %s\n", argv[0], error.message);
    return status;
}

int command_on_store(int argc, char **argv, const char **store, const struct plain_command *command)
{
    struct operands operands = {.list = store, .min = 1, .max = 1, .names = "STORE"};
    return command_perform(argc, argv, &operands, command);
}
