#include "options.h"

#include "form_print.h"
#include "known.h"
#include "layer_words.h"
#include "numbers.h"
#include "vgg19.h"
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

static int set_parameter(const struct argument *row, const char *text, struct error *err)
{
    const struct option *option = row->value;
    int status = params_set(option->params, option->id, text, err);
    if (status != 0)
        options_rephrase(err);
    return status;
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

/* The words that a parameter may be: its choices, or what stands for no file. */
static void known_words(enum param_id id, char words[OPTION_WORDS])
{
    const struct param_info *info = &param_table[id];
    snprintf(words, OPTION_WORDS, "%s",
             info->choices ? info->choices
             : info->words ? info->words
                           : "");
    for (int i = 0; id == PARAM_weights && i < known_file_count; i++) {
        size_t used = strlen(words);
        snprintf(words + used, OPTION_WORDS - used, " %s", known_files[i].name);
    }
}

/* "a|b|c", "0 to 65535 px", "> 0"; "" where anything goes. */
static void describe_range(const struct param_info *info, char *text, size_t size)
{
    char low[NUMBER_TEXT], high[NUMBER_TEXT];
    const char *words = info->choices ? info->choices : info->words;
    const char *unit = strcmp(info->unit, "1") == 0 ? "" : info->unit;
    number_format(info->low, low);
    number_format(info->high, high);
    if (words) {
        snprintf(text, size, "%s%s", words, info->choices ? "" : " FILE");
        for (char *c = text; *c; c++)
            *c = *c == ' ' ? '|' : *c;
    } else if (isinf(info->low))
        *text = 0;
    else if (isinf(info->high))
        snprintf(text, size, "%s %s%s%s", info->low_excluded ? ">" : ">=", low, *unit ? " " : "",
                 unit);
    else
        snprintf(text, size, "%s to %s%s%s", low, high, *unit ? " " : "", unit);
}

static void describe_values(enum param_id id, char note[OPTION_NOTE])
{
    const struct param_info *info = &param_table[id];
    char range[OPTION_NOTE / 2];
    *note = 0;
    if (info->type == PARAM_FLAG)
        return;
    describe_range(info, range, sizeof range);
    snprintf(note, OPTION_NOTE, "%s%s%s%s", range, *range ? "; " : "",
             param_from_preset(id) ? "set by the preset"
             : info->text          ? "default "
                                   : "required",
             param_from_preset(id) || !info->text ? "" : info->text);
}

void options_add(struct params *params, struct option options[PARAM_COUNT], struct form *form)
{
    for (int i = 0; i < PARAM_COUNT; i++) {
        enum param_id id = (enum param_id)i;
        const char *word = value_word(id);
        struct option *option = &options[i];
        if (i == 0)
            form_part(form, "what picture it is");
        else if (param_table[i].scope == SCOPE_RUN && param_table[i - 1].scope == SCOPE_JOB)
            form_part(form, "how it is made");
        *option = (struct option){.params = params, .id = id};
        flag_name(id, option->flag);
        describe_values(id, option->note);
        known_words(id, option->words);
        form_add(form,
                 &(struct argument){.name = option->flag + 2,
                                    .type = ARGUMENT_CUSTOM,
                                    .value = option,
                                    .word = *word ? word : NULL,
                                    .help = param_table[i].help,
                                    .note = option->note,
                                    .choices = *option->words ? option->words : NULL,
                                    .set = set_parameter},
                 1);
    }
}

/* --- tables --- */

static void print_values(FILE *to)
{
    fputs("words that parameters may be (weights and init also a file):\n", to);
    for (int i = 0; i < PARAM_COUNT; i++) {
        const struct param_info *info = &param_table[i];
        if (info->choices || info->words)
            fprintf(to, "  %-20s %s\n", info->name, info->choices ? info->choices : info->words);
    }
}

void options_print_layers(FILE *to)
{
    char words[LAYER_WORDS];
    fputs("layers of VGG-19, after and before ReLU, poolings, and as Keras names them:\n", to);
    for (int spelling = 0; spelling < LAYER_SPELLINGS; spelling++) {
        layer_words_of(spelling, words);
        print_wrapped(to, "  ", words);
    }
}

static bool same_in_all(enum param_id id)
{
    for (int p = 1; p < PRESETS; p++)
        if (strcmp(preset_default(p, id, NULL), preset_default(0, id, NULL)) != 0)
            return false;
    return true;
}

/* "With --weights random, balanced sets content_weight 0.002, tv_weight 0.05." */
static void print_untrained(FILE *to)
{
    char text[512] = "balanced with untrained filters (--weights random): ";
    const size_t words = strlen(text);
    for (int i = 0; i < PARAM_COUNT; i++) {
        enum param_id id = (enum param_id)i;
        const char *other =
            param_from_preset(id) ? preset_default(PRESET_BALANCED, id, "random") : NULL;
        size_t used = strlen(text);
        if (other && strcmp(other, preset_default(PRESET_BALANCED, id, NULL)) != 0)
            snprintf(text + used, sizeof text - used, "%s%s %s", used > words ? ", " : "",
                     param_table[i].name, other);
    }
    print_wrapped(to, "    ", text);
}

void options_print_presets(FILE *to)
{
    fprintf(to, "what the presets set:\n  %-16s", "");
    for (const char *name = param_table[PARAM_preset].choices; *name;) {
        size_t length = strcspn(name, " ");
        fprintf(to, "%-*.*s", name[length] ? 10 : (int)length, (int)length, name);
        name += length + (name[length] == ' ');
    }
    fputc('\n', to);
    for (int i = 0; i < PARAM_COUNT; i++) {
        enum param_id id = (enum param_id)i;
        if (!param_from_preset(id))
            continue;
        fprintf(to, "  %-16s", param_table[id].name);
        if (same_in_all(id))
            fprintf(to, "%s in all of them", preset_default(0, id, NULL));
        for (int p = 0; p < PRESETS && !same_in_all(id); p++)
            fprintf(to, "%-*s", p + 1 < PRESETS ? 10 : 0, preset_default(p, id, NULL));
        fputc('\n', to);
    }
    print_untrained(to);
}

void options_print_tables(FILE *to)
{
    print_values(to);
    fputc('\n', to);
    options_print_presets(to);
    fputc('\n', to);
    options_print_layers(to);
}
