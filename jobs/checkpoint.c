#include "checkpoint.h"

#include "digest.h"
#include "result_stream.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

static const char no_memory[] = "not enough memory for a checkpoint";

/* The checksum --------------------------------------------------------------------------------- */

static void print_attributes(FILE *out, const struct hdf5_attributes *attributes)
{
    for (size_t i = 0; i < attributes->count; i++)
        fprintf(out, "%s=%s\n", attributes->list[i].name, attributes->list[i].text);
}

static int print_history(FILE *out, const struct history *history, struct error *err)
{
    int status = 0;
    char hex[DIGEST_HEX];
    void *values = NULL;
    for (int i = 0; i < history->columns; i++) {
        const struct history_column *c = &history->column[i];
        size_t width = c->integer ? sizeof(int32_t) : sizeof(double);
        values = history_stored(history, i);
        if (!values) {
            status = fail(err, E_ENVIRONMENT, "%s", no_memory);
            goto done;
        }
        TRY(digest_bytes(values, history->rows * width, hex, err));
        fprintf(out, "history/%s %s %s %d %zu %s\n", c->name, c->title, c->unit, c->integer,
                history->rows, hex);
        free(values);
        values = NULL;
    }
done:
    free(values);
    return status;
}

static int print_field(FILE *out, const char *name, const struct render_state *state,
                       const double *values, struct error *err)
{
    char hex[DIGEST_HEX];
    size_t count = (size_t)state->height * (size_t)state->width * 3;
    if (!values)
        return 0;
    int status = digest_bytes(values, count * sizeof *values, hex, err);
    if (status == 0)
        fprintf(out, "state/%s %d %d %s\n", name, state->height, state->width, hex);
    return status;
}

static int print_state(FILE *out, const struct render_state *state, struct error *err)
{
    int status = 0;
    TRY(print_field(out, "picture", state, state->picture, err));
    TRY(print_field(out, "moment1", state, state->moment1, err));
    TRY(print_field(out, "moment2", state, state->moment2, err));
    TRY(print_field(out, "best", state, state->best, err));
    if (state->best)
        fprintf(out, "kept %a\n", state->kept_total);
    fprintf(out, "state %lld %lld %lld %a %a %d\n", (long long)state->adam_steps,
            (long long)state->iteration, (long long)state->evaluations, state->seconds,
            state->best_total, state->precision);
done:
    return status;
}

/* SHA-256 of a text that lists everything checkpoint_read takes from a file, arrays by their own
 * SHA-256. HDF5 itself has no checksum on texts and on arrays that are not compressed. */
static int content_digest(const struct hdf5_attributes *attributes, const struct history *history,
                          const struct render_state *state, char hex[DIGEST_HEX], struct error *err)
{
    int status = 0;
    char *text = NULL;
    size_t size = 0;
    FILE *out = open_memstream(&text, &size);
    if (!out)
        return fail(err, E_ENVIRONMENT, "%s", no_memory);
    print_attributes(out, attributes);
    TRY(print_history(out, history, err));
    TRY(print_state(out, state, err));
    int lost = ferror(out);
    lost |= fclose(out);
    out = NULL;
    if (lost) {
        status = fail(err, E_ENVIRONMENT, "%s", no_memory);
        goto done;
    }
    TRY(digest_bytes(text, size, hex, err));
done:
    if (out)
        fclose(out);
    free(text);
    return status;
}

/* Writing -------------------------------------------------------------------------------------- */

static int write_fields(hid_t group, const struct render_state *state, struct error *err)
{
    int status = 0;
    const int h = state->height, w = state->width;
    TRY(hdf5_write_field(group, "picture", h, w, state->picture, err));
    if (state->moment1)
        TRY(hdf5_write_field(group, "moment1", h, w, state->moment1, err));
    if (state->moment2)
        TRY(hdf5_write_field(group, "moment2", h, w, state->moment2, err));
    if (state->best) {
        TRY(hdf5_write_field(group, "best", h, w, state->best, err));
        TRY(hdf5_write_real(group, "kept_total", state->kept_total, err));
    }
done:
    return status;
}

static int write_counters(hid_t group, const struct render_state *state, struct error *err)
{
    int status = 0;
    TRY(hdf5_write_whole(group, "iteration", state->iteration, err));
    TRY(hdf5_write_whole(group, "evaluations", state->evaluations, err));
    TRY(hdf5_write_whole(group, "adam_steps", state->adam_steps, err));
    TRY(hdf5_write_whole(group, "precision", state->precision, err));
    TRY(hdf5_write_real(group, "seconds", state->seconds, err));
    TRY(hdf5_write_real(group, "best_total", state->best_total, err));
done:
    return status;
}

