#include "result_wire.h"

#include "layer_list.h"
#include <stdlib.h>
#include <string.h>

/* In native numbers: a status; then the message of a failure, or the contents; then END. */
enum {
    TEXT_MAX = 1 << 24,
    ATTRIBUTES_MAX = 4096,
    COLUMNS_MAX = H_FIXED + 2 * LAYERS_MAX,
    SIDE_MAX_PX = 65535,
    END = 0x454e44
};
static const uint64_t rows_max = UINT64_C(1) << 32;

void result_contents_release(struct result_contents *contents)
{
    hdf5_attributes_release(&contents->attributes);
    history_release(&contents->history);
    image_release(&contents->image);
    render_state_release(&contents->state);
    *contents = (struct result_contents){0};
}

/* Sending -------------------------------------------------------------------------------------- */

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

static void put_image(FILE *to, const struct image *image)
{
    put_number(to, image->rgb ? (uint64_t)image->height : 0);
    put_number(to, image->rgb ? (uint64_t)image->width : 0);
    if (image->rgb)
        put_bytes(to, image->rgb, (size_t)image->height * (size_t)image->width * 3);
}

/* The pictures of a state, as far as it has them. */
enum { FIELDS = 4 };
static void fields_of(struct render_state *state, double **fields[FIELDS])
{
    fields[0] = &state->picture;
    fields[1] = &state->moment1;
    fields[2] = &state->moment2;
    fields[3] = &state->best;
}

static void put_state(FILE *to, const struct render_state *state)
{
    struct render_state copy = *state;
    double **fields[FIELDS];
    size_t values = (size_t)state->height * (size_t)state->width * 3;
    fields_of(&copy, fields);
    put_bytes(to, state, sizeof *state);
    for (int i = 0; i < FIELDS; i++) {
        put_number(to, *fields[i] != NULL);
        put_bytes(to, *fields[i], *fields[i] ? values * sizeof **fields[i] : 0);
    }
}

static void put_contents(FILE *to, const struct result_contents *contents)
{
    const struct history *h = &contents->history;
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
    put_image(to, &contents->image);
    put_state(to, &contents->state);
    put_number(to, contents->seal);
}

void result_send(FILE *to, const struct result_contents *contents, int status, const char *message)
{
    put_number(to, (uint64_t)status);
    if (status != 0)
        put_text(to, message);
    else
        put_contents(to, contents);
    put_number(to, END);
    fflush(to);
}

/* Receiving: none of the sizes is believed ------------------------------------------------------
 */

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

static bool get_field(FILE *from, size_t values, double **out)
{
    uint64_t there;
    if (!get_number(from, 1, &there) || (there && values == 0))
        return false;
    *out = there ? malloc(values * sizeof **out) : NULL;
    return !there || (*out && get_bytes(from, *out, values * sizeof **out));
}

static bool get_state(FILE *from, struct render_state *out)
{
    struct render_state state = {0};
    double **fields[FIELDS];
    bool good = get_bytes(from, &state, sizeof state) && state.height >= 0 &&
                state.height <= SIDE_MAX_PX && state.width >= 0 && state.width <= SIDE_MAX_PX;
    state.picture = state.moment1 = state.moment2 = state.best = NULL;
    fields_of(&state, fields);
    for (int i = 0; i < FIELDS && good; i++)
        good = get_field(from, (size_t)state.height * (size_t)state.width * 3, fields[i]);
    *out = state; /* what came is released with the rest */
    return good;
}

static bool get_contents(FILE *from, struct result_contents *out)
{
    uint64_t rows, finished, seal;
    bool good = get_number(from, 1, &finished) && get_attributes(from, &out->attributes) &&
                get_number(from, rows_max, &rows) && get_history(from, &out->history) &&
                get_image(from, &out->image) && get_state(from, &out->state) &&
                get_number(from, SEAL_BROKEN, &seal);
    out->rows = good ? (size_t)rows : 0;
    out->finished = good && finished;
    out->seal = good ? (enum seal)seal : SEAL_NONE;
    return good;
}

bool result_receive(FILE *from, struct result_contents *contents, struct error *why)
{
    uint64_t status, end;
    bool good = get_number(from, INT32_MAX, &status);
    *why = (struct error){0};
    if (good && status != 0) {
        char *message = get_text(from);
        good = message != NULL;
        fail(why, (int)status, "%s", message ? message : "");
        free(message);
    } else if (good)
        good = get_contents(from, contents);
    return good && get_number(from, END, &end) && end == END;
}
