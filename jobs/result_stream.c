#include "result_stream.h"

#include "checkpoint.h"
#include "guarded.h"
#include "hdf5_probe.h"
#include "result_wire.h"
#include "seal.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum {
    CHILDREN_MAX = 4,
    FILES_A_CHILD = 16, /* fewer are not worth another */
    PIPE_BYTES = 1 << 20,
    BUFFER_BYTES = 1 << 16,
    STOP_MS = 200 /* a request to stop is heard within */
};

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
    out->finished = !(parts & RESULT_STATE) && schema_check(file, SCHEMA_RESULT, err) == 0;
    if (!out->finished)
        TRY(parts & (RESULT_UNFINISHED | RESULT_STATE) ? schema_check(file, SCHEMA_CHECKPOINT, err)
                                                       : E_INPUT);
    if (parts & RESULT_ATTRIBUTES)
        TRY(hdf5_attributes_read(file, &out->attributes, err));
    if (parts & (RESULT_ENDS | RESULT_HISTORY))
        TRY(history_read(file, &out->history, err));
    out->rows = out->history.rows;
    if (!(parts & RESULT_HISTORY))
        keep_ends(&out->history);
    if (parts & RESULT_IMAGE && out->finished)
        TRY(picture_read(file, &out->image, err));
    if (parts & RESULT_COUNTERS && !out->finished)
        TRY(checkpoint_read_counters(file, &out->state, err));
    if (parts & RESULT_STATE)
        TRY(checkpoint_read_state(file, &out->attributes, &out->history, &out->state, err));
done:
    return status;
}

static int read_parts(int descriptor, unsigned parts, struct result_contents *out,
                      struct error *err)
{
    int status = 0;
    hid_t file = H5I_INVALID_HID;
    TRY(hdf5_open_descriptor(descriptor, &file, err));
    TRY(read_open(file, parts, out, err));
    if (parts & RESULT_SEAL && out->finished)
        TRY(seal_check(file, descriptor, &out->seal, err));
done:
    hdf5_close(file);
    return status;
}

static int read_one(const char *path, unsigned parts, struct result_contents *out,
                    struct error *err)
{
    int descriptor = -1;
    uint64_t bytes = 0;
    int status = hdf5_open_whole(path, parts & RESULT_NAMED, &descriptor, &bytes, err);
    if (status != 0)
        return status;
    guarded_allow(hdf5_seconds(bytes), (size_t)bytes);
    status = read_parts(descriptor, parts, out, err);
    close(descriptor);
    return status;
}

static void serve_one(FILE *to, const char *path, unsigned parts)
{
    struct result_contents contents = {0};
    struct error err = {0};
    int status = read_one(path, parts, &contents, &err);
    guarded_rest(); /* the parent takes its time */
    result_send(to, &contents, status, err.message);
    result_contents_release(&contents);
}

/* The parent's end ----------------------------------------------------------------------------- */

struct child {
    pid_t pid;  /* 0: none */
    int pipe;   /* its answers, and the same as a stream */
    FILE *from; /* fclose closes both */
    const struct stream *stream;
};

struct stream {
    const char *const *paths;
    size_t count, step; /* child c reads the files c, c + step, ... */
    unsigned parts;
    bool (*should_stop)(void *context); /* or NULL */
    void *context;
    struct child child[CHILDREN_MAX];
};

static bool asked_to_stop(const struct stream *stream)
{
    return stream->should_stop && stream->should_stop(stream->context);
}

/* A child may take long; whoever asks to stop meanwhile is heard. */
static ssize_t read_pipe(void *cookie, char *bytes, size_t count)
{
    const struct child *child = cookie;
    struct pollfd wait = {.fd = child->pipe, .events = POLLIN};
    for (;;) {
        int ready = poll(&wait, 1, STOP_MS);
        if (ready == 0 && asked_to_stop(child->stream))
            return -1;
        if (ready < 0 && errno != EINTR)
            return -1;
        ssize_t got = ready > 0 ? read(child->pipe, bytes, count) : -1;
        if (got >= 0 || (ready > 0 && errno != EINTR))
            return got;
    }
}

