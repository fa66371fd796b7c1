#include "picture.h"

#include "numbers.h"
#include <stdlib.h>
#include <string.h>

enum { LOSS_TEXTS = 5, TEXTS = 1 + PARAM_COUNT + LOSS_TEXTS };

/* A picture's texts; values are owned, keys borrowed. */
struct texts {
    size_t count;
    struct image_text list[TEXTS];
};

static bool add_text(struct texts *texts, const char *key, char *value)
{
    if (value)
        texts->list[texts->count++] = (struct image_text){key, value};
    return value != NULL;
}

static bool collect_texts(const struct params *params, const struct history *history,
                          struct texts *texts)
{
    static const struct {
        const char *key;
        int column;
    } losses[LOSS_TEXTS] = {{"evaluations", H_EVALUATION},
                            {"loss_total", H_TOTAL},
                            {"loss_content", H_CONTENT},
                            {"loss_style", H_STYLE},
                            {"loss_tv", H_TV}};
    bool good = add_text(texts, IMAGE_SOFTWARE_KEY, strdup(IMAGE_SOFTWARE));
    for (int id = 0; id < PARAM_COUNT; id++)
        if (param_table[id].scope == SCOPE_JOB)
            good &= add_text(texts, param_table[id].name, params_format(params, (enum param_id)id));
    for (int i = 0; i < LOSS_TEXTS && history->rows > 0; i++) {
        char number[NUMBER_TEXT];
        number_format(history_get(history, history->rows - 1, losses[i].column), number);
        good &= add_text(texts, losses[i].key, strdup(number));
    }
    return good;
}

int picture_stage(const char *path, const struct params *params, const struct history *history,
                  const struct image *image, struct publication *staged, struct error *err)
{
    struct texts texts = {0};
    int status =
        collect_texts(params, history, &texts)
            ? image_stage(path, image, texts.list, texts.count, (int)params->quality, staged, err)
            : fail(err, E_ENVIRONMENT, "not enough memory for '%s'", path);
    for (size_t i = 0; i < texts.count; i++)
        free((char *)(uintptr_t)texts.list[i].value);
    return status;
}
