#include "options.h"

#include "numbers.h"
#include "words.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { FLAG_TEXT = 40 };

static void flag_name(enum param_id id, char text[FLAG_TEXT])
{
    snprintf(text, FLAG_TEXT, "--%s", param_table[id].name);
    for (char *c = text; *c; c++)
        if (*c == '_')
            *c = '-';
}

/* Splits "--name=value"; value is NULL where there is none. */
static void split(const char *argument, char *name, size_t size, const char **value)
{
    const char *equals = strchr(argument, '=');
    size_t length = equals ? (size_t)(equals - argument) : strlen(argument);
    snprintf(name, size, "%.*s", (int)length, argument);
    *value = equals ? equals + 1 : NULL;
}

static int find_flag(const char *name, enum param_id *id, struct error *err)
{
    struct error inner;
    if (params_find(name, id, &inner) == 0)
        return 0;
    if (word_distance(name, "help") <= 1)
        return fail(err, E_INPUT, "unknown option '--%s'; did you mean --help?", name);
    const char *nearest = strstr(inner.message, "; nearest: ");
    char flag[FLAG_TEXT] = "";
    if (nearest && sscanf(nearest, "; nearest: '%37[^']", flag + 2) == 1) {
        memcpy(flag, "--", 2);
        for (char *c = flag + 2; *c; c++)
            if (*c == '_')
                *c = '-';
        return fail(err, E_INPUT, "unknown option '--%s'; did you mean %s?", name, flag);
    }
    return fail(err, E_INPUT, "unknown option '--%s'", name);
}

static int parse_one(int argc, char **argv, int *at, struct params *params, struct error *err)
{
    char name[64];
    const char *value;
    enum param_id id;
    const char *argument = argv[*at];
    if (strncmp(argument, "--", 2) != 0 || !argument[2])
        return fail(err, E_INPUT, "unexpected argument '%s': parameters are given as --name value",
                    argument);
    split(argument + 2, name, sizeof name, &value);
    int status = find_flag(name, &id, err);
    if (status != 0)
        return status;
    if (!value && param_table[id].type == PARAM_FLAG)
        value = "yes";
    if (!value && *at + 1 < argc && strncmp(argv[*at + 1], "--", 2) != 0)
        value = argv[++*at];
    if (!value)
        return fail(err, E_INPUT, "--%s needs a value: %s", name, param_table[id].help);
    if (params->source[id] == SOURCE_GIVEN)
        return fail(err, E_INPUT, "--%s is given twice", name);
    return params_set(params, id, value, err);
}

void options_rephrase(struct error *err)
{
    for (int i = 0; i < PARAM_COUNT; i++) {
        size_t length = strlen(param_table[i].name);
        if (strncmp(err->message, param_table[i].name, length) != 0 ||
            (err->message[length] != ' ' && err->message[length] != ':'))
            continue;
        char flag[FLAG_TEXT], rest[sizeof err->message];
        flag_name((enum param_id)i, flag);
        memcpy(rest, err->message + length, strlen(err->message + length) + 1);
        fail(err, err->code, "%s%s", flag, rest);
        return;
    }
}

int options_parse(int argc, char **argv, struct params *params, bool *help, struct error *err)
{
    *help = false;
    for (int i = 1; i < argc; i++)
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            *help = true;
            return 0;
        }
    for (int i = 1; i < argc; i++) {
        int status = parse_one(argc, argv, &i, params, err);
        if (status != 0)
            return status;
    }
    return 0;
}

static const char *value_word(enum param_id id)
{
    switch (param_table[id].type) {
    case PARAM_PATH:
        return "FILE";
    case PARAM_LAYERS:
        return "LAYERS";
    case PARAM_REAL:
        return "X";
    case PARAM_WHOLE:
        return "N";
    case PARAM_TEXT:
        return "WORD|FILE";
    case PARAM_CHOICE:
        return "WORD";
    case PARAM_FLAG:
        return "";
    }
    return "";
}

static void print_range(const struct param_info *info)
{
    if (info->choices) {
        for (const char *c = info->choices; *c; c++)
            putchar(*c == ' ' ? '|' : *c);
        return;
    }
    char low[NUMBER_TEXT], high[NUMBER_TEXT];
    number_format(info->low, low);
    number_format(info->high, high);
    if (isinf(info->low))
        return;
    if (isinf(info->high))
        printf("%s %s", info->low_excluded ? ">" : ">=", low);
    else
        printf("%s to %s", low, high);
    if (*info->unit && strcmp(info->unit, "1") != 0)
        printf(" %s", info->unit);
}

static void print_option(enum param_id id)
{
    const struct param_info *info = &param_table[id];
    char flag[FLAG_TEXT];
    flag_name(id, flag);
    const char *word = value_word(id);
    printf("  %s%s%s\n      %s\n", flag, *word ? " " : "", word, info->help);
    bool ranged = info->choices || !isinf(info->low);
    const char *text = param_from_preset(id) ? "set by the preset" : info->text;
    if (info->type == PARAM_FLAG)
        return;
    printf("      ");
    print_range(info);
    printf("%s%s%s\n", ranged ? "; " : "",
           !text                   ? "required"
           : param_from_preset(id) ? ""
                                   : "default ",
           text ? text : "");
}

static void print_presets(void)
{
    static const char *const names[PRESETS] = {"balanced", "keras", "gdl", "gatys", "johnson"};
    printf("\nwhat the presets set:\n  %-16s", "");
    for (int p = 0; p < PRESETS; p++)
        printf("%-10s", names[p]);
    putchar('\n');
    for (int i = 0; i < PARAM_COUNT; i++) {
        enum param_id id = (enum param_id)i;
        if (!param_from_preset(id) || id == PARAM_style_layers)
            continue;
        printf("  %-16s", param_table[id].name);
        for (int p = 0; p < PRESETS; p++)
            printf("%-10s", preset_default(p, id));
        putchar('\n');
    }
    printf("  %-16s%s in all of them\n", "style_layers",
           preset_default(PRESET_BALANCED, PARAM_style_layers));
}

void options_print(void)
{
    printf("what picture it is:\n");
    for (int i = 0; i < PARAM_COUNT; i++)
        if (param_table[i].scope == SCOPE_JOB)
            print_option((enum param_id)i);
    printf("\nhow it is made:\n");
    for (int i = 0; i < PARAM_COUNT; i++)
        if (param_table[i].scope == SCOPE_RUN)
            print_option((enum param_id)i);
    print_presets();
}
