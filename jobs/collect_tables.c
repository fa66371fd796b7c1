#include "collect.h"

#include "checkpoint.h"
#include "guarded.h"
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { WEEK_SECONDS = 7 * 24 * 3600, NAME_TEXT = 128, WORDS_TEXT = 256 };

/* In the child that writes. */
struct writer {
    const struct runs *runs;
    bool images;
    struct collected *out; /* shared with the parent */
    const char **lost;     /* [runs]: why a result cannot be read any more; else NULL */
    hid_t file, runs_group, images_group, history_group;
    /* the history: datasets and buffers of HDF5_CHUNK_ROWS values */
    size_t columns; /* row, run_id, then those of runs->loss */
    hid_t *dataset;
    enum hdf5_kind *kind;
    int64_t *buffer; /* [columns][HDF5_CHUNK_ROWS], whatever the kind */
    size_t buffered, written;
};
enum { COLUMN_ROW, COLUMN_RUN, COLUMN_LOSS };

static int no_memory(struct error *err)
{
    return fail(err, E_ENVIRONMENT, "not enough memory to collect the results");
}

/* The history ---------------------------------------------------------------------------------- */

static int new_history_column(struct writer *writer, size_t index, const struct hdf5_column *column,
                              struct error *err)
{
    hid_t scale = index == COLUMN_ROW ? H5I_INVALID_HID : writer->dataset[COLUMN_ROW];
    writer->kind[index] = column->kind;
    return hdf5_write_column(writer->history_group, column, scale, &writer->dataset[index], err);
}

static int begin_history(struct writer *writer, struct error *err)
{
    int status = 0;
    size_t rows = 0;
    for (size_t i = 0; i < writer->runs->count; i++)
        rows += writer->runs->run[i].rows;
    TRY(hdf5_new_group(writer->file, "history", &writer->history_group, err));
    TRY(new_history_column(writer, COLUMN_ROW,
                           &(struct hdf5_column){.name = "row",
                                                 .title = "row of this table",
                                                 .unit = "1",
                                                 .kind = HDF5_LONG,
                                                 .rows = rows},
                           err));
    TRY(new_history_column(writer, COLUMN_RUN,
                           &(struct hdf5_column){.name = "run_id",
                                                 .title = "row of /runs",
                                                 .unit = "1",
                                                 .kind = HDF5_LONG,
                                                 .rows = rows},
                           err));
    for (int i = 0; i < writer->runs->loss_columns; i++) {
        const struct history_column *c = &writer->runs->loss[i];
        TRY(new_history_column(
            writer, COLUMN_LOSS + (size_t)i,
            &(struct hdf5_column){.name = c->name,
                                  .title = c->title,
                                  .unit = c->unit,
                                  .kind = c->integer ? HDF5_WHOLE : HDF5_REAL,
                                  .rows = rows,
                                  .meanings = i == H_PRECISION ? PRECISIONS : NULL},
            err));
    }
done:
    return status;
}

static int flush_history(struct writer *writer, struct error *err)
{
    int status = 0;
    for (size_t i = 0; i < writer->columns; i++)
        TRY(hdf5_write_rows(writer->dataset[i], writer->kind[i], writer->written, writer->buffered,
                            writer->buffer + i * HDF5_CHUNK_ROWS, err));
    writer->written += writer->buffered;
    writer->buffered = 0;
done:
    return status;
}

static void put_row(struct writer *writer, size_t run, const double *values)
{
    size_t at = writer->buffered++;
    writer->buffer[COLUMN_ROW * HDF5_CHUNK_ROWS + at] = (int64_t)(writer->written + at);
    writer->buffer[COLUMN_RUN * HDF5_CHUNK_ROWS + at] = (int64_t)run;
    for (size_t i = COLUMN_LOSS; i < writer->columns; i++) {
        void *column = writer->buffer + i * HDF5_CHUNK_ROWS;
        double value = values[i - COLUMN_LOSS];
        if (writer->kind[i] == HDF5_WHOLE)
            ((int32_t *)column)[at] = history_counter(value);
        else
            ((double *)column)[at] = value;
    }
}

