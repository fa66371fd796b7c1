/* A store of synthetic results, as a large sweep leaves it, in seconds: for the benchmarks of what
 * reads stores.
 *
 *   make_store STORE JOBS ROWS [--images]
 *
 * Every tenth job is not done. Files are written by result_stage, and renamed without waiting for
 * the disk. */
#include "check.h"

#include "result.h"
#include "store.h"
#include <inttypes.h>

static const char *const layers[] = {"content_relu4_2", "style_relu1_1", "style_relu2_1",
                                     "style_relu3_1",   "style_relu4_1", "style_relu5_1"};
enum { LAYERS = sizeof layers / sizeof *layers, WIDTH = 96, HEIGHT = 64, DONE_OF_TEN = 9 };

static void must(int status, const struct error *err)
{
    if (status == 0)
        return;
    fprintf(stderr, "make_store: %s\n", err->message);
    exit(1);
}

static uint64_t id_of(size_t job) { return (job + 1) * 0x9e3779b97f4a7c15u; }

/* The parameters of a job, as a row of the manifest has them. */
struct row {
    char content[64], style[64], style_weight[32], tv_weight[32];
};

static void row_of(size_t job, struct row *row)
{
    snprintf(row->content, sizeof row->content, "/photos/photo-%02zu.jpg", job % 20);
    snprintf(row->style, sizeof row->style, "/styles/style-%02zu.jpg", job / 20 % 10);
    snprintf(row->style_weight, sizeof row->style_weight, "%g", 0.1 * (double)(1 + job / 200 % 10));
    snprintf(row->tv_weight, sizeof row->tv_weight, "%g", 0.001 * (double)(1 + job / 2000));
}

static void set_params(struct params *params, const struct row *row)
{
    const struct {
        enum param_id id;
        const char *text;
    } given[] = {{PARAM_content, row->content},
                 {PARAM_style, row->style},
                 {PARAM_style_weight, row->style_weight},
                 {PARAM_tv_weight, row->tv_weight},
                 {PARAM_output, "out.png"}};
    struct error err = {0};
    params_init(params);
    for (size_t i = 0; i < sizeof given / sizeof *given; i++)
        must(params_set(params, given[i].id, given[i].text, &err), &err);
    must(params_resolve(params, &err), &err);
}

/* Losses that fall and wobble in every digit. */
static void fill(struct history *history, size_t job, size_t rows)
{
    struct error err = {0};
    must(history_init(history, LAYERS, &err), &err);
    for (int i = 0; i < LAYERS; i++) {
        struct history_column *column = &history->column[H_FIXED + i];
        snprintf(column->name, sizeof column->name, "%s", layers[i]);
        snprintf(column->title, sizeof column->title, "weighted loss at %s",
                 strchr(layers[i], '_'));
        snprintf(column->unit, sizeof column->unit, "1");
    }
    for (size_t row = 0; row < rows; row++) {
        double values[H_FIXED + LAYERS] = {0};
        for (int i = 0; i < LAYERS; i++)
            values[H_FIXED + i] = (1 + 0.01 * (double)noise_at(job, row * LAYERS + (size_t)i)) /
                                  (double)(2 + row + (size_t)i);
        for (int i = 1; i < LAYERS; i++)
            values[H_STYLE] += values[H_FIXED + i];
        values[H_ITERATION] = (double)(row / 20);
        values[H_EVALUATION] = (double)(1 + row + row / 7);
        values[H_SECONDS] = 0.31 * (double)row + 0.001 * (double)noise_at(job, row);
        values[H_CONTENT] = values[H_FIXED];
        values[H_TV] = 0.01 + 1e-4 * (double)noise_at(~job, row);
        values[H_TOTAL] = values[H_CONTENT] + values[H_STYLE] + values[H_TV];
        values[H_GRADIENT_NORM] = values[H_TOTAL] * 17;
        values[H_STEP] = values[H_TOTAL] * 40;
        must(history_append(history, values, &err), &err);
    }
}

