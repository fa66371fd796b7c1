#include "result_stream.h"

#include "checkpoint.h"
#include "guarded.h"
#include "hdf5_probe.h"
#include "layer_list.h"
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What a child sends for each file, in native numbers: a status; then the message of a failure, or
 * the contents; then END. The parent believes none of the sizes: a damaged file may have damaged
 * the child. */
enum {
    CHILDREN_MAX = 4,
    FILES_A_CHILD = 16, /* fewer are not worth another */
    PIPE_BYTES = 1 << 20,
    TEXT_MAX = 1 << 24,
    ATTRIBUTES_MAX = 4096,
    COLUMNS_MAX = H_FIXED + 2 * LAYERS_MAX,
    SIDE_MAX_PX = 65535,
    END = 0x454e44
};
static const uint64_t rows_max = UINT64_C(1) << 32;

static void contents_release(struct result_contents *contents)
{
    hdf5_attributes_release(&contents->attributes);
    history_release(&contents->history);
    image_release(&contents->image);
    *contents = (struct result_contents){0};
}

/* In the child: reading ------------------------------------------------------------------------ */

/* Leaves the first and the last row. */
static void keep_ends(struct history *history)
{
    size_t columns = (size_t)history->columns;
    if (history->rows <= 2)
        return;
    memcpy(history->values + columns, history->values + (history->rows - 1) * columns,
           columns * sizeof *history->values);
    history->rows = 2;
}

static int read_open(hid_t file, unsigned parts, struct result_contents *out, struct error *err)
{
    int status = 0;
    out->finished = schema_check(file, SCHEMA_RESULT, err) == 0;
    if (!out->finished)
        TRY(parts & RESULT_UNFINISHED ? schema_check(file, SCHEMA_CHECKPOINT, err) : E_INPUT);
    if (parts & RESULT_ATTRIBUTES)
        TRY(hdf5_attributes_read(file, &out->attributes, err));
    if (parts & (RESULT_ENDS | RESULT_HISTORY))
        TRY(history_read(file, &out->history, err));
    out->rows = out->history.rows;
    if (!(parts & RESULT_HISTORY))
        keep_ends(&out->history);
    if (parts & RESULT_IMAGE && out->finished)
        TRY(picture_read(file, &out->image, err));
done:
    return status;
}

static int read_one(const char *path, unsigned parts, struct result_contents *out,
                    struct error *err)
{
    int status = 0;
    uint64_t bytes = 0;
    hid_t file = H5I_INVALID_HID;
    TRY(hdf5_check_length(AT_FDCWD, path, &bytes, err));
    guarded_allow(hdf5_seconds(bytes), (size_t)bytes);
    TRY(hdf5_open_file(path, &file, err));
    TRY(read_open(file, parts, out, err));
done:
    hdf5_close(file);
    return status;
}

/* In the child: sending ------------------------------------------------------------------------ */

static void put_number(FILE *to, uint64_t number) { fwrite(&number, sizeof number, 1, to); }

static void put_bytes(FILE *to, const void *bytes, size_t count)
{
    if (count > 0)
        fwrite(bytes, 1, count, to);
}

static void put_text(FILE *to, const char *text)
{
    put_number(to, strlen(text));
    put_bytes(to, text, strlen(text));
}

static void put_contents(FILE *to, const struct result_contents *contents)
{
    const struct history *h = &contents->history;
    const struct image *image = &contents->image;
    put_number(to, contents->finished);
    put_number(to, contents->attributes.count);
    for (size_t i = 0; i < contents->attributes.count; i++) {
        const struct hdf5_attribute *attribute = &contents->attributes.list[i];
        put_text(to, attribute->name);
        put_text(to, attribute->text);
        put_number(to, attribute->is_number);
    }
    put_number(to, contents->rows);
    put_number(to, (uint64_t)h->columns);
    put_number(to, h->rows);
    put_bytes(to, h->column, (size_t)h->columns * sizeof *h->column);
    put_bytes(to, h->values, (size_t)h->columns * h->rows * sizeof *h->values);
    put_number(to, image->rgb ? (uint64_t)image->height : 0);
    put_number(to, image->rgb ? (uint64_t)image->width : 0);
    if (image->rgb)
        put_bytes(to, image->rgb, (size_t)image->height * (size_t)image->width * 3);
}