int checkpoint_write_state(hid_t file, const struct history *history,
                           const struct render_state *state, struct error *err)
{
    int status = 0;
    hid_t group = H5I_INVALID_HID;
    struct hdf5_attributes attributes = {0};
    char hex[DIGEST_HEX];
    TRY(hdf5_new_group(file, "state", &group, err));
    TRY(write_fields(group, state, err));
    TRY(write_counters(group, state, err));
    TRY(hdf5_attributes_read(file, &attributes, err));
    TRY(content_digest(&attributes, history, state, hex, err));
    TRY(hdf5_write_text(group, "content_sha256", hex, err));
done:
    hdf5_attributes_release(&attributes);
    hdf5_close(group);
    return status;
}

/* Reading -------------------------------------------------------------------------------------- */

static int read_counters(hid_t group, struct render_state *state, struct error *err)
{
    int status = 0;
    int64_t precision = 0;
    TRY(hdf5_read_whole(group, "iteration", &state->iteration, err));
    TRY(hdf5_read_whole(group, "evaluations", &state->evaluations, err));
    TRY(hdf5_read_whole(group, "adam_steps", &state->adam_steps, err));
    TRY(hdf5_read_whole(group, "precision", &precision, err));
    TRY(hdf5_read_real(group, "seconds", &state->seconds, err));
    TRY(hdf5_read_real(group, "best_total", &state->best_total, err));
    if (state->iteration < 0 || state->evaluations < 0 || state->adam_steps < 0 || precision < 0 ||
        precision > 1)
        status = fail(err, E_INPUT, "its counters are out of range");
    state->precision = (int)precision;
done:
    return status;
}

static int read_fields(hid_t group, struct render_state *state, struct error *err)
{
    int status = 0;
    const int h = state->height, w = state->width;
    TRY(hdf5_read_field(group, "picture", h, w, state->picture, err));
    if (state->moment1) {
        TRY(hdf5_read_field(group, "moment1", h, w, state->moment1, err));
        TRY(hdf5_read_field(group, "moment2", h, w, state->moment2, err));
    }
    if (state->best) {
        TRY(hdf5_read_field(group, "best", h, w, state->best, err));
        TRY(hdf5_read_real(group, "kept_total", &state->kept_total, err));
    }
done:
    return status;
}

static int read_state(hid_t file, struct render_state *out, struct error *err)
{
    int status = 0, height = 0, width = 0;
    hid_t group = H5I_INVALID_HID;
    struct render_state read = {0};
    TRY(hdf5_open_group(file, "state", &group, err));
    TRY(hdf5_field_shape(group, "picture", &height, &width, err));
    int adam = H5Lexists(group, "moment1", H5P_DEFAULT) > 0;
    TRY(render_state_init(&read, height, width, adam, err));
    if (H5Lexists(group, "best", H5P_DEFAULT) > 0) {
        read.best = calloc((size_t)height * (size_t)width * 3, sizeof *read.best);
        if (!read.best) {
            status = fail(err, E_ENVIRONMENT, "%s", no_memory);
            goto done;
        }
    }
    TRY(read_fields(group, &read, err));
    TRY(read_counters(group, &read, err));
    *out = read;
    read = (struct render_state){0};
done:
    render_state_release(&read);
    hdf5_close(group);
    return status;
}

static int check_digest(hid_t file, const struct hdf5_attributes *attributes,
                        const struct history *history, const struct render_state *state,
                        struct error *err)
{
    int status = 0;
    hid_t group = H5I_INVALID_HID;
    char *stored = NULL, hex[DIGEST_HEX];
    TRY(hdf5_open_group(file, "state", &group, err));
    TRY(hdf5_read_text(group, "content_sha256", &stored, err));
    TRY(content_digest(attributes, history, state, hex, err));
    if (strcmp(stored, hex) != 0)
        status = fail(err, E_INPUT, "its content does not match its checksum");
done:
    free(stored);
    hdf5_close(group);
    return status;
}

int checkpoint_read_counters(hid_t file, struct render_state *out, struct error *err)
{
    int status = 0;
    hid_t group = H5I_INVALID_HID;
    struct render_state read = {0};
    TRY(hdf5_open_group(file, "state", &group, err));
    TRY(read_counters(group, &read, err));
    *out = read;
done:
    hdf5_close(group);
    return status;
}