static void write_result(const struct store *store, size_t job, size_t rows,
                         const struct image *image)
{
    struct error err = {0};
    struct row row;
    struct params params;
    struct history history;
    struct publication staged;
    char id[JOB_ID_TEXT], name[32];
    snprintf(id, sizeof id, "%016" PRIx64, id_of(job));
    snprintf(name, sizeof name, "job %zu", job);
    row_of(job, &row);
    set_params(&params, &row);
    fill(&history, job, rows);
    const struct fact facts[] = {
        {.name = "creator", .text = "atelier"},
        {.name = "creator_version", .text = "0.1.0"},
        {.name = "command_line",
         .text = "atelier render --into /runs/sweep --id 0123456789abcdef "
                 "--content /photos/photo-00.jpg --style /styles/style.jpg"},
        {.name = "id", .text = id},
        {.name = "name", .text = name},
        {.name = "host", .text = job % 4 ? "node-a" : "node-b"},
        {.name = "threads", .number = 8},
        {.name = "numerics", .text = "0.1.0 0123abc avx512 liblbfgs 1.10"},
        {.name = "content_sha256",
         .text = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"},
        {.name = "date_started", .text = "2026-11-24T14:20:01Z"},
        {.name = "date_finished", .text = "2026-11-24T14:22:41Z"},
        {.name = "stopped", .text = "iterations"},
        {.name = "evaluations", .number = (double)rows * 1.14},
        {.name = "seconds", .number = 155 + (double)noise_at(1, job)},
        {.name = "peak_memory_bytes", .number = 6.5e8 + (double)job},
        {.name = "attempts", .number = 1},
        {.name = "predicted_seconds", .number = 150},
    };
    struct result result = {.params = &params,
                            .facts = facts,
                            .fact_count = sizeof facts / sizeof *facts,
                            .history = &history,
                            .image = image};
    must(store_make_room(store, id, &err), &err);
    char *path = store_job_path(store, id, JOB_RESULT);
    must(result_stage(path, &result, &staged, &err), &err);
    if (rename(staged.temporary, path) != 0)
        must(fail_errno(&err, "cannot write '%s'", path), &err);
    free(path);
    publish_abort(&staged);
    history_release(&history);
    params_release(&params);
}

static void write_manifest(const struct store *store, size_t jobs)
{
    struct row row;
    struct error err = {0};
    char *path = store_path(store, STORE_MANIFEST);
    FILE *file = fopen(path, "w");
    if (!file)
        must(fail_errno(&err, "cannot write '%s'", path), &err);
    fprintf(file, "id,name,content,style,style_weight,tv_weight\n");
    for (size_t job = 0; job < jobs; job++) {
        row_of(job, &row);
        fprintf(file, "%016" PRIx64 ",job %zu,%s,%s,%s,%s\n", id_of(job), job, row.content,
                row.style, row.style_weight, row.tv_weight);
    }
    if (fclose(file) != 0)
        must(fail_errno(&err, "cannot write '%s'", path), &err);
    free(path);
}

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: make_store STORE JOBS ROWS [--images]\n");
        return 2;
    }
    struct error err = {0};
    struct store store;
    size_t jobs = strtoul(argv[2], NULL, 10), rows = strtoul(argv[3], NULL, 10);
    struct image image = {WIDTH, HEIGHT, malloc(WIDTH * HEIGHT * 3), NULL};
    for (size_t i = 0; i < WIDTH * HEIGHT * 3; i++)
        image.rgb[i] = (uint8_t)(i / 3 % WIDTH + 60 * (i % 3) + (i * 2654435761u >> 28));
    must(store_create(argv[1], &store, &err), &err);
    write_manifest(&store, jobs);
    for (size_t job = 0; job < jobs; job++)
        if (job % 10 < DONE_OF_TEN)
            write_result(&store, job, rows, argc > 4 ? &image : NULL);
    image_release(&image);
    store_release(&store);
    return 0;
}
