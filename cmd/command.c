#include "command.h"

#include "complaints_print.h"
#include "form_print.h"
#include "outlet.h"
#include "params.h"
#include <string.h>

const struct command *command_find(const char *name)
{
    for (int i = 0; i < command_count; i++)
        if (strcmp(name, commands[i].name) == 0)
            return &commands[i];
    return NULL;
}

static int verdict(const char *command, const struct complaints *complaints, struct error *err)
{
    if (complaints->errors == 0)
        return 0;
    if (complaints->errors == 1)
        return fail(err, E_INPUT, "%s", complaints->list[0].message);
    complaints_print(complaints);
    return fail(err, E_INPUT, "%zu errors; 'atelier help %s' explains its options",
                complaints->errors, command);
}

/* A parameter given to a command that does not take it. */
static const char *owner_of(const char *name)
{
    enum param_id id;
    if (params_find(name, &id, NULL) != 0)
        return NULL;
    if (param_table[id].scope == SCOPE_RUN)
        return "an option of 'atelier render'";
    return "a parameter of a picture: write it into the sweep file, or give it to 'atelier render'";
}

int command_parse(int argc, char **argv, struct form *form, bool *helped, struct error *err)
{
    struct complaints complaints = {0};
    form->owner = owner_of;
    int status = arguments_parse(argc, argv, form, helped, &complaints, err);
    if (status == 0 && *helped)
        form_print(stdout, argv[0], form);
    else if (status == 0)
        status = verdict(argv[0], &complaints, err);
    complaints_release(&complaints);
    return status;
}

int command_perform(int argc, char **argv, struct form *form,
                    int (*act)(void *request, struct error *err), void *request)
{
    bool helped;
    struct error error = {0};
    int status = command_parse(argc, argv, form, &helped, &error);
    if (status == 0 && !helped)
        status = act(request, &error);
    outlet_error(argv[0], &error);
    return status;
}
