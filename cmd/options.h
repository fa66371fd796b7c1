/* Command-line flags, all of them from the parameter table. */
#ifndef ATELIER_OPTIONS_H
#define ATELIER_OPTIONS_H

#include "arguments.h"
#include "params.h"

enum { OPTION_TEXT = 40, OPTION_NOTE = 160, OPTION_WORDS = 512 };

/* What a row of the parameter table is as an option. */
struct option {
    struct params *params;
    enum param_id id;
    char flag[OPTION_TEXT];   /* --style-weight */
    char note[OPTION_NOTE];   /* "0 to 65535 px; default 512" */
    char words[OPTION_WORDS]; /* that it may be, as far as they have names */
};

/* The parameter table as rows of a form, in its parts: what picture it is, how it is made. They set
 * params, `--style-weight 10` and `--style_weight=10` alike, and borrow options. */
void options_add(struct params *params, struct option options[PARAM_COUNT], struct form *form);

/* Makes an error about a parameter one about its flag: "style_weight must be ..." becomes
 * "--style-weight must be ...". */
void options_rephrase(struct error *err);

/* Every word that a parameter may be, VGG-19's layers, and what the presets set: tables for people.
 * Checked by: test_lists_every_choice_layer_and_preset in tests/cmd/test_hands.py */
void options_print_layers(FILE *to);
void options_print_presets(FILE *to);
void options_print_tables(FILE *to); /* all three */

#endif
