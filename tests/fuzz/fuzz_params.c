/* Values of parameters, as arguments, sweep files and results give them: NAME=VALUE, a line each.
 * What is taken is written as a text that is taken for the same. */
#include "params.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count);

static void check_again(const struct params *params, enum param_id id)
{
    struct params again;
    char *text = params_format(params, id), *twice = NULL;
    params_init(&again);
    if (!text || params_set(&again, id, text, NULL) != 0 || !params_same(params, &again, id) ||
        !(twice = params_format(&again, id)) || strcmp(text, twice) != 0)
        abort();
    params_release(&again);
    free(text);
    free(twice);
}

static void set(struct params *params, char *line)
{
    enum param_id id;
    struct error err = {0};
    char *value = strchr(line, '=');
    if (!value)
        return;
    *value++ = 0;
    if (params_find(line, &id, &err) == 0 && params_set(params, id, value, &err) == 0)
        check_again(params, id);
    else if (err.code != E_INPUT || !err.message[0])
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t count)
{
    struct params params;
    struct error err = {0};
    char *text = malloc(count + 1), *rest = text;
    if (!text)
        return 0;
    if (count)
        memcpy(text, bytes, count);
    text[count] = 0;
    params_init(&params);
    for (char *line; (line = strsep(&rest, "\n"));)
        set(&params, line);
    if (params_resolve_job(&params, &err) == 0)
        for (int id = 0; id < PARAM_COUNT; id++)
            if (param_table[id].scope == SCOPE_JOB)
                check_again(&params, (enum param_id)id);
    params_release(&params);
    free(text);
    return 0;
}