int checkpoint_read_state(hid_t file, const struct hdf5_attributes *attributes,
                          const struct history *history, struct render_state *out,
                          struct error *err)
{
    int status = 0;
    struct render_state read = {0};
    TRY(read_state(file, &read, err));
    TRY(check_digest(file, attributes, history, &read, err));
    *out = read;
    read = (struct render_state){0};
done:
    render_state_release(&read);
    return status;
}

/* The verdict ---------------------------------------------------------------------------------- */

/* Whether a fingerprint is in a list joined by " | ". */
static bool is_listed(const char *list, const char *one)
{
    size_t length = strlen(one);
    for (const char *at = list; (at = strstr(at, one)); at += length)
        if ((at == list || (at - list >= 3 && strncmp(at - 3, " | ", 3) == 0)) &&
            (!at[length] || strncmp(at + length, " | ", 3) == 0))
            return true;
    return false;
}

static int name_numerics(const struct hdf5_attributes *attributes, enum checkpoint_verdict verdict,
                         char **out, struct error *err)
{
    const char *before = hdf5_attributes_find(attributes, NUMERICS_BEFORE);
    const char *there = hdf5_attributes_find(attributes, "numerics");
    before = before ? before : "";
    there = there && *there ? there : "unknown";
    bool add = verdict == CHECKPOINT_NUMERICS && !is_listed(before, there);
    if (!add && !*before)
        return 0;
    if (asprintf(out, "%s%s%s", before, add && *before ? " | " : "", add ? there : "") >= 0)
        return 0;
    *out = NULL;
    return fail(err, E_ENVIRONMENT, "%s", no_memory);
}

int checkpoint_read(const char *path, const struct params *params, const struct fact *facts,
                    size_t fact_count, struct checkpoint *out, enum checkpoint_verdict *verdict,
                    char *difference, size_t difference_size, struct error *err)
{
    struct result_contents contents = {0};
    struct stat info;
    struct error found;
    *out = (struct checkpoint){0};
    snprintf(difference, difference_size, "%s", "");
    if (lstat(path, &info) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
        *verdict = CHECKPOINT_NONE;
        return 0;
    }
    int status = result_read(path, RESULT_ATTRIBUTES | RESULT_HISTORY | RESULT_STATE, &contents,
                             &found, err);
    if (status == 0 && found.code != E_INPUT)
        status = found.code ? fail(err, found.code, "%s", found.message) : 0;
    if (status != 0)
        return fail_context(err, "cannot read the checkpoint '%s': ", path);
    if (found.code != 0) {
        *verdict = CHECKPOINT_DAMAGED;
        snprintf(difference, difference_size, "%s", found.message);
        return 0;
    }
    TRY(result_compare(&contents.attributes, params, facts, fact_count, verdict, difference,
                       difference_size, err));
    if (*verdict == CHECKPOINT_OTHER)
        goto done;
    TRY(name_numerics(&contents.attributes, *verdict, &out->numerics_before, err));
    out->state = contents.state;
    out->history = contents.history;
    contents.state = (struct render_state){0};
    contents.history = (struct history){0};
done:
    result_contents_release(&contents);
    return status;
}

bool checkpoint_fits(const struct checkpoint *checkpoint, int height, int width, bool adam,
                     const struct history *columns, char *difference, size_t difference_size)
{
    const struct render_state *state = &checkpoint->state;
    const struct history *there = &checkpoint->history;
    const char *other = NULL;
    if (state->height != height || state->width != width) {
        snprintf(difference, difference_size, "its picture is %d x %d px there, %d x %d px here",
                 state->width, state->height, width, height);
        return false;
    }
    if ((state->moment1 != NULL) != adam)
        other = "moments";
    else if (there->columns != columns->columns)
        other = "number of columns";
    for (int i = 0; i < there->columns && !other; i++)
        if (strcmp(there->column[i].name, columns->column[i].name) != 0)
            other = there->column[i].name;
    if (other)
        snprintf(difference, difference_size, "its state or history is another version's: %s",
                 other);
    return !other;
}

void checkpoint_release(struct checkpoint *checkpoint)
{
    render_state_release(&checkpoint->state);
    history_release(&checkpoint->history);
    free(checkpoint->numerics_before);
    checkpoint->numerics_before = NULL;
}