static int put_picture(struct writer *writer, size_t run, const struct image *image,
                       struct error *err)
{
    char name[NAME_TEXT];
    snprintf(name, sizeof name, "run%06zu", run);
    writer->out->pictures++;
    return picture_write(writer->images_group, name, image, err);
}

static int put_run(void *context, size_t run, size_t rows, const double *values,
                   const struct image *image, const struct error *why, struct error *err)
{
    struct writer *writer = context;
    int status = 0;
    if (!values) {
        writer->out->lost++;
        writer->lost[run] = strdup(why->message);
        return writer->lost[run] ? 0 : no_memory(err);
    }
    for (size_t row = 0; row < rows; row++) {
        put_row(writer, run, values + row * (size_t)writer->runs->loss_columns);
        if (writer->buffered == HDF5_CHUNK_ROWS)
            TRY(flush_history(writer, err));
    }
    writer->out->rows += rows;
    if (image)
        TRY(put_picture(writer, run, image, err));
done:
    return status;
}

static int write_histories(struct writer *writer, struct error *err)
{
    int status = 0;
    TRY(begin_history(writer, err));
    TRY(runs_visit(writer->runs, NULL, 0, writer->images, put_run, writer, err));
    TRY(flush_history(writer, err));
    for (size_t i = 0; i < writer->columns; i++)
        if (writer->out->lost > 0)
            TRY(hdf5_cut_rows(writer->dataset[i], writer->written, err));
done:
    for (size_t i = 0; i < writer->columns; i++)
        hdf5_close(writer->dataset[i]);
    return status;
}

/* The runs ------------------------------------------------------------------------------------- */

/* A text, as it is now. */
static const char *text_of(const struct writer *writer, const struct run_column *column, size_t run)
{
    if (writer->lost[run] && strcmp(column->name, "status") == 0)
        return run_status_word(RUN_UNREADABLE);
    if (writer->lost[run] && strcmp(column->name, "error") == 0)
        return writer->lost[run];
    return column->texts[run] ? column->texts[run] : "";
}

static int write_column(const struct writer *writer, const struct run_column *column,
                        enum hdf5_kind kind, const void *values, bool lacking, hid_t scale,
                        struct error *err)
{
    const struct hdf5_column stored = {.name = column->name,
                                       .title = column->title,
                                       .unit = column->unit,
                                       .kind = kind,
                                       .rows = writer->runs->count,
                                       .values = values,
                                       .lacking = lacking};
    return hdf5_write_column(writer->runs_group, &stored, scale, NULL, err);
}

/* Small whole numbers that count or name something stay whole. */
static bool stays_whole(const struct runs *runs, const struct run_column *column)
{
    enum param_id id;
    bool param = column->group == RUN_PARAM && params_find(column->name, &id, NULL) == 0 &&
                 param_table[id].type == PARAM_WHOLE;
    if (!column->whole || !(param || column->group == RUN_JOB))
        return false;
    for (size_t i = 0; i < runs->count; i++)
        if (!isnan(column->numbers[i]) &&
            !(column->numbers[i] > -1 && column->numbers[i] < INT32_MAX))
            return false;
    return true;
}

static int write_numbers(const struct writer *writer, const struct run_column *column, hid_t scale,
                         struct error *err)
{
    bool lacking = false;
    if (!stays_whole(writer->runs, column))
        return write_column(writer, column, HDF5_REAL, column->numbers, false, scale, err);
    int32_t *whole = malloc((writer->runs->count + 1) * sizeof *whole);
    if (!whole)
        return no_memory(err);
    for (size_t i = 0; i < writer->runs->count; i++) {
        whole[i] = history_counter(column->numbers[i]);
        lacking = lacking || whole[i] < 0;
    }
    int status = write_column(writer, column, HDF5_WHOLE, whole, lacking, scale, err);
    free(whole);
    return status;
}

