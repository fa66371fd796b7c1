#include "collect.h"

#include "csv_cell.h"
#include "files.h"
#include "publish_stream.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <sys/stat.h>

static int begin(const char *folder, const char *name, struct publish_stream *out,
                 struct error *err)
{
    char *path = NULL;
    int status = files_make_folder(folder, err);
    if (status != 0)
        return status;
    if (asprintf(&path, "%s/%s", folder, name) < 0)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    status = publish_stream_begin(path, out, err);
    free(path);
    return status;
}

static void write_runs(const struct runs *runs, FILE *to)
{
    char number[NUMBER_TEXT];
    fputs("run_id", to);
    for (size_t i = 0; i < runs->columns; i++) {
        fputc(',', to);
        csv_write_cell(to, runs->column[i].name);
    }
    fputc('\n', to);
    for (size_t run = 0; run < runs->count; run++) {
        fprintf(to, "%zu", run);
        for (size_t i = 0; i < runs->columns; i++) {
            fputc(',', to);
            (runs->column[i].texts ? csv_write_text
                                   : csv_write_cell)(to, runs_text(&runs->column[i], run, number));
        }
        fputc('\n', to);
    }
}

/* The file, and the table it is of. */
struct history_csv {
    const struct runs *runs;
    FILE *to;
};

static int write_history(void *context, size_t run, size_t rows, const double *values,
                         const struct image *image, const struct error *why, struct error *err)
{
    const struct history_csv *csv = context;
    char number[NUMBER_TEXT];
    (void)image, (void)why, (void)err;
    for (size_t row = 0; values && row < rows; row++) {
        fprintf(csv->to, "%zu", run);
        for (int i = 0; i < csv->runs->loss_columns; i++, values++) {
            fputc(',', csv->to);
            if (isnan(*values))
                continue;
            number_format(*values, number);
            fputs(number, csv->to);
        }
        fputc('\n', csv->to);
    }
    return 0;
}

int collect_csv(const struct runs *runs, const char *folder, struct error *err)
{
    int status = 0;
    struct publish_stream file = {0};
    struct history_csv csv = {.runs = runs};
    TRY(begin(folder, "runs.csv", &file, err));
    write_runs(runs, file.file);
    TRY(publish_stream_end(&file, 0, err));
    TRY(begin(folder, "history.csv", &file, err));
    csv.to = file.file;
    fputs("run_id", csv.to);
    for (int i = 0; i < runs->loss_columns; i++)
        fprintf(csv.to, ",%s", runs->loss[i].name);
    fputc('\n', csv.to);
    TRY(runs_visit(runs, NULL, 0, false, write_history, &csv, err));
done:
    return publish_stream_end(&file, status, err);
}
