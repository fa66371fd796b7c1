/* The parameters of a render: one table (params_table.h) makes the struct, the flags, the keys of a
 * sweep, the columns of a manifest, the attributes of a result file, the help and the messages. */
#ifndef ATELIER_PARAMS_H
#define ATELIER_PARAMS_H

#include "error.h"
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum param_type {
    PARAM_PATH,
    PARAM_TEXT,
    PARAM_LAYERS,
    PARAM_REAL,
    PARAM_WHOLE,
    PARAM_CHOICE,
    PARAM_FLAG
};
enum param_scope { SCOPE_JOB, SCOPE_RUN };

/* PARAM_content, PARAM_style, ... in the table's order. */
enum param_id {
#define JOB(name, type, text, range, unit, help) PARAM_##name,
#define RUN(name, type, text, range, unit, help) PARAM_##name,
#include "params_table.h"
#undef JOB
#undef RUN
    PARAM_COUNT
};

struct param_info {
    const char *name; /* style_weight; the flag is --style-weight */
    enum param_type type;
    enum param_scope scope;
    const char *text; /* default; NULL where required; see param_from_preset */
    double low, high; /* of numbers; infinite where open-ended */
    bool low_excluded;
    const char *choices; /* space separated; NULL where none */
    const char *words;   /* likewise: what is no file of that name, where a TEXT may be a file */
    const char *unit;
    const char *help;
    size_t offset; /* in struct params */
};
extern const struct param_info param_table[PARAM_COUNT];

/* Where a value came from; a value from a later source wins. */
enum param_source { SOURCE_NONE, SOURCE_DEFAULT, SOURCE_PRESET, SOURCE_GIVEN };

typedef char *param_PATH, *param_TEXT, *param_LAYERS;
typedef double param_REAL;
typedef int64_t param_WHOLE;
typedef int param_CHOICE;
typedef bool param_FLAG;

/* One member a parameter, and where each value came from. Texts are owned. Life: params_init,
 * params_set any number of times, params_resolve, use, params_release. */
struct params {
#define JOB(name, type, text, range, unit, help) param_##type name;
#define RUN(name, type, text, range, unit, help) param_##type name;
#include "params_table.h"
#undef JOB
#undef RUN
    unsigned char source[PARAM_COUNT];
};

/* CHOICE values: the position in the table's list. */
enum { CONVENTION_AUTO, CONVENTION_CAFFE, CONVENTION_TORCHVISION };
enum { PRESET_BALANCED, PRESET_KERAS, PRESET_GDL, PRESET_GATYS, PRESET_JOHNSON, PRESETS };
enum { POOLING_MAX, POOLING_AVG };
enum { OPTIMIZER_LBFGS, OPTIMIZER_ADAM };
enum { PRECISION_F32, PRECISION_BF16, PRECISION_AUTO };
enum { BITS_8, BITS_16 };

void params_init(struct params *params);
void params_release(struct params *params);

/* The parameter of that name ('-' and '_' are the same), or E_INPUT naming the nearest. */
int params_find(const char *name, enum param_id *id, struct error *err);

/* Parses and range-checks text. A layer list is checked and made canonical: relu4_2, equal weights
 * left out, weights normalised to sum 1. A flag takes yes or no.
 * Errors: E_INPUT: "style_weight must be >= 0, got '-1'". */
int params_set(struct params *params, enum param_id id, const char *text, struct error *err);

/* Fills what was not given, from the preset and then the table, and checks what belongs together:
 * required values, some loss weight above 0. */
int params_resolve(struct params *params, struct error *err);

/* The same for a job of a sweep: no RUN parameter is required. */
int params_resolve_job(struct params *params, struct error *err);

/* The value as canonical text: params_set of it gives the same value. Numbers have as many digits
 * as it takes (at most 17). Caller frees; NULL when memory is out. */
char *params_format(const struct params *params, enum param_id id);

/* The value of a REAL, WHOLE, CHOICE or FLAG as a number; of a PATH, TEXT or LAYERS as text
 * (borrowed; NULL while unset). Asking for the wrong kind is our bug and asserted. */
double params_number(const struct params *params, enum param_id id);
const char *params_text(const struct params *params, enum param_id id);

/* Whether both have the same value of a parameter that is set in both. */
bool params_same(const struct params *a, const struct params *b, enum param_id id);

/* Whether a parameter's default comes from the preset. */
bool param_from_preset(enum param_id id);

/* The default a preset gives to a parameter, as text; NULL where it gives none. `weights` is what
 * that parameter names, or NULL: balanced has other defaults for untrained filters. */
const char *preset_default(int preset, enum param_id id, const char *weights);

#endif
