#include "network_name.h"

#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

/* What follows the word, where `name` begins with it: "" or ":SEED". Else NULL. */
static const char *after_word(const char *name, const char *word)
{
    size_t length = strlen(word);
    bool is_it = strncmp(name, word, length) == 0 && (name[length] == '\0' || name[length] == ':');
    return is_it ? name + length : NULL;
}

static int parse_seed(const char *name, const char *rest, uint64_t *seed, struct error *err)
{
    const char *digits = rest + 1;
    errno = 0;
    unsigned long long value = strtoull(digits, NULL, 10);
    if (*digits == '\0' || digits[strspn(digits, "0123456789")] != '\0' || errno != 0)
        return fail(err, E_INPUT,
                    "weights must be builtin, random, random:SEED with a whole number from 0 to "
                    "%" PRIu64 ", or a file, got '%s'",
                    UINT64_MAX, name);
    *seed = value;
    return 0;
}

int network_name_parse(const char *name, enum network_kind *kind, uint64_t *seed, struct error *err)
{
    int status = 0;
    uint64_t value = 0;
    const char *trained = after_word(name, "builtin"), *untrained = after_word(name, "random");
    const char *rest = trained ? trained : untrained;
    if (rest && *rest)
        TRY(parse_seed(name, rest, &value, err));
    *kind = !rest ? NETWORK_FILE : untrained || *rest ? NETWORK_RANDOM : NETWORK_BUILTIN;
    *seed = value;
done:
    return status;
}

bool network_is_random(const char *name)
{
    enum network_kind kind;
    uint64_t seed;
    return name && network_name_parse(name, &kind, &seed, NULL) == 0 && kind == NETWORK_RANDOM;
}