static int write_texts(const struct writer *writer, const struct run_column *column, hid_t scale,
                       struct error *err)
{
    const char **texts = malloc((writer->runs->count + 1) * sizeof *texts);
    if (!texts)
        return no_memory(err);
    for (size_t i = 0; i < writer->runs->count; i++)
        texts[i] = text_of(writer, column, i);
    int status = write_column(writer, column, HDF5_TEXT, texts, false, scale, err);
    free(texts);
    return status;
}

/* The words a column of texts has to choose from, with blanks between; false: there is no list. */
static bool words_of(const struct run_column *column, char words[WORDS_TEXT])
{
    enum param_id id;
    words[0] = 0;
    if (strcmp(column->name, "status") == 0)
        for (int i = 0; i < RUN_STATUSES; i++)
            snprintf(words + strlen(words), WORDS_TEXT - strlen(words), "%s%s", i ? " " : "",
                     run_status_word((enum run_status)i));
    else if (column->group == RUN_PARAM && params_find(column->name, &id, NULL) == 0 &&
             param_table[id].type == PARAM_CHOICE)
        snprintf(words, WORDS_TEXT, "%s", param_table[id].choices);
    return words[0];
}

static int8_t code_of(const char *words, const char *word)
{
    int8_t code = 0;
    size_t length = strlen(word);
    for (const char *at = words; length > 0; code++) {
        size_t this_length = strcspn(at, " ");
        if (this_length == length && strncmp(at, word, length) == 0)
            return code;
        if (!at[this_length])
            break;
        at += this_length + 1;
    }
    return -1;
}

static int write_codes(const struct writer *writer, const struct run_column *column, hid_t scale,
                       struct error *err)
{
    char words[WORDS_TEXT], name[NAME_TEXT], title[NAME_TEXT];
    if (!words_of(column, words))
        return 0;
    int8_t *codes = malloc(writer->runs->count + 1);
    if (!codes)
        return no_memory(err);
    for (size_t i = 0; i < writer->runs->count; i++)
        codes[i] = code_of(words, text_of(writer, column, i));
    snprintf(name, sizeof name, "%s_code", column->name);
    snprintf(title, sizeof title, "%s as a number; -1: none", column->name);
    const struct hdf5_column stored = {.name = name,
                                       .title = title,
                                       .kind = HDF5_CODE,
                                       .rows = writer->runs->count,
                                       .values = codes,
                                       .meanings = words};
    int status = hdf5_write_column(writer->runs_group, &stored, scale, NULL, err);
    free(codes);
    return status;
}

/* What is the same in all runs, unless nobody knows it. */
static int write_constant(const struct writer *writer, const struct run_column *column,
                          struct error *err)
{
    size_t run = 0, runs = writer->runs->count;
    while (run < runs && (column->texts ? !column->texts[run] : isnan(column->numbers[run])))
        run++;
    if (run == runs)
        return 0;
    if (column->texts)
        return hdf5_write_text(writer->runs_group, column->name, column->texts[run], err);
    if (stays_whole(writer->runs, column))
        return hdf5_write_whole(writer->runs_group, column->name, (int64_t)column->numbers[run],
                                err);
    return hdf5_write_real(writer->runs_group, column->name, column->numbers[run], err);
}

static int write_run_ids(const struct writer *writer, hid_t *scale, struct error *err)
{
    int64_t *ids = malloc((writer->runs->count + 1) * sizeof *ids);
    if (!ids)
        return no_memory(err);
    for (size_t i = 0; i < writer->runs->count; i++)
        ids[i] = (int64_t)i;
    const struct hdf5_column column = {.name = "run_id",
                                       .title = "row of this table",
                                       .unit = "1",
                                       .kind = HDF5_LONG,
                                       .rows = writer->runs->count,
                                       .values = ids};
    int status = hdf5_write_column(writer->runs_group, &column, H5I_INVALID_HID, scale, err);
    free(ids);
    return status;
}

