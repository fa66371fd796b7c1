#include "job_command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static bool add(struct job_command *command, char *word)
{
    if (word)
        command->argv[command->argc++] = word;
    return word != NULL;
}

/* "--style-weight=10": a value that starts with "--" is read right, too. */
static char *parameter_word(const struct params *params, enum param_id id)
{
    char *value = params_format(params, id), *word = NULL;
    if (value && asprintf(&word, "--%s=%s", param_table[id].name, value) < 0)
        word = NULL;
    for (char *c = word; c && *c != '='; c++)
        if (*c == '_')
            *c = '-';
    free(value);
    return word;
}

/* --name=TEXT, for its result. */
static bool add_name(struct job_command *command, const char *name)
{
    char *word;
    return !name || (asprintf(&word, "--name=%s", name) >= 0 && add(command, word));
}

static bool add_parameters(struct job_command *command, const struct params *params)
{
    bool good = true;
    for (int i = 0; i < PARAM_COUNT && good; i++)
        if (param_table[i].scope == SCOPE_JOB && params->source[i] == SOURCE_GIVEN)
            good = add(command, parameter_word(params, (enum param_id)i));
    return good;
}

int job_command_make(const struct store *store, const struct job *job, struct job_command *out,
                     struct error *err)
{
    struct job_command command = {0};
    bool good = add(&command, strdup("atelier")) && add(&command, strdup("render")) &&
                add(&command, strdup("--into")) && add(&command, strdup(store->folder)) &&
                add(&command, strdup("--id")) && add(&command, strdup(job->id)) &&
                add_name(&command, job->name) && add_parameters(&command, &job->params);
    if (!good) {
        job_command_release(&command);
        return fail(err, E_ENVIRONMENT, "not enough memory for a job's command");
    }
    *out = command;
    return 0;
}

void job_command_release(struct job_command *command)
{
    for (int i = 0; i < command->argc; i++)
        free(command->argv[i]);
    *command = (struct job_command){0};
}