static void serve_one(FILE *to, const char *path, unsigned parts)
{
    struct result_contents contents = {0};
    struct error err = {0};
    int status = read_one(path, parts, &contents, &err);
    guarded_rest(); /* the parent takes its time */
    put_number(to, (uint64_t)status);
    if (status != 0)
        put_text(to, err.message);
    else
        put_contents(to, &contents);
    put_number(to, END);
    fflush(to);
    contents_release(&contents);
}

/* The parent's end ----------------------------------------------------------------------------- */

struct child {
    pid_t pid;  /* 0: none */
    FILE *from; /* its pipe */
};

struct stream {
    const char *const *paths;
    size_t count, step; /* child c reads the files c, c + step, ... */
    unsigned parts;
    struct child child[CHILDREN_MAX];
};

static _Noreturn void be_child(const struct stream *stream, size_t first, int out)
{
    guarded_enter();
    for (int c = 0; c < CHILDREN_MAX; c++) /* else a sibling's pipe outlives the parent */
        if (stream->child[c].from)
            close(fileno(stream->child[c].from));
    FILE *to = fdopen(out, "wb");
    hdf5_quiet();
    for (size_t i = first; to && i < stream->count && !ferror(to); i += stream->step)
        if (stream->paths[i])
            serve_one(to, stream->paths[i], stream->parts);
    _exit(0);
}

static int start_child(struct stream *stream, size_t first, struct error *err)
{
    int ends[2];
    struct child *child = &stream->child[first % stream->step];
    if (pipe2(ends, O_CLOEXEC) != 0)
        return fail_errno(err, "cannot start a process");
    fcntl(ends[1], F_SETPIPE_SZ, PIPE_BYTES); /* if it may */
    pid_t pid = fork();
    if (pid == 0) {
        close(ends[0]);
        be_child(stream, first, ends[1]);
    }
    close(ends[1]);
    FILE *from = pid < 0 ? NULL : fdopen(ends[0], "rb");
    if (!from) {
        int status = fail_errno(err, "cannot start a process");
        close(ends[0]); /* a child ends when it writes */
        if (pid > 0)
            guarded_await(pid);
        return status;
    }
    *child = (struct child){pid, from};
    return 0;
}

/* Ends a child, if need be, and returns the signal that ended it. */
static int end_child(struct child *child, bool by_force)
{
    if (child->pid == 0)
        return 0;
    if (by_force)
        kill(child->pid, SIGKILL);
    fclose(child->from);
    int ended_by = guarded_await(child->pid);
    *child = (struct child){0};
    return ended_by;
}

static bool get_bytes(FILE *from, void *bytes, size_t count)
{
    return count == 0 || fread(bytes, 1, count, from) == count;
}

static bool get_number(FILE *from, uint64_t most, uint64_t *number)
{
    return get_bytes(from, number, sizeof *number) && *number <= most;
}

/* Caller frees. NULL: none came, or memory is out. */
static char *get_text(FILE *from)
{
    uint64_t length;
    if (!get_number(from, TEXT_MAX, &length))
        return NULL;
    char *text = calloc(1, (size_t)length + 1);
    if (text && !get_bytes(from, text, (size_t)length)) {
        free(text);
        return NULL;
    }
    return text;
}

static bool get_attributes(FILE *from, struct hdf5_attributes *out)
{
    uint64_t count, is_number = 0;
    if (!get_number(from, ATTRIBUTES_MAX, &count))
        return false;
    out->list = calloc((size_t)count + 1, sizeof *out->list);
    bool good = out->list != NULL;
    while (good && out->count < count) {
        struct hdf5_attribute *attribute = &out->list[out->count++];
        attribute->name = get_text(from);
        attribute->text = get_text(from);
        good = attribute->name && attribute->text && get_number(from, 1, &is_number);
        attribute->is_number = is_number;
    }
    return good;
}