static int close_pipe(void *cookie) { return close(((struct child *)cookie)->pipe); }

static FILE *open_pipe(struct child *child)
{
    FILE *from =
        fopencookie(child, "r", (cookie_io_functions_t){.read = read_pipe, .close = close_pipe});
    if (from)
        setvbuf(from, NULL, _IOFBF, BUFFER_BYTES);
    return from;
}

static _Noreturn void be_child(const struct stream *stream, size_t first, int out)
{
    guarded_enter();
    for (int c = 0; c < CHILDREN_MAX; c++) /* else a sibling's pipe outlives the parent */
        if (stream->child[c].from)
            close(stream->child[c].pipe);
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
    *child = (struct child){.pipe = ends[0], .stream = stream};
    child->from = pid < 0 ? NULL : open_pipe(child);
    if (!child->from) {
        int status = fail_errno(err, "cannot start a process");
        close(ends[0]); /* a child ends when it writes */
        if (pid > 0)
            guarded_await(pid);
        return status;
    }
    child->pid = pid;
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

/* Gets the answer to one file; where the child died of it, *why says so. Errors: E_ENVIRONMENT;
 * E_INTERRUPTED. */
static int receive_from(struct stream *stream, size_t index, struct result_contents *contents,
                        struct error *why, struct error *err)
{
    struct child *child = &stream->child[index % stream->step];
    int status = child->pid == 0 ? start_child(stream, index, err) : 0;
    if (status != 0 || result_receive(child->from, contents, why))
        return status;
    if (asked_to_stop(stream))
        return fail(err, E_INTERRUPTED, "interrupted");
    bool alive = !feof(child->from); /* it talks nonsense */
    int ended_by = end_child(child, alive);
    if (guarded_verdict(alive ? 0 : ended_by, why) == E_ENVIRONMENT)
        return fail(err, E_ENVIRONMENT, "reading '%s': %s", stream->paths[index], why->message);
    return 0;
}

static int stream_one(struct stream *stream, size_t index, result_visitor *visit, struct error *err)
{
    struct result_contents contents = {0};
    struct error why = {0};
    int status = receive_from(stream, index, &contents, &why, err);
    if (status == 0)
        status = visit(stream->context, index, why.code == 0 ? &contents : NULL, &why, err);
    result_contents_release(&contents);
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

int result_stream_until(const char *const *paths, size_t count, unsigned parts,
                        result_visitor *visit, bool (*should_stop)(void *context), void *context,
                        struct error *err)
{
    int status = 0;
    struct stream stream = {.paths = paths,
                            .count = count,
                            .step = children_for(count),
                            .parts = parts,
                            .should_stop = should_stop,
                            .context = context};
    for (size_t i = 0; i < stream.step; i++) /* so that all are at work before the first is done */
        if (i < count && paths[i] && status == 0)
            status = start_child(&stream, i, err);
    for (size_t i = 0; i < count && status == 0; i++)
        if (paths[i])
            status = stream_one(&stream, i, visit, err);
    for (size_t i = 0; i < stream.step; i++)
        end_child(&stream.child[i], true);
    return status;
}

int result_stream(const char *const *paths, size_t count, unsigned parts, result_visitor *visit,
                  void *context, struct error *err)
{
    return result_stream_until(paths, count, parts, visit, NULL, context, err);
}

int result_read(const char *path, unsigned parts, struct result_contents *out, struct error *why,
                struct error *err)
{
    struct result_contents contents = {0};
    struct stream stream = {.paths = &path, .count = 1, .step = 1, .parts = parts};
    int status = receive_from(&stream, 0, &contents, why, err);
    end_child(&stream.child[0], true);
    if (status != 0 || why->code != 0)
        result_contents_release(&contents);
    *out = contents;
    return status;
}
