/* A store for tests: a manifest of any jobs, and results made up for them. */
#ifndef ATELIER_STORE_FIXTURE_H
#define ATELIER_STORE_FIXTURE_H

#include "../core/temporary_folder.h"

#include "history.h"
#include "params.h"
#include "result.h"
#include "store.h"
#include <math.h>

/* What a made-up result holds beside its defaults. */
struct made_result {
    const char *id, *style_weight, *content_layers;
    int layers;               /* loss layers, of `layer` */
    const char *const *layer; /* names of their columns */
    int rows;
    bool image;
};

/* Loss number `column` in a row of a run: all are different. */
static inline double made_loss(const char *id, int row, int column)
{
    return (double)(id[0] + 2 * id[1]) + column / 64.0 + 1.0 / (1 + row);
}

static inline void made_history(const struct made_result *made, struct history *history)
{
    assert_int_equal(history_init(history, made->layers, NULL), 0);
    for (int i = 0; i < made->layers; i++) {
        struct history_column *column = &history->column[H_FIXED + i];
        snprintf(column->name, sizeof column->name, "%s", made->layer[i]);
        snprintf(column->title, sizeof column->title, "weighted loss, %s", made->layer[i]);
        snprintf(column->unit, sizeof column->unit, "1");
    }
    for (int row = 0; row < made->rows; row++) {
        double values[H_FIXED + 8];
        for (int i = 0; i < H_FIXED + made->layers; i++)
            values[i] = made_loss(made->id, row, i);
        values[H_ITERATION] = row / 2;
        values[H_EVALUATION] = row + 1;
        values[H_PRECISION] = row % 2;
        assert_int_equal(history_append(history, values, NULL), 0);
    }
}

static inline void made_params(const struct made_result *made, struct params *params)
{
    const struct {
        enum param_id id;
        const char *text;
    } given[] = {{PARAM_content, "/a.jpg"},
                 {PARAM_style, "/caf\xc3\xa9.jpg"},
                 {PARAM_style_weight, made->style_weight ? made->style_weight : "1"},
                 {PARAM_content_layers, made->content_layers ? made->content_layers : "relu4_2"}};
    params_init(params);
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        assert_int_equal(params_set(params, given[i].id, given[i].text, NULL), 0);
    assert_int_equal(params_resolve_job(params, NULL), 0);
}

/* Writes jobs/../ID.h5. */
static inline void put_result(const struct store *store, const struct made_result *made)
{
    const struct fact facts[] = {{.name = "creator", .text = "atelier"},
                                 {.name = "id", .text = made->id},
                                 {.name = "name", .text = "from the result"},
                                 {.name = "host", .text = made->id[0] == '1' ? "one" : "two"},
                                 {.name = "threads", .number = 8},
                                 {.name = "seconds", .number = 12.5},
                                 {.name = "odd_fact", .text = "only a newer version writes it"}};
    struct error err = {0};
    struct params params;
    struct history history;
    struct image image = {5, 4, calloc(4 * 5, 3), NULL};
    for (int i = 0; i < 4 * 5 * 3; i++)
        image.rgb[i] = (uint8_t)(4 * i + made->id[1]);
    made_params(made, &params);
    made_history(made, &history);
    const struct result result = {.params = &params,
                                  .facts = facts,
                                  .fact_count = sizeof facts / sizeof *facts,
                                  .history = &history,
                                  .image = made->image ? &image : NULL};
    char *path = store_job_path(store, made->id, JOB_RESULT);
    assert_int_equal(store_make_room(store, made->id, &err), 0);
    assert_int_equal(result_write(path, &result, &err), 0);
    free(path);
    image_release(&image);
    history_release(&history);
    params_release(&params);
}

static inline void put_text(const char *path, const char *text)
{
    file_put(path, text, strlen(text));
}

static inline void put_manifest(const struct store *store, const char *text)
{
    char *path = store_path(store, STORE_MANIFEST);
    put_text(path, text);
    free(path);
}

static inline void put_job_text(const struct store *store, const char *id, enum job_file file,
                                const char *text)
{
    char *path = store_job_path(store, id, file);
    assert_int_equal(store_make_room(store, id, NULL), 0);
    put_text(path, text);
    free(path);
}

#endif