static bool get_history(FILE *from, struct history *out)
{
    uint64_t columns, rows;
    if (!get_number(from, COLUMNS_MAX, &columns) || !get_number(from, rows_max, &rows))
        return false;
    out->column = calloc((size_t)columns + 1, sizeof *out->column);
    out->values = malloc(((size_t)columns * (size_t)rows + 1) * sizeof *out->values);
    if (!out->column || !out->values ||
        !get_bytes(from, out->column, (size_t)columns * sizeof *out->column) ||
        !get_bytes(from, out->values, (size_t)columns * (size_t)rows * sizeof *out->values))
        return false;
    for (uint64_t i = 0; i < columns; i++) {
        struct history_column *c = &out->column[i];
        c->name[sizeof c->name - 1] = c->title[sizeof c->title - 1] = c->unit[sizeof c->unit - 1] =
            '\0';
    }
    out->columns = (int)columns;
    out->rows = out->capacity = (size_t)rows;
    return true;
}

static bool get_image(FILE *from, struct image *out)
{
    uint64_t height, width;
    if (!get_number(from, SIDE_MAX_PX, &height) || !get_number(from, SIDE_MAX_PX, &width))
        return false;
    if (height == 0)
        return true;
    *out = (struct image){.height = (int)height,
                          .width = (int)width,
                          .rgb = malloc((size_t)height * (size_t)width * 3)};
    return out->rgb && get_bytes(from, out->rgb, (size_t)height * (size_t)width * 3);
}

/* One file's answer; false: the child is gone, or what it says makes no sense. */
static bool receive(FILE *from, struct result_contents *contents, struct error *why)
{
    uint64_t status, rows, end, finished;
    bool good = get_number(from, INT32_MAX, &status);
    *why = (struct error){0};
    if (good && status != 0) {
        char *message = get_text(from);
        good = message != NULL;
        fail(why, (int)status, "%s", message ? message : "");
        free(message);
    } else if (good) {
        good = get_number(from, 1, &finished) && get_attributes(from, &contents->attributes) &&
               get_number(from, rows_max, &rows) && get_history(from, &contents->history) &&
               get_image(from, &contents->image);
        contents->rows = good ? (size_t)rows : 0;
        contents->finished = good && finished;
    }
    return good && get_number(from, END, &end) && end == END;
}

/* Gets the answer to one file; where the child died of it, *why says so. Errors: E_ENVIRONMENT. */
static int receive_from(struct stream *stream, size_t index, struct result_contents *contents,
                        struct error *why, struct error *err)
{
    struct child *child = &stream->child[index % stream->step];
    int status = child->pid == 0 ? start_child(stream, index, err) : 0;
    if (status != 0 || receive(child->from, contents, why))
        return status;
    bool alive = !feof(child->from); /* it talks nonsense */
    int ended_by = end_child(child, alive);
    if (guarded_verdict(alive ? 0 : ended_by, why) == E_ENVIRONMENT)
        return fail(err, E_ENVIRONMENT, "reading '%s': %s", stream->paths[index], why->message);
    return 0;
}

static int stream_one(struct stream *stream, size_t index, result_visitor *visit, void *context,
                      struct error *err)
{
    struct result_contents contents = {0};
    struct error why = {0};
    int status = receive_from(stream, index, &contents, &why, err);
    if (status == 0)
        status = visit(context, index, why.code == 0 ? &contents : NULL, &why, err);
    contents_release(&contents);
    return status;
}

/* As many as there are processors for, within reason. */
static size_t children_for(size_t files)
{
    cpu_set_t mask;
    size_t processors =
        sched_getaffinity(0, sizeof mask, &mask) == 0 ? (size_t)CPU_COUNT(&mask) : 1;
    size_t most = processors < CHILDREN_MAX ? processors : CHILDREN_MAX;
    size_t useful = files / FILES_A_CHILD + 1;
    return useful < most ? useful : most;
}

int result_stream(const char *const *paths, size_t count, unsigned parts, result_visitor *visit,
                  void *context, struct error *err)
{
    int status = 0;
    struct stream stream = {
        .paths = paths, .count = count, .step = children_for(count), .parts = parts};
    for (size_t i = 0; i < stream.step; i++) /* so that all are at work before the first is done */
        if (i < count && paths[i] && status == 0)
            status = start_child(&stream, i, err);
    for (size_t i = 0; i < count && status == 0; i++)
        if (paths[i])
            status = stream_one(&stream, i, visit, context, err);
    for (size_t i = 0; i < stream.step; i++)
        end_child(&stream.child[i], true);
    return status;
}
