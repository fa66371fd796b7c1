#include "collect.h"

#include "clock.h"
#include "files.h"
#include "publish_stream.h"
#include "tensorboard.h"
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

struct boards {
    const struct runs *runs;
    const char *folder;
    const struct run_column *started, *host;
};

/* FOLDER/ID/events.out.tfevents.SECONDS.HOST, in a folder that is there afterwards. Caller frees.
 */
static int make_path(const struct boards *boards, size_t run, double started, char **out,
                     struct error *err)
{
    int status = 0;
    char *folder = NULL, *path = NULL;
    const char *host = boards->host ? boards->host->texts[run] : NULL;
    if (asprintf(&folder, "%s/%s", boards->folder, boards->runs->run[run].id) < 0)
        return fail(err, E_ENVIRONMENT, "not enough memory");
    if ((status = files_make_folder(folder, err)) == 0 &&
        asprintf(&path, "%s/events.out.tfevents.%.0f.%s", folder, started,
                 host && !strchr(host, '/') ? host : "atelier") < 0)
        status = fail(err, E_ENVIRONMENT, "not enough memory");
    free(folder);
    *out = path;
    return status;
}

/* "loss/total", "layer/style_relu1_1", "search/step" */
static void tag_of(int column, const char *name, char tag[TAG_MAX + 1])
{
    bool loss = column >= H_TOTAL && column <= H_TV;
    snprintf(tag, TAG_MAX + 1, "%s/%s",
             loss                ? "loss"
             : column >= H_FIXED ? "layer"
                                 : "search",
             name);
}

static void write_points(const struct boards *boards, FILE *to, double started, const double *row)
{
    char tag[TAG_MAX + 1];
    double seconds = row[H_SECONDS], step = row[H_EVALUATION];
    for (int i = 0; i < boards->runs->loss_columns; i++) {
        if (i == H_SECONDS || i == H_EVALUATION || isnan(row[i]))
            continue;
        tag_of(i, boards->runs->loss[i].name, tag);
        tensorboard_scalar(to, started + (isnan(seconds) ? 0 : seconds),
                           step >= 0 ? (int64_t)step : 0, tag, (float)row[i]);
    }
}

static int write_board(void *context, size_t run, size_t rows, const double *values,
                       const struct image *image, const struct error *why, struct error *err)
{
    const struct boards *boards = context;
    int status = 0;
    char *path = NULL;
    struct publish_stream file = {0};
    const char *date = boards->started ? boards->started->texts[run] : NULL;
    double started = date ? clock_parse_utc(date) : 0;
    (void)image, (void)why;
    if (!values)
        return 0;
    if (isnan(started))
        started = 0;
    TRY(make_path(boards, run, started, &path, err));
    TRY(publish_stream_begin(path, &file, err));
    tensorboard_begin(file.file, started);
    for (size_t row = 0; row < rows; row++)
        write_points(boards, file.file, started, values + row * (size_t)boards->runs->loss_columns);
done:
    free(path);
    return publish_stream_end(&file, status, err);
}

int collect_tensorboard(const struct runs *runs, const char *folder, struct error *err)
{
    struct boards boards = {.runs = runs,
                            .folder = folder,
                            .started = runs_column(runs, "date_started"),
                            .host = runs_column(runs, "host")};
    int status = files_make_folder(folder, err);
    if (status != 0)
        return status;
    return runs_visit(runs, NULL, 0, false, write_board, &boards, err);
}
