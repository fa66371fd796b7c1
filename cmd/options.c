#include "options.h"

#include "numbers.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void flag_name(enum param_id id, char text[OPTION_TEXT])
{
    snprintf(text, OPTION_TEXT, "--%s", param_table[id].name);
    for (char *c = text; *c; c++)
        if (*c == '_')
            *c = '-';
}

static int set_parameter(const struct argument *row, const char *text, struct error *err)
{
    const struct option *option = row->value;
    return params_set(option->params, option->id, text, err);
}

void options_rephrase(struct error *err)
{
    for (int i = 0; i < PARAM_COUNT; i++) {
        size_t length = strlen(param_table[i].name);
        if (strncmp(err->message, param_table[i].name, length) != 0 ||
            (err->message[length] != ' ' && err->message[length] != ':'))
            continue;
        char flag[OPTION_TEXT], rest[sizeof err->message];
        flag_name((enum param_id)i, flag);
        memcpy(rest, err->message + length, strlen(err->message + length) + 1);
        fail(err, err->code, "%s%s", flag, rest);
        return;
    }
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

void options_rows(struct params *params, struct option options[PARAM_COUNT],
                  struct argument rows[PARAM_COUNT])
{
    for (int i = 0; i < PARAM_COUNT; i++) {
        enum param_id id = (enum param_id)i;
        const char *word = value_word(id);
        options[i] = (struct option){.params = params, .id = id};
        flag_name(id, options[i].flag);
        rows[i] = (struct argument){.name = options[i].flag + 2,
                                    .type = ARGUMENT_CUSTOM,
                                    .value = &options[i],
                                    .word = *word ? word : NULL,
                                    .help = param_table[i].help,
                                    .set = set_parameter};
    }
}

int options_parse(int argc, char **argv, struct params *params, bool *help, struct error *err)
{
    struct option options[PARAM_COUNT];
    struct argument rows[PARAM_COUNT];
    options_rows(params, options, rows);
    return arguments_parse(argc, argv, rows, PARAM_COUNT, NULL, help, err);
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
    char flag[OPTION_TEXT];
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
