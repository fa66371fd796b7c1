#include "checkpoint.h"

#include "identity.h"
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* What differs: the first thing in words, the others counted. */
struct differences {
    char *text;
    size_t size;
    int count;
};

static void __attribute__((format(printf, 2, 3)))
differ(struct differences *differences, const char *format, ...)
{
    if (differences->count++ > 0)
        return;
    va_list args;
    va_start(args, format);
    vsnprintf(differences->text, differences->size, format, args);
    va_end(args);
}

static void count_others(struct differences *differences)
{
    size_t used = strnlen(differences->text, differences->size);
    if (differences->count > 1)
        snprintf(differences->text + used, differences->size - used, " (and %d more differ%s)",
                 differences->count - 1, differences->count == 2 ? "s" : "");
}

static const char *find_fact(const struct fact *facts, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(facts[i].name, name) == 0)
            return facts[i].text;
    return NULL;
}

static const char *or_nothing(const char *text) { return text && *text ? text : "''"; }

/* The value that a text gives, as params_format has it; the text itself if it is not valid (any
 * more). Caller frees. NULL: no memory. */
static char *canonical(enum param_id id, const char *text)
{
    struct params params;
    params_init(&params);
    char *formatted =
        params_set(&params, id, text, NULL) == 0 ? params_format(&params, id) : strdup(text);
    params_release(&params);
    return formatted;
}

/* A value that names a file is the file's digest; any other is its text. */
struct value {
    const char *text, *digest;
};

static void compare_values(const char *name, struct value there, struct value here,
                           struct differences *differences)
{
    enum { DIGITS = 12, SHOWN = 120 };
    int digests = there.digest && *there.digest && here.digest && *here.digest;
    int any = (there.digest && *there.digest) || (here.digest && *here.digest);
    int same_text = strcmp(there.text, here.text) == 0;
    if (digests ? strcmp(there.digest, here.digest) == 0 : !any && same_text)
        return;
    if (digests && same_text)
        differ(differences, "%s '%.*s' had other content there: SHA-256 %.*s there, %.*s here",
               name, SHOWN, here.text, DIGITS, there.digest, DIGITS, here.digest);
    else if (same_text)
        differ(differences, "%s '%.*s' has no SHA-256 %s", name, SHOWN, here.text,
               there.digest && *there.digest ? "here" : "there");
    else
        differ(differences, "%s is %.*s there, %.*s here", name, SHOWN, or_nothing(there.text),
               SHOWN, or_nothing(here.text));
}

static int compare_param(const struct hdf5_attributes *there, enum param_id id,
                         const struct params *params, const struct fact *facts, size_t count,
                         struct differences *differences, struct error *err)
{
    const char *name = param_table[id].name;
    const char *stored = hdf5_attributes_find(there, name);
    if (!stored)
        stored = job_neutral_value(id); /* what there was before it */
    if (!stored) {
        differ(differences, "%s is not recorded there", name);
        return 0;
    }
    char digest[96];
    snprintf(digest, sizeof digest, "%s_sha256", name);
    char *there_text = canonical(id, stored), *here_text = params_format(params, id);
    int status = 0;
    if (there_text && here_text)
        compare_values(name, (struct value){there_text, hdf5_attributes_find(there, digest)},
                       (struct value){here_text, find_fact(facts, count, digest)}, differences);
    else
        status = fail(err, E_ENVIRONMENT, "not enough memory to compare '%s'", name);
    free(there_text);
    free(here_text);
    return status;
}

/* Whether a fact is the digest of something that is no parameter. */
static int is_other_digest(const char *name)
{
    static const char tail[] = "_sha256";
    size_t length = strlen(name), stem = length - (sizeof tail - 1);
    if (length < sizeof tail || strcmp(name + stem, tail) != 0)
        return 0;
    for (int id = 0; id < PARAM_COUNT; id++)
        if (param_table[id].scope == SCOPE_JOB && strlen(param_table[id].name) == stem &&
            strncmp(param_table[id].name, name, stem) == 0)
            return 0;
    return 1;
}

static int compare_picture(const struct hdf5_attributes *there, const struct params *params,
                           const struct fact *facts, size_t count, struct differences *differences,
                           struct error *err)
{
    int status = 0;
    for (int id = 0; id < PARAM_COUNT; id++)
        if (param_table[id].scope == SCOPE_JOB)
            TRY(compare_param(there, (enum param_id)id, params, facts, count, differences, err));
    for (size_t i = 0; i < count; i++) {
        const char *stored = hdf5_attributes_find(there, facts[i].name);
        const char *text = facts[i].text ? facts[i].text : "";
        if (is_other_digest(facts[i].name) && strcmp(stored ? stored : "", text) != 0)
            differ(differences, "%s is %s there, %s here", facts[i].name, or_nothing(stored),
                   or_nothing(text));
    }
done:
    return status;
}

static void compare_numerics(const struct hdf5_attributes *there, const struct fact *facts,
                             size_t count, struct differences *differences)
{
    const char *stored = hdf5_attributes_find(there, "numerics");
    const char *given = find_fact(facts, count, "numerics");
    if (strcmp(stored ? stored : "", given ? given : "") != 0)
        differ(differences, "numerics is %s there, %s here", or_nothing(stored), or_nothing(given));
}

int result_compare(const struct hdf5_attributes *there, const struct params *params,
                   const struct fact *facts, size_t fact_count, enum checkpoint_verdict *verdict,
                   char *difference, size_t difference_size, struct error *err)
{
    struct differences differences = {difference, difference_size, 0};
    int status = compare_picture(there, params, facts, fact_count, &differences, err);
    if (status != 0)
        return status;
    *verdict = CHECKPOINT_OTHER;
    if (differences.count == 0) {
        compare_numerics(there, facts, fact_count, &differences);
        *verdict = differences.count > 0 ? CHECKPOINT_NUMERICS : CHECKPOINT_GOOD;
    }
    count_others(&differences);
    return 0;
}