static int write_runs(const struct writer *writer, struct error *err)
{
    int status = 0;
    hid_t scale = H5I_INVALID_HID;
    TRY(write_run_ids(writer, &scale, err));
    for (size_t i = 0; i < writer->runs->columns; i++) {
        const struct run_column *column = &writer->runs->column[i];
        if (!runs_varies(writer->runs, column))
            TRY(write_constant(writer, column, err));
        else if (column->numbers)
            TRY(write_numbers(writer, column, scale, err));
        else {
            TRY(write_texts(writer, column, scale, err));
            TRY(write_codes(writer, column, scale, err));
        }
    }
done:
    hdf5_close(scale);
    return status;
}

/* The file ------------------------------------------------------------------------------------- */

struct order {
    const struct runs *runs;
    const struct publication *publication;
    bool images;
    const struct fact *facts;
    size_t fact_count;
    struct collected *out;
};

static int write_heading(const struct order *order, hid_t file, struct error *err)
{
    int status = 0;
    TRY(hdf5_write_text(file, "schema_name", "atelier-sweep", err));
    TRY(hdf5_write_whole(file, "schema_version", SWEEP_SCHEMA_VERSION, err));
    TRY(hdf5_write_text(file, "Conventions", "CF-1.8", err));
    TRY(facts_write(file, order->facts, order->fact_count, err));
    TRY(hdf5_write_whole(file, "runs", (int64_t)order->runs->count, err));
    TRY(hdf5_write_whole(file, "done", (int64_t)order->runs->done, err));
done:
    return status;
}

static int allocate(struct writer *writer, struct error *err)
{
    writer->columns = COLUMN_LOSS + (size_t)writer->runs->loss_columns;
    writer->lost = calloc(writer->runs->count + 1, sizeof *writer->lost);
    writer->dataset = calloc(writer->columns, sizeof *writer->dataset);
    writer->kind = calloc(writer->columns, sizeof *writer->kind);
    writer->buffer = malloc(writer->columns * HDF5_CHUNK_ROWS * sizeof *writer->buffer);
    return writer->lost && writer->dataset && writer->kind && writer->buffer ? 0 : no_memory(err);
}

/* In the child, which exits after it: nothing is released, least of all a file that the disk has
 * no room for. /runs is made first and filled last, when it is known whose history was read. */
static int write_all(void *context, struct error *err)
{
    int status = 0;
    const struct order *order = context;
    struct writer writer = {.runs = order->runs, .images = order->images, .out = order->out};
    hdf5_quiet();
    TRY(allocate(&writer, err));
    TRY(hdf5_new_large_file(order->publication, &writer.file, err));
    TRY(write_heading(order, writer.file, err));
    TRY(hdf5_new_group(writer.file, "runs", &writer.runs_group, err));
    if (order->images)
        TRY(hdf5_new_group(writer.file, "images", &writer.images_group, err));
    TRY(write_histories(&writer, err));
    TRY(write_runs(&writer, err));
    TRY(hdf5_close_large_file(&writer.file, err));
done:
    return status;
}

int collect_write(const struct runs *runs, const char *path, bool images, const struct fact *facts,
                  size_t fact_count, struct collected *out, struct error *err)
{
    int status = 0;
    struct publication publication = {0};
    struct collected *shared = guarded_memory(sizeof *shared);
    struct order order = {runs, &publication, images, facts, fact_count, shared};
    if (!shared)
        return no_memory(err);
    TRY(publish_probe(path, err));
    TRY(publish_begin(path, &publication, err));
    TRY(guarded_run(write_all, &order, WEEK_SECONDS, err));
    TRY(publish_commit(&publication, err));
    *out = *shared;
done:
    publish_abort(&publication);
    guarded_free(shared, sizeof *shared);
    return status ? fail_context(err, "writing '%s': ", path) : 0;
}
