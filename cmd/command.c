#include "command.h"

#include "complaints_print.h"
#include "form_print.h"
#include "outlet.h"
#include "params.h"
#include <stdio.h>
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

static bool has_option(const struct command *command, const char *name)
{
    struct form form;
    command->describe(&form);
    for (size_t i = 0; i < form.count; i++)
        if (strcmp(form.rows[i].name, name) == 0)
            return true;
    return false;
}

/* The commands that take an option, until the next call. */
static const char *owners_of(const char *name)
{
    static char text[128];
    size_t used = 0;
    for (int i = 0; i < command_count && used < sizeof text; i++)
        if (has_option(&commands[i], name))
            used += (size_t)snprintf(text + used, sizeof text - used, "%s'atelier %s'",
                                     used ? " and of " : "an option of ", commands[i].name);
    return text;
}

/* A parameter given to a command that does not take it. */
static const char *owner_of(const char *name)
{
    enum param_id id;
    if (params_find(name, &id, NULL) != 0)
        return NULL;
    if (param_table[id].scope == SCOPE_RUN)
        return owners_of(name);
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
